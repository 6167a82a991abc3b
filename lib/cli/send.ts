/**
 * `deno task sweep --slurm` and `--tasks`: an experiment dealt out to tasks, their scripts, and on a cluster the jobs that run and merge
 * them.
 */
import { dirname, join, resolve } from "node:path";
import { makeFolder, reason, removeEmpty, writeAll } from "../run/files.ts";
import { quote } from "../run/quote.ts";
import { specHash } from "../run/spec.ts";
import type { Experiment } from "../lab/experiment.ts";
import { assertOwnFolder } from "../lab/database.ts";
import { updateCost } from "../lab/shards.ts";
import { openRuns } from "../lab/status.ts";
import { Lab } from "../lab/store.ts";
import { dbFlag, exists, here } from "./files.ts";
import { type Flag, type Given, seconds, whole } from "./flags.ts";
import { ROOT } from "./process.ts";
import { percent, plural } from "./progress.ts";
import { quoted } from "../run/command.ts";
import { arrayScript, localScript, mergeScript, type Resources, type ScriptOptions } from "./scripts.ts";
import { cancel, checkSlurm, hasSlurm, jobState, queuedTasks, ranges, submit } from "./slurm.ts";
import { say, tell } from "./terminal.ts";
import {
  assertTaken,
  filesOfScripts,
  filesOfTasks,
  type Plan,
  planFile,
  readPlan,
  type Task,
  tasksFolder,
  tasksOf,
  type TasksOptions,
} from "./tasks.ts";

export interface Sending {
  /** How many tasks the runs are dealt out to that no task has yet. */
  readonly tasks: number;
  /** Submits them. Without it, the files are written and that is all. */
  readonly slurm: boolean;
  readonly resources: Resources;
  /** Says what would be done, and writes nothing. */
  readonly dryRun: boolean;
  /** Flags that each task's sweep gets as well. */
  readonly more: readonly string[];
  /** The flags that name the experiment. */
  readonly named: readonly string[];
}

/** The flags of `deno task sweep` that say so. */
export const SENDING: Record<string, Flag> = {
  "slurm": {
    help: "submit it to a cluster: an array of tasks, each with a lab of its own, and a job that merges them; again: what is missing",
  },
  "tasks": { value: "N", help: "how many tasks; without --slurm, writes them and scripts for one machine or GNU parallel [32]" },
  "partition": { value: "NAME", help: "with --slurm: where they run" },
  "time": { value: "TIME", help: "with --slurm: how long a task may run before it goes back into the queue; whole minutes" },
  "cpus": { value: "N", help: "with --slurm: cores of a task" },
  "gpus": { value: "N", help: "with --slurm: cards of a task" },
  "status-file": { value: "FILE", help: "where a task writes now and then how far it is" },
};

/** Flags that make no sense beside tasks. */
const APART = ["boundary", "shard", "limit", "budget", "status", "status-file"];

/** What the flags say of tasks. @throws Error in one line. */
export function readSending(given: Given): Sending | undefined {
  const slurm = given.has("slurm"), text = (name: string) => given.get(name) as string | undefined;
  const alone = ["partition", "time", "cpus", "gpus"].find((name) => given.has(name));
  if (!slurm && alone !== undefined) throw new Error(`Cannot use --${alone} without --slurm: must have both`);
  if (!slurm && !given.has("tasks")) return undefined;
  const apart = APART.find((name) => given.has(name));
  if (apart !== undefined) throw new Error(`Cannot use --${apart} with ${slurm ? "--slurm" : "--tasks"}: must be one of them`);
  const partition = text("partition");
  if (partition !== undefined && !/^[\w.-]+(,[\w.-]+)*$/.test(partition)) {
    throw new Error(`Cannot read --partition: must be a name or several with commas, current value is ${quote(partition)}`);
  }
  const number = (name: string) => given.has(name) ? { [name]: whole(name, text(name)!, 1) } : {};
  return {
    slurm,
    tasks: whole("tasks", text("tasks") ?? "32", 1),
    dryRun: given.has("dry-run"),
    resources: {
      ...partition !== undefined && { partition },
      ...given.has("time") && { minutes: minutes(text("time")!) },
      ...number("cpus"),
      ...number("gpus"),
    },
    more: ["engine", "threads", "save-every"].flatMap((name) => given.has(name) ? [`--${name}`, text(name)!] : []),
    named: ["experiment", "grid", "steps"].flatMap((name) =>
      given.has(name) ? [`--${name}`, name === "grid" ? resolve(text(name)!) : text(name)!] : []
    ),
  };
}

