/** The map of d_model / p against weight decay in small: sixty runs that two cores train in minutes, without a GPU. */
import { type Experiment, grid, range } from "../lab/experiment.ts";

/** The lesson's model on a smaller modulus, from narrower than p to twice as wide. A run may end soon after it has grokked. */
export const SMALL_MAP: Experiment = {
  name: "small_map",
  question: "At which widths and weight decays do small networks grok, in minutes on two cores?",
  rule: "sustained",
  margin: 100,
  runs: grid({
    preset: "nanda",
    data: { prime: 31, trainFraction: 0.6 },
    model: { dModel: [16, 32, 64] },
    optim: { lr: 1e-2, weightDecay: [0.1, 0.3, 1, 3] },
    schedule: { steps: 1500, evalEvery: 10 },
    seed: range(5),
  }),
};
