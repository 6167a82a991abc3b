/** Which block a hardware adapter is fastest with: measured once, kept, and nothing but speed depends on it. */
import { join } from "node:path";
import { assert, assertEquals } from "@std/assert";
import { Gpu } from "../lib/engine/gpu.ts";
import { BLOCKS, GPU_TILE, workgroupBytes } from "../lib/engine/kernels/gemm/gpu.ts";
import type { Sizes } from "../lib/engine/kernels/gemm/view.ts";
import { productsOf, tunedTile } from "../lib/engine/tune.ts";
import { runSpec } from "../lib/spec.ts";
import { scratch } from "./lab_files.ts";

const gpu = await Gpu.open().catch(() => null);
const ignore = gpu === null;
const tiny = runSpec({ preset: "nanda", data: { prime: 5 }, model: { dModel: 8, heads: 2 }, schedule: { steps: 2, evalEvery: 2 } });
const products: Sizes[] = [{ form: "nn", m: 20, n: 12, k: 8 }, { form: "tn", m: 12, n: 8, k: 20 }];

/** An adapter on which each block takes so long, in ms; it counts how often it is asked. */
function adapter(milliseconds: (label: string, place: number) => number, workgroup = 16384) {
  const asked: string[] = [];
  const fake = {
    adapter: { name: "A card", driver: "1.0", limits: { maxComputeWorkgroupStorageSize: workgroup } },
    allocate: (sizes: ReadonlyMap<string, number>) => Promise.resolve(new Map([...sizes.keys()].map((name) => [name, { destroy() {} }]))),
    prepare: (kernels: readonly { label: string }[]) => Promise.resolve(kernels.map((kernel) => ({ kernel }))),
    time: (dispatches: readonly { kernel: { label: string } }[]) => {
      asked.push(dispatches[0].kernel.label);
      return Promise.resolve(dispatches.map(({ kernel }, i) => ({ kernel, milliseconds: milliseconds(kernel.label, i) })));
    },
  };
  return { gpu: fake as unknown as Gpu, asked };
}

Deno.test("the fastest block that fits is taken, product by product, and asked for once", () =>
  scratch(async (path) => {
    const file = path("blocks.json"), fits = BLOCKS.filter((block) => workgroupBytes(block) <= 16384);
    assert(fits.length < BLOCKS.length);
    const { gpu, asked } = adapter((label, place) => Math.abs(place - (label.startsWith("nn") ? 0 : fits.length - 1)));
    const tile = await tunedTile(gpu, products, file);
    assertEquals(products.map((sizes) => tile.block(sizes)), [fits[0], fits.at(-1)]);
    assertEquals(tile.block({ form: "nt", m: 300, n: 300, k: 8 }), GPU_TILE.block({ form: "nt", m: 300, n: 300, k: 8 }));
    assertEquals(asked, ["nn 20×12×8", "tn 12×8×20"]);
    // Another process of the same adapter reads the answer; another adapter has its own.
    const again = await tunedTile(gpu, products, file);
    assertEquals([again.block(products[1]), asked.length], [fits.at(-1), 2]);
    const other = adapter((_, place) => -place, 1 << 20);
    assertEquals(
      (await tunedTile({ ...other.gpu, adapter: { ...other.gpu.adapter, name: "Another" } } as Gpu, products, file)).block(products[0]),
      BLOCKS.at(-1),
    );
    assertEquals((await tunedTile(gpu, products, file)).block(products[0]), fits[0]);
  }));

Deno.test("a file that is broken or can't be written costs time and nothing else; an adapter without timestamps has the tile as it is", () =>
  scratch(async (path) => {
    await Deno.writeTextFile(path("broken.json"), "{");
    const { gpu } = adapter((_, place) => place);
    assertEquals((await tunedTile(gpu, products, path("broken.json"))).block(products[0]), BLOCKS[0]);
    assertEquals((await tunedTile(gpu, products, join(path("broken.json"), "below.json"))).block(products[0]), BLOCKS[0]);
    const mute = { ...gpu, time: () => Promise.resolve(null) } as unknown as Gpu;
    assertEquals((await tunedTile(mute, products, path("none.json"))).block(products[0]), GPU_TILE.block(products[0]));
  }));

Deno.test({ name: "a model's products, measured on this machine", ignore }, () =>
  scratch(async (path) => {
    const wanted = productsOf(tiny);
    assert(["nn", "nt", "tn"].every((form) => wanted.some((sizes) => sizes.form === form)));
    const limits = { ...gpu!.adapter.limits, maxComputeWorkgroupStorageSize: 6400 }; // three blocks fit: less to compile
    const small = {
      adapter: { ...gpu!.adapter, limits },
      allocate: gpu!.allocate.bind(gpu),
      prepare: gpu!.prepare.bind(gpu),
      time: gpu!.time.bind(gpu),
    };
    const tile = await tunedTile(small, wanted.slice(0, 1), path("blocks.json"));
    assert(workgroupBytes(tile.block(wanted[0])) <= 6400);
    const [kept] = Object.values(JSON.parse(await Deno.readTextFile(path("blocks.json"))) as object);
    assertEquals(Object.values(kept), [tile.block(wanted[0])]);
  }));
