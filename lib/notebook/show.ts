/**
 * What a notebook cell needs: to show a figure or a table, to watch training in a figure that moves in place, and to stop it with the interrupt
 * button. Outside Jupyter, showing prints and live figures do nothing, so that a notebook's code also runs as a script.
 */
import { inside } from "../analysis/network/weights.ts";
import { type CurveOptions, learningCurves } from "../figures/curves.ts";
import type { DashboardOptions } from "../figures/dashboard.ts";
import { progress } from "../figures/runs.ts";
import { grokkingByGroup } from "../figures/steps.ts";
import type { Figure } from "../figures/theme.ts";
import { delivered } from "./delivery.ts";
import type { RunSpec } from "../run/spec.ts";
import { openEngine, type Run, train, type TrainOptions } from "../train/train.ts";
import type { Engine, Snapshot } from "../engine/engine.ts";
import type { Curve } from "../analysis/runs/run.ts";
import { nameOf, valueOf } from "../analysis/runs/settings.ts";
import { groupsBy } from "../analysis/runs/groups.ts";
import { capital } from "../analysis/words.ts";

/** Deno's Jupyter functions; outside its kernel, where even asking for them throws, nothing. */
function jupyter(): typeof Deno.jupyter | undefined {
  try {
    return Deno.jupyter;
  } catch {
    return undefined;
  }
}

/** A cell ends once what it displayed has gone out. */
async function settled(): Promise<void> {
  const kernel = jupyter();
  if (kernel) await delivered(kernel.broadcast);
}

/** Shows figures, dataframes, or texts in Markdown, one below the other. Await it. */
export async function show(...things: readonly unknown[]): Promise<void> {
  const kernel = jupyter();
  for (const thing of things) {
    if (!kernel) console.log(String(thing));
    else if (typeof thing !== "string") await kernel.display(thing);
    else await kernel.display({ "text/markdown": thing, "text/plain": thing }, { raw: true });
  }
  await settled();
}

/** What is drawn of some things, or what is said where there are none: a notebook is run, too, when little of its experiment has come. */
export const ifAny = <Thing, Drawn, Said>(things: readonly Thing[], draw: (things: readonly Thing[]) => Drawn, said: Said): Drawn | Said =>
  things.length > 0 ? draw(things) : said;

/** A figure that changes in place. */
export interface Live<Data> {
  /** Draws the data if it is time to: a few times a second, and never more than a twentieth of the time. */
  update(data: Data): Promise<void>;
  /** Draws the last data given, and waits until it is shown. */
  done(data?: Data): Promise<void>;
}

/** Frames are at least so far apart, in ms, and so many times as far as drawing one takes. */
const FRAME = 300, REST = 20;

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

/** A figure for `watch`: when networks grok by a field of their settings, as `optim.weightDecay`; those that it trains and, beside them, others. */
export const beside = (others: readonly Curve[], field: string): NonNullable<WatchOptions["figure"]> => (runs, options) =>
  grokkingByGroup(groupsBy([...runs, ...others], ({ spec }) => valueOf(spec, field) as string | number), {
    ...options,
    knob: capital(nameOf(field)),
  });

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
