/**
 * What is known of a run after some updates, whatever computed it: the metrics of an evaluation by their names in code, and as what databases and
 * files call them. No other list of them is needed.
 */
export const METRIC_COLUMNS = {
  /** Updates done. */
  step: "step",
  /** Mean cross-entropy in nats over the whole set that trains, and share of right answers. */
  trainLoss: "train_loss",
  trainAcc: "train_acc",
  /** The same of the whole validation set. */
  valLoss: "val_loss",
  valAcc: "val_acc",
  /** Euclidean norm of all parameters. */
  weightNorm: "weight_norm",
  /** Euclidean norm of the last update's gradient; 0 before the first. */
  gradNorm: "grad_norm",
  /** Mean loss and accuracy of the batches trained on since the last evaluation, as they were in flight; NaN before the first. */
  batchLoss: "batch_loss",
  batchAcc: "batch_acc",
} as const;

export type MetricName = keyof typeof METRIC_COLUMNS;

/** The state of a run after `step` updates, evaluated on its whole train and validation sets. */
export type Metrics = { readonly [Name in MetricName]: number };

/** In the order of the columns. */
export const METRIC_NAMES = Object.keys(METRIC_COLUMNS) as MetricName[];
