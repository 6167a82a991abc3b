/** The evaluations that a run has when it is taken up again: which of them count, and which are missing. */
import type { Metrics } from "../engine/engine.ts";
import type { RunSpec } from "../run/spec.ts";

/**
 * Evaluations that a run's history doesn't have. What the run reached at or after step `first` is unknown, and no rule counts across the
 * gap: it may have memorised, grokked or failed again in between.
 */
export interface Gap {
  /** The step of the first evaluation that is missing. */
  readonly first: number;
  /** The step of the last one; between the two, some may be there. */
  readonly last: number;
}

/**
 * The evaluations that count for a run that stands at `step`: none beyond it, and none that its schedule doesn't have. A run that ended
 * after 25 updates was evaluated there; one that goes on to 60 with an evaluation every 10 updates isn't.
 * @param history in the order of their steps
 */
export function counted(history: readonly Metrics[], { schedule: { steps, evalEvery } }: RunSpec, step: number): Metrics[] {
  return history.filter((row) => row.step <= step && (row.step % evalEvery === 0 || row.step === steps));
}

/**
 * The evaluations that are missing up to `step`: one is due at step 0 and after every `evalEvery` updates. A run that hasn't begun misses
 * none.
 * @param history in the order of their steps
 */
export function findGap(history: readonly Metrics[], { schedule: { evalEvery } }: RunSpec, step: number): Gap | null {
  if (step === 0) return null;
  let due = 0, gap: Gap | null = null;
  const missing = (last: number) => {
    if (last >= due) gap = { first: gap?.first ?? due, last };
  };
  for (const row of history) {
    if (row.step % evalEvery !== 0 || row.step > step) continue;
    missing(row.step - evalEvery);
    due = row.step + evalEvery;
  }
  missing(Math.floor(step / evalEvery) * evalEvery);
  return gap;
}
