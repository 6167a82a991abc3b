/**
 * What a notebook cell needs: to show a figure or a table, to watch training in a figure that moves in place, and to stop it with the
 * interrupt button. Outside Jupyter, showing prints and live figures do nothing, so that a notebook's code also runs as a script.
 */
import { marked } from "marked";
import { inside } from "../analysis/network/weights.ts";
import { type CurveOptions, learningCurves } from "../figures/curves.ts";
import type { DashboardOptions } from "../figures/dashboard.ts";
import { progress } from "../figures/runs.ts";
import { grokkingByGroup } from "../figures/steps.ts";
import { compose, Figure, withStatus } from "../figures/theme.ts";
import { delivered } from "./delivery.ts";
import { COMPILING, OPENING, Pace } from "./pace.ts";
import type { RunSpec } from "../run/spec.ts";
import { type EngineName, openEngine } from "../train/engines.ts";
import { type Run, train, type TrainOptions } from "../train/train.ts";
import type { Engine, Snapshot } from "../engine/engine.ts";
import type { Curve } from "../analysis/runs/run.ts";
import { nameOf, valueOf } from "../analysis/runs/settings.ts";
import { groupsBy } from "../analysis/runs/groups.ts";
import { capital } from "../analysis/words.ts";
import type { NativeOptions } from "../engine/open.ts";

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

/**
 * What a notebook keeps of a thing that is shown, by type. A notebook that isn't trusted shows neither SVG nor Markdown: so a figure comes
 * as a PNG, too, and a text as HTML.
 */
async function outputs(thing: unknown): Promise<Record<string, unknown> | null> {
  if (typeof thing === "string") return { "text/html": await htmlOf(thing), "text/plain": thing };
  if (!(thing instanceof Figure)) return null;
  return { "image/svg+xml": thing.shown, "image/png": (await png(thing)).toBase64() };
}

/** Markdown as HTML. Jupyter's style sheet overrides the attribute that aligns a column, but no style of the cell's own. */
const htmlOf = async (text: string) => (await marked.parse(text)).replaceAll(/ align="(\w+)"/g, ' style="text-align:$1"');

/** Loaded when the first picture is drawn: the native renderer takes a moment. */
const png = async (figure: Figure) => (await import("../figures/render.ts")).smallPng(figure);

/** Shows figures, dataframes, or texts in Markdown, one below the other. Await it. */
export async function show(...things: readonly unknown[]): Promise<void> {
  const kernel = jupyter();
  for (const thing of things) {
    const whole = kernel && await outputs(thing);
    if (!kernel) console.log(String(thing));
    else if (whole) await kernel.display(whole, { raw: true });
    else await kernel.display(thing);
  }
  await settled();
}

/** What is drawn of some things, or what is said where there are none: a notebook is run, too, when little of its experiment has come. */
export const ifAny = <Thing, Drawn, Said>(things: readonly Thing[], draw: (things: readonly Thing[]) => Drawn, said: Said): Drawn | Said =>
  things.length > 0 ? draw(things) : said;

/** A figure that changes in place. `status`: a line above it, for what is going on. */
export interface Live<Data> {
  /** Shows a line at once, where there is nothing to draw yet. */
  begin(status: string): Promise<void>;
  /** Draws the data if it is time to: a few times a second, and never more than a twentieth of the time. */
  update(data: Data, status?: string): Promise<void>;
  /** Draws the last data given, and waits until it is shown. */
  done(data?: Data, status?: string): Promise<void>;
}

/** Frames are at least so far apart, in ms, and so many times as far as drawing one takes. */
const FRAME = 300, REST = 20;

/** A figure below the cell, made by `figureOf` from whatever data it is updated with. */
export function live<Data>(figureOf: (data: Data) => unknown): Live<Data> {
  const display_id = crypto.randomUUID();
  let shown = false, next = 0;
  const display = async (thing: unknown, raw: boolean) => {
    await jupyter()?.display(thing, { display_id, update: shown, raw });
    shown = true;
    // Lets the kernel handle the interrupt button, whatever the engine does between two frames.
    await new Promise((resolve) => setTimeout(resolve, 0));
  };
  const draw = async (data: Data, status?: string, last = false) => {
    const began = performance.now(), drawn = figureOf(data);
    const figure = drawn instanceof Figure && status ? withStatus(drawn, status) : drawn;
    const whole = last && jupyter() ? await outputs(figure) : null;
    await display(whole ?? figure, whole !== null);
    next = performance.now() + Math.max(FRAME, REST * (performance.now() - began));
  };
  let latest: Data | undefined;
  return {
    begin: async (status) => await display(compose({ title: status, subtitle: "", panels: [] }), false),
    async update(data, status) {
      latest = data;
      if (performance.now() >= next) await draw(data, status);
    },
    async done(data = latest, status) {
      if (data !== undefined) await draw(data, status, true);
      await settled();
    },
  };
}

