/**
 * Published results of the boundary experiments (github.com/B-Smith-92/grokking-boundaries, commit ae5c14d): when each run memorised and
 * grokked, how stable its validation accuracy was afterwards, and when it was last evaluated, from its evaluations every ten epochs. The
 * published grokking epochs of all 406 runs agree with the sustained rule. Their specs here are the preset's, which begins attention
 * otherwise than they did (`attention_start`), so that settings of both have one name.
 */
// @ts-types="@types/d3-dsv"
import { csvParse, type DSVRowString } from "d3-dsv";
import { fileURLToPath } from "node:url";
import { RULES, type Stability } from "../../run/grokking.ts";
import { METRIC_NAMES, type Metrics } from "../../run/metrics.ts";
import { runSpec } from "../../run/spec.ts";
import type { StudiedRun } from "../../analysis/runs/question.ts";
import type { BoardRun, Curve } from "../../analysis/runs/run.ts";

const fileOf = (name: string) => fileURLToPath(new URL(`../../../data/published/${name}.csv`, import.meta.url));
const TABLE = fileOf("grokking_boundaries"), ACCURACIES = fileOf("grokking_boundaries_accuracies");

/** In epochs. The rule needs ten evaluations in a row, ten epochs apart; the first of them is the grokking epoch. */
const LOOKAHEAD = 90;

/** A published run; `experiment` is its experiment's name here. */
export interface PublishedRun extends StudiedRun {
  readonly experiment: string;
  /** From its grokking epoch to 550 epochs later, of every evaluation: about as long as runs here are watched. */
  readonly stability: Stability | null;
  /** Its accuracies at the lowest validation accuracy of these epochs; `null` where that isn't below 95 %. */
  readonly lowest: Accuracies | null;
  /** Both of its last 5,000 epochs; `null` where it never grokked, and where they begin less than 550 epochs after. */
  readonly late: Pick<PublishedRun, "stability" | "lowest"> | null;
}

/** Shares of 1. */
export type Accuracies = Pick<Metrics, "trainAcc" | "valAcc">;

/**
 * The published runs of some experiments, or of all, in the order of their names and settings. @throws Error where the table can't be read.
 */
export async function publishedBoundaries(...experiments: readonly string[]): Promise<PublishedRun[]> {
  const number = (text: string) => text === "" ? null : Number(text);
  const stabilityIn = (row: DSVRowString, of: string): PublishedRun["late"] => {
    const [dips, depth, trainAcc, timeBelow] = ["dips", "dip_depth", "dip_train_acc", "time_below"].map((name) => number(row[of + name]));
    return dips === null ? null : {
      stability: { dips, depth: depth!, timeBelow: timeBelow! },
      lowest: trainAcc === null ? null : { trainAcc, valAcc: RULES.sustained.accuracy - depth! },
    };
  };
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
      ...stabilityIn(row, "") ?? { stability: null, lowest: null },
      late: stabilityIn(row, "late_"),
    }));
}

/**
 * The published runs of experiment 1 with their accuracies, up to 500 epochs after grokking, at weight decay 10 up to 5,000: as long as
 * those here are watched. Of the published evaluations, every ten epochs, the table has those that `thinned` of lib/lab/record would keep:
 * at most 150 of each run. All metrics but the accuracies are NaN. @throws Error where a table can't be read, and where it lacks a run.
 */
export async function publishedAccuracies(): Promise<(BoardRun & Curve)[]> {
  const key = (decay: number, seed: number) => `${decay} ${seed}`, none = Object.fromEntries(METRIC_NAMES.map((name) => [name, NaN]));
  const rows = Map.groupBy(csvParse(await Deno.readTextFile(ACCURACIES)), (row) => key(Number(row.weight_decay), Number(row.seed)));
  return (await publishedBoundaries("exp1_weight_decay")).map(({ spec, status, memorisationStep, grokkingStep }) => {
    const { optim: { weightDecay }, seed } = spec, known = rows.get(key(weightDecay, seed));
    if (!known) throw new Error(`Cannot read ${ACCURACIES}: it must have weight decay ${weightDecay} with seed ${seed}, there is none`);
    const metrics = known.map((row) =>
      ({ ...none, step: Number(row.step), trainAcc: Number(row.train_acc), valAcc: Number(row.val_acc) }) as Metrics
    );
    const { step } = metrics.at(-1)!;
    return { spec, status, memorisationStep, grokkingStep, step, known: step - LOOKAHEAD, metrics };
  });
}
