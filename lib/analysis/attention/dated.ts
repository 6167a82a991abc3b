/** When a run's attention, and its validation accuracy, have made half of their change. */
import type { Moments } from "./lag.ts";
import type { SignalPair } from "../statistics/cross_correlation.ts";
import type { Selection } from "./patterns.ts";
import { type AttentionRun, edgesOf, readQueries, sizesOf } from "./runs.ts";
import { changeBetween, courseOf, halfwayStep, justAfter, lastMoments, meanLevel } from "./change.ts";

/**
 * A run with its moments, and with its two signals; `signals` is `null` where attention doesn't change, or was read fewer than three times.
 */
export interface DatedRun {
  readonly seed: number;
  readonly moments: Moments;
  readonly signals: SignalPair | null;
}

export interface DatingOptions {
  /** Which attention. Default: that of the queries which the output head reads, all heads together. */
  readonly selection?: Selection;
  /**
   * Where attention's change ends: `end`, in the last readings, so that change after grokking counts, and the result depends on how long
   * the run was watched; `grokking`, just after grokking, as for accuracy (for runs that don't grok, in the last readings). Default: `end`.
   */
  readonly until?: "end" | "grokking";
}

/**
 * When a run's attention has made half of its change, from just after memorising (for a run that never memorised, from its first reading)
 * to the end that `until` names; and when validation accuracy has made half of its own, from then to grokking. The two signals are
 * `progressBetween` of the attention and the validation accuracy.
 */
export function datedRun(
  run: AttentionRun,
  { selection = { queries: readQueries(run.spec) }, until = "end" }: DatingOptions = {},
): DatedRun {
  const { memorised, generalised } = edgesOf(run), course = courseOf(run.readings, sizesOf([run]), selection), { steps } = course;
  // The last reading may come before the last evaluation.
  const reading = (edge: number) => steps.find((step) => step >= edge) ?? steps.at(-1)!;
  const since = Math.min(memorised ?? steps[0], steps.at(-1)!);
  const seen = run.metrics.map(({ step }) => step), accuracies = run.metrics.map(({ valAcc }) => valAcc);
  const after = until === "grokking" && generalised !== null ? justAfter(reading(generalised)) : lastMoments(steps);
  const change = changeBetween(course, justAfter(reading(since)), after);
  const from = meanLevel(seen, accuracies, justAfter(since));
  // Accuracy may dip after grokking, and a run may end in a dip: so its final level is the one at grokking.
  const to = generalised === null ? meanLevel(seen, accuracies, lastMoments(seen)) : accuracies[seen.indexOf(generalised)];
  return {
    seed: run.spec.seed,
    moments: {
      memorisation: memorised,
      grokking: generalised,
      attention: change.halfway,
      accuracy: halfwayStep(seen, accuracies, from, to, { since }),
    },
    signals: change.progress && steps.filter((step) => step >= since).length >= 3
      ? { first: { steps, values: change.progress }, second: { steps: seen, values: accuracies }, from: since, to: steps.at(-1)! }
      : null,
  };
}
