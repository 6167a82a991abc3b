/** Whether attention changes where one phase of training ends and the next begins, by more than it drifts all the time. */
import { type Course, meanPattern, type Window } from "./change.ts";
import { patternDistance } from "./distances.ts";
import { decades, stepAt } from "../statistics/decades.ts";

/** How far apart the patterns around a border between two phases of one run are; distances are `patternDistance`, 0 … 1. */
export interface Separation {
  /** The last stretch of the one phase against the first of the next. */
  readonly between: number;
  /**
   * Mean over the two phases of the stretch at the border against its neighbour in the same phase: what drift and noise do without a change
   * of phase.
   */
  readonly within: number;
}

/**
 * The separation of two phases of a run that follow each other. Two stretches are taken on each side of the border, all four of the same
 * length in decades, half the shorter phase, and mean patterns of neighbours are held against each other: so a steady drift is as large
 * within as between. (Whole phases, or their halves, all against all, would lie further apart than neighbours, and any drift would pass for
 * a change.) `null` where a stretch has no reading.
 * @throws Error where `meanPattern` does for what is no course.
 */
export function phaseSeparation(course: Course, first: Window, second: Window): Separation | null {
  const border = decades(second.from), end = second.to === null ? course.steps.at(-1)! + 1 : second.to;
  const length = Math.min(border - decades(first.from), decades(end) - border) / 2;
  const edge = (i: number) => (i === 0 ? second.from : stepAt(border + i * length));
  const stretches = [-2, -1, 0, 1].map((i): Window => ({ from: edge(i), to: edge(i + 1) }));
  if (!(length > 0) || !stretches.every(({ from, to }) => course.steps.some((step) => step >= from && step < to!))) return null;
  const patterns = stretches.map((stretch) => meanPattern(course, stretch));
  const [before, between, after] = [0, 1, 2].map((i) => patternDistance(patterns[i], patterns[i + 1], course.T));
  return { between, within: (before + after) / 2 };
}
