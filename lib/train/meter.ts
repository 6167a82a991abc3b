/** How fast training goes and how long the rest takes, measured while it goes: for terminals and notebooks alike. */
import type { Run } from "./train.ts";

/** Time, in ms, over which the recent speed is measured. */
const WINDOW = 10_000;

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
  /** What was in each place, and its step if it was in training. More runs may come; another spec object in a place is another run. */
  #last: { readonly spec: Seen["spec"]; readonly step: number | null }[] = [];
  #marks: Mark[] = [];

  /** `weight`: the work in an update of a run, where runs differ in it. */
  constructor(readonly weight: (run: Seen) => number = () => 1) {}

  look(runs: readonly Seen[]): void {
    const { steps, runSteps, work } = this.#marks.at(-1) ?? { steps: 0, runSteps: 0, work: 0 };
    const moved = { steps: 0, runSteps: 0, work: 0 };
    for (const [i, run] of runs.entries()) {
      // A run begins, when taken up again, at a later step; that isn't work done here.
      const last = this.#last[i], n = last?.spec === run.spec ? run.step - (last.step ?? run.step) : 0;
      this.#last[i] = { spec: run.spec, step: run.status === "training" ? run.step : null };
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

/** A rate or a size in two digits or whole numbers; a dash for 0. */
export const figure = (x: number) => x === 0 ? "–" : x < 10 ? x.toPrecision(2) : Math.round(x).toString();

/** Seconds as `2:05` or `1:02:05`. */
export function duration(seconds: number): string {
  const s = Math.round(seconds), two = (n: number) => String(n).padStart(2, "0");
  return s < 3600 ? `${Math.floor(s / 60)}:${two(s % 60)}` : `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}
