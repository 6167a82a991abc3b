/**
 * What a live figure says of training above its title: how far it is, how fast it goes, how long the rest takes, and that it was stopped.
 */
import { count } from "../analysis/words.ts";
import { duration, figure, Meter } from "../train/meter.ts";
import type { Run } from "../train/train.ts";

/** What is seen of a run; a sweep has runs that somebody else trains, too. */
type Seen = Pick<Run, "spec" | "status" | "step">;

/** Before there is anything to draw. The first network of a shape may take much longer than later ones, whose kernels the driver keeps. */
export const OPENING = "Getting ready: looking for a graphics card, or starting the processor's threads";
export const COMPILING = "Getting ready: compiling the network's kernels. The first time takes longest";

const isOver = ({ status, step, spec }: Seen) =>
  status === "finished" || status === "grokked" || status === "failed" || step >= spec.schedule.steps;
const furthest = (runs: readonly Seen[]) => Math.max(0, ...runs.map(({ step }) => step));
const longest = (runs: readonly Seen[]) => Math.max(0, ...runs.map(({ spec }) => spec.schedule.steps));

export interface PaceOptions {
  /** Whether runs may end before their last step: then the time left is at most what is said. */
  readonly mayEndEarly: boolean;
  /** Whether another call goes on where this one was stopped. */
  readonly goesOn: boolean;
  /** The work in an update of a run, where runs differ in it. */
  readonly work?: (spec: Seen["spec"]) => number;
}

/** Measures how fast runs come on, from what it is shown of them. */
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

  /** While runs train. */
  training(runs: readonly Seen[]): string {
    const active = runs.filter(({ status }) => status === "training"), { steps, work } = this.#meter.recent;
    if (furthest(active) === 0 && steps === 0) return COMPILING;
    const left = runs.filter((run) => !isOver(run) && run.status !== "elsewhere")
      .reduce((sum, { spec, step }) => sum + this.#work(spec) * (spec.schedule.steps - step), 0);
    return [
      `Training: step ${count(furthest(active))} of ${count(longest(active))}`,
      ...runs.length > active.length ? [`${runs.filter(isOver).length} of ${runs.length} networks done`] : [],
      ...steps > 0 ? [`${figure(steps)} steps per second`] : [],
      ...work > 0 ? [`${this.options.mayEndEarly ? "at most " : ""}${duration(left / work)} left`] : [],
    ].join(" · ");
  }

  /** Once no run trains any more: that they were stopped, or `undefined` where nothing was left to do. */
  ended(runs: readonly Seen[]): string | undefined {
    const open = runs.filter((run) => !isOver(run));
    if (open.length === 0) return undefined;
    const done = runs.length - open.length, step = `step ${count(furthest(open))} of ${count(longest(open))}`;
    return `Stopped at ${step}${done > 0 ? `; ${done} of ${runs.length} networks done` : ""}. ${
      this.options.goesOn ? "Run the cell again, and it goes on from here" : "Run the cell again, and it starts anew"
    }`;
  }
}
