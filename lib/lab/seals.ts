/**
 * Seals: a checksum of what is stored of a run and of an experiment, written with it. What can be computed anew (hashes, milestones) needs
 * none; but a loss that changed on a broken disk, still a plausible number, shows in nothing else. A seal guards against damage, not
 * against forgery.
 */
import { checksum } from "../run/files.ts";
import { METRIC_NAMES, METRICS } from "../run/metrics.ts";
import type { Connection, Row, Rows } from "./connection.ts";

export type Sealed = "run" | "experiment";

/** What of a run is sealed: its evaluations up to its state, how far it is and how it ended, and who trained it. */
function runContent(lab: Connection, id: number, evaluations?: Rows): readonly unknown[] {
  const [run] = lab.query<Row & { status: string; step: number; error: string | null; thinned: number }>(
    "SELECT hash, status, step, error, thinned FROM runs WHERE id = ?",
    id,
  );
  const metrics = numbers(evaluations ?? lab.evaluations(id, run.step), run.step);
  const work = lab.table(
    `SELECT name, command, started_at, engine, adapter, driver, software, system, processor, cores, deno, "commit", from_step, to_step, seconds
     FROM work w JOIN sessions s ON s.id = w.session JOIN environments e ON e.id = s.environment WHERE run = ? ORDER BY name, from_step`,
    id,
  ).rows;
  // Whether one that goes on trains just now is no part of it.
  const ended = ["finished", "grokked", "failed"].includes(run.status) ? run.status : "open";
  const given = run.thinned === 1 ? imported(lab, id) : null;
  return [run.hash, ended, run.step, run.error, run.thinned, checksum(new Uint8Array(metrics.buffer)), work, given];
}

/** The numbers of evaluations up to a step, one after the other, without the run's id. In a loop: there may be millions. */
function numbers(rows: Rows, until: number): Float64Array<ArrayBuffer> {
  const width = rows.length === 0 ? 0 : rows[0].length - 1, all = new Float64Array(width * rows.length);
  let n = 0;
  for (const row of rows) {
    if (Number(row[1]) > until) break;
    for (let i = 1; i <= width; i++) {
      // What isn't there of a metric that came later is no part of it: seals stay what they were before there was the metric.
      if (row[i] !== null) all[n++] = Number(row[i]);
      else if (!METRICS[METRIC_NAMES[i - 1]].later) all[n++] = NaN;
    }
  }
  return all.slice(0, n);
}

/** What can't be computed anew of a run with a part of its evaluations, and what it was computed by. */
const imported = (lab: Connection, id: number) =>
  ["milestones", "phases"].map((table) =>
    lab.table(
      `SELECT m.*, accuracy, inclusive, times, memorised FROM ${table} m JOIN rules ON name = rule WHERE run = ? ORDER BY rule`,
      id,
    ).rows.map(([, ...row]) => row)
  );

/** What of an experiment is sealed: all of it. */
function experimentContent(lab: Connection, id: number): readonly unknown[] {
  const [experiment] =
    lab.table("SELECT name, question, rule, margin, keep, fixed, swept, watch, declared_at FROM experiments WHERE id = ?", id).rows;
  const members = lab.table("SELECT hash, steps FROM members JOIN runs ON id = run WHERE experiment = ? ORDER BY hash", id).rows;
  return [...experiment, members];
}

/** The seal that what is stored would get now. */
const sealOf = (lab: Connection, kind: Sealed, id: number, evaluations?: Rows): string =>
  checksum(new TextEncoder().encode(JSON.stringify(kind === "run" ? runContent(lab, id, evaluations) : experimentContent(lab, id))));

/**
 * Seals what is stored of a run or an experiment as it is now.
 * @param evaluations all that is stored of a run's, where they have been read.
 */
export function seal(lab: Connection, kind: Sealed, id: number, evaluations?: Rows): void {
  lab.run("INSERT OR REPLACE INTO seals VALUES (?, ?, ?)", kind, id, sealOf(lab, kind, id, evaluations));
}

/** Seals what has none: what an older version stored, or a session left that was killed. */
export function sealUnsealed(lab: Connection): void {
  const without = (kind: Sealed, from: string) =>
    lab.query<{ id: number }>(`SELECT id FROM ${from} AND id NOT IN (SELECT id FROM seals WHERE kind = ?)`, kind).map(({ id }) => ({
      kind,
      id,
    }));
  const todo = [
    ...without("run", "runs WHERE session IS NULL AND status <> 'waiting'"),
    ...without("experiment", "experiments WHERE TRUE"),
  ];
  if (todo.length > 0) lab.write(() => todo.forEach(({ kind, id }) => seal(lab, kind, id)));
}

/** What a seal says: `broken` where something has changed since. */
export type Verdict = "whole" | "broken" | "none";

/** @param evaluations all that is stored of a run's, where they have been read. */
export function verdictOf(lab: Connection, kind: Sealed, id: number, evaluations?: Rows): Verdict {
  const [stored] = lab.query<{ sha256: string }>("SELECT sha256 FROM seals WHERE kind = ? AND id = ?", kind, id);
  if (!stored) return "none";
  return stored.sha256 === sealOf(lab, kind, id, evaluations) ? "whole" : "broken";
}
