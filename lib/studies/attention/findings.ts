/**
 * What the study of attention asks of its runs: levels of a measure at a moment, operations and layers held against each other, phases, and
 * lags.
 */
import { courseOf, evenly, justAfter, lastMoments, meanPattern, pathOf, type Window } from "../../analysis/attention/change.ts";
import type { Contrast, Values } from "../../analysis/statistics/contrasts.ts";
import { jensenShannonDistance, patternDistance, wasserstein } from "../../analysis/attention/distances.ts";
import { type Lag, lagOf, type LagOptions, lagOverRuns, type LagSummary, type Moments } from "../../analysis/attention/lag.ts";
import { type Corrected, corrected, type Tested } from "../../analysis/statistics/multiple.ts";
import { signFlipTest } from "../../analysis/statistics/paired.ts";
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

/** Its first reading, the first moments after memorising, the last ones. */
export type Instant = "start" | "memorised" | "end";

/** The readings of a run at a moment; `null` where it wasn't seen. */
function windowAt(run: AttentionRun, instant: Instant): Window | null {
  const steps = run.readings.map(({ step }) => step);
  if (instant === "end") return lastMoments(steps);
  if (instant === "start") return { from: steps[0], to: steps[0] + 1 };
  const { memorised } = edgesOf(run), first = memorised === null ? undefined : steps.find((step) => step >= memorised);
  return first === undefined ? null : justAfter(first);
}

/**
 * A measure of a run at a moment, at the queries that the output head reads: its mean over the readings, and over the layers where none is
 * named. `null` where the moment wasn't seen, or the measure has no value.
 */
export function levelOf(run: AttentionRun, measure: LayerMeasure, instant: Instant, layer?: number): number | null {
  const window = windowAt(run, instant);
  if (!window) return null;
  const { mask } = run.spec.model, sizes = sizesOf([run]), queries = readQueries(run.spec);
  const values = run.readings.filter(({ step }) => step >= window.from && (window.to === null || step < window.to)).flatMap((reading) => {
    const layers = specialisation(reading, sizes, { mask, queries });
    return (layer === undefined ? layers : [layers[layer]]).flatMap((each) => each[measure] ?? []);
  });
  return values.length > 0 ? values.reduce((sum, x) => sum + x, 0) / values.length : null;
}

const readOut = (run: AttentionRun) => courseOf(run.readings, sizesOf([run]), { queries: readQueries(run.spec) });

/** How far the attention that is read out came, from the first reading to the last moments: `patternDistance`, 0 … 1. */
export function changeOf(run: AttentionRun): number {
  const course = readOut(run);
  return patternDistance(meanPattern(course, windowAt(run, "start")!), meanPattern(course, windowAt(run, "end")!), course.T);
}

/** Moments at which a transition is looked at. */
const MOMENTS = 9;

/**
 * How much the attention that is read out wanders during the transition: what it goes beyond the straight way, as a share of its path, 0 …
 * 1; at nine moments, so that runs that were read more often don't wander more. `null` where the transition wasn't seen.
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

/** A number of each run: the first group's against every other group's. */
export function against(of: string, first: AttentionGroup, others: readonly AttentionGroup[], value: (run: AttentionRun) => number | null) {
  return others.map(({ name, runs }): Contrast<Values> => {
    return { of, first: first.name, second: name, strata: [{ a: numbers(first.runs, value), b: numbers(runs, value) }] };
  });
}

/** One of two numbers of each run. */
export interface Side {
  readonly name: string;
  readonly of: (run: AttentionRun) => number | null;
}

/** Two numbers of each run, a contrast a group; runs that lack one are left out. */
export function withinRuns(groups: readonly AttentionGroup[], first: Side, second: Side): Contrast<Values>[] {
  return groups.map(({ name, runs }) => {
    const both = runs.flatMap((run) => {
      const a = first.of(run), b = second.of(run);
      return a === null || b === null ? [] : [{ a, b }];
    });
    return { of: name, first: first.name, second: second.name, strata: [{ a: both.map(({ a }) => a), b: both.map(({ b }) => b) }] };
  });
}

/** The groups that most of their runs generalised in, and the others. */
export function learned(groups: readonly AttentionGroup[]): { readonly learned: AttentionGroup[]; readonly failed: AttentionGroup[] } {
  const { true: learned = [], false: failed = [] } = Object.groupBy(
    groups,
    ({ runs }) => String(2 * runs.filter(({ grokkingStep }) => grokkingStep !== null).length > runs.length) as "true" | "false",
  );
  return { learned, failed };
}

/** Phases that follow each other, by their places in `PHASES`. */
const STEPS = [[0, 1], [1, 2], [2, 3]] as const;

