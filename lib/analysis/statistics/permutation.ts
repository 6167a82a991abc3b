/** Permutation tests: p-values that hold for five runs against five, where normal and χ² approximations don't. */
// @ts-types="@types/d3-array"
import { bisector } from "d3-array";
import { Random } from "../../run/random.ts";
import { logRank } from "./logrank.ts";
import type { Tested } from "./multiple.ts";
import { checkSample, choose, must, type Observation, type ObservedPair, order } from "./sample.ts";

/** A score for every run of two groups. */
export interface Pair {
  readonly a: readonly number[];
  readonly b: readonly number[];
}

/** How permutations are drawn where there are too many to enumerate. The same options give the same p on every machine. */
export interface PermutationOptions {
  readonly seed?: number;
  readonly draws?: number;
  /** The most arrangements to enumerate; of more, `draws` random ones are used. */
  readonly enumerate?: number;
}

/** A permutation test. */
export interface Permutation {
  /** Sum of the first group's scores minus its mean over all arrangements. */
  readonly statistic: number;
  /** Two-sided: the share of arrangements with a statistic at least as far from 0. */
  readonly p: number;
  /** The smallest p that these scores can give, however they are assigned: a test whose `least` lies above its level can't reject. */
  readonly least: number;
  /**
   * Whether all arrangements were enumerated; else p is (hits + 1) / (draws + 1), never 0 (Phipson & Smyth 2010, Stat. Appl. Genet. Mol.
   * Biol.).
   */
  readonly exact: boolean;
  /** The number of ways to assign the runs to the two groups within strata. */
  readonly arrangements: number;
}

/**
 * The permutation test that two groups have the same distribution within each stratum (Fisher 1935, The Design of Experiments; Pitman 1937,
 * Suppl. J. R. Stat. Soc.). The scores decide what it tests: plain values give the test of means, `gehanScores` the Wilcoxon rank-sum test
 * and Gehan's for censored times, `logRankScores` the log-rank test. Strata with an empty group are ignored.
 * @throws Error unless some stratum has both groups, for a score that isn't finite, and for fewer than 100 draws.
 */
export function permutationTest(strata: readonly Pair[], options: PermutationOptions = {}): Permutation {
  const both = strata.filter(({ a, b }) => a.length > 0 && b.length > 0);
  must("permute", "strata with both groups", both.length > 0, "must be at least one", both.length);
  return permuter(both.map(({ a, b }) => [a.length, b.length] as const), options)(both);
}

/**
 * The same test for many sets of scores of the same runs: random arrangements are drawn only once, so p-values of different scores are
 * comparable. The returned function's `enough`: a p of at least that is all that has to be known; it may then be given too small, though no
 * smaller than `enough`, for less work.
 * @param sizes runs of each group in each stratum, both above 0.
 * @throws Error for fewer than 100 draws; the returned function throws one for a score that isn't finite, and for other sizes.
 */
export function permuter(
  sizes: readonly (readonly [number, number])[],
  { seed = 0, draws = 10_000, enumerate = 100_000 }: PermutationOptions = {},
): (strata: readonly Pair[], enough?: number) => Permutation {
  const action = "permute";
  must(action, "draws", Number.isInteger(draws) && draws >= 100, "must be a whole number from 100 on", draws);
  const arrangements = sizes.reduce((product, [a, b]) => product * choose(a + b, a), 1), exact = arrangements <= enumerate;
  const drawn = exact ? new Uint32Array() : drawDeals(sizes, draws, new Random(seed, "resample"));
  return (strata, enough = 1) => {
    const decks = strata.map(({ a, b }) => ({ scores: [...a, ...b], taken: a.length }));
    const same = decks.length === sizes.length && sizes.every(([a, b], s) => decks[s].taken === a && decks[s].scores.length === a + b);
    if (!same) {
      const wrong = JSON.stringify(strata.map(({ a, b }) => [a.length, b.length]));
      must(action, "the groups' sizes", false, `must be ${JSON.stringify(sizes)}`, wrong);
    }
    for (const x of decks.flatMap(({ scores }) => scores)) must(action, "a score", Number.isFinite(x), "must be finite", x);
    const average = averageOf(strata), statistic = statisticOf(strata);
    // Sums of the same scores in another order differ by rounding; they count as equal to the observed one.
    const rounding = 1e-12 * total(decks.flatMap(({ scores }) => scores.map(Math.abs))), limit = Math.abs(statistic) - rounding;
    const least = extreme(decks, average, rounding) / arrangements;
    if (exact) {
      const sums = decks.map(({ scores, taken }) => subsetSums(scores, taken)), last = sums.pop()!;
      let before = Float64Array.of(0);
      for (const here of sums) before = allSums(before, here);
      return { statistic, p: farSums(before, last, average, limit) / (before.length * last.length), least, exact, arrangements };
    }
    const scores = Float64Array.from(decks.flatMap(({ scores }) => scores)), taken = drawn.length / draws;
    let hits = 0;
    for (let i = 0, k = 0; i < draws && (hits + 1) / (draws + 1) < enough; i++) {
      let sum = -average;
      for (const end = k + taken; k < end; k++) sum += scores[drawn[k]];
      if (Math.abs(sum) >= limit) hits++;
    }
    return { statistic, p: (hits + 1) / (draws + 1), least: Math.max(least, 1 / (draws + 1)), exact, arrangements };
  };
}