/** The most that --time may be: a year. */
const YEAR = 365 * 24 * 60;

/** What --time says, in minutes. @throws Error in one line. */
function minutes(text: string): number {
  const value = seconds("time", text) / 60;
  if (!(Number.isInteger(value) && value <= YEAR)) {
    throw new Error(`Cannot read --time: must be whole minutes, from 1m to ${YEAR / 60}h, current value is ${quote(text)}`);
  }
  return value;
}

/** @returns the exit code. @throws Error in one line. */
export async function send(experiment: Experiment, db: string, sending: Sending): Promise<number> {
  const { slurm, dryRun, resources } = sending;
  if (!await exists(dirname(resolve(db)))) {
    throw new Error(`Cannot write tasks beside ${db}: ${dirname(resolve(db))} must be a folder that all nodes share, there is none`);
  }
  try {
    assertOwnFolder(db);
  } catch (error) {
    throw new Error(`Cannot write tasks beside ${db}: ${reason(error)}`);
  }
  if (slurm && !dryRun) await checkSlurm(resources.partition);
  const folder = tasksFolder(db, experiment.name), plan = await readPlan(folder), { arrays, merge } = plan.jobs;
  const queued = arrays.length > 0 && await hasSlurm() ? await queuedTasks(arrays) : [];
  const merging = merge !== null && await hasSlurm() ? await jobState(merge) : null;
  if (merging !== null && merging !== "PENDING") {
    throw new Error(
      `Cannot send ${experiment.name}: its merge, job ${merge}, must have ended, it is ${merging}; the same command afterwards`,
    );
  }
  const busy = new Set(queued.map(({ index }) => index));
  const tasks = await tasksOf(experiment, plan, { db, count: sending.tasks, busy });
  if (tasks.length === 0) {
    tell(`Nothing to send: ${here(resolve(db))} has all of ${experiment.name}.`);
    return 0;
  }
  await assertTaken(db, tasks);
  const missing = tasks.filter(({ open }) => open.length > 0).map(({ index }) => index);
  const options: ScriptOptions = {
    ...sending,
    experiment: experiment.name,
    folder,
    db: resolve(db),
    checkout: ROOT,
    deno: Deno.execPath(),
  };
  const scripts = {
    "array.sh": arrayScript(options),
    "merge.sh": mergeScript(options),
    "local.sh": localScript(options, tasks.length),
  };
  tell(summary(experiment, tasks, busy));
  if (dryRun) {
    tell(
      `\nOf these would be ${slurm ? "submitted" : "written"}: ${ranges(missing) || "none"}. The script of a task:\n\n${
        scripts["array.sh"]
      }`,
    );
    return 0;
  }
  const { plan: next, kept } = await write(experiment, tasks, scripts, plan, { db, busy });
  for (const name of kept) {
    say(`${here(join(folder, name))} was changed by hand and stays; without it, the command writes a new one`);
  }
  const watch = `deno task sweep ${[...sending.named.map(quoted), ...dbFlag(db)].join(" ")} --status`;
  if (slurm) await submitMissing(experiment, db, { plan: next, folder, missing, busy, merging });
  else tell(byHand(folder, tasks.length));
  tell(`To watch: ${watch}${slurm ? `, squeue -n grokbook-${experiment.name}` : ""}`);
  return 0;
}

/** Writes tasks, scripts and plan, all or none. @returns the plan, and the names of scripts that stay as they were changed by hand. */
async function write(
  experiment: Experiment,
  tasks: readonly Task[],
  scripts: Readonly<Record<string, string>>,
  plan: Plan,
  place: Pick<TasksOptions, "db" | "busy">,
): Promise<{ readonly plan: Plan; readonly kept: readonly string[] }> {
  const folder = tasksFolder(place.db, experiment.name), made: string[] = [];
  try {
    for (const each of ["tasks", "labs", "status", "logs"]) await makeFolder(join(folder, each), made);
    const { entries, files } = await filesOfTasks(experiment, tasks, plan, place);
    const { files: texts, sums, kept } = await filesOfScripts(folder, scripts, plan.scripts);
    const next: Plan = { ...plan, tasks: entries, scripts: sums };
    await writeAll([...files, ...texts, planFile(folder, next)]);
    return { plan: next, kept };
  } catch (error) {
    await removeEmpty(made);
    throw error;
  }
}

