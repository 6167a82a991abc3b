/**
 * What a notebook cell needs: to show a figure or a table, to watch training in a figure that moves in place, and to stop it with the
 * interrupt button. Outside Jupyter, showing prints and live figures do nothing, so that a notebook's code also runs as a script.
 */
import { DataFrame, NDframe } from "danfojs";
import { type CurveOptions, learningCurves } from "./figures/curves.ts";
import { progress } from "./figures/runs.ts";
import { count, type Figure } from "./figures/theme.ts";
import { milestones } from "./lab/grokking.ts";
import type { RunSpec } from "./spec.ts";
import { openEngine, type Run, train, type TrainOptions } from "./train.ts";
import type { Engine } from "./trainer.ts";

const DISPLAY = Symbol.for("Jupyter.display");
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
  readonly figure?: (runs: readonly Run[], options: CurveOptions) => Figure;
}

/**
 * Trains runs and shows how they come on in a live figure; the interrupt button stops them, and what is done is kept.
 * @returns the runs with all their evaluations, in the order given.
 */
export async function watch(specs: readonly RunSpec[], options: WatchOptions = {}): Promise<readonly Run[]> {
  const { engine: given, figure = learningCurves, x, ...training } = options;
  const steps = Math.max(...specs.map((spec) => spec.schedule.steps));
  const curves = x ? { x } : {};
  const axis = { from: Math.min(...specs.map((spec) => spec.schedule.evalEvery)), until: steps };
  const moving = live((runs: readonly Run[]) => {
    const going = runs.some((run) => run.status === "training" || run.status === "waiting");
    return figure(runs, going ? { ...curves, ...axis, title: progress(runs, steps) } : curves);
  });
  const runs = await interruptible(async (signal) => {
    const on = given ?? await engine();
    const onProgress = (news: readonly unknown[], runs: readonly Run[]) => (news.length > 0 ? moving.update(runs) : undefined);
    return await train(specs, { ...training, engine: on, signal, onProgress });
  });
  await moving.done(runs);
  return runs;
}

/** What a cell of a table may hold. */
export type Cell = string | number | boolean | null;

/** A danfojs dataframe of rows with the same keys; in a notebook it shows itself as a table. */
export const frame = (rows: readonly Record<string, Cell>[]): DataFrame => new DataFrame(rows.map((row) => ({ ...row })));

/** A dataframe with a row a run: its seed and whatever `more` says of it, the steps of memorising and grokking, and the wait between. */
export function grokkingFrame(runs: readonly Run[], more: (spec: RunSpec) => Record<string, Cell> = () => ({})): DataFrame {
  return frame(runs.map(({ spec, metrics }) => {
    const { memorisationStep: memorised, grokkingStep: grokked, delay, lastStep } = milestones(metrics);
    return { ...more(spec), seed: spec.seed, memorised, grokked, delay, "watched until": lastStep };
  }));
}

/** Longer dataframes show their first rows, and say how many there are. */
const ROWS = 50;

/** An HTML table: numbers to the right and grouped by thousands, a dash for what is missing. */
export function htmlTable(columns: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const escape = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const word = (value: unknown) =>
    value === null || value === undefined || Number.isNaN(value)
      ? "–"
      : typeof value !== "number"
      ? escape(String(value))
      : Number.isInteger(value)
      ? count(value)
      : String(Number(value.toPrecision(4)));
  const line = (tag: "th" | "td", values: readonly unknown[], sides: readonly string[]) =>
    `<tr>${values.map((value, i) => `<${tag} style="text-align:${sides[i]}">${word(value)}</${tag}>`).join("")}</tr>`;
  const sides = columns.map((_, c) => rows.every((row) => row[c] === null || typeof row[c] === "number") ? "right" : "left");
  const body = rows.slice(0, ROWS).map((row) => line("td", row, sides)).join("");
  const rest = rows.length > ROWS ? `<p>${count(rows.length)} rows, the first ${ROWS} shown</p>` : "";
  return `<table><thead>${line("th", columns, sides)}</thead><tbody>${body}</tbody></table>${rest}`;
}

// Every dataframe and series shows itself, those too that danfojs makes from others: sorted, filtered, grouped. An index that only counts
// the rows is left out.
Object.defineProperty(NDframe.prototype, DISPLAY, {
  configurable: true,
  value(this: DataFrame) {
    const indexed = this.index.some((label, i) => label !== i);
    const rows = (this.values as unknown[]).map((row, i) => [...(indexed ? [this.index[i]] : []), ...(Array.isArray(row) ? row : [row])]);
    return { "text/html": htmlTable([...(indexed ? [""] : []), ...this.columns], rows), "text/plain": this.toString() };
  },
});
