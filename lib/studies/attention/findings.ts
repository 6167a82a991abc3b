/** Results of the attention study: levels of a measure at a moment, comparisons of operations and layers, phases, and lags. */
import { courseOf, evenly, meanPattern, pathOf } from "../../analysis/attention/change.ts";
import { justAfter, lastMoments, sharesWithin, type Window } from "../../analysis/attention/windows.ts";
import type { Contrast, Values } from "../../analysis/statistics/contrasts.ts";
import { jensenShannonDistance, patternDistance, wasserstein } from "../../analysis/attention/distances.ts";
import { type Lag, lagOf, type LagOptions, lagOverRuns, type LagSummary, type Moments } from "../../analysis/attention/lag.ts";
import { type Corrected, corrected, type Tested } from "../../analysis/statistics/multiple.ts";
import { signFlipTest } from "../../analysis/statistics/paired.ts";
import type { BootstrapOptions } from "../../analysis/statistics/compare.ts";
import { type SpeedLag, speedLag } from "../../analysis/statistics/cross_correlation.ts";
import { type RankCorrelation, rankCorrelation } from "../../analysis/statistics/rank_correlation.ts";
import { phaseSeparation } from "../../analysis/attention/phase_contrast.ts";
import { PHASES, phases } from "../../run/phases.ts";
import { specialisation } from "../../analysis/attention/specialisation.ts";
import { type AttentionGroup, type AttentionRun, edgesOf, readQueries, sizesOf } from "../../analysis/attention/runs.ts";
import type { PatternClusters } from "../../analysis/attention/pattern_clusters.ts";
import { datedRun, type DatingOptions } from "../../analysis/attention/dated.ts";
import { medianStep } from "../../analysis/runs/times.ts";
import type { LayerMeasure } from "../../analysis/attention/courses.ts";

/** `start`: a run's first reading; `memorised`: `justAfter` memorising; `end`: `lastMoments`. */
export type Instant = "start" | "memorised" | "end";

/** The window of a moment in a run; `null` where the run didn't reach it. */
function windowAt(run: AttentionRun, instant: Instant): Window | null {
  const steps = run.readings.map(({ step }) => step);
  if (instant === "end") return lastMoments(steps);
  if (instant === "start") return { from: steps[0], to: steps[0] + 1 };
  const { memorised } = edgesOf(run), first = memorised === null ? undefined : steps.find((step) => step >= memorised);
  return first === undefined ? null : justAfter(first);
}

/**
 * A measure of a run at a moment, at the queries that the output head reads: its mean over the readings of that moment, and over all layers
 * unless one is given. `null` where the run didn't reach the moment, or the measure has no value.
 */
export function levelOf(run: AttentionRun, measure: LayerMeasure, instant: Instant, layer?: number): number | null {
  const window = windowAt(run, instant);
  if (!window) return null;
  const { mask } = run.spec.model, sizes = sizesOf([run]), queries = readQueries(run.spec);
  const values = sharesWithin(run.readings.map(({ step }) => step), window).flatMap(({ place, weight }) => {
    const layers = specialisation(run.readings[place], sizes, { mask, queries });
    return (layer === undefined ? layers : [layers[layer]]).flatMap((each) => {
      const value = each[measure];
      return value === null ? [] : [{ value, weight }];
    });
  });
  const whole = values.reduce((sum, { weight }) => sum + weight, 0);
  return whole > 0 ? values.reduce((sum, { value, weight }) => sum + weight * value, 0) / whole : null;
}

const readOut = (run: AttentionRun) => courseOf(run.readings, sizesOf([run]), { queries: readQueries(run.spec) });

/**
 * How far the attention at the queries that the output head reads has moved, from a moment to the last ones: `patternDistance`, 0 … 1;
 * `null` where the run doesn't come to that moment.
 */
export function changeOf(run: AttentionRun, since: Instant = "start"): number | null {
  const course = readOut(run), from = windowAt(run, since);
  return from && patternDistance(meanPattern(course, from), meanPattern(course, windowAt(run, "end")!), course.T);
}

