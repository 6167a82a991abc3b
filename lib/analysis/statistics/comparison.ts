/**
 * Two groups of runs compared by the time of an event, within strata whose runs have all else in common: one effect, how many times as long
 * the first group takes, with an interval and a p from the same test.
 */
import { factorsOf, type Reach } from "./factors.ts";
import type { Tested } from "./multiple.ts";
import { gehanScores, logRankScores, type Pair, type PermutationOptions, permuter, statisticOf } from "./permutation.ts";
import {
  alphaOf,
  checkSample,
  critical,
  horizonOf,
  type Interval,
  must,
  type Observation,
  type ObservedPair,
  stretched,
  watchedAlike,
} from "./sample.ts";

/**
 * What a test of times counts. `log-rank`: events against those expected at equal hazards; it has the most power where one group's hazard
 * is a multiple of the other's, and its scores are largest for late runs. `gehan`: pairs of runs of which the order is known (Gehan 1965,
 * Biometrika), without censoring the Wilcoxon rank-sum test; scores are evenly spaced, and the ratio is then the median over all pairs of
 * runs (Hodges & Lehmann 1963, Ann. Math. Stat.). Where one group's times are spread more widely, in proportion, the two ratios differ.
 */
export type TimeTest = "log-rank" | "gehan";

export interface ComparisonOptions extends PermutationOptions {
  /** Level of the interval. Default: 0.95. */
  readonly level?: number;
  /** Default: `log-rank`. */
  readonly test?: TimeTest;
}

/** The first group compared with the second; the interval is that of `ratio`. */
export interface TimeComparison extends Interval, Tested {
  /** Runs of each group that were watched up to the horizon of their stratum, over all strata. */
  readonly n: readonly [number, number];
  /** Where observations have units: how many units of each group. */
  readonly units: readonly [number, number] | null;
  /** How many of them had the event by then. */
  readonly events: readonly [number, number];
  /** Strata in which both groups have runs; only these count. */
  readonly strata: number;
  /** The smallest and the largest horizon of the strata, in the unit of the sample. */
  readonly watched: readonly [number, number];
  /**
   * How many times as long the first group takes. 0 where so many of its times are 0 that no factor is small enough, Infinity where so many
   * of the second's are; `null` where a group has no event, so that the ratio is unbounded on one side, and where all times are 0.
   */
  readonly ratio: number | null;
  /** 1 where the first group takes longer, −1 where the second does, 0 where neither does. */
  readonly sign: -1 | 0 | 1;
  /** Whether p is over all permutations; else it is estimated from random ones. */
  readonly exact: boolean;
}

/**
 * Compares the groups `a` and `b` of each stratum. Only runs of the same stratum are compared, and only up to a horizon to which all of
 * them were watched (`watchedAlike`); strata in which one group is empty are left out.
 *
 * The test is two-sided, stratified, and in its permutation form, which holds even for five runs against five. The ratio is
 * that of the accelerated-failure-time model (Louis 1981, Biometrika; Wei & Gail 1983, JASA; Tsiatis 1990, Ann. Statist.): the factor by
 * which the second group's times must be multiplied so that the test sees no difference. Its interval holds all factors that the test
 * doesn't reject at 1 − level. So p lies below 1 − level exactly where the interval excludes 1. A limit is `null` where nothing on that
 * side is rejected, as the upper one where no run of the first group had the event; 0 or Infinity where no other factor fits (`factorsOf`).
 *
 * Where observations have units, whole units are assigned to the groups, one way for all strata. They should have equally many runs.
 * @throws Error where no stratum has both groups, for a unit in both groups, for observations of which only some have a unit, for times
 * that are negative or not finite, for fewer than 100 draws, and for a level outside (0, 1).
 */
