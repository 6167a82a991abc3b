/** The setting of the first lesson: ten networks grok modular addition within a minute or two on two cores, without a GPU. */
import { type RunInput, type RunSpec, runSpec } from "../spec.ts";

/** Seeds of the lesson. */
export const SEEDS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

/**
 * Nanda's model, smaller, on a smaller modulus; a higher learning rate shortens the wait. `change` says what is
 * to differ, in the words of a run's spec.
 */
export function firstGrok(change: Omit<RunInput, "preset"> = {}): RunSpec {
  const dModel = change.model?.dModel ?? 32;
  return runSpec({
    ...change,
    preset: "nanda",
    model: { dModel, dMlp: 2 * dModel, initSigma: 1 / Math.sqrt(dModel), ...change.model },
    data: { prime: 47, trainFraction: 0.5, ...change.data },
    optim: { lr: 1e-2, ...change.optim },
    schedule: { steps: 3000, evalEvery: 20, ...change.schedule },
  });
}
