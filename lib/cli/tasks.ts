/**
 * The tasks of a sweep that is spread over processes which know nothing of each other, in a folder beside the lab:
 *
 *     lab.tasks/NAME/plan.json          how many tasks there are, and which jobs were submitted
 *     lab.tasks/NAME/tasks/0000.json    a task: its part of the experiment, as `--grid` reads it
 *     lab.tasks/NAME/labs/0000.db       its lab, with its checkpoints beside it; no process but the task opens it while it runs
 *     lab.tasks/NAME/status/0000.json   how far it is
 *     lab.tasks/NAME/logs/0000.log      what it prints
 *     lab.tasks/NAME/array.sh, merge.sh, local.sh
 *
 * A task keeps its runs, so that it finds its checkpoints; runs that come later get tasks of their own.
 */
import { join } from "node:path";
import { checksum, type Writing } from "../run/files.ts";
import { type RunSpec, specHash } from "../run/spec.ts";
import { takenTensors } from "../run/taken.ts";
import { beside, placeOf } from "../lab/database.ts";
import type { Experiment } from "../lab/experiment.ts";
import type { Left } from "../lab/forecast.ts";
import { merge } from "../lab/merge.ts";
import { balanced, gridText } from "../lab/shards.ts";
import { labStatus, openRuns, type Progress, progressOf } from "../lab/status.ts";
import { withLab } from "../lab/opening.ts";
import { Lab } from "../lab/store.ts";
import type { SweptRun } from "../lab/sweep.ts";
import { bringTaken, holdersOf } from "../lab/taken.ts";
import { exists, readJson } from "./files.ts";
import { gridFile } from "./grid_file.ts";
import { taskName } from "./scripts.ts";
import type { Jobs } from "./slurm.ts";
import { say } from "./terminal.ts";

/** What is remembered of the tasks from one command to the next. */
export interface Plan {
  readonly version: 1;
  /** Of each task, how far it was when it was planned. */
  readonly tasks: readonly Progress[];
  readonly jobs: Jobs;
  /** The SHA-256 of each script as it was written: one that has another was changed by hand. */
  readonly scripts: Readonly<Record<string, string>>;
}

/** A task, and what of it is left to do. */
export interface Task {
  readonly index: number;
  readonly runs: readonly RunSpec[];
  readonly open: readonly Left[];
  /** It isn't in the plan yet. */
  readonly fresh: boolean;
}

/** Where the tasks of an experiment are. */
export const tasksFolder = (db: string, experiment: string): string => join(beside(placeOf(db), "tasks"), experiment);

/** The files of a task. */
export function taskFiles(folder: string, index: number): Readonly<Record<"grid" | "lab" | "status" | "log", string>> {
  const name = taskName(index);
  return {
    grid: join(folder, "tasks", `${name}.json`),
    lab: join(folder, "labs", `${name}.db`),
    status: join(folder, "status", `${name}.json`),
    log: join(folder, "logs", `${name}.log`),
  };
}

const EMPTY: Plan = { version: 1, tasks: [], jobs: { arrays: [], merge: null }, scripts: {} };

/** The plan in a folder; an empty one where there is none. @throws Error in one line where it can't be read. */
export async function readPlan(folder: string): Promise<Plan> {
  const path = join(folder, "plan.json");
  if (!await exists(path)) return EMPTY;
  const plan = await readJson("the plan", path) as Plan;
  if (plan.version !== 1) throw new Error(`Cannot read the plan ${path}: its version must be 1, current value is ${plan.version}`);
  return plan;
}

/** The file of a plan. */
export const planFile = (folder: string, plan: Plan): Writing => [join(folder, "plan.json"), `${JSON.stringify(plan, null, 1)}\n`];

export interface TasksOptions {
  /** The lab that everything is merged into. */
  readonly db: string;
  /** How many tasks the runs are dealt out to that no task has yet. */
  readonly count: number;
  /** Tasks that may be at work: their labs are not opened. */
  readonly busy: ReadonlySet<number>;
}

/** The tasks there are, and new ones for the runs that no task has and the lab lacks. Nothing is written. */
export async function tasksOf(experiment: Experiment, plan: Plan, { db, count, busy }: TasksOptions): Promise<Task[]> {
  const folder = tasksFolder(db, experiment.name);
  using main = await openIfThere(db);
  const wanted = byHash(experiment.runs),
    open = byHash((main ? openRuns(main, experiment) : whole(experiment.runs)).map(({ spec }) => spec));
  const tasks: Task[] = [];
  for (const index of plan.tasks.keys()) {
    const { grid, lab } = taskFiles(folder, index);
    // For as many steps as the experiment asks for now.
    const runs = (await gridFile(grid)).runs.map((spec) => wanted.get(specHash(spec)) ?? spec);
    using own = busy.has(index) ? null : await openIfThere(lab);
    const left = busy.has(index) ? [] : own ? openRuns(own, { ...experiment, runs }) : whole(runs);
    tasks.push({ index, runs, open: left.filter(({ spec }) => open.has(specHash(spec))), fresh: false });
  }
  const planned = byHash(tasks.flatMap(({ runs }) => runs));
  const without = main ? openRuns(main, experiment) : whole(experiment.runs);
  const rest = without.filter(({ spec }) => !planned.has(specHash(spec)));
  for (const open of balanced(rest, Math.min(count, rest.length))) {
    tasks.push({ index: tasks.length, runs: open.map(({ spec }) => spec), open, fresh: true });
  }
  return tasks;
}

