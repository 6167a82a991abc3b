/** Milestones of a run and the edges of its phases, as the lab stores them: by each rule, of all evaluations. */
import { type PhaseEdges, phaseEdges } from "../run/phases.ts";
import { type Accuracies, milestones, type Rule } from "../run/grokking.ts";
import type { Connection, Row } from "./connection.ts";

/** What the table of milestones holds of a run by a rule: its columns after `run` and `rule`, in their order. */
export function milestoneRow(metrics: readonly Accuracies[], rule: Rule): Row {
  const { memorisationStep, grokkingStep, delay, censored, lastStep, passingSince, stability } = milestones(metrics, rule);
  return {
    memorisation_step: memorisationStep,
    grokking_step: grokkingStep,
    delay,
    censored: Number(censored),
    last_step: lastStep,
    passing_since: passingSince,
    dips: stability?.dips ?? null,
    dip_depth: stability?.depth ?? null,
    time_below: stability?.timeBelow ?? null,
  };
}

/** What the table of phases holds of a run by a rule: its columns after `run` and `rule`, in their order. */
export interface PhaseRow extends Row {
  readonly first_step: number;
  readonly memorised_step: number | null;
  readonly transition_step: number | null;
  readonly generalised_step: number | null;
  readonly last_step: number;
}

/** `null` where there are no evaluations. */
export function phaseRow(metrics: readonly Accuracies[], rule: Rule): PhaseRow | null {
  if (metrics.length === 0) return null;
  const { first, memorised, transition, generalised, last } = phaseEdges(metrics, rule);
  return { first_step: first, memorised_step: memorised, transition_step: transition, generalised_step: generalised, last_step: last };
}

/**
 * The same from what a record has of it: its milestones, and the step at which the transition began. Runs of the lab are seen from step 0.
 */
export function recordedPhases({ memorisation_step, grokking_step, last_step, transition_step }: Row): PhaseRow | null {
  if (last_step === null || transition_step === undefined) return null;
  const [memorised, generalised] = [memorisation_step, grokking_step] as (number | null)[];
  const skipped = memorised !== null && generalised !== null && generalised <= memorised;
  return {
    first_step: 0,
    memorised_step: skipped ? null : memorised,
    transition_step: transition_step as number | null,
    generalised_step: generalised,
    last_step: last_step as number,
  };
}

/**
 * The edges of a run's phases by a rule, over all of its evaluations, also where the lab has a part of them; `null` where they aren't
 * known: nothing of it is stored yet, or its record was made before records had them.
 */
export function phasesOf(lab: Connection, run: number, rule = "first"): PhaseEdges | null {
  const [row] = lab.query<PhaseRow>("SELECT * FROM phases WHERE run = ? AND rule = ?", run, rule);
  if (!row) return null;
  const { first_step: first, memorised_step: memorised, transition_step: transition, generalised_step: generalised, last_step: last } = row;
  return { first, memorised, transition, generalised, last };
}
