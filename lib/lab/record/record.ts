/** Results that travel in git: an experiment of the lab as small text files, and back. What stands in them: `recorded_files.ts`. */
import { reason, writeWhole } from "../../run/files.ts";
import { inside } from "../../run/inside.ts";
import { specHash } from "../../run/spec.ts";
import type { Experiment } from "../experiment.ts";
import { RULES } from "../../run/grokking.ts";
import { artifacts, removeUnknown } from "../artifacts.ts";
import { milestoneRow, phaseRow, recordedPhases } from "../milestones.ts";
import { bringFiles, enterFiles, filesFor, type RecordedFile, type Sent, writeFiles } from "./artifacts.ts";
import { FILES, type Kept, MILESTONES, milliseconds, type Recorded, recordedFiles } from "./files.ts";
import type { RecordedRun, RecordedSession } from "./files.ts";
import { readRecorded } from "./read.ts";
import type { Lab, Row } from "../store.ts";
import { seal } from "../seals.ts";
import { thinned } from "./thin.ts";
import type { Watch } from "../watch.ts";

export interface RecordOptions {
  /** What goes along of the evaluations: all, as many as a figure needs, or none. */
  readonly metrics: Kept;
  /** Which files go along, where there are any. Default: none. */
  readonly files?: readonly Sent[];
  /** How the record is made, as typed. */
  readonly command: string;
  /** Hears of files that are left out, a line each. */
  readonly say?: (line: string) => void;
}

/**
 * Writes an experiment's files into a folder. Runs that aren't done go along as far as they are. A sweep may be at work meanwhile.
 * @returns how many runs, evaluations and files beside them were written, in how many bytes.
 * @throws Error in one line where there is no such experiment, or a file can't be written.
 */
export async function exportRecorded(
  lab: Lab,
  experiment: string,
  folder: string,
  { metrics: kept, files: sent = [], command, say = console.error }: RecordOptions,
): Promise<{ runs: number; evaluations: number; files: number; bytes: number }> {
  const files: RecordedFile[] = [];
  const recorded = await lab.read(async () => {
    const { runs, ...rest } = record(lab, experiment, kept, command);
    return { ...rest, runs: sent.length > 0 ? await withFiles(lab, runs, sent, files, say) : runs };
  });
  let bytes = files.reduce((sum, { data }) => sum + data.length, 0);
  await writeFiles(folder, files);
  // `experiment.json` comes last: without it, or with one that doesn't fit, the others aren't read.
  const texts = recordedFiles(recorded);
  for (const [name, text] of texts) {
    const data = new TextEncoder().encode(text);
    await writeWhole(inside(folder, name), data);
    bytes += data.length;
  }
  await removeAll([FILES.metrics, FILES.artifacts].filter((name) => !texts.has(name)).map((name) => inside(folder, name)));
  const evaluations = recorded.runs.reduce((sum, { metrics }) => sum + metrics.length, 0);
  return { runs: recorded.runs.length, evaluations, files: files.length, bytes };
}

/** The runs with their files, whose bytes `files` takes. */
async function withFiles(
  lab: Lab,
  runs: readonly RecordedRun[],
  sent: readonly Sent[],
  files: RecordedFile[],
  say: (line: string) => void,
): Promise<RecordedRun[]> {
  const all: RecordedRun[] = [];
  for (const run of runs) {
    const hash = specHash(run.spec), [{ id }] = lab.query<{ id: number }>("SELECT id FROM runs WHERE hash = ?", hash);
    const { memorisation_step, transition_step, grokking_step } = run.milestones[0];
    const edges = [memorisation_step, transition_step, grokking_step].filter((step) => typeof step === "number");
    const own = await filesFor(lab, { id, hash, edges }, sent, say);
    files.push(...own);
    all.push({ ...run, artifacts: own.map(({ entry }) => entry) });
  }
  return all;
}

/** What the lab says of an experiment. */
type Declared = Pick<Recorded, "question" | "margin" | "keep"> & { readonly rule: string; readonly watch: string | null };

const watchOf = ({ watch }: Pick<Declared, "watch">) => watch === null ? null : JSON.parse(watch) as Watch;

