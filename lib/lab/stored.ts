/** Runs as the lab's rows hold them: their spec, their milestones, and all of a run as figures take it. */
import type { Metrics } from "../engine/engine.ts";
import type { Stability } from "../run/grokking.ts";
import { inOneLine, quote } from "../run/quote.ts";
import { type RunInput, type RunSpec, runSpec, specHash } from "../run/spec.ts";

/** A run of the lab as an experiment sees it; figures take it for a curve. */
export interface StoredRun {
  readonly id: number;
  readonly spec: RunSpec;
  /** As `standingSql` has it. */
  readonly status: string;
  /** The last step that was seen of it, also where its evaluations aren't there. */
  readonly step: number;
  readonly metrics: readonly Metrics[];
  readonly memorisationStep: number | null;
  readonly grokkingStep: number | null;
  /** Up to which step it is known whether it had grokked: where the rule asks for several evaluations in a row, not the last of them. */
  readonly known: number;
  /** Of all evaluations, also where only a part of them was recorded; `null` where it never grokked. */
  readonly stability: Stability | null;
}

/** The columns of `run_summary` with a run's milestones and stability, and the form in which figures take them. */
export const MOMENTS = "memorisation_step, grokking_step, known_until, dips, dip_depth, time_below";
export type MomentRow = Record<"memorisation_step" | "grokking_step" | "known_until" | "dips" | "dip_depth" | "time_below", number | null>;

export function moments(row: MomentRow | undefined): Pick<StoredRun, "memorisationStep" | "grokkingStep" | "known" | "stability"> {
  const { memorisation_step = null, grokking_step = null, known_until, dips = null, dip_depth, time_below } = row ?? {};
  return {
    memorisationStep: memorisation_step,
    grokkingStep: grokking_step,
    known: known_until ?? 0,
    stability: grokking_step === null || dips === null ? null : { dips, depth: dip_depth!, timeBelow: time_below! },
  };
}

/** The spec that a text gives, for so many steps. @throws Error where it gives none. */
export function specFrom(json: string, steps: number): RunSpec {
  const input = JSON.parse(json) as RunInput | null;
  if (typeof input !== "object" || input === null) throw new Error(`must be an object, current value is ${quote(input)}`);
  return runSpec({ ...input, schedule: { ...input.schedule, steps } });
}

/** The spec in a row's JSON, for so many steps. @throws Error in one line where it isn't one, or has another hash than the row. */
export function specOf({ hash, spec: json }: { readonly hash: string; readonly spec: string }, steps: number): RunSpec {
  let spec: RunSpec;
  try {
    spec = specFrom(json, steps);
  } catch (error) {
    throw new Error(`Cannot read run ${inOneLine(hash)}: its spec must be that of a run: ${inOneLine((error as Error).message, 500)}`);
  }
  if (specHash(spec) === hash) return spec;
  throw new Error(`Cannot read run ${inOneLine(hash)}: its spec must give this hash, it gives ${specHash(spec)}`);
}
