/**
 * Sweeps in a notebook: a whole experiment in one live figure. Recorded runs aren't trained again, so that the notebook of an experiment of
 * hours runs in seconds; the rest is trained.
 */
import { rm } from "node:fs/promises";
import { basename, join } from "node:path";
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
import { Lab } from "../lab/store.ts";
import type { StoredRun } from "../lab/stored.ts";
import { left, standing, sweep as sweepLab, type SweptRun } from "../lab/sweep.ts";
import { COMPILING, Pace } from "./pace.ts";
import { engine, interruptible, live, note } from "./show.ts";
import type { News } from "../train/train.ts";
import type { Engine } from "../engine/engine.ts";
import type { BoardRun } from "../analysis/runs/run.ts";

const DATA = fileURLToPath(new URL("../../data/", import.meta.url));
/** Environment variable: the database that notebooks use in place of the project's lab. Tests set it, so that they see records alone. */
export const LAB_FILE = "GROKBOOK_NOTEBOOK_LAB";
const LAB = Deno.env.get(LAB_FILE) || join(DATA, "lab.db");
/**
 * Environment variable: a folder in which databases that cells name (`db`) are then made anew. Who runs the project's own notebooks without
 * a reader sets it: the template names a database in which its copies keep their studies.
 */
export const LABS = "GROKBOOK_NOTEBOOK_LABS";

/** The file of the database that a cell names, or of the project's. */
function fileOf(db: string | undefined): string {
  const folder = Deno.env.get(LABS);
  return db !== undefined && folder ? join(folder, basename(db)) : db ?? LAB;
}

/** The folder of records, each experiment in a folder of its name. */
export const RECORDED = join(DATA, "recorded");

/**
 * Environment variable with a folder, in which notebooks then record: sweeps of the experiments in `EXPERIMENTS` use no earlier record,
 * train everything into a lab in this folder, and write the new record into a folder of the experiment's name there. `deno task notebooks
 * --record` sets it.
 */
export const RECORD = "GROKBOOK_RECORD";
/**
 * Environment variable: how many seconds an experiment may train while recording; without it, until all its runs have ended. `deno task
 * notebooks --budget` sets it.
 */
export const BUDGET = "GROKBOOK_BUDGET";
/** Suffix of the file, named after an experiment, that says in one line how much of its recording is done, while it isn't complete. */
export const UNFINISHED = ".unfinished";

export interface NotebookSweep extends Pick<BoardOptions, "x"> {
  /** The lab's database, created if missing. Default: the project's, `data/lab.db`. */
  readonly db?: string;
  /**
   * The folder of records, each experiment in a folder of its name; `false` uses no record, and trains whatever the lab lacks. Default:
   * `data/recorded`.
   */
  readonly recorded?: string | false;
  /** Default: `engine()`. */
  readonly engine?: Engine;
  /** The live figure; `null` for none. Default: `sweepBoard`. */
  readonly figure?: ((runs: readonly BoardRun[], options: BoardOptions) => Figure) | null;
  /**
   * Whether the experiment is exactly these runs: other runs in the lab, from an earlier grid of the same name, stay stored, but no longer
   * belong to it; a line says how many these are. Default: false, which only adds runs.
   */
  readonly exactly?: boolean;
  /** Called after every piece of work, with the new evaluations and all runs of the experiment. */
  readonly onProgress?: (news: readonly News[], runs: readonly SweptRun[]) => void | Promise<void>;
}

/**
 * Trains the runs of an experiment that neither the lab nor the record has, and shows the whole experiment in a live figure. The interrupt
 * button stops it; what is done is stored, and the next call resumes there.
 * @param experiment one of your own, or the name of one of `EXPERIMENTS`.
 * @returns the lab with all results, open for reading.
 * @throws Error, of one line, where the experiment is unknown or invalid, the lab can't be opened, the record can't be read or the engine
 * fails.
 */
