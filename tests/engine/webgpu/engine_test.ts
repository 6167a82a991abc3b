/** The native engine as a whole: against PyTorch, and against itself in other company, other rows and other sittings. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { WebGpuEngine, webgpuEngine } from "../../../lib/engine/webgpu/engine.ts";
import { SOFTWARE_TILE } from "../../../lib/engine/webgpu/kernels/gemm.ts";
import { elementwise, read, write } from "../../../lib/engine/webgpu/kernels/kernel.ts";
import { LOG1P } from "../../../lib/engine/webgpu/kernels/loss.ts";
import { initialise, layout, read as tensorOf } from "../../../lib/run/layout.ts";
import { dataset } from "../../../lib/run/operations.ts";
import { type RunInput, type RunSpec, runSpec } from "../../../lib/run/spec.ts";
import type { Evaluation, Metrics, Snapshot, Trainer } from "../../../lib/engine/engine.ts";
import { type Case, CASES, followsFixture } from "../../fixtures/cases.ts";

const engine = await webgpuEngine();
/** Pipelines and the device live as long as the engine, across tests. */
const test = (name: string, fn: () => Promise<void>, ignore = false) =>
  Deno.test({ name: `engine: ${name}`, fn, ignore, sanitizeResources: false, sanitizeOps: false });

const run = (seed: number, input: RunInput = {}): RunSpec =>
  runSpec({
    ...input,
    model: { dModel: 12, heads: 3, dMlp: 20, ...input.model },
    data: { prime: 11, batch: 16, ...input.data },
    optim: { warmup: 3, ...input.optim },
    schedule: { steps: 40, evalEvery: 4, ...input.schedule },
    seed,
  });

async function advance(trainer: Trainer, updates: number): Promise<Evaluation[]> {
  const all: Evaluation[] = [];
  for await (const evaluations of trainer.advance(updates)) all.push(...evaluations);
  return all;
}
const ofRow = (evaluations: readonly Evaluation[], row: number): Metrics[] =>
  evaluations.filter((e) => e.row === row).map((e) => e.metrics);

/** A run alone from its beginning: its evaluations and last state. */
async function alone(spec: RunSpec, updates: number): Promise<{ metrics: Metrics[]; snapshot: Snapshot }> {
  const trainer = await engine.open([spec]);
  const metrics = ofRow(await advance(trainer, updates), 0);
  const snapshot = await trainer.snapshot(0);
  trainer.dispose();
  return { metrics, snapshot };
}

for (const name of Object.keys(CASES) as Case[]) {
  test(`50 updates follow PyTorch, ${name}`, async () => {
    await followsFixture(async (spec) => await engine.open([spec]), name);
  });
}

/**
 * Sums over up to 9408 rows in another order: each off by about √9408 · 2⁻²⁴ = 6e-6 of what is added, times the few layers that rounding passes through.
 * A wrong formula is off by percents.
 */
const ORDER = 2e-5;

for (const preset of ["ai-scientist", "boundaries"] as const) {
  test(
    `an update as large as the published ones: what was measured to be fastest agrees with the processor's tile, ${preset}`,
    async () => {
      const spec = runSpec({ preset, optim: { warmup: 0 } }), gradients: Float32Array[] = [];
      for (const cut of [engine, new WebGpuEngine(engine.gpu, SOFTWARE_TILE)]) {
        const trainer = await cut.open([spec]);
        await advance(trainer, 1);
        gradients.push(await trainer.gradient(0));
        trainer.dispose();
      }
      const largest = (values: Float32Array) => values.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
      // Of a gradient that is zero in exact arithmetic, b_K's say, only rounding is left.
      const least = largest(gradients[1]) / 100;
      for (const tensor of layout(spec).tensors) {
        const [actual, expected] = gradients.map((gradient) => tensorOf(tensor, gradient));
        const worst = largest(actual.map((x, i) => x - expected[i])) / Math.max(largest(expected), least);
        assert(worst < ORDER, `${tensor.name} differs by ${worst} of its largest gradient`);
      }
    },
    engine.info.software,
  );
}

test("a run has the same bits alone, among others and in another row", async () => {
  const specs = [5, 6, 7, 8].map((seed) => run(seed, { optim: { lr: seed * 1e-3, weightDecay: seed / 10, beta2: 1 - 0.01 * seed } }));
  const trainer = await engine.open(specs);
  const evaluations = await advance(trainer, 20);
  for (const row of [0, 2, 3]) {
    const { metrics, snapshot } = await alone(specs[row], 20);
    assertEquals(ofRow(evaluations, row), metrics);
    assertEquals(await trainer.snapshot(row), snapshot);
  }
  trainer.dispose();
});

