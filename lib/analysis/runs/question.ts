/** Two groups of runs to compare, before it is chosen in what. */
import type { Contrast } from "../statistics/contrasts.ts";
import type { Stability } from "../../run/grokking.ts";
import { type BoardRun, hasEnded } from "./run.ts";

/** A run as the lab gives it. */
export interface StudiedRun extends BoardRun {
  readonly stability: Stability | null;
}

export interface Groups<Item> {
  readonly a: readonly Item[];
  readonly b: readonly Item[];
}

/** The same questions about something that is measured of runs: of none, some or all of a group. */
export const measured = <Run, Item>(
  questions: readonly Contrast<Groups<Run>>[],
  of: (runs: readonly Run[]) => readonly Item[],
): Contrast<Groups<Item>>[] =>
  questions.map(({ strata, ...question }) => ({ ...question, strata: strata.map(({ a, b }) => ({ a: of(a), b: of(b) })) }));

/** The share of evaluations after grokking that lie below the rule's accuracy, of each run that has ended and grokked. */
export const timesBelow = (runs: readonly StudiedRun[]): number[] =>
  runs.filter(hasEnded).flatMap(({ stability }) => stability ? [stability.timeBelow] : []);
