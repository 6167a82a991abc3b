/**
 * Golden runs: the bits of a short training of each preset. They hold on every processor that rounds a multiply-add once, with any number
 * of threads, with and without V8's flags. A change of the arithmetic changes them: then say why.
 */
import { assertEquals } from "@std/assert";
import { Threads } from "../../../lib/engine/cpu/threads.ts";
import { allBits } from "./golden.ts";

/** Of the first of the three runs. */
const GOLDEN: Record<string, string> = {
  "ai-scientist": "96cbe6b34beaffc65b13680049ff876dbb98571cba077ec499a1d11abf18a74b",
  "boundaries": "84eaf3a853f0ff5b6652da830fda4b8c1cd97588b5276c9e35f112af10c6fc84",
  "tiny-live": "28d65281bd79b9ed7e1bf7b610e7e629ae276ea884fb9c2cf7a499957d1d48a7",
  "one-layer": "3eb01c9dff4c0759138d9b047406f7d7788d8b2c7fce023d31a96f198daf0c57",
  "nanda": "927a2ff27cae4729be65941b5c1f63a01070e62e98dfaf21f5f76814279bb05c",
  "tl-demo": "5910052d08d11524c0d47ded33602b40c8595ddd24d2c6da677ef9a7bb7abdc1",
  "power": "34295376a0d52735c1ee98d2b18382118c0cf23c0200e95ee7d62cb36b6363e8",
  "one-layer, float64": "dd84fd4d7a58fe01e8e4ee6b5b2843e00b723955d9f7bafec5c095574bb63c91",
  "one-layer, Muon and limits": "b006dd9f1b68b60f3ee09a04dce783195505848146ef30e88a50f071569b005c",
  "one-layer, stablemax": "d75e6a376c85ed4a11c707efebd3ab9a9c486d1633f7288a521959e5ec85ceba",
  "one-layer, mse, temperature 2.5": "60a5daf9ad7aacc5c653ce4141c4f4c74defa31ea7ac4f03f2ca25e5027f31c4",
};

const options = { sanitizeOps: false, sanitizeResources: false };

/** What one thread comes to, which everything else is compared with. */
async function alone() {
  const threads = await Threads.start(1);
  const found = await allBits(threads);
  await threads.close();
  return { found, fused: threads.measured.fused };
}
let done: ReturnType<typeof alone> | undefined;
const one = () => done ??= alone();

Deno.test("golden runs: the bits that are committed, with 1, 2 and 4 threads", options, async () => {
  const { found, fused } = await one();
  for (const count of [2, 4]) {
    const threads = await Threads.start(count);
    assertEquals(await allBits(threads), found, `${count} threads`);
    await threads.close();
  }
  if (fused) assertEquals(Object.fromEntries(Object.entries(found).map(([name, [first]]) => [name, first])), GOLDEN);
});

Deno.test(
  "golden runs: the same bits with V8's flags, where this V8 knows them",
  { ...options, ignore: Deno.build.arch !== "x86_64" },
  async () => {
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", new URL("./golden.ts", import.meta.url).pathname],
      env: { DENO_V8_FLAGS: "--no-wasm-bounds-checks,--experimental-wasm-revectorize" },
    }).output();
    assertEquals(success, true, new TextDecoder().decode(stderr));
    assertEquals(JSON.parse(new TextDecoder().decode(stdout)).found, (await one()).found);
  },
);
