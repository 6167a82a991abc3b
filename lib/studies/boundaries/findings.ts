/**
 * Results of the boundary study: comparisons of neighbouring settings, what delays the widest networks, and published results for the same
 * settings.
 */
import { type Contrast, type ContrastRow, contrastTimes } from "../../analysis/statistics/contrasts.ts";
import { type Corrected, corrected } from "../../analysis/statistics/multiple.ts";
import type { ObservedPair } from "../../analysis/statistics/sample.ts";
import { type Arm, largestCompared } from "../../analysis/statistics/u_shape.ts";
import { followers, PART_ENTRIES, type RunSpec, valueAt } from "../../run/fields.ts";
import { betweenModuli, betweenWidths, moduliPlaces } from "../../analysis/boundary/moduli.ts";
import { delayGroups } from "../../analysis/boundary/delay.ts";
import { DECAY, RATIO, type SurfaceAxis, valueAlong } from "../../analysis/boundary/surface.ts";
import { medianStep, type Moment, timesTo } from "../../analysis/runs/times.ts";
import { type Groups, measured } from "../../analysis/runs/question.ts";
import { type BoardRun, oncePerSeed } from "../../analysis/runs/run.ts";
import { nameOf } from "../../analysis/runs/settings.ts";
import { capital, factorBetween, factorShort, levelWord, shortNumber } from "../../analysis/words.ts";

const label = (axis: SurfaceAxis) => axis.label ?? nameOf(axis.field);

/** Fields that usually follow from the width aren't settings of their own. */
const FOLLOWING = followers("width");

/** All of a run's settings except its seed, its schedule and some fields. */
const settingsWithout = (spec: RunSpec, fields: readonly string[]): string =>
  JSON.stringify(
    PART_ENTRIES.filter(({ part, path }) => part !== "schedule" && !fields.includes(path)).map((entry) => valueAt(spec, entry)),
  );

/**
 * Each value of a setting compared with the next smaller one, everything else but the seed the same.
 * @param together fields that may change together with it, as d_model with p.
 */
export function neighbouring<Run extends BoardRun>(
  runs: readonly Run[],
  axis: SurfaceAxis,
  together: readonly string[] = [],
): Contrast<Groups<Run>>[] {
  const values = [...new Set(runs.map(({ spec }) => valueAlong(spec, axis)))].sort((a, b) => a - b);
  const strata = Map.groupBy(runs, ({ spec }) => settingsWithout(spec, [axis.field, ...together, ...FOLLOWING]));
  return values.slice(1).map((value, i) => ({
    of: capital(label(axis)),
    ...{ first: shortNumber(value), second: shortNumber(values[i]) },
    strata: [...strata.values()].map((some) => ({
      a: some.filter(({ spec }) => valueAlong(spec, axis) === value),
      b: some.filter(({ spec }) => valueAlong(spec, axis) === values[i]),
    })),
  }));
}

/** Times to a moment of neighbouring values. */
export const neighbours = (runs: readonly BoardRun[], axis: SurfaceAxis, moment: Moment, together: readonly string[] = []) =>
  measured(neighbouring(runs, axis, together), (some) => timesTo(moment, some));

/** How much later the widest networks of a weight decay reach a moment than the fastest ones. */
export interface WidestRow extends Arm, Corrected {
  readonly weightDecay: number;
  /** The d_model / p with the shortest mean time to that moment. */
  readonly best: number;
}

/**
 * At each weight decay, the widest networks compared with all others from the first d_model / p at which most grok, by the given moment: do
 * they take longer to memorise, or is the delay longer? (With one learning rate for all, a network too wide for it also memorises late.)
 * The test allows for choosing the best of the others from the data (`uShape`). No row where the widest are the fastest.
 */
export function widest(runs: readonly BoardRun[], moment: Moment): WidestRow[] {
  const rows = delayGroups(runs).flatMap(({ y, groups: grokked }) => {
    const at = (ratio: number) => runs.filter(({ spec }) => valueAlong(spec, RATIO) === ratio && valueAlong(spec, DECAY) === y);
    const groups = grokked.map(({ x }) => ({ x, times: timesTo(moment, at(x)) })).filter(({ times }) => times.length > 0);
    const { largest, best } = groups.length > 1 ? largestCompared(groups) : { largest: null, best: 0 };
    return largest ? [{ weightDecay: y, best, ...largest }] : [];
  });
  return corrected(rows);
}

