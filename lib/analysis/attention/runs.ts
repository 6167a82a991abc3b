/** Runs whose attention was watched, and what is read off their specs. */
import type { Curve } from "../runs/run.ts";
import type { AttentionStatistics } from "./specialisation.ts";
import { type PhaseEdges, phaseEdges } from "../../run/phases.ts";
import type { RunSpec } from "../../run/spec.ts";
import { choosingQueries } from "./patterns.ts";
import { attentionSizes } from "../../run/attention.ts";

/** A run whose attention was watched; one of `train` with the readings that came with its news. */
export interface AttentionRun extends Curve {
  /** In the order of their steps. */
  readonly readings: readonly (AttentionStatistics & { readonly step: number })[];
  /** Default: `phaseEdges` of its metrics. */
  readonly edges?: PhaseEdges;
}

export const edgesOf = ({ edges, metrics }: AttentionRun): PhaseEdges => edges ?? phaseEdges(metrics);

/** `a`, `op`, `b`, `=`. */
export const tokensOf = ({ model }: RunSpec): string[] => model.tokens.split(" ");

/** The queries whose attention the output head reads: the last one's, or all that have a choice. */
export const readQueries = ({ model }: RunSpec): number[] => {
  const T = model.tokens.split(" ").length;
  return model.pooling === "last" ? [T - 1] : choosingQueries(T, model.mask);
};

/** L, H and T of the runs' model. */
export const sizesOf = ([{ spec }]: readonly AttentionRun[]) => attentionSizes(spec);

/** Runs that are compared. */
export interface AttentionGroup {
  /** `x − y`. */
  readonly name: string;
  readonly runs: readonly AttentionRun[];
}
