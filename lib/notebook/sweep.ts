/**
 * Sweeps in a notebook: a whole experiment in one live figure. What was recorded of it isn't trained again, so that a notebook of an
 * experiment of hours runs in seconds; the rest is trained.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { EXPERIMENTS } from "../studies/mod.ts";
import { type BoardOptions, sweepBoard } from "../figures/sweep.ts";
import type { Figure } from "../figures/theme.ts";
import { withoutAttention, withoutWeights } from "../lab/attention.ts";
import { checkExperiment, type Experiment } from "../lab/experiment.ts";
import { exportRecorded } from "../lab/record/export.ts";
import { importRecorded } from "../lab/record/import.ts";
import { SENT } from "../lab/record/artifacts.ts";
import { writeWhole } from "../run/files.ts";
import { FILES } from "../lab/record/files.ts";
import { standingOf } from "../lab/overview.ts";
import { Lab, type StoredRun } from "../lab/store.ts";
import { left, sweep as sweepLab, type SweptRun } from "../lab/sweep.ts";
import { COMPILING, Pace } from "./pace.ts";
import { engine, interruptible, live } from "./show.ts";
import type { News } from "../train/train.ts";
import type { Engine } from "../engine/engine.ts";
import type { BoardRun } from "../analysis/runs/run.ts";

const DATA = fileURLToPath(new URL("../../data/", import.meta.url));
/** The project's own lab. */
const LAB = join(DATA, "lab.db");
/** What was recorded, each experiment in a folder of its name. */
export const RECORDED = join(DATA, "recorded");

/**
 * Set to a folder, it makes notebooks record: sweeps of experiments with a name take nothing from the record, train all of it into a lab in
 * this folder, and leave there what is to be recorded, in a folder of the experiment's name. `deno task notebooks --record` sets it.
 */
export const RECORD = "GROKBOOK_RECORD";
/**
 * While recording, how many seconds an experiment may train; without it, until all its runs have ended. `deno task notebooks --budget` sets
 * it.
 */
export const BUDGET = "GROKBOOK_BUDGET";
/** While recording, a file of an experiment's name and this says in a line how far it is, where it isn't whole. */
export const UNFINISHED = ".unfinished";

export interface NotebookSweep extends Pick<BoardOptions, "x"> {
  /** The lab's database, made where there is none. Default: the project's, `data/lab.db`. */
  readonly db?: string;
  /**
   * Where results are recorded, each experiment's in a folder of its name; `false` trains whatever the lab doesn't have. Default:
   * `data/recorded`.
   */
  readonly recorded?: string | false;
  /** Default: `engine()`. */
  readonly engine?: Engine;
  /** The figure that moves; by default `sweepBoard`. `null`: none. */
  readonly figure?: ((runs: readonly BoardRun[], options: BoardOptions) => Figure) | null;
  /**
   * The experiment is these runs and no others: what the lab has of it beside them, from an earlier grid of its name, stays stored, but is
   * no part of it any more. By default, runs only ever join.
   */
  readonly exactly?: boolean;
  /** After every piece of work: the evaluations that are new, and all runs of the experiment. */
  readonly onProgress?: (news: readonly News[], runs: readonly SweptRun[]) => void | Promise<void>;
}

/**
 * Trains the runs of an experiment that neither the lab nor the record has, and shows the whole of it in a live figure. The interrupt
 * button stops it; what is done is kept, and the next call goes on from there.
 * @param experiment one of your own, or the name of one of `EXPERIMENTS`.
 * @returns the lab with all that was done, open for reading.
 * @throws Error in one line where the lab can't be opened, the record can't be read or the engine fails.
 */
export async function sweep(experiment: Experiment | string, options: NotebookSweep = {}): Promise<Lab> {
  const { engine: given, figure = sweepBoard, onProgress, x, exactly = false } = options;
  const wanted = typeof experiment === "string" ? named(experiment) : experiment;
  const folder = EXPERIMENTS.some(({ name }) => name === wanted.name) ? Deno.env.get(RECORD) : undefined;
  const { db = LAB, recorded = RECORDED } = folder ? { db: join(folder, "lab.db"), recorded: false as const } : options;
  checkExperiment(wanted);
  const lab = Lab.open(db), deadline = folder === undefined ? undefined : deadlineOf(wanted);
  try {
    if (recorded !== false) await takeRecorded(lab, wanted, join(recorded, wanted.name));
    lab.declare(wanted, { exactly });
    const moving = figure ? live((runs: readonly BoardRun[]) => figure(runs, x ? { x } : {})) : null;
    await moving?.update(standingOf(lab, wanted), left(lab, wanted).length > 0 ? COMPILING : undefined);
    if (left(lab, wanted).length > 0) {
      const on = given ?? await engine(),
        pace = new Pace({
          mayEndEarly: (wanted.margin ?? null) !== null,
          goesOn: true,
          work: (spec) => on.cost(spec).flop,
        });
      const runs = await interruptible(async (signal) =>
        await sweepLab(wanted, {
          lab,
          engine: on,
          signal,
          command: `sweep of ${wanted.name} in a notebook`,
          ...deadline !== undefined && { deadline },
          onProgress: async (news, runs) => {
            pace.look(runs);
            await moving?.update(runs, pace.training(runs));
            await onProgress?.(news, runs);
          },
        })
      );
      await moving?.done(runs, pace.ended(runs));
    } else await moving?.done();
    if (folder) await leave(lab, wanted, folder);
  } finally {
    lab.close();
  }
  return Lab.open(db, { readOnly: true });
}

