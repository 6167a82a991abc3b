/** The reference engine against PyTorch, against finite differences, and against what a trainer promises. */
import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import * as tf from "@tensorflow/tfjs";
import { requestGpuAdapter } from "../../lib/engine/webgpu/gpu.ts";
import { initialise, layout, read, write } from "../../lib/run/layout.ts";
import { dataset } from "../../lib/run/operations.ts";
import { batchIndex } from "../../lib/run/random.ts";
import { select } from "../../lib/reference/backend.ts";
import { forward, losses, views } from "../../lib/reference/model.ts";
import { gradients, tfjsEngine } from "../../lib/reference/trainer.ts";
import { type RunInput, type RunSpec, runSpec } from "../../lib/run/spec.ts";
import type { Evaluation, Metrics, Trainer } from "../../lib/engine/engine.ts";
import { type Case, CASES, followsFixture } from "../fixtures/cases.ts";

const engine = await tfjsEngine("wasm");
const small: RunInput = {
  model: { layers: 2, dModel: 18, heads: 3, dMlp: 20 },
  data: { prime: 11, batch: 16 },
  optim: { warmup: 2 },
  schedule: { steps: 8, evalEvery: 3 },
};

/** The pairs of some draws of a run's first batches. */
function drawn(spec: RunSpec, step: number, n: number) {
  const { a, b, target, trainCount } = dataset(spec.data, spec.seed);
  const at = Array.from({ length: n }, (_, i) => batchIndex(spec.seed, step, i, trainCount));
  return [a, b, target].map((column) => at.map((i) => column[i])) as [number[], number[], number[]];
}

async function metricsOf(trainer: Trainer, updates: number): Promise<Metrics[]> {
  const evaluations: Evaluation[] = [];
  for await (const some of trainer.advance(updates)) evaluations.push(...some);
  return evaluations.map(({ metrics }) => metrics);
}

for (const name of Object.keys(CASES) as Case[]) {
  Deno.test(`reference: ${name} trains as in PyTorch`, () => followsFixture((run) => engine.open([run]), name));
}

Deno.test("reference: the comparison with PyTorch sees a wrong optimiser", async () => {
  const wrong = (run: RunSpec) => engine.open([{ ...run, optim: { ...run.optim, weightDecay: 0.9 * run.optim.weightDecay } }]);
  await assertRejects(() => followsFixture(wrong, "one-layer"), Error, "must be");
});

/** Cutting the Taylor series and float32 losses each leave about 1e-4 of the steepest slope at a step of 0.01. */
const FINITE_DIFFERENCE = 1e-3;

Deno.test("reference: gradients are slopes, tensor by tensor", async () => {
  for (const norm of ["post", "pre"] as const) {
    const spec = runSpec({ model: { layers: 1, dModel: 6, heads: 2, dMlp: 5, norm, tokens: "a b =" }, data: { prime: 5 } });
    const params = initialise(spec);
    const pairs: [number[], number[], number[]] = [[0, 1, 2, 4], [3, 3, 1, 4], [3, 4, 3, 3]];
    const { flat } = await gradients(spec, params, ...pairs, "cpu");
    const steepest = Math.max(...flat.map(Math.abs));
    for (const tensor of layout(spec).tensors) {
      const values = read(tensor, params), direction = values.map((_, i) => Math.sin(3 * i + 1));
      const length = Math.hypot(...direction), h = 0.01;
      const lossAt = async (step: number) => {
        const moved = params.slice();
        write(tensor, moved, values.map((value, i) => value + step * direction[i] / length));
        return (await gradients(spec, moved, ...pairs, "cpu")).loss;
      };
      const slope = (await lossAt(h) - await lossAt(-h)) / (2 * h);
      const expected = read(tensor, flat).reduce((sum, g, i) => sum + g * direction[i] / length, 0);
      assertAlmostEquals(
        slope,
        expected,
        FINITE_DIFFERENCE * steepest,
        `${norm}-norm: ${tensor.name} slope ${slope}, gradient ${expected}`,
      );
    }
  }
});

/** float32, and an erf right to 2e-7, summed in another order; relative to the steepest slope. */
const BACKENDS = 1e-5;
const adapter = await requestGpuAdapter();

for (const backend of ["cpu", "webgpu"] as const) {
  Deno.test({
    name: `reference: ${backend} and wasm find the same gradient`,
    ignore: backend === "webgpu" && !adapter,
    fn: async () => {
      const spec = runSpec(small);
      const [one, other] = [
        await gradients(spec, initialise(spec), ...drawn(spec, 0, 16), "wasm"),
        await gradients(spec, initialise(spec), ...drawn(spec, 0, 16), backend),
      ];
      const steepest = Math.max(...one.flat.map(Math.abs));
      assertAlmostEquals(one.loss, other.loss, BACKENDS);
      one.flat.forEach((g, i) => assertAlmostEquals(g, other.flat[i], BACKENDS * steepest));
    },
  });
}

