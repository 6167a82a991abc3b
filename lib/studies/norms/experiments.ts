/**
 * The weight norm and grokking, in small networks: initial scale, weight decay and width; a norm that is held constant; and controls: noisy
 * or random labels, uniform attention, and no attention.
 */
import { type Experiment, type Grid, grid, range } from "../../lab/experiment.ts";
import { REACHED } from "../shortcuts/experiments.ts";

/** The setting of the shortcuts study; `LR` is the learning rate at which networks of this size grok soonest. */
const SETTING = {
  preset: "one-layer",
  data: { prime: 31, trainFraction: 0.6 },
  schedule: { steps: 1000, evalEvery: 10 },
} as const satisfies Grid;
const LR = 0.03;
export const NORMS_TASK = "x + y modulo 31, one layer, 60 % of the pairs, learning rate 0.03, 1,000 updates";

/** The preset's feed-forward part is four times as wide as the model; here, as in the shortcuts study, twice. */
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

/** Ten seeds per cell at width 32; three at the other widths, which only the map shows. */
export const NORMS_MAP: Experiment = experiment(
  "norms_map",
  "How do the initial scale, weight decay and width together set the time to grok?",
  cell(32, 10),
  cell(16, 3),
  cell(48, 3),
);

/** Without weight decay, so that only the initial scale and the gradient steps determine the norm, unless it is held. */
export const NORMS_HELD: Experiment = experiment(
  "norms_held",
  "Does the norm of the weights set the time to grok where it is held, and where it is free?",
  {
    model: { ...net(32), initScale: SCALES },
    optim: { lr: LR, weightDecay: 0, heldNorm: [0, "start"] },
    seed: range(10),
  },
);

/** The plain network, and its variations; the others are compared with the first. */
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
