/** Runs whose attention was recorded, and what follows from their specs. */
import type { Curve } from "../runs/run.ts";
import type { AttentionStatistics } from "./specialisation.ts";
import { type PhaseEdges, phaseEdges } from "../../run/phases.ts";
import type { RunSpec } from "../../run/spec.ts";
import { choosingQueries } from "./patterns.ts";
import { attentionSizes } from "../../run/attention.ts";

/** A run whose attention was recorded: a run of `train`, with the readings that it reported. */
export interface AttentionRun extends Curve {
  /** By step, ascending. */
  readonly readings: readonly (AttentionStatistics & { readonly step: number })[];
  /** Default: `phaseEdges` of its metrics. */
  readonly edges?: PhaseEdges;
}

/** The steps at which the phases of a run begin. */
export const edgesOf = ({ edges, metrics }: AttentionRun): PhaseEdges => edges ?? phaseEdges(metrics);

/** The names of the input positions: `a`, `op`, `b`, `=`. */
export const tokensOf = ({ model }: RunSpec): string[] => model.tokens.split(" ");

/** The queries whose output the head reads: with pooling `last` the last one, else all that see more than one key. */
export const readQueries = ({ model }: RunSpec): number[] => {
  const T = model.tokens.split(" ").length;
  return model.pooling === "last" ? [T - 1] : choosingQueries(T, model.mask);
};

/** L, H and T of the first run's model. */
export const sizesOf = ([{ spec }]: readonly AttentionRun[]) => attentionSizes(spec);

/** Runs of one operation, to be compared with other groups. */
export interface AttentionGroup {
  /** `x − y`. */
  readonly name: string;
  readonly runs: readonly AttentionRun[];
}
