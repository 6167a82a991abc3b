/** Times at which runs memorise and grok, as censored data for runs that haven't, and the median of such times. */
// @ts-types="@types/d3-array"
import { quantileSorted } from "d3-array";
import { type BoardRun, hasEnded, isOpen, lookahead, type Outcome, outcome } from "./run.ts";
import type { RunSpec } from "../../run/spec.ts";
import type { Observation } from "../statistics/sample.ts";

/** Values above this mean never: interpolating between two Infinities would give NaN. */
const NEVER = 1e300;

/** A quantile of at least one step, some of which may be Infinity: interpolated linearly, and Infinity where a neighbour is. */
function stepQuantile(steps: readonly number[], q: number): number {
  const value = quantileSorted(steps.map((step) => Math.min(step, Number.MAX_VALUE)).sort((a, b) => a - b), q)!;
  return value > NEVER ? Infinity : value;
}

/**
 * The quantile q of the grokking steps, where runs that never grok count as the latest: `Infinity` where it lies among those, `null` for no
 * runs and where unfinished runs may change it.
 */
export function grokkingQuantile(runs: readonly Outcome[], q: number): number | null {
  if (runs.length === 0) return null;
  const if_ = (open: (run: Outcome) => number) => stepQuantile(runs.map((run) => run.grokked ?? (isOpen(run) ? open(run) : Infinity)), q);
  const latest = if_(() => Infinity);
  return if_(({ known }) => known) === latest ? latest : null;
}

/** The median step, where a run without one counts as the latest; `null` where half of the runs have none. */
export function medianStep(steps: readonly (number | null)[]): number | null {
  if (steps.length === 0) return null;
  const middle = stepQuantile(steps.map((step) => step ?? Infinity), 0.5);
  return Number.isFinite(middle) ? middle : null;
}

/** The last evaluation that a rule with such a lookahead can judge, 0 without one, of a run that does so many steps. */
function judgedAt({ schedule: { evalEvery } }: RunSpec, steps: number, ahead: number): number {
  // All evaluations but the last are at multiples.
  return ahead === 0 ? steps : Math.max(0, evalEvery * (Math.ceil(steps / evalEvery) - ahead));
}

/** The memorisation step, the grokking step, or the grokking delay between the two. */
export type Moment = "memorised" | "grokked" | "delay";

/**
 * Times until a moment, in steps, censored where a run was watched without it. A run that hasn't ended is censored at its last step:
 * leaving it out would keep only the runs that grokked early. `until` is how long a run was watched, or would have been: for one that ended
 * because it grokked, all its planned steps; but to memorising, for one that ended so without having memorised, its last step, for that end
 * says much about when it would have. Only runs that memorised have a delay; for those that grokked first it is negative
 * (`Milestones.delay`) and counts as 0 here, because a time can't be negative: they didn't wait. Runs that haven't
 * begun, or weren't watched long enough to judge, have no time.
 */
export function timesTo(moment: Moment, runs: readonly BoardRun[]): Observation[] {
  return runs.flatMap((run) => {
    const { state, memorised, grokked, watched, known } = outcome(run), { steps } = run.spec.schedule;
    if (watched === 0) return [];
    const all = hasEnded(run) ? steps : watched,
      judged = state === "diverged" ? steps : run.step === all ? known : judgedAt(run.spec, all, lookahead(run, run.step));
    const observed = (step: number | null, last: number, until: number, from = 0): Observation => {
      const time = Math.max(0, (step ?? last) - from);
      return { time, event: step !== null, until: Math.max(time, until - from) };
    };
    if (moment === "memorised") {
      const endedByGrokking = memorised === null && run.status === "grokked";
      return [observed(memorised, state === "diverged" ? known : watched, endedByGrokking ? watched : all)];
    }
    if (grokked === null && known <= 0) return [];
    if (moment === "grokked") return [observed(grokked, known, judged)];
    return memorised === null ? [] : [observed(grokked, known, judged, memorised)];
  });
}
