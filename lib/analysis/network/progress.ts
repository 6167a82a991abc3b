/**
 * Progress measures of a network that learns an answer linear in a and b modulo p, of Nanda, Chan, Lieberum, Smith & Steinhardt, "Progress
 * measures for grokking via mechanistic interpretability" (ICLR 2023, section 5.1). Pure.
 *
 * Logits z(a, b, c) are f32[p², p] for all pairs, row a · p + b. With s the right answer to (a, b), a + b for addition, and w = 2πk / p,
 * such a network comes to compute z ≈ Σ_k α_k cos(w(s − c)) over a few key frequencies k. The measures keep, or remove, what the logits
 * hold of cos(ws) and sin(ws) of these as functions of (a, b): two directions of the p² a frequency, whatever the class c. So does the code
 * of the paper, which counts them in its product basis, as 20 terms for five frequencies. Its `a + b` is `s` here, so that x − y needs no
 * other words.
 */
import { dataset, type OperationName } from "../../run/operations.ts";
import { exampleLoss } from "../../run/losses.ts";
import type { RunSpec } from "../../run/spec.ts";
import { isAlone, largestFrequency, meanSquare, strongest } from "./fourier.ts";

/** All pairs of a task whose answer is linear in a and b, neither of them left out: every answer belongs to p pairs. */
export interface Task {
  readonly p: number;
  /** s of each pair, [p²]: the operation's answer, whatever label noise there is. */
  readonly answers: Uint16Array;
  /** 1 for pairs that train, 0 for those that validate, [p²]. */
  readonly trains: Uint8Array;
  /** The run's own loss of an example, of its logits and its answer. */
  readonly loss: (logits: ArrayLike<number>, answer: number) => number;
}

/** The operations that are such tasks. */
export const LINEAR: readonly OperationName[] = ["x_plus_y", "x_minus_y"];

/** The task of a run. @throws Error where its operation is none of `LINEAR`. */
export function linearTask({ data, optim, seed }: Pick<RunSpec, "data" | "optim" | "seed">): Task {
  const { operation, prime: p } = data;
  if (!LINEAR.includes(operation)) {
    throw new Error(`Cannot compute progress measures: the run's operation must be ${LINEAR.join(" or ")}, current value is ${operation}`);
  }
  const { a, b, answer, trainCount } = dataset(data, seed);
  const answers = new Uint16Array(p * p), trains = new Uint8Array(p * p);
  for (let i = 0; i < a.length; i++) {
    answers[a[i] * p + b[i]] = answer[i];
    trains[a[i] * p + b[i]] = Number(i < trainCount);
  }
  return { p, answers, trains, loss: (logits, answer) => exampleLoss(optim, logits, answer) };
}

/** The part of the logits that depends on the answer s alone, as waves over s; h is the largest frequency. */
export interface AnswerWaves {
  /** Mean logit of each class, [p]. */
  readonly mean: Float64Array;
  /** Coefficients of cos(ws) and sin(ws) of each class, [h, p], frequency 1 first; 0 for the sine that p / 2 doesn't have. */
  readonly cos: Float64Array;
  readonly sin: Float64Array;
  /**
   * Which share of the logits' variance each frequency's cos(ws) and sin(ws) hold, [h]. The variance is what the softmax can see: over
   * pairs and classes, once the mean over the classes is taken off each pair, and then the mean over the pairs off each class.
   */
  readonly shares: Float64Array;
  /** α_k: the least-squares coefficient of cos(w(s − c)), [h]. */
  readonly alpha: Float64Array;
  /** Which share of the variance α_k cos(w(s − c)) explains, [h]; never more than `shares`. */
  readonly explained: Float64Array;
}

/** The waves of logits over the answer. */
export function answerWaves(logits: ArrayLike<number>, { p, answers }: Task): AnswerWaves {
  const h = largestFrequency(p), ofAnswer = new Float64Array(p * p), mean = new Float64Array(p);
  let variance = 0;
  for (let pair = 0; pair < p * p; pair++) {
    const from = pair * p, row = answers[pair] * p;
    let sum = 0;
    for (let c = 0; c < p; c++) sum += logits[from + c];
    for (let c = 0; c < p; c++) {
      ofAnswer[row + c] += logits[from + c] / p;
      variance += (logits[from + c] - sum / p) ** 2;
    }
  }
  for (let s = 0; s < p; s++) for (let c = 0; c < p; c++) mean[c] += ofAnswer[s * p + c] / p;
  const whole = mean.reduce((sum, x) => sum + x, 0) / p, size = variance + p * p * mean.reduce((sum, x) => sum + x * x, 0);
  variance -= p * p * mean.reduce((sum, x) => sum + (x - whole) ** 2, 0);
  if (variance < ROUNDING * size) variance = Infinity;

  const cos = new Float64Array(h * p), sin = new Float64Array(h * p);
  const shares = new Float64Array(h), alpha = new Float64Array(h), explained = new Float64Array(h);
  for (let k = 1; k <= h; k++) {
    const C = cos.subarray((k - 1) * p, k * p), S = sin.subarray((k - 1) * p, k * p), square = meanSquare(k, p);
    for (let s = 0; s < p; s++) {
      const x = Math.cos(angle(k * s, p)) / (p * square), y = isAlone(k, p) ? 0 : Math.sin(angle(k * s, p)) / (p * square);
      for (let c = 0; c < p; c++) {
        C[c] += x * ofAnswer[s * p + c];
        S[c] += y * ofAnswer[s * p + c];
      }
    }
    // A wave of amplitude A has the variance A² / 2 over the p² pairs, that of p / 2 A².
    shares[k - 1] = p * p * square * (spread(C) + spread(S)) / variance;
    for (let c = 0; c < p; c++) alpha[k - 1] += (C[c] * Math.cos(angle(k * c, p)) + S[c] * Math.sin(angle(k * c, p))) / p;
    explained[k - 1] = p ** 3 * square * alpha[k - 1] ** 2 / variance;
  }
  return { mean, cos, sin, shares, alpha, explained };
}

