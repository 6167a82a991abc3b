/** Whether attention changes more between two phases of training than it drifts within them. */
import { type Course, meanPattern } from "./change.ts";
import { isWithin, type Window } from "./windows.ts";
import { patternDistance } from "./distances.ts";
import { decades, stepAt } from "../statistics/decades.ts";

/** How far apart the patterns around a border between two phases of one run are; distances are `patternDistance`, 0 … 1. */
export interface Separation {
  /** Between the last stretch of the first phase and the first stretch of the second. */
  readonly between: number;
  /**
   * Between the stretch at the border and its neighbour in the same phase, mean over the two phases: the effect of drift and noise alone.
   */
  readonly within: number;
}

/**
 * The separation of two consecutive phases of a run. Two stretches are taken on each side of the border, all four equally long in decades
 * (half of the shorter phase), and the mean patterns of neighbours are compared: so a steady drift is as large within as between. (The
 * means of whole phases would lie further apart than neighbours do, and any drift would look like a change.) `null` where a stretch has no
 * reading.
 * @throws Error where `meanPattern` does.
 */
export function phaseSeparation(course: Course, first: Window, second: Window): Separation | null {
  const border = decades(second.from), end = second.to === null ? course.steps.at(-1)! + 1 : second.to;
  const before = border - decades(first.from), after = decades(end) - border, length = Math.min(before, after) / 2;
  const edge = (i: number) => {
    // Exactly there, where rounding could leave out the reading at a phase's own first step.
    if (i === -2 && before <= after) return first.from;
    if (i === 2 && after <= before) return end;
    return i === 0 ? second.from : stepAt(border + i * length);
  };
  const stretches = [-2, -1, 0, 1].map((i): Window => ({ from: edge(i), to: edge(i + 1) }));
  if (!(length > 0) || !stretches.every((stretch) => course.steps.some((step) => isWithin(step, stretch)))) return null;
  const patterns = stretches.map((stretch) => meanPattern(course, stretch));
  const [left, between, right] = [0, 1, 2].map((i) => patternDistance(patterns[i], patterns[i + 1], course.T));
  return { between, within: (left + right) / 2 };
}
