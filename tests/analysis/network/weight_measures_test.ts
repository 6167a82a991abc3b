/** Measures of weights and logits, on cases whose values are known, and on every kind of model. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { cpuEngine } from "../../../lib/engine/cpu/engine.ts";
import { effectiveRank, groupNorms, logitScale, weightReading, zeroLossShare } from "../../../lib/analysis/network/weight_measures.ts";
import { probeWeights } from "../../../lib/lab/probe_weights.ts";
import { groupsOf } from "../../../lib/run/groups.ts";
import { initialise, layout, write } from "../../../lib/run/layout.ts";
import { dataset } from "../../../lib/run/operations.ts";
import { Random } from "../../../lib/run/random.ts";
import { type RunInput, runSpec, sizes } from "../../../lib/run/spec.ts";
import { train } from "../../../lib/train/train.ts";

const matrix = (rows: number, columns: number, value: (r: number, c: number) => number) => {
  return { rows, columns, values: Float32Array.from({ length: rows * columns }, (_, i) => value(Math.floor(i / columns), i % columns)) };
};
const like = (more: RunInput = {}) =>
  runSpec({
    ...{ preset: "one-layer", data: { prime: 7, trainFraction: 0.5, ...more.data }, schedule: { steps: 20, evalEvery: 10 }, seed: 2 },
    optim: { lr: 0.01, ...more.optim },
    model: { dModel: 4, heads: 1, dMlp: 8, ...more.model },
  });

Deno.test("effective rank: k of k equal singular values, whatever the rotation; exp of the entropy of unequal ones; 0 of nothing", () => {
  // Doubles of f32 entries: a rank that isn't there leaves some 1e-7.
  for (const k of [1, 3, 5]) assertAlmostEquals(effectiveRank(matrix(9, 5, (r, c) => r === c && c < k ? -2 : 0)), k, 1e-9);
  assertAlmostEquals(effectiveRank(matrix(5, 9, (r, c) => r === c ? 2 : 0)), 5, 1e-9, "more columns than rows");
  const random = new Random(1, "init"), u = Array.from({ length: 6 }, () => random.normal());
  assertAlmostEquals(effectiveRank(matrix(6, 4, (r, c) => u[r] * (c + 1))), 1, 1e-5, "an outer product");
  // Two waves of unequal length on orthogonal columns: singular values 3 : 1.
  const wave = matrix(8, 2, (r, c) => c === 0 ? 3 * Math.cos(Math.PI * r / 4) : Math.sin(Math.PI * r / 4));
  assertAlmostEquals(effectiveRank(wave), Math.exp(-0.75 * Math.log(0.75) - 0.25 * Math.log(0.25)), 1e-6);
  assertEquals(effectiveRank(matrix(3, 2, () => 0)), 0);
});

Deno.test("logit scale: root mean square about each example's own mean", () => {
  assertEquals(logitScale(Float32Array.of(3, -3, 1003, 997), 2), 3);
  assertEquals(logitScale(Float32Array.of(5, 5, 5, 1, 1, 1), 3), 0);
});

Deno.test("zero losses: 1 + Σ exp(z − z_y) that fp32 rounds to 1, at its edge, by the label and by the temperature", () => {
  const share = (z: number[], label: number, temperature = 1) =>
    zeroLossShare(Float32Array.from(z), [label], { classes: z.length, temperature });
  const edge = 24 * Math.log(2); // 2⁻²⁴ is half of the step above 1: it rounds to even
  assertEquals([share([edge + 0.01, 0], 0), share([edge - 0.01, 0], 0)], [1, 0]);
  assertEquals(share([0, edge + 0.01], 0), 0, "a wrong answer");
  assertEquals(
    [share([edge + 0.01, 0, 0], 0), share([0, 0, edge + 0.8], 2)],
    [0, 1],
    "of three classes both others count, wherever the label is",
  );
  assertEquals([share([20, 0], 0, 1), share([20, 0], 0, 2), share([10, 0], 0, 0.5)], [1, 0, 1]);
  assertEquals([share([NaN, 0], 0), share([0, 1000], 0)], [0, 0], "what isn't a number, or beyond all numbers, isn't learnt");
  assertEquals(zeroLossShare(Float32Array.of(30, 0, 0, 1, 0, 0), [0, 1, 0], { classes: 2 }), 1 / 3);
});

Deno.test("norms by group: of a 3-4-5 triangle over two tensors of a group, without padding, in the order of the groups", () => {
  const spec = like({ model: { biases: true } }), { tensors, length } = layout(spec), flat = new Float32Array(length);
  const set = (name: string, value: number) => {
    const tensor = tensors.find((each) => each.name === name)!, values = new Float32Array(tensor.dims.reduce((n, dim) => n * dim, 1));
    values[1] = value;
    write(tensor, flat, values);
  };
  set("blocks.0.mlp.W_in", 3);
  set("blocks.0.mlp.W_out", -4);
  set("unembed.b_U", 7);
  const norms = groupNorms(spec, flat);
  assertEquals([...norms.keys()], [...groupsOf(spec.model)]);
  assertEquals(Object.fromEntries(norms), { embed: 0, pos: 0, attn: 0, mlp: 5, unembed: 0, biases: 7 });
});

Deno.test("the embedding's Gini coefficient: near 1 of one frequency, 0 of equal ones, none of permutations", () => {
  const gini = (value: (r: number, c: number) => number) => {
    const spec = like(), { tensors, length } = layout(spec), flat = new Float32Array(length), { V, D, C } = sizes(spec);
    write(tensors.find(({ name }) => name === "embed.W_E")!, flat, matrix(V, D, value).values);
    const examples = dataset(spec.data, spec.seed);
    return weightReading(spec, { step: 0, params: flat }, examples, new Float32Array(examples.a.length * C)).embeddingGini!;
  };
  assertAlmostEquals(gini((r, c) => c === 0 ? Math.cos(2 * Math.PI * 2 * r / 7) : 0), 1 - 1 / 3, 1e-5); // one of three frequencies has all
  assertAlmostEquals(gini((r) => r === 0 ? 1 : 0), 0, 1e-5); // a single number holds all frequencies equally
});

/** Variants of the model, the task and the loss. */
const VARIANTS: Readonly<Record<string, RunInput>> = {
  "two norms, biases": { model: { layers: 2, norm: "pre", biases: true } },
  "no attention": { model: { mixer: "none" } },
  "one-hot, mean square": { model: { mixer: "none", inputs: "one-hot", activation: "square" }, optim: { loss: "mse" } },
  "tied": { model: { tied: true } },
  "extra classes": { model: { extraClasses: 3 } },
  "StableMax": { optim: { loss: "stablemax", temperature: 2 } },
  "label noise": { data: { labelNoise: 0.3, noiseLabels: "wrong" } },
  "permutations": { data: { operation: "permutation_s3" } },
};