/**
 * The files of tasks that are new or have changed. Runs that the main lab has begun come with their checkpoints, in the labs of these
 * tasks, so that they go on from there; and so do those that runs of any task which isn't at work take tensors from.
 * @returns what is to be written, and what a plan says of all tasks.
 */
export async function filesOfTasks(
  experiment: Experiment,
  tasks: readonly Task[],
  plan: Plan,
  { db, busy }: Omit<TasksOptions, "count">,
): Promise<{ readonly entries: Plan["tasks"]; readonly files: readonly Writing[] }> {
  const folder = tasksFolder(db, experiment.name), files: Writing[] = [];
  using main = await openIfThere(db);
  const begun = new Set(
    main?.query<{ hash: string }>("SELECT DISTINCT hash FROM artifacts JOIN runs ON id = run WHERE kind = 'checkpoint'")
      .map(({ hash }) => hash),
  );
  const entries = [...plan.tasks];
  for (const { index, runs, fresh } of tasks) {
    const { grid, lab, status } = taskFiles(folder, index), part = { ...experiment, runs }, text = gridText(part);
    if (busy.has(index)) continue;
    const sources = main ? await lacking(main, lab, runs) : new Set<string>();
    if (sources.size > 0) await withLab(lab, (own) => merge(main!, own, say, sources), { say });
    if (!fresh && await Deno.readTextFile(grid) === text) continue;
    files.push([grid, text]);
    // It told of the task as it was.
    await Deno.remove(status).catch(() => {});
    const here = new Set(runs.map(specHash).filter((hash) => begun.has(hash)));
    if (fresh && here.size > 0) {
      await withLab(lab, (own) => merge(main!, own, say, here), { say });
    }
    using own = await openIfThere(lab);
    const { states, updates, work } = own ? labStatus(own, part) : progressOf(runs.map(waiting));
    entries[index] = { states, updates, work };
  }
  return { entries, files };
}

/** Runs of the main lab that a task's lab needs so that its runs can begin, and doesn't have. */
async function lacking(main: Lab, lab: string, runs: readonly RunSpec[]): Promise<Set<string>> {
  using own = await openIfThere(lab);
  return holdersOf(main, runs).difference(own ? holdersOf(own, runs) : new Set());
}

/** Fails where runs take over tensors that the main lab doesn't have, which no task could begin. @throws Error in one line. */
export async function assertTaken(db: string, tasks: readonly Task[]): Promise<void> {
  using main = await openIfThere(db);
  const specs = tasks.flatMap(({ open }) => open.map(({ spec }) => spec));
  if (main) await bringTaken(main, specs);
  else for (const { model } of specs) takenTensors(model.taken);
}

/**
 * The files of scripts, but for those that were changed by hand, which stay.
 * @returns what is to be written, the scripts' checksums as they were written last, and the names of those that stay.
 */
export async function filesOfScripts(
  folder: string,
  scripts: Readonly<Record<string, string>>,
  known: Plan["scripts"],
): Promise<{ readonly files: readonly Writing[]; readonly sums: Plan["scripts"]; readonly kept: readonly string[] }> {
  const files: Writing[] = [],
    sums: Record<string, string> = {},
    kept: string[] = [],
    sum = (text: string) => checksum(new TextEncoder().encode(text));
  for (const [name, text] of Object.entries(scripts)) {
    const path = join(folder, name), there = await Deno.readTextFile(path).catch(() => null);
    if (there !== null && there !== text && sum(there) !== known[name]) {
      kept.push(name);
      if (known[name] !== undefined) sums[name] = known[name];
      continue;
    }
    if (there !== text) files.push([path, text]);
    sums[name] = sum(text);
  }
  return { files, sums, kept };
}

const byHash = (runs: readonly RunSpec[]) => new Map(runs.map((spec) => [specHash(spec), spec]));
const waiting = (spec: RunSpec): SweptRun => ({ spec, status: "waiting", step: 0, memorisationStep: null, grokkingStep: null });
const whole = (runs: readonly RunSpec[]): Left[] => runs.map((spec) => ({ spec, updates: spec.schedule.steps }));
const openIfThere = async (db: string) => await exists(db) ? Lab.open(db, { readOnly: true }) : null;
