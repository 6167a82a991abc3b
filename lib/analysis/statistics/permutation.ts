/** Permutation tests: p-values that hold for five runs against five, where the normal and the chi-square distribution are no guide yet. */
import { Random } from "../../run/random.ts";
import { logRank } from "./logrank.ts";
import { checkSample, must, type Observation, type ObservedPair, order } from "./sample.ts";

/** A number for every run of two groups. */
export interface Pair {
  readonly a: readonly number[];
  readonly b: readonly number[];
}

/** How permutations are drawn where there are too many to go through: the same options give the same p, on every machine. */
export interface PermutationOptions {
  readonly seed?: number;
  readonly draws?: number;
  /** The most arrangements to go through one by one. */
  readonly enumerate?: number;
}

/** A permutation test. */
export interface Permutation {
  /** Sum of the first group's scores, less what it is on average over all arrangements. */
  readonly statistic: number;
  /** Two-sided: the share of arrangements with a statistic at least as far from 0. */
  readonly p: number;
  /** Whether all arrangements were gone through; else p is estimated, (hits + 1) / (draws + 1), and never 0 (Phipson & Smyth 2010). */
  readonly exact: boolean;
  /** Ways to deal the runs to the two groups, stratum by stratum: p can't be below 1 over this. */
  readonly arrangements: number;
}

/**
 * The permutation test that two groups are dealt from the same, within each stratum (Fisher 1935; Pitman 1937). What is summed decides what
 * it tests: plain values give the test of means, `gehanScores` the Wilcoxon rank-sum test and Gehan's for censored times, `logRankScores`
 * the log-rank test. A stratum with one group empty says nothing, and changes nothing. Throws unless some stratum holds both, and for a
 * score that isn't finite.
 */
export function permutationTest(strata: readonly Pair[], options: PermutationOptions = {}): Permutation {
  const { seed = 0, draws = 10_000, enumerate = 100_000 } = options, action = "permute";
  must(action, "draws", Number.isInteger(draws) && draws >= 100, "must be a whole number from 100 on", draws);
  const both = strata.filter(({ a, b }) => a.length > 0 && b.length > 0);
  must(action, "strata with both groups", both.length > 0, "must be at least one", both.length);
  const decks = both.map(({ a, b }) => ({ scores: [...a, ...b], taken: a.length }));
  for (const x of decks.flatMap(({ scores }) => scores)) must(action, "a score", Number.isFinite(x), "must be finite", x);

  const average = total(decks.map(({ scores, taken }) => total(scores) * taken / scores.length));
  const statistic = total(both.flatMap(({ a }) => a)) - average;
  // Sums of the same scores in another order differ by rounding; they are as far out as the one seen.
  const limit = Math.abs(statistic) - 1e-12 * total(decks.flatMap(({ scores }) => scores.map(Math.abs)));
  const asFar = (sum: number) => Math.abs(sum - average) >= limit;

  const arrangements = decks.reduce((product, { scores, taken }) => product * choose(scores.length, taken), 1);
  if (arrangements <= enumerate) {
    const sums = decks.reduce((before, { scores, taken }) => {
      const here = subsetSums(scores, taken);
      return before.flatMap((x) => here.map((y) => x + y));
    }, [0]);
    return { statistic, p: sums.filter(asFar).length / sums.length, exact: true, arrangements };
  }
  const random = new Random(seed, "resample");
  let hits = 0;
  for (let i = 0; i < draws; i++) {
    if (asFar(total(decks.map(({ scores, taken }) => deal(scores, taken, random))))) hits++;
  }
  return { statistic, p: (hits + 1) / (draws + 1), exact: false, arrangements };
}

const total = (values: readonly number[]) => values.reduce((sum, x) => sum + x, 0);

function choose(n: number, k: number): number {
  let ways = 1;
  for (let i = 1; i <= k; i++) ways = ways * (n - k + i) / i;
  return Math.round(ways);
}

/** The sums of all ways to take so many of the values. */
function subsetSums(values: readonly number[], taken: number, from = 0): number[] {
  if (taken === 0) return [0];
  const sums: number[] = [];
  for (let i = from; i <= values.length - taken; i++) {
    for (const rest of subsetSums(values, taken - 1, i + 1)) sums.push(values[i] + rest);
  }
  return sums;
}

/** Deals as many to the front as are taken. */
function shuffle<T>(deck: T[], taken: number, random: Random): void {
  for (let i = 0; i < taken; i++) {
    const j = i + random.below(deck.length - i);
    [deck[i], deck[j]] = [deck[j], deck[i]];
  }
}

/** Deals, and sums what was dealt. */
function deal(scores: number[], taken: number, random: Random): number {
  shuffle(scores, taken, random);
  return total(scores.slice(0, taken));
}

/**
 * p of the log-rank test of any number of groups, in its permutation form: the share of ways to deal the runs to the groups with a χ² at least as large. Of
 * two groups, `permutationTest` of their scores. With five groups of five the χ² distribution itself calls too much different.
 * Throws where `logRank` does.
 */
export function logRankPermuted(groups: readonly (readonly Observation[])[], options: PermutationOptions = {}): number {
  if (groups.length === 2) return permutationTest([logRankScores({ a: groups[0], b: groups[1] })], options).p;
  const { seed = 0, draws = 2000 } = options, random = new Random(seed, "resample"), deck = groups.flat();
  must("permute", "draws", Number.isInteger(draws) && draws >= 100, "must be a whole number from 100 on", draws);
  const limit = logRank(groups).chiSquare * (1 - 1e-9);
  let hits = 0;
  for (let i = 0; i < draws; i++) {
    shuffle(deck, deck.length - 1, random);
    let from = 0;
    if (logRank(groups.map(({ length }) => deck.slice(from, from += length))).chiSquare >= limit) hits++;
  }
  return (hits + 1) / (draws + 1);
}

/**
 * For each run, how many of all are earlier minus how many are later, as far as known (Gehan 1965; Mantel 1967). The first group's sum is
 * the number of pairs in which it is later minus those in which it is earlier: Cliff's delta times both sizes.
 */
export function gehanScores({ a, b }: ObservedPair): Pair {
  const all = pool(a, b);
  return scored(a, b, (x) => total(all.map((y) => order(x, y))));
}

/**
 * For each run, its event minus the hazard that both groups together had met by its time (Nelson 1969; Aalen 1978). The first group's sum is
 * its observed minus its expected events in the log-rank test.
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
