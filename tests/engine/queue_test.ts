/** What every executor's queue promises: order, what a read captures, and that waiting may be left out or come late. */
import { assert, assertEquals } from "@std/assert";
import type { ExecutorEngine } from "../../lib/engine/executor_engine.ts";
import type { Queue } from "../../lib/engine/executor.ts";
import { hyperWords, stateWords } from "../../lib/engine/hyper.ts";
import { plan } from "../../lib/engine/plan.ts";
import { layout } from "../../lib/run/layout.ts";
import { runSpec } from "../../lib/run/spec.ts";
import { EXECUTORS, testOn } from "./executors.ts";

const spec = runSpec({
  model: { layers: 1, dModel: 8, heads: 2, dMlp: 8 },
  data: { prime: 5, batch: 4 },
  schedule: { steps: 100, evalEvery: 10 },
});
const made = plan(spec), P = layout(spec).length, ROWS = 3;

const test = (name: string, fn: (queue: Queue, engine: ExecutorEngine) => Promise<void>) =>
  testOn(EXECUTORS, `queue: ${name}`, async (engine) => {
    const { executor } = engine, queue = (await executor.open(await executor.lower(made, ROWS), ROWS))!;
    for (let row = 0; row < ROWS; row++) {
      queue.write("hyper", row * hyperWords(spec).length, hyperWords(spec));
      queue.write("state", 4 * row, stateWords(spec, 0));
    }
    try {
      await fn(queue, engine);
    } finally {
      queue.dispose();
    }
  });

const ramp = (from: number, n = P) => Float32Array.from({ length: n }, (_, i) => from + i);
/** Updates done, of a row. */
const stepsOf = async (read: PromiseLike<Float32Array<ArrayBuffer>[]>) => new Uint32Array((await read)[0].buffer)[0];
const state = (queue: Queue, row = 0) => queue.read([{ buffer: "state", word: 4 * row, words: 4 }]);

test("what is written is read, from any word on and over several runs' parts", async (queue) => {
  queue.write("params", 0, ramp(0));
  queue.write("params", P, ramp(1000));
  queue.write("m", 2 * P, ramp(5));
  const [across, one, other] = await queue.read([
    { buffer: "params", word: P - 2, words: 4 },
    { buffer: "params", word: P, words: P },
    { buffer: "m", word: 2 * P + 1, words: 2 },
  ]);
  assertEquals([...across], [P - 2, P - 1, 1000, 1001]);
  assertEquals(one, ramp(1000));
  assertEquals([...other], [6, 7]);
  assertEquals(await queue.read([]), []);
});

test("a read has the words as they were when it was queued, whatever comes after and however late it is waited for", async (queue) => {
  const reads = [];
  for (let update = 0; update < 5; update++) {
    reads.push(state(queue));
    queue.run("batch", 1, ROWS);
    queue.run("step", 1, ROWS);
  }
  queue.write("state", 0, stateWords(spec, 50));
  reads.push(state(queue));
  const steps = [];
  for (const read of reads.reverse()) steps.push(await stepsOf(read));
  assertEquals(steps.reverse(), [0, 1, 2, 3, 4, 50]);
  assertEquals(await stepsOf(reads.at(-1)!), 0); // once more
});

test("lists run in order, so many times, for the first rows alone", async (queue) => {
  queue.run("step", 7, 2);
  assertEquals(await Promise.all([0, 1, 2].map((row) => stepsOf(state(queue, row)))), [7, 7, 0]);
});

test("words move within a buffer in their turn", async (queue) => {
  queue.write("v", 0, ramp(3));
  queue.move("v", 0, 2 * P, P);
  queue.write("v", 0, ramp(9));
  const [moved] = await queue.read([{ buffer: "v", word: 2 * P, words: P }]);
  assertEquals(moved, ramp(3));
});

test("what is written is copied at once", async (queue) => {
  const data = ramp(1);
  queue.write("m", 0, data);
  data.fill(0);
  assertEquals((await queue.read([{ buffer: "m", word: 0, words: P }]))[0], ramp(1));
});

test("a result that nobody waits for is no error, and what is queued is done without a wait", async (queue) => {
  queue.run("step", 2, 1);
  void state(queue);
  await new Promise((resolve) => setTimeout(resolve, 1));
  queue.run("step", 1, 1);
  assertEquals(await stepsOf(state(queue)), 3);
});

test("kernels can be timed where the device tells, each by its label", async (queue) => {
  const timings = await queue.time("step", 2, ROWS);
  if (timings === null) return;
  assert(timings.length > 0 && timings.every(({ label, milliseconds, bytes }) => label !== "" && milliseconds >= 0 && bytes >= 0));
});
