/**
 * Functions for notebook cells: showing a figure or a table, watching training in a figure that updates in place, and stopping it with the
 * interrupt button. Outside Jupyter, `show` prints to the console, and of a live figure only its status line is printed, now and then, so
 * that a notebook's code also runs as a script.
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

/** Deno's Jupyter functions; `undefined` outside its kernel, where even reading the property throws. */
function jupyter(): typeof Deno.jupyter | undefined {
  try {
    return Deno.jupyter;
  } catch {
    return undefined;
  }
}

/** Waits until what the cell displayed has been sent. */
async function settled(): Promise<void> {
  const kernel = jupyter();
  if (kernel) await delivered(kernel.broadcast);
}

/**
 * The outputs that a notebook stores for a shown value, by MIME type. An untrusted notebook shows neither SVG nor Markdown: so a figure is
 * stored as a PNG too, and a text as HTML.
 */
async function outputs(thing: unknown): Promise<Record<string, unknown> | null> {
  if (typeof thing === "string") return { "text/html": await htmlOf(thing), "text/plain": thing };
  if (!(thing instanceof Figure)) return null;
  return { "image/svg+xml": thing.shown, "image/png": (await png(thing)).toBase64() };
}

/** Markdown as HTML. Jupyter's style sheet overrides the `align` attribute of a table cell, but not its `style`. */
const htmlOf = async (text: string) => (await marked.parse(text)).replaceAll(/ align="(\w+)"/g, ' style="text-align:$1"');

/** Imported only when the first PNG is drawn, since the native renderer loads slowly. */
const png = async (figure: Figure) => (await import("../figures/render.ts")).smallPng(figure);

/** Shows figures, dataframes, or texts in Markdown, one below the other. Must be awaited. */
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

/** Says a line below the cell; in a script on the standard error stream, apart from its results. */
export const note = (line: string): void => jupyter() ? console.log(line) : console.error(line);

/** `draw(things)`, or `said` where there are none: a notebook may run while little of its experiment is done. */
export const ifAny = <Thing, Drawn, Said>(things: readonly Thing[], draw: (things: readonly Thing[]) => Drawn, said: Said): Drawn | Said =>
  things.length > 0 ? draw(things) : said;

/** A figure that updates in place. `status` is a line above it, about what is going on. */
export interface Live<Data> {
  /** Shows a line at once, where there is nothing to draw yet. */
  begin(status: string): Promise<void>;
  /**
   * Draws the data, unless the last frame is too recent: at most three frames per second, and at most a twentieth of the time spent
   * drawing.
   */
  update(data: Data, status?: string): Promise<void>;
  /** Draws the last data given, and waits until it is shown. */
  done(data?: Data, status?: string): Promise<void>;
}

/** The pause between frames is at least `FRAME` ms, and at least `REST` times as long as drawing one takes. */
const FRAME = 300, REST = 20;
/** Outside Jupyter: ms between two status lines, and before the first. */
const LINE = 10_000;

/** What stands for a live figure in a script: its status line on the standard error stream. What ends sooner than that says nothing. */
function spoken(): (status: string | undefined, last?: boolean) => void {
  let next = performance.now() + LINE, any = false;
  return (status, last = false) => {
    if (jupyter() || status === undefined || (last ? !any : performance.now() < next)) return;
    console.error(status);
    [next, any] = [performance.now() + LINE, true];
  };
}

/** A live figure below the cell, which `figureOf` draws from the data of each update. */
export function live<Data>(figureOf: (data: Data) => unknown): Live<Data> {
  const display_id = crypto.randomUUID(), say = spoken();
  let shown = false, next = 0;
  const display = async (thing: unknown, raw: boolean) => {
    await jupyter()?.display(thing, { display_id, update: shown, raw });
    shown = true;
    // Yields to the event loop, so that the kernel handles the interrupt button even if the engine never does.
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
    async begin(status) {
      say(status);
      await display(compose({ title: status, subtitle: "", panels: [] }), false);
    },
    async update(data, status) {
      latest = data;
      say(status);
      if (performance.now() >= next) await draw(data, status);
    },
    async done(data = latest, status) {
      say(status, true);
      if (data !== undefined) await draw(data, status, true);
      await settled();
    },
  };
}

/**
 * Runs a task that the interrupt button can stop: SIGINT aborts the signal, and the task decides how to end. Without a listener, SIGINT
 * would end the kernel, and all variables of the notebook would be lost.
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

/** Signals that end a kernel; during a task, only after the task has stopped and stored its results. */
const ENDING = ["SIGTERM", "SIGHUP"] as const;

/**
 * Environment variables for the engine of notebooks and its number of threads; `deno task notebooks --engine NAME --threads N` sets them.
 */
export const ENGINE = "GROKBOOK_ENGINE", THREADS = "GROKBOOK_THREADS";

/** The engines that were asked for, the current one last; those before it are kept until it is open. */
let openings: readonly Promise<Engine>[] = [];
/**
 * The engine of this notebook, opened once: a graphics card where there is one, else the processor. A call with a name or options opens
 * that engine, for later calls too; once it couldn't be opened, they have the one before it.
 * @param name `webgpu`, `cpu` or `tfjs`.
 * @param options the number of threads of the `cpu` engine; by default one per processor.
 */
export function engine(name?: EngineName, options: NativeOptions = {}): Promise<Engine> {
  const isAsked = name !== undefined || options.threads !== undefined;
  const current = openings.at(-1);
  if (current && !isAsked) return current;
  const opening = isAsked ? openEngine(name, options) : openEngine(...fromEnvironment());
  openings = [...openings, opening];
  opening.then(
    () => openings = openings.slice(Math.max(0, openings.indexOf(opening))),
    () => openings = openings.filter((each) => each !== opening),
  );
  return opening;
}

function fromEnvironment(): Parameters<typeof openEngine> {
  const threads = Deno.env.get(THREADS);
  return [Deno.env.get(ENGINE) as EngineName | undefined, threads === undefined ? {} : { threads: Number(threads) }];
}

export interface WatchOptions extends Pick<TrainOptions, "untilGrokked" | "rule" | "begin">, Pick<CurveOptions, "x"> {
  /** Default: `engine()`. */
  readonly engine?: Engine;
  /** The live figure. Default: accuracy over steps. */
  readonly figure?: (runs: readonly Run[], options: DashboardOptions) => Figure;
  /**
   * Reads the first run's weights about once a second, for a figure that shows them, as `dashboard` does. Costs at most 3 % of the speed.
   */
  readonly inside?: boolean;
}

/** A figure for `watch`: grokking steps by a field such as `optim.weightDecay`, of the runs that it trains together with others. */
export const beside = (others: readonly Curve[], field: string): NonNullable<WatchOptions["figure"]> => (runs, options) =>
  grokkingByGroup(groupsBy([...runs, ...others], ({ spec }) => valueOf(spec, field) as string | number), {
    ...options,
    knob: capital(nameOf(field)),
  });

/** Seconds between two readings of a network's weights. */
const LOOK = 1;

/**
 * Trains runs and shows their progress in a live figure. The interrupt button stops them; the runs are then returned as far as they came.
 * @returns the runs with all their evaluations, in the order given.
 * @throws Error in one line where there are no runs, or the engine can't be opened.
 */
export async function watch(specs: readonly RunSpec[], options: WatchOptions = {}): Promise<readonly Run[]> {
  const { engine: given, figure = learningCurves, x, inside: looks = false, ...training } = options;
  if (specs.length === 0) throw new Error("Cannot watch: there must be at least one run, current value is 0");
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