/** The mean of the first group's sum over all arrangements. */
const averageOf = (strata: readonly Pair[]) => total(strata.map(({ a, b }) => total([...a, ...b]) * a.length / (a.length + b.length)));

/** The statistic of `permutationTest` alone, without its p. */
export const statisticOf = (strata: readonly Pair[]): number => total(strata.flatMap(({ a }) => a)) - averageOf(strata);

/** What the first groups of all strata get in each draw, as indices of all strata's scores in one line; [draws, size of those groups]. */
function drawDeals(sizes: readonly (readonly [number, number])[], draws: number, random: Random): Uint32Array {
  let from = 0;
  const decks = sizes.map(([a, b]) => Array.from({ length: a + b }, () => from++));
  const all = new Uint32Array(draws * total(sizes.map(([a]) => a)));
  for (let i = 0, at = 0; i < draws; i++) {
    decks.forEach((deck, s) => {
      const [taken] = sizes[s];
      shuffle(deck, taken, random);
      for (let k = 0; k < taken; k++) all[at++] = deck[k];
    });
  }
  return all;
}

/** The number of arrangements with the most extreme sums: those with the largest scores, the smallest ones, or both. */
function extreme(
  decks: readonly { readonly scores: readonly number[]; readonly taken: number }[],
  average: number,
  rounding: number,
): number {
  const ends = [1, -1].map((sign) => {
    const each = decks.map(({ scores, taken }) => {
      const sorted = scores.toSorted((a, b) => sign * (b - a)), first = sorted.slice(0, taken), last = sorted[taken - 1];
      const tied = (values: readonly number[]) => values.filter((x) => Math.abs(x - last) <= rounding).length;
      return { sum: total(first), ways: choose(tied(sorted), tied(first)) };
    });
    return { far: Math.abs(total(each.map(({ sum }) => sum)) - average), ways: each.reduce((product, { ways }) => product * ways, 1) };
  });
  const far = Math.max(...ends.map((end) => end.far)), furthest = ends.filter((end) => end.far >= far - rounding);
  return far <= rounding ? furthest[0].ways : total(furthest.map(({ ways }) => ways));
}

const total = (values: readonly number[]) => values.reduce((sum, x) => sum + x, 0);

/** Each of some numbers plus each of others. */
function allSums(some: Float64Array, others: Float64Array): Float64Array<ArrayBuffer> {
  const sums = new Float64Array(some.length * others.length);
  some.forEach((x, i) => others.forEach((y, j) => sums[i * others.length + j] = x + y));
  return sums;
}

/** How many sums of one of some numbers and one of others lie at least as far from the average as a limit. */
function farSums(some: Float64Array, others: Float64Array, average: number, limit: number): number {
  if (limit <= 0) return some.length * others.length;
  // Rounding keeps the sums' order, so that those far off are the first ones and the last ones.
  const rising = others.toSorted();
  let far = 0;
  for (const x of some) {
    const distance = bisector((y: number) => x + y - average);
    far += distance.right(rising, -limit) + rising.length - distance.left(rising, limit);
  }
  return far;
}

