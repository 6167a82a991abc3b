/** Runs drawn at random, small and of every kind: an engine's losses, accuracies and updates must be the oracle's. */
import type { Engine, Metrics, Trainer } from "../../lib/engine/engine.ts";
import { tfjsEngine } from "../../lib/reference/trainer.ts";
import { PART_ENTRIES, valueAt } from "../../lib/run/fields.ts";
import { GROUPS } from "../../lib/run/groups.ts";
import { read } from "../../lib/run/layout.ts";
import { OPERATIONS } from "../../lib/run/operations.ts";
import { PRESETS, type RunInput, type RunSpec, runSpec } from "../../lib/run/spec.ts";
import { difference } from "../engine/update_oracle.ts";
import { type Chance, type Fuzzer, wrongWith } from "./finding.ts";

type Tree = Record<string, Record<string, unknown>>;

const groups = (random: Chance) => {
  const some = GROUPS.filter(() => random.happens(0.4));
  return some.length === 0 || some.length === GROUPS.length ? "embed+mlp" : some.join("+");
};

/** Values that a number may take, by its field; words and flags are taken from the table. */
const NUMBERS: Readonly<Record<string, (random: Chance) => unknown>> = {
  layers: (random) => random.one([1, 1, 2, 3]),
  dModel: (random) => random.one([1, 2, 3, 4, 6, 8, 12]),
  heads: (random) => random.one([1, 1, 2, 3, 4]),
  dMlp: (random) => random.one([1, 2, 3, 5, 8, 13]),
  context: (random) => random.one([2, 3, 4, 5, 9]),
  initSigma: (random) => random.one([0.05, 0.3, 1]),
  positionSigma: (random) => random.one([0.02, 1]),
  initSigmas: (random) => random.one(["none", "unembed=0.1", "pos=0.02+W_out=0.01", "embed=0+W_Q=2"]),
  extraClasses: (random) => random.one([0, 1, 3, 7]),
  initScale: (random) => random.one([1, 0.3, 2]),
  prime: (random) => random.one([2, 3, 5, 7, 7, 8, 11]),
  trainFraction: (random) => random.one([0.3, 0.5, 0.77]),
  batch: (random) => random.one(["full", "full", 1, 3, 8, 17]),
  labelNoise: (random) => random.one([0, 0.1, 0.5, 1]),
  lr: (random) => random.one([0, 1e-3, 1e-2]),
  weightDecay: (random) => random.one([0, 0.1, 1, 10]),
  beta1: (random) => random.one([0, 0.9]),
  beta2: (random) => random.one([0, 0.98, 0.999]),
  eps: (random) => random.one([1e-8, 1e-3]),
  warmup: (random) => random.one([0, 1, 3]),
  temperature: (random) => random.one([1, 0.5, 3]),
  frozen: (random) => random.happens(0.5) ? "none" : groups(random),
  decayGroups: (random) => random.happens(0.5) ? "all" : groups(random),
  momentum: (random) => random.one([0.5, 0.95]),
  muonLr: (random) => random.one([0.002, 0.02]),
  lrSteps: (random) => random.one([4, 5, 100]),
  filterAlpha: (random) => random.one([0, 0.5, 0.98]),
  filterLambda: (random) => random.one([0, 1, 5]),
  filterWindow: (random) => random.one([1, 2, 3, 10]),
  heldNorm: (random) => random.one([0, "start", 3]),
  rowNorm: (random) => random.one([0, 0.5, 2]),
};

/** What an MLP has no choice of, and what follows from its absence. */
const OF_ATTENTION = ["tokens", "context", "norm", "mask", "pooling", "heads", "tied", "normKind", "finalNorm"];

/** A run whose fields go together; what doesn't is drawn again. */
export function drawn(random: Chance): RunSpec {
  for (;;) {
    const input: Tree = {
      model: { dModel: 6, dMlp: 5, heads: 1 },
      data: { prime: 7, batch: 8 },
      optim: {},
      schedule: { steps: 5, evalEvery: random.one([1, 2, 5]) },
    };
    for (const { part, name, field: { kind, readBy } } of PART_ENTRIES) {
      if (part === null || part === "schedule" || random.happens(0.45)) continue;
      if (readBy && !Object.hasOwn(readBy.choices, String(input[part][readBy.field]))) continue;
      const words = name === "operation" ? Object.keys(OPERATIONS).filter((each) => !/permutation(?!_s3)/.test(each)) : kind.words;
      input[part][name] = name in NUMBERS ? NUMBERS[name](random) : random.one(words ?? [true, false]);
    }
    if (input.model.mixer === "none") for (const name of OF_ATTENTION) delete input.model[name];
    else delete input.model.inputs;
    if (input.model.mixer === "none" && input.model.inputs === "one-hot" && random.happens(0.5)) {
      Object.assign(input.model, { scaling: "mean-field", activation: "square", layers: 1, biases: false, biasesIn: "all" });
    } else delete input.model.scaling;
    try {
      return runSpec({ ...input, seed: random.below(1000) } as RunInput);
    } catch (error) {
      if (wrongWith(error) !== null) throw error;
    }
  }
}

