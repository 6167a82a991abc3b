/**
 * A run of one lab beside the same run of another: which has more of it. A run that both have is the same run: its spec says so. Where
 * their evaluations agree, one is the other's beginning, and the longer stays; of two as long, the one with all evaluations.
 * Where they don't, they come from different adapters, and a mixture would be a run that nobody trained: one of the two is kept as a
 * whole.
 */
import { agreement, stretches } from "../agreement.ts";
import { isAtWork } from "../lock.ts";
import { compared, isOneTraining } from "../results.ts";
import { isDone, type RunRow } from "../schema.ts";
import type { Lab } from "../store.ts";

/** What is asked of a run of the target. */
export type TargetRun = Pick<RunRow, "id" | "status" | "step" | "session" | "thinned">;

/** A run of the source beside the target's. */
export interface Pair {
  readonly run: RunRow;
  readonly known: TargetRun | undefined;
  /** Evaluations at the same steps that don't agree. */
  readonly differing: number;
  /** Whether evaluations show that both are of one training. */
  readonly one: boolean;
  /**
   * `further`: the source has more of it; `same`: just as much; `less`, also where the target's stays for another reason; `busy`: it trains
   * there.
   */
  readonly verdict: "new" | "further" | "same" | "less" | "busy";
}

export const target = (into: Lab, hash: string) =>
  into.query<TargetRun>("SELECT id, status, step, session, thinned FROM runs WHERE hash = ?", hash)[0] as TargetRun | undefined;

export function pair(from: Lab, into: Lab, run: RunRow): Pair {
  const known = target(into, run.hash);
  if (!known) return { run, known, differing: 0, one: false, verdict: "new" };
  const there = into.evaluations(known.id), bare = there.length === 0;
  const how = bare
    ? { same: 0, differing: 0 }
    : compared(there, from.evaluations(run.id), agreement(into, known.id, stretches(from, run.id)));
  const { differing } = how;
  const rank = (run: TargetRun) => {
    const { step, thinned } = run, done = Number(isDone(run)), whole = 1 - thinned;
    // Of one training as far, all evaluations say more than that it was to end there.
    return differing === 0 ? [step, whole, done] : [done, step, whole];
  };
  const ours = rank(run), theirs = rank(known), at = ours.findIndex((value, i) => value !== theirs[i]);
  const more = at !== -1 && ours[at] > theirs[at];
  // Without evaluations on either side, both are what was recorded.
  const neither = bare && from.query("SELECT 1 FROM metrics WHERE run = ? LIMIT 1", run.id).length === 0;
  const one = isOneTraining(how), same = run.step === known.step && (one || neither);
  const verdict = isAtWork(into, known.session) ? "busy" : more ? "further" : same ? "same" : "less";
  return { run, known, differing, one, verdict };
}
