/** Runs drawn at random, small and of every kind: an engine's losses, accuracies and updates must be the oracle's. */
import type { Engine, Metrics, Trainer } from "../../lib/engine/engine.ts";
import { tfjsEngine } from "../../lib/reference/trainer.ts";
import { PART_ENTRIES, valueAt } from "../../lib/run/fields.ts";
import { GROUPS } from "../../lib/run/groups.ts";
import { read } from "../../lib/run/layout.ts";
import type { MetricName } from "../../lib/run/metrics.ts";
import { OPERATIONS } from "../../lib/run/operations.ts";
import { PRESETS, type RunInput, type RunSpec, runSpec } from "../../lib/run/spec.ts";
import { difference } from "../engine/update_oracle.ts";
import { type Chance, type Fuzzer, wrongWith } from "./finding.ts";

type Tree = Record<string, Record<string, unknown>>;

const groups = (random: Chance) => {
  const some = GROUPS.filter(() => random.happens(0.4));
  return some.length === 0 || some.length === GROUPS.length ? "embed+mlp" : some.join("+");
};

/** Values that are small, by field; words and flags are taken from the table. */
const SMALL: Readonly<Record<string, (random: Chance) => unknown>> = {
  layers: (random) => random.one([1, 1, 2, 3]),
  // Not 2: a LayerNorm makes ±1 of two numbers, so that classes come out equal but for rounding.
  dModel: (random) => random.one([1, 3, 4, 6, 8, 12]),
  heads: (random) => random.one([1, 1, 2, 3, 4]),
  dMlp: (random) => random.one([1, 2, 3, 5, 8, 13]),
  context: (random) => random.one([2, 3, 4, 5, 9]),
  initSigma: (random) => random.one([0.05, 0.3, 0.6]),
  positionSigma: (random) => random.one([0.02, 1]),
  initSigmas: (random) => random.one(["none", "unembed=0.1", "pos=0.02+W_out=0.01", "embed=0+W_Q=0.5"]),
  extraClasses: (random) => random.one([0, 1, 3, 7]),
  initScale: (random) => random.one([1, 0.3, 2]),
  operation: (random) => random.one(Object.keys(OPERATIONS).filter((name) => !/permutation(?!_s3)/.test(name))),
  prime: (random) => random.one([2, 3, 5, 7, 7, 8, 11]),
  trainFraction: (random) => random.one([0.3, 0.5, 0.77]),
  batch: (random) => random.one(["full", "full", 1, 3, 8, 17]),
  labelNoise: (random) => random.one([0, 0.1, 0.5, 1]),
  lr: (random) => random.one([0, 1e-3, 1e-2]),
  weightDecay: (random) => random.one([0, 0.1, 1, 10]),
  beta1: (random) => random.one([0, 0.5, 0.9]),
  // Without a second moment, a gradient that is 0 but for rounding makes steps as large as any.
  beta2: (random) => random.one([0.98, 0.999]),
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
      input[part][name] = name in SMALL ? SMALL[name](random) : random.one<unknown>(kind.words ?? [true, false]);
    }
    if (input.model.mixer === "none") { for (const name of OF_ATTENTION) delete input.model[name]; }
    else delete input.model.inputs;
    // One number has no part orthogonal to it but rounding, which ⊥Grad scales up.
    if (input.optim.gradFilter === "orthogonal") {
      for (const name of ["dModel", "dMlp"]) input.model[name] = Math.max(4, Number(input.model[name]));
    }
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

/** Of a loss, or of 1: sums of some tens of fp32 numbers in another order, of features that a norm may have made large. */
const LOSS = 2e-5;
/** Of a tensor's largest gradient, a tenth of the largest of all, or 0.01: some gradients are 0 but for rounding, those of b_K for one. */
const GRADIENT = 1e-4;

const largest = (values: Float32Array, least: number) => values.reduce((most, x) => Math.max(most, Math.abs(x)), least);

/** Where numbers are further apart than that, or not both NaN. */
function apart(is: ArrayLike<number>, must: ArrayLike<number>, most: number): string | null {
  const at = Array.from(is).findIndex((x, i) => !(Math.abs(x - must[i]) <= most) && !Object.is(x, must[i]));
  return at < 0 ? null : `number ${at} is ${is[at]}, must be ${must[at]}, at most ${most} from it`;
}

/** How far each metric may be from the oracle's, of it, or of `least` where it is smaller. */
const METRICS: { readonly [Name in MetricName]: { readonly share: number; readonly least: number } } = {
  step: { share: 0, least: 1 },
  ...{ trainLoss: { share: LOSS, least: 1 }, valLoss: { share: LOSS, least: 1 }, batchLoss: { share: LOSS, least: 1 } },
  ...{ trainAcc: { share: LOSS, least: 1 }, valAcc: { share: LOSS, least: 1 }, batchAcc: { share: LOSS, least: 1 } },
  ...{ noisyAcc: { share: LOSS, least: 1 }, weightNorm: { share: LOSS, least: 1 } },
  gradNorm: { share: GRADIENT, least: 0.1 },
};

function metricsApart(is: Metrics, must: Partial<Metrics>): string | null {
  for (const [name, value] of Object.entries(must) as [MetricName, number][]) {
    const { share, least } = METRICS[name], differs = apart([is[name]], [value], share * Math.max(least, value || 0));
    if (differs) return `${name}: ${differs}`;
  }
  return null;
}

const metricsOf = async (of: Trainer, row: number): Promise<Metrics> => (await of.evaluate()).find((each) => each.row === row)!.metrics;

/** Where a row's metrics, and its next update, aren't the oracle's from the same state; `null` where they are. */
async function stepApart(trainer: Trainer, row: number, oracle: Engine): Promise<string | null> {
  const before = await trainer.snapshot(row), reference = await oracle.open([before]);
  try {
    // The oracle, which begins at this state, has no gradient; that of the update is compared after it.
    const { gradNorm: _, ...others } = await metricsOf(reference, 0), metrics = metricsApart(await metricsOf(trainer, row), others);
    if (metrics) return metrics;
    for (const each of [trainer, reference]) await Array.fromAsync(each.advance(1));
    const after = await trainer.snapshot(row), gradient = await trainer.gradient(row), must = await reference.gradient(0);
    const sums = apart(after.batchSums, (await reference.snapshot(0)).batchSums, LOSS * largest(after.batchSums, 1));
    if (sums) return `sums of batches: ${sums}`;
    for (const tensor of trainer.layout.tensors) {
      const expected = read(tensor, must), most = GRADIENT * largest(expected, largest(must, 0.1) / 10);
      const differs = apart(read(tensor, gradient), expected, most);
      if (differs) return `gradient of ${tensor.name}: ${differs}`;
    }
    const norm = metricsApart(await metricsOf(trainer, row), { gradNorm: Math.hypot(...must) });
    return norm ?? await difference(before, after, trainer.layout, gradient);
  } finally {
    reference.dispose();
  }
}

/** The same of three updates, while two other runs train beside it; says at which step. */
async function wrong(engine: Engine, oracle: Engine, spec: RunSpec): Promise<string | null> {
  const trainer = await engine.open([0, 1, 2].map((more) => ({ ...spec, seed: spec.seed + more })));
  try {
    for (let step = 0; step < 3; step++) {
      const differs = await stepApart(trainer, 2, oracle);
      if (differs) return `step ${step}: ${differs}`;
    }
    return null;
  } finally {
    trainer.dispose();
  }
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
        problem = String(error); // every run that can be drawn can be trained
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
