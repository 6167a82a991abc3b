/** The settings of the first lesson and the demo, which grok quickly: minutes on two cores, without a GPU. */
import { type RunInput, type RunSpec, runSpec } from "../../run/spec.ts";

/** The seeds of the first lesson. */
export const SEEDS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

/**
 * The preset `one-layer`, smaller, on a smaller modulus; a higher learning rate shortens the wait. `change` overrides fields of the spec.
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
 * Smaller and faster: modulo 31, trained on 60 % of the pairs; every seed tried groks within about 500 updates. For TensorFlow.js on a
 * processor, and for tests. Its drawback is a short delay: with so much training data, half of the validation pairs are right by the
 * memorisation step.
 */
export const quickGrok = (seed: number): RunSpec =>
  firstGrok({
    model: { dModel: 48, dMlp: 192 },
    data: { prime: 31, trainFraction: 0.6 },
    optim: { lr: 5e-3, weightDecay: 2 },
    schedule: { steps: 1500 },
    seed,
  });
