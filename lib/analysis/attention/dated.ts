/** When half of the change of a run's attention is done, and half of that of its accuracy. */
import type { Moments } from "./lag.ts";
import type { SignalPair } from "../statistics/cross_correlation.ts";
import type { Selection } from "./patterns.ts";
import { type AttentionRun, edgesOf, readQueries, sizesOf } from "./runs.ts";
import { changeBetween, courseOf, halfwayStep, justAfter, lastMoments, meanLevel } from "./change.ts";

/** A run with its moments, and with the two signals where attention changes at all. */
export interface DatedRun {
  readonly seed: number;
  readonly moments: Moments;
  readonly signals: SignalPair | null;
}

export interface DatingOptions {
  /** Whose attention. Default: the queries that the output head reads, of all heads together. */
  readonly selection?: Selection;
  /**
   * Up to when attention's change counts: to the run's last moments, so that what goes on after grokking counts too, and with it how long
   * the run was watched; or to just after grokking, as accuracy's does (else to the last moments). Default: `end`.
   */
  readonly until?: "end" | "grokking";
}

/**
 * When half of the change of a run's attention is done, since just after memorising (else since its first reading), and half of its
 * validation accuracy's, from then to grokking. Signals: the progress of attention on the straight way between the two, and validation
 * accuracy.
 */
export function datedRun(
  run: AttentionRun,
  { selection = { queries: readQueries(run.spec) }, until = "end" }: DatingOptions = {},
): DatedRun {
  const { memorised, generalised } = edgesOf(run), course = courseOf(run.readings, sizesOf([run]), selection), { steps } = course;
  // The last reading may be an earlier one than the last evaluation.
  const reading = (edge: number) => steps.find((step) => step >= edge) ?? steps.at(-1)!;
  const since = Math.min(memorised ?? steps[0], steps.at(-1)!);
  const seen = run.metrics.map(({ step }) => step), accuracies = run.metrics.map(({ valAcc }) => valAcc);
  const after = until === "grokking" && generalised !== null ? justAfter(reading(generalised)) : lastMoments(steps);
  const change = changeBetween(course, justAfter(reading(since)), after);
  const from = meanLevel(seen, accuracies, justAfter(since));
  // Accuracy may dip after grokking, and a run end in a dip: what it rises to is what it has when it groks.
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