export function compareTimes(
  strata: readonly ObservedPair[],
  { level = 0.95, test: which = "log-rank", ...options }: ComparisonOptions = {},
): TimeComparison {
  const action = "compare times", both = strata.filter(({ a, b }) => a.length > 0 && b.length > 0);
  must(action, "strata with both groups", both.length > 0, "must be at least one", both.length);
  critical(level); // checks it
  const alpha = alphaOf(level);
  for (const { a, b } of both) for (const sample of [a, b]) checkSample(action, sample, 0);
  const seen = both.map(({ a, b }) => alike(a, b)),
    sizes = scoresOf(seen, which).map(({ a, b }) => [a.length, b.length] as const),
    test = permuter(sizes, options);
  const scoresAt = (log: number) => scoresOf(seen.map(({ a, b }) => alike(a, b.map(stretched(Math.exp(log))))), which);
  const total = (of: (pair: ObservedPair) => readonly Observation[], event = false) =>
    seen.reduce((sum, pair) => sum + of(pair).filter((each) => each.event || !event).length, 0);
  const sides = [({ a }: ObservedPair) => a, ({ b }: ObservedPair) => b];
  const [n, events] = [false, true].map((event) => sides.map((of) => total(of, event)) as [number, number]);
  const horizons = both.map(({ a, b }) => Math.min(horizonOf([a, b]), Math.max(...[...a, ...b].map(({ time }) => time))));
  const units = seen.some(({ a }) => a.some(({ unit }) => unit !== undefined)) ? sizes[0] : null;
  const shared = { n, units, events, strata: both.length, watched: [Math.min(...horizons), Math.max(...horizons)] as const };
  if (events[0] + events[1] === 0) return { ...shared, ratio: null, low: null, high: null, sign: 0, p: null, least: null, exact: true };
  const { statistic, p, least, exact } = test(scoresAt(0)), sign = p === 1 ? 0 : -Math.sign(statistic) as -1 | 0 | 1, reach = reachOf(seen);
  // Factors between which no two times change places give the same scores, and so the same answer.
  const answers = new Map<string, boolean>();
  const accepts = (log: number): boolean => {
    const scores = scoresAt(log), key = JSON.stringify(scores), known = answers.get(key) ?? test(scores, alpha).p >= alpha;
    answers.set(key, known);
    return known;
  };
  const testAt = { statistic: (log: number) => statisticOf(scoresAt(log)), accepts };
  const factors = reach === null ? { ratio: null, low: null, high: null } : factorsOf(testAt, reach, events);
  return { ...shared, ...factors, sign, p, least, exact };
}

/** How far factors change the order of the pairs' times and of how long they were watched; `null` where all times are 0. */
function reachOf(pairs: readonly ObservedPair[]): Reach | null {
  const all = pairs.flatMap(({ a, b }) => [...a, ...b]), times = all.map(({ time }) => time).filter((time) => time > 0);
  if (times.length === 0) return null;
  const last = Math.max(...times), far = 0.1 + Math.log(last / Math.min(...times));
  return { far, beyond: far + Math.log(Math.max(last, ...all.map(({ until }) => until ?? 0)) / last) };
}

const alike = (a: readonly Observation[], b: readonly Observation[]): ObservedPair => {
  const [first, second] = watchedAlike([a, b]);
  return { a: first, b: second };
};

/** The scores of each stratum's runs, larger for earlier ones; where they have units, of whole units over all strata. */
function scoresOf(pairs: readonly ObservedPair[], test: TimeTest): Pair[] {
  const scores = pairs.map(test === "gehan" ? earlierByGehan : logRankScores),
    units = pairs.flatMap(({ a, b }) => [...a, ...b].map(({ unit }) => unit));
  if (units.every((unit) => unit === undefined)) return scores;
  const [a, b] = (["a", "b"] as const).map((side) => {
    const sums = new Map<string | undefined, number>();
    pairs.forEach((pair, s) => pair[side].forEach(({ unit }, i) => sums.set(unit, (sums.get(unit) ?? 0) + scores[s][side][i])));
    return sums;
  });
  must("compare times", "units", !a.has(undefined) && !b.has(undefined), "must be of all observations or of none", "some");
  const shared = [...a.keys()].find((unit) => b.has(unit));
  must("compare times", "a unit", shared === undefined, "must be in one group only", shared);
  return [{ a: [...a.values()], b: [...b.values()] }];
}

function earlierByGehan(pair: ObservedPair): Pair {
  const { a, b } = gehanScores(pair);
  return { a: a.map((later) => -later), b: b.map((later) => -later) };
}
