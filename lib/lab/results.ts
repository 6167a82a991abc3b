/**
 * What came of a run elsewhere, in another lab or in a record, entered in place of what the lab has of it. Where both are of one training,
 * the lab keeps what it has beside: evaluations at other steps, weights and attention logs.
 */
import { METRIC_NAMES } from "../run/metrics.ts";
import { agreement, type Agrees, type Stretch } from "./agreement.ts";
import { type Artifact, artifacts, dropArtifact, enterArtifact } from "./artifacts.ts";
import { isDone, type RunRow } from "./schema.ts";
import type { Lab, Row, Rows } from "./store.ts";

/** Results of a run that take the place of those in the lab. */
export interface Results extends Pick<RunRow, "status" | "step" | "error" | "thinned"> {
  /** All of its evaluations, or a part where it is `thinned`, as `Lab.evaluations` gives them. */
  readonly evaluations: Rows;
  /** What was trained of it where they come from. */
  readonly trained: readonly Stretch[];
  /** The files that come with it. They lie in the lab's folder already. */
  readonly files: readonly Artifact[];
  /** Enters its milestones and phases. */
  readonly moments: () => void;
}

/** Evaluations at steps that two labs have: how many agree, and how many don't. */
export interface Compared {
  readonly same: number;
  readonly differing: number;
}

/** Compares the evaluations of a run of two labs. Each row begins with the run's id, which is each lab's own, and the step. */
export function compared(there: Rows, here: Rows, agrees: Agrees): Compared {
  const byStep = new Map(there.map((row) => [row[1], row]));
  let same = 0, differing = 0;
  for (const row of here) {
    const other = byStep.get(row[1]);
    if (!other) continue;
    // What isn't there of an evaluation is NULL in a lab and NaN in a record.
    const value = (row: Rows[number], i: number) => Number(row[i + 1] ?? NaN), step = Number(row[1]);
    if (METRIC_NAMES.every((name, i) => agrees(name, step, value(row, i), value(other, i)))) same++;
    else differing++;
  }
  return { same, differing };
}

/** Whether both are of one training, as far as evaluations can tell. Where there are none at the same steps, that isn't known. */
export const isOneTraining = ({ same, differing }: Compared): boolean => same > 0 && differing === 0;

/** The tables of what follows from evaluations by a rule, and a row of them. */
const JUDGED = ["milestones", "phases"] as const;
type Judged = Row & { readonly run: number; readonly rule: string };

/**
 * Enters results of a run, whose seal must be made anew afterwards.
 * @returns all evaluations that are stored now, and the files that were dropped.
 */
export function enterResults(
  lab: Lab,
  run: number,
  results: Results,
): { readonly evaluations: Rows; readonly dropped: readonly Artifact[] } {
  const stored = lab.evaluations(run), how = compared(stored, results.evaluations, agreement(lab, run, results.trained));
  const one = isOneTraining(how);
  const dropped = artifacts(lab, run).filter((file) => !(one && staysBeside(lab, run, file, results)));
  for (const file of dropped) dropArtifact(lab, run, file);
  for (const file of results.files) enterArtifact(lab, run, file);
  // Who trained what isn't there any more.
  if (how.differing > 0) lab.run("DELETE FROM work WHERE run = ?", run);

  const { status, error, thinned } = results, comes = new Set(results.evaluations.map((row) => row[1]));
  const [{ every }] = lab.query<{ every: number }>("SELECT eval_every AS every FROM runs WHERE id = ?", run);
  const kept = one ? stored.filter(([, at]) => !comes.has(at) && isDue(Number(at), every, results)) : [];
  const judged = one && thinned === 1 ? JUDGED.map((table) => lab.query<Judged>(`SELECT * FROM ${table} WHERE run = ?`, run)) : [];
  const step = Math.max(results.step, one && !isDone(results) ? artifacts(lab, run, "checkpoint").at(-1)?.step ?? 0 : 0);
  for (const table of ["metrics", ...JUDGED]) lab.run(`DELETE FROM ${table} WHERE run = ?`, run);
  lab.run("UPDATE runs SET status = ?, step = ?, thinned = ?, error = ?, session = NULL WHERE id = ?", status, step, thinned, error, run);
  lab.putEvaluations(run, results.evaluations);
  lab.putEvaluations(run, kept);
  // Those of a part are of all that there were, which can't be computed anew.
  if (kept.length > 0 && thinned === 0) lab.putMilestones(run);
  else results.moments();
  // By a rule that the results weren't judged by, what was known stays true up to where the lab's own evaluations went.
  for (const [i, rows] of judged.entries()) {
    for (const { run: _, rule, ...row } of rows) {
      if (lab.query(`SELECT 1 FROM ${JUDGED[i]} WHERE run = ? AND rule = ?`, run, rule).length === 0) lab.putRow(JUDGED[i], run, rule, row);
    }
  }
  return { evaluations: kept.length > 0 ? lab.evaluations(run) : results.evaluations, dropped };
}

/** Whether an evaluation that the lab has beside the results' fits in with them: an end that fewer steps had does not. */
function isDue(at: number, every: number, { status, step, thinned }: Results): boolean {
  // Of a run that goes on there may be evaluations beyond its state.
  return (at % every === 0 || at === step) && (at <= step || (!isDone({ status }) && thinned === 0));
}

/** Whether a file of the same training stays beside results that come. */
function staysBeside(lab: Lab, run: number, { kind, step }: Artifact, { status, thinned, files }: Results): boolean {
  if (kind === "weights") return !files.some((file) => file.kind === kind && file.step === step);
  if (files.some((file) => file.kind === kind)) return false;
  if (kind !== "checkpoint") return true;
  // A run can go on only from a state before which all evaluations are there; and of one that is done, an experiment may want no state.
  return thinned === 0 && (!isDone({ status }) || keepsStates(lab, run));
}

/** Whether one of its experiments keeps the state of this run when it is done, as it is where it belongs to none. */
function keepsStates(lab: Lab, run: number): boolean {
  const keeps = lab.query<{ keep: string }>("SELECT keep FROM members JOIN experiments ON id = experiment WHERE run = ?", run);
  return keeps.length === 0 || keeps.some(({ keep }) => keep === "checkpoint");
}