/** How many evenly spaced moments a transition is resampled at. */
const MOMENTS = 9;

/**
 * How much the attention at these queries wanders during the transition: 1 − `directness` of its path, 0 … 1, at `MOMENTS` moments, so that
 * more readings don't count as more wandering. `null` where the run has no complete transition.
 */
export function wanderOf(run: AttentionRun): number | null {
  const { transition, generalised } = edgesOf(run), last = run.readings.at(-1)!.step;
  if (transition === null || generalised === null || transition >= generalised || generalised > last) return null;
  return 1 - pathOf(evenly(readOut(run), transition, generalised, MOMENTS)).directness;
}

/** The lag of a run's attention behind its validation accuracy, in decades; `null` where it has none. */
export const decadesBehind = (run: AttentionRun, options: DatingOptions = {}): number | null =>
  lagOf(datedRun(run, options).moments)?.decades ?? null;

const numbers = (runs: readonly AttentionRun[], of: (run: AttentionRun) => number | null) => runs.flatMap((run) => of(run) ?? []);

/** One number per run: the first group compared with every other group. */
export function against(of: string, first: AttentionGroup, others: readonly AttentionGroup[], value: (run: AttentionRun) => number | null) {
  return others.map(({ name, runs }): Contrast<Values> => {
    return { of, first: first.name, second: name, strata: [{ a: numbers(first.runs, value), b: numbers(runs, value) }] };
  });
}

/** One of two numbers per run, with its name. */
export interface Side {
  readonly name: string;
  readonly of: (run: AttentionRun) => number | null;
}

/** Two numbers per run compared within runs, one contrast per group; runs that lack a number are left out. */
export function withinRuns(groups: readonly AttentionGroup[], first: Side, second: Side): Contrast<Values>[] {
  return groups.map(({ name, runs }) => {
    const both = runs.flatMap((run) => {
      const a = first.of(run), b = second.of(run);
      return a === null || b === null ? [] : [{ a, b }];
    });
    return { of: name, first: first.name, second: second.name, strata: [{ a: both.map(({ a }) => a), b: both.map(({ b }) => b) }] };
  });
}

/** The groups in which most runs grokked, and the others. */
export function learned(groups: readonly AttentionGroup[]): { readonly learned: AttentionGroup[]; readonly failed: AttentionGroup[] } {
  const { true: learned = [], false: failed = [] } = Object.groupBy(
    groups,
    ({ runs }) => String(2 * runs.filter(({ grokkingStep }) => grokkingStep !== null).length > runs.length) as "true" | "false",
  );
  return { learned, failed };
}

/** Pairs of consecutive phases, as indices into `PHASES`. */
const STEPS = [[0, 1], [1, 2], [2, 3]] as const;

/**
 * For each layer, whether its attention changes more between two consecutive phases than it drifts within them: both values of
 * `phaseSeparation`, run by run.
 */
export function phaseSteps({ name, runs }: AttentionGroup): Contrast<Values>[] {
  return STEPS.flatMap(([before, after]) =>
    Array.from({ length: sizesOf(runs).L }, (_, layer) => {
      const seen = runs.flatMap((run) => {
        const known = phases(edgesOf(run)), [first, second] = [before, after].map((i) => known.find((phase) => phase.name === PHASES[i]));
        const course = courseOf(run.readings, sizesOf([run]), { layer, queries: readQueries(run.spec) });
        return (first && second && phaseSeparation(course, first, second)) ?? [];
      });
      return {
        of: `${name}, layer ${layer}: ${PHASES[before]} → ${PHASES[after]}`,
        ...{ first: "between", second: "within" },
        strata: [{ a: seen.map(({ between }) => between), b: seen.map(({ within }) => within) }],
      };
    })
  );
}

