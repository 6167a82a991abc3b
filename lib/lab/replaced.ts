/** A run that is trained again: whether that is the same training as before, and what goes of one that was another. */
import { METRIC_NAMES, METRICS, type Metrics } from "../run/metrics.ts";
import type { Agrees } from "./agreement.ts";
import { artifacts, dropArtifact } from "./artifacts.ts";
import type { Lab } from "./store.ts";

/** A training that takes the place of an earlier one. */
export interface Replacing {
  /** Who trains. */
  readonly session: number;
  /** The step where it began. */
  readonly from: number;
  /** The files that it has stored. */
  readonly files: ReadonlySet<string>;
  /** The evaluations of the earlier training that it hasn't come to yet, by their steps. */
  readonly earlier: Map<number, Metrics>;
  /** How both are compared. */
  readonly agrees: Agrees;
}

/**
 * Whether an evaluation shows that the earlier training was another one; of a training that is known to be another, this isn't said again.
 * @param begins whether it is the first of a run that begins anew and has results: without evaluations, nothing says that these are of the
 * same training.
 */
export function isAnother({ earlier, agrees }: Replacing, metrics: Metrics, begins: boolean): boolean {
  const stored = earlier.get(metrics.step), another = stored ? differ(stored, metrics, agrees) : begins && earlier.size === 0;
  if (another) earlier.clear();
  else earlier.delete(metrics.step);
  return another;
}

/** Whether two evaluations at one step differ. What an older version didn't measure doesn't count. */
const differ = (stored: Metrics, now: Metrics, agrees: Agrees): boolean =>
  METRIC_NAMES.some((name) => !(METRICS[name].later && Number.isNaN(stored[name])) && !agrees(name, now.step, stored[name], now[name]));

/**
 * Removes what an earlier training left of a run beyond where the new one began, from the step on at which they differ. Milestones and
 * phases are to be computed anew. @returns the files that were dropped.
 */
export function dropEarlier(lab: Lab, run: number, step: number, { session, from, files }: Replacing): string[] {
  // An evaluation at the end of fewer steps lies where the new training makes none.
  lab.run(
    "DELETE FROM metrics WHERE run = ?1 AND step > ?2 AND (step >= ?3 OR step % (SELECT eval_every FROM runs WHERE id = ?1) <> 0)",
    ...[run, from, step],
  );
  lab.run("DELETE FROM work WHERE run = ? AND from_step >= ? AND session <> ?", run, from, session);
  lab.run("UPDATE work SET to_step = ?1 WHERE run = ?2 AND to_step > ?1 AND session <> ?3", from, run, session);
  for (const table of ["milestones", "phases"]) lab.run(`DELETE FROM ${table} WHERE run = ?`, run);
  const dropped = artifacts(lab, run).filter((stored) => stored.step > from && stored.step >= step && !files.has(stored.file));
  for (const stored of dropped) dropArtifact(lab, run, stored);
  return dropped.map(({ file }) => file);
}
