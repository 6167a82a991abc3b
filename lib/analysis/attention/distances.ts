/**
 * Distances between distributions, and between attention patterns, which are sets of distributions. A pattern is a matrix [rows, T],
 * row-major: each row one query's weights over the T keys, which sum to 1. Entropies and divergences are in bits.
 */
import { must } from "../statistics/sample.ts";

/** Sums of f32 weights, and of their means over examples, miss 1 by a few 10⁻⁶; a sum further off than this is rejected. */
const SUM_TO_ONE = 1e-3;

/**
 * The sum of the weights `from` ≤ i < `to` of a distribution, nearly 1.
 * @throws Error for a weight that is negative or not finite, and for another sum.
 */
function checked(action: string, p: ArrayLike<number>, from: number, to: number): number {
  let sum = 0;
  for (let i = from; i < to; i++) {
    if (!(p[i] >= 0)) must(action, "a weight", false, "must be a number from 0", p[i]);
    sum += p[i];
  }
  if (!(Math.abs(sum - 1) <= SUM_TO_ONE)) must(action, "the sum of a distribution", false, "must be 1", sum);
  return sum;
}

/**
 * The entropy of a distribution in bits, 0 … log₂ of its length; 0 log 0 counts as 0.
 * @throws Error unless the weights are a distribution.
 */
export function entropy(p: ArrayLike<number>): number {
  const sum = checked("compute an entropy", p, 0, p.length);
  let bits = 0;
  for (let i = 0; i < p.length; i++) if (p[i] > 0) bits -= p[i] / sum * Math.log2(p[i] / sum);
  return Math.max(0, bits);
}

/**
 * The Jensen–Shannon divergence of two distributions in bits (Lin 1991, IEEE Trans. Inf. Theory): the entropy of their mean minus the mean
 * of their entropies, from 0 (equal) to 1 (disjoint).
 * @throws Error unless both are distributions of the same length.
 */
export function jensenShannon(p: ArrayLike<number>, q: ArrayLike<number>): number {
  must("compare distributions", "the second's length", q.length === p.length, `must be ${p.length} as the first's`, q.length);
  return divergence(p, q, 0, p.length);
}

/**
 * The square root of the Jensen–Shannon divergence in bits: a metric, 0 … 1 (Endres & Schindelin 2003, IEEE Trans. Inf. Theory).
 * @throws Error where `jensenShannon` does.
 */
export const jensenShannonDistance = (p: ArrayLike<number>, q: ArrayLike<number>): number => Math.sqrt(jensenShannon(p, q));

/** The Jensen–Shannon divergence of the weights `from` ≤ i < `to` of p and q. */
function divergence(p: ArrayLike<number>, q: ArrayLike<number>, from: number, to: number): number {
  const action = "compare distributions", sumP = checked(action, p, from, to), sumQ = checked(action, q, from, to);
  let bits = 0;
  for (let i = from; i < to; i++) {
    const x = p[i] / sumP, y = q[i] / sumQ;
    // x + y times ½((1 + d) log(1 + d) + (1 − d) log(1 − d)), d their relative difference: no large terms that cancel.
    if (x + y > 0) bits += (x + y) / 2 * spread((x - y) / (x + y));
  }
  return Math.min(1, bits / Math.LN2);
}

/** Below this, three terms of the series of `spread` are exact to 13 digits. */
const SMALL = 1e-2;

/** ½((1 + d) ln(1 + d) + (1 − d) ln(1 − d)) for −1 ≤ d ≤ 1: d²/2 + d⁴/12 + d⁶/30 + …; never negative, ln 2 at ±1. */
function spread(d: number): number {
  const square = d * d;
  if (square < SMALL * SMALL) return square * (1 / 2 + square * (1 / 12 + square / 30));
  const part = (x: number) => x > 0 ? x * Math.log(x) : 0;
  return (part(1 + d) + part(1 - d)) / 2;
}

/**
 * How far two patterns [rows, T] differ: the mean over the rows of their Jensen–Shannon divergence, in bits, 0 … 1.
 * @throws Error unless both are whole rows of distributions over T keys, and of the same size.
 */
export function patternDivergence(p: ArrayLike<number>, q: ArrayLike<number>, T: number): number {
  const rows = rowCount(p, T);
  must("compare patterns", "the second's length", q.length === p.length, `must be ${p.length} as the first's`, q.length);
  let sum = 0;
  for (let row = 0; row < rows; row++) sum += divergence(p, q, row * T, (row + 1) * T);
  return sum / rows;
}

/**
 * The square root of `patternDivergence`, 0 … 1: the root mean square of the rows' distances, and so a metric too. `pathOf` measures with
 * it.
 * @throws Error where `patternDivergence` does.
 */
export const patternDistance = (p: ArrayLike<number>, q: ArrayLike<number>, T: number): number => Math.sqrt(patternDivergence(p, q, T));

/**
 * The number of rows of a pattern.
 * @throws Error unless it holds at least one, and only whole ones.
 */
export function rowCount(pattern: ArrayLike<number>, T: number): number {
  must("read a pattern", "T", Number.isInteger(T) && T > 0, "must be a positive whole number", T);
  const rows = pattern.length / T;
  must("read a pattern", "its length", Number.isInteger(rows) && rows > 0, `must be a multiple of T = ${T}`, pattern.length);
  return rows;
}

/**
 * The Wasserstein-1 (earth mover's) distance of two samples of numbers, in their unit: the area between their cumulative distributions.
 * Each value counts 1, or its weight; the weights need not sum to 1. As SciPy's `wasserstein_distance`.
 * @throws Error for an empty sample, a value that isn't finite, and weights that are negative, too few or all 0.
 */
export function wasserstein(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  weightsA?: ArrayLike<number>,
  weightsB?: ArrayLike<number>,
): number {
  const masses = [...massesOf(a, weightsA, 1), ...massesOf(b, weightsB, -1)].sort((x, y) => x.at - y.at);
  let area = 0, ahead = 0;
  masses.forEach(({ at, mass }, i) => {
    if (i > 0) area += Math.abs(ahead) * (at - masses[i - 1].at);
    ahead += mass;
  });
  return area;
}

/** The values, each with its share of the sample times `sign`. */
function massesOf(values: ArrayLike<number>, weights: ArrayLike<number> | undefined, sign: 1 | -1) {
  const action = "compute a Wasserstein distance", n = values.length;
  must(action, "a sample", n > 0, "must hold at least one value", n);
  must(action, "the number of weights", weights === undefined || weights.length === n, `must be ${n} as of values`, weights?.length);
  const each = weights ? Array.from(weights) : new Array<number>(n).fill(1), all = each.reduce((sum, x) => sum + x, 0);
  must(action, "the sum of weights", all > 0 && Number.isFinite(all), "must be positive and finite", all);
  return Array.from(values, (at, i) => {
    must(action, "a value", Number.isFinite(at), "must be finite", at);
    must(action, "a weight", each[i] >= 0, "must not be negative", each[i]);
    return { at, mass: sign * each[i] / all };
  });
}
