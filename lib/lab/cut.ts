/** What an experiment sees of a run's files and phases: nothing after its steps, as `Lab.runs` cuts evaluations and milestones. */
import { type PhaseEdges, phaseEdges } from "../run/phases.ts";
import type { RunSpec } from "../run/spec.ts";
import type { Rule } from "../run/grokking.ts";
import { phasesOf } from "./milestones.ts";
import type { Lab } from "./store.ts";
import type { StoredRun } from "./stored.ts";

/** Those of some evaluations, readings or checkpoints that lie within a run's steps. */
export const within = <T extends { readonly step: number }>({ schedule: { steps } }: RunSpec, all: readonly T[]): T[] =>
  all.filter(({ step }) => step <= steps);

/** The rule of an experiment that the lab has. */
export function ruleOf(lab: Lab, experiment: string): Rule & { readonly name: string } {
  const [{ rule }] = lab.query<{ rule: string }>("SELECT rule FROM experiments WHERE name = ?", experiment);
  return lab.rules().find(({ name }) => name === rule)!; // the database has each experiment's rule
}

/**
 * The edges of the phases of an experiment's run, by the experiment's rule and within its steps: what its milestones are, too. `null` where
 * they aren't known: see `phasesOf`. Of a run that went on for longer and has a part of its evaluations, an edge that depends on what came
 * after the steps is `null`.
 */
export function edgesWithin(lab: Lab, run: StoredRun, rule: Rule & { readonly name: string }): PhaseEdges | null {
  const { id, spec: { schedule: { steps } }, metrics, memorisationStep, grokkingStep: generalised } = run;
  const all = phasesOf(lab, id, rule.name);
  if (!all || all.last <= steps) return all;
  const whole = lab.query("SELECT 1 FROM runs WHERE id = ? AND NOT thinned", id).length > 0;
  if (whole && metrics.length > 0) return phaseEdges(metrics, rule);
  const skipped = memorisationStep !== null && generalised !== null && generalised <= memorisationStep;
  const seen = all.transition !== null && all.transition <= steps && (generalised !== null || all.transition !== all.generalised);
  return {
    first: all.first,
    memorised: skipped ? null : memorisationStep,
    transition: seen ? all.transition : null,
    generalised,
    last: run.step,
  };
}
