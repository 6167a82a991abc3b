/** When a run memorised and when it grokked: pure functions over its evaluations. */
import type { Metrics } from "./metrics.ts";

/** What counts as having grokked: the validation accuracy of so many consecutive evaluations. The first of them is the grokking step. */
export interface Rule {
  readonly accuracy: number;
  /** Whether an accuracy of exactly this counts too. */
  readonly inclusive: boolean;
  /** Consecutive evaluations, at least 1. */
  readonly times: number;
  /** A run has memorised at its first evaluation with a train accuracy above this. Default: `MEMORISED`. */
  readonly memorised?: number;
}

/** `first`: the AI-Scientist template's, the first evaluation above 99 %. `sustained`: the boundary map's, ten in a row at 95 % or more. */
export const RULES = {
  first: { accuracy: 0.99, inclusive: false, times: 1 },
  sustained: { accuracy: 0.95, inclusive: true, times: 10 },
} as const satisfies Readonly<Record<string, Rule>>;
export type RuleName = keyof typeof RULES;

/** A run has memorised at its first evaluation with a train accuracy above this. */
export const MEMORISED = 0.99;

/** What the steps are read from; both accuracies are shares of 1. */
export type Accuracies = Pick<Metrics, "step" | "trainAcc" | "valAcc">;

// Engines hold accuracies as f32; the f32 nearest to 0.95 is not the double 0.95, and a tie must be one either way.
const above = (value: number, threshold: number) => Math.fround(value) > Math.fround(threshold);
const atLeast = (value: number, threshold: number) => Math.fround(value) >= Math.fround(threshold);

/** Whether an evaluation reaches the rule's accuracy. */
export const passes = ({ valAcc }: Pick<Accuracies, "valAcc">, { accuracy, inclusive }: Rule): boolean =>
  inclusive ? atLeast(valAcc, accuracy) : above(valAcc, accuracy);

/** The step of the first evaluation with a train accuracy above the threshold; `null` where there is none. */
export function memorisationStep(metrics: readonly Accuracies[], threshold = MEMORISED): number | null {
  return metrics.find(({ trainAcc }) => above(trainAcc, threshold))?.step ?? null;
}

/** The step of the first evaluation from which the rule holds; `null` where it never does within these evaluations. */
export function grokkingStep(metrics: readonly Accuracies[], rule: Rule = RULES.first): number | null {
  let streak = 0;
  for (const [i, evaluation] of metrics.entries()) {
    streak = passes(evaluation, rule) ? streak + 1 : 0;
    if (streak === rule.times) return metrics[i - rule.times + 1].step;
  }
  return null;
}

/** The step from which on every evaluation passes; `null` where the last one doesn't. */
export function passingSince(metrics: readonly Accuracies[], rule: Rule = RULES.first): number | null {
  const last = metrics.findLastIndex((evaluation) => !passes(evaluation, rule));
  return metrics[last + 1]?.step ?? null;
}

export interface Milestones {
  readonly memorisationStep: number | null;
  readonly grokkingStep: number | null;
  /**
   * Updates from memorising to grokking; `null` unless both happened. Negative where validation came first. So it is in every table and
   * view; only as a time, for tests and curves (`timesTo`), a negative one counts as 0.
   */
  readonly delay: number | null;
  /** True where the run was watched only until `lastStep` and hadn't grokked: its grokking step is larger than that, not missing. */
  readonly censored: boolean;
  /** The step of the last evaluation; `null` where there is none. */
  readonly lastStep: number | null;
  /** The step from which on every evaluation passed; `null` where the last one didn't. */
  readonly passingSince: number | null;
  /** What came after grokking; `null` where it wasn't seen. */
  readonly stability: Stability | null;
}

/** How stable a run's validation accuracy was since its grokking step: to its last evaluation, where nothing else is said. */
export interface Stability {
  /** Stretches of evaluations below the rule's accuracy. */
  readonly dips: number;
  /** How far below it the lowest evaluation lay, as a share of 1; 0 without a dip. */
  readonly depth: number;
  /** Share of the evaluations that lay below. */
  readonly timeBelow: number;
}

/** All of a run's milestones at once. `metrics` in the order of their steps. */
export function milestones(metrics: readonly Accuracies[], rule: Rule = RULES.first): Milestones {
  const memorisation = memorisationStep(metrics, rule.memorised), grokking = grokkingStep(metrics, rule);
  return {
    memorisationStep: memorisation,
    grokkingStep: grokking,
    delay: memorisation === null || grokking === null ? null : grokking - memorisation,
    censored: grokking === null,
    lastStep: metrics.at(-1)?.step ?? null,
    passingSince: passingSince(metrics, rule),
    stability: grokking === null ? null : stability(metrics.filter(({ step }) => step >= grokking), rule),
  };
}

function stability(since: readonly Accuracies[], rule: Rule): Stability {
  const below = since.map((evaluation) => !passes(evaluation, rule));
  return {
    dips: below.filter((is, i) => is && !below[i - 1]).length,
    depth: Math.max(0, ...since.map(({ valAcc }) => rule.accuracy - valAcc).filter((_, i) => below[i])),
    timeBelow: below.filter((is) => is).length / since.length,
  };
}
