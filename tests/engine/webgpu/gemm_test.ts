import { assert, assertEquals, assertThrows } from "@std/assert";
import { BLOCKS, type Gemm, gemm, GPU_TILE, SOFTWARE_TILE, sumSplits, type View } from "../../../lib/engine/webgpu/kernels/gemm.ts";
import { workgroupBytes } from "../../../lib/engine/webgpu/kernels/gemm/gpu.ts";
import { Gpu } from "../../../lib/engine/webgpu/gpu.ts";
import { type Kernel, read, write } from "../../../lib/engine/webgpu/kernels/kernel.ts";
import { lower } from "../../../lib/engine/webgpu/lower.ts";
import { plan } from "../../../lib/engine/plan.ts";
import { runSpec } from "../../../lib/run/spec.ts";
import { NARROW } from "../executors.ts";

const gpu = await Gpu.open().catch(() => null);
const ignore = gpu === null;
const tiles = [{ ...SOFTWARE_TILE, columns: 4, depth: 32 }, GPU_TILE];
const pad = (n: number) => 4 * Math.ceil(n / 4);
const noise = (n: number, seed: number): Float32Array<ArrayBuffer> =>
  Float32Array.from({ length: n }, (_, i) => Math.sin(12.9898 * i + seed) * 4 % 1);

/** Runs the kernels in order on named buffers and returns the buffers' contents. */
async function execute(runs: number, kernels: Kernel[], data: Record<string, Float32Array<ArrayBuffer>>) {
  const buffers = (await gpu!.allocate(new Map(Object.entries(data).map(([name, x]) => [name, x.byteLength]))))!;
  for (const [name, x] of Object.entries(data)) gpu!.write(buffers.get(name)!, 0, x);
  const recording = gpu!.record();
  recording.run(await gpu!.prepare(kernels, buffers), 1, runs);
  recording.submit();
  const result: Record<string, Float32Array<ArrayBuffer>> = {};
  for (const [name, x] of Object.entries(data)) result[name] = new Float32Array(await gpu!.read(buffers.get(name)!, 0, x.byteLength));
  for (const buffer of buffers.values()) buffer.destroy();
  return result;
}

type Case = Pick<Gemm, "form" | "m" | "n" | "k"> & { runs?: number; splits?: number };

/** Views with an offset and a margin, data to fill them, and the product in double precision. */
function problem({ form, m, n, k, runs = 3 }: Case) {
  const view = (buffer: string, rows: number, cols: number): View => {
    const stride = pad(cols) + 4;
    return { buffer, offset: 8, runStride: rows * stride + 12, stride, shape: "[R, rows, cols]" };
  };
  const a = form === "tn" ? view("a", k, m) : view("a", m, k), b = form === "nt" ? view("b", n, k) : view("b", k, n), c = view("c", m, n);
  const data = { a: noise(a.runStride * runs + 64, 1), b: noise(b.runStride * runs + 64, 2) };
  const expected = (r: number, i: number, j: number) => {
    let sum = 0;
    for (let x = 0; x < k; x++) {
      const [ai, aj] = form === "tn" ? [x, i] : [i, x], [bi, bj] = form === "nt" ? [j, x] : [x, j];
      sum += data.a[a.offset + r * a.runStride + ai * a.stride + aj] * data.b[b.offset + r * b.runStride + bi * b.stride + bj];
    }
    return sum;
  };
  return { a, b, c, data, runs, expected };
}

/** Compares a sample of C, its corners included, and asserts that all outside its view kept the value `outside`. */
function compare(
  got: Float32Array,
  c: View,
  { m, n, k, runs = 3 }: Case,
  expected: (r: number, i: number, j: number) => number,
  outside = 7,
) {
  const inside = new Set<number>();
  for (let r = 0; r < runs; r++) {
    for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) inside.add(c.offset + r * c.runStride + i * c.stride + j);
    for (let s = 0; s < 400; s++) {
      const [i, j] = [s < 2 ? m - 1 : (s * 7919) % m, s % 2 ? n - 1 : (s * 104729) % n];
      const error = Math.abs(got[c.offset + r * c.runStride + i * c.stride + j] - expected(r, i, j));
      assert(error < 1e-5 * (1 + Math.sqrt(k)), `run ${r}, (${i}, ${j}) is off by ${error}`);
    }
  }
  got.forEach((x, i) => inside.has(i) || assertEquals(x, outside, `wrote outside at ${i}`));
}

