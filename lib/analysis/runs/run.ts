/** Runs as figures and statistics see them: what is known of one, and how it stands. */
import type { RunSpec } from "../../run/spec.ts";
import type { Metrics } from "../../run/metrics.ts";

/** A run as the board of its sweep sees it; a sweep gives such, and so does the lab. */
export interface BoardRun extends Omit<Curve, "metrics"> {
  readonly status: string;
  /** Updates done. */
  readonly step: number;
  /**
   * Up to which step it is known whether it had grokked, where that isn't `step`: a rule that needs several evaluations in a row says
   * nothing about the last ones.
   */
  readonly known?: number;
}

/** `never`: watched to the end of its steps. `training`, here or elsewhere; `stopped` on the way; `waiting`: not begun. */
export type State = "grokked" | "never" | "diverged" | "training" | "stopped" | "waiting";

/** How a run stands. What came after its steps, trained for another experiment, doesn't count. */
export interface Outcome {
  readonly seed: number;
  readonly state: State;
  readonly memorised: number | null;
  readonly grokked: number | null;
  readonly watched: number;
  /**
   * Where its time to grok is censored: the step up to which it is known not to have. One that diverged won't, in all the steps it was to
   * do.
   */
  readonly known: number;
  /** Whether it is in training, which one that has grokked may still be. */
  readonly active: boolean;
}

export function outcome({ spec, status, step, known = step, memorisationStep, grokkingStep }: BoardRun): Outcome {
  const { steps } = spec.schedule;
  const within = (at: number | null) => (at !== null && at <= steps ? at : null);
  const grokked = within(grokkingStep), active = status === "training" || status === "elsewhere";
  const state = grokked !== null
    ? "grokked"
    : status === "failed"
    ? "diverged"
    : step >= steps
    ? "never"
    : active
    ? "training"
    : step > 0
    ? "stopped"
    : "waiting";
  return {
    ...{ seed: spec.seed, state, memorised: within(memorisationStep), grokked, watched: Math.min(step, steps), active },
    known: state === "diverged" ? steps : Math.min(known, steps),
  };
}

/** Whether it may yet grok. */
export const isOpen = ({ state }: Outcome) => state === "training" || state === "stopped" || state === "waiting";

/** A run as figures see it; what `train` gives is one. */
export interface Curve {
  readonly spec: RunSpec;
  /** By step, ascending. */
  readonly metrics: readonly Metrics[];
  /** `null` where that was not seen. */
  readonly memorisationStep: number | null;
  readonly grokkingStep: number | null;
  /** `failed` where its loss stopped being a number. */
  readonly status?: string;
}

/** The run as it looked at a step: without what came later. */
export function watchedUntil<T extends Curve>(run: T, until: number): T {
  const seen = (step: number | null) => (step !== null && step <= until ? step : null);
  const metrics = run.metrics.filter(({ step }) => step <= until);
  return { ...run, metrics, memorisationStep: seen(run.memorisationStep), grokkingStep: seen(run.grokkingStep) };
}

/** The last step that was evaluated. */
export const lastStep = (runs: readonly Curve[]) => Math.max(0, ...runs.map((run) => run.metrics.at(-1)?.step ?? 0));

/** Whether a run did all its steps, or what ended it early. */
export const hasEnded = ({ status, step, spec }: BoardRun) =>
  status === "finished" || status === "grokked" || status === "failed" || step >= spec.schedule.steps;
