/** Whether attention differs between two phases of training by more than within each of them. */
import type { Course, Window } from "./change.ts";
import { meanPattern } from "./change.ts";
import type { BootstrapOptions } from "../statistics/compare.ts";
import { patternDistance } from "./distances.ts";
import { comparePaired, type PairedComparison } from "../statistics/paired.ts";
import type { PermutationOptions } from "../statistics/permutation.ts";

/** How far apart the patterns of two phases of one run are; distances are `patternDistance`, 0 … 1. */
export interface Separation {
  /** Mean over the halves of one phase against those of the other. */
  readonly between: number;
  /** Mean of the two phases' distances between their own halves: what drift and noise do without a change of phase. */
  readonly within: number;
}

/**
 * The separation of two phases of a run. Each is cut into its earlier and its later readings, and mean patterns of halves are held against each
 * other, so that both distances carry the same noise. `null` where a phase has fewer than two readings. Throws where `meanPattern` does for
 * what is no course.
 */
export function phaseSeparation(course: Course, first: Window, second: Window): Separation | null {
  const halves = [first, second].map((window) => halvesOf(course, window)), [a, b] = halves;
  if (!a || !b) return null;
  const distance = (p: Float64Array, q: Float64Array) => patternDistance(p, q, course.T);
  const between = a.flatMap((p) => b.map((q) => distance(p, q))).reduce((sum, x) => sum + x, 0) / 4;
  return { between, within: (distance(a[0], a[1]) + distance(b[0], b[1])) / 2 };
}

function halvesOf(course: Course, { from, to }: Window): readonly [Float64Array, Float64Array] | null {
  const steps = course.steps.filter((step) => step >= from && (to === null || step < to));
  if (steps.length < 2) return null;
  const middle = steps[Math.floor(steps.length / 2)];
  return [meanPattern(course, { from, to: middle }), meanPattern(course, { from: middle, to })];
}

/** What is compared: each run's separation, of one layer, say, or of two certain phases. */
export interface SeparationCase {
  readonly name: string;
  readonly runs: readonly (Separation | null)[];
}

/**
 * For each case, how much more the phases differ than they do within, over runs: `shift` is of between − within, tested by flipping the signs of whole
 * runs, and corrected for the number of cases. Runs without a separation are left out; so is a case that has no other.
 */
export function comparePhases(cases: readonly SeparationCase[], options: BootstrapOptions & PermutationOptions = {}): PairedComparison[] {
  const measures = cases.map(({ name, runs }) => {
    const seen = runs.filter((run) => run !== null);
    return { name, a: seen.map(({ within }) => within), b: seen.map(({ between }) => between) };
  });
  return comparePaired(measures.filter(({ a }) => a.length > 0), options);
}
