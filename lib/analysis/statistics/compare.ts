/** How far two samples differ: effect sizes with intervals. */
// @ts-types="@types/d3-array"
import { quantile } from "d3-array";
import "./storage.ts";
import { qt } from "lib-r-math.js";
import { Random } from "../../run/random.ts";
import { checkSample, complete, critical, type Interval, must, type ObservedPair, order } from "./sample.ts";

/** How a bootstrap is drawn: the same options give the same interval, on every machine. */
export interface BootstrapOptions {
  readonly level?: number;
  readonly resamples?: number;
  readonly seed?: number;
}

/**
 * The bootstrap percentile interval (Efron 1979, Ann. Statist.; Efron & Tibshirani 1993, ch. 13) of a statistic of one or more independent
 * samples: for each sample, `statistic` gets the indices of a resample drawn with replacement, `sizes[i]` of them. Limits are `null` where
 * all resamples give the same value. With fewer than about 10 observations it is too narrow.
 * @throws Error for an empty sample, fewer than 100 resamples, a level outside (0, 1), and a statistic that isn't finite.
 */
export function bootstrap(
  sizes: readonly number[],
  statistic: (places: readonly Uint32Array[]) => number,
  { level = 0.95, resamples = 5000, seed = 0 }: BootstrapOptions = {},
): Interval {
  critical(level); // checks it
  must("bootstrap", "resamples", Number.isInteger(resamples) && resamples >= 100, "must be a whole number from 100 on", resamples);
  for (const size of sizes) must("bootstrap", "a sample", size > 0, "must hold at least one observation", size);
  const random = new Random(seed, "resample"), places = sizes.map((size) => new Uint32Array(size));
  const values = Float64Array.from({ length: resamples }, () => {
    for (const draw of places) for (let i = 0; i < draw.length; i++) draw[i] = random.below(draw.length);
    return statistic(places);
  }).sort();
  const [least, most] = [values[0], values[resamples - 1]]; // NaN sorts last
  must("bootstrap", "the statistic of a resample", Number.isFinite(least) && Number.isFinite(most), "must be finite", `${least} … ${most}`);
  if (least === most) return { low: null, high: null };
  return { low: quantile(values, (1 - level) / 2)!, high: quantile(values, (1 + level) / 2)! };
}

/** How often the first sample's values are larger (later); the interval is that of `delta`. */
export interface Dominance extends Limits {
  /** Share of pairs in which the first is larger, minus the share in which the second is: −1 … 1. */
  readonly delta: number;
  /** The probability that the first is larger, a tie counting half: (delta + 1) / 2. */
  readonly superiority: number;
  /** Share of pairs whose order censoring hides. They count as ties, which moves delta towards 0. */
  readonly undecided: number;
}

/**
 * Cliff's delta (Cliff 1993, Psychol. Bull.) with the probability of superiority (common-language effect size: McGraw & Wong 1992, Psychol.
 * Bull.; A: Vargha & Delaney 2000, J. Educ. Behav. Stat.), over the pairs within strata: only runs of the same stratum are compared, and
 * each pair counts the same. A pair of censored times counts where its order is known (Gehan 1965, Biometrika).
 *
 * Interval: for one stratum that of `superiorityInterval`. For several, the same with θ̂ over all pairs, one θ for all strata, and the
 * variance Σ wₛ² Vₛ(θ), where wₛ is a stratum's share of the pairs. Adding up Newcombe's variances like this is our own, not published. In
 * simulations of 1 to 4 strata with 2 to 5 runs a side and θ from 0.5 to 0.98, 95 % intervals held θ in 93 to 96 % of data without ties,
 * averaged over designs, and in 88 % or more for each; with ties in 90 % or more. Limits of the strata combined by MOVER (Zou & Donner
 * 2008, Stat. Med.), which is published, held it in 91 to 94 %, and the percentile bootstrap in 27 to 92 %. Where one group has three times
 * the spread of the other, ours held it in 93 %, for single designs in 84 % or more.
 *
 * Pairs that censoring hides count as ties, so θ is that of what was observed, nearer to a half than that of the times. Then, and where
 * the strata's θ differ, the interval errs on the wide side: it held θ in 95 % or more.
 * @throws Error for no strata, an empty sample, and a level outside (0, 1).
 */
export function stratifiedDelta(strata: readonly ObservedPair[], level = 0.95): Dominance {
  const action = "compare two samples";
  must(action, "strata", strata.length > 0, "must be at least one", strata.length);
  for (const { a, b } of strata) for (const sample of [a, b]) checkSample(action, sample);
  const all = strata.flatMap(({ a, b }) => a.flatMap((x) => b.map((y) => ({ order: order(x, y), known: x.event && y.event }))));
  const delta = total(all.map(({ order }) => order)) / all.length, superiority = (delta + 1) / 2;
  const hidden = all.filter(({ order, known }) => order === 0 && !known).length;
  const parts = strata.map(({ a, b }) => ({ share: a.length * b.length / all.length, variance: varianceOf(a.length, b.length) }));
  const { low, high } = scoreLimits(superiority, (t) => total(parts.map(({ share, variance }) => share ** 2 * variance(t))), level);
  return { delta, superiority, undecided: hidden / all.length, low: 2 * low - 1, high: 2 * high - 1 };
}

