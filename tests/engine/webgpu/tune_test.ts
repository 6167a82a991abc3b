/** Which block a hardware adapter is fastest with: measured once, kept, and nothing but speed depends on it. */
import { join } from "node:path";
import { assert, assertEquals } from "@std/assert";
import { Gpu } from "../../../lib/engine/webgpu/gpu.ts";
import { BLOCKS, GPU_TILE, workgroupBytes } from "../../../lib/engine/webgpu/kernels/gemm/gpu.ts";
import type { Sizes } from "../../../lib/engine/webgpu/kernels/gemm/view.ts";
import { productsOf, tunedTile } from "../../../lib/engine/webgpu/tune.ts";
import { plan } from "../../../lib/engine/plan.ts";
import { runSpec } from "../../../lib/run/spec.ts";
import { scratch } from "../../lab/lab_files.ts";

const gpu = await Gpu.open().catch(() => null);
const ignore = gpu === null;
const tiny = runSpec({ preset: "one-layer", data: { prime: 5 }, model: { dModel: 8, heads: 2 }, schedule: { steps: 2, evalEvery: 2 } });
const products: Sizes[] = [{ form: "nn", m: 20, n: 12, k: 8 }, { form: "tn", m: 12, n: 8, k: 20 }];

/** An adapter on which each block takes so long, in ms; it counts how often it is asked. */
function adapter(milliseconds: (label: string, place: number) => number, workgroup = 16384) {
  const asked: string[] = [], at: number[] = [];
  const fake = {
    adapter: { name: "A card", driver: "1.0", limits: { maxComputeWorkgroupStorageSize: workgroup } },
    allocate: (sizes: ReadonlyMap<string, number>) => Promise.resolve(new Map([...sizes.keys()].map((name) => [name, { destroy() {} }]))),
    prepare: (kernels: readonly { label: string }[]) => Promise.resolve(kernels.map((kernel) => ({ kernel }))),
    time: (dispatches: readonly { kernel: { label: string } }[], runs: number) => {
      asked.push(dispatches[0].kernel.label);
      at.push(runs);
      return Promise.resolve(dispatches.map(({ kernel }, i) => ({ kernel, milliseconds: milliseconds(kernel.label, i) })));
    },
  };
  return { gpu: fake as unknown as Gpu, asked, at };
}

Deno.test("the fastest block that fits is taken, product by product, and asked for once", () =>
  scratch(async (path) => {
    const file = path("blocks.json"), fits = BLOCKS.filter((block) => workgroupBytes(block) <= 16384);
    assert(fits.length < BLOCKS.length);
    const { gpu, asked } = adapter((label, place) => Math.abs(place - (label.startsWith("nn") ? 0 : fits.length - 1)));
    const tile = await tunedTile(gpu, products, 8, file);
    assertEquals(products.map((sizes) => tile.block(sizes)), [fits[0], fits.at(-1)]);
    assertEquals(tile.block({ form: "nt", m: 300, n: 300, k: 8 }), GPU_TILE.block({ form: "nt", m: 300, n: 300, k: 8 }));
    assertEquals(asked, ["nn 20×12×8, 8 runs", "tn 12×8×20, 8 runs"]);
    // Another process of the same adapter reads the answer; another adapter has its own.
    const again = await tunedTile(gpu, products, 8, file);
    assertEquals([again.block(products[1]), asked.length], [fits.at(-1), 2]);
    const other = adapter((_, place) => -place, 1 << 20);
    assertEquals(
      (await tunedTile({ ...other.gpu, adapter: { ...other.gpu.adapter, name: "Another" } } as Gpu, products, 8, file)).block(products[0]),
      BLOCKS.at(-1),
    );
    assertEquals((await tunedTile(gpu, products, 8, file)).block(products[0]), fits[0]);
  }));

Deno.test("a card is asked about as many runs as train at once, few or many, but no more than fill it", () =>
  scratch(async (path) => {
    const file = path("blocks.json"),
      small: Sizes = { form: "nn", m: 20, n: 12, k: 8 },
      large: Sizes = { form: "nn", m: 9408, n: 512, k: 128 };
    const { gpu, at, asked } = adapter((label, place) => (label.includes(" 1 runs") ? place : -place), 1 << 20);
    const blocks = [];
    for (const rows of [1, 5, 8, 9, 300]) blocks.push((await tunedTile(gpu, [small, large], rows, file)).block(small));
    assertEquals(at, [1, 1, 8, 3, 64, 3, 256, 3]); // three results of the large one are 2²⁴ floats
    assertEquals(asked.length, at.length); // 8 is known from 5
    assertEquals(blocks, [BLOCKS[0], ...Array.from({ length: 4 }, () => BLOCKS.at(-1))]);
  }));

Deno.test("a file that is broken or can't be written costs time and nothing else; an adapter without timestamps has the tile as it is", () =>
  scratch(async (path) => {
    await Deno.writeTextFile(path("broken.json"), "{");
    const { gpu } = adapter((_, place) => place);
    assertEquals((await tunedTile(gpu, products, 8, path("broken.json"))).block(products[0]), BLOCKS[0]);
    assertEquals((await tunedTile(gpu, products, 8, join(path("broken.json"), "below.json"))).block(products[0]), BLOCKS[0]);
    const mute = { ...gpu, time: () => Promise.resolve(null) } as unknown as Gpu;
    assertEquals((await tunedTile(mute, products, 8, path("none.json"))).block(products[0]), GPU_TILE.block(products[0]));
  }));

Deno.test({ name: "a model's products, measured on this machine", ignore }, () =>
  scratch(async (path) => {
    const wanted = productsOf(plan(tiny));
    assert(["nn", "nt", "tn"].every((form) => wanted.some((sizes) => sizes.form === form)));
    const limits = { ...gpu!.adapter.limits, maxComputeWorkgroupStorageSize: 4608 }; // three blocks fit: less to compile
    const small = {
      adapter: { ...gpu!.adapter, limits },
      allocate: gpu!.allocate.bind(gpu),
      prepare: gpu!.prepare.bind(gpu),
      time: gpu!.time.bind(gpu),
    };
    const tile = await tunedTile(small, wanted.slice(0, 1), 1, path("blocks.json"));
    assert(workgroupBytes(tile.block(wanted[0])) <= 4608);
    const [kept] = Object.values(JSON.parse(await Deno.readTextFile(path("blocks.json"))) as object);
    assertEquals(Object.values(kept), [tile.block(wanted[0])]);
  }));
