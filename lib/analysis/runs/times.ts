/** When something happened to runs, those to which it hasn't among them: their times as censored data, and their median. */
import { type BoardRun, isOpen, type Outcome, outcome } from "./run.ts";
import { quantile } from "./bands.ts";
import type { Observation } from "../statistics/sample.ts";

/**
 * The quantile q of the grokking steps, those that never grok counted as later than all that do: `Infinity` where it lies among them, `null`
 * where runs that are still open may change it.
 */
export function grokkingQuantile(runs: readonly Outcome[], q: number): number | null {
  if (runs.length === 0) return null;
  const if_ = (open: (run: Outcome) => number) =>
    quantile(runs.map((run) => run.grokked ?? (isOpen(run) ? open(run) : Infinity)).sort((a, b) => a - b), q);
  const latest = if_(() => Infinity);
  return if_(({ known }) => known) === latest ? latest : null;
}

/** The median step, where a run without one counts as later than all that have one; `null` where half of the runs have none. */
export function medianStep(steps: readonly (number | null)[]): number | null {
  if (steps.length === 0) return null;
  const middle = quantile(steps.map((step) => step ?? Infinity).sort((a, b) => a - b), 0.5);
  return Number.isFinite(middle) ? middle : null;
}

/** From the start to memorising, from the start to grokking, or from the one to the other. */
export type Moment = "memorised" | "grokked" | "delay";

/**
 * Times until a moment, censored where a run was watched without it; one that hasn't ended is watched so far. To leave those out would keep the ones that
 * grokked early, and ended. The delay is of runs that memorised; one that generalised first waited for 0 steps.
 */
export function timesTo(moment: Moment, runs: readonly BoardRun[]): Observation[] {
  return runs.map(outcome).filter(({ watched }) => watched > 0).flatMap(({ state, memorised, grokked, watched, known }) => {
    if (moment === "memorised") return [{ time: memorised ?? (state === "diverged" ? known : watched), event: memorised !== null }];
    if (moment === "grokked") return [{ time: grokked ?? known, event: grokked !== null }];
    return memorised === null ? [] : [{ time: Math.max(0, (grokked ?? known) - memorised), event: grokked !== null }];
  });
}

/** Of each run that has begun, its grokking step, or, censored, the step up to which it is known not to have grokked. */
export const timesToGrok = (runs: readonly BoardRun[]): Observation[] =>
  runs.map(outcome).filter(({ known }) => known > 0).map(({ grokked, known }) => ({ time: grokked ?? known, event: grokked !== null }));
