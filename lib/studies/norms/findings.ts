/** Contrasts of grokking steps for the study of norms. */
// @ts-types="@types/d3-array"
import { max, median, min } from "d3-array";
import { type BoardRun, type Curve, hasEnded, outcome } from "../../analysis/runs/run.ts";
import { grokkingQuantile, medianStep, timesTo } from "../../analysis/runs/times.ts";
import type { Contrast } from "../../analysis/statistics/contrasts.ts";
import type { ObservedPair } from "../../analysis/statistics/sample.ts";
import { type RunSpec, runSpec } from "../../run/spec.ts";
import { CONTROLS, DECAYS, NORMS_CONTROLS, SCALES } from "./experiments.ts";

/** A run with its evaluations. */
type SeenRun = BoardRun & Curve;

/** The d_model with ten seeds per cell; the map's other widths have three. */
const COMPARED = 32;

const grokked = (runs: readonly BoardRun[]) => timesTo("grokked", runs);

/** Each initial scale against 1, in strata of weight decay, at the width with ten seeds per cell. */
export function byScale(runs: readonly BoardRun[]): Contrast<ObservedPair>[] {
  const strata = Map.groupBy(runs.filter(({ spec }) => spec.model.dModel === COMPARED), ({ spec }) => spec.optim.weightDecay);
  return SCALES.filter((scale) => scale !== 1).map((scale) => ({
    of: "Initial scale",
    first: String(scale),
    second: "1",
    strata: [...strata.values()].map((some) => {
      const at = (value: number) => grokked(some.filter(({ spec }) => spec.model.initScale === value));
      return { a: at(scale), b: at(1) };
    }),
  }));
}

/** Each weight decay against 1, in strata of the initial scale, at the same width. */
export function byDecay(runs: readonly BoardRun[]): Contrast<ObservedPair>[] {
  const own = runs.filter(({ spec }) => spec.model.dModel === COMPARED);
  const strata = Map.groupBy(own, ({ spec }) => spec.model.initScale);
  const decays = [...new Set(own.map(({ spec }) => spec.optim.weightDecay))].filter((decay) => decay !== 1);
  return decays.map((decay) => ({
    of: "Weight decay",
    first: String(decay),
    second: "1",
    strata: [...strata.values()].map((some) => {
      const at = (value: number) => grokked(some.filter(({ spec }) => spec.optim.weightDecay === value));
      return { a: at(decay), b: at(1) };
    }),
  }));
}

/** Each initial scale against 1 at each weight decay by itself: pooled, networks that collapse at one decay would speak for all. */
export function byScaleAtDecays(runs: readonly BoardRun[]): Contrast<ObservedPair>[] {
  return DECAYS.flatMap((decay) =>
    byScale(runs.filter(({ spec }) => spec.optim.weightDecay === decay))
      .map((each) => ({ ...each, of: `Initial scale at weight decay ${decay}` }))
  );
}

/** Weight decay 0.3 against 1 at each initial scale by itself: pooled, opposite effects would cancel. */
export function byDecayAtScales(runs: readonly BoardRun[]): Contrast<ObservedPair>[] {
  return SCALES.flatMap((scale) =>
    byDecay(runs.filter(({ spec }) => spec.model.initScale === scale)).filter(({ first }) => first === "0.3")
      .map((each) => ({ ...each, of: `Weight decay at initial scale ${scale}` }))
  );
}

/** Whether a run's weight norm is held at its initial value. */
export const isHeld = ({ optim }: RunSpec): boolean => optim.heldNorm !== 0;

/** A norm held at its initial value against a free one, for each initial scale; both without weight decay. */
export function heldOrFree(runs: readonly BoardRun[]): Contrast<ObservedPair>[] {
  const scales = Map.groupBy(runs, ({ spec }) => spec.model.initScale);
  return [...scales].sort(([a], [b]) => a - b).map(([scale, some]) => ({
    of: `Initial scale ${scale}`,
    first: "held norm",
    second: "free norm",
    strata: [{ a: grokked(some.filter(({ spec }) => isHeld(spec))), b: grokked(some.filter(({ spec }) => !isHeld(spec))) }],
  }));
}

/** Held norms: each initial scale against the next smaller one. */
export function byHeldScale(runs: readonly BoardRun[]): Contrast<ObservedPair>[] {
  const scales = [...Map.groupBy(runs.filter(({ spec }) => isHeld(spec)), ({ spec }) => spec.model.initScale)].sort(([a], [b]) => a - b);
  return scales.slice(1).map(([scale, some], i) => ({
    of: "Held norm",
    first: `initial scale ${scale}`,
    second: `initial scale ${scales[i][0]}`,
    strata: [{ a: grokked(some), b: grokked(scales[i][1]) }],
  }));
}

