/** Runs as figures and statistics need them: their data and their state. */
import type { RunSpec } from "../../run/spec.ts";
import type { Metrics } from "../../run/metrics.ts";

/** A run as the board of its sweep needs it; sweeps and the lab provide such runs, as their experiment sees them. */
export interface BoardRun extends Omit<Curve, "metrics"> {
  /** `grokked` where its experiment ended it because it had grokked; one that another ended so is `stopped`. */
  readonly status: string;
  /** Updates done. */
  readonly step: number;
}

/**
 * `never`: did all its steps without grokking. `training`: here or in another process. `stopped`: before its last step. `waiting`: not
 * begun.
 */
export type State = "grokked" | "never" | "diverged" | "training" | "stopped" | "waiting";

/** The state of a run. Steps beyond `spec.schedule.steps`, trained for another experiment, don't count. */
export interface Outcome {
  readonly seed: number;
  readonly state: State;
  readonly memorised: number | null;
  readonly grokked: number | null;
  readonly watched: number;
  /**
   * The step at which its time to grok is censored: up to here it is known not to have grokked. For a diverged run, all its planned steps.
   */
  readonly known: number;
  /**
   * The last step that it was watched to and that its rule can judge: a run without a grokking step had not grokked by then. Of a diverged
   * run nothing is open, so that its last step counts.
   */
  readonly judged: number;
  /** Whether it is still training, as a run that has grokked may be. */
  readonly active: boolean;
}

/** The outcome of a run, within its planned steps. */
export function outcome({ spec, status, step, known = step, memorisationStep, grokkingStep }: BoardRun): Outcome {
  const { steps } = spec.schedule;
  const within = (at: number | null) => (at !== null && at <= steps ? at : null);
  const grokked = within(grokkingStep), active = status === "training" || status === "elsewhere";
  const state = grokked !== null
    ? "grokked"
    : status === "failed" && step <= steps
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
    judged: state === "diverged" ? Math.min(step, steps) : Math.min(step, steps, known),
    known: state === "diverged" ? steps : Math.min(known, steps),
  };
}

/** Whether it may still grok. */
export const isOpen = ({ state }: Outcome) => state === "training" || state === "stopped" || state === "waiting";

/** A run as figures need it; `train` returns such runs. */
export interface Curve {
  readonly spec: RunSpec;
  /** By step, ascending. */
  readonly metrics: readonly Metrics[];
  /** In steps; `null` where that was not seen. */
  readonly memorisationStep: number | null;
  readonly grokkingStep: number | null;
  /**
   * The step up to which it is known whether the run grokked. Default: that of the last evaluation. A rule that needs several evaluations
   * in a row can't judge the last ones.
   */
  readonly known?: number;
  /** `failed` where its loss became NaN or infinite. */
  readonly status?: string;
}

/** How many evaluations after the grokking step a run's rule asks for, as `known` tells where the last evaluation was at `last`. */
export const lookahead = ({ spec: { schedule }, known }: Pick<Curve, "spec" | "known">, last: number): number =>
  Math.max(0, Math.ceil((last - (known ?? last)) / schedule.evalEvery));

/** The run as it looked at a step, without anything later. */
export function watchedUntil<T extends Curve>(run: T, until: number): T {
  const metrics = run.metrics.filter(({ step }) => step <= until),
    [last, whole] = [metrics, run.metrics].map((some) => some.at(-1)?.step ?? 0);
  const ahead = lookahead(run, whole), { evalEvery } = run.spec.schedule;
  // The last of several evaluations may be the run's last, closer to the others.
  const seen = (step: number | null, ahead = 0) =>
    step !== null && Math.min(step + ahead * evalEvery, Math.max(step, whole)) <= until ? step : null;
  return {
    ...run,
    metrics,
    memorisationStep: seen(run.memorisationStep),
    grokkingStep: seen(run.grokkingStep, ahead),
    ...run.known === undefined ? {} : { known: last === whole ? run.known : Math.max(0, last - ahead * evalEvery) },
  };
}

/** Whether it diverged before it grokked. */
export const divergedFirst = ({ status, grokkingStep }: Curve): boolean => status === "failed" && grokkingStep === null;

/** The step after which a run has no values: of one that diverged that of its last evaluation with finite losses, else Infinity. */
export function endOf({ status, metrics }: Curve): number {
  if (status !== "failed") return Infinity;
  return metrics.findLast(({ trainLoss, valLoss }) => Number.isFinite(trainLoss) && Number.isFinite(valLoss))?.step ?? -1;
}

/** The last step at which any of the runs was evaluated. */
export const lastStep = (runs: readonly Curve[]) => Math.max(0, ...runs.map((run) => run.metrics.at(-1)?.step ?? 0));

/** Of runs with the same seed the first, in the order of the runs. */
export const oncePerSeed = <T extends { readonly spec: RunSpec }>(runs: readonly T[]): T[] =>
  runs.filter(({ spec }, i) => runs.findIndex((other) => other.spec.seed === spec.seed) === i);

/**
 * Whether a run did all its steps, grokked and was ended for that, or diverged. One that did all steps of a shorter experiment has not
 * ended here, though it is called finished.
 */
export const hasEnded = ({ status, step, spec }: Pick<BoardRun, "status" | "step" | "spec">) =>
  status === "grokked" || status === "failed" || step >= spec.schedule.steps;

/** A sentence that says how many of the planned runs have ended; none where all have. */
export function openSentence(runs: readonly Parameters<typeof hasEnded>[0][], { name, runs: { length: planned } }: Planned): string[] {
  const ended = runs.filter(hasEnded).length;
  return ended >= planned ? [] : [`**Not finished:** of ${name}, ${ended} of ${planned} runs have ended; what follows may change.`];
}

/** What an experiment plans. */
interface Planned {
  readonly name: string;
  readonly runs: readonly RunSpec[];
}
