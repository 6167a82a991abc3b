/** `deno task sweep --status`: how far a sweep is, on this machine or spread over tasks. Nothing is written. */
import { join, resolve } from "node:path";
import { count } from "../analysis/words.ts";
import { oneLine } from "./main.ts";
import type { Experiment } from "../lab/experiment.ts";
import { asPlanned } from "../lab/sweep.ts";
import { isSilent, labStatus, type Progress, type Rate, timeLeft, together } from "../lab/status.ts";
import { Lab } from "../lab/store.ts";
import { exists, here, readJson } from "./files.ts";
import { bar, duration, figure, percent, plural } from "./progress.ts";
import { taskName } from "./scripts.ts";
import { hasSlurm, type Queued, queuedTasks } from "./slurm.ts";
import type { TaskStatus } from "./status_file.ts";
import { moreRuns } from "./sweep_notes.ts";
import { tallyOf } from "./sweep_progress.ts";
import { type Plan, readPlan, taskFiles, tasksFolder } from "./tasks.ts";

/**
 * The status of an experiment's sweep, in lines. Where the lab's experiment of its name has more steps, it counts to these; where
 * tasks train it, to the steps that these were sent with.
 * @param exactly whether it counts to the experiment's own steps all the same.
 * @param whole the experiment with the runs of all parts.
 * @throws Error in one line where there is neither a lab nor a task of it.
 */
export async function sweepStatus(experiment: Experiment, db: string, exactly = false, whole = experiment): Promise<string> {
  const folder = tasksFolder(db, experiment.name), plan = await readPlan(folder);
  if (plan.tasks.length > 0) return await ofTasks(experiment, folder, plan);
  if (!await exists(db)) {
    throw new Error(`Cannot show the status of ${experiment.name}: ${here(resolve(db))} must be there, there is none`);
  }
  using lab = Lab.open(db, { readOnly: true });
  const planned = asPlanned(lab, experiment), { workers, ...progress } = labStatus(lab, exactly ? experiment : planned);
  const running = workers.filter(({ state }) => state === "running"), parts = [{ ...progress, rate: rateOf(running) }];
  return [
    `${experiment.name}: ${plural(experiment.runs.length, "run")} in ${here(resolve(db))}`,
    ...lines(progress, parts),
    ...planned === experiment ? [] : [exactly ? fewerSteps(experiment, planned) : moreSteps(experiment, planned)],
    ...moreRuns(lab, whole),
    ...workers.map(({ name, state, seenAt }) => `${name}: ${state === "running" ? state : `${state}, last seen ${ago(seenAt)}`}`),
  ].join("\n");
}

/** Says that counts are those at the steps of an experiment of which the lab has more. */
export function fewerSteps(asked: Experiment, planned: Experiment): string {
  const { own, labs } = stepsOf(asked, planned);
  return `The lab has this experiment to step ${labs}: these counts are those at step ${own}, its views count to step ${labs}.`;
}

/** Says that counts are those at the lab's steps, which are more than the experiment's own. */
function moreSteps(asked: Experiment, planned: Experiment): string {
  const { own, labs } = stepsOf(asked, planned);
  return `The lab has this experiment to step ${labs}: these counts are those at step ${labs}, not ${own}; --steps N gives those at step N.`;
}

/** The steps of the runs of which the lab has more, and the lab's. */
function stepsOf(asked: Experiment, planned: Experiment): { readonly own: string; readonly labs: string } {
  const longer = [...asked.runs.keys()].filter((i) => planned.runs[i] !== asked.runs[i]);
  const word = ({ runs }: Experiment) => {
    const steps = longer.map((i) => runs[i].schedule.steps).sort((a, b) => a - b), [least, most] = [steps[0], steps.at(-1)!];
    return least === most ? count(most) : `${count(least)} to ${count(most)}`;
  };
  return { own: word(asked), labs: word(planned) };
}

/** The state of a task, from its status file and from Slurm's queue. */
type Standing = "done" | "running" | "starting" | "queued" | "stopped" | "failed" | "silent" | "killed" | "lost" | "not begun";