const cases: Case[] = [
  { form: "nn", m: 5, n: 12, k: 12 },
  { form: "nn", m: 130, n: 36, k: 100, splits: 2 },
  { form: "nn", m: 1218, n: 100, k: 12 },
  { form: "nn", m: 37, n: 100, k: 512, splits: 16 },
  { form: "nt", m: 37, n: 36, k: 100 },
  { form: "nt", m: 130, n: 12, k: 12 },
  { form: "nt", m: 5, n: 100, k: 512, splits: 15 },
  { form: "tn", m: 12, n: 36, k: 5 },
  { form: "tn", m: 100, n: 12, k: 37 },
  { form: "tn", m: 36, n: 100, k: 1218, splits: 40 },
  { form: "tn", m: 512, n: 36, k: 130, splits: 4 },
];

for (const tile of tiles) {
  for (const sizes of cases) {
    const { form, m, n, k, splits = 1 } = sizes;
    Deno.test({ name: `gemm ${tile.kind} ${form} ${m} × ${n} × ${k} in ${splits}`, ignore }, async () => {
      const { a, b, c, data, runs, expected } = problem(sizes), label = "c = a · b";
      const target = splits > 1 ? { ...c, buffer: "parts", runStride: splits * c.runStride } : c;
      const kernels = [gemm({ label, m, n, k, a, b, c: target, form, splits, tile })];
      if (splits > 1) kernels.push(sumSplits({ label, m, n, splits, partial: target, c }));
      const blank = (copies: number) => new Float32Array(c.runStride * runs * copies + 64).fill(7);
      const result = await execute(runs, kernels, { ...data, c: blank(1), parts: blank(splits) });
      compare(result.c, c, sizes, expected);
    });
  }

  Deno.test(
    { name: `gemm ${tile.kind} epilogue: weight and bias in one buffer, two outputs, a residual, accumulation`, ignore },
    async () => {
      const sizes: Case = { form: "nn", m: 37, n: 36, k: 12 }, { m, n, k } = sizes;
      const { a, b, c, data, runs, expected } = problem(sizes);
      const bias: View = { ...b, offset: b.offset + 4 * b.stride }; // a row of the weights serves as the bias
      const pre = { ...c, buffer: "pre" };
      const params = { ...b, buffer: "params" };
      const kernel = gemm({
        ...{ label: "c += relu(pre = a · b + bias) + skip", m, n, k, a, b: params, c, form: "nn", tile },
        epilogue: {
          bindings: [read.vec4f("params", "[R, P]"), read.vec4f("1.skip", "[R, m, n]", "around"), write.vec4f("pre", "[R, m, n]")],
          functions: "fn relu(x: vec4f) -> vec4f { return max(x, vec4f()); }",
          constants: { bias: bias.offset / 4 },
          store: (value, _row, col4, r, index) =>
            `let sum = ${value} + params[${r} * u.b_run + u.bias + ${col4}]; pre[${index}] = sum;
           out[${index}] += relu(sum) + around[${index}];`,
        },
      });
      assertEquals(kernel.bindings.map((x) => x.buffer), ["a", "params", "1.skip", "pre", "c"]);
      const blank = () => new Float32Array(c.runStride * runs + 64).fill(7);
      const result = await execute(runs, [kernel], {
        a: data.a,
        params: data.b,
        "1.skip": noise(c.runStride * runs + 64, 3),
        pre: blank(),
        c: blank(),
      });
      const y = (r: number, i: number, j: number) => expected(r, i, j) + data.b[bias.offset + r * bias.runStride + j];
      compare(result.pre, pre, sizes, y);
      compare(
        result.c,
        c,
        sizes,
        (r, i, j) => 7 + Math.max(y(r, i, j), 0) + result["1.skip"][c.offset + r * c.runStride + i * c.stride + j],
      );
    },
  );

  Deno.test({ name: `gemm ${tile.kind}: a run's product is the same bits alone and among others`, ignore }, async () => {
    const sizes: Case = { form: "tn", m: 36, n: 36, k: 37 }, { a, b, c, data } = problem(sizes);
    const product = async (runs: number) => {
      const kernel = gemm({ label: "c", m: 36, n: 36, k: 37, a, b, c, form: "tn", tile });
      return (await execute(runs, [kernel], { ...data, c: new Float32Array(c.runStride * 3 + 64) })).c.slice(0, c.runStride);
    };
    assertEquals(await product(1), await product(3));
  });
}

