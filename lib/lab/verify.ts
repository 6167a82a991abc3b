/** Whether a lab is whole: its database, its files, and what was computed from its evaluations. */
import { join, relative } from "node:path";
import { checksum, reason } from "../run/files.ts";
import { type NamedRule, namedRule } from "./experiment.ts";
import type { Accuracies } from "../run/grokking.ts";
import { isGone } from "./lock.ts";
import { milestoneRow, phaseRow } from "./milestones.ts";
import type { Lab, Row, Value } from "./store.ts";

/** Something that isn't as it should be. */
export interface Finding {
  readonly about: "database" | "experiments" | "training" | "evaluations" | "milestones" | "files";
  readonly text: string;
}

export interface Verified {
  readonly findings: readonly Finding[];
  /** What was looked at. */
  readonly runs: number;
  readonly evaluations: number;
  readonly files: number;
}

/** Looks at everything and changes nothing. Sweeps may go on meanwhile. @throws Error in one line where the database can't be read at all. */
export async function verify(lab: Lab): Promise<Verified> {
  const { findings, artifacts, ...counts } = await lab.read(() => readable(lab));
  return { findings: [...findings, ...await files(lab, artifacts)], ...counts, files: artifacts.length };
}

/** What the database says by itself, as it is at one moment. */
function readable(lab: Lab): Omit<Verified, "files"> & { readonly artifacts: readonly Artifact[] } {
  const broken = integrity(lab);
  if (broken.length > 0) return { findings: broken, runs: 0, evaluations: 0, artifacts: [] };
  const [counts] = lab.query<{ runs: number; evaluations: number }>(
    "SELECT (SELECT count(*) FROM runs) AS runs, (SELECT count(*) FROM metrics) AS evaluations",
  );
  const artifacts = lab.query<Artifact>(
    "SELECT hash, kind, a.step, file, bytes, sha256 FROM artifacts a JOIN runs ON id = run ORDER BY file",
  );
  return { findings: [...references(lab), ...experiments(lab), ...training(lab), ...wholeRuns(lab)], artifacts, ...counts };
}

function integrity(lab: Lab): Finding[] {
  const finding = (text: string): Finding => ({ about: "database", text: text.replaceAll("\n", " ") });
  try {
    const lines = lab.query<{ integrity_check: string }>("PRAGMA integrity_check").map((row) => row.integrity_check);
    return lines[0] === "ok" ? [] : lines.map(finding);
  } catch (error) {
    // Some damage ends the check itself.
    return [finding(reason(error))];
  }
}

function references(lab: Lab): Finding[] {
  const rows = lab.query<{ table: string; parent: string }>("PRAGMA foreign_key_check");
  return [...Map.groupBy(rows, ({ table, parent }) => `${table} must name ${parent} that are there`)].map(([text, { length }]) => ({
    about: "database",
    text: `${text}, ${length} of its rows don't`,
  }));
}

function experiments(lab: Lab): Finding[] {
  return lab.query<{ name: string }>("SELECT name FROM experiments WHERE id NOT IN (SELECT experiment FROM members) ORDER BY name").map((
    { name },
  ) => ({ about: "experiments", text: `${name} must have runs, it has none` }));
}

function training(lab: Lab): Finding[] {
  return lab.query<{ hash: string; step: number; session: string | null; ended_at: string | null }>(
    `SELECT hash, step, name AS session, ended_at FROM runs LEFT JOIN sessions s ON s.id = session
     WHERE session IS NOT NULL OR status = 'training' ORDER BY hash`,
  ).filter(({ session, ended_at }) => session === null || ended_at !== null || isGone(lab, session)).map(({ hash, step, session }) => ({
    about: "training",
    text: `run ${hash} is in training at step ${step}, but session ${session ?? "unknown"} is gone; the next sweep frees it`,
  }));
}

interface StoredRun {
  readonly id: number;
  readonly hash: string;
  readonly step: number;
  readonly status: string;
  readonly every: number;
}

