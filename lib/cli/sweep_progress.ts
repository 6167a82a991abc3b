/** A sweep as it is seen in a terminal: a small block that changes in place; in a log, plain lines now and then. */
import { hasEnded } from "../analysis/runs/run.ts";
import { isStored, type Progress, progressOf } from "../lab/status.ts";
import type { SweptRun } from "../lab/standing.ts";
import { groupKey, type News } from "../train/train.ts";
import type { Engine } from "../engine/engine.ts";
import { bar, Display, duration, figure, Meter, percent, plural, range, type Screen } from "./progress.ts";

/** Time, in ms: between two drawings of the block, and between two lines in a log. */
const DRAW = 200, LINE = 30_000;

export interface SweepProgressOptions {
  readonly name: string;
  /** Whether runs may end when they have grokked: then the time left is at most what is shown. */
  readonly mayEndEarly: boolean;
  readonly screen?: Screen;
}

/** Shows a sweep while it goes on; give its `update` to `sweep` as `onProgress`, and call `done` whatever happens. */
export class SweepProgress extends Display {
  readonly #meter: Meter;
  /** Work in an update of a run, by its group; in the order in which groups train, once all runs were seen. */
  readonly #cost = new Map<string, number>();
  /** The latest validation accuracy of each run. */
  readonly #accuracy = new Map<SweptRun["spec"], number>();
  readonly #told = new Set<SweptRun["spec"]>();
  #runs: readonly SweptRun[] = [];
  /** Work in an update of each run. */
  readonly #flops = new Map<SweptRun["spec"], number>();
  #drawn = -Infinity;

  constructor(readonly engine: Engine, readonly options: SweepProgressOptions) {
    super(options.screen);
    this.#meter = new Meter(({ spec }) => this.#flop(spec));
  }

  update(news: readonly News[], runs: readonly SweptRun[]): void {
    if (this.#runs.length === 0) { for (const run of runs.filter(hasEnded)) this.#told.add(run.spec); }
    // A boundary's next round brings more of them.
    if (runs.length > this.#flops.size) { for (const { spec } of runs) this.#flop(spec); }
    this.#runs = runs;
    this.#meter.look(runs);
    for (const { run, metrics } of news) this.#accuracy.set(run.spec, metrics.valAcc);
    const now = performance.now(), { terminal } = this.screen;
    if (!terminal) { for (const run of runs) this.#tell(run); }
    if (now - this.#drawn < (terminal ? DRAW : LINE)) return;
    this.#drawn = now;
    if (terminal) this.screen.draw(this.block());
    else this.screen.line(this.#line());
  }

  protected override get begun(): boolean {
    return this.#runs.length > 0;
  }

  protected override lastLine(): string {
    return this.#line();
  }

  /** In a log: says once how a run ended. */
  #tell(run: SweptRun): void {
    const { spec, step, known = step, memorisationStep, grokkingStep, error } = run;
    if (!isStored(run) || this.#told.has(spec)) return;
    this.#told.add(spec);
    const { seed, model, data, optim } = spec;
    const what = `${data.operation} p ${data.prime} L ${model.layers} d ${model.dModel} wd ${optim.weightDecay} seed ${seed}`;
    const memorised = memorisationStep === null ? "not memorised" : `memorised at step ${memorisationStep}`;
    const grokked = grokkingStep === null ? `not grokked by step ${known}` : `grokked at step ${grokkingStep}`;
    this.screen.line(`${what}: ${error ?? `${memorised}, ${grokked}`}`);
  }

  /** Work in an update of a run. */
  #flop(spec: SweptRun["spec"]): number {
    let flop = this.#flops.get(spec);
    if (flop !== undefined) return flop;
    const key = groupKey(spec);
    flop = this.#cost.get(key) ?? this.engine.cost(spec).flop;
    this.#cost.set(key, flop);
    this.#flops.set(spec, flop);
    return flop;
  }

  /** Share of the work that is done, and the time that the rest takes at the speed of the last seconds. */
  #share(): { readonly share: number; readonly left: string } {
    let done = 0, left = 0;
    for (const run of this.#runs) {
      const { spec, step } = run, flop = this.#flop(spec);
      done += flop * (hasEnded(run) ? spec.schedule.steps : step);
      if (!hasEnded(run) && run.status !== "elsewhere") left += flop * (spec.schedule.steps - step);
    }
    const { work } = this.#meter.recent;
    const time = left === 0 || work === 0 ? "" : `${this.options.mayEndEarly ? "at most " : ""}${duration(left / work)} left`;
    return { share: done + left === 0 ? 1 : done / (done + left), left: time };
  }

  protected override block(): string {
    const { share, left } = this.#share();
    const { adapter, engine } = this.engine.info;
    const training = this.#runs.filter(({ status }) => status === "training");
    const lines = [
      `${this.options.name}: ${plural(this.#runs.length, "run")} on ${engine}, ${adapter}`,
      `${bar(share)} ${percent(share)}  ${tally(this.#runs)}`,
      ...training.length > 0 ? [this.#group(training)] : [],
      [`${figure(this.#meter.recent.runSteps)} run-steps/s`, left].filter(Boolean).join("  "),
    ];
    return lines.map((line) => line.slice(0, this.screen.columns - 1)).join("\n");
  }

  /** What is in training now. */
  #group(training: readonly SweptRun[]): string {
    const all = [...this.#cost.keys()], at = all.indexOf(groupKey(training[0].spec));
    const { model: { layers, dModel, heads }, data: { operation, prime } } = training[0].spec;
    const accuracy = training.flatMap(({ spec }) => this.#accuracy.get(spec) ?? []);
    return [
      `shape ${at + 1}/${all.length}: ${layers} × ${dModel}, ${plural(heads, "head")}, ${operation}, p ${prime}`,
      `step ${range(training.map(({ step }) => step), String)} of ${Math.max(...training.map(({ spec }) => spec.schedule.steps))}`,
      `validation accuracy ${range(accuracy, percent)}`,
    ].join("  ");
  }

  #line(): string {
    const { share, left } = this.#share();
    const training = this.#runs.filter(({ status }) => status === "training");
    return [
      `${percent(share)} done`,
      tally(this.#runs),
      ...training.length > 0 ? [this.#group(training)] : [],
      `${figure(this.#meter.recent.runSteps)} run-steps/s`,
      left,
    ].filter(Boolean).join(" · ");
  }
}

/** `grokked 12  never 3  running 8  waiting 17`: every run once, those that never occur left out. */
export function tally(runs: readonly SweptRun[]): string {
  return tallyOf(progressOf(runs, () => 0).states);
}

export function tallyOf(states: Progress["states"]): string {
  const always = ["grokked", "running", "waiting"];
  return Object.entries(states).filter(([word, n]) => n > 0 || always.includes(word)).map(([word, n]) => `${word} ${n}`).join("  ");
}
