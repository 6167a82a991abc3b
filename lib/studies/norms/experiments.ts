/**
 * The norm of the weights and grokking, in small: how large the weights begin, how fast they decay, how wide the network is; norms that
 * are held; and what controls do: labels without a rule, attention that is uniform, none.
 */
import { type Experiment, type Grid, grid, range } from "../../lab/experiment.ts";
import { REACHED } from "../shortcuts/experiments.ts";

/** The first setting of the study of shortcuts, at the learning rate that networks of this size grok soonest at. */
const SETTING = {
  preset: "one-layer",
  data: { prime: 31, trainFraction: 0.6 },
  schedule: { steps: 1000, evalEvery: 10 },
} as const satisfies Grid;
const LR = 0.03;
export const NORMS_TASK = "x + y modulo 31, one layer, 60 % of the pairs, learning rate 0.03, 1,000 updates";

/** Four times as wide as the rest is the feed-forward part of the preset; here, as in the study of shortcuts, twice. */
const net = (dModel: number) => ({ dModel, dMlp: 2 * dModel });

const experiment = (name: string, question: string, ...grids: readonly Grid[]): Experiment => ({
  name,
  question,
  rule: REACHED,
  margin: 0,
  keep: "nothing",
  runs: grid(...grids.map((each): Grid => ({ ...SETTING, ...each, data: { ...SETTING.data, ...each.data } }))),
});

export const SCALES = [0.5, 1, 2, 4], DECAYS = [0.3, 1, 3];
const cell = (dModel: number, seeds: number): Grid => ({
  model: { ...net(dModel), initScale: SCALES },
  optim: { lr: LR, weightDecay: DECAYS },
  seed: range(seeds),
});

/** Ten seeds a cell at the middle width, three at the others, which only the map shows. */
export const NORMS_MAP: Experiment = experiment(
  "norms_map",
  "How do the initial scale, weight decay and width together set the time to grok?",
  cell(32, 10),
  cell(16, 3),
  cell(48, 3),
);

/** Without weight decay, so that nothing but the start and the training itself moves the norm, unless it is held. */
export const NORMS_HELD: Experiment = experiment(
  "norms_held",
  "Does the norm of the weights set the time to grok where it is held, and where it is free?",
  {
    model: { ...net(32), initScale: SCALES },
    optim: { lr: LR, weightDecay: 0, heldNorm: [0, "start"] },
    seed: range(10),
  },
);

/** The plain network, and what is changed in it; the first is the one that the others are compared with. */
export const CONTROLS = [
  { name: "the plain network", model: {}, data: {} },
  { name: "5 % wrong labels", model: {}, data: { labelNoise: 0.05 } },
  { name: "20 % wrong labels", model: {}, data: { labelNoise: 0.2 } },
  { name: "random labels", model: {}, data: { labelNoise: 1, noiseLabels: "any" } },
  { name: "uniform attention", model: { mixer: "uniform" }, data: {} },
  { name: "no attention", model: { mixer: "none" }, data: {} },
] as const satisfies readonly { name: string; model: Grid["model"]; data: Grid["data"] }[];

export const NORMS_CONTROLS: Experiment = experiment(
  "norms_controls",
  "Which networks grok with labels that are wrong or random, with uniform attention and with none?",
  ...CONTROLS.map(({ model, data }): Grid => ({
    data,
    model: { ...net(32), ...model },
    optim: { lr: LR, weightDecay: 1 },
    seed: range(10),
  })),
);

export const NORMS: readonly Experiment[] = [NORMS_MAP, NORMS_HELD, NORMS_CONTROLS];