function total(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i];
  return sum;
}

/** Bisection steps that shrink an interval within [0, 1] to rounding error. */
const HALVINGS = 60;

/**
 * The score-like interval of a probability of superiority θ from n × m pairs (Newcombe 2006, Stat. Med., part 2, method 5): all θ with |θ̂
 * − θ| ≤ z √V(θ), V(θ) = θ(1 − θ)(1 + k(1 − θ)/(2 − θ) + kθ/(1 + θ)) / (nm), k = (n + m)/2 − 1. It holds for small samples, and for samples
 * that don't overlap (θ̂ = 0 or 1), where a bootstrap says nothing. 2θ − 1 turns its limits into those of delta.
 * @throws Error unless 0 ≤ θ̂ ≤ 1, n and m are positive, and the level lies in (0, 1).
 */
export function superiorityInterval(superiority: number, n: number, m: number, level = 0.95): Limits {
  const action = "compute an interval";
  must(action, "the probability of superiority", superiority >= 0 && superiority <= 1, "must lie within 0 and 1", superiority);
  for (const size of [n, m]) must(action, "a sample", size > 0, "must hold at least one observation", size);
  return scoreLimits(superiority, varianceOf(n, m), level);
}

interface Limits {
  readonly low: number;
  readonly high: number;
}

/** V(θ) of n × m pairs. */
function varianceOf(n: number, m: number) {
  const k = (n + m) / 2 - 1;
  return (t: number) => t * (1 - t) * (1 + k * (1 - t) / (2 - t) + k * t / (1 + t)) / (n * m);
}

/** The smallest and the largest θ with |θ̂ − θ| ≤ z √V(θ). */
function scoreLimits(superiority: number, variance: (t: number) => number, level: number): Limits {
  const z = critical(level);
  const limit = (outside: number) => {
    let inside = superiority;
    for (let i = 0; i < HALVINGS; i++) {
      const middle = (inside + outside) / 2;
      if (Math.abs(superiority - middle) <= z * Math.sqrt(variance(middle))) inside = middle;
      else outside = middle;
    }
    return inside;
  };
  return { low: superiority === 0 ? 0 : limit(0), high: superiority === 1 ? 1 : limit(1) };
}

/**
 * The prediction interval of the mean of `m` further values: mean ± t·s·√(1/n + 1/m), t with n − 1 degrees of freedom (Hahn & Meeker 1991,
 * Statistical Intervals). Used to check somebody else's mean over m runs. Assumes roughly normal values, none censored. Limits are `null`
 * where all values are the same.
 * @throws Error for fewer than two values, m below 1, and a level outside (0, 1).
 */
export function meanPrediction(values: readonly number[], m: number, level = 0.95): Interval & { readonly mean: number } {
  checkSample("predict a mean", complete(values));
  must("predict a mean", "values", values.length >= 2, "must be at least 2", values.length);
  must("predict a mean", "m", Number.isInteger(m) && m >= 1, "must be a whole number from 1 on", m);
  critical(level); // checks it
  const n = values.length, mean = total(values) / n, s = Math.sqrt(total(values.map((x) => (x - mean) ** 2)) / (n - 1));
  const width = qt((1 + level) / 2, n - 1) * s * Math.sqrt(1 / n + 1 / m);
  return { mean, low: width > 0 ? mean - width : null, high: width > 0 ? mean + width : null };
}

/**
 * The mean of `a` minus the mean of `b`, with Welch's interval (Welch 1947, Biometrika), degrees of freedom after Satterthwaite (1946,
 * Biometrics Bulletin). Each side has its own variance, so the two may be of different kinds, such as single runs and means of three.
 * Assumes roughly normal values, none censored. Limits are `null` where neither side varies.
 * @throws Error for fewer than two values on a side, and a level outside (0, 1).
 */
export function meanDifference(a: readonly number[], b: readonly number[], level = 0.95): Interval & { readonly difference: number } {
  const [first, second] = [a, b].map((values) => {
    checkSample("compare means", complete(values));
    must("compare means", "values of each side", values.length >= 2, "must be at least 2", values.length);
    const n = values.length, mean = total(values) / n;
    return { n, mean, variance: total(values.map((x) => (x - mean) ** 2)) / (n - 1) / n };
  });
  critical(level); // checks it
  const difference = first.mean - second.mean, variance = first.variance + second.variance;
  if (variance === 0) return { difference, low: null, high: null };
  const df = variance ** 2 / (first.variance ** 2 / (first.n - 1) + second.variance ** 2 / (second.n - 1));
  const width = qt((1 + level) / 2, df) * Math.sqrt(variance);
  return { difference, low: difference - width, high: difference + width };
}