/** All of a run's settings but its seed and how long it is trained. */
export const settingOf = ({ spec: { model, data, optim } }: BoardRun): string => JSON.stringify([model, data, optim]);

/** A setting with its published result and ours. */
export interface BesidePublishedSetting {
  readonly prime: number;
  readonly dModel: number;
  readonly weightDecay: number;
  readonly published: Tally;
  /** Our runs; `n` is 0 without any. */
  readonly here: Tally;
  /** Their times to grok: `a` of ours, `b` of the published ones. */
  readonly pair: ObservedPair;
}

export interface Tally {
  readonly n: number;
  readonly grokked: number;
  /** The median grokking step; `null` where half of the runs don't grok. */
  readonly median: number | null;
}

/**
 * Setting by setting, in the order of the published ones: what was published and what came out here. A seed counts once, from the first of
 * several experiments that have it: published twice, its runs differ only by rounding. Of ours the one that was watched longest counts.
 */
export function besidePublishedSettings(published: readonly BoardRun[], here: readonly BoardRun[]): BesidePublishedSetting[] {
  const ours = Map.groupBy(here, settingOf);
  return [...Map.groupBy(published, settingOf)].map(([setting, all]) => {
    const theirs = oncePerSeed(all),
      own = oncePerSeed((ours.get(setting) ?? []).toSorted((a, b) => watched(b) - watched(a))),
      { model, data, optim } = all[0].spec;
    return {
      ...{ prime: data.prime, dModel: model.dModel, weightDecay: optim.weightDecay, published: tally(theirs), here: tally(own) },
      pair: { a: timesTo("grokked", own), b: timesTo("grokked", theirs) },
    };
  });
}

const watched = ({ step, known = step }: BoardRun) => known;

/** How the runs here compare with the published ones, all settings together, as a title. */
export function againstPublished({ size, interval, level, verdict }: ContrastRow, settings: number): string {
  const over = `over ${settings} setting${settings === 1 ? "" : "s"}`, known = interval.low !== null || interval.high !== null;
  if (!known) return `Too few runs to compare networks here with published ones, ${over}`;
  const factor = size === null ? factorBetween(interval) : factorShort(size), times = factor === "1" ? "about" : `${factor} times`;
  return `To grok, networks here take ${times} as many steps as the published ones${
    size === null ? "" : ` (${levelWord(level)}: ${factorBetween(interval)})`
  }, ${over}${verdict === 0 ? ": not told apart" : ""}`;
}

const tally = (runs: readonly BoardRun[]): Tally => {
  const steps = runs.map(({ grokkingStep }) => grokkingStep);
  return { n: runs.length, grokked: steps.filter((step) => step !== null).length, median: runs.length > 0 ? medianStep(steps) : null };
};

/** A possible claim about moduli and widths, with the contrasts that would show no difference if it were true. */
export interface ModuliClaim {
  readonly claim: string;
  readonly rows: readonly ContrastRow[];
  /** The unit of the rows' times. */
  readonly unit: "steps" | "steps × p";
}

/** Claims about which of d_model / p, d_model and p decides when networks grok, in steps and in steps × p. */
export function moduliClaims(runs: readonly BoardRun[]): ModuliClaim[] {
  const places = moduliPlaces(runs);
  const claims: [string, Contrast<ObservedPair>[], ModuliClaim["unit"]?][] = [
    ["The ratio alone decides: at equal d_model / p all moduli take equally long", betweenModuli(places, "ratio")],
    ["The width alone decides: at equal d_model all moduli take equally long", betweenModuli(places, "width")],
    ["The modulus alone decides: at each p all widths take equally long", betweenWidths(places)],
    ["Steps × p depend on d_model / p alone", betweenModuli(places, "ratio", true), "steps × p"],
    ["Steps × p depend on d_model alone", betweenModuli(places, "width", true), "steps × p"],
  ];
  return claims.map(([claim, contrasts, unit = "steps"]) => ({ claim, rows: contrastTimes(contrasts), unit }));
}
