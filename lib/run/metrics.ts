/** What is known of a run after some updates, whatever computed it. */

/** The state of a run after `step` updates, evaluated on its whole train and validation sets. */
export interface Metrics {
  readonly step: number;
  /** Mean cross-entropy in nats, and share of right answers. */
  readonly trainLoss: number;
  readonly trainAcc: number;
  readonly valLoss: number;
  readonly valAcc: number;
  /** Euclidean norm of all parameters. */
  readonly weightNorm: number;
  /** Euclidean norm of the last update's gradient; 0 before the first. */
  readonly gradNorm: number;
  /** Mean loss and accuracy of the batches trained on since the last evaluation, as they were in flight; NaN before the first. */
  readonly batchLoss: number;
  readonly batchAcc: number;
}
