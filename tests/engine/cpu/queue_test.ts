/** Worker threads and the queue of a memory: the same bits with any number of threads, order, and what happens when a worker fails. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import * as op from "../../../lib/engine/cpu/operations/mod.ts";
import { bytesFor, CpuQueue, type Lists, places } from "../../../lib/engine/cpu/queue.ts";
import type { Record } from "../../../lib/engine/cpu/records.ts";
import { Threads } from "../../../lib/engine/cpu/threads.ts";
import type { View } from "../../../lib/engine/op/view.ts";
import { noise } from "./machine.ts";

const N = 36, matrix = (buffer: string): View => ({ buffer, offset: 0, stride: N, words: N * N });

/** x = act(x · w) · wᵀ, normalised; then the step is counted. Every record needs the one before it. */
const PLAN: Lists<"step" | "wrong"> = {
  buffers: new Map([
    ["x", N * N],
    ["w", N * N],
    ["y", N * N],
    ["z", N * N],
    ["stats", 2 * N],
    ["state", 4],
    ["batch_sums", 4],
    ["panels", op.panelWords(N, N)],
  ]),
  lists: {
    step: [
      op.pack("panels of w", matrix("w"), N, N, false, "panels"),
      op.product("y = gelu(x · w)", {
        m: N,
        n: N,
        k: N,
        a: matrix("x"),
        panels: "panels",
        c: matrix("z"),
        after: { does: "gelu", out: matrix("y"), derivative: true },
      }),
      op.pack("panels of the transpose", matrix("w"), N, N, true, "panels"),
      op.product("z = y · wᵀ", { m: N, n: N, k: N, a: matrix("y"), panels: "panels", c: matrix("z") }),
      op.norm({ label: "x = LN(z)", rows: N, D: N, x: matrix("z"), stats: "stats", w: matrix("w"), b: matrix("w"), out: matrix("x") }),
      op.endOfStep("the end", { examples: N, stats: "stats", sums: "batch_sums" }),
    ],
    wrong: [{ label: "no operation", opcode: 99, args: [], flop: 0, bytes: 0 } satisfies Record],
  },
};

async function withThreads<Value>(count: number, use: (threads: Threads) => Promise<Value>): Promise<Value> {
  const threads = await Threads.start(count);
  try {
    return await use(threads);
  } finally {
    await threads.close();
  }
}

function fill(queue: CpuQueue<"step" | "wrong">, runs: number): void {
  for (let run = 0; run < runs; run++) {
    queue.write("x", run * N * N, noise(N * N, run));
    queue.write("w", run * N * N, noise(N * N, 50 + run));
    queue.write("state", run * 4, Uint32Array.of(0, 1000, 0, 10));
    queue.write("batch_sums", run * 4, new Float32Array(4));
  }
}

/** x of every run after so many steps. */
async function steps(threads: Threads, runs: number, times: number): Promise<Float32Array[]> {
  const queue = (await CpuQueue.open(PLAN, runs, threads))!;
  fill(queue, runs);
  queue.run("step", times, runs);
  const found = await queue.read(Array.from({ length: runs }, (_, run) => ({ buffer: "x", word: run * N * N, words: N * N })));
  queue.dispose();
  return found;
}

const options = { sanitizeOps: false, sanitizeResources: false };

Deno.test("runs have the same bits with 1 to 4 threads, alone and among others, whole or shared by a team", options, async () => {
  const expected = await withThreads(1, (threads) => steps(threads, 5, 40));
  assert(expected[0].every(Number.isFinite) && expected[0].some((x) => x !== expected[1][0]));
  for (const count of [2, 3, 4]) {
    await withThreads(count, async (threads) => {
      for (const runs of [1, 2, 3, 5]) {
        assertEquals(await steps(threads, runs, 40), expected.slice(0, runs), `${count} threads, ${runs} runs`);
      }
    });
  }
});

