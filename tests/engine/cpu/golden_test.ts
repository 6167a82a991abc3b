/**
 * Golden runs: the bits of a short training of each preset. They hold on every processor that rounds a multiply-add once, with any number of
 * threads, with and without V8's flags. A change of the arithmetic changes them: then say why.
 */
import { assertEquals } from "@std/assert";
import { Threads } from "../../../lib/engine/cpu/threads.ts";
import { HYPER } from "../../../lib/engine/hyper.ts";
import { allBits } from "./golden.ts";

/** Of the first of the three runs. */
const GOLDEN: Record<string, string> = {
  "ai-scientist": "e7ea41dd44f1c6eb655a37c70c47dedf97dafb5539561325c9f57ad3cd047d47",
  "boundaries": "3bb384ef62aba2aa985840d23ef3806004ad4625deaee9d660be9170fa1367c3",
  "tiny-live": "b65b9ececa1705650edceae546e096c2292aaa475419a3e96bae0fb96192e8ec",
  "nanda": "362c03db23ac581b380882328a85dd80e1ff35340c50c21c45c3ff39a6afe193",
  "nanda, float64": "f85e7b99b08b1a631073db7cfddaf4f58d8294ad0ba271be0ae4ec1f783695e9",
};

const options = { sanitizeOps: false, sanitizeResources: false };

/** What 1 thread comes to, which everything else is compared with. */
const one = async () => {
  const threads = await Threads.start(1);
  const found = await allBits(threads);
  await threads.close();
  return { found, fused: threads.measured.fused };
};

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

Deno.test("the kernels read a run's numbers where they stand", () => {
  const order = "lr weight_decay eps warmup beta1 one_minus_beta1 log_beta1 beta2 one_minus_beta2 log_beta2 decay_vectors stable_loss";
  assertEquals(HYPER.map(({ name }) => name).slice(0, 16), [...order.split(" "), "full_batch", "seed", "train_pairs", "pairs"]);
});
