/** An evaluation on its way from the device, and what its words say. */
import { type AttentionProbe, attentionSizes, type AttentionSummary } from "../run/attention.ts";
import { pad4 } from "../run/layout.ts";
import type { MetricName, Metrics } from "../run/metrics.ts";
import { type RunSpec, sizes } from "../run/spec.ts";
import type { Evaluation } from "./engine.ts";
import type { Plan } from "./op.ts";

/**
 * The metrics that kernels write at the end of an evaluation, in the order of a run's words of `metrics`. One that is added needs a case in
 * `cpu/kernels/evaluation.ts`, which is compiled again, and a place in `webgpu/kernels/evaluation.ts`. What kernels don't write,
 * `evaluationsOf` makes: the step, which the trainer counts, and what only runs with noisy labels have.
 */
export const METRIC_WORDS = [
  "trainLoss",
  "trainAcc",
  "valLoss",
  "valAcc",
  "weightNorm",
  "gradNorm",
  "batchLoss",
  "batchAcc",
] as const satisfies readonly MetricName[];
export type MetricWord = typeof METRIC_WORDS[number];
/** Words of `metrics` for each run: whole vectors of four. */
export const METRIC_STRIDE = pad4(METRIC_WORDS.length);

/** A row that is evaluated. */
export interface Due {
  readonly row: number;
  /** Its run's place on the device. */
  readonly slot: number;
  readonly step: number;
  /** Whether the gradient of its last update is there. */
  readonly hasGradient: boolean;
  readonly spec: RunSpec;
  readonly probe: AttentionProbe | undefined;
}

/**
 * An evaluation under way: the metrics of all slots, then their right answers by noisy labels where there are such, then their attention
 * where it is watched; and which rows are due.
 */
export interface Pending {
  readonly words: PromiseLike<readonly Float32Array[]>;
  readonly due: readonly Due[];
}

/** What has arrived, by row. */
export function evaluationsOf(
  due: readonly Due[],
  [words, ...others]: readonly Float32Array[],
  { noisy, attention }: Pick<Plan, "noisy" | "attention">,
): readonly Evaluation[] {
  return due.map(({ row, slot, step, hasGradient, spec, probe }) => {
    const values = Object.fromEntries(METRIC_WORDS.map((name, at) => [name, words[slot * METRIC_STRIDE + at]]));
    const noisyAcc = noisy ? Math.fround(others[0][slot] / sizes(spec).noisyPairs) : NaN;
    const metrics: Metrics = { step, ...values as Record<MetricWord, number>, noisyAcc, ...!hasGradient && { gradNorm: NaN } };
    if (!probe || !attention) return { row, metrics };
    return {
      row,
      metrics,
      attention: { step, probe, ...unpackSummary(spec, others.at(-1)!.subarray(slot * attention.words), probe.full) },
    };
  });
}

/** The words of `AttentionSummary` in op.ts as a summary, with the patterns of the first `S` pairs. */
export function unpackSummary(spec: RunSpec, words: Float32Array, S: number): AttentionSummary {
  const { T, queries } = attentionSizes(spec);
  /** The T weights of every query, of each the four words that `at` gives. */
  const crop = (count: number, at: (query: number) => number) => {
    const weights = new Float32Array(count * T);
    for (let query = 0; query < count; query++) weights.set(words.subarray(at(query), at(query) + T), query * T);
    return weights;
  };
  return {
    mean: crop(queries, (query) => 12 * query),
    variance: crop(queries, (query) => 12 * query + 4),
    entropy: Float32Array.from({ length: queries }, (_, query) => words[12 * query + 8]),
    examples: crop(S * queries, (query) => 12 * queries + 4 * query),
  };
}
