/**
 * What the study of boundaries asks of its runs: neighbouring settings, what the widest networks wait for, and what was published of the
 * same settings.
 */
import { compareTimes } from "../../analysis/statistics/comparison.ts";
import { type Contrast, type ContrastRow, contrastTimes } from "../../analysis/statistics/contrasts.ts";
import { type Corrected, corrected } from "../../analysis/statistics/multiple.ts";
import { type RankCorrelation, rankCorrelation } from "../../analysis/statistics/rank_correlation.ts";
import type { ObservedPair } from "../../analysis/statistics/sample.ts";
import { type Arm, uShape } from "../../analysis/statistics/u_shape.ts";
import { followers, PART_ENTRIES, type RunSpec, valueAt } from "../../run/fields.ts";
import { betweenModuli, betweenWidths, moduliPlaces } from "../../analysis/boundary/moduli.ts";
import { delayRows } from "../../analysis/boundary/delay.ts";
import { DECAY, RATIO, type SurfaceAxis, valueAlong } from "../../analysis/boundary/surface.ts";
import { medianStep, type Moment, timesTo } from "../../analysis/runs/times.ts";
import { type BoardRun, outcome } from "../../analysis/runs/run.ts";
import { nameOf } from "../../analysis/runs/settings.ts";
import { capital, shortNumber } from "../../analysis/words.ts";

const label = (axis: SurfaceAxis) => axis.label ?? nameOf(axis.field);

/** What people make follow from the width isn't a setting of its own. */
const FOLLOWING = followers("width");

/** All of a run's settings but its seed, how long it was to train, and some fields. */
const settingsWithout = (spec: RunSpec, fields: readonly string[]): string =>
  JSON.stringify(
    PART_ENTRIES.filter(({ part, path }) => part !== "schedule" && !fields.includes(path)).map((entry) => valueAt(spec, entry)),
  );

/**
 * Each value of a setting against the one below it, everything else but the seed the same.
 * @param together fields that are turned with it, as d_model may be with p.
 */
export function neighbours(
  runs: readonly BoardRun[],
  axis: SurfaceAxis,
  moment: Moment,
  together: readonly string[] = [],
): Contrast<ObservedPair>[] {
  const values = [...new Set(runs.map(({ spec }) => valueAlong(spec, axis)))].sort((a, b) => a - b);
  const strata = Map.groupBy(runs, ({ spec }) => settingsWithout(spec, [axis.field, ...together, ...FOLLOWING]));
  return values.slice(1).map((value, i) => ({
    of: capital(label(axis)),
    ...{ first: shortNumber(value), second: shortNumber(values[i]) },
    strata: [...strata.values()].map((some) => ({
      a: timesTo(moment, some.filter(({ spec }) => valueAlong(spec, axis) === value)),
      b: timesTo(moment, some.filter(({ spec }) => valueAlong(spec, axis) === values[i])),
    })),
  }));
}

/**
 * Whether networks grok in the order of a setting, for runs too few to compare value by value: Spearman's correlation of the two. Those
 * that haven't grokked are the latest, so that they must have been watched as long as any that has; `null` for fewer than three runs.
 * @throws Error where one wasn't.
 */
export function inOrder(runs: readonly BoardRun[], axis: SurfaceAxis): RankCorrelation | null {
  if (runs.length < 3) return null;
  const latest = Math.max(0, ...runs.map(({ grokkingStep }) => grokkingStep ?? 0));
  const short = runs.map(outcome).find(({ grokked, known }) => grokked === null && known < latest);
  if (short) {
    throw new Error(`Cannot order runs: one that hasn't grokked must be watched to step ${latest}, current value is ${short.known}`);
  }
  return rankCorrelation(runs.map(({ spec }) => valueAlong(spec, axis)), runs.map(({ grokkingStep }) => grokkingStep ?? latest + 1));
}

/** What the widest networks of a weight decay take longer in than the best. */
export interface WidestRow extends Arm, Corrected {
  readonly weightDecay: number;
  /** The value of d_model / p at which that moment comes soonest. */
  readonly best: number;
}