const writePlan = (folder: string, plan: Plan) => writeAll([planFile(folder, plan)]);

interface Submission {
  readonly plan: Plan;
  readonly folder: string;
  readonly missing: readonly number[];
  readonly busy: ReadonlySet<number>;
  /** What Slurm says of the merge that was submitted last. */
  readonly merging: string | null;
}

/** Submits what is missing, and the merge of all that is then in the queue. */
async function submitMissing(experiment: Experiment, db: string, { plan, folder, missing, busy, merging }: Submission): Promise<void> {
  const { arrays, merge } = plan.jobs;
  if (missing.length === 0 && (busy.size > 0 || await isMerged(experiment, db))) {
    tell(
      busy.size > 0
        ? `Nothing to submit: the ${plural(busy.size, "task")} in the queue have all that is left.`
        : `Nothing to submit: ${here(db)} has it all.`,
    );
    return;
  }
  // What waits for the tasks before must wait for these too: no lab is merged while its task has it.
  if (merging === "PENDING") await cancel(merge!);
  const array = missing.length === 0 ? null : await submit(join(folder, "array.sh"), `--array=${ranges(missing)}`);
  const all = array === null ? arrays : [...arrays, array];
  await writePlan(folder, { ...plan, jobs: { arrays: all, merge: null } });
  const dependency = [...(busy.size > 0 ? arrays : []), ...array === null ? [] : [array]];
  const after = dependency.length > 0 ? [`--dependency=afterany:${dependency.join(":")}`] : [];
  const job = await submit(join(folder, "merge.sh"), ...after);
  await writePlan(folder, { ...plan, jobs: { arrays: all, merge: job } });
  if (array !== null) tell(`Submitted ${plural(missing.length, "task")} as job ${array}: ${ranges(missing)}`);
  tell(`Submitted the merge into ${here(db)} as job ${job}${after.length > 0 ? ", which waits for them" : ""}`);
}

/** Whether the lab has all that the experiment asks for. */
async function isMerged(experiment: Experiment, db: string): Promise<boolean> {
  if (!await exists(db)) return false;
  using lab = Lab.open(db, { readOnly: true });
  return openRuns(lab, experiment).length === 0;
}

/** What is dealt out, and how evenly. */
function summary({ name, runs }: Experiment, tasks: readonly Task[], busy: ReadonlySet<number>): string {
  const fresh = tasks.filter((task) => task.fresh), open = tasks.filter((task) => task.open.length > 0 && !busy.has(task.index));
  const planned = new Set(tasks.flatMap((task) => task.runs.map(specHash))),
    done = runs.filter((spec) => !planned.has(specHash(spec))).length;
  const work = fresh.map(({ open }) => open.reduce((sum, { spec, updates }) => sum + updates * updateCost(spec), 0));
  const mean = work.reduce((sum, each) => sum + each, 0) / work.length;
  return [
    `${name}: ${plural(runs.length, "run")}, ${plural(tasks.length, "task")}, ${open.length} with runs left to do` +
    `${busy.size > 0 ? `, ${busy.size} in the queue` : ""}${done > 0 ? `; ${plural(done, "run")} done before` : ""}`,
    ...fresh.length === 0 ? [] : [
      `${plural(fresh.length, "new task")} of ${Math.min(...fresh.map(({ runs }) => runs.length))} to ${
        Math.max(...fresh.map(({ runs }) => runs.length))
      } runs, each with ${percent(Math.min(...work) / mean)} to ${percent(Math.max(...work) / mean)} of the mean work`,
    ],
  ].join("\n");
}

/** How to start the tasks without Slurm. */
function byHand(folder: string, tasks: number): string {
  const script = (name: string) => quoted(here(join(folder, name)));
  return `Written: ${here(folder)}. To train them, and merge their labs afterwards:
  bash ${script("local.sh")} 2                               # on this machine, two tasks at once
  seq 0 ${tasks - 1} | parallel -q -j 2 bash ${script("array.sh")} {} && bash ${script("merge.sh")}   # the same with GNU parallel`;
}
