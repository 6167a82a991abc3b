/** Results that came as the small text files of an experiment, entered into the lab. */
import { reason } from "../../run/files.ts";
import { inside } from "../../run/inside.ts";
import { type Artifact, readChecked, removeUnknown } from "../artifacts.ts";
import { enterEnvironment } from "../environment.ts";
import type { Experiment } from "../experiment.ts";
import { isAtWork } from "../lock.ts";
import { recordedPhases } from "../milestones.ts";
import { enterResults } from "../results.ts";
import { seal } from "../seals.ts";
import { Lab, rowsOf } from "../store.ts";
import { databaseFindings } from "../verify.ts";
import { bringFiles, enterFiles } from "./artifacts.ts";
import { type Declared, watchOf } from "./export.ts";
import { MILESTONES, type Recorded, type RecordedRun, type RecordedSession } from "./files.ts";
import { readRecorded } from "./read.ts";

/** A record that has been read and checked. */
export interface ReadRecord {
  readonly folder: string;
  readonly recorded: Recorded;
}

/**
 * Reads the record in a folder and checks all of it, its files beside the texts too. No lab is needed for it.
 * @throws Error in one line with file, line, requirement and current value.
 */
export async function readRecord(folder: string): Promise<ReadRecord> {
  const text = (name: string) => {
    try {
      return Deno.readTextFileSync(inside(folder, name));
    } catch (error) {
      throw new Error(`${name}: ${reason(error)}`);
    }
  };
  try {
    const recorded = readRecorded(text);
    for (const { file, bytes, sha256 } of recorded.runs.flatMap(({ artifacts }) => artifacts)) {
      await readChecked(inside(folder, file), bytes, sha256);
    }
    check(recorded, folder);
    return { folder, recorded };
  } catch (error) {
    throw new Error(`Cannot import ${folder}: ${reason(error)}`);
  }
}

/** Checks that a lab which had nothing but this record would be whole. @throws Error in one line with the first thing that wouldn't. */
function check(recorded: Recorded, folder: string): void {
  using lab = Lab.scratch();
  lab.write(() => {
    const ids = declare(lab, recorded, folder);
    for (const [i, run] of recorded.runs.entries()) enterRun(lab, recorded, run, ids[i], []);
  });
  const [wrong] = databaseFindings(lab);
  if (wrong) throw new Error(`of its ${wrong.about} ${wrong.text}`);
}

export interface Imported {
  readonly experiment: string;
  /** Runs of the record, those among them whose results were entered, and files that were. */
  readonly runs: number;
  readonly entered: number;
  readonly files: number;
  /** Runs of which the record has more, but which a process trains. */
  readonly left: number;
}

/** Reads the record in a folder and enters it. @throws Error where `readRecord` or `enterRecord` does. */
export const importRecorded = async (lab: Lab, folder: string): Promise<Imported> => await enterRecord(lab, await readRecord(folder));

/**
 * Enters the experiment of a record, with its runs and who trained them: all of it or, where anything is wrong, nothing. A run that the lab
 * has as far or further stays as it is, and so does one that a process trains. A run that has no attention log, or no weights, gets the
 * record's, where its evaluations are the same.
 * @throws Error in one line.
 */
export async function enterRecord(lab: Lab, { folder, recorded }: ReadRecord): Promise<Imported> {
  /** Files of the lab that came, or that something else takes the place of: in the end, those that it doesn't know go. */
  const touched: string[] = [];
  try {
    const brought = await bringFiles(lab, folder, recorded.runs, touched).catch((error) => {
      throw new Error(`Cannot import ${folder}: ${reason(error)}`);
    });
    const counts = lab.write(() => {
      const ids = declare(lab, recorded, folder), counts = { entered: 0, left: 0, files: 0 };
      for (const [i, run] of recorded.runs.entries()) {
        const own = brought.get(run) ?? [], dropped = enterRun(lab, recorded, run, ids[i], own);
        if (dropped === "busy") counts.left++;
        counts.files += Array.isArray(dropped) ? own.length : enterFiles(lab, ids[i], run, own);
        if (!Array.isArray(dropped)) continue;
        counts.entered++;
        touched.push(...dropped.map(({ file }) => file));
      }
      return counts;
    });
    return { experiment: recorded.name, runs: recorded.runs.length, ...counts };
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

/**
 * Enters what came of a run, unless the lab has as much.
 * @param files the record's of the run.
 * @returns the lab's files that it takes the place of; else why it doesn't: the lab has as much, or a process trains it.
 */
function enterRun(
  lab: Lab,
  { sessions, rules }: Recorded,
  run: RecordedRun,
  id: number,
  files: readonly Artifact[],
): Artifact[] | "no more" | "busy" {
  const { status, step, error, metrics, work } = run;
  const [has] = lab.query<{ status: string; session: number | null; thinned: number; seen: number; evaluations: number }>(
    `SELECT status, session, thinned, max(step, coalesce(max(at), 0), coalesce((SELECT max(last_step) FROM milestones WHERE run = id), 0)) AS seen,
       count(at) AS evaluations
     FROM runs LEFT JOIN (SELECT run, step AS at FROM metrics) ON run = id WHERE id = ?`,
    id,
  );
  const seen = Math.max(step, Number(run.milestones[0].last_step));
  const more = has.status === "waiting" || seen > has.seen || (seen === has.seen && has.thinned === 1 && metrics.length > has.evaluations);
  if (status === "waiting" || !more) return "no more";
  if (isAtWork(lab, has.session)) return "busy";
  const moments = () => {
    if (!run.thinned) return lab.putMilestones(id, metrics);
    for (const [i, { name }] of rules.entries()) {
      const row = run.milestones[i];
      lab.putRow("milestones", id, name, Object.fromEntries(MILESTONES.map((column) => [column, row[column]])));
      lab.putRow("phases", id, name, recordedPhases(row));
    }
  };
  const evaluations = rowsOf(id, metrics), thinned = Number(run.thinned);
  const { dropped } = enterResults(lab, id, { status, step, error, thinned, evaluations, trained: work, files, moments });
  for (const { session, from, to, seconds } of work) {
    lab.run("INSERT OR REPLACE INTO work VALUES (?, ?, ?, ?, ?)", enterSession(lab, sessions[session]), id, from, to, seconds);
  }
  seal(lab, "run", id);
  return [...dropped];
}

/** The id of a session, which is entered where it isn't there. */
function enterSession(lab: Lab, { name, command, started, ended, ...environment }: RecordedSession): number {
  // One that is known may have gone on since an earlier record.
  lab.run(
    `INSERT INTO sessions (name, environment, command, started_at, seen_at, ended_at) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (name) DO UPDATE SET seen_at = max(seen_at, excluded.seen_at), ended_at = max(ended_at, excluded.ended_at)`,
    ...[name, enterEnvironment(lab, environment), command, started, ended, ended],
  );
  const [{ id }] = lab.query<{ id: number }>("SELECT id FROM sessions WHERE name = ?", name);
  return id;
}
