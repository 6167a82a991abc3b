/**
 * The attention log: on which pairs attention is looked at, what is reduced from its weights, and which readings are kept. Pure.
 *
 * The probe set of a run are N pairs drawn without replacement from all of its pairs, whether they train or validate. It is not balanced
 * between the two: attention sees the pair, not its answer, so what is wanted is what the network does with its inputs as they come; and so
 * runs of one seed, operation and modulus are looked at on the same pairs, whatever their train fraction, as long as their split is random.
 * Which of them train, is told.
 */
import type { Accuracies } from "./grokking.ts";
import { type Dataset, dataset } from "./operations.ts";
import { Random } from "./random.ts";
import { type RunSpec, sizes } from "./spec.ts";

export interface AttentionOptions {
  /** N, pairs of the probe set; all pairs, where an operation has fewer. Default: 64. */
  readonly pairs?: number;
  /** S, the first of them, whose patterns are given in full. Default: 8. */
  readonly full?: number;
}

/** N and S, where there are `most` pairs. @throws Error that names what can't be used. */
export function probeSizes({ pairs = 64, full = 8 }: AttentionOptions, most = Infinity): { N: number; S: number } {
  const whole = (name: string, value: number, least: number) => {
    if (Number.isInteger(value) && value >= least) return;
    throw new Error(`Cannot watch attention: ${name} must be a whole number from ${least}, current value is ${value}`);
  };
  whole("pairs", pairs, 1);
  whole("full", full, 0);
  const N = Math.min(pairs, most);
  return { N, S: Math.min(full, N) };
}

/** The pairs on which the attention of a run is looked at. */
export interface AttentionProbe {
  /** [N] each. */
  readonly a: Uint32Array<ArrayBuffer>;
  readonly b: Uint32Array<ArrayBuffer>;
  /** Whether a pair belongs to the training set, [N]. */
  readonly trains: readonly boolean[];
  /** S: the patterns of so many of them, the first, are given in full. */
  readonly full: number;
}

/**
 * The probe set of a run, from its seed's `probe` stream: a larger one begins with a smaller one. `data` is the run's own.
 * @throws Error where the model has no attention.
 */
export function attentionProbe(
  spec: RunSpec,
  options: AttentionOptions = {},
  data: Dataset = dataset(spec.data, spec.seed),
): AttentionProbe {
  attentionSizes(spec);
  const { N, S } = probeSizes(options, data.a.length), at = new Random(spec.seed, "probe").sample(data.a.length, N);
  const column = (values: Uint32Array) => Uint32Array.from(at, (i) => values[i]);
  return { a: column(data.a), b: column(data.b), trains: Array.from(at, (i) => i < data.trainCount), full: S };
}

/** What is reduced from the attention weights of N pairs; every layer, head, query and key, those of a causal mask included. Row-major. */
export interface AttentionSummary {
  /** The mean pattern, [L, H, T query, T key]. */
  readonly mean: Float32Array<ArrayBuffer>;
  /** The variance of each weight over the pairs (the mean square deviation), [L, H, T query, T key]. */
  readonly variance: Float32Array<ArrayBuffer>;
  /** The mean over the pairs of the entropy of a query's weights in nats, [L, H, T query]. */
  readonly entropy: Float32Array<ArrayBuffer>;
  /** The patterns of the first S pairs, [S, L, H, T query, T key]; empty where a record left them out. */
  readonly examples: Float32Array<ArrayBuffer>;
}

/** The attention of a run after `step` updates. */
export interface AttentionReading extends AttentionSummary {
  readonly step: number;
  readonly probe: AttentionProbe;
}

/** Lengths of a summary's axes: `queries` = L·H·T. @throws Error where the model has no attention. */
export function attentionSizes(spec: RunSpec): { L: number; H: number; T: number; queries: number } {
  const { mixer } = spec.model;
  if (mixer === "none") {
    throw new Error(`Cannot watch attention: the model's mixer must be attention or uniform, current value is ${mixer}`);
  }
  const { L, H, T } = sizes(spec);
  return { L, H, T, queries: L * H * T };
}

/** Whether two probe sets are the same pairs, with as many of them given in full. */
export const sameProbe = (one: AttentionProbe, other: AttentionProbe): boolean =>
  one.full === other.full && one.a.join() === other.a.join() && one.b.join() === other.b.join();

/** The summary of full patterns [N, L, H, T, T]; sums in double precision. */
export function summarise(spec: RunSpec, patterns: Float32Array, S: number): AttentionSummary {
  const { T, queries } = attentionSizes(spec), W = queries * T, N = patterns.length / W;
  const mean = new Float64Array(W), variance = new Float64Array(W), entropy = new Float64Array(queries);
  patterns.forEach((p, i) => {
    mean[i % W] += p / N;
    if (p > 0) entropy[Math.floor((i % W) / T)] -= p * Math.log(p) / N;
  });
  patterns.forEach((p, i) => variance[i % W] += (p - mean[i % W]) ** 2 / N);
  const single = (values: Float64Array) => Float32Array.from(values);
  return { mean: single(mean), variance: single(variance), entropy: single(entropy), examples: patterns.slice(0, S * W) };
}

export interface KeepOptions {
  /**
   * Readings a decade of steps, evenly spaced on a logarithmic axis, as far as there are evaluations. Default: 24, each a tenth further.
   */
  readonly perDecade?: number;
  /** A reading is kept too where train or validation accuracy has moved by more than this since the last one kept. Default: 0.02. */
  readonly move?: number;
}

/** What `keeper` goes by where it isn't told. */
export const KEEP: Required<KeepOptions> = { perDecade: 24, move: 0.02 };

/**
 * Which readings of a run are kept, asked evaluation by evaluation in the order of their steps: the first; the first beyond each mark of
 * the schedule; and wherever an accuracy has moved. It depends on nothing but the run's evaluations up to there, so a run that is stopped
 * and taken up again keeps what it would have kept: `history` are the evaluations before.
 * @throws Error that names what can't be used.
 */
export function keeper(
  { perDecade = KEEP.perDecade, move = KEEP.move }: KeepOptions = {},
  history: readonly Accuracies[] = [],
): (evaluation: Accuracies) => boolean {
  if (!(perDecade > 0)) throw new Error(`Cannot choose readings: perDecade must be above 0, current value is ${perDecade}`);
  if (!(move >= 0)) throw new Error(`Cannot choose readings: move must be 0 or above, current value is ${move}`);
  // A step on a mark counts as beyond it, however its logarithm is rounded.
  const marks = (step: number) => step < 1 ? -1 : Math.floor(perDecade * Math.log10(step) + 1e-9);
  let seen = -1, kept: Accuracies | null = null;
  const keeps = (evaluation: Accuracies): boolean => {
    const { step, trainAcc, valAcc } = evaluation, before = seen;
    seen = marks(step);
    const moved = kept !== null && (Math.abs(trainAcc - kept.trainAcc) > move || Math.abs(valAcc - kept.valAcc) > move);
    if (kept !== null && !moved && seen <= before) return false;
    kept = evaluation;
    return true;
  };
  for (const evaluation of history) keeps(evaluation);
  return keeps;
}
