/** What is the processor engine's own: its threads, its memory and its words. What every executor must do is tested one folder up. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { cpuEngine } from "../../../lib/engine/cpu/engine.ts";
import { runSpec } from "../../../lib/run/spec.ts";
import { advance } from "../executors.ts";

const engine = await cpuEngine(2);
/** Workers live as long as the engine, across tests. */
const test = (name: string, fn: () => Promise<void>) =>
  Deno.test({ name: `processor engine: ${name}`, fn, sanitizeResources: false, sanitizeOps: false });

const run = (seed: number) =>
  runSpec({ model: { dModel: 12, heads: 3, dMlp: 20 }, data: { prime: 11, batch: 16 }, schedule: { steps: 40, evalEvery: 4 }, seed });

test("runs of a thread alone, of two and of four have the same bits, evaluations and attention included", async () => {
  const specs = [1, 2, 3].map((seed) => run(seed));
  const of = async (threads: number) => {
    const engine = await cpuEngine(threads), trainer = await engine.open(specs, { attention: {} });
    const evaluations = await advance(trainer, 12), snapshots = await Promise.all(specs.map((_, row) => trainer.snapshot(row)));
    await engine.close();
    return { evaluations, snapshots };
  };
  const one = await of(1);
  assertEquals(await of(2), one);
  assertEquals(await of(4), one);
});

test("the engine says what it is; how many runs fit follows from what one takes; a model too large is refused in one line", async () => {
  const { engine: name, adapter, driver, software } = engine.info;
  assertEquals([name, software], ["cpu", false]);
  assert(
    /, 2 threads, with(out)? V8's flags$/.test(adapter) && /^WebAssembly SIMD, sums (not )?fused$/.test(driver),
    `${adapter}; ${driver}`,
  );
  const spec = runSpec({ preset: "ai-scientist" }), fit = engine.rowsThatFit(spec), { bytes } = engine.cost(spec);
  assert(fit >= 1 && fit * bytes <= 2 ** 32);
  const tooLarge = runSpec({ model: { dModel: 4096 }, data: { batch: "full" } });
  await assertRejects(async () => await engine.open([tooLarge]), Error, "Cannot train this model on");
});

test("threads must be a number that makes sense", async () => {
  for (const threads of [0, 1.5, NaN, 1000]) {
    const message = `Cannot train on the processor: threads must be a whole number from 1 to 256, current value is ${threads}`;
    await assertRejects(() => cpuEngine(threads), Error, message);
  }
});

test("the thread of JavaScript stays free while runs train", async () => {
  const trainer = await engine.open([1, 2].map((seed) => runSpec({ preset: "ai-scientist", data: { prime: 11, batch: 64 }, seed })));
  let ticks = 0;
  const clock = setInterval(() => ticks++, 5);
  await advance(trainer, 20);
  clearInterval(clock);
  trainer.dispose();
  assert(ticks >= 5, `${ticks} ticks`);
});