/** How heads differ between two consecutive phases. */
export interface PhaseDistance extends Corrected {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  /** Runs with readings in both. */
  readonly n: number;
  /** Jensen–Shannon distance between the two phases' shares of heads in each cluster, means over runs, 0 … 1. */
  readonly occupancy: number;
  /** p of the sign-flip test of the runs' differences in these shares; each run is flipped as a whole. */
  readonly p: number;
  /**
   * Wasserstein-1 distance between the heads' entropies, pooled over all readings of all runs, in shares of the largest possible entropy.
   * Each run counts the same, its readings as in `sharesWithin`.
   */
  readonly entropy: number;
}

/**
 * How far consecutive phases are apart, in the heads' patterns and in their entropies. `clusters` holds those of each group, in the order
 * of the groups.
 */
export function phaseDistances(groups: readonly AttentionGroup[], clusters: readonly PatternClusters[]): PhaseDistance[] {
  const found = groups.flatMap(({ name, runs }, g) => {
    const seen = runs.map((run, r) => inPhases(run, r, clusters[g]));
    return STEPS.flatMap(([before, after]) => {
      const both = seen.flatMap((phases) => phases[before] && phases[after] ? [[phases[before], phases[after]] as const] : []);
      if (both.length === 0) return [];
      const mean = (side: 0 | 1) => both[0][0].shares.map((_, c) => both.reduce((sum, run) => sum + run[side].shares[c], 0) / both.length);
      return [{
        ...{ name, from: PHASES[before], to: PHASES[after], n: both.length },
        occupancy: jensenShannonDistance(mean(0), mean(1)),
        ...signFlipTest(both.map(([a, b]) => b.shares.map((share, c) => share - a.shares[c]))),
        entropy: entropyDistance(both.flatMap(([a]) => a.entropies), both.flatMap(([, b]) => b.entropies)),
      }];
    });
  });
  return corrected(found);
}

type Weighed = readonly { readonly entropy: number; readonly weight: number }[];

function entropyDistance(...sides: readonly [Weighed, Weighed]): number {
  const [a, b] = sides.map((side) => side.map(({ entropy }) => entropy)), [of, by] = sides.map((side) => side.map(({ weight }) => weight));
  return wasserstein(a, b, of, by);
}

/**
 * For each phase, the share of a run's heads in each cluster, and the entropies of all its heads with their weights; readings count as in
 * `sharesWithin`. `null` for a phase without a reading.
 */
function inPhases(run: AttentionRun, r: number, { points, assigned, k, queries }: PatternClusters) {
  const { mask } = run.spec.model, sizes = sizesOf([run]), known = phases(edgesOf(run));
  const steps = run.readings.map(({ step }) => step);
  const own = Map.groupBy(points.flatMap((point, i) => point.run === r ? [{ ...point, cluster: assigned[i] }] : []), ({ step }) => step);
  return PHASES.map((name) => {
    const phase = known.find((each) => each.name === name);
    const readings = phase ? sharesWithin(steps, phase) : [];
    if (readings.length === 0) return null;
    const sums = new Array<number>(k).fill(0);
    for (const { place, weight } of readings) {
      const heads = own.get(steps[place])!;
      for (const { cluster } of heads) sums[cluster] += weight / heads.length;
    }
    // Weights add up to 1 but for rounding, which is no change from phase to phase.
    const shares = sums.map((sum) => Math.round(1e12 * sum) / 1e12);
    const entropies = readings.flatMap(({ place, weight }) =>
      specialisation(run.readings[place], sizes, { mask, queries }).flatMap(({ heads }) =>
        heads.map(({ entropy }) => ({ entropy, weight }))
      )
    );
    return { shares, entropies };
  });
}

/** When attention changes relative to accuracy, over the runs of a group: by the halfway steps of the two changes, and by their speeds. */
export interface GroupLag extends LagSummary {
  readonly name: string;
  /**
   * The lag at which the speeds of the two agree best, in decades of steps, over the grokked runs with signals (`DatedRun`); `null` for
   * fewer than two.
   */
  readonly speeds: SpeedLag | null;
}

