/** Whether networks that have grokked stay so: how often, how far and for how long their validation accuracy falls below 95 % again. */
import { moduliCompared, moduliPlaces, widthsCompared } from "../../analysis/boundary/moduli.ts";
import { DECAY } from "../../analysis/boundary/surface.ts";
import { measured, type StudiedRun, timesBelow } from "../../analysis/runs/question.ts";
import { type Curve, hasEnded, oncePerSeed } from "../../analysis/runs/run.ts";
import type { Contrast, Values } from "../../analysis/statistics/contrasts.ts";
import { RULES } from "../../run/grokking.ts";
import { MARGIN } from "./experiments.ts";
import { neighbouring, settingOf } from "./findings.ts";
import type { Accuracies } from "./published.ts";

/** Steps by which a run may end later than its margin asks. */
const LATER = 100;

/** The modulus at which weight decays and widths are set beside each other, and the width of experiment 1, which has most weight decays. */
const MODULUS = 97, WIDTH = 128;

const primeOf = ({ spec }: StudiedRun) => spec.data.prime,
  decayOf = ({ spec }: StudiedRun) => spec.optim.weightDecay,
  widthOf = ({ spec }: StudiedRun) => spec.model.dModel;

/** A seed of a setting once, the first: runs of several experiments with one setting are the same, or differ only by rounding. */
export const once = <Run extends StudiedRun>(runs: readonly Run[]): Run[] =>
  [...Map.groupBy(runs, settingOf).values()].flatMap(oncePerSeed);

/** Steps that a run which has ended was watched since it grokked; `null` where it didn't. */
const since = (run: StudiedRun): number | null => hasEnded(run) && run.grokkingStep !== null ? run.step - run.grokkingStep : null;

/**
 * Of runs of this laboratory those that grokked and were then watched about equally long, 500 to 600 steps. Their stability is that of all
 * evaluations since, so that one that went on for longer can't be compared.
 */
export const watchedAlike = <Run extends StudiedRun>(runs: readonly Run[]): Run[] =>
  once(runs.filter((run) => (since(run) ?? Infinity) < MARGIN + LATER));

/** Those that were watched for longer. */
export const watchedLonger = <Run extends StudiedRun>(runs: readonly Run[]): Run[] =>
  once(runs.filter((run) => (since(run) ?? 0) >= MARGIN + LATER));

/** Stability by weight decay and by width modulo 97, and by modulus at weight decay 1, as the figure of stability takes it. */
export function stabilitySections(runs: readonly StudiedRun[]) {
  const held = once(runs.filter(({ stability }) => stability)), at97 = held.filter((run) => primeOf(run) === MODULUS);
  const section = (name: string, some: readonly StudiedRun[], of: (run: StudiedRun) => number, label: string) => ({
    name,
    groups: [...Map.groupBy(some, of)].sort(([a], [b]) => a - b).map(([value, group]) => ({
      name: `${label} ${value}`,
      runs: group.map(({ stability }) => stability),
    })),
  });
  const decayOne = (run: StudiedRun) => decayOf(run) === 1;
  return [
    section(`p ${MODULUS}, all widths`, at97, decayOf, "decay"),
    section("Weight decay 1, all widths", held.filter(decayOne), primeOf, "p"),
    section(`p ${MODULUS}, weight decay 1`, at97.filter(decayOne), widthOf, "d_model"),
  ].filter(({ groups }) => groups.length > 0);
}

/**
 * The share of evaluations below 95 % after grokking. Modulo 97: each weight decay against the next smaller one, at one width where all of
 * them were run, and at all widths those that were run at several. At weight decay 1: each modulus against the next smaller one at equal
 * d_model / p, and wide and narrow networks against those twice as wide as their modulus.
 */
export function stabilityContrasts(runs: readonly StudiedRun[]): Contrast<Values>[] {
  const held = once(runs.filter(({ stability }) => stability)), at97 = held.filter((run) => primeOf(run) === MODULUS);
  const decays = Map.groupBy(at97, decayOf), widthsOf = (run: StudiedRun) => new Set(decays.get(decayOf(run))!.map(widthOf));
  const places = moduliPlaces(held.filter((run) => decayOf(run) === 1));
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

/** Runs that fell below 95 % after they had grokked, with both accuracies at the lowest validation accuracy of the evaluations given. */
export const lowestPoints = <Run extends Curve>(runs: readonly Run[]): (Run & { readonly lowest: Accuracies })[] =>
  runs.flatMap((run) => {
    const since = run.metrics.filter(({ step }) => run.grokkingStep !== null && step >= run.grokkingStep);
    if (since.length === 0) return [];
    const lowest = since.reduce((low, each) => each.valAcc < low.valAcc ? each : low);
    return lowest.valAcc < RULES.sustained.accuracy ? [{ ...run, lowest }] : [];
  });
