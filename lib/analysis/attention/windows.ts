/**
 * Stretches of training, and means over the readings within one. Readings lie mostly where accuracy moves, as in dips after grokking; so
 * each counts for the time it stands for, in decades of steps.
 */
import { must } from "../statistics/sample.ts";
import { decades, stepAt } from "../statistics/decades.ts";

/** The readings with `from` ≤ step < `to`; where `to` is `null`, all from `from` on. A phase is such a window. */
export interface Window {
  readonly from: number;
  readonly to: number | null;
}

/** Whether a step lies within a window. */
export const isWithin = (step: number, { from, to }: Window): boolean => step >= from && (to === null || step < to);

/** The window that begins at a step and is `width` decades long (0.05 decades: 12 % more steps). */
export const justAfter = (step: number, width = 0.05): Window => ({ from: step, to: stepAt(decades(step) + width) });

/**
 * The window of the last `width` decades of some readings.
 * @throws Error where there are no readings.
 */
export function lastMoments(steps: readonly number[], width = 0.05): Window {
  must("find the last readings", "the number of readings", steps.length > 0, "must be at least 1", steps.length);
  return { from: stepAt(decades(steps[steps.length - 1]) - width), to: null };
}

/** A reading within a window: its index, and the share of the window that it stands for. */
export interface Share {
  readonly place: number;
  readonly weight: number;
}

/**
 * The readings within a window, in order; their weights sum to 1. A reading stands for the part of the window that lies nearer to it, in
 * decades, than to any other reading, within the window or outside; no part of the window lies before the first reading of all or after the
 * last.
 * @param steps ascending, [n].
 */
export function sharesWithin(steps: readonly number[], window: Window): Share[] {
  const places = steps.flatMap((step, i) => isWithin(step, window) ? [i] : []), x = steps.map(decades), last = x.length - 1;
  const from = decades(window.from), to = window.to === null ? x[last] : decades(window.to);
  const lengths = places.map((i) => {
    const left = i === 0 ? x[i] : (x[i - 1] + x[i]) / 2, right = i === last ? x[i] : (x[i] + x[i + 1]) / 2;
    return Math.min(to, right) - Math.max(from, left);
  });
  const whole = lengths.reduce((sum, length) => sum + length, 0);
  return places.map((place, i) => ({ place, weight: whole > 0 ? lengths[i] / whole : 1 / places.length }));
}

/**
 * `sharesWithin` a window that must not be empty.
 * @throws Error where there is no reading within it.
 */
export function someWithin(action: string, steps: readonly number[], window: Window): Share[] {
  const shares = sharesWithin(steps, window), { from, to } = window;
  must(action, "the number of readings", shares.length > 0, `from step ${from} to ${to ?? "the end"} must be at least 1`, 0);
  return shares;
}

/**
 * The mean of a value, such as the validation accuracy, over the readings within a window.
 * @throws Error where there are none.
 */
export const meanLevel = (steps: readonly number[], values: ArrayLike<number>, window: Window): number =>
  someWithin("average a level", steps, window).reduce((sum, { place, weight }) => sum + weight * values[place], 0);
