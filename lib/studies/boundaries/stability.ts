/** Whether networks that have grokked stay so: how often, how far and for how long their validation accuracy falls below 95 % again. */
import { moduliCompared, moduliPlaces, widthsCompared } from "../../analysis/boundary/moduli.ts";
import { DECAY } from "../../analysis/boundary/surface.ts";
import { measured, type StudiedRun, timesBelow } from "../../analysis/runs/question.ts";
import { type Curve, hasEnded, oncePerSeed } from "../../analysis/runs/run.ts";
import type { Contrast, Values } from "../../analysis/statistics/contrasts.ts";
import { RULES } from "../../run/grokking.ts";
import { MARGIN } from "./experiments.ts";
import { neighbouring, settingOf } from "./findings.ts";
import type { PublishedRun } from "./published.ts";

/** Steps by which a run may end later than its margin asks. */
const LATER = 100;

/** The modulus at which weight decays and widths are set beside each other, and the width of experiment 1, which has most weight decays. */
const MODULUS = 97, WIDTH = 128;

const primeOf = ({ spec }: StudiedRun) => spec.data.prime,
  decayOf = ({ spec }: StudiedRun) => spec.optim.weightDecay,
  widthOf = ({ spec }: StudiedRun) => spec.model.dModel;

/**
 * A seed of a setting once, the first. Runs of several experiments with one setting are the same here. Published ones may differ by
 * rounding, and then their dips do: seven seeds have other dips in each experiment.
 */
export const once = <Run extends StudiedRun>(runs: readonly Run[]): Run[] =>
  [...Map.groupBy(runs, settingOf).values()].flatMap(oncePerSeed);

/** Steps that a run which has ended was watched since it grokked; `null` where it didn't, and where its stability isn't known. */
const since = (run: StudiedRun): number | null =>
  hasEnded(run) && run.grokkingStep !== null && run.stability ? run.step - run.grokkingStep : null;

/**
 * Of runs of this laboratory those that grokked and were then watched about equally long: at least 500 steps, less than 600. Their
 * stability is that of all evaluations since, so that one that went on for longer can't be compared.
 */
export const watchedAlike = <Run extends StudiedRun>(runs: readonly Run[]): Run[] =>
  once(runs.filter((run) => (since(run) ?? 0) >= MARGIN && since(run)! < MARGIN + LATER));

/** Those that were watched for longer. */
export const watchedLonger = <Run extends StudiedRun>(runs: readonly Run[]): Run[] =>
  once(runs.filter((run) => (since(run) ?? 0) >= MARGIN + LATER));

const decayOne = (run: StudiedRun) => decayOf(run) === 1;

/** Stability by weight decay and by width modulo 97, and by modulus at weight decay 1, as the figure of stability takes it. */
export function stabilitySections(runs: readonly StudiedRun[]) {
  const grokked = once(runs.filter(({ stability }) => stability)), at97 = grokked.filter((run) => primeOf(run) === MODULUS);
  const section = (name: string, some: readonly StudiedRun[], of: (run: StudiedRun) => number, label: string) => ({
    name,
    groups: [...Map.groupBy(some, of)].sort(([a], [b]) => a - b).map(([value, group]) => ({
      name: `${label} ${value}`,
      runs: group.map(({ stability }) => stability),
    })),
  });
  return [
    section(`p ${MODULUS}, all widths`, at97, decayOf, "decay"),
    section("Weight decay 1, all widths", grokked.filter(decayOne), primeOf, "p"),
    section(`p ${MODULUS}, weight decay 1`, at97.filter(decayOne), widthOf, "d_model"),
  ].filter(({ groups }) => groups.length > 0);
}

/**
 * The share of evaluations below 95 % after grokking. Modulo 97: each weight decay against the next smaller one, at the width where most of
 * them were run, and at all widths those that were run at several. At weight decay 1: each modulus against the next smaller one, and
 * the largest against the smallest, at equal d_model / p, and wide and narrow networks against those twice as wide as their modulus.
 */
