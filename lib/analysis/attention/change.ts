/**
 * How attention changes over training: how fast, how far, and when half of it is done. Time is counted in decades, log₁₀(1 + step):
 * training slows down as it goes on, readings are spaced that way, and measured per step, nearly all change would fall into the first
 * hundred.
 */
import { type AttentionSizes, rowsOf, type Selection } from "./patterns.ts";
import { noiseOf } from "../statistics/noise.ts";
import { patternDistance, rowCount } from "./distances.ts";
import { must } from "../statistics/sample.ts";
import { decades, stepAt } from "../statistics/decades.ts";
import { someWithin, type Window } from "./windows.ts";

/** Patterns at ascending steps, [n]. Each pattern is [rows, T] and has the same rows: those of one head, or of all heads of a run. */
export interface Course {
  readonly steps: readonly number[];
  readonly patterns: readonly ArrayLike<number>[];
  readonly T: number;
}

/**
 * The course of one selection over the readings of a run; `mean` holds the mean weights, [L, H, T, T].
 * @throws Error where `rowsOf` does.
 */
export function courseOf(
  readings: readonly { readonly step: number; readonly mean: ArrayLike<number> }[],
  sizes: AttentionSizes,
  selection: Selection = {},
): Course {
  return { steps: readings.map(({ step }) => step), patterns: readings.map(({ mean }) => rowsOf(mean, sizes, selection)), T: sizes.T };
}

/** @throws Error unless there are at least `least` readings, at ascending steps, with patterns of one size. */
function check(action: string, { steps, patterns, T }: Course, least: number): void {
  must(action, "the number of readings", steps.length >= least, `must be at least ${least}`, steps.length);
  must(action, "the number of patterns", patterns.length === steps.length, `must be ${steps.length} as of steps`, patterns.length);
  steps.forEach((step, i) => must(action, "a step", step > (steps[i - 1] ?? -1), "must be above the one before, and not negative", step));
  rowCount(patterns[0], T);
  for (const { length } of patterns) {
    must(action, "a pattern's length", length === patterns[0].length, `must be ${patterns[0].length}`, length);
  }
}

/** The path of attention from reading to reading. Distances are `patternDistance`, 0 … 1, a metric. */
export interface Path {
  /** Distance from each reading to the next, [n − 1]. */
  readonly moved: Float64Array;
  /** The same per decade of steps, [n − 1]. */
  readonly speed: Float64Array;
  /** Σ of `moved`. Noise lengthens it: see `directness`. */
  readonly length: number;
  /** The share of `length` covered up to each reading, [n], 0 … 1; all 0 where nothing moved. */
  readonly travelled: Float64Array;
  /** Distance from each reading to the last, [n]. */
  readonly toLast: Float64Array;
  /** The distance from the first reading to the last as a share of `length`: 1 for a straight path, near 0 for one that wanders. */
  readonly directness: number;
}

/**
 * The path of a course.
 * @throws Error for fewer than two readings, steps that don't ascend, and rows that aren't distributions.
 */
export function pathOf(course: Course): Path {
  check("measure change", course, 2);
  const { steps, patterns, T } = course, n = steps.length;
  const moved = Float64Array.from({ length: n - 1 }, (_, i) => patternDistance(patterns[i], patterns[i + 1], T));
  const length = moved.reduce((sum, x) => sum + x, 0), travelled = new Float64Array(n);
  for (let i = 1; i < n; i++) travelled[i] = length > 0 ? travelled[i - 1] + moved[i - 1] / length : 0;
  const toLast = Float64Array.from(patterns, (pattern) => patternDistance(pattern, patterns[n - 1], T));
  return {
    moved,
    speed: moved.map((distance, i) => distance / (decades(steps[i + 1]) - decades(steps[i]))),
    length,
    travelled,
    toLast,
    directness: length > 0 ? toLast[0] / length : 0,
  };
}

/**
 * The course resampled at `n` steps evenly spaced in decades, interpolated linearly (in decades) between readings: so paths of runs with
 * more or fewer readings can be compared.
 * @throws Error where there is no reading at or before `from`, or none at or after `to`, where `to` isn't above `from`, and for n below 2.
 */
export function evenly(course: Course, from: number, to: number, n: number): Course {
  const action = "space readings evenly", { steps, patterns } = course;
  check(action, course, 2);
  must(action, "n", Number.isInteger(n) && n >= 2, "must be a whole number from 2 on", n);
  must(action, "from", from >= steps[0] && from < to, `must be from ${steps[0]} on and below ${to}`, from);
  must(action, "to", to <= steps.at(-1)!, `must be at most ${steps.at(-1)}`, to);
  const moments = Array.from({ length: n }, (_, i) => stepAt(decades(from) + (decades(to) - decades(from)) * i / (n - 1)));
  moments[n - 1] = to;
  return {
    ...course,
    steps: moments,
    patterns: moments.map((moment) => {
      const after = Math.max(1, steps.findIndex((step) => step >= moment)), before = after - 1;
      const share = (decades(moment) - decades(steps[before])) / (decades(steps[after]) - decades(steps[before]));
      return Float64Array.from(patterns[before], (weight, at) => weight + share * (patterns[after][at] - weight));
    }),
  };
}

