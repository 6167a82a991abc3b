/** An experiment of the lab as small text files that travel in git. What stands in them: `files.ts`; the way back: `import.ts`. */
import { writeAll, type Writing } from "../../run/files.ts";
import { inside } from "../../run/inside.ts";
import { quote } from "../../run/quote.ts";
import { specHash } from "../../run/spec.ts";
import { RULES } from "../../run/grokking.ts";
import { runFindings } from "../check/runs.ts";
import { milestoneRow, phaseRow } from "../milestones.ts";
import type { Lab, Row } from "../store.ts";
import type { Watch } from "../watch.ts";
import { filesFor, filesOf, type RecordedFile, removeOthers, type Sent } from "./artifacts.ts";
import {
  FILES,
  type Kept,
  MILESTONES,
  milliseconds,
  type Recorded,
  recordedFiles,
  type RecordedRun,
  type RecordedSession,
} from "./files.ts";
import { assertNothingLost, earlierIn } from "./losses.ts";
import { thinned } from "./thin.ts";

export interface RecordOptions {
  /** What goes along of the evaluations: all, as many as a figure needs, or none. */
  readonly metrics: Kept;
  /** Which files go along, where there are any. Default: none. */
  readonly files?: readonly Sent[];
  /** The seeds whose runs' trained networks go along: their weights after the last update. Default: none. */
  readonly networks?: readonly number[];
  /** Only runs that have ended. Default: all, as far as they are. */
  readonly ended?: boolean;
  /** Whether files of the folder are replaced also where something of them would be lost (`losses.ts`). Default: false. */
  readonly replace?: boolean;
  /** How the record is made, as typed. */
  readonly command: string;
  /** Called with a line for each file that is left out. */
  readonly say?: (line: string) => void;
}

/**
 * Writes an experiment's files into a folder. Runs that aren't done go along as far as they are, unless only those that have `ended` are
 * to. A sweep may be at work meanwhile, but no other export into this folder.
 * @returns how many runs, evaluations and files beside them were written, in how many bytes.
 * @throws Error in one line where the folder holds another experiment's record, or something that would be lost, there is no such
 * experiment, none of its runs has ended, or a file can't be written. Then the folder is as it was.
 */
export async function exportRecorded(
  lab: Lab,
  experiment: string,
  folder: string,
  options: RecordOptions,
): Promise<{ runs: number; evaluations: number; files: number; bytes: number }> {
  const { networks = [], replace = false, say = console.error } = options;
  assertNoOther(experiment, folder);
  const files: RecordedFile[] = [], leftOut: string[] = [];
  const recorded = await lab.read(async () => {
    const { runs, ...rest } = record(lab, experiment, options);
    const unknown = networks.find((seed) => !runs.some(({ spec }) => spec.seed === seed));
    if (unknown !== undefined) {
      throw new Error(
        `Cannot export networks of ${experiment}: a run must have the seed, current value is ${unknown}, no run of it has that`,
      );
    }
    return { ...rest, runs: await withFiles(lab, runs, { ...options, say: (line) => leftOut.push(line) }, files) };
  });
  // `experiment.json` comes last: without it, or with one that doesn't fit, the others aren't read.
  const texts = recordedFiles(recorded);
  const all: Writing[] = [
    ...filesOf(folder, files),
    ...[...texts].map(([name, text]): Writing => [inside(folder, name), new TextEncoder().encode(text)]),
  ];
  const earlier = earlierIn(folder);
  if (!replace) assertNothingLost({ lab, folder, earlier, recorded, writing: all, options, leftOut });
  for (const line of leftOut) say(line);
  await writeAll(all);
  const bytes = all.reduce((sum, [, data]) => sum + data.length, 0);
  await removeOthers(folder, [...earlier?.names ?? []].filter((name) => !texts.has(name)), files);
  const evaluations = recorded.runs.reduce((sum, { metrics }) => sum + metrics.length, 0);
  return { runs: recorded.runs.length, evaluations, files: files.length, bytes };
}

/** Fails where a folder holds the record of another experiment, which would be replaced. */
function assertNoOther(experiment: string, folder: string): void {
  let other: unknown;
  try {
    other = JSON.parse(Deno.readTextFileSync(inside(folder, FILES.experiment))).name;
  } catch {
    // There is none, or none that can be read.
    return;
  }
  if (typeof other !== "string" || other === experiment) return;
  throw new Error(`Cannot export ${experiment}: ${folder} must have no other experiment's record, it has that of ${quote(other)}`);
}

/** The runs with their files, whose bytes `files` takes. */
async function withFiles(
  lab: Lab,
  runs: readonly RecordedRun[],
  { files: sent = [], networks = [], say }: Pick<RecordOptions, "files" | "networks"> & { say: (line: string) => void },
  files: RecordedFile[],
): Promise<RecordedRun[]> {
  const all: RecordedRun[] = [];
  for (const run of runs) {
    const network = networks.includes(run.spec.seed);
    if (run.spec.model.taken === "none" && !network && sent.length === 0) {
      all.push(run);
      continue;
    }
    const hash = specHash(run.spec), [{ id }] = lab.query<{ id: number }>("SELECT id FROM runs WHERE hash = ?", hash);
    const { memorisation_step, transition_step, grokking_step } = run.milestones[0];
    const edges = [memorisation_step, transition_step, grokking_step].filter((step) => typeof step === "number");
    const own = await filesFor(lab, { id, hash, spec: run.spec, step: run.step, network, edges }, sent, say);
    files.push(...own);
    all.push({ ...run, artifacts: own.map(({ entry }) => entry) });
  }
  return all;
}

/** What the lab says of an experiment. */
export type Declared = Pick<Recorded, "question" | "margin" | "keep"> & { readonly rule: string; readonly watch: string | null };

export const watchOf = ({ watch }: Pick<Declared, "watch">) => watch === null ? null : JSON.parse(watch) as Watch;

function record(lab: Lab, experiment: string, { metrics: kept, ended = false, command }: RecordOptions): Recorded {
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
  const members = lab.query<{ run: number; steps: number; ended: number }>(
    "SELECT run, max_steps AS steps, ended FROM run_summary WHERE experiment = ? ORDER BY run",
    experiment,
  ).filter((member) => !ended || member.ended === 1);
  if (members.length === 0) throw new Error(`Cannot export ${experiment}: at least one of its runs must have ended, none has`);
  const sessions = lab.query<Row & { id: number; software: number }>(
    `SELECT s.id, name, engine, adapter, driver, software, system, processor, cores, deno, "commit", command, started_at AS started,
       coalesce(ended_at, seen_at) AS ended
     FROM sessions s JOIN environments e ON e.id = s.environment
     WHERE s.id IN (SELECT session FROM work WHERE run IN (SELECT value FROM json_each(?))) ORDER BY started_at, name`,
    JSON.stringify(members.map(({ run }) => run)),
  );
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
  const [wrong] = runFindings(lab, run);
  if (wrong) throw new Error(`Cannot export ${wrong.text}`);
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
    // A reader of the record isn't training it.
    status: row.status === "training" ? "stopped" : row.status,
    ...{ step: row.step, error: row.error, thinned: row.thinned === 1 || metrics.length < all.length },
    ...{ metrics, milestones: found, work, artifacts: [] },
  };
}
