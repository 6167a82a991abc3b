import { MARGIN, marginFor, textWidth, ticks, WIDTH } from "./theme.ts";
import { type Curve, lastStep } from "../analysis/runs/run.ts";
import { count } from "../analysis/words.ts";

export interface StepOptions {
  /** The scale of the steps. Default: `log`. */
  readonly x?: "log" | "linear";
  /** The step at which a logarithmic axis begins. Default: the first evaluated step after 0. */
  readonly from?: number;
  /** The step at which the axis ends. Default: the last evaluated step. Set it during training, so that the axis stays the same. */
  readonly until?: number;
  /** The panel's width in pixels. Default: that of a figure. */
  readonly width?: number;
}

/** The axis of steps: its first and last step, the pixel of a step, and the panel's width and left margin in pixels. */
export interface StepScale {
  readonly type: "log" | "linear";
  readonly domain: readonly [number, number];
  readonly pixel: (step: number) => number;
  readonly width: number;
  readonly left: number;
}

/** What an axis's name says of its scale; in `columns`, values are evenly spaced. */
export const SCALE_WORDS = { log: " (logarithmic)", linear: "", columns: " (not to scale)" } as const;

/** The first evaluation and the last step that each run plans: the steps of an axis as long as no run has begun. */
export const plannedSteps = (runs: readonly Pick<Curve, "spec">[]): number[] =>
  runs.flatMap(({ spec: { schedule } }) => [schedule.evalEvery, Math.max(schedule.evalEvery, schedule.steps)]);

/** The axis of steps for these runs; a linear axis begins at 0. `left`: the left margin of its panels. */
export function scaleOfSteps(
  runs: readonly Curve[],
  { x: type = "log", until = lastStep(runs), from: begin, width = WIDTH }: StepOptions,
  left: number = MARGIN.left,
): StepScale {
  const first = begin ?? Math.min(...runs.flatMap((run) => run.metrics.map((row) => row.step).find((step) => step > 0) ?? []));
  const from = type === "linear" ? 0 : Math.min(Number.isFinite(first) ? first : 1, Math.max(1, until / 10));
  const domain = [from, Math.max(until, from * 10 ** 0.1, 1)] as const;
  const place = type === "log" ? Math.log : (step: number) => step;
  const share = (step: number) => (place(step) - place(domain[0])) / (place(domain[1]) - place(domain[0]));
  return { type, domain, pixel: (step) => left + share(step) * (width - left - MARGIN.right), width, left };
}

/** The left margin of a panel with these steps on its y axis: the usual one up to six digits. */
export const stepMargin = (labels: readonly string[]): number => marginFor(labels, 14);

/** The ticks, and with `named` the axis's name, which only the lowest of several panels shows. `inner`: the axis's length in pixels. */
export const stepAxis = (scale: StepScale, named = true, inner: number = scale.width - scale.left - MARGIN.right) => ({
  ticks: readable(ticks(...scale.domain, scale.type), scale, inner),
  label: named ? `Optimiser steps${scale.type === "log" ? " (logarithmic)" : ""} →` : null,
});

/** Thins ticks until their labels don't touch: to the powers of ten among them, or to every other one. */
function readable(steps: readonly number[], scale: StepScale, inner: number): readonly number[] {
  const at = (step: number) => (scale.pixel(step) - scale.left) / (scale.width - scale.left - MARGIN.right) * inner;
  const touch = steps.some((step, i) =>
    i > 0 && at(step) - at(steps[i - 1]) < (textWidth(count(step)) + textWidth(count(steps[i - 1]))) / 2 + 6
  );
  if (!touch) return steps;
  const powers = steps.filter((step) => Number.isInteger(Math.log10(step)));
  return readable(powers.length > 1 && powers.length < steps.length ? powers : steps.filter((_, i) => i % 2 === 0), scale, inner);
}

/**
 * Those of some ascending values whose labels don't touch: more than `apart` from each other. `place` is a value's place on the axis, by
 * default its natural logarithm.
 */
export function spaced(values: readonly number[], apart: number, place: (value: number) => number = Math.log): number[] {
  const kept: number[] = [];
  for (const value of values) if (kept.length === 0 || place(value) - place(kept[kept.length - 1]) > apart) kept.push(value);
  return kept;
}
