/** Runs whose curves are made: each memorises and groks where it is told to. */
import type { Curve } from "../../lib/analysis/runs/run.ts";
import type { Metrics } from "../../lib/run/metrics.ts";
import { runSpec } from "../../lib/run/spec.ts";

const CLASSES = 29;

export function metrics(step: number, values: Partial<Metrics> = {}): Metrics {
  const blank = {
    trainLoss: 3,
    trainAcc: 0,
    valLoss: 3,
    valAcc: 0,
    weightNorm: 30,
    gradNorm: 1,
    batchLoss: NaN,
    batchAcc: NaN,
    noisyAcc: NaN,
  };
  return { step, ...blank, ...values };
}

/** A run that memorises and groks in one jump each. */
export function run(seed: number, memorised: number | null, grokked: number | null, last = 5000, every = 10): Curve {
  const rows = Array.from({ length: last / every + 1 }, (_, i) => {
    const step = i * every;
    const knows = memorised !== null && step >= memorised, understands = grokked !== null && step >= grokked;
    return metrics(step, {
      trainAcc: knows ? 1 : 1 / CLASSES,
      valAcc: understands ? 1 : 0.01,
      trainLoss: knows ? 1e-5 : 3.4,
      valLoss: understands ? 1e-3 : 9,
    });
  });
  return {
    spec: runSpec({ preset: "one-layer", data: { prime: CLASSES }, seed }),
    metrics: rows,
    memorisationStep: memorised,
    grokkingStep: grokked,
  };
}

export const ten = Array.from({ length: 10 }, (_, seed) => run(seed, 100 + 10 * seed, 2000 + 200 * seed));
export const mixed = ten.map((curve, seed) => (seed % 3 === 0 ? run(seed, 100 + 10 * seed, null) : curve));