/**
 * Of each layer, whether its attention changes where one phase ends and the next begins by more than it drifts: `phaseSeparation`, between
 * the phases against within, run by run.
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

/** What heads do in two phases that follow each other. */
export interface PhaseDistance extends Corrected {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  /** Runs with readings in both. */
  readonly n: number;
  /** Jensen–Shannon distance of the shares of the heads in each cluster, means over runs, 0 … 1. */
  readonly occupancy: number;
  /** Of the runs' differences of these shares, by flipping the signs of whole runs. */
  readonly p: number;
  /** Wasserstein-1 distance of the heads' entropies, all readings of all runs together, as a share of the most possible entropy. */
  readonly entropy: number;
}

/**
 * How far phases are from the next: in which patterns heads are, and how even their attention is. `clusters` of each group, in their order.
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
        entropy: wasserstein(both.flatMap(([a]) => a.entropies), both.flatMap(([, b]) => b.entropies)),
      }];
    });
  });
  return corrected(found);
}

/** Phase by phase, the share of a run's heads in each cluster, and the entropies of all its heads; `null` where it has no reading. */
function inPhases(run: AttentionRun, r: number, { points, assigned, k, queries }: PatternClusters) {
  const { mask } = run.spec.model, sizes = sizesOf([run]), known = phases(edgesOf(run));
  const steps = new Map(run.readings.map((reading) => [reading.step, reading]));
  const own = points.flatMap((point, i) => point.run === r ? [{ ...point, cluster: assigned[i] }] : []);
  return PHASES.map((name) => {
    const phase = known.find((each) => each.name === name);
    const within = phase ? own.filter(({ step }) => step >= phase.from && (phase.to === null || step < phase.to)) : [];
    if (within.length === 0) return null;
    const shares = Array.from({ length: k }, (_, c) => within.filter(({ cluster }) => cluster === c).length / within.length);
    const entropies = [...new Set(within.map(({ step }) => step))].flatMap((step) =>
      specialisation(steps.get(step)!, sizes, { mask, queries }).flatMap(({ heads }) => heads.map(({ entropy }) => entropy))
    );
    return { shares, entropies };
  });
}

/** When attention changes, over the runs of a group: by the dates of the two changes, and by their speeds. */
export interface GroupLag extends LagSummary {
  readonly name: string;
  /** The lag at which the speeds of the two agree best, in decades of steps; `null` for fewer than two runs that grokked. */
  readonly speeds: SpeedLag | null;
}

/** The lag over the runs of each group. */
export const lagsOf = (groups: readonly AttentionGroup[], options: DatingOptions & LagOptions = {}): GroupLag[] =>
  groups.map(({ name, runs }) => {
    const dated = runs.map((run) => datedRun(run, options)), grokked = dated.filter(({ moments }) => moments.grokking !== null);
    const signals = grokked.flatMap(({ signals }) => signals ?? []);
    return {
      name,
      ...lagOverRuns(dated.map(({ moments }) => moments), options),
      speeds: signals.length > 1 ? speedLag(signals, options) : null,
    };
  });

/** When a run changed: its moments, and attention's lag with all of its change, and with that up to grokking alone. */
export interface RunDates extends Moments {
  readonly name: string;
  readonly seed: number;
  readonly lag: Lag | null;
  readonly lagUpTo: Lag | null;
}

/** The dates of each run by itself: all that can be said where runs are too few for a test. */
export const runDatesOf = (groups: readonly AttentionGroup[]): RunDates[] =>
  groups.flatMap(({ name, runs }) =>
    runs.map((run) => {
      const { seed, moments } = datedRun(run);
      return { name, seed, ...moments, lag: lagOf(moments), lagUpTo: lagOf(datedRun(run, { until: "grokking" }).moments) };
    })
  );

/** When attention's change is half done, and whether that goes with grokking from seed to seed. */
export interface Dates extends Partial<Omit<RankCorrelation, keyof Tested>>, Tested, Corrected {
  readonly name: string;
  readonly runs: number;
  /**
   * Medians over all runs, those without counted as later; `null` where half of them have none. Of attention also runs that never grok have
   * a date: it changes in them, too. Of accuracy, as of attention, when half of its change is done.
   */
  readonly attention: number | null;
  readonly accuracy: number | null;
  readonly grokking: number | null;
}

/** The dates of each group, those of tasks that nobody generalises among them: what attention does there, it does without a jump. */
export function datesOf(groups: readonly AttentionGroup[], options: DatingOptions = {}): Dates[] {
  const found = groups.map(({ name, runs }) => {
    // What accuracy does half-way, it does on the way to grokking.
    const moments = runs.map((run) => datedRun(run, options).moments).map((each) =>
      each.grokking === null ? { ...each, accuracy: null } : each
    );
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
