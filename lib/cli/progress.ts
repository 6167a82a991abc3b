/** Training as it is seen in a terminal: a small block that changes in place; in a log, plain lines now and then. */
import process from "node:process";
import { createLogUpdate } from "log-update";
import type { EngineInfo, Metrics } from "../engine/engine.ts";
import { groups, type News, type Run } from "../train/train.ts";
import { isGone, printable, unlessGone } from "./terminal.ts";

/** Time, in ms: between two drawings of the block, between two lines in a log, and over which speed is measured. */
const DRAW = 100, LINE = 10_000, WINDOW = 10_000;

/** What is seen of a run. */
type Seen = Pick<Run, "spec" | "status" | "step">;

interface Mark {
  readonly at: number;
  readonly steps: number;
  readonly runSteps: number;
  readonly work: number;
}

/** How fast training goes, from what has been seen of it. The clock starts at the first look, so starting up is left out. */
export class Meter {
  /** The steps of those in training; of the others `null`. */
  #last: (number | null)[] = [];
  #marks: Mark[] = [];

  /** `weight`: the work in an update of a run, where runs differ in it. */
  constructor(readonly weight: (run: Seen) => number = () => 1) {}

  look(runs: readonly Seen[]): void {
    const { steps, runSteps, work } = this.#marks.at(-1) ?? { steps: 0, runSteps: 0, work: 0 };
    const moved = { steps: 0, runSteps: 0, work: 0 };
    for (const [i, run] of runs.entries()) {
      // A run begins, when taken up again, at a later step; that isn't work done here.
      const n = run.step - (this.#last[i] ?? run.step);
      this.#last[i] = run.status === "training" ? run.step : null;
      if (n === 0) continue;
      moved.steps = Math.max(moved.steps, n);
      moved.runSteps += n;
      moved.work += n * this.weight(run);
    }
    this.#marks.push({
      at: performance.now(),
      steps: steps + moved.steps,
      runSteps: runSteps + moved.runSteps,
      work: work + moved.work,
    });
    // Marks in between are dropped, so that there are never many.
    if (this.#marks.length > 400) this.#marks = this.#marks.filter((_, i, { length }) => i === 0 || i > length - 200);
  }

