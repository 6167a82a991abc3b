/**
 * What a notebook cell needs: to show a figure or a table, to watch training or a whole sweep in a figure that moves in place, and to stop it with the
 * interrupt button. Outside Jupyter, showing prints and live figures do nothing, so that a notebook's code also runs as a script.
 */
import { fileURLToPath } from "node:url";
import { inside } from "./analysis/weights.ts";
import { EXPERIMENTS } from "./experiments/mod.ts";
import { type CurveOptions, learningCurves } from "./figures/curves.ts";
import type { DashboardOptions } from "./figures/dashboard.ts";
import { progress } from "./figures/runs.ts";
import type { BoardRun } from "./figures/settings.ts";
import { type BoardOptions, sweepBoard } from "./figures/sweep.ts";
import type { Figure } from "./figures/theme.ts";
import type { Experiment } from "./lab/experiment.ts";
import { Lab } from "./lab/store.ts";
import { sweep as sweepLab, type SweptRun } from "./lab/sweep.ts";
import { type RunSpec, specHash } from "./spec.ts";
import { type News, openEngine, type Run, train, type TrainOptions } from "./train.ts";
import type { Engine, Snapshot } from "./trainer.ts";

/** Deno's Jupyter functions; outside its kernel, where even asking for them throws, nothing. */
function jupyter(): typeof Deno.jupyter | undefined {
  try {
    return Deno.jupyter;
  } catch {
    return undefined;
  }
}
/** The kernel says that it is idle before what was displayed has gone out, and a front end may drop what comes later; so cells wait. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 60));

/** Shows a figure or a dataframe below the cell. Await it. */
export async function show(thing: unknown): Promise<void> {
  const kernel = jupyter();
  if (kernel) await kernel.display(thing);
  else console.log(String(thing));
  await settled();
}

/** A figure that changes in place. */
export interface Live<Data> {
  /** Draws the data if it is time to: a few times a second, and never more than a tenth of the time. */
  update(data: Data): Promise<void>;
  /** Draws the last data given, and waits until it is shown. */
  done(data?: Data): Promise<void>;
}

/** Frames are at least so far apart, in ms, and so many times as far as drawing one takes. */
const FRAME = 400, REST = 10;

/** A figure below the cell, made by `figureOf` from whatever data it is updated with. */
export function live<Data>(figureOf: (data: Data) => unknown): Live<Data> {
  const display_id = crypto.randomUUID();
  let shown = false, next = 0;
  const draw = async (data: Data) => {
    const began = performance.now();
    const figure = figureOf(data);
    await jupyter()?.display(figure, { display_id, update: shown });
    shown = true;
    // Lets the kernel hear the interrupt button, whatever the engine does between two frames.
    await new Promise((resolve) => setTimeout(resolve, 0));
    next = performance.now() + Math.max(FRAME, REST * (performance.now() - began));
  };
  let last: Data | undefined;
  return {
    async update(data) {
      last = data;
      if (performance.now() >= next) await draw(data);
    },
    async done(data = last) {
      if (data !== undefined) await draw(data);
      await settled();
    },
  };
}

/**
 * Runs a task that the interrupt button stops: SIGINT aborts the signal, and the task ends as it sees fit. Without a listener SIGINT
 * would end the kernel, and with it all that the notebook holds.
 */
export async function interruptible<T>(task: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stop = () => controller.abort();
  Deno.addSignalListener("SIGINT", stop);
  try {
    return await task(controller.signal);
  } finally {
    Deno.removeSignalListener("SIGINT", stop);
  }
}

let opened: Promise<Engine> | undefined;
/** The engine of this notebook: opened once, WebGPU where there is an adapter, else TensorFlow.js. */
export const engine = (): Promise<Engine> => opened ??= openEngine();

export interface WatchOptions extends Pick<TrainOptions, "untilGrokked" | "rule" | "begin">, Pick<CurveOptions, "x"> {
  /** Default: `engine()`. */
  readonly engine?: Engine;
  /** The figure that moves; by default accuracy over steps. */
  readonly figure?: (runs: readonly Run[], options: DashboardOptions) => Figure;
  /** Looks into the first run every second or so, for a figure that shows its weights: `dashboard` does. Costs at most 3 % of the speed. */
  readonly inside?: boolean;
}

/** Seconds between two looks into a network. */
const LOOK = 1;

/**
 * Trains runs and shows how they come on in a live figure; the interrupt button stops them, and what is done is kept.
 * @returns the runs with all their evaluations, in the order given.
 */