/** The sums of all ways to take `taken` of the values, each added up from its last value to its first. */
function subsetSums(values: readonly number[], taken: number): Float64Array {
  /** Of the values that come later, by how many are taken. */
  const rests = [Float64Array.of(0), ...Array.from({ length: taken }, () => new Float64Array())];
  for (const value of values.toReversed()) {
    for (let t = taken; t >= 1; t--) {
      const fewer = rests[t - 1], sums = new Float64Array(fewer.length + rests[t].length);
      for (let i = 0; i < fewer.length; i++) sums[i] = value + fewer[i];
      sums.set(rests[t], fewer.length);
      rests[t] = sums;
    }
  }
  return rests[taken];
}

/** Shuffles the first `taken` elements, drawn from the whole deck (partial Fisher–Yates). */
function shuffle<T>(deck: T[], taken: number, random: Random): void {
  for (let i = 0; i < taken; i++) {
    const j = i + random.below(deck.length - i);
    [deck[i], deck[j]] = [deck[j], deck[i]];
  }
}

/**
 * The log-rank test of two or more groups in its permutation form: the share of random assignments of the runs to the groups with a χ² at
 * least as large; for two groups, `permutationTest` of their scores. With five groups of five runs, the χ² distribution itself rejects too
 * often. The groups must have the same follow-up: see `watchedAlike`. `least` allows for assignments that only swap groups of equal size,
 * which have the same χ².
 * @throws Error where `logRank` does, and for fewer than 100 draws.
 */
export function logRankPermuted(
  groups: readonly (readonly Observation[])[],
  options: PermutationOptions = {},
): Tested & { readonly p: number } {
  if (groups.length === 2) return permutationTest([logRankScores({ a: groups[0], b: groups[1] })], options);
  const { seed = 0, draws = 2000 } = options, random = new Random(seed, "resample"), deck = groups.flat();
  must("permute", "draws", Number.isInteger(draws) && draws >= 100, "must be a whole number from 100 on", draws);
  const limit = logRank(groups).chiSquare * (1 - 1e-9), sizes = groups.map(({ length }) => length);
  let hits = 0;
  for (let i = 0; i < draws; i++) {
    shuffle(deck, deck.length - 1, random);
    let from = 0;
    if (logRank(sizes.map((length) => deck.slice(from, from += length))).chiSquare >= limit) hits++;
  }
  let ways = 1, left = deck.length;
  for (const size of sizes) (ways *= choose(left, size), left -= size);
  for (const same of Map.groupBy(sizes, (size) => size).values()) ways /= factorial(same.length);
  return { p: (hits + 1) / (draws + 1), least: Math.max(1 / ways, 1 / (draws + 1)) };
}

const factorial = (n: number): number => n < 2 ? 1 : n * factorial(n - 1);

/**
 * For each run, how many of all runs are earlier minus how many are later, where the order is known (Gehan 1965, Biometrika; Mantel 1967,
 * Biometrics). The first group's sum is the number of pairs in which it is later minus those in which it is earlier: Cliff's delta times
 * both group sizes.
 */
export function gehanScores({ a, b }: ObservedPair): Pair {
  const all = pool(a, b);
  return scored(a, b, (x) => total(all.map((y) => order(x, y))));
}

/**
 * For each run, its event (0 or 1) minus the cumulative hazard of both groups together at its time (Nelson 1969, J. Qual. Technol.; Aalen
 * 1978, Ann. Statist.). The first group's sum is its observed minus its expected events in the log-rank test.
 */
export function logRankScores({ a, b }: ObservedPair): Pair {
  const all = pool(a, b), times = [...new Set(all.filter(({ event }) => event).map(({ time }) => time))];
  const steps = times.map((time) => ({
    time,
    hazard: all.filter((x) => x.event && x.time === time).length / all.filter((x) => x.time >= time).length,
  }));
  return scored(a, b, (x) => (x.event ? 1 : 0) - total(steps.filter(({ time }) => time <= x.time).map(({ hazard }) => hazard)));
}

function pool(a: readonly Observation[], b: readonly Observation[]): Observation[] {
  const all = [...a, ...b];
  checkSample("score two groups", all);
  return all;
}

const scored = (a: readonly Observation[], b: readonly Observation[], score: (x: Observation) => number): Pair => ({
  a: a.map(score),
  b: b.map(score),
});
