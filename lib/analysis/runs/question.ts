/** Pairs of groups of runs, before it is decided what is compared. */
import type { Contrast } from "../statistics/contrasts.ts";
import type { Stability } from "../../run/grokking.ts";
import { type BoardRun, hasEnded } from "./run.ts";

/** A run with its stability. */
export interface StudiedRun extends BoardRun {
  readonly stability: Stability | null;
}

export interface Groups<Item> {
  readonly a: readonly Item[];
  readonly b: readonly Item[];
}

/** The same comparisons, of values taken from the runs of each group; `of` may leave runs out. */
export const measured = <Run, Item>(
  questions: readonly Contrast<Groups<Run>>[],
  of: (runs: readonly Run[]) => readonly Item[],
): Contrast<Groups<Item>>[] =>
  questions.map(({ strata, ...question }) => ({ ...question, strata: strata.map(({ a, b }) => ({ a: of(a), b: of(b) })) }));

/** The share of evaluations after grokking that lie below the rule's accuracy, of each run that has ended and grokked. */
export const timesBelow = (runs: readonly StudiedRun[]): number[] =>
  runs.filter(hasEnded).flatMap(({ stability }) => stability ? [stability.timeBelow] : []);