async function ofTasks(experiment: Experiment, folder: string, plan: Plan): Promise<string> {
  const { arrays } = plan.jobs;
  const queue = arrays.length > 0 && await hasSlurm() ? await queuedTasks(arrays).catch(oneLine) : [];
  const asked = arrays.length > 0 && typeof queue !== "string", queued = new Map(asked ? queue.map((each) => [each.index, each]) : []);
  const tasks = await Promise.all(plan.tasks.map(async (planned, index) => {
    const path = taskFiles(folder, index).status, file = await exists(path) ? await readJson("the status", path) as TaskStatus : null;
    const standing = standingOf(file, queued.get(index), asked), lives = standing === "running";
    const progress = file && file.updates.of > 0 ? file : planned, { states } = progress;
    return {
      ...progress,
      ...!lives && { states: { ...states, running: 0, waiting: states.waiting + states.running } },
      ...{ index, file, standing, rate: lives ? file!.rate : null, note: queued.get(index)?.note },
    };
  }));
  const all = together(tasks),
    planned = Object.values(all.states).reduce((sum, n) => sum + n, 0),
    outside = experiment.runs.length - planned;
  const counts = Map.groupBy(tasks, ({ standing }) => standing);
  return [
    `${experiment.name}: ${plural(planned, "run")} in ${plural(tasks.length, "task")}` +
    `${outside > 0 ? `; ${plural(outside, "run")} in none: done before, or not sent yet` : ""}`,
    ...lines(all, tasks),
    `tasks: ${[...counts].map(([word, { length }]) => `${length} ${word}`).join(", ")}`,
    ...typeof queue === "string" ? [queue] : [],
    ...tasks.flatMap(({ index, file, standing, note }) => {
      const what = trouble(folder, index, standing, file, note);
      return what === null ? [] : [`task ${taskName(index)}: ${what}`];
    }),
    ...counts.has("stopped") || counts.has("killed") || counts.has("lost") || counts.has("failed")
      ? ["The command that sent them submits what is missing."]
      : [],
  ].join("\n");
}

/** @param asked whether the queue is known, and these tasks were submitted to it. */
export function standingOf(file: TaskStatus | null, queued: Queued | undefined, asked: boolean): Standing {
  if (queued?.state === "PENDING") return "queued";
  if (queued) return file?.state !== "running" ? "starting" : isSilent(file.seenAt) ? "silent" : "running";
  if (file === null) return asked ? "lost" : "not begun";
  if (file.state !== "running") return file.state;
  return asked ? "killed" : isSilent(file.seenAt) ? "silent" : "running";
}

function trouble(folder: string, index: number, standing: Standing, file: TaskStatus | null, note?: string): string | null {
  const log = here(taskFiles(folder, index).log), seen = file ? `last seen ${ago(file.seenAt)} on ${file.host}` : "";
  switch (standing) {
    case "silent":
      return `silent, ${seen}; it may hang: ${log}`;
    case "killed":
      return `killed, ${seen}: ${log}`;
    case "lost":
      return `ended before it began; is ${join(folder, "logs")} there on all nodes? ${log}`;
    case "failed":
      return `failed on ${file!.host}: ${file!.error}`;
    case "queued":
      // A word on what holds it up, where it isn't just its turn.
      return note && !/^\((None|Priority|Resources|BeginTime|Dependency)\)$/.test(note) ? `waits ${note}` : null;
    default:
      return null;
  }
}

/** Progress, states, and how long it will take. */
function lines(progress: Progress, parts: Parameters<typeof timeLeft>[0]): string[] {
  const { states, updates, work } = progress, left = timeLeft(parts), rate = rateOf(parts);
  const share = work.of === 0 ? 1 : work.done / work.of;
  return [
    `${bar(share)} ${percent(share)} of the work  ${tallyOf(states)}`,
    [
      `${updates.done.toLocaleString("en")} of ${updates.of.toLocaleString("en")} updates`,
      ...rate ? [`${figure(rate.updates)} a second`] : [],
      ...left === null || work.done >= work.of ? [] : [`at most about ${duration(left)} left`],
    ].join(", "),
  ];
}

function rateOf(parts: readonly { readonly rate: Rate | null }[]): Rate | null {
  const rates = parts.flatMap(({ rate }) => rate ?? []);
  if (rates.length === 0) return null;
  return { updates: rates.reduce((sum, each) => sum + each.updates, 0), work: rates.reduce((sum, each) => sum + each.work, 0) };
}

const ago = (time: string) => `${duration((Date.now() - Date.parse(time)) / 1000)} ago`;
