/**
 * Two numbers per run, such as before and after, compared within runs. The unit is the run: its heads and examples share their weights, so
 * they must be summarised into one number per run, never pooled as if each were a run. Heads can't be matched across runs either (head 0 of
 * one seed is not head 0 of another), so a summary must not depend on their order.
 */
// @ts-types="@types/d3-array"
import { median } from "d3-array";
import { Random } from "../../run/random.ts";
import type { Permutation, PermutationOptions } from "./permutation.ts";
import { checkSample, complete, critical, type Interval, must } from "./sample.ts";

/**
 * The sign-flip test that paired differences are as likely to be negative as positive, given their sizes (Fisher 1935, The Design of
 * Experiments): of all 2ⁿ choices of signs, the share whose sum is at least as far from 0. A difference may be a vector, such as a run's
 * shares of several clusters: it is flipped as a whole, and the Euclidean length of the sum counts; `statistic` is then that length, else
 * the signed sum. p is at least 2 / 2ⁿ, for vectors and numbers alike: for 5 runs 0.0625, for 6 runs 0.031. `least` is the bound for these
 * differences, which zeros raise.
 * @throws Error for no differences, differences of different lengths, one that isn't finite, and fewer than 100 draws.
 */
export function signFlipTest(differences: readonly (number | readonly number[])[], options: PermutationOptions = {}): Permutation {
  const { seed = 0, draws = 10_000, enumerate = 100_000 } = options, action = "flip signs", n = differences.length;
  must(action, "draws", Number.isInteger(draws) && draws >= 100, "must be a whole number from 100 on", draws);
  must(action, "the number of differences", n > 0, "must be at least 1", n);
  const rows = differences.map((difference) => typeof difference === "number" ? [difference] : difference), D = rows[0].length;
  for (const row of rows) {
    must(action, "a difference's length", row.length === D && D > 0, `must be ${D} as the first's, and not 0`, row.length);
    for (const x of row) must(action, "a difference", Number.isFinite(x), "must be finite", x);
  }
  const sum = Float64Array.from(rows[0], (_, d) => rows.reduce((sum, row) => sum + row[d], 0));
  const flipped = (positive: (i: number) => boolean) => {
    const sum = new Float64Array(D);
    rows.forEach((row, i) => row.forEach((x, d) => sum[d] += positive(i) ? x : -x));
    return Math.hypot(...sum);
  };
  // Sums of the same differences in another order differ by rounding; they count as equal to the observed one.
  const rounding = 1e-12 * rows.reduce((all, row) => all + Math.hypot(...row), 0), limit = Math.hypot(...sum) - rounding;
  const statistic = D === 1 ? sum[0] : Math.hypot(...sum), arrangements = 2 ** n;
  if (arrangements <= enumerate) {
    const all = Float64Array.from({ length: arrangements }, (_, signs) => flipped((i) => (signs >> i & 1) === 0));
    const share = (least: number) => all.filter((length) => length >= least).length / arrangements;
    return {
      statistic,
      p: share(limit),
      least: share(all.reduce((most, x) => Math.max(most, x), 0) - rounding),
      exact: true,
      arrangements,
    };
  }
  const random = new Random(seed, "resample"), zeros = rows.filter((row) => row.every((x) => x === 0)).length;
  let hits = 0;
  for (let draw = 0; draw < draws; draw++) if (flipped(() => random.word() % 2 === 0) >= limit) hits++;
  return { statistic, p: (hits + 1) / (draws + 1), least: Math.max(2 ** (1 + zeros - n), 1 / (draws + 1)), exact: false, arrangements };
}

/**
 * The exact p-quantile of Wilcoxon's signed-rank sum of n differences, as R's `qsignrank`. The function of lib-r-math.js 2.0.3 keeps counts
 * of the call before: it gives wrong quantiles, or never returns, when n grows between two calls (8, then 13).
 */
function signedRankQuantile(p: number, n: number): number {
  const ways = new Float64Array(n * (n + 1) / 2 + 1); // of choosing ranks with this sum
  ways[0] = 1;
  for (let rank = 1; rank <= n; rank++) for (let sum = ways.length - 1; sum >= rank; sum--) ways[sum] += ways[sum - rank];
  // R's allowance for rounding.
  const least = (p - 10 * Number.EPSILON) * 2 ** n;
  for (let sum = 0, below = 0;; sum++) if ((below += ways[sum]) >= least) return sum;
}

/** From this many differences on, the signed-rank sum is approximated as normal, as in R's `wilcox.test`. */
const LARGE = 50;

/**
 * The pseudomedian of paired differences, in their unit: the median of all their pairwise means, each with itself too (Hodges & Lehmann
 * 1963, Ann. Math. Stat.). The limits are the two ordered means at which the exact Wilcoxon signed-rank test changes its decision (R's
 * `wilcox.test(conf.int = TRUE)`); the interval assumes a symmetric distribution. Limits are `null` for too few differences: 95 % needs 6,
 * 90 % needs 5.
 * @throws Error for no differences, one that isn't finite, and a level outside (0, 1).
 */
export function pseudomedian(differences: readonly number[], level = 0.95): Interval & { readonly shift: number } {
  checkSample("estimate a shift", complete(differences));
  const n = differences.length, z = critical(level);
  const means = Float64Array.from(differences.flatMap((x, i) => differences.slice(i).map((y) => (x + y) / 2))).sort(), m = means.length;
  const turn = n < LARGE ? signedRankQuantile((1 - level) / 2, n) : Math.round(m / 2 - z * Math.sqrt(m * (2 * n + 1) / 12));
  return { shift: median(means)!, low: turn > 0 ? means[turn - 1] : null, high: turn > 0 ? means[m - turn] : null };
}

/**
 * The matched-pairs rank-biserial correlation (Kerby 2014, Comprehensive Psychology), −1 … 1: rank the absolute differences; the positive
 * differences' share of the rank sum minus the negative ones'. Zeros are left out; 0 where all are zero.
 * @throws Error for no differences, and for one not finite.
 */
export function rankBiserial(differences: readonly number[]): number {
  checkSample("compute a rank-biserial correlation", complete(differences));
  const sizes = differences.filter((x) => x !== 0).map(Math.abs);
  if (sizes.length === 0) return 0;
  // The rank of a size, ties sharing their mean rank: the number of smaller sizes, plus half of the equal ones (itself included), plus a
  // half.
  const rank = (x: number) => sizes.reduce((sum, y) => sum + (y < x ? 1 : y === x ? 0.5 : 0), 0.5);
  const signed = differences.reduce((sum, x) => sum + (x === 0 ? 0 : Math.sign(x) * rank(Math.abs(x))), 0);
  return signed / (sizes.length * (sizes.length + 1) / 2);
}