test("what differs between runs of a shape may be anything that is data", async () => {
  const specs = [
    run(1),
    run(1, { data: { operation: "x_div_y", trainFraction: 0.3 } }),
    run(2, { optim: { decay: "matrices", loss: "stable" } }),
    run(3, { data: { operation: "random" } }),
  ];
  const trainer = await engine.open(specs);
  const evaluations = await advance(trainer, 12);
  for (const [row, spec] of specs.entries()) assertEquals(ofRow(evaluations, row), (await alone(spec, 12)).metrics);
  trainer.dispose();
});

for (const batch of [16, "full"] as const) {
  test(`rows can be emptied, filled and moved while the others go on, batch ${batch}`, async () => {
    const specs = [1, 2, 3].map((seed) => run(seed, { data: { batch } }));
    const trainer = await engine.open(specs);
    await advance(trainer, 7);
    trainer.drop(0); // the run in row 2 moves on the GPU
    const rest = await advance(trainer, 6);
    const newcomer = run(9, { data: { batch } });
    trainer.place(0, newcomer);
    const last = await advance(trainer, 7);
    assertEquals(trainer.steps, [7, 20, 20]);
    assertEquals(ofRow(last, 0), (await alone(newcomer, 7)).metrics);
    for (const row of [1, 2]) {
      const { metrics, snapshot } = await alone(specs[row], 20);
      const from8 = metrics.filter(({ step }) => step > 7);
      assertEquals([...ofRow(rest, row), ...ofRow(last, row)], from8);
      assertEquals(await trainer.snapshot(row), snapshot);
    }
    trainer.dispose();
  });

  test(`stopped anywhere, kept, and taken up elsewhere: the same bits, batch ${batch}`, async () => {
    const spec = run(4, { data: { batch } });
    const whole = await alone(spec, 30);
    const first = await engine.open([run(1, { data: { batch } }), spec]);
    const before = ofRow(await advance(first, 9), 1);
    const kept = await first.snapshot(1);
    first.dispose();
    assertEquals(kept.step, 9);
    const second = await engine.open([kept]);
    const after = ofRow(await advance(second, 21), 0);
    assertEquals([...before, ...after], whole.metrics);
    assertEquals(await second.snapshot(0), whole.snapshot);
    second.dispose();
  });
}

test("a run rests after its last step, with an evaluation there", async () => {
  const trainer = await engine.open([run(1, { schedule: { steps: 10 } }), run(2)]);
  const evaluations = await advance(trainer, 16);
  assertEquals(ofRow(evaluations, 0).map(({ step }) => step), [0, 4, 8, 10]);
  assertEquals(ofRow(evaluations, 1).map(({ step }) => step), [0, 4, 8, 12, 16]);
  assertEquals(trainer.steps, [10, 16]);
  assertEquals(await trainer.snapshot(0), (await alone(run(1, { schedule: { steps: 10 } }), 10)).snapshot);
  trainer.dispose();
});

test("a look in between changes nothing", async () => {
  const trainer = await engine.open([run(3)]);
  const seen = ofRow(await advance(trainer, 5), 0);
  const looked = await trainer.evaluate();
  assertEquals(looked.map(({ metrics }) => metrics.step), [5]);
  seen.push(...ofRow(await advance(trainer, 5), 0));
  assertEquals(seen, (await alone(run(3), 10)).metrics);
  trainer.dispose();
});

test("many updates at once, in several submissions, give the evaluations of few at a time, in their order", async () => {
  const spec = run(8, { schedule: { steps: 200 } }), trainer = await engine.open([spec]), few: Metrics[] = [];
  for (let done = 0; done < 150; done += 6) few.push(...ofRow(await advance(trainer, 6), 0));
  const { metrics, snapshot } = await alone(spec, 150);
  assertEquals(metrics.map(({ step }) => step), Array.from({ length: 38 }, (_, i) => 4 * i));
  assertEquals(few, metrics);
  assertEquals(await trainer.snapshot(0), snapshot);
  trainer.dispose();
});

test("timing the kernels leaves every row as it was", async () => {
  const specs = [1, 2, 3].map((seed) => run(seed));
  const trainer = await engine.open(specs);
  await advance(trainer, 6);
  const states = () => Promise.all(specs.map((_, row) => trainer.snapshot(row)));
  const before = await states();
  await trainer.profile(1);
  assertEquals(await states(), before);
  trainer.dispose();
});

/** fp32 norms over a thousand numbers, summed in another order. */
const NORM = 1e-5;

/** WGSL allows log an error of 2⁻²¹ between 1.5 and 2, where it is 0.4 and more; a series of floats is nearer. */
const LOG = 2 ** -21 / Math.log(1.5);