/** Runs that have, or should have, all their evaluations: whether they do, and whether their milestones follow from them. */
function wholeRuns(lab: Lab): Finding[] {
  const rules = lab.rules(), evaluations: Finding[] = [], milestones: Finding[] = [];
  for (
    const run of lab.query<Row & StoredRun>("SELECT id, hash, step, status, eval_every AS every FROM runs WHERE NOT thinned ORDER BY hash")
  ) {
    const metrics = accuracies(lab, run.id);
    const gaps = evaluationsOf(run, metrics.map(({ step }) => step));
    if (gaps !== null) {
      // What they give then says nothing about its milestones.
      evaluations.push({ about: "evaluations", text: `run ${run.hash} ${gaps}` });
      continue;
    }
    for (const rule of rules) {
      const wrong = milestonesOf(lab, run, metrics, rule);
      if (wrong !== null) milestones.push({ about: "milestones", text: `run ${run.hash} by rule ${rule.name}: ${wrong}` });
    }
  }
  return [...evaluations, ...milestones];
}

const accuracies = (lab: Lab, run: number): Accuracies[] =>
  lab.table("SELECT step, train_acc, val_acc FROM metrics WHERE run = ? ORDER BY step", run).rows.map((row) => {
    const [step, trainAcc, valAcc] = row as number[];
    return { step, trainAcc, valAcc };
  });

const isDone = ({ status }: StoredRun) => status === "finished" || status === "grokked" || status === "failed";

/** What is wrong with the steps of a run's evaluations, if anything. */
function evaluationsOf(run: StoredRun, steps: readonly number[]): string | null {
  const { status, step, every } = run, there = new Set(steps), last = steps.at(-1) ?? 0;
  // Of a run that failed, what came after its loss had stopped being a number is not stored. Of one that goes on there may be more than its state.
  const until = status === "failed" ? last : isDone(run) ? step : Math.max(step, last);
  const due = Array.from({ length: Math.floor(until / every) + 1 }, (_, i) => i * every);
  if (isDone(run) && status !== "failed" && until % every !== 0) due.push(until);
  // Nothing may be stored of one that has only just begun, and of one that is to go on, an end that it had before.
  const missing = until === 0 && !isDone(run) || status === "failed" && steps.length === 0 ? [] : due.filter((at) => !there.has(at));
  const known = new Set(due), extra = isDone(run) ? steps.filter((at) => !known.has(at)) : [];
  const list = (at: readonly number[]) => at.length <= 4 ? at.join(", ") : `${at.slice(0, 3).join(", ")} and ${at.length - 3} more`;
  const says = [
    ...missing.length > 0 ? [`must have evaluations every ${every} updates up to ${until}, lacks ${list(missing)}`] : [],
    ...extra.length > 0 ? [`must have none at ${list(extra)}`] : [],
  ];
  return says.length > 0 ? says.join("; ") : null;
}

/** In what the milestones and phases of a run by a rule differ from what its evaluations give, if in anything. */
function milestonesOf(lab: Lab, run: StoredRun, metrics: readonly Accuracies[], rule: Required<NamedRule>): string | null {
  const [stored] = lab.query("SELECT * FROM milestones WHERE run = ? AND rule = ?", run.id, rule.name);
  if (!stored) return metrics.length > 0 && (isDone(run) || run.step > 0) ? "they are missing" : null;
  // Of a run that goes on they are as they were when its state was last stored; of its evaluations there may be more, or none yet.
  const seen = isDone(run) ? Infinity : stored.last_step as number | null ?? -1, last = metrics.at(-1)?.step ?? -1;
  if (!isDone(run) && seen > last) return null;
  const watched = metrics.filter(({ step }) => step <= seen), computed = milestoneRow(watched, rule), edges = phaseRow(watched, rule);
  const due = metrics.findLast(({ step }) => step <= run.step)?.step ?? -1;
  const [phases] = lab.query("SELECT * FROM phases WHERE run = ? AND rule = ?", run.id, rule.name);
  if (edges && !phases) return "its phases are missing";
  const show = (value: Value) => value ?? "none";
  const differ = (wanted: Row | null, is: Row) =>
    Object.entries(wanted ?? {}).filter(([name, value]) => !Object.is(is[name], value))
      .map(([name, value]) => `${name} must be ${show(value)}, it is ${show(is[name])}`);
  const said = [...differ(computed, stored), ...differ(edges, phases)];
  if (said.length > 0) return said.join("; ");
  return run.step > 0 && seen < due ? `they must be of step ${due}, they are of ${show(stored.last_step)}` : null;
}

