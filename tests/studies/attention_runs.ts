import { grokkingStep, memorisationStep } from "../../lib/run/grokking.ts";
import { type RunInput, runSpec, sizes } from "../../lib/run/spec.ts";
import { decades, stepAt } from "../../lib/analysis/statistics/decades.ts";
import type { AttentionRun } from "../../lib/analysis/attention/runs.ts";

export interface Made extends RunInput {
  /** Where train and validation accuracy are half-way, in steps; `null`: validation accuracy stays at 0. */
  readonly memorises?: number;
  readonly groks?: number | null;
  /** Decades by which attention is half-way later than validation accuracy (or than step 300). */
  readonly lag?: number;
  /** To which key head h of layer l turns at the last query, which begins even. Default: key (l + h) mod T. */
  readonly key?: (layer: number, head: number) => number;
  /** Default: 2000. */
  readonly until?: number;
}

/** From 0 to 1 around a step, within a fifth of a decade. */
const rise = (step: number, middle: number) => 1 / (1 + Math.exp(-(decades(step) - decades(middle)) / 0.03));

/** All queries but the last attend evenly; the last one turns from even to one key. Nothing varies over the examples. */
export function made({ memorises = 60, groks = 600, lag = 0, key, until = 2000, ...input }: Made = {}): AttentionRun {
  const spec = runSpec({ ...input, model: { layers: 2, heads: 2, dModel: 8, ...input.model } }), { L, H, T } = sizes(spec);
  const causal = spec.model.mask === "causal", middle = stepAt(decades(groks ?? 300) + lag);
  const metrics = Array.from({ length: until / 10 + 1 }, (_, i) => {
    const step = 10 * i, trainAcc = rise(step, memorises), valAcc = groks === null ? 0 : rise(step, groks);
    return {
      ...{ step, trainAcc, valAcc, trainLoss: 3 - 2.9 * trainAcc, valLoss: 3 - 2.9 * valAcc, weightNorm: 1, gradNorm: 1 },
      ...{ batchLoss: NaN, batchAcc: NaN, noisyAcc: NaN },
    };
  });
  const steps = [...new Set(Array.from({ length: 60 }, (_, i) => 10 * Math.round(stepAt(decades(until) * i / 59) / 10)))];
  const readings = steps.map((step) => {
    const mean = new Float32Array(L * H * T * T), entropy = new Float32Array(L * H * T), turned = rise(step, middle);
    for (let row = 0; row < L * H * T; row++) {
      const query = row % T,
        head = Math.floor(row / T),
        to = key?.(Math.floor(head / H), head % H) ?? (Math.floor(head / H) + head % H) % T;
      const seen = causal ? query + 1 : T;
      for (let k = 0; k < seen; k++) {
        const p = query === T - 1 ? (1 - turned) / seen + (k === to ? turned : 0) : 1 / seen;
        mean[row * T + k] = p;
        entropy[row] -= p > 0 ? p * Math.log(p) : 0;
      }
    }
    return { step, mean, variance: new Float32Array(mean.length), entropy };
  });
  return { spec, metrics, readings, memorisationStep: memorisationStep(metrics), grokkingStep: grokkingStep(metrics) };
}

/** Runs that differ in seed and in when they grok. */
export const several = (n: number, more: Made = {}): AttentionRun[] =>
  Array.from({ length: n }, (_, seed) => made({ groks: 500 + 40 * seed, ...more, seed }));
