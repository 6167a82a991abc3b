/**
 * Two groups of runs compared by when something happens to them, within strata that have all else in common: one effect in steps, one without a
 * unit, one as a ratio of rates, and one test.
 */
import { type BootstrapOptions, type Dominance, stratifiedDelta } from "./compare.ts";
import { type HazardRatio, hazardRatio, stratifiedLogRank } from "./logrank.ts";
import { logRankScores, permutationTest } from "./permutation.ts";
import { must, type ObservedPair } from "./sample.ts";
import { kaplanMeier, type RestrictedMeanDifference, stratifiedMeanDifference, type SurvivalCurve } from "./survival.ts";

/** The first group against the second: what is positive or above a half says that the first takes longer. */
export interface TimeComparison {
  /** Runs of each group, over all strata. */
  readonly n: readonly [number, number];
  /** How many of them had the event. */
  readonly events: readonly [number, number];
  /** Strata in which both groups have runs; the others say nothing. */
  readonly strata: number;
  /** Where means are cut off, and how many strata are known that far: those of which both groups are. The others have no part in the difference. */
  readonly tau: number;
  readonly counted: number;
  /** The first group's mean time until the event or tau minus the second's, in the unit of the sample, mean over these strata; 0 where tau is. */
  readonly difference: RestrictedMeanDifference;
  /** Within strata. */
  readonly dominance: Dominance;
  /** Of the rates: below 1 where the first takes longer. */
  readonly hazard: HazardRatio;
  /** Of the log-rank test by permutation within strata, two-sided; `null` where nothing could tell the groups apart: no event in any stratum. */
  readonly p: number | null;
  /** Whether all permutations were gone through, or p estimated from draws. */
  readonly exact: boolean;
}

/**
 * Compares the groups `a` and `b` of each stratum. Only runs of the same stratum are ever compared; strata in which one group is empty are left out.
 * The test is the log-rank test's permutation form, which holds for five runs against five, too.
 * @throws Error where no stratum has both groups, and for times that are negative or not finite.
 */
export function compareTimes(strata: readonly ObservedPair[], options: BootstrapOptions = {}): TimeComparison {
  const both = strata.filter(({ a, b }) => a.length > 0 && b.length > 0);
  must("compare times", "strata with both groups", both.length > 0, "must be at least one", both.length);
  const a = both.flatMap((stratum) => stratum.a), b = both.flatMap((stratum) => stratum.b);
  const curves = both.map((stratum) => [kaplanMeier(stratum.a, options.level), kaplanMeier(stratum.b, options.level)] as const);
  const { tau, known } = horizon(curves, Math.max(...[...a, ...b].map(({ time }) => time)));
  const events = [a, b].map((group) => group.filter(({ event }) => event).length) as [number, number];
  const test = events[0] + events[1] > 0 ? permutationTest(both.map(logRankScores)) : null;
  return {
    n: [a.length, b.length],
    events,
    strata: both.length,
    tau,
    counted: known.length,
    difference: tau > 0 ? stratifiedMeanDifference(known, tau, options.level) : { difference: 0, low: null, high: null },
    dominance: stratifiedDelta(both, options),
    hazard: hazardRatio(stratifiedLogRank(both.map((stratum) => [stratum.a, stratum.b])), options.level),
    p: test?.p ?? null,
    exact: test?.exact ?? true,
  };
}

/**
 * Where means are cut off, and the strata that are known so far: of all times up to which some are, the one that leaves most, strata times time. So one that
 * was watched briefly doesn't cut off the others.
 */
function horizon<Pair extends readonly SurvivalCurve[]>(
  curves: readonly Pair[],
  most: number,
): { readonly tau: number; readonly known: Pair[] } {
  const until = curves.map((pair) => Math.min(most, ...pair.map(knownUntil)));
  const left = (tau: number) => tau * until.filter((each) => each >= tau).length;
  const tau = until.reduce((best, each) => (left(each) > left(best) || (left(each) === left(best) && each > best) ? each : best), 0);
  return { tau, known: curves.filter((_, i) => tau > 0 && until[i] >= tau) };
}

/** How far a curve tells anything: to its last time, or, once all have had the event, for ever. */
export function knownUntil({ points }: SurvivalCurve): number {
  const last = points[points.length - 1];
  return last.survival === 0 ? Infinity : last.time;
}
