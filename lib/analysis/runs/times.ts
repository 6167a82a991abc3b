/** When something happened to runs, those to which it hasn't among them: their times as censored data, and their median. */
// @ts-types="@types/d3-array"
import { quantileSorted } from "d3-array";
import { type BoardRun, hasEnded, isOpen, type Outcome, outcome } from "./run.ts";
import type { Observation } from "../statistics/sample.ts";

/** So late that it is never: between two steps and one that is Infinity there would be no number. */
const NEVER = 1e300;

/** A quantile of steps, at least one, some of which may be Infinity: linear between neighbours, and Infinity where one of these is. */
function stepQuantile(steps: readonly number[], q: number): number {
  const value = quantileSorted(steps.map((step) => Math.min(step, Number.MAX_VALUE)).sort((a, b) => a - b), q)!;
  return value > NEVER ? Infinity : value;
}

/**
 * The quantile q of the grokking steps, those that never grok counted as later than all that do: `Infinity` where it lies among them,
 * `null` where runs that are still open may change it.
 */
export function grokkingQuantile(runs: readonly Outcome[], q: number): number | null {
  if (runs.length === 0) return null;
  const if_ = (open: (run: Outcome) => number) => stepQuantile(runs.map((run) => run.grokked ?? (isOpen(run) ? open(run) : Infinity)), q);
  const latest = if_(() => Infinity);
  return if_(({ known }) => known) === latest ? latest : null;
}

/** The median step, where a run without one counts as later than all that have one; `null` where half of the runs have none. */
export function medianStep(steps: readonly (number | null)[]): number | null {
  if (steps.length === 0) return null;
  const middle = stepQuantile(steps.map((step) => step ?? Infinity), 0.5);
  return Number.isFinite(middle) ? middle : null;
}

/** From the start to memorising, from the start to grokking, or from the one to the other. */
export type Moment = "memorised" | "grokked" | "delay";

/**
 * Times until a moment, censored where a run was watched without it; one that hasn't ended is watched so far. To leave those out would keep
 * the ones that grokked early, and ended. `until` is how long a run was, or would have been, watched: one that ended because it had
 * grokked, to the end of its steps. The delay is of runs that memorised; one that generalised first waited for 0 steps. Runs that haven't
 * begun, or not been watched long enough to tell, have no time.
 */
export function timesTo(moment: Moment, runs: readonly BoardRun[]): Observation[] {
  return runs.flatMap((run) => {
    const { state, memorised, grokked, watched, known } = outcome(run), { steps } = run.spec.schedule;
    if (watched === 0) return [];
    const all = hasEnded(run) ? steps : watched, blind = Math.max(0, run.step - (run.known ?? run.step));
    const observed = (step: number | null, last: number, until: number, from = 0): Observation => {
      const time = Math.max(0, (step ?? last) - from);
      return { time, event: step !== null, until: Math.max(time, until - from) };
    };
    if (moment === "memorised") return [observed(memorised, state === "diverged" ? known : watched, all)];
    if (grokked === null && known <= 0) return [];
    if (moment === "grokked") return [observed(grokked, known, state === "diverged" ? steps : all - blind)];
    return memorised === null ? [] : [observed(grokked, known, state === "diverged" ? steps : all - blind, memorised)];
  });
}