Deno.test("reference: views of the flat parameters are the layout's tensors", async () => {
  await tfjsEngine("cpu");
  select("cpu");
  const inputs: RunInput[] = [small, { preset: "one-layer", model: { dModel: 10, heads: 1 } }, { model: { heads: 2, dModel: 2, dMlp: 3 } }];
  for (const spec of inputs.map(runSpec)) {
    const at = layout(spec), flat = Float32Array.from({ length: at.length }, (_, i) => i);
    tf.tidy(() => {
      const seen = views(tf.tensor1d(flat), at);
      for (const tensor of at.tensors) {
        assertEquals(seen[tensor.name].shape, [...tensor.dims]);
        assertEquals(seen[tensor.name].dataSync<"float32">(), read(tensor, flat));
      }
    });
  }
});

Deno.test("reference: a causal pattern looks at no later position", async () => {
  await tfjsEngine("cpu");
  select("cpu");
  const spec = runSpec(small);
  tf.tidy(() => {
    const { patterns, logits } = forward(spec, views(tf.tensor1d(initialise(spec)), layout(spec)), [1, 2], [3, 4]);
    assertEquals(logits.shape, [2, 11]);
    assertEquals(patterns.map(({ shape }) => shape), [[2, 3, 4, 4], [2, 3, 4, 4]]);
    for (const query of (patterns[1].arraySync() as number[][][][]).flat(2).entries()) {
      const [i, weights] = query;
      assertAlmostEquals(weights.reduce((sum, w) => sum + w), 1, 1e-6); // float32
      weights.forEach((weight, key) => assertEquals(weight > 0, key <= i % 4));
    }
  });
});

Deno.test("reference: the stable loss and the one in doubles keep the digits that log-softmax loses, and do not overflow", async () => {
  for (const backend of ["cpu", "wasm"] as const) {
    await tfjsEngine(backend);
    select(backend);
    tf.tidy(() => {
      const logits = tf.tensor2d([[30, 0, 0], [0, 200, -5], [1, 2, 3]]), target = tf.tensor1d([0, 0, 1], "int32");
      const exact = [2 * Math.exp(-30), 200, Math.log1p(Math.exp(-1) + Math.E)];
      const loss = (kind: "torch" | "stable" | "float64") => losses(kind, logits, target).arraySync();
      const slope = (kind: "torch" | "stable" | "float64") =>
        tf.grad((z) => losses(kind, z as tf.Tensor2D, target).sum())(logits).arraySync() as number[][];
      loss("stable").forEach((value, i) => assertAlmostEquals(value, exact[i], 1e-6 * exact[i])); // float32
      assert(loss("torch")[0] === 0 && slope("torch")[0][0] === 0);
      assertAlmostEquals(slope("stable")[0][0], -exact[0], 1e-6 * exact[0]);
      slope("stable")[2].forEach((g, i) => assertAlmostEquals(g, slope("torch")[2][i], 1e-6)); // float32
      loss("float64").forEach((value, i) => assertAlmostEquals(value, exact[i], 1e-6 * exact[i] + 8e-15)); // a double keeps 30 + x to 2⁻⁴⁸
      assertAlmostEquals(slope("float64")[0][0], -exact[0], 3e-16); // and 1 − x to 2⁻⁵³, twice
      slope("float64")[2].forEach((g, i) => assertAlmostEquals(g, slope("torch")[2][i], 1e-6)); // float32
    });
  }
});

Deno.test("reference: the batches are those of the seed", async () => {
  const spec = runSpec(small);
  const trainer = await engine.open([spec]);
  for (const step of [0, 1]) {
    const { params } = await trainer.snapshot(0);
    await metricsOf(trainer, 1);
    const { flat } = await gradients(spec, params, ...drawn(spec, step, 16));
    assertEquals(await trainer.gradient(0), flat);
  }
  trainer.dispose();
});

