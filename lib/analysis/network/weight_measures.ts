/**
 * What a network's weights and its logits say of it, whatever it learns and however it is made: norms by group of tensors, the scale of its
 * logits, how much of its training set single precision takes for learnt, and the spectrum of its embedding. Pure.
 */
import { SingularValueDecomposition } from "ml-matrix";
import { type Group, groupOf, GROUPS } from "../../run/groups.ts";
import { type Dataset, OPERATIONS } from "../../run/operations.ts";
import { type RunSpec, sizes } from "../../run/spec.ts";
import { type Matrix, powerSpectrum } from "./fourier.ts";
import { gini } from "./progress.ts";
import type { Checkpoint } from "./reading.ts";
import { embedding, weightNorms } from "./weights.ts";

/** A network at a step, in numbers. */
export interface WeightReading {
  readonly step: number;
  /** Shares of right answers, as evaluations count them: by the labels as trained on, and by the operation's. */
  readonly trainAcc: number;
  readonly valAcc: number;
  readonly logitScale: number;
  readonly zeroLoss: number;
  readonly effectiveRank: number;
  /** `null` where the elements are no residues. */
  readonly embeddingGini: number | null;
  /** Euclidean, of all parameters, and of each group that the model has, in the order of `GROUPS`. */
  readonly weightNorm: number;
  readonly groupNorms: ReadonlyMap<Group, number>;
}

/**
 * Measures a checkpoint.
 * @param examples the run's dataset.
 * @param logits of its pairs in its order, f32[pairs, C], with those of extra classes.
 */
export function weightReading(spec: RunSpec, { step, params }: Checkpoint, examples: Dataset, logits: Float32Array): WeightReading {
  const { C } = sizes(spec), { trainCount: n, target, answer } = examples, matrix = embedding(spec, params);
  const { temperature } = spec.optim, isModular = OPERATIONS[spec.data.operation].elements === "mod p";
  const norms = groupNorms(spec, params);
  return {
    step,
    trainAcc: rightShare(logits.subarray(0, n * C), target.subarray(0, n), C),
    valAcc: rightShare(logits.subarray(n * C), answer.subarray(n), C),
    logitScale: logitScale(logits, C),
    zeroLoss: zeroLossShare(logits.subarray(0, n * C), target.subarray(0, n), { classes: C, temperature }),
    effectiveRank: effectiveRank(matrix),
    embeddingGini: isModular ? gini(powerSpectrum(matrix).map(Math.sqrt)) : null,
    weightNorm: Math.hypot(...norms.values()),
    groupNorms: norms,
  };
}

/** The Euclidean norm of each group of tensors that a model has, in the order of `GROUPS`. Frozen ones and those taken over count. */
export function groupNorms(spec: RunSpec, params: Float32Array): ReadonlyMap<Group, number> {
  const byGroup = Map.groupBy(weightNorms(spec, params), ([tensor]) => groupOf(tensor));
  return new Map(GROUPS.flatMap((group) => {
    const norms = byGroup.get(group);
    return norms ? [[group, Math.hypot(...norms.map(([, norm]) => norm))]] : [];
  }));
}

/** The examples of logits, [n, classes], with their numbers. */
function* rows(logits: Float32Array, classes: number): Generator<readonly [at: number, z: Float32Array]> {
  for (let at = 0; at * classes < logits.length; at++) yield [at, logits.subarray(at * classes, (at + 1) * classes)];
}

/** Share of examples whose largest logit is that of their label; NaN where there are none. Of equal logits, the first counts. */
function rightShare(logits: Float32Array, labels: ArrayLike<number>, classes: number): number {
  let right = 0;
  for (const [at, z] of rows(logits, classes)) {
    let best = 0;
    for (let c = 1; c < classes; c++) if (z[c] > z[best]) best = c;
    right += Number(best === labels[at]);
  }
  return right / labels.length;
}

/**
 * The scale of logits, f32[n, classes]: the root mean square over examples and classes of what is left once each example's mean over the
 * classes, which the softmax can't see, is taken off. As the network gives them, before any temperature.
 */
export function logitScale(logits: Float32Array, classes: number): number {
  let squares = 0;
  for (const [, z] of rows(logits, classes)) {
    const mean = z.reduce((sum, x) => sum + x, 0) / classes;
    for (const x of z) squares += (x - mean) ** 2;
  }
  return Math.sqrt(squares / logits.length);
}

/**
 * The share of examples whose cross-entropy is exactly 0 in fp32: Σ_c exp(z_c − z_y) over the other classes is so small that 1 plus it is 1
 * (at most 2⁻²⁴). Then the gradient of its label's logit is 0, too: softmax collapse, of Prieto et al., "Grokking at the edge of numerical
 * stability" (ICLR 2025, arXiv 2501.04697). Whatever the run's own loss is, this says what plain cross-entropy would lose.
 * @param logits f32[n, classes]; the softmax gets them divided by the temperature.
 */
export function zeroLossShare(
  logits: Float32Array,
  labels: ArrayLike<number>,
  { classes, temperature = 1 }: { readonly classes: number; readonly temperature?: number },
): number {
  let zero = 0;
  for (const [at, z] of rows(logits, classes)) {
    const label = labels[at];
    let others = 0;
    for (let c = 0; c < classes; c++) if (c !== label) others += Math.exp((z[c] - z[label]) / temperature);
    zero += Number(Math.fround(1 + others) === 1);
  }
  return zero / labels.length;
}

/**
 * The effective rank of a matrix: exp of the entropy, in nats, of its singular values as shares of their sum (Roy & Vetterli, "The
 * effective rank: a measure of effective dimensionality", EUSIPCO 2007). k where k of them are equal and the rest 0; 0 of a zero matrix.
 * Nothing is taken off the rows first.
 */
export function effectiveRank({ rows, columns, values }: Matrix): number {
  const matrix = Array.from({ length: rows }, (_, r) => Array.from({ length: columns }, (_, c) => values[r * columns + c]));
  const { diagonal } = new SingularValueDecomposition(matrix, {
    computeLeftSingularVectors: false,
    computeRightSingularVectors: false,
    autoTranspose: true,
  });
  const sum = diagonal.reduce((sum, value) => sum + value, 0);
  if (sum === 0) return 0;
  return Math.exp(diagonal.reduce((entropy, value) => value > 0 ? entropy - value / sum * Math.log(value / sum) : entropy, 0));
}
