/** When a run's attention, and its validation accuracy, have made half of their change. */
import type { Moments } from "./lag.ts";
import { cellsBetween, type SignalPair } from "../statistics/cross_correlation.ts";
import type { Selection } from "./patterns.ts";
import { type AttentionRun, edgesOf, readQueries, sizesOf } from "./runs.ts";
import { must } from "../statistics/sample.ts";
import { changeBetween, courseOf, halfwayStep } from "./change.ts";
import { justAfter, lastMoments, meanLevel } from "./windows.ts";

/**
 * A run with its moments, and with its two signals. `signals` is `null` where attention doesn't change, was read fewer than three times, or
 * was watched for so short a time that its speed has fewer than two cells (`SPACING`).
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
   * Where attention's change ends. `end`: in the last readings, so that change after grokking counts, and the result depends on how long
   * the run was watched. A number: in the last readings up to this multiple of the grokking step, so that runs that grok at different
   * steps are followed for equally many decades after it; a run that was watched for less has no date. `grokking`: in the readings just
   * after grokking (`justAfter`; the multiple 1.12 ends there, too), as for accuracy. Runs that don't grok: in the last readings. Default:
   * `end`.
   */
  readonly until?: "end" | "grokking" | number;
}

/** The readings up to step `last`; `null` where the run was watched for less. */
function readUpTo({ readings }: AttentionRun, last: number) {
  const end = readings.at(-1)!.step, rounding = 1 + 1e-9; // a multiple that was worked out from the last reading may lie beyond it
  const upTo = readings.filter(({ step }) => step <= last * rounding);
  return upTo.length > 0 && last <= end * rounding ? upTo : null;
}

/**
 * When a run's attention has made half of its change, from just after memorising (for a run that never memorised, from its first reading)
 * to the end that `until` names; and when validation accuracy has made half of its own, from then to grokking. The two signals are
 * `progressBetween` of the attention and the validation accuracy.
 * @throws Error for a multiple of the grokking step below 1.
 */
export function datedRun(
  run: AttentionRun,
  { selection = { queries: readQueries(run.spec) }, until = "end" }: DatingOptions = {},
): DatedRun {
  must("date attention's change", "until", typeof until !== "number" || until >= 1, "must be at least 1, once the grokking step", until);
  const { memorised, generalised } = edgesOf(run);
  const followed = typeof until === "number" && generalised !== null ? readUpTo(run, until * generalised) : run.readings;
  const course = courseOf(followed ?? run.readings, sizesOf([run]), selection), { steps } = course;
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
      attention: followed ? change.halfway : null,
      accuracy: halfwayStep(seen, accuracies, from, to, { since }),
    },
    signals: followed && change.progress && steps.filter((step) => step >= since).length >= 3 && cellsBetween(since, steps.at(-1)!) >= 2
      ? { first: { steps, values: change.progress }, second: { steps: seen, values: accuracies }, from: since, to: steps.at(-1)! }
      : null,
  };
}
