/**
 * A small version of the boundary study, for two cores without a GPU: the one-layer model modulo 31 instead of the two-layer encoder modulo
 * 97, 60 % of the pairs, learning rate 0.01, 1500 steps. Runs that several experiments share are trained once.
 */
import { type Experiment, type Grid, grid, range } from "../../lab/experiment.ts";
import type { BoundaryStudy } from "./experiments.ts";

const WIDTHS = [16, 24, 32, 48, 64, 96];
const DECAYS = [0.1, 0.3, 1, 3, 10];

/** An experiment whose runs end 100 steps after grokking. */
const inSmall = (name: string, question: string, ...grids: Grid[]): Experiment => ({
  name,
  question,
  rule: "sustained",
  margin: 100,
  runs: grid(...grids.map(({ data, optim, model }) => ({
    preset: "one-layer" as const,
    data: { prime: 31, trainFraction: 0.6, ...data },
    model: { dModel: 32, ...model },
    optim: { lr: 1e-2, weightDecay: 1, ...optim },
    schedule: { steps: 1500, evalEvery: 10 },
    seed: range(5),
  }))),
});

/** 60 runs in minutes, the first map that a reader trains; all its cells are in `exp5_in_small` too. */
export const SMALL_MAP = inSmall("small_map", "At which widths and weight decays do small networks grok, in minutes on two cores?", {
  model: { dModel: [16, 32, 64] },
  optim: { weightDecay: [0.1, 0.3, 1, 3] },
});

const EXP1_IN_SMALL = inSmall("exp1_in_small", "Does more weight decay shorten the wait at p = 31, d = 32?", {
  optim: { weightDecay: DECAYS },
});
const EXP2_IN_SMALL = inSmall("exp2_in_small", "Does a wider network grok sooner at p = 31?", { model: { dModel: WIDTHS } });
const EXP3_IN_SMALL = inSmall("exp3_in_small", "Does a larger modulus take longer at d = 32?", { data: { prime: [19, 23, 31, 47] } });
const EXP4_IN_SMALL = inSmall(
  "exp4_in_small",
  "Is it the ratio d / p that decides, whatever the modulus?",
  ...[[19, 20], [23, 24], [31, 32], [47, 48]].map(([prime, dModel]) => ({ data: { prime }, model: { dModel } })),
);
const EXP5_IN_SMALL = inSmall("exp5_in_small", "At which ratios d / p do networks grok, weight decay by weight decay?", {
  model: { dModel: WIDTHS },
  optim: { weightDecay: DECAYS },
});

export const BOUNDARIES_IN_SMALL: readonly Experiment[] = [
  SMALL_MAP,
  EXP1_IN_SMALL,
  EXP2_IN_SMALL,
  EXP3_IN_SMALL,
  EXP4_IN_SMALL,
  EXP5_IN_SMALL,
];

export const BOUNDARY_STUDY_IN_SMALL: BoundaryStudy = {
  decay: [EXP1_IN_SMALL],
  width: [EXP2_IN_SMALL],
  prime: [EXP3_IN_SMALL],
  matched: [EXP4_IN_SMALL],
  map: [EXP5_IN_SMALL],
};