test("the stable loss has all digits of a small log(1 + x)", async () => {
  const x = Float32Array.from({ length: 400 }, (_, i) => 10 ** (i / 25 - 12)), sizes = new Map([["x", x.byteLength], ["y", x.byteLength]]);
  const buffers = (await engine.gpu.allocate(sizes))!, bindings = [read.f32("x", "[n]"), write.f32("y", "[n]")];
  engine.gpu.write(buffers.get("x")!, 0, x);
  const kernel = elementwise({ label: "log1p", count: x.length, bindings, functions: LOG1P, body: "  y[i] = log1p(x[i]);" });
  const recording = engine.gpu.record();
  recording.run(await engine.gpu.prepare([kernel], buffers), 1, 1);
  recording.submit();
  const y = new Float32Array(await engine.gpu.read(buffers.get("y")!, 0, x.byteLength));
  y.forEach((value, i) => assert(Math.abs(value / Math.log1p(x[i]) - 1) < LOG, `log(1 + ${x[i]}) is not ${value}`));
});

test("metrics are what they say", async () => {
  const spec = run(6);
  const trainer = await engine.open([spec]);
  const [start, last] = [await advance(trainer, 0), await advance(trainer, 4)].map((evaluations) => ofRow(evaluations, 0).at(-1)!);
  const norm = (values: Float32Array) => Math.hypot(...values);
  assert(Math.abs(start.weightNorm / norm(initialise(spec)) - 1) < NORM);
  assertEquals([start.gradNorm, start.batchLoss], [0, NaN]);
  assert(Math.abs(last.gradNorm / norm(await trainer.gradient(0)) - 1) < NORM);
  assert(Number.isInteger(Math.round(last.batchAcc * 64 * 1e4) / 1e4), "batch accuracy counts 4 batches of 16");

  // Loss and accuracy once more, from the logits.
  const { a, b, target, trainCount } = dataset(spec.data, spec.seed), { C } = layout(spec).sizes;
  const logits = await trainer.logits(0, a, b);
  const of = (from: number, to: number) => {
    let loss = 0, right = 0;
    for (let i = from; i < to; i++) {
      const z = [...logits.subarray(i * C, (i + 1) * C)];
      loss += Math.log(z.reduce((sum, x) => sum + Math.exp(x), 0)) - z[target[i]];
      right += z.indexOf(Math.max(...z)) === target[i] ? 1 : 0;
    }
    return [loss / (to - from), right / (to - from)];
  };
  const near = (actual: number, expected: number) => assert(Math.abs(actual - expected) < 1e-5, `${actual} is not ${expected}`);
  const [trainLoss, trainAcc] = of(0, trainCount), [valLoss, valAcc] = of(trainCount, a.length);
  near(last.trainLoss, trainLoss);
  near(last.trainAcc, trainAcc);
  near(last.valLoss, valLoss);
  near(last.valAcc, valAcc);
  trainer.dispose();
});

test("warm-up: the first update has learning rate 0", async () => {
  const spec = run(2);
  const { snapshot } = await alone(spec, 1);
  assertEquals(snapshot.params, initialise(spec));
});

test("runs of another shape or rhythm are refused, and nothing changes", async () => {
  const trainer = await engine.open([run(1)]);
  assertThrows(() => trainer.place(0, run(1, { model: { layers: 1 } })), Error, "Cannot place a run: its shape must be");
  assertThrows(() => trainer.place(0, run(1, { schedule: { evalEvery: 5 } })), Error, "evalEvery must be 4, current value is 5");
  assertThrows(
    () => trainer.place(0, { ...run(1), step: 0, spec: run(1), params: new Float32Array(3) } as unknown as Snapshot),
    Error,
    "must be",
  );
  assertEquals(ofRow(await advance(trainer, 4), 0), (await alone(run(1), 4)).metrics);
  trainer.dispose();
});

test("more runs than fit become fewer rows; a model too large for the adapter is refused in one line", async () => {
  const { maxStorageBufferBindingSize } = engine.gpu.adapter.limits;
  const large = runSpec({ preset: "boundaries" });
  const fit = engine.rowsThatFit(large);
  assert(fit >= 1 && fit * 4704 * 2 * 512 * 4 <= maxStorageBufferBindingSize);
  const tooLarge = runSpec({ model: { dModel: 4096 }, data: { batch: "full" } });
  await assertRejects(async () => await engine.open([tooLarge]), Error, "Cannot train this model on");
});

/** A driver that compiles a kernel anew whenever its turn comes keeps a megabyte each time, which is a hundred here. What is left is noise. */
const GROWTH = 32 * 2 ** 20;

test("a hundred updates and their evaluations leave the process as large as it was", async () => {
  for (const input of [{}, { model: { mask: "none", tokens: "a b", pooling: "mean" }, data: { batch: "full" } }] satisfies RunInput[]) {
    const trainer = await engine.open([run(5, { ...input, schedule: { steps: 300 } })], { attention: {} });
    await advance(trainer, 20);
    const before = Deno.memoryUsage().rss;
    await advance(trainer, 100);
    const grown = Deno.memoryUsage().rss - before;
    assert(grown < GROWTH, `${(grown / 2 ** 20).toFixed(1)} MiB`);
    trainer.dispose();
  }
});
