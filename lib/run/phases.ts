/**
 * The phases of a run, from its accuracies alone.
 *
 * The rule. A run has **memorised** from its first evaluation with a train accuracy above 99 % (`MEMORISED`). It has **generalised** from
 * its grokking step, by default the first evaluation with a validation accuracy above 99 %. Between the two its validation accuracy stands
 * on a plateau, which is guessing where operands can't be exchanged, and about the train fraction where they can, because the mirror (b, a)
 * of a held-out pair may have been trained. So the plateau is what the run itself had when it memorised, and the **transition** begins at
 * the first evaluation after that with a validation accuracy more than a quarter of the way (`DEPARTURE`) from there to the threshold.
 *
 * A quarter, because plateaus drift: of the five recorded runs of x + y without weight decay (data/recorded/knob_weight_decay), which never
 * generalised, all drifted beyond a tenth of the way, two beyond a fifth, none beyond a quarter.
 *
 * What isn't seen by the last evaluation has no edge; the last phase has no end. A run that dips after it generalised stays generalised
 * here: `milestones` in lib/run/grokking.ts says how it held. One that generalises before it has memorised is never memorised or in
 * transition.
 */
import { type Accuracies, grokkingStep, memorisationStep, type Rule, RULES } from "./grokking.ts";

export const PHASES = ["before memorisation", "memorised", "transition", "generalised"] as const;
export type PhaseName = typeof PHASES[number];

/** The share of the way from the plateau to the rule's accuracy beyond which validation accuracy has left the plateau. */
export const DEPARTURE = 0.25;

/** The steps at which the phases begin, `null` where that wasn't seen. The first begins at `first`; all are steps of evaluations. */
export interface PhaseEdges {
  readonly first: number;
  readonly memorised: number | null;
  readonly transition: number | null;
  readonly generalised: number | null;
  /** The last evaluation: what has no edge had not happened by then. */
  readonly last: number;
}

/** A stretch of training: `from` ≤ step < `to`; `to` is `null` where the run was watched no further. */
export interface Phase {
  readonly name: PhaseName;
  readonly from: number;
  readonly to: number | null;
}

/**
 * The edges of a run's phases. `metrics` in the order of their steps; `departure` instead of `DEPARTURE`.
 * @throws Error where there are no evaluations.
 */
export function phaseEdges(metrics: readonly Accuracies[], rule: Rule = RULES.first, departure = DEPARTURE): PhaseEdges {
  if (metrics.length === 0) throw new Error("Cannot tell phases: a run must have at least one evaluation, it has none");
  const first = metrics[0].step, last = metrics.at(-1)!.step;
  const memorised = memorisationStep(metrics, rule.memorised), generalised = grokkingStep(metrics, rule);
  const edges = { first, memorised, transition: null, generalised, last };
  if (memorised === null) return edges;
  if (generalised !== null && generalised <= memorised) return { ...edges, memorised: null };
  const plateau = metrics.find(({ step }) => step === memorised)!.valAcc;
  const left = metrics.find(({ step, valAcc }) => step > memorised && valAcc > plateau + departure * (rule.accuracy - plateau));
  // A rule of several evaluations may begin at one exactly at the threshold: never later than that.
  const transition = left && (generalised === null || left.step <= generalised) ? left.step : generalised;
  return { ...edges, transition };
}

/** The phases that a run was in, in their order, without those of no length. They share their edges and cover all of its steps. */
export function phases({ first, memorised, transition, generalised }: PhaseEdges): Phase[] {
  const begins = [first, memorised, transition, generalised];
  const entered = PHASES.flatMap((name, i) => begins[i] === null ? [] : [{ name, from: begins[i] }]);
  return entered.map((phase, i) => ({ ...phase, to: entered[i + 1]?.from ?? null })).filter(({ from, to }) => from !== to);
}

/** The phase of a run at a step. */
export function phaseAt(edges: PhaseEdges, step: number): PhaseName {
  return phases(edges).findLast(({ from }) => from <= step)?.name ?? PHASES[0];
}
