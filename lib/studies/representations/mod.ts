/**
 * From random embeddings to circles: the lesson's networks with weight decay, which grok, and without, which never do; their weights are
 * stored during training.
 */
import { type Experiment, grid, range } from "../../lab/experiment.ts";
import { firstGrok } from "../lessons/first_grok.ts";

const network = (weightDecay: number) => (seed: number) => firstGrok({ optim: { weightDecay }, schedule: { steps: 1500 }, seed });

export const REPRESENTATIONS: Experiment = {
  name: "representations",
  question: "What becomes of a network's representations when it groks, and when it never does?",
  keep: "nothing",
  // Enough to see the change, and few enough for a record of a few megabytes.
  watch: { weights: { perDecade: 6 } },
  runs: [...range(8).map(network(1)), ...range(3).map(network(0))],
};

/**
 * The network of the progress measures (Nanda et al. 2023, ICLR), modulo 113, with the preset `nanda`; its weights are stored during
 * training.
 */
export const NANDA: Experiment = {
  name: "nanda",
  question: "What becomes of the representations of the network that progress measures were found in?",
  keep: "nothing",
  watch: { weights: { perDecade: 6 } },
  runs: grid({ preset: "nanda", schedule: { steps: 25_000 }, seed: range(5) }),
};
