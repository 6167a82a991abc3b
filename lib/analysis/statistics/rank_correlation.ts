/** Rank correlation of two quantities over runs. */
import { Random } from "../../run/random.ts";
import { bootstrap, type BootstrapOptions } from "./compare.ts";
import type { PermutationOptions } from "./permutation.ts";
import { checkSample, complete, type Interval, must } from "./sample.ts";

/** Spearman's rank correlation, with its percentile-bootstrap interval over pairs, which is too narrow for few pairs. */
export interface RankCorrelation extends Interval {
  readonly n: number;
  /** −1 … 1; `null` where all values of a side are the same. */
  readonly rho: number | null;
  /** Two-sided p of the permutation test of independence; `null` with `rho`. */
  readonly p: number | null;
  /** The smallest p that this many pairs with these ties can give; `null` with `rho`. */
  readonly least: number | null;
}

/** The ranks of values, from 1; equal ones share their mean rank. */
export const ranks = (values: readonly number[]): number[] =>
  values.map((x) => values.reduce((sum, y) => sum + (y < x ? 1 : y === x ? 0.5 : 0), 0.5));

/** Pearson's correlation; `null` where a side doesn't vary. */
function correlation(x: readonly number[], y: readonly number[]): number | null {
  const mean = (values: readonly number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;
  const [mx, my] = [mean(x), mean(y)];
  let xy = 0, xx = 0, yy = 0;
  x.forEach((v, i) => (xy += (v - mx) * (y[i] - my), xx += (v - mx) ** 2, yy += (y[i] - my) ** 2));
  return xx > 0 && yy > 0 ? xy / Math.sqrt(xx * yy) : null;
}

/**
 * Spearman's rank correlation of pairs of values (Spearman 1904, Am. J. Psychol.), tested by permuting one side: all n! permutations for up
 * to eight pairs, else `draws` random ones.
 * @throws Error for fewer than three pairs, sides of different lengths, values that aren't finite, and where `bootstrap` does.
 */
export function rankCorrelation(
  x: readonly number[],
  y: readonly number[],
  { draws = 10_000, ...options }: BootstrapOptions & Pick<PermutationOptions, "draws"> = {},
): RankCorrelation {
  const action = "correlate ranks", n = x.length;
  must(action, "the second's length", y.length === n, `must be ${n} as the first's`, y.length);
  must(action, "the number of pairs", n >= 3, "must be at least 3", n);
  for (const side of [x, y]) checkSample(action, complete(side));
  const [a, b] = [ranks(x), ranks(y)], rho = correlation(a, b);
  if (rho === null) return { n, rho, p: null, least: null, low: null, high: null };
  const sizeOf = (order: ArrayLike<number>) => Math.abs(correlation(a, Array.from(order, (i) => b[i]))!);
  const exact = n <= 8, random = new Random(options.seed ?? 0, "resample");
  const sizes = exact
    ? Array.from(permutations(n), sizeOf)
    : [Math.abs(rho), ...Array.from({ length: draws }, () => sizeOf(random.permutation(n)))];
  const share = (limit: number) => sizes.filter((size) => size >= limit - 1e-12).length / sizes.length;
  // With random permutations, at least the observed order itself counts.
  const least = exact ? share(sizes.reduce((most, size) => Math.max(most, size), 0)) : 1 / sizes.length;
  const drawn = ([places]: readonly Uint32Array[]) => {
    const of = (side: readonly number[]) => ranks(Array.from(places, (i) => side[i]));
    return correlation(of(x), of(y)) ?? 0; // a resample of one repeated pair has no correlation
  };
  return { n, rho, p: share(Math.abs(rho)), least, ...bootstrap([n], drawn, { resamples: 20_000, ...options }) };
}

/** All orders of 0 … n − 1. */
function* permutations(n: number, taken: readonly number[] = []): Generator<readonly number[]> {
  if (taken.length === n) yield taken;
  for (let i = 0; i < n; i++) if (!taken.includes(i)) yield* permutations(n, [...taken, i]);
}
