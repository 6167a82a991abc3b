/**
 * Attention during grokking: seed 002 of the AI-Scientist's template, plus what it lacks: separate heads, a fixed probe set, and enough
 * seeds for a test over seeds (with five, a sign-flip test can't give p below 0.06).
 */
import { type Experiment, type Grid, grid, range } from "../../lab/experiment.ts";
import { CAPACITY_OPERATIONS } from "../capacity/experiments.ts";

const seeds = range(10);

/** Readings close enough to date a change: each about 5 % further in steps, and wherever an accuracy changes. */
const attention = { perDecade: 48 };

/** The exact settings of the template, on its four operations. */
export const ATTENTION: Experiment = {
  name: "attention",
  question: "Does attention reorganise before, with or after the jump in validation accuracy?",
  watch: { attention },
  runs: grid({ data: { operation: CAPACITY_OPERATIONS }, seed: seeds }),
};

/**
 * A small version for two cores, with the settings of `capacity_in_small`: two layers of width 32 instead of 128, modulo 31 instead of 97,
 * 70 % of the pairs instead of half, batches of 128 draws instead of 512, learning rate 5e-3 instead of 1e-3, weight decay 0.25 instead of
 * 0.5; 4000 updates instead of 7500. Permutations don't get fewer with the modulus, so here random answers are the task that can't be
 * generalised.
 */
const IN_SMALL = {
  model: { layers: 2, dModel: 32, heads: 4 },
  data: { operation: ["x_div_y", "x_minus_y", "x_plus_y", "random"], prime: 31, trainFraction: 0.7, batch: 128 },
  optim: { lr: 5e-3, weightDecay: 0.25 },
  schedule: { steps: 4000 },
  seed: seeds,
} satisfies Grid;

export const ATTENTION_IN_SMALL: Experiment = {
  name: "attention_in_small",
  question: "In small, modulo 31, for two cores: does attention reorganise before, with or after the jump?",
  watch: { attention },
  runs: grid(IN_SMALL),
};

/** A study, in full or in small. */
export interface AttentionStudy {
  readonly experiment: Experiment;
  /** The task of all its runs, for the subtitles of figures. */
  readonly task: string;
}

export const FULL_ATTENTION: AttentionStudy = { experiment: ATTENTION, task: "Modulo 97 and S5, half of the pairs" };
export const ATTENTION_STUDY_IN_SMALL: AttentionStudy = { experiment: ATTENTION_IN_SMALL, task: "Modulo 31, 70 % of the pairs" };

export const ATTENTIONS: readonly Experiment[] = [ATTENTION, ATTENTION_IN_SMALL];
