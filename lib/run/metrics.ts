/**
 * What is known of a run after some updates, whatever computed it: every metric of an evaluation, said once. From this table follow the
 * columns of databases and files, and what is refused there. Which of them kernels write, `METRIC_WORDS` in `engine/evaluation.ts` says.
 */
import { NOT_NEGATIVE, type Range, SHARE } from "./kinds.ts";

export interface Metric {
  /** What databases and files call it. */
  readonly column: string;
  /** What a value must be. */
  readonly range: Range;
  /** There may be none, before the first update for example: NaN in code, NULL or an empty cell where it is stored. */
  readonly late?: true;
  /** It came after evaluations were stored: it is NaN in those that were made before. Such metrics stand at the end. */
  readonly later?: true;
}

const WHOLE: Range = { has: (value) => Number.isSafeInteger(value) && value >= 0, words: "a whole number from 0" };
/** Losses may lie below 0 by what rounding gives. */
const LOSS: Range = { has: (value) => Number.isFinite(value) && value > -1e-3, words: "a finite number from 0" };
/** Of a batch: it may have gone beyond what fp32 holds. */
const BATCH_LOSS: Range = { has: (value) => value > -1e-3, words: "0 or above" };

const TABLE = {
  /** Updates done. */
  step: { column: "step", range: WHOLE },
  /** Mean loss over the whole set that trains, by the run's own formula (cross-entropies in nats), and share of right answers. */
  trainLoss: { column: "train_loss", range: LOSS },
  trainAcc: { column: "train_acc", range: SHARE },
  /** The same of the whole validation set. */
  valLoss: { column: "val_loss", range: LOSS },
  valAcc: { column: "val_acc", range: SHARE },
  /** Euclidean norm of all parameters. */
  weightNorm: { column: "weight_norm", range: NOT_NEGATIVE },
  /**
   * Euclidean norm of the last update's gradient; 0 before the first. NaN where a run was taken up at its last step and evaluated there: a
   * state doesn't hold the gradient.
   */
  gradNorm: { column: "grad_norm", range: NOT_NEGATIVE, late: true },
  /** Mean loss and accuracy of the batches trained on since the last evaluation, as they were in flight; NaN before the first. */
  batchLoss: { column: "batch_loss", range: BATCH_LOSS, late: true },
  batchAcc: { column: "batch_acc", range: SHARE, late: true },
  /**
   * With label noise: the share of the training pairs with noisy labels that are answered by these, that is, how much of the noise is
   * memorised; NaN without. `trainAcc` counts all labels as they are trained on, `valAcc` the operation's answers.
   */
  noisyAcc: { column: "noisy_acc", range: SHARE, later: true },
} as const satisfies Readonly<Record<string, Metric>>;

export type MetricName = keyof typeof TABLE;

/** The state of a run after `step` updates, evaluated on its whole train and validation sets. */
export type Metrics = { readonly [Name in MetricName]: number };

export const METRICS: Readonly<Record<MetricName, Metric>> = TABLE;
/** In the order of the columns. */
export const METRIC_NAMES = Object.keys(METRICS) as MetricName[];
/** What databases and files call them. */
export const METRIC_COLUMNS = Object.fromEntries(METRIC_NAMES.map((name) => [name, METRICS[name].column])) as Readonly<
  Record<MetricName, string>
>;

/** Whether every evaluation that is stored has it. */
export const isAlwaysThere = (name: MetricName): boolean => !METRICS[name].late && !METRICS[name].later;
/** The metrics that some evaluations have: all but those that came later and that none of these has. */
export const metricsIn = (rows: readonly Metrics[]): MetricName[] =>
  METRIC_NAMES.filter((name) => !METRICS[name].later || rows.some((row) => !Number.isNaN(row[name])));
/** Those that came after evaluations were stored. */
export const LATER_METRICS: readonly MetricName[] = METRIC_NAMES.filter((name) => METRICS[name].later);