/** The lag over the runs of each group. */
export const lagsOf = (groups: readonly AttentionGroup[], options: DatingOptions & LagOptions & BootstrapOptions = {}): GroupLag[] =>
  groups.map(({ name, runs }) => {
    const dated = runs.map((run) => datedRun(run, options)), grokked = dated.filter(({ moments }) => moments.grokking !== null);
    const signals = grokked.flatMap(({ signals }) => signals ?? []);
    return {
      name,
      ...lagOverRuns(dated.map(({ moments }) => moments), options),
      speeds: signals.length > 1 ? speedLag(signals, options) : null,
    };
  });

/**
 * Up to which multiple of its grokking step the attention of every run that grokked was read, rounded down to hundredths; `null` where none
 * grokked. For `until`. A run whose last reading comes before its grokking step doesn't count: it has no date, whatever the multiple.
 */
export function watchedMultiple(groups: readonly AttentionGroup[]): number | null {
  const multiples = groups.flatMap(({ runs }) =>
    runs.flatMap((run) => {
      const { generalised } = edgesOf(run), last = run.readings.at(-1)?.step ?? 0;
      return generalised === null || last < generalised ? [] : last / generalised;
    })
  );
  // Without the tiny part, 100 × 2.3 would be rounded down to 229.
  return multiples.length > 0 ? Math.floor(100 * Math.min(...multiples) + 1e-9) / 100 : null;
}

/** A run with its moments; accuracy's halfway step only counts for runs that grok. */
function dated(run: AttentionRun, options: DatingOptions = {}) {
  const { seed, moments } = datedRun(run, options);
  return { seed, moments: moments.grokking === null ? { ...moments, accuracy: null } : moments };
}

/** The moments of a run, and attention's lag: by its whole change, and by its change up to grokking only. */
export interface RunDates extends Moments {
  readonly name: string;
  readonly seed: number;
  readonly lag: Lag | null;
  readonly lagUpTo: Lag | null;
}

/** The moments of each run by itself, for groups with too few runs for a test. */
export const runDatesOf = (groups: readonly AttentionGroup[]): RunDates[] =>
  groups.flatMap(({ name, runs }) =>
    runs.map((run) => {
      const { seed, moments } = dated(run);
      return { name, seed, ...moments, lag: lagOf(moments), lagUpTo: lagOf(dated(run, { until: "grokking" }).moments) };
    })
  );

/** When attention's change is half done, and its rank correlation with the grokking step over seeds. */
export interface Dates extends Partial<Omit<RankCorrelation, keyof Tested>>, Tested, Corrected {
  readonly name: string;
  readonly runs: number;
  /**
   * Medians over all runs of the halfway steps of attention and accuracy, and of the grokking step; runs without one count as the latest,
   * `null` where half of them have none. Attention also changes in runs that never grok, so they have a step for it.
   */
  readonly attention: number | null;
  readonly accuracy: number | null;
  readonly grokking: number | null;
}

/** The dates of each group, including tasks that no run generalises, where attention changes without a jump of accuracy. */
export function datesOf(groups: readonly AttentionGroup[], options: DatingOptions = {}): Dates[] {
  const found = groups.map(({ name, runs }) => {
    const moments = runs.map((run) => dated(run, options).moments);
    const both = moments.flatMap(({ attention, grokking }) => attention !== null && grokking !== null ? [{ attention, grokking }] : []);
    const middle = (moment: "attention" | "accuracy" | "grokking") => medianStep(moments.map((each) => each[moment]));
    return {
      ...{ name, runs: runs.length, attention: middle("attention"), accuracy: middle("accuracy"), grokking: middle("grokking") },
      ...{ p: null, least: null },
      ...both.length >= 3 ? rankCorrelation(both.map(({ attention }) => attention), both.map(({ grokking }) => grokking)) : {},
    };
  });
  return corrected(found);
}