/**
 * The mean pattern over the readings within a window, [rows, T].
 * @throws Error where there are none.
 */
export function meanPattern(course: Course, window: Window): Float64Array {
  check("average patterns", course, 1);
  const mean = new Float64Array(course.patterns[0].length);
  for (const { place, weight } of someWithin("average patterns", course.steps, window)) {
    mean.forEach((_, at) => mean[at] += weight * course.patterns[place][at]);
  }
  return mean;
}

/**
 * How far each reading has come from one pattern to another, [n]: its orthogonal projection on the straight line between the two, 0 at
 * `start`, 1 at `end`, below 0 or above 1 where it lies beyond them. Noise doesn't bias it, while it can only lengthen distances. `null`
 * where both ends are the same.
 * @throws Error for patterns of another size.
 */
export function progressBetween(course: Course, start: ArrayLike<number>, end: ArrayLike<number>): Float64Array | null {
  check("measure progress", course, 1);
  const size = course.patterns[0].length;
  for (const { length } of [start, end]) must("measure progress", "a pattern's length", length === size, `must be ${size}`, length);
  const way = Float64Array.from(end, (x, at) => x - start[at]), square = way.reduce((sum, x) => sum + x * x, 0);
  if (square === 0) return null;
  return Float64Array.from(course.patterns, (pattern) => way.reduce((sum, x, at) => sum + x * (pattern[at] - start[at]), 0) / square);
}

export interface HalfwayOptions {
  /** Readings before this step don't count. Default: none. */
  readonly since?: number;
  /**
   * How many readings in a row must lie beyond the middle; where fewer are left, all of them. Default: 2, so that a spike of one reading is
   * no change.
   */
  readonly times?: number;
}

/**
 * The step at which a value is halfway from one level to another, and stays beyond for `times` readings; interpolated linearly (in decades)
 * between readings. `null` where that never happens, or the levels are the same.
 * @throws Error unless there is one value per step, `times` is a whole number from 1 on, and the levels are finite.
 */
export function halfwayStep(
  steps: readonly number[],
  values: ArrayLike<number>,
  from: number,
  to: number,
  { since = 0, times = 2 }: HalfwayOptions = {},
): number | null {
  const action = "find the halfway step";
  must(action, "the number of values", values.length === steps.length, `must be ${steps.length} as of steps`, values.length);
  must(action, "times", Number.isInteger(times) && times >= 1, "must be a whole number from 1 on", times);
  for (const level of [from, to]) must(action, "a level", Number.isFinite(level), "must be finite", level);
  if (from === to) return null;
  const done = (i: number) => (values[i] - from) / (to - from);
  for (let i = steps.findIndex((step) => step >= since); i >= 0 && i < steps.length; i++) {
    const beyond = Array.from({ length: Math.min(times, steps.length - i) }, (_, ahead) => done(i + ahead));
    if (!beyond.every((share) => share >= 0.5)) continue;
    if (i === 0 || steps[i - 1] < since) return steps[i];
    const share = (0.5 - done(i - 1)) / (done(i) - done(i - 1)), before = decades(steps[i - 1]);
    return stepAt(before + share * (decades(steps[i]) - before));
  }
  return null;
}

/**
 * A change is dated only if the noise of its readings is at most this share of it: then the middle lies two standard deviations from either
 * level.
 */
export const CLEAR = 0.25;

/** How attention changed from one window to another. */
export interface Change {
  /** Mean patterns of the two windows, [rows, T]. */
  readonly start: Float64Array;
  readonly end: Float64Array;
  /** `patternDistance` between them, 0 … 1. */
  readonly size: number;
  /** `progressBetween` at every reading, [n]; `null` where nothing changed. */
  readonly progress: Float64Array | null;
  /**
   * The standard deviation of the readings' progress around its course (`noiseOf`), as a share of the change; `null` for fewer than three
   * readings.
   */
  readonly noise: number | null;
  /** The step at which half of the change is done; `null` where it is not clear of noise (`CLEAR`). */
  readonly halfway: number | null;
}

/**
 * The change of a course from one window to another (say from just after memorising to the end), and when half of it is done. Take the
 * beginning of the plateau as the start: an average over all of it would hide what changes during it.
 * @throws Error where a window holds no reading, and where `pathOf` does.
 */
export function changeBetween(course: Course, before: Window, after: Window, options: HalfwayOptions = {}): Change {
  const start = meanPattern(course, before), end = meanPattern(course, after), size = patternDistance(start, end, course.T);
  const progress = progressBetween(course, start, end);
  if (progress === null) return { start, end, size, progress, noise: null, halfway: null };
  const first = course.steps.findIndex((step) => step >= before.from), watched = progress.subarray(first);
  const noise = watched.length >= 3 ? noiseOf(watched) : null;
  const clear = noise !== null && noise <= CLEAR;
  return {
    start,
    end,
    size,
    progress,
    noise,
    halfway: clear ? halfwayStep(course.steps, progress, 0, 1, { since: before.from, ...options }) : null,
  };
}