Deno.test("what is queued is done in order: writes, lists, moves, and reads of the moment they were queued at", options, async () => {
  await withThreads(2, async (threads) => {
    const queue = (await CpuQueue.open(PLAN, 3, threads))!, step = { buffer: "state", word: 0, words: 12 };
    fill(queue, 3);
    const before = queue.read([step, { buffer: "batch_sums", word: 8, words: 4 }]);
    queue.run("step", 3, 3);
    const three = queue.read([step]);
    queue.run("step", 2, 2);
    const five = queue.read([{ buffer: "state", word: 0, words: 8 }]), all = queue.read([step]);
    queue.move("state", 4, 8, 4);
    queue.write("state", 1, Uint32Array.of(5));
    queue.run("step", 1, 3);
    const last = queue.read([step]);
    const counts = async (read: Promise<Float32Array<ArrayBuffer>[]>) =>
      [...new Uint32Array((await read)[0].buffer)].filter((_, i) => i % 4 === 0);
    assertEquals((await before)[1].length, 4);
    assertEquals(await counts(before), [0, 0, 0]);
    assertEquals(await counts(three), [3, 3, 3]);
    assertEquals(await counts(five), [5, 5]);
    assertEquals(await counts(all), [5, 5, 3]);
    // Run 0 has come to its end of 5 steps.
    assertEquals(await counts(last), [5, 6, 6]);
    assertThrows(() => queue.write("x", 3 * N * N, new Float32Array(1)), Error, "Cannot reach words of x: they must lie within 0 to 3887");
    assertThrows(() => queue.write("q", 0, new Float32Array(1)), Error, "they must lie within a buffer of the plan");
    assertEquals((await queue.time("step", 3, 2)).map(({ label }) => label), PLAN.lists.step.map(({ label }) => label));
    queue.dispose();
  });
});

Deno.test("more than a job holds becomes several: lists, and copies for readers", options, async () => {
  await withThreads(2, async (threads) => {
    const queue = (await CpuQueue.open(PLAN, 3, threads))!, reads: Promise<Float32Array<ArrayBuffer>[]>[] = [];
    fill(queue, 3);
    for (let i = 0; i < 4200; i++) queue.run("step", 1, 3);
    queue.write("state", 1, Uint32Array.of(5000));
    for (let i = 0; i < 100; i++) {
      reads.push(queue.read([{ buffer: "x", word: 0, words: 3 * N * N }, { buffer: "state", word: 0, words: 12 }]));
      queue.run("step", 1, 3);
    }
    const found = await Promise.all(reads);
    // Runs end at step 1000 but for the first, which then may do 5000.
    const steps = found.map(([, state]) => [...new Uint32Array(state.buffer)].filter((_, i) => i % 4 === 0));
    assertEquals(steps, Array.from({ length: 100 }, (_, i) => [1000 + i, 1000, 1000]));
    assert(found.every(([x]) => x.every(Number.isFinite)) && found[1][0][0] !== found[0][0][0]);
    queue.dispose();
  });
});

Deno.test("a queue for more runs than 4 GiB hold is none", options, async () => {
  const where = places(PLAN, 1), most = Math.floor((2 ** 32 - where.arenas) / where.arenaBytes);
  assert(bytesFor(where, most) <= 2 ** 32 && bytesFor(where, most + 1) > 2 ** 32);
  await withThreads(1, async (threads) => assertEquals(await CpuQueue.open(PLAN, most + 1, threads), null));
});

Deno.test("a worker that fails ends the others, even those that wait for it, and whoever waits is told in one line", options, async () => {
  for (const runs of [1, 2]) {
    await withThreads(2, async (threads) => {
      const queue = (await CpuQueue.open(PLAN, runs, threads))!;
      fill(queue, runs);
      queue.run("wrong", 1, runs);
      queue.run("step", 1, runs);
      const message = "Cannot train on: every worker thread must run, one of them failed: unreachable";
      await assertRejects(() => queue.read([{ buffer: "state", word: 0, words: 4 }]), Error, message);
      assertThrows(() => queue.run("step", 1, runs), Error, message);
      await assertRejects(() => threads.attach(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true })), Error, message);
      queue.dispose();
    });
  }
});