Deno.test("every model, task and loss is measured; accuracies and norms are those that the engine evaluates", async () => {
  const engine = await cpuEngine(1), backend = "cpu", specs = Object.values(VARIANTS).map(like);
  const runs = await train(specs, { engine });
  await engine.close();
  for (const [i, name] of Object.keys(VARIANTS).entries()) {
    const { spec, snapshot, metrics } = runs[i], { params } = snapshot!, start = initialise(spec), last = metrics.at(-1)!;
    const { readings: [first, trained] } = await probeWeights(spec, [{ step: 20, params }, { step: 0, params: start }], { backend });
    assertEquals([first.step, trained.step], [0, 20]);
    // The engine's shares are f32.
    assertAlmostEquals(trained.trainAcc, last.trainAcc, 1e-6, name);
    assertAlmostEquals(trained.valAcc, last.valAcc, 1e-6, name);
    assertAlmostEquals(trained.weightNorm / last.weightNorm, 1, 1e-5, name);
    assertEquals([...trained.groupNorms.keys()], [...groupsOf(spec.model)], name);
    assert(trained.logitScale !== first.logitScale && trained.zeroLoss <= 1, name);
    const { readings: [scaled] } = await probeWeights(spec, [{ step: 0, params: start.map((x) => 2 * x) }], { backend });
    assertAlmostEquals(scaled.effectiveRank, first.effectiveRank, 1e-5, `${name}: a scale changes no rank`);
    assertEquals(first.embeddingGini === null, name === "permutations");
  }
});
