/**
 * What is the native engine's own: its tiles, its clock, its memory and its limits. What every executor must do is tested one folder up.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { METRIC_STRIDE } from "../../../lib/engine/evaluation.ts";
import { Gpu } from "../../../lib/engine/webgpu/gpu.ts";
import { WebGpuEngine, webgpuEngine } from "../../../lib/engine/webgpu/engine.ts";
import { SOFTWARE_TILE } from "../../../lib/engine/webgpu/kernels/gemm.ts";
import { elementwise, read, write } from "../../../lib/engine/webgpu/kernels/kernel.ts";
import { LOG1P } from "../../../lib/engine/webgpu/kernels/loss.ts";
import { plan } from "../../../lib/engine/plan.ts";
import { layout, read as tensorOf } from "../../../lib/run/layout.ts";
import { type RunInput, type RunSpec, runSpec } from "../../../lib/run/spec.ts";
import { advance } from "../executors.ts";

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

/**
 * Sums over up to 9408 rows in another order: each off by about √9408 · 2⁻²⁴ = 6e-6 of what is added, times the few layers that rounding
 * passes through. A wrong formula is off by percents.
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

test("more runs than fit become fewer rows; a model too large for the adapter is refused in one line", async () => {
  const { maxStorageBufferBindingSize } = engine.gpu.adapter.limits;
  const large = runSpec({ preset: "boundaries" });
  const fit = engine.rowsThatFit(large);
  assert(fit >= 1 && fit * 4704 * 2 * 512 * 4 <= maxStorageBufferBindingSize);
  const tooLarge = runSpec({ model: { dModel: 4096 }, data: { batch: "full" } });
  await assertRejects(async () => await engine.open([tooLarge]), Error, "Cannot train this model on");
});

/**
 * A driver that compiles a kernel anew whenever its turn comes keeps a megabyte each time, which is a hundred here. What is left is noise.
 */
const GROWTH = 32 * 2 ** 20;

test("a hundred updates and their evaluations leave the process as large as it was", async () => {
  for (const input of [{}, { model: { mask: "none", tokens: "a b", pooling: "mean" }, data: { batch: "full" } }] satisfies RunInput[]) {
    const trainer = await engine.open([run(5, { ...input, schedule: { steps: 400 } })], { attention: {} });
    await advance(trainer, 20);
    // Whoever keeps memory does so every time; what the collector or the allocator happen to hold doesn't come twice.
    let least = Infinity;
    for (let round = 0; round < 3 && least >= GROWTH; round++) {
      const before = Deno.memoryUsage().rss;
      await advance(trainer, 100);
      least = Math.min(least, Deno.memoryUsage().rss - before);
    }
    assert(least < GROWTH, `${(least / 2 ** 20).toFixed(1)} MiB`);
    trainer.dispose();
  }
});

test("rows are capped by the workgroups that an axis of a dispatch may have", async () => {
  // The smallest is so small that memory is not what runs short; of the others, products are cut into parts along the axis of the rows.
  const smallest = runSpec({
    model: { layers: 1, dModel: 1, heads: 1, dMlp: 1, norm: "none", tokens: "a b" },
    data: { prime: 2, batch: 1 },
  });
  const { executor, gpu } = engine, { maxComputeWorkgroupsPerDimension: axis } = gpu.device.limits;
  const most = async (spec: RunSpec) => {
    const { made, demand } = await executor.lower(plan(spec), axis);
    const deepest = Math.max(...Object.values(made.lists).flat().map(({ grid }) => grid[2]));
    assert(demand.rows >= 1 && demand.rows * deepest <= axis, `${demand.rows} rows of ${deepest} workgroups`);
    assert(engine.rowsThatFit(spec) <= demand.rows);
    return { rows: demand.rows, deepest };
  };
  for (const dModel of [24, 128]) assert((await most(runSpec({ preset: "boundaries", model: { dModel } }))).deepest > 1);
  const { rows, deepest } = await most(smallest);
  assertEquals(rows, Math.floor(axis / deepest));

  const made = plan(smallest), other = await Gpu.open(); // what is refused stays with the device
  const wordsOf = async (rows: number) => {
    const executor = new WebGpuEngine(other, SOFTWARE_TILE).executor,
      queue = (await executor.open(await executor.lower(made, rows), rows))!;
    for (const list of ["batch", "step", "chunk", "endOfEvaluation"] as const) queue.run(list, 1, rows);
    const [words] = await queue.read([{ buffer: "metrics", word: METRIC_STRIDE * (rows - 1), words: METRIC_STRIDE }]);
    queue.dispose();
    return words.length;
  };
  assertEquals(await wordsOf(rows), METRIC_STRIDE);
  await assertRejects(() => wordsOf(axis + 1), Error, "a working device is needed");
  other.device.destroy();
});