export async function sweep(experiment: Experiment | string, options: NotebookSweep = {}): Promise<Lab> {
  const { engine: given, figure = sweepBoard, onProgress, x, exactly = false } = options;
  const wanted = asExperiment(experiment);
  const folder = EXPERIMENTS.some(({ name }) => name === wanted.name) ? Deno.env.get(RECORD) : undefined;
  const [db, { recorded = RECORDED }] = folder ? [join(folder, "lab.db"), { recorded: false as const }] : [fileOf(options.db), options];
  checkExperiment(wanted);
  const lab = Lab.open(db), deadline = folder === undefined ? undefined : deadlineOf(wanted);
  try {
    const before = exactly ? membersOf(lab, wanted) : [];
    if (recorded !== false) await takeRecorded(lab, wanted, join(recorded, wanted.name));
    const asked = new Set(lab.declare(wanted, { exactly })), others = before.filter((run) => !asked.has(run)).length;
    if (others > 0) note(takenOut(wanted, others));
    const moving = figure ? live((runs: readonly BoardRun[]) => figure(runs, x ? { x } : {})) : null;
    await moving?.update(standing(lab, wanted).map(({ run }) => run), left(lab, wanted).length > 0 ? COMPILING : undefined);
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

/** The ids of the runs that an experiment has so far. */
const membersOf = (lab: Lab, { name }: Experiment): number[] =>
  lab.query<{ run: number }>("SELECT run FROM members WHERE experiment = (SELECT id FROM experiments WHERE name = ?)", name)
    .map(({ run }) => run);

const takenOut = ({ name }: Experiment, runs: number): string =>
  `${name}: ${runs} ${runs === 1 ? "run" : "runs"} of other grids of this name in the lab no longer counted; all that was trained stays ` +
  "stored, and a sweep of those grids counts it again";

/** When an experiment's budget ends, in ms of performance.now(); it starts when the notebook first sweeps the experiment. */
const deadlines = new Map<string, number>();

function deadlineOf({ name }: Experiment): number | undefined {
  const seconds = Deno.env.get(BUDGET);
  if (seconds === undefined) return undefined;
  if (!deadlines.has(name)) deadlines.set(name, performance.now() + 1000 * Number(seconds));
  return deadlines.get(name);
}

/** Writes the record of a complete experiment; of an incomplete one, one line about its progress. */
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
 * The runs of an experiment that the lab and the record have, complete or not. Trains nothing, except while notebooks record (`RECORD`):
 * then it sweeps without a figure.
 * @returns the lab, open for reading.
 * @throws Error in one line where the lab can't be opened or the record can't be read.
 */
export async function recorded(experiment: Experiment | string, options: Omit<NotebookSweep, "figure" | "x"> = {}): Promise<Lab> {
  // While recording, there is no earlier record to read.
  if (Deno.env.get(RECORD)) return await sweep(experiment, { ...options, figure: null });
  return await found(asExperiment(experiment), options);
}

type Stored = Pick<NotebookSweep, "db" | "recorded">;

/**
 * The runs of some experiments, by `recorded`, with all their evaluations. A run that several experiments share comes once, as that one has
 * it which watches it longest, of several the one that plans most steps. @throws Error where `recorded` does.
 */
export const recordedRuns = (experiments: readonly (Experiment | string)[], options: Omit<NotebookSweep, "figure" | "x"> = {}) =>
  runsOf(experiments, (experiment) => recorded(experiment, options));

/** The same runs by `stored`, which trains nothing. @throws Error where `stored` does. */
export const storedRuns = (experiments: readonly (Experiment | string)[], options: Stored = {}) =>
  runsOf(experiments, (experiment) => stored(experiment, options));

async function runsOf(
  experiments: readonly (Experiment | string)[],
  open: (experiment: Experiment) => Promise<Lab>,
): Promise<StoredRun[]> {
  const runs = new Map<number, StoredRun>(), labs: { readonly lab: Lab; readonly name: string }[] = [];
  try {
    // All before any is read: opening one may bring in runs that another has, too.
    for (const experiment of experiments.map(asExperiment)) labs.push({ lab: await open(experiment), name: experiment.name });
    for (const run of labs.flatMap(({ lab, name }) => lab.runs(name))) {
      const other = runs.get(run.id);
      if (!other || longer(run, other)) runs.set(run.id, run);
    }
  } finally {
    for (const { lab } of labs) lab.close();
  }
  return [...runs.values()];
}

/** Whether a run was watched longer than in another view of it, or as long with more steps planned. */
const longer = (run: StoredRun, other: StoredRun) =>
  run.step > other.step || (run.step === other.step && run.spec.schedule.steps > other.spec.schedule.steps);

/**
 * Whether every run of an experiment is done, in the lab or the record: so that a notebook can choose the larger of two experiments on the
 * same question where it has been run. Trains nothing.
 * @throws Error where `recorded` does.
 */
export async function done(experiment: Experiment | string, options: Stored = {}): Promise<boolean> {
  const wanted = asExperiment(experiment);
  using lab = await found(wanted, options);
  return left(lab, wanted).length === 0;
}

/** The first list whose experiments are all `done`; where there is none, the last list. @throws Error where `recorded` does. */
export async function firstDone(...choices: readonly (readonly Experiment[])[]): Promise<readonly Experiment[]> {
  for (const choice of choices.slice(0, -1)) {
    const all = await Promise.all(choice.map((experiment) => done(experiment)));
    if (all.every((whole) => whole)) return choice;
  }
  return choices.at(-1) ?? [];
}

/**
 * The runs of an experiment that the lab and the record have; unlike `recorded`, it trains nothing even while notebooks record. For results
 * that take days to train, shown beside those that the notebook trains.
 * @returns the lab, open for reading.
 * @throws Error where `recorded` does.
 */
export const stored = (experiment: Experiment | string, options: Stored = {}): Promise<Lab> => found(asExperiment(experiment), options);

async function found(wanted: Experiment, options: Stored): Promise<Lab> {
  const db = fileOf(options.db), { recorded = RECORDED } = options;
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

function asExperiment(experiment: Experiment | string): Experiment {
  if (typeof experiment !== "string") return experiment;
  const found = EXPERIMENTS.find(({ name }) => name === experiment);
  if (found) return found;
  const names = EXPERIMENTS.map(({ name }) => name).join(", ");
  throw new Error(`Cannot sweep: the experiment must be one of ${names}, current value is ${JSON.stringify(experiment)}`);
}

/** Imports the record of an experiment into the lab, where there is one and the lab lacks some of it. */
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