/** The parts of a spec that controls change. */
const key = ({ model, data }: RunSpec) => JSON.stringify([model, data]);

/** Runs of each control. */
const SEEDS = NORMS_CONTROLS.runs.length / CONTROLS.length;

/** The controls with their runs, the plain network first. */
export function controlGroups<T extends BoardRun>(runs: readonly T[]): { readonly name: string; readonly runs: readonly T[] }[] {
  return CONTROLS.map(({ name }, i) => {
    const wanted = key(runSpec(NORMS_CONTROLS.runs[i * SEEDS]));
    return { name, runs: runs.filter(({ spec }) => key(spec) === wanted) };
  });
}

/** Each control against the plain network. */
export function controls(runs: readonly BoardRun[]): Contrast<ObservedPair>[] {
  const [plain, ...others] = controlGroups(runs);
  return others.map((group) => ({
    of: "Control",
    first: group.name,
    second: plain.name,
    strata: [{ a: grokked(group.runs), b: grokked(plain.runs) }],
  }));
}

const middle = (values: readonly number[]) => median(values) ?? null;
const extent = (values: readonly number[]) => [min(values) ?? null, max(values) ?? null] as const;

/**
 * A cell: how many memorise and grok, their median grokking step; the norm of all weights at step 0 (median over all runs) and at the
 * grokking step (median, least and largest over those that grok). `null` without any, and for the step where open runs may change it. Of
 * the runs that have ended without grokking: the least and largest norm at the end, and the best training accuracy of any evaluation, in %.
 */
export interface NormRow {
  readonly scale: number;
  readonly decay: number;
  readonly n: number;
  readonly memorised: number;
  readonly grokked: number;
  readonly step: number | null;
  readonly start: number | null;
  readonly atGrokking: number | null;
  readonly range: readonly [least: number | null, largest: number | null];
  readonly others: { readonly end: readonly [least: number | null, largest: number | null]; readonly best: number | null };
}

/** `null` where half of the runs never grok, and where open runs may change it. */
function medianGrokking(runs: readonly BoardRun[]): number | null {
  const step = grokkingQuantile(runs.map(outcome), 0.5);
  return step === Infinity ? null : step;
}

/** One row per initial scale and weight decay, in that order. */
export function normsAtGrokking(runs: readonly SeenRun[]): NormRow[] {
  const cells = Map.groupBy(runs, ({ spec: { model, optim } }) => `${model.initScale} ${optim.weightDecay}`);
  return [...cells.values()].map((some) => {
    const { model, optim } = some[0].spec, done = some.filter(({ grokkingStep }) => grokkingStep !== null);
    const norm = (run: SeenRun, step: number | null) => run.metrics.find((each) => each.step === step)?.weightNorm ?? [];
    const norms = done.flatMap((run) => norm(run, run.grokkingStep));
    const others = some.filter((run) => hasEnded(run) && run.grokkingStep === null).map(({ metrics }) => metrics);
    const ends = others.flatMap((metrics) => metrics.slice(-1).flatMap(({ weightNorm }) => weightNorm ?? []));
    return {
      ...{ scale: model.initScale, decay: optim.weightDecay, n: some.length, grokked: done.length },
      memorised: some.filter(({ memorisationStep }) => memorisationStep !== null).length,
      step: medianGrokking(some),
      start: middle(some.flatMap((run) => norm(run, 0))),
      atGrokking: middle(norms),
      range: extent(norms),
      others: { end: extent(ends), best: max(others.flat(), ({ trainAcc }) => 100 * trainAcc) ?? null },
    };
  }).sort((a, b) => a.scale - b.scale || a.decay - b.decay);
}

/**
 * How a control's runs ended: how many memorised and grokked, the median memorisation step, and the medians of their last accuracies, in %.
 * Controls are left out until all of their runs have ended.
 */
export const endOfControls = (groups: readonly { readonly name: string; readonly runs: readonly SeenRun[] }[]) =>
  groups.filter(({ runs }) => runs.filter(hasEnded).length === SEEDS).map(({ name, runs }) => {
    const last = (of: "trainAcc" | "valAcc") => middle(runs.flatMap(({ metrics }) => metrics.slice(-1).map((each) => 100 * each[of])));
    return {
      ...{ name, n: runs.length, memorised: runs.filter(({ memorisationStep }) => memorisationStep !== null).length },
      memorisedAt: medianStep(runs.map(({ memorisationStep }) => memorisationStep)),
      ...{ grokked: runs.filter(({ grokkingStep }) => grokkingStep !== null).length, trainAcc: last("trainAcc"), valAcc: last("valAcc") },
    };
  });