/** When an experiment's time is over, by the clock of performance.now(): it begins when the notebook first asks for it. */
const deadlines = new Map<string, number>();

function deadlineOf({ name }: Experiment): number | undefined {
  const seconds = Deno.env.get(BUDGET);
  if (seconds === undefined) return undefined;
  if (!deadlines.has(name)) deadlines.set(name, performance.now() + 1000 * Number(seconds));
  return deadlines.get(name);
}

/** Leaves an experiment to be recorded where it is whole, a line about it where not. */
async function leave(lab: Lab, experiment: Experiment, folder: string): Promise<void> {
  const { name, runs, watch } = experiment, open = left(lab, experiment).length, note = join(folder, name + UNFINISHED);
  if (open > 0) return await writeWhole(note, `${runs.length - open} of ${runs.length} runs have ended`);
  await exportRecorded(lab, name, join(folder, name), {
    metrics: "thin",
    files: SENT.filter((kind) => watch?.[kind] !== undefined),
    command: "deno task notebooks --record",
  });
  await rm(note, { force: true });
}

/**
 * What the lab and the record have of an experiment, be it all or not; trains nothing. What is missing, `sweep` trains.
 * @returns the lab, open for reading.
 * @throws Error in one line where the lab can't be opened or the record can't be read.
 */
export async function recorded(experiment: Experiment | string, options: Omit<NotebookSweep, "figure" | "x"> = {}): Promise<Lab> {
  // Where all is recorded anew, there is nothing yet to look at.
  if (Deno.env.get(RECORD)) return await sweep(experiment, { ...options, figure: null });
  return await found(typeof experiment === "string" ? named(experiment) : experiment, options);
}

/**
 * The runs that `recorded` has of some experiments with all their evaluations, those that several share once. @throws Error where
 * `recorded` does.
 */
export async function recordedRuns(
  experiments: readonly (Experiment | string)[],
  options: Omit<NotebookSweep, "figure" | "x"> = {},
): Promise<StoredRun[]> {
  const runs = new Map<number, StoredRun>();
  for (const experiment of experiments) {
    using lab = await recorded(experiment, options);
    for (const run of lab.runs(typeof experiment === "string" ? experiment : experiment.name)) runs.set(run.id, run);
  }
  return [...runs.values()];
}

/**
 * Whether every run of an experiment is done, in the lab or the record: so that a notebook can choose, of two experiments with one
 * question, the larger one where somebody had the machine for it. Trains nothing.
 * @throws Error where `recorded` does.
 */
export async function done(experiment: Experiment | string, options: Pick<NotebookSweep, "db" | "recorded"> = {}): Promise<boolean> {
  const wanted = typeof experiment === "string" ? named(experiment) : experiment;
  using lab = await found(wanted, options);
  return left(lab, wanted).length === 0;
}

/** The first of some lists of experiments of which all are `done`; the last list, where none is so. @throws Error where `recorded` does. */
export async function firstDone(...choices: readonly (readonly Experiment[])[]): Promise<readonly Experiment[]> {
  for (const choice of choices.slice(0, -1)) {
    const all = await Promise.all(choice.map((experiment) => done(experiment)));
    if (all.every((whole) => whole)) return choice;
  }
  return choices.at(-1) ?? [];
}

/** Of those experiments that are `done`, the runs, by name. @throws Error where `recorded` does. */
export async function recordedWhole(
  experiments: readonly Experiment[],
  options: Omit<NotebookSweep, "figure" | "x"> = {},
): Promise<Record<string, readonly StoredRun[]>> {
  const whole: Record<string, readonly StoredRun[]> = {};
  for (const experiment of experiments) {
    if (await done(experiment, options)) whole[experiment.name] = await recordedRuns([experiment], options);
  }
  return whole;
}

/**
 * What the lab and the record have of an experiment, as it is: unlike `recorded`, it trains nothing while all is recorded anew, either. For
 * results that take days, beside those that a notebook makes.
 * @returns the lab, open for reading.
 * @throws Error where `recorded` does.
 */
export const stored = (experiment: Experiment | string, options: Pick<NotebookSweep, "db" | "recorded"> = {}): Promise<Lab> =>
  found(typeof experiment === "string" ? named(experiment) : experiment, options);

async function found(wanted: Experiment, { db = LAB, recorded = RECORDED }: Pick<NotebookSweep, "db" | "recorded">): Promise<Lab> {
  checkExperiment(wanted);
  const lab = Lab.open(db);
  try {
    if (recorded !== false) await takeRecorded(lab, wanted, join(recorded, wanted.name));
    lab.declare(wanted);
  } finally {
    lab.close();
  }
  return Lab.open(db, { readOnly: true });
}

function named(name: string): Experiment {
  const found = EXPERIMENTS.find((experiment) => experiment.name === name);
  if (found) return found;
  const names = EXPERIMENTS.map((experiment) => experiment.name).join(", ");
  throw new Error(`Cannot sweep: the experiment must be one of ${names}, current value is ${JSON.stringify(name)}`);
}

/** Enters what was recorded of an experiment, where there is such a record and the lab doesn't have all of it. */
async function takeRecorded(lab: Lab, experiment: Experiment, folder: string): Promise<void> {
  if ([left, withoutAttention, withoutWeights].every((lacking) => lacking(lab, experiment).length === 0)) return;
  try {
    await Deno.stat(join(folder, FILES.experiment));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  await importRecorded(lab, folder);
}