for (const form of ["nn", "nt", "tn"] as const) {
  Deno.test({ name: `gemm ${form}: on a software driver, any number of columns at once gives the same bits`, ignore }, async () => {
    for (const splits of [1, 2]) {
      const sizes: Case = { form, m: 20, n: 68, k: form === "tn" ? 37 : 36, splits }, { m, n, k } = sizes;
      const { a, b, c, data, runs, expected } = problem(sizes), parts = { ...c, buffer: "parts", runStride: 2 * c.runStride };
      const target = splits > 1 ? parts : c, blank = (copies: number) => new Float32Array(c.runStride * runs * copies + 64).fill(7);
      const products = [SOFTWARE_TILE, NARROW].map((tile) => gemm({ label: "c", m, n, k, a, b, c: target, form, splits, tile }));
      assert(products[0].grid[0] < products[1].grid[0], "they must be cut differently");
      const sum = splits > 1 ? [sumSplits({ label: "c", m, n, splits, partial: parts, c })] : [], results: Float32Array[] = [];
      for (const product of products) {
        results.push((await execute(runs, [product, ...sum], { ...data, c: blank(1), parts: blank(2) })).c);
      }
      compare(results[0], c, sizes, expected);
      assertEquals(results[1], results[0], `${splits} splits`);
    }
  });

  Deno.test({ name: `gemm ${form}: every block of a hardware adapter gives the same bits, and the right ones`, ignore }, async () => {
    const sizes: Case = { form, m: 132, n: 132, k: form === "tn" ? 37 : 36, splits: 2, runs: 2 }, { m, n, k } = sizes;
    const { a, b, c, data, runs, expected } = problem(sizes), target = { ...c, buffer: "parts", runStride: 2 * c.runStride };
    const { software, limits } = gpu!.adapter;
    // A software driver takes long to compile the deep ones: there it is one of them.
    const blocks = BLOCKS.filter((block) => workgroupBytes(block) <= limits.maxComputeWorkgroupStorageSize)
      .filter(({ depth, rows, columns }) => !software || depth === 8 || (form === "nt" && rows === 8 && columns === 8));
    const results: Float32Array[] = [];
    for (const block of blocks) {
      const product = gemm({ label: "c", m, n, k, a, b, c: target, form, splits: 2, tile: { ...GPU_TILE, block: () => block } });
      const kernels = [product, sumSplits({ label: "c", m, n, splits: 2, partial: target, c })];
      const blank = (copies: number) => new Float32Array(c.runStride * runs * copies + 64).fill(7);
      results.push((await execute(runs, kernels, { ...data, c: blank(1), parts: blank(2) })).c);
    }
    compare(results[0], c, sizes, expected);
    for (const result of results.slice(1)) assertEquals(result, results[0]);
  });
}

Deno.test("gemm: the sum of parts of a large product keeps to the workgroups that an axis may have", () => {
  const sizes = { m: 8192, n: 4096, splits: 2 },
    view = (buffer: string): View => ({ buffer, offset: 0, runStride: 0, stride: 4096, shape: "" });
  const { grid, code } = sumSplits({ label: "c", ...sizes, partial: view("parts"), c: view("c") });
  assert(grid.every((groups) => groups <= 65535) && 64 * grid[0] * grid[1] >= 8192 * 4096 / 4, grid.join(" × "));
  assert(code.includes("id.y"));
});

Deno.test("gemm: on hardware the gradients of narrow models' weights are cut fine, and parts never outgrow the activations", () => {
  const splits = (m: number, n: number, k: number) => GPU_TILE.splits({ form: "tn", m, n, k });
  assertEquals([splits(128, 512, 9408), splits(128, 128, 9408), splits(128, 128, 200), splits(1552, 6208, 9408)], [32, 37, 1, 1]);
  for (const dModel of [24, 128, 388, 776, 1552]) {
    const { buffers } = lower(plan(runSpec({ preset: "boundaries", model: { dModel } })), GPU_TILE);
    const [partial, activations] = [buffers.get("partial")!, buffers.get("0.mlp_pre")!];
    assert(partial <= activations, `d ${dModel}: ${partial} floats of parts, ${activations} of an activation`);
  }
});

Deno.test("gemm refuses what vec4f cannot address", () => {
  const { a, b, c } = problem({ form: "nn", m: 4, n: 4, k: 4 }), sizes = { label: "c", m: 4, n: 4, k: 4, form: "nn" as const };
  assertThrows(() => gemm({ ...sizes, a: { ...a, offset: 2 }, b, c, tile: GPU_TILE }));
  assertThrows(() => gemm({ ...sizes, n: 6, a, b, c, tile: GPU_TILE }));
});
