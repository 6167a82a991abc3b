/** Training as it is seen in a terminal: a small block that changes in place; in a log, plain lines now and then. */
import process from "node:process";
import { createLogUpdate } from "log-update";
import { duration, figure, Meter, type Speed } from "../train/meter.ts";
import type { EngineInfo, Metrics } from "../engine/engine.ts";
import { groups, type News, type Run } from "../train/train.ts";
import { isGone, printable, unlessGone } from "./terminal.ts";

export { duration, figure, Meter, type Speed };

/** Time, in ms: between two drawings of the block, and between two lines in a log. */
const DRAW = 100, LINE = 10_000;

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
export const percent = (x: number) => `${(100 * x).toFixed(x > 0.9 && x < 1 ? 1 : 0)} %`;

export function bar(share: number, width = 24): string {
  const full = Math.round(share * width);
  return "█".repeat(full) + "░".repeat(width - full);
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
