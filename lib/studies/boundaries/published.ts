/**
 * Published results of the boundary experiments (github.com/B-Smith-92/grokking-boundaries, commit ae5c14d): when each run memorised,
 * grokked, and was last evaluated, from its evaluations every ten epochs. The published grokking epochs of all 406 runs agree with the
 * sustained rule.
 */
// @ts-types="@types/d3-dsv"
import { csvParse } from "d3-dsv";
import { fileURLToPath } from "node:url";
import { runSpec } from "../../run/spec.ts";
import type { BoardRun } from "../../analysis/runs/run.ts";

const TABLE = fileURLToPath(new URL("../../../data/published/grokking_boundaries.csv", import.meta.url));

/** Epochs: its rule needs ten evaluations in a row, ten epochs apart, and dates the first. */
const LOOKAHEAD = 90;

/** A published run; `experiment` is its experiment's name here. */
export interface PublishedRun extends BoardRun {
  readonly experiment: string;
}

/**
 * The published runs of some experiments, or of all, in the order of their names and settings. @throws Error where the table can't be read.
 */
export async function publishedBoundaries(...experiments: readonly string[]): Promise<PublishedRun[]> {
  const number = (text: string) => text === "" ? null : Number(text);
  return csvParse(await Deno.readTextFile(TABLE)).filter(({ experiment }) => experiments.length === 0 || experiments.includes(experiment))
    .map((row) => ({
      experiment: row.experiment,
      spec: runSpec({
        preset: "boundaries",
        data: { prime: Number(row.prime) },
        model: { dModel: Number(row.d_model) },
        optim: { weightDecay: Number(row.weight_decay) },
        schedule: { steps: Number(row.watched_until) },
        seed: Number(row.seed),
      }),
      status: "finished",
      step: Number(row.watched_until),
      known: Number(row.watched_until) - LOOKAHEAD,
      memorisationStep: number(row.memorisation_step),
      grokkingStep: number(row.grokking_step),
    }));
}
