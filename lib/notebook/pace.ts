/** The status line above a live figure's title: the progress of training, its speed, the time left, and whether it was stopped. */
import { hasEnded } from "../analysis/runs/run.ts";
import { count } from "../analysis/words.ts";
import { duration, figure, Meter } from "../train/meter.ts";
import type { Run } from "../train/train.ts";

/** The part of a run that the pace needs; some runs of a sweep may be trained by another process. */
type Seen = Pick<Run, "spec" | "status" | "step">;

/**
 * Shown before there is anything to draw. The first network of a shape may take much longer than later ones, whose kernels the driver
 * caches.
 */
export const OPENING = "Getting ready: looking for a graphics card, or starting the processor's threads";
export const COMPILING = "Getting ready: compiling the network's kernels. The first time takes longest";

const furthest = (runs: readonly Seen[]) => Math.max(0, ...runs.map(({ step }) => step));
const longest = (runs: readonly Seen[]) => Math.max(0, ...runs.map(({ spec }) => spec.schedule.steps));

export interface PaceOptions {
  /** Whether runs may end before their last step: then the time left is an upper bound. */
  readonly mayEndEarly: boolean;
  /** Whether another call resumes where this one was stopped; else it starts anew. */
  readonly goesOn: boolean;
  /** The work of one update of a run, such as its FLOP, where runs differ in it. Default: 1 for all. */
  readonly work?: (spec: Seen["spec"]) => number;
}

/** Measures the speed of training from repeated looks at the runs, and words the status line. */
export class Pace {
  readonly #meter = new Meter(({ spec }) => this.#work(spec));
  readonly #known = new Map<Seen["spec"], number>();

  constructor(readonly options: PaceOptions) {}

  #work(spec: Seen["spec"]): number {
    const { work = () => 1 } = this.options;
    let known = this.#known.get(spec);
    if (known === undefined) this.#known.set(spec, known = work(spec));
    return known;
  }

  look(runs: readonly Seen[]): void {
    this.#meter.look(runs);
  }

  /** The status line while runs train. */
  training(runs: readonly Seen[]): string {
    const active = runs.filter(({ status }) => status === "training"), { steps, work } = this.#meter.recent;
    if (furthest(active) === 0 && steps === 0) return COMPILING;
    const left = runs.filter((run) => !hasEnded(run) && run.status !== "elsewhere")
      .reduce((sum, { spec, step }) => sum + this.#work(spec) * (spec.schedule.steps - step), 0);
    return [
      `Training: step ${count(furthest(active))} of ${count(longest(active))}`,
      ...runs.length > active.length ? [`${runs.filter(hasEnded).length} of ${runs.length} networks done`] : [],
      ...steps > 0 ? [`${figure(steps)} steps per second`] : [],
      ...work > 0 ? [`${this.options.mayEndEarly ? "at most " : ""}${duration(left / work)} left`] : [],
    ].join(" · ");
  }

  /** The status line once training has ended: that it was stopped, or `undefined` where all runs are done. */
  ended(runs: readonly Seen[]): string | undefined {
    const open = runs.filter((run) => !hasEnded(run));
    if (open.length === 0) return undefined;
    const done = runs.length - open.length, step = `step ${count(furthest(open))} of ${count(longest(open))}`;
    return `Stopped at ${step}${done > 0 ? `; ${done} of ${runs.length} networks done` : ""}. ${
      this.options.goesOn ? "Run the cell again, and it goes on from here" : "Run the cell again, and it starts anew"
    }`;
  }
}