/** Where an engine's numbers for a run aren't the oracle's, in words; `null` where they are. Three runs train together, for three updates. */
async function wrong(engine: Engine, oracle: Engine, spec: RunSpec): Promise<string | null> {
  const specs = [0, 1, 2].map((more) => ({ ...spec, seed: spec.seed + more }));
  const trainer = await engine.open(specs), row = 2;
  try {
    for (let step = 0; step < 3; step++) {
      const before = await trainer.snapshot(row);
      const reference = await oracle.open([before]);
      try {
        const said = sayMetrics(step, await metricsOf(trainer, row), await metricsOf(reference, 0));
        if (said) return said;
        for await (const _ of trainer.advance(1));
        for await (const _ of reference.advance(1));
        const [after, gradient, must] = [await trainer.snapshot(row), await trainer.gradient(row), await reference.gradient(0)];
        const sums = far(after.batchSums, (await reference.snapshot(0)).batchSums, LOSS);
        if (sums) return `sums of batches at step ${step}: ${sums}`;
        for (const tensor of trainer.layout.tensors) {
          const differs = far(read(tensor, gradient), read(tensor, must), GRADIENT);
          if (differs) return `gradient of ${tensor.name} at step ${step}: ${differs}`;
        }
        const said2 = await difference(before, after, trainer.layout, gradient);
        if (said2) return said2;
      } finally {
        reference.dispose();
      }
    }
    return null;
  } finally {
    trainer.dispose();
  }
}

/** Sums of some tens of fp32 numbers in another order, cancelled by a norm where features are all but the same. */
const LOSS = 2e-5;
const GRADIENT = 1e-4;

/** Where numbers are further apart than a share of their largest, or of 0.01 where that is smaller. */
function far(is: Float32Array, must: Float32Array, share: number): string | null {
  const largest = must.reduce((most, x) => Math.max(most, Math.abs(x)), 0.01);
  const at = is.findIndex((x, i) => !(Math.abs(x - must[i]) <= share * largest) && !Object.is(x, must[i]));
  return at < 0 ? null : `number ${at} is ${is[at]}, must be ${must[at]}, the largest is ${largest}`;
}

const metricsOf = async (trainer: Trainer, row: number): Promise<Metrics> =>
  (await trainer.evaluate()).find((each) => each.row === row)!.metrics;

function sayMetrics(step: number, is: Metrics, must: Metrics): string | null {
  for (const name of ["trainLoss", "valLoss", "weightNorm"] as const) {
    if (!(Math.abs(is[name] - must[name]) <= LOSS * Math.max(1, Math.abs(must[name])))) {
      return `${name} at step ${step} is ${is[name]}, must be ${must[name]}`;
    }
  }
  for (const name of ["trainAcc", "valAcc", "noisyAcc"] as const) {
    // A near tie may be counted otherwise.
    if (!Object.is(is[name], must[name]) && !(Math.abs(is[name] - must[name]) <= 1e-6)) {
      return `${name} at step ${step} is ${is[name]}, must be ${must[name]}`;
    }
  }
  return null;
}

/** Random runs on an engine. */
export const engines = (open: () => Promise<Engine>): Fuzzer =>
  async function* (random, count) {
    const engine = await open(), oracle = await tfjsEngine("wasm");
    for (let i = 0; i < count; i++) {
      const spec = drawn(random);
      let problem;
      try {
        problem = await wrong(engine, oracle, spec);
      } catch (error) {
        problem = wrongWith(error) ?? (error as Error).message;
      }
      if (problem) yield { input: JSON.stringify(said(spec)), problem };
    }
  };

/** What of a run isn't as its preset has it. */
function said(spec: RunSpec): Tree {
  const tree: Tree = { model: {}, data: {}, optim: {}, schedule: {}, seed: spec.seed as never };
  for (const entry of PART_ENTRIES) {
    const value = valueAt(spec, entry);
    if (value !== valueAt(PRESETS["ai-scientist"], entry)) tree[entry.part!][entry.name] = value;
  }
  return tree;
}
