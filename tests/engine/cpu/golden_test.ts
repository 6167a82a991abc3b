/**
 * Golden runs: the bits of a short training of each preset. They hold on every processor that rounds a multiply-add once, with any number
 * of threads, with and without V8's flags. A change of the arithmetic changes them: then say why.
 *
 * In `golden.json`, `weights` are digests of the parameters and both moments: while they are the same, the same was trained. `attention`
 * are digests of the patterns of attention. Under a metric's name stand the bits of its word, in hexadecimal digits; a new metric adds such
 * a table.
 */
import { assertEquals } from "@std/assert";
import { METRIC_WORDS } from "../../../lib/engine/evaluation.ts";
import { Threads } from "../../../lib/engine/cpu/threads.ts";
import { assertPinned, pinnedFile } from "../../pinned_table.ts";
import { allBits, type Bits } from "./golden.ts";

const FILE = "tests/engine/cpu/golden.json";

/** Of the first of the three runs, what stands in the file: a table of runs for each of what is pinned. */
function pinnable(found: Readonly<Record<string, readonly Bits[]>>) {
  const firsts = Object.entries(found).map(([name, [first]]) => [name, first] as const);
  const table = (of: (bits: Bits) => string) => Object.fromEntries(firsts.map(([name, bits]) => [name, of(bits)]));
  return {
    weights: table(({ weights }) => weights),
    attention: table(({ attention }) => attention),
    ...Object.fromEntries(METRIC_WORDS.map((metric) => [metric, table(({ metrics }) => metrics[metric])])),
  };
}

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
  if (fused) assertPinned(pinnable(found), pinnedFile(FILE), FILE);
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
