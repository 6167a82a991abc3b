/**
 * A run of one lab beside the same run of another: which has more of it. A run that both have is the same run: its spec says so. Where
 * their evaluations are the same bits, one is the other's beginning, and the longer stays. Where they aren't, they come from different
 * adapters, and a mixture would be a run that nobody trained: one of the two is kept as a whole.
 */
import { isGone } from "../lock.ts";
import type { RunRow } from "../schema.ts";
import type { Lab } from "../store.ts";

/** What is asked of a run of the target. */
export type TargetRun = Pick<RunRow, "id" | "status" | "step" | "session" | "thinned">;

/** A run of the source beside the target's. */
export interface Pair {
  readonly run: RunRow;
  readonly known: TargetRun | undefined;
  /** Evaluations at the same steps that aren't the same bits. */
  readonly differing: number;
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
  if (!known) return { run, known, differing: 0, verdict: "new" };
  const differing = differences(from, run.id, into, known.id);
  const rank = ({ status, step, thinned }: TargetRun) => {
    const done = Number(["finished", "grokked", "failed"].includes(status)), whole = 1 - thinned;
    return differing === 0 ? [step, done, whole] : [done, step, whole];
  };
  const here = rank(run), there = rank(known), at = here.findIndex((value, i) => value !== there[i]);
  const more = at !== -1 && here[at] > there[at];
  const verdict = isBusy(into, known) ? "busy" : more ? "further" : differing === 0 && run.step === known.step ? "same" : "less";
  return { run, known, differing, verdict };
}

/** How many evaluations of a run both have that aren't the same bits. */
function differences(from: Lab, source: number, into: Lab, known: number): number {
  // The first column is the run's id, which is each lab's own; the second is the step.
  const there = new Map(into.evaluations(known).map((row) => [row[1], row]));
  if (there.size === 0) return 0;
  return from.evaluations(source).filter((row) => {
    const other = there.get(row[1]);
    return other?.some((value, i) => i > 0 && !Object.is(value, row[i]));
  }).length;
}

/** Whether a session whose process runs has it. */
function isBusy(into: Lab, { session }: TargetRun): boolean {
  if (session === null) return false;
  const [found] = into.query<{ name: string; ended_at: string | null }>("SELECT name, ended_at FROM sessions WHERE id = ?", session);
  return found !== undefined && found.ended_at === null && !isGone(into, found.name);
}