export function stabilityContrasts(runs: readonly StudiedRun[]): Contrast<Values>[] {
  const grokked = once(runs.filter(({ stability }) => stability)), at97 = grokked.filter((run) => primeOf(run) === MODULUS);
  const decays = Map.groupBy(at97, decayOf), widthsOf = (run: StudiedRun) => new Set(decays.get(decayOf(run))!.map(widthOf));
  const places = moduliPlaces(grokked.filter(decayOne));
  return measured(
    [
      ...neighbouring(at97.filter((run) => widthOf(run) === WIDTH), DECAY).map(({ of, ...each }) => ({
        of: `${of}, d_model ${WIDTH}`,
        ...each,
      })),
      ...neighbouring(at97.filter((run) => widthsOf(run).size > 1), DECAY),
      ...moduliCompared(places, "ratio"),
      ...widthsCompared(places),
    ],
    timesBelow,
  );
}

/** The share of evaluations below 95 % after grokking, runs here against published ones of the same setting. */
export function stabilityBeside(published: readonly StudiedRun[], here: readonly StudiedRun[]): Contrast<Values> {
  const ours = Map.groupBy(once(here), settingOf);
  const strata = [...Map.groupBy(once(published), settingOf)].map(([setting, theirs]) => ({ a: ours.get(setting) ?? [], b: theirs }));
  return measured([{ of: "All of these", first: "the runs here", second: "the published ones", strata }], timesBelow)[0];
}

/** Evaluations from the grokking epoch to 550 epochs later. The first ten can't be below 95 %, since the rule asks for them. */
const SOON = 56, OPEN = SOON - RULES.sustained.times;

/**
 * Published runs at weight decay 1 compared with themselves, modulus by modulus: the share of evaluations below 95 %, in percent, in the
 * last 5,000 epochs and in the first 550, there without the ten that can't be below.
 */
export function calming(published: readonly PublishedRun[]): Contrast<Values>[] {
  const both = once(published).flatMap(({ spec, stability, late }) =>
    stability && late ? [{ spec, stability, late: late.stability! }] : []
  );
  const groups = [...Map.groupBy(both.filter(({ spec }) => spec.optim.weightDecay === 1), ({ spec }) => spec.data.prime)];
  return groups.sort(([a], [b]) => a - b).map(([prime, runs]) => ({
    of: `p ${prime}`,
    ...{ first: "in the last 5,000 epochs", second: "in the first 550" },
    strata: [{
      a: runs.map(({ late }) => 100 * late.timeBelow),
      b: runs.map(({ stability }) => 100 * stability.timeBelow * SOON / OPEN),
    }],
  }));
}

/**
 * What `publishedBoundaries` says of published runs, of runs here: both accuracies at the lowest validation accuracy since grokking, where
 * that is below 95 %. `null` where it isn't, and where the evaluations given lack it, as a record may.
 */
export const withLowest = <Run extends StudiedRun & Curve>(runs: readonly Run[]): (Run & Pick<PublishedRun, "lowest">)[] =>
  runs.map((run) => {
    const after = run.metrics.filter(({ step }) => run.grokkingStep !== null && step >= run.grokkingStep);
    const [lowest] = after.toSorted((a, b) => a.valAcc - b.valAcc), { dips, depth } = run.stability ?? { dips: 0, depth: 0 };
    const known = lowest && dips > 0 && Math.abs(lowest.valAcc - (RULES.sustained.accuracy - depth)) < 1e-6;
    return { ...run, lowest: known ? lowest : null };
  });

/** How many networks at weight decay 1 fall below 95 % after they had grokked, as a title. `during`: when they were watched. */
export function stabilityFinding(runs: readonly StudiedRun[], during: string): string {
  const grokked = once(runs.filter(({ stability }) => stability)).filter(decayOne),
    fallen = grokked.filter(({ stability }) => stability!.dips > 0);
  return `At weight decay 1, ${fallen.length} of ${grokked.length} networks that grokked fall below 95\u00a0% again ${during}`;
}