function record(lab: Lab, experiment: string, kept: Kept, command: string): Recorded {
  const [row] = lab.query<Declared & { id: number; declared_at: string }>(
    "SELECT id, question, rule, margin, keep, watch, declared_at FROM experiments WHERE name = ?",
    experiment,
  );
  if (!row) {
    const names = lab.query<{ name: string }>("SELECT name FROM experiments ORDER BY name").map(({ name }) => name);
    throw new Error(`Cannot export ${experiment}: it must be one of ${names.join(", ") || `those in ${lab.path}, there are none`}`);
  }
  const stored = lab.rules(), own = stored.find(({ name }) => name === row.rule)!;
  const rules: Recorded["rules"] = [own, ...stored.filter((rule) => rule !== own && Object.hasOwn(RULES, rule.name))];
  const sessions = lab.query<Row & { id: number; software: number }>(
    `SELECT s.id, name, engine, adapter, driver, software, system, processor, cores, deno, "commit", command, started_at AS started,
       coalesce(ended_at, seen_at) AS ended
     FROM sessions s JOIN environments e ON e.id = s.environment
     WHERE s.id IN (SELECT session FROM work JOIN members USING (run) WHERE experiment = ?) ORDER BY started_at, name`,
    row.id,
  );
  const members = lab.query<{ run: number; steps: number }>("SELECT run, steps FROM members WHERE experiment = ?", row.id);
  return {
    name: experiment,
    ...{ question: row.question, rules, margin: row.margin, keep: row.keep, watch: watchOf(row), declared: row.declared_at, kept, command },
    sessions: sessions.map(({ id: _, software, ...session }) => ({ ...session, software: software === 1 }) as unknown as RecordedSession),
    runs: members.map(({ run, steps }) => recordRun(lab, run, steps, rules, kept, sessions.map(({ id }) => id))),
  };
}

function recordRun(lab: Lab, run: number, until: number, rules: Recorded["rules"], kept: Kept, sessions: readonly number[]): RecordedRun {
  const [row] = lab.query<{ hash: string; status: string; step: number; error: string | null; thinned: number }>(
    "SELECT hash, status, step, error, thinned FROM runs WHERE id = ?",
    run,
  );
  const all = lab.metrics(run);
  const found = rules.map((rule): Row => {
    if (!row.thinned) return { ...milestoneRow(all, rule), transition_step: phaseRow(all, rule)?.transition_step ?? null };
    const [stored] = lab.query(`SELECT ${MILESTONES} FROM milestones WHERE run = ? AND rule = ?`, run, rule.name);
    const [phases] = lab.query("SELECT transition_step FROM phases WHERE run = ? AND rule = ?", run, rule.name);
    if (stored) return { ...stored, ...phases };
    throw new Error(
      `Cannot export run ${row.hash}: it must have milestones by rule ${rule.name}, it has none and a part of its evaluations`,
    );
  });
  const work = lab.query<{ session: number; from_step: number; to_step: number; seconds: number }>(
    "SELECT session, from_step, to_step, seconds FROM work WHERE run = ? ORDER BY from_step",
    run,
  ).map(({ session, from_step: from, to_step: to, seconds }) => {
    return { session: sessions.indexOf(session), from, to, seconds: milliseconds(seconds) };
  }).sort((a, b) => a.session - b.session);
  // Figures show milestones on the curve, and tables what was reached at the end of the experiment's steps.
  const points = [
    all.findLast(({ step }) => step <= until)?.step,
    ...found.flatMap((row) => [row.memorisation_step, row.transition_step, row.grokking_step, row.passing_since]),
  ];
  const steps = new Set(points.filter((step) => typeof step === "number"));
  const metrics = kept === "none" ? [] : kept === "all" || row.thinned ? all : thinned(all, steps);
  return {
    spec: lab.spec(run, until),
    // Whoever reads this isn't training it.
    status: row.status === "training" ? "stopped" : row.status,
    ...{ step: row.step, error: row.error, thinned: row.thinned === 1 || metrics.length < all.length },
    ...{ metrics, milestones: found, work, artifacts: [] },
  };
}

/**
 * Enters the experiment in a folder's files, with its runs and who trained them: all of it or, where anything is wrong, nothing. A run that the
 * lab has as far or further stays as it is, and so does one in training.
 * A run that has no attention log, or no weights, gets the record's, where its evaluations are the same.
 * @returns how many runs the record has, of how many the results were entered, and how many files.
 * @throws Error in one line.
 */
export async function importRecorded(
  lab: Lab,
  folder: string,
): Promise<{ experiment: string; runs: number; entered: number; files: number }> {
  const text = (name: string) => {
    try {
      return Deno.readTextFileSync(inside(folder, name));
    } catch (error) {
      throw new Error(`${name}: ${reason(error)}`);
    }
  };
  let recorded: Recorded, brought: Awaited<ReturnType<typeof bringFiles>>;
  /** Files of the lab that came, or that something else takes the place of: in the end, those that it doesn't know go. */
  const touched: string[] = [];
  try {
    try {
      recorded = readRecorded(text);
      brought = await bringFiles(lab, folder, recorded.runs, touched);
    } catch (error) {
      throw new Error(`Cannot import ${folder}: ${reason(error)}`);
    }
    const { entered, files } = lab.write(() => {
      const ids = declare(lab, recorded, folder), counts = { entered: 0, files: 0 };
      for (const [i, run] of recorded.runs.entries()) {
        const own = brought.get(run) ?? [], before = artifacts(lab, ids[i]);
        if (enterRun(lab, recorded, run, ids[i])) {
          counts.entered++;
          touched.push(...before.map(({ file }) => file));
        }
        counts.files += enterFiles(lab, ids[i], run, own);
      }
      return counts;
    });
    return { experiment: recorded.name, runs: recorded.runs.length, entered, files };
  } finally {
    removeUnknown(lab, touched);
  }
}