/**
 * Runs a task that the interrupt button stops: SIGINT aborts the signal, and the task ends in its own way. Without a listener SIGINT
 * would end the kernel, and all values of the notebook would be lost.
 */
export async function interruptible<T>(task: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  let last: Deno.Signal | undefined;
  const listeners = [...Deno.build.os === "windows" ? [] : ENDING, "SIGINT" as const].map((signal) => {
    const stop = () => {
      if (signal !== "SIGINT") last = signal;
      controller.abort();
    };
    Deno.addSignalListener(signal, stop);
    return () => Deno.removeSignalListener(signal, stop);
  });
  try {
    return await task(controller.signal);
  } finally {
    for (const unlisten of listeners) unlisten();
    if (last) Deno.kill(Deno.pid, last);
  }
}

/** Signals that end a kernel: during a task, once it has stopped and stored what is done. */
const ENDING = ["SIGTERM", "SIGHUP"] as const;

/** Variables that name the engine of notebooks, and its threads; `deno task notebooks --engine NAME --threads N` sets them. */
export const ENGINE = "GROKBOOK_ENGINE", THREADS = "GROKBOOK_THREADS";

let opened: Promise<Engine> | undefined;
/**
 * The engine of this notebook, opened once: a graphics card where there is one, else the processor. Given a name, that one from then on.
 * @param name `webgpu`, `cpu` or `tfjs`.
 * @param options how many threads the processor engine is to have; by default one for each processor.
 */
export function engine(name?: EngineName, options: NativeOptions = {}): Promise<Engine> {
  if (name !== undefined || options.threads !== undefined) return opened = openEngine(name, options);
  const threads = Deno.env.get(THREADS);
  return opened ??= openEngine(Deno.env.get(ENGINE) as EngineName | undefined, threads === undefined ? {} : { threads: Number(threads) });
}

export interface WatchOptions extends Pick<TrainOptions, "untilGrokked" | "rule" | "begin">, Pick<CurveOptions, "x"> {
  /** Default: `engine()`. */
  readonly engine?: Engine;
  /** The figure that moves; by default accuracy over steps. */
  readonly figure?: (runs: readonly Run[], options: DashboardOptions) => Figure;
  /** Reads the first run's weights about once a second, for a figure that shows them: `dashboard` does. Costs at most 3 % of the speed. */
  readonly inside?: boolean;
}

/**
 * A figure for `watch`: when networks grok by a field of their settings, as `optim.weightDecay`; those that it trains and, beside them,
 * others.
 */
export const beside = (others: readonly Curve[], field: string): NonNullable<WatchOptions["figure"]> => (runs, options) =>
  grokkingByGroup(groupsBy([...runs, ...others], ({ spec }) => valueOf(spec, field) as string | number), {
    ...options,
    knob: capital(nameOf(field)),
  });

/** Seconds between two looks into a network. */
const LOOK = 1;

/**
 * Trains runs and shows their progress in a live figure; the interrupt button stops them, and what is done is kept.
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
  const pace = new Pace({ mayEndEarly: training.untilGrokked ?? false, goesOn: false });
  const runs = await interruptible(async (signal) => {
    await moving.begin(given ? COMPILING : OPENING);
    const on = given ?? await engine();
    if (!given) await moving.begin(COMPILING);
    const onProgress = (news: readonly unknown[], runs: readonly Run[]) => {
      pace.look(runs);
      return news.length > 0 ? moving.update(runs, pace.training(runs)) : undefined;
    };
    return await train(specs, { ...training, ...looking, engine: on, signal, onProgress });
  });
  await moving.done(runs, pace.ended(runs));
  return runs;
}