Deno.test("reference: evaluations come at step 0, at multiples of evalEvery and at the end, once each", async () => {
  const spec = runSpec(small);
  const trainer = await engine.open([spec]);
  const metrics = [...await metricsOf(trainer, 4), ...await metricsOf(trainer, 100)];
  assertEquals(metrics.map(({ step }) => step), [0, 3, 6, 8]);
  assertEquals(trainer.steps, [8]);
  assertEquals([metrics[0].gradNorm, metrics[0].batchLoss, metrics[0].batchAcc], [0, NaN, NaN]);
  for (const { batchLoss, batchAcc, gradNorm } of metrics.slice(1)) assert(batchLoss > 0 && batchAcc >= 0 && batchAcc <= 1 && gradNorm > 0);
  assertEquals((await metricsOf(trainer, 5)).length, 0);
  const [{ metrics: again }] = await trainer.evaluate();
  assertEquals({ ...again, batchLoss: 0, batchAcc: 0 }, { ...metrics.at(-1)!, batchLoss: 0, batchAcc: 0 });
  trainer.dispose();
});

Deno.test("reference: batch metrics are means over the batches since the last evaluation, before their updates", async () => {
  const run = { ...small, data: { prime: 11, batch: "full" } } as const;
  const [every, second] = await Promise.all([1, 2].map(async (evalEvery) => {
    const trainer = await engine.open([runSpec({ ...run, schedule: { steps: 4, evalEvery } })]);
    const metrics = await metricsOf(trainer, 4);
    trainer.dispose();
    return metrics;
  }));
  for (const step of [2, 4]) {
    const [one, two] = [every[step - 2], every[step - 1]]; // full batches are the train set
    const { batchLoss, batchAcc } = second[step / 2];
    assertAlmostEquals(batchLoss, (one.trainLoss + two.trainLoss) / 2, 1e-6); // float32 sums
    assertAlmostEquals(batchAcc, (one.trainAcc + two.trainAcc) / 2, 1e-6);
  }
});

Deno.test("reference: a run stopped, snapshotted and placed among others goes on bit for bit", async () => {
  const spec = runSpec(small), other = runSpec({ ...small, seed: 1, data: { ...small.data, operation: "x_mul_y" } });
  const alone = await engine.open([spec]);
  const expected = await metricsOf(alone, 8);

  const first = await engine.open([spec]);
  const begun = await metricsOf(first, 4);
  const half = await first.snapshot(0);
  first.dispose();
  const second = await engine.open([other, other]);
  await metricsOf(second, 1);
  second.place(1, half);
  second.drop(0);
  assertEquals(second.rows, [null, spec]);
  const rest = await metricsOf(second, 8);
  assertEquals([...begun, ...rest], expected);
  assertEquals(await second.snapshot(1), await alone.snapshot(0));
  assertEquals(await second.logits(1, [1, 2], [3, 4]), await alone.logits(0, [1, 2], [3, 4]));
  assertNotEquals(half.params, (await alone.snapshot(0)).params);
  alone.dispose();
  second.dispose();
});

Deno.test("reference: a run that ends between two evaluations goes on as if it hadn't; until then its gradient's norm is unknown", async () => {
  const until = (steps: number) => runSpec({ ...small, schedule: { steps, evalEvery: 3 } });
  const whole = await engine.open([until(8)]), first = await engine.open([until(5)]);
  const expected = await metricsOf(whole, 8), begun = await metricsOf(first, 5), last = begun.pop()!;
  const second = await engine.open([{ ...await first.snapshot(0), spec: until(8) }]);
  assert(last.step === 5 && last.gradNorm > 0);
  assertEquals((await second.evaluate())[0].metrics, { ...last, gradNorm: NaN });
  assertEquals([...begun, ...await metricsOf(second, 3)], expected);
  assertEquals(await second.snapshot(0), await whole.snapshot(0));
  for (const trainer of [whole, first, second]) trainer.dispose();
});

Deno.test("reference: a trainer leaves nothing on the device", async () => {
  select("wasm");
  const before = tf.memory().numTensors;
  const trainer = await engine.open([runSpec(small), runSpec({ ...small, seed: 1 })]);
  const opened = tf.memory().numTensors;
  await metricsOf(trainer, 4);
  await trainer.logits(0, [1], [2]);
  await trainer.evaluate();
  assertEquals(tf.memory().numTensors, opened);
  trainer.dispose();
  assertEquals(tf.memory().numTensors, before);
});

Deno.test("reference: what a row cannot do ends in one line", async () => {
  const trainer = await engine.open([runSpec(small)]);
  assertThrows(() => trainer.place(1, runSpec(small)), Error, "row must be below 1, current value is 1");
  assertThrows(() => trainer.place(0, runSpec()), Error, "its shape must be L2 D18");
  await assertRejects(() => engine.open([runSpec(small), runSpec()]), Error, "its shape must be");
  trainer.drop(0);
  await assertRejects(() => trainer.snapshot(0), Error, "row must hold a run, current value is 0");
  await assertRejects(() => engine.open([]), Error, "at least one run");
  trainer.dispose();
});
