/** From random to circle: the same small networks with weight decay, which grok, and without, which never do; their weights stored on the way. */
import { type Experiment, grid, range } from "../lab/experiment.ts";

/** Narrow, so that all states of all runs fit into a record of a few megabytes. */
export const REPRESENTATIONS: Experiment = {
  name: "representations",
  question: "What becomes of a network's representations when it groks, and when it never does?",
  keep: "nothing",
  watch: { weights: { perDecade: 4 } },
  runs: grid(...[{ weightDecay: 1, seed: range(8) }, { weightDecay: 0, seed: range(3) }].map(({ weightDecay, seed }) => ({
    preset: "nanda" as const,
    data: { prime: 31, trainFraction: 0.6 },
    model: { dModel: 32, dMlp: 64 },
    optim: { lr: 1e-2, weightDecay },
    schedule: { steps: 2000, evalEvery: 10 },
    seed,
  }))),
};