  /** Over all that was seen. */
  get total(): Speed {
    return speed(this.#marks[0], this.#marks.at(-1));
  }

  /** Over the last seconds. */
  get recent(): Speed {
    const now = this.#marks.at(-1);
    return speed(this.#marks.find(({ at }) => now && now.at - at <= WINDOW), now);
  }
}

/** Per second; 0 where nothing can be said yet. */
export interface Speed {
  /** Updates of a trainer, which are one of each of its runs. */
  readonly steps: number;
  /** Updates of single runs. */
  readonly runSteps: number;
  /** The same, weighted. */
  readonly work: number;
}

function speed(from?: Mark, to?: Mark): Speed {
  const seconds = from && to ? (to.at - from.at) / 1000 : 0;
  if (!from || !to || seconds === 0) return { steps: 0, runSteps: 0, work: 0 };
  return {
    steps: (to.steps - from.steps) / seconds,
    runSteps: (to.runSteps - from.runSteps) / seconds,
    work: (to.work - from.work) / seconds,
  };
}

/** Where it is shown: a terminal that can be drawn over, or a log. */
export interface Screen {
  readonly terminal: boolean;
  readonly columns: number;
  /** Draws the block over the last one. */
  draw(text: string): void;
  /** Writes a line that stays. */
  line(text: string): void;
  /** Leaves the block as it is and gives the cursor back. */
  done(): void;
}

/** The standard error stream. What is written after its terminal has gone is lost, and the work goes on. */
export function stderrScreen(): Screen {
  const stream = process.stderr;
  stream.on("error", (error) => {
    if (!isGone(error)) throw error;
  });
  const log = createLogUpdate(stream);
  // A terminal that doesn't know its size can't be drawn over.
  const terminal = stream.isTTY === true && stream.rows !== 0 && stream.columns !== 0;
  return {
    terminal,
    columns: stream.columns ?? 80,
    draw: (text) => unlessGone(() => log(text)),
    line: (text) =>
      unlessGone(() => {
        if (terminal) log.clear();
        stream.write(`${printable(text)}\n`);
      }),
    done: () => unlessGone(() => terminal && log.done()),
  };
}

/** What is shown while work goes on: on a terminal a block that changes in place, in a log lines now and then. */
export abstract class Display {
  constructor(protected readonly screen: Screen = stderrScreen()) {}

  /** Whether there is something to show yet. */
  protected abstract get begun(): boolean;
  protected abstract block(): string;
  /** What a log ends with. */
  protected abstract lastLine(): string;

  /** A line that stays above the block. */
  line(text: string): void {
    this.screen.line(text);
    if (this.screen.terminal && this.begun) this.screen.draw(this.block());
  }

  /** Shows the last state and ends. */
  done(): void {
    if (this.begun) {
      if (this.screen.terminal) this.screen.draw(this.block());
      else this.screen.line(this.lastLine());
    }
    this.screen.done();
  }
}

export interface ProgressOptions {
  /** Whether runs end when they have grokked: then the time left is at most what is shown. */
  readonly untilGrokked: boolean;
  readonly screen?: Screen;
}

/** Shows runs while they train; give its `update` to `train` as `onProgress`, and call `done` whatever happens. */
export class Progress extends Display {
  readonly meter = new Meter();
  readonly #told = new Set<number>();
  #drawn = -Infinity;
  #runs: readonly Run[] = [];

  constructor(readonly info: EngineInfo, readonly options: ProgressOptions) {
    super(options.screen);
  }

  update(news: readonly News[], runs: readonly Run[]): void {
    this.#runs = runs;
    this.meter.look(runs);
    for (const run of new Set(news.map(({ run }) => run))) this.#tell(run);
    const now = performance.now(), { terminal } = this.screen;
    if (now - this.#drawn < (terminal ? DRAW : LINE)) return;
    this.#drawn = now;
    if (terminal) this.screen.draw(this.block());
    else if (runs.some(({ metrics }) => metrics.length > 0)) this.screen.line(logLine(runs, this.meter.recent, this.#left()));
  }

  protected override get begun(): boolean {
    return this.#runs.length > 0;
  }

  protected override lastLine(): string {
    return logLine(this.#runs, this.meter.total);
  }

  /** Says once that a run has grokked. */
  #tell(run: Run): void {
    if (run.grokkingStep === null || this.#told.has(run.index)) return;
    this.#told.add(run.index);
    const memorised = run.memorisationStep === null ? "" : `, memorised at ${run.memorisationStep}`;
    this.line(`seed ${run.spec.seed} grokked at step ${run.grokkingStep}${memorised}`);
  }

  #left(): string {
    const left = this.#runs.reduce((sum, run) => sum + (isDone(run) ? 0 : run.spec.schedule.steps - run.step), 0);
    const { runSteps } = this.meter.recent;
    if (left === 0 || runSteps === 0) return "";
    return `${this.options.untilGrokked ? "at most " : ""}${duration(left / runSteps)} left`;
  }

  protected override block(): string {
    const all = groups(this.#runs);
    const at = Math.max(0, all.findIndex((group) => group.some((run) => !isDone(run))));
    const group = all[at] ?? [];
    const { steps, runSteps } = this.meter.recent;
    const done = mean(group.map(share));
    const last = Math.max(...group.map(({ spec }) => spec.schedule.steps));
    const lines = [
      `${plural(this.#runs.length, "run")} on ${this.info.engine}, ${this.info.adapter}`,
      `${all.length > 1 ? `group ${at + 1}/${all.length} ` : ""}${bar(done)} step ${
        range(group.map(({ step }) => step), String)
      } of ${last}`,
      ...table(group),
      [tally(this.#runs), `${figure(steps)} steps/s`, `${figure(runSteps)} run-steps/s`, this.#left()].filter(Boolean).join("  "),
    ];
    return lines.map((line) => line.slice(0, this.screen.columns - 1)).join("\n");
  }
}

const sum = (values: readonly number[]) => values.reduce((total, x) => total + x, 0);
const isDone = ({ status }: Run) => status !== "waiting" && status !== "training";
const share = ({ status, step, spec }: Run) => status === "grokked" || status === "failed" ? 1 : step / Math.max(1, spec.schedule.steps);
export const plural = (n: number, word: string) => `${n} ${word}${n === 1 ? "" : "s"}`;
const mean = (values: readonly number[]) => sum(values) / Math.max(1, values.length);
export const figure = (x: number) => x === 0 ? "–" : x < 10 ? x.toPrecision(2) : Math.round(x).toString();
export const percent = (x: number) => `${(100 * x).toFixed(x > 0.9 && x < 1 ? 1 : 0)} %`;

export function bar(share: number, width = 24): string {
  const full = Math.round(share * width);
  return "█".repeat(full) + "░".repeat(width - full);
}

export function duration(seconds: number): string {
  const s = Math.round(seconds), two = (n: number) => String(n).padStart(2, "0");
  return s < 3600 ? `${Math.floor(s / 60)}:${two(s % 60)}` : `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

/** Median, and smallest and largest where they differ. */
export function range(values: readonly number[], show: (x: number) => string): string {
  if (values.length === 0) return "–";
  const sorted = values.toSorted((a, b) => a - b);
  const [low, middle, high] = [0, (sorted.length - 1) >> 1, sorted.length - 1].map((i) => show(sorted[i]));
  return low === high ? middle : `${middle} (${low}–${high})`;
}

function tally(runs: readonly Run[]): string {
  const count = (test: (run: Run) => boolean) => runs.filter(test).length;
  const failed = count(({ status }) => status === "failed");
  return `memorised ${count((run) => run.memorisationStep !== null)}/${runs.length}  grokked ${
    count((run) => run.grokkingStep !== null)
  }/${runs.length}` +
    (failed > 0 ? `  failed ${failed}` : "");
}

const latest = (runs: readonly Run[]) => runs.flatMap(({ metrics }) => metrics.slice(-1));
const column = (metrics: readonly Metrics[], field: "trainLoss" | "trainAcc" | "valLoss" | "valAcc") =>
  range(metrics.map((row) => row[field]), field.endsWith("Acc") ? percent : (x) => x < 1e-3 ? x.toExponential(1) : x.toPrecision(3));

function table(runs: readonly Run[]): string[] {
  const metrics = latest(runs);
  const row = (name: string, loss: "trainLoss" | "valLoss", acc: "trainAcc" | "valAcc") =>
    `${name} loss ${column(metrics, loss).padEnd(28)} accuracy ${column(metrics, acc)}`;
  return metrics.length === 0 ? [] : [row("train     ", "trainLoss", "trainAcc"), row("validation", "valLoss", "valAcc")];
}

function logLine(runs: readonly Run[], { steps, runSteps }: Speed, left = ""): string {
  const active = runs.some((run) => run.status === "training") ? runs.filter((run) => run.status === "training") : runs;
  const metrics = latest(active);
  return [
    `step ${range(active.map(({ step }) => step), String)}`,
    `train loss ${column(metrics, "trainLoss")}`,
    `train accuracy ${column(metrics, "trainAcc")}`,
    `validation loss ${column(metrics, "valLoss")}`,
    `validation accuracy ${column(metrics, "valAcc")}`,
    tally(runs),
    `${figure(steps)} steps/s`,
    `${figure(runSteps)} run-steps/s`,
    left,
  ].filter(Boolean).join(" · ");
}