/** 2πj / p, j taken modulo p first: the angle stays small and exact. */
const angle = (j: number, p: number) => 2 * Math.PI * (j % p) / p;
/** Squares around the mean. */
const spread = (x: Float64Array) => {
  const mean = x.reduce((sum, each) => sum + each, 0) / x.length;
  return x.reduce((sum, each) => sum + (each - mean) ** 2, 0);
};
/** Variance below so much of the squares is what f32 leaves of nothing. */
const ROUNDING = 1e-12;

/**
 * Mean loss, by the run's own formula and the operation's answers, and share of right answers: over all pairs, over those that train, and
 * over those that validate.
 */
export interface Scores {
  readonly loss: number;
  readonly acc: number;
  readonly trainLoss: number;
  readonly trainAcc: number;
  readonly valLoss: number;
  readonly valAcc: number;
}

/** The scores of logits. */
export function scores(logits: ArrayLike<number>, task: Task): Scores {
  return scored(task, (pair, c) => logits[pair * task.p + c]);
}

/** What the key frequencies do for the network. */
export interface Ablations {
  /**
   * Of what is kept of the logits: the mean of each class, and cos(ws), sin(ws) of the key frequencies. `restricted.loss` is the paper's
   * restricted loss, taken over all pairs as in its code, `restricted.acc` the keep-only accuracy.
   */
  readonly restricted: Scores;
  /** Of the logits without cos(ws), sin(ws) of the key frequencies. `excluded.trainLoss` is the paper's excluded loss. */
  readonly excluded: Scores;
}

/** The scores with the key frequencies alone, and without them. */
export function ablations(logits: ArrayLike<number>, task: Task, { mean, cos, sin }: AnswerWaves, keys: readonly number[]): Ablations {
  const { p, answers } = task, key = new Float64Array(p * p);
  for (const k of keys) {
    for (let s = 0; s < p; s++) {
      const x = Math.cos(angle(k * s, p)), y = Math.sin(angle(k * s, p)), from = (k - 1) * p;
      for (let c = 0; c < p; c++) key[s * p + c] += x * cos[from + c] + y * sin[from + c];
    }
  }
  return {
    restricted: scored(task, (pair, c) => mean[c] + key[answers[pair] * p + c], true),
    excluded: scored(task, (pair, c) => logits[pair * p + c] - key[answers[pair] * p + c]),
  };
}

/** The scores of the logits that `logit` gives; `byAnswer`: they are the same for all pairs with the same answer. */
function scored({ p, answers, trains, loss }: Task, logit: (pair: number, c: number) => number, byAnswer = false): Scores {
  const row = new Float64Array(p), known = new Map<number, readonly [loss: number, right: number]>();
  const one = (pair: number, answer: number): readonly [loss: number, right: number] => {
    let best = 0;
    for (let c = 0; c < p; c++) if ((row[c] = logit(pair, c)) > row[best]) best = c;
    return [loss(row, answer), Number(best === answer)];
  };
  const sums = { trainLoss: 0, trainAcc: 0, valLoss: 0, valAcc: 0 };
  let train = 0;
  for (let pair = 0; pair < p * p; pair++) {
    const answer = answers[pair];
    const found = byAnswer && known.get(answer) || one(pair, answer);
    if (byAnswer) known.set(answer, found);
    sums[trains[pair] ? "trainLoss" : "valLoss"] += found[0];
    sums[trains[pair] ? "trainAcc" : "valAcc"] += found[1];
    train += trains[pair];
  }
  const pairs = p * p, val = pairs - train;
  return {
    loss: (sums.trainLoss + sums.valLoss) / pairs,
    acc: (sums.trainAcc + sums.valAcc) / pairs,
    trainLoss: sums.trainLoss / train,
    trainAcc: sums.trainAcc / train,
    valLoss: sums.valLoss / val,
    valAcc: sums.valAcc / val,
  };
}

/** Key frequencies hold so much of what the logits have along the answer. */
export const KEY_SHARE = 0.95;

/**
 * The key frequencies: the fewest whose cos(ws) and sin(ws) hold 95 % of the part of the logits that depends on the answer alone, the
 * strongest first; none where nothing does. A network without such a structure has many. The paper reads them off its neurons
 * (`neuronFrequencies`); what the logits hold can be asked of any architecture, at any step. The rules differ where a frequency that the
 * network needs holds less than the 5 % that is left: one wave can't tell neighbouring answers apart, and then the restricted accuracy is
 * low.
 */
export function keyFrequencies({ shares }: Pick<AnswerWaves, "shares">): number[] {
  const wanted = KEY_SHARE * shares.reduce((sum, share) => sum + share, 0), keys: number[] = [];
  let held = 0;
  for (const k of strongest(shares, shares.length)) {
    if (held >= wanted) break;
    keys.push(k);
    held += shares[k - 1];
  }
  return keys;
}

/** The Gini coefficient of values from 0: 0 where all are equal, near 1 where one has all (the paper's measure of sparse Fourier norms). */
export function gini(values: ArrayLike<number>): number {
  const sorted = Float64Array.from(values).sort(), n = sorted.length;
  const sum = sorted.reduce((sum, x) => sum + x, 0), ranked = sorted.reduce((sum, x, i) => sum + (i + 1) * x, 0);
  return sum > 0 ? 2 * ranked / (n * sum) - (n + 1) / n : 0;
}
