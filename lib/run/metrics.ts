/** The metrics of an evaluation by their names in code, and what they are called in databases and files. No other list of them is needed. */
export const METRIC_COLUMNS = {
  step: "step",
  trainLoss: "train_loss",
  trainAcc: "train_acc",
  valLoss: "val_loss",
  valAcc: "val_acc",
  weightNorm: "weight_norm",
  gradNorm: "grad_norm",
  batchLoss: "batch_loss",
  batchAcc: "batch_acc",
} as const;

export type MetricName = keyof typeof METRIC_COLUMNS;

/** In the order of the columns. */
export const METRIC_NAMES = Object.keys(METRIC_COLUMNS) as MetricName[];