/**
 * At each weight decay, the widest networks against all others from the first value of d_model / p at which most grok, in what they take
 * longer: memorising, or the delay after it. At one learning rate for all, a network too wide for it memorises late, too. The others' best
 * is looked up, which intervals and p allow for (`uShape`). Where the widest are the soonest, there is no row.
 */
export function widest(runs: readonly BoardRun[], moment: Moment): WidestRow[] {
  const rows = delayRows(runs).flatMap(({ y, means }) => {
    const at = (ratio: number) => runs.filter(({ spec }) => valueAlong(spec, RATIO) === ratio && valueAlong(spec, DECAY) === y);
    const groups = means.map(({ x }) => ({ x, times: timesTo(moment, at(x)) })).filter(({ times }) => times.length > 0);
    const { largest, best } = groups.length > 1 ? uShape(groups) : { largest: null, best: 0 };
    return largest ? [{ weightDecay: y, best, ...largest }] : [];
  });
  return corrected(rows);
}

/** A setting as it was published, and as it came out here. */
export interface BesidePublishedSetting extends Corrected {
  readonly prime: number;
  readonly dModel: number;
  readonly weightDecay: number;
  readonly published: Tally;
  /** Without runs, `n` is 0. */
  readonly here: Tally;
}

export interface Tally {
  readonly n: number;
  readonly grokked: number;
  /** Steps; `null` where half of them don't grok. */
  readonly median: number | null;
}

/**
 * Setting by setting, in the order of the published ones: whether the times to grok here differ from those published. A seed that was
 * published in several experiments counts once, as the first of them has it: its runs differ in nothing but rounding. The test is
 * `compareTimes`, corrected for all settings.
 */
export function besidePublishedSettings(published: readonly BoardRun[], here: readonly BoardRun[]): BesidePublishedSetting[] {
  const settingOf = ({ spec: { model, data, optim } }: BoardRun) => JSON.stringify([model, data, optim]);
  const ours = Map.groupBy(here, settingOf);
  const rows = [...Map.groupBy(published, settingOf)].map(([setting, all]) => {
    const theirs = [...new Map(all.toReversed().map((run) => [run.spec.seed, run])).values()].reverse();
    const own = ours.get(setting) ?? [], { model: { dModel }, data: { prime }, optim: { weightDecay } } = all[0].spec;
    const pair = { a: timesTo("grokked", own), b: timesTo("grokked", theirs) };
    const { p, least } = pair.a.length > 0 ? compareTimes([pair]) : { p: null, least: null };
    return { prime, dModel, weightDecay, published: tally(theirs), here: tally(own), p, least };
  });
  return corrected(rows);
}

const tally = (runs: readonly BoardRun[]): Tally => {
  const steps = runs.map(({ grokkingStep }) => grokkingStep);
  return { n: runs.length, grokked: steps.filter((step) => step !== null).length, median: runs.length > 0 ? medianStep(steps) : null };
};

/** What somebody could claim of moduli and widths, with the contrasts that would show no difference if it held. */
export interface ModuliClaim {
  readonly claim: string;
  readonly rows: readonly ContrastRow[];
}

/** What could decide when networks of several moduli and widths grok: d_model / p, d_model, or p, in steps and in steps × p. */
export function moduliClaims(runs: readonly BoardRun[]): ModuliClaim[] {
  const places = moduliPlaces(runs);
  const claims: [string, Contrast<ObservedPair>[]][] = [
    ["The ratio alone decides: at equal d_model / p all moduli take equally long", betweenModuli(places, "ratio")],
    ["The width alone decides: at equal d_model all moduli take equally long", betweenModuli(places, "width")],
    ["The modulus alone decides: at each p all widths take equally long", betweenWidths(places)],
    ["Steps × p depend on d_model / p alone", betweenModuli(places, "ratio", true)],
    ["Steps × p depend on d_model alone", betweenModuli(places, "width", true)],
  ];
  return claims.map(([claim, contrasts]) => ({ claim, rows: contrastTimes(contrasts) }));
}