type Artifact = Row & {
  readonly hash: string;
  readonly kind: string;
  readonly step: number;
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
};

/** Files that are missing or broken, and those that nobody knows. */
async function files(lab: Lab, artifacts: readonly Artifact[]): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const { hash, kind, step, file, bytes, sha256 } of artifacts) {
    const wrong = await broken(join(lab.folder, file), bytes, sha256);
    // A sweep replaces states as it goes.
    if (wrong === null || lab.query("SELECT 1 FROM artifacts WHERE file = ? AND sha256 = ?", file, sha256).length === 0) continue;
    found.push({ about: "files", text: `${join(lab.folder, file)}, the ${kind} of run ${hash} at step ${step}, ${wrong}` });
  }
  const atWork = lab.query<{ name: string }>("SELECT name FROM sessions WHERE ended_at IS NULL").some(({ name }) => !isGone(lab, name));
  for (const path of atWork ? [] : await filesBelow(lab.folder)) {
    if (lab.query("SELECT 1 FROM artifacts WHERE file = ?", relative(lab.folder, path)).length > 0) continue;
    found.push({ about: "files", text: `${path} must belong to a run, the database doesn't know it` });
  }
  return found;
}

async function broken(path: string, bytes: number, sha256: string): Promise<string | null> {
  try {
    const data = await Deno.readFile(path);
    if (data.length !== bytes) return `must have ${bytes} bytes, it has ${data.length}`;
    return checksum(data) === sha256 ? null : `must have the SHA-256 ${sha256}, it has ${checksum(data)}`;
  } catch (error) {
    return error instanceof Deno.errors.NotFound ? "must be there, it is missing" : `must be readable: ${reason(error)}`;
  }
}

async function filesBelow(folder: string): Promise<string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(folder));
    const paths = await Promise.all(
      entries.map(({ name, isDirectory }) => isDirectory ? filesBelow(join(folder, name)) : [join(folder, name)]),
    );
    return paths.flat().sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw new Error(`Cannot look into ${folder}: ${reason(error)}`);
  }
}

export interface Recomputed {
  /** Runs whose milestones were computed, those among them in which something changed, and those that keep what they were imported with. */
  readonly runs: number;
  readonly changed: number;
  readonly thinned: number;
}

/** Computes all milestones and phases from the evaluations anew, with a new rule if one is given. @throws Error where a rule of its name has other thresholds. */
export function recompute(lab: Lab, rule?: NamedRule): Recomputed {
  const stored = (run: number) =>
    JSON.stringify(["milestones", "phases"].map((table) => lab.query(`SELECT * FROM ${table} WHERE run = ? ORDER BY rule`, run)));
  return lab.write(() => {
    if (rule) lab.rule(namedRule(rule));
    const runs = lab.query<{ id: number }>("SELECT id FROM runs WHERE NOT thinned AND EXISTS (SELECT 1 FROM metrics WHERE run = id)");
    const changed = runs.filter(({ id }) => {
      const before = stored(id);
      lab.putMilestones(id, accuracies(lab, id));
      return stored(id) !== before;
    });
    const [{ thinned }] = lab.query<{ thinned: number }>("SELECT count(*) AS thinned FROM runs WHERE thinned");
    return { runs: runs.length, changed: changed.length, thinned };
  });
}
