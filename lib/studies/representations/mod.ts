/**
 * From random to circle: the lesson's networks with weight decay, which grok, and without, which never do; their weights stored on the way.
 */
import { type Experiment, grid, range } from "../../lab/experiment.ts";
import { firstGrok } from "../lessons/first_grok.ts";

const network = (weightDecay: number) => (seed: number) => firstGrok({ optim: { weightDecay }, schedule: { steps: 1500 }, seed });

export const REPRESENTATIONS: Experiment = {
  name: "representations",
  question: "What becomes of a network's representations when it groks, and when it never does?",
  keep: "nothing",
  // So many that the change is seen, and all states of all runs fit into a record of a few megabytes.
  watch: { weights: { perDecade: 6 } },
  runs: [...range(8).map(network(1)), ...range(3).map(network(0))],
};

/** The network that progress measures were found in, p 113, at the settings of the preset `nanda`, its weights stored on the way. */
export const NANDA: Experiment = {
  name: "nanda",
  question: "What becomes of the representations of the network that progress measures were found in?",
  keep: "nothing",
  watch: { weights: { perDecade: 6 } },
  runs: grid({ preset: "nanda", schedule: { steps: 25_000 }, seed: range(5) }),
};
