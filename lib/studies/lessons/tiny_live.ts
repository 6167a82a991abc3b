import { type Experiment, grid, range } from "../../lab/experiment.ts";
import { type RunInput, type RunSpec, runSpec } from "../../run/spec.ts";
import type { Knob } from "../../analysis/runs/groups.ts";
import { list } from "../../analysis/words.ts";

/** The unchanged preset, for all of its steps. */
export const TINY_LIVE: Experiment = {
  name: "tiny_live",
  question: "Do the live notebook's own settings show the jump within its 20,000 steps?",
  runs: grid({ preset: "tiny-live", seed: range(3) }),
};

/** The first of these runs for 100,000 steps, as the live notebook's author advises where no jump is seen. */
export const TINY_LIVE_LONG: Experiment = {
  name: "tiny_live_long",
  question: "Do the live notebook's own settings show the jump within 100,000 steps?",
  margin: 500,
  runs: grid({ preset: "tiny-live", schedule: { steps: 100_000 }, seed: [0] }),
};

/**
 * The live notebook's network with one layer, narrower, modulo 31, with settings at which it groks: more data and more weight decay.
 * `change` overrides fields of the spec.
 */
export function tinyTip(change: Omit<RunInput, "preset"> = {}): RunSpec {
  return runSpec({
    ...change,
    preset: "tiny-live",
    model: { layers: 1, dModel: 32, ...change.model },
    data: { prime: 31, trainFraction: 0.7, ...change.data },
    optim: { weightDecay: 1, ...change.optim },
    schedule: { steps: 6000, evalEvery: 50, ...change.schedule },
  });
}

const seeds = range(5);

export const TINY_LIVE_TIPS: Experiment = {
  name: "tiny_live_tips",
  question: "Steps, train fraction, weight decay, model size: does each of them decide whether the jump is seen?",
  margin: 0,
  runs: [
    {},
    ...[0.3, 0.5].map((trainFraction) => ({ data: { trainFraction } })),
    ...[0.01, 0.3, 3].map((weightDecay) => ({ optim: { weightDecay } })),
    ...[16, 64].map((dModel) => ({ model: { dModel } })),
  ].flatMap((change) => seeds.map((seed) => tinyTip({ ...change, seed }))),
};

/** One sentence: how many networks each setting keeps from grokking at its worst value, the most harmful settings first. */
export function tipsFinding(knobs: readonly Knob[]): string {
  const kept = knobs.map(({ knob, groups }) => {
    const [worst] = groups.map(({ runs }) => ({ nevers: runs.filter((run) => run.grokkingStep === null).length, of: runs.length }))
      .sort((a, b) => b.nevers / b.of - a.nevers / a.of);
    return { ...worst, name: knob.toLowerCase(), share: worst.nevers / worst.of };
  });
  const groups = [...Map.groupBy(kept, ({ nevers, of }) => nevers === of ? `all ${of}` : `${nevers} of ${of}`)]
    .sort(([, [a]], [, [b]]) => b.share - a.share);
  const words = groups.map(([networks, some], i) =>
    i === 0
      ? `${list(some.map(({ name }) => name))} can${some.length > 1 ? " each" : ""} keep ${networks} networks from grokking`
      : `${list(some.map(({ name }) => name))} ${networks}`
  ).join(", ");
  return `${words[0].toUpperCase()}${words.slice(1)}`;
}