/** Enters the experiment and its rules. @returns the ids of its runs. */
function declare(lab: Lab, { name, question, rules, margin, keep, watch, declared, runs }: Recorded, folder: string): number[] {
  const wanted = { rule: rules[0].name, margin };
  const [known] = lab.query<Declared>("SELECT rule, margin, question, keep, watch FROM experiments WHERE name = ?", name);
  if (known && (known.rule !== wanted.rule || known.margin !== margin)) {
    const { rule, margin } = known;
    throw new Error(`experiment ${name} must have ${JSON.stringify({ rule, margin })} as stored, ${folder} has ${JSON.stringify(wanted)}`);
  }
  const asked = known ? known.question : question, watched = known ? watchOf(known) : watch;
  const specs = runs.map(({ spec }) => spec);
  const experiment: Experiment = {
    name,
    runs: specs,
    rule: rules[0],
    margin,
    keep: known?.keep ?? keep,
    ...asked !== null && { question: asked },
    ...watched && { watch: watched },
  };
  for (const rule of rules) lab.rule(rule);
  const ids = lab.declare(experiment);
  if (known) return ids;
  const [{ id }] = lab.query<{ id: number }>("SELECT id FROM experiments WHERE name = ?", name);
  lab.run("UPDATE experiments SET declared_at = ? WHERE id = ?", declared, id);
  seal(lab, "experiment", id);
  return ids;
}

/** Enters what came of a run, unless the lab has as much. @returns whether it did. */
function enterRun(lab: Lab, { sessions, rules }: Recorded, run: RecordedRun, id: number): boolean {
  const { status, step, error, metrics, work } = run;
  const [has] = lab.query<{ status: string; session: number | null; thinned: number; seen: number; evaluations: number }>(
    `SELECT status, session, thinned, max(step, coalesce(max(at), 0), coalesce((SELECT max(last_step) FROM milestones WHERE run = id), 0)) AS seen,
       count(at) AS evaluations
     FROM runs LEFT JOIN (SELECT run, step AS at FROM metrics) ON run = id WHERE id = ?`,
    id,
  );
  const seen = Math.max(step, Number(run.milestones[0].last_step));
  const more = has.status === "waiting" || seen > has.seen || (seen === has.seen && has.thinned === 1 && metrics.length > has.evaluations);
  if (status === "waiting" || has.session !== null || !more) return false;
  // A state belongs to the evaluations that led to it.
  for (const table of ["artifacts", "metrics", "milestones", "phases"]) lab.run(`DELETE FROM ${table} WHERE run = ?`, id);
  lab.run("UPDATE runs SET status = ?, step = ?, error = ?, thinned = ? WHERE id = ?", status, step, error, Number(run.thinned), id);
  lab.putMetrics(id, metrics);
  if (!run.thinned) lab.putMilestones(id, metrics);
  for (const [i, { name }] of run.thinned ? rules.entries() : []) {
    const row = run.milestones[i];
    lab.putRow("milestones", id, name, Object.fromEntries(MILESTONES.map((column) => [column, row[column]])));
    lab.putRow("phases", id, name, recordedPhases(row));
  }
  for (const { session, from, to, seconds } of work) {
    lab.run("INSERT OR REPLACE INTO work VALUES (?, ?, ?, ?, ?)", enterSession(lab, sessions[session]), id, from, to, seconds);
  }
  seal(lab, "run", id);
  return true;
}

/** The id of a session, which is entered where it isn't there. */
function enterSession(lab: Lab, { name, command, started, ended, ...environment }: RecordedSession): number {
  const { engine, adapter, driver, software, system, processor, cores, deno, commit } = environment;
  const values = [engine, adapter, driver, Number(software), system, processor, cores, deno, commit];
  const columns = `engine, adapter, driver, software, system, processor, cores, deno, "commit"`, places = "?, ?, ?, ?, ?, ?, ?, ?, ?";
  lab.run(`INSERT OR IGNORE INTO environments (${columns}) VALUES (${places})`, ...values);
  // One that is known may have gone on since an earlier record.
  lab.run(
    `INSERT INTO sessions (name, environment, command, started_at, seen_at, ended_at)
     VALUES (?, (SELECT id FROM environments WHERE (${columns}) = (${places})), ?, ?, ?, ?)
     ON CONFLICT (name) DO UPDATE SET seen_at = max(seen_at, excluded.seen_at), ended_at = max(ended_at, excluded.ended_at)`,
    ...[name, ...values, command, started, ended, ended],
  );
  const [{ id }] = lab.query<{ id: number }>("SELECT id FROM sessions WHERE name = ?", name);
  return id;
}

async function removeAll(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await Deno.remove(path).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
}
