/** The settings of the first lesson, of the demo and of whoever wants to see grokking soon: minutes on two cores, without a GPU. */
import { type RunInput, type RunSpec, runSpec } from "../../run/spec.ts";

/** Seeds of the lesson. */
export const SEEDS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

/**
 * The preset `one-layer`, smaller, on a smaller modulus; a higher learning rate shortens the wait. `change` says what is
 * to differ, in the words of a run's spec.
 */
export function firstGrok(change: Omit<RunInput, "preset"> = {}): RunSpec {
  const dModel = change.model?.dModel ?? 32;
  return runSpec({
    ...change,
    preset: "one-layer",
    model: { dModel, dMlp: 2 * dModel, initSigma: 1 / Math.sqrt(dModel), ...change.model },
    data: { prime: 47, trainFraction: 0.5, ...change.data },
    optim: { lr: 1e-2, ...change.optim },
    schedule: { steps: 3000, evalEvery: 20, ...change.schedule },
  });
}

/**
 * Smaller and quicker: modulo 31 from 60 % of the pairs, every seed tried groks within some 500 updates. For TensorFlow.js on a processor,
 * and for tests. The price is a short wait: with so many pairs to learn from, half of the others are known when the first are memorised.
 */
export const quickGrok = (seed: number): RunSpec =>
  firstGrok({
    model: { dModel: 48, dMlp: 192 },
    data: { prime: 31, trainFraction: 0.6 },
    optim: { lr: 5e-3, weightDecay: 2 },
    schedule: { steps: 1500 },
    seed,
  });