export async function watch(specs: readonly RunSpec[], options: WatchOptions = {}): Promise<readonly Run[]> {
  const { engine: given, figure = learningCurves, x, inside: looks = false, ...training } = options;
  const steps = Math.max(...specs.map((spec) => spec.schedule.steps));
  const curves = x ? { x } : {};
  const axis = { from: Math.min(...specs.map((spec) => spec.schedule.evalEvery)), until: steps };
  let seen: Snapshot | undefined;
  const looking: Partial<TrainOptions> = looks
    ? { checkpointSeconds: LOOK, checkpointOf: ({ index }) => index === 0, onCheckpoint: (_, snapshot) => void (seen = snapshot) }
    : {};
  const moving = live((runs: readonly Run[]) => {
    const going = runs.some((run) => run.status === "training" || run.status === "waiting");
    const last = runs[0].snapshot ?? seen;
    const weights = looks && last ? { inside: inside(last) } : {};
    return figure(runs, { ...curves, ...weights, ...going && { ...axis, title: progress(runs, steps) } });
  });
  const runs = await interruptible(async (signal) => {
    const on = given ?? await engine();
    const onProgress = (news: readonly unknown[], runs: readonly Run[]) => (news.length > 0 ? moving.update(runs) : undefined);
    return await train(specs, { ...training, ...looking, engine: on, signal, onProgress });
  });
  await moving.done(runs);
  return runs;
}

/** The project's own lab. */
const LAB = fileURLToPath(new URL("../data/lab.db", import.meta.url));

export interface NotebookSweep extends Pick<BoardOptions, "x"> {
  /** The lab's database, made where there is none. Default: the project's, `data/lab.db`. */
  readonly db?: string;
  /** Default: `engine()`. */
  readonly engine?: Engine;
  /** The figure that moves; by default `sweepBoard`. */
  readonly figure?: (runs: readonly BoardRun[], options: BoardOptions) => Figure;
  /** After every piece of work: the evaluations that are new, and all runs of the experiment. */
  readonly onProgress?: (news: readonly News[], runs: readonly SweptRun[]) => void | Promise<void>;
}

/**
 * Trains the runs of an experiment that the lab doesn't have yet, and shows the whole of it in a live figure. The interrupt button stops it; what is
 * done is kept, and the next call goes on from there.
 * @param experiment one of your own, or the name of one of `EXPERIMENTS`.
 * @returns the lab, open, with all that was done.
 */
export async function sweep(experiment: Experiment | string, options: NotebookSweep = {}): Promise<Lab> {
  const { db = LAB, engine: given, figure = sweepBoard, onProgress, x } = options;
  const wanted = typeof experiment === "string" ? named(experiment) : experiment;
  const lab = Lab.open(db);
  try {
    const moving = live((runs: readonly BoardRun[]) => figure(runs, x ? { x } : {}));
    await moving.update(standing(lab, wanted));
    const runs = await interruptible(async (signal) =>
      await sweepLab(wanted, {
        lab,
        engine: given ?? await engine(),
        signal,
        command: `sweep of ${wanted.name} in a notebook`,
        onProgress: async (news, runs) => {
          await moving.update(runs);
          await onProgress?.(news, runs);
        },
      })
    );
    await moving.done(runs);
    return lab;
  } catch (error) {
    lab.close();
    throw error;
  }
}

function named(name: string): Experiment {
  const found = EXPERIMENTS.find((experiment) => experiment.name === name);
  if (found) return found;
  const names = EXPERIMENTS.map((experiment) => experiment.name).join(", ");
  throw new Error(`Cannot sweep: the experiment must be one of ${names}, current value is ${JSON.stringify(name)}`);
}

/** The runs of an experiment as the lab has them, before anything is trained. */
function standing(lab: Lab, experiment: Experiment): BoardRun[] {
  lab.declare(experiment);
  const rows = lab.query<
    { hash: string; status: string; step: number; memorisation_step: number | null; grokking_step: number | null }
  >(
    "SELECT hash, status, watched_until AS step, memorisation_step, grokking_step FROM run_summary WHERE experiment = ?",
    experiment.name,
  );
  const known = new Map(rows.map((row) => [row.hash, row]));
  return experiment.runs.map((spec) => {
    const { status, step, memorisation_step: memorisationStep, grokking_step: grokkingStep } = known.get(specHash(spec))!;
    return { spec, status, step, memorisationStep, grokkingStep };
  });
}
