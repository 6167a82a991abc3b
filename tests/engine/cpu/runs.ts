/** Runs in the queue of the processor, without a trainer: for tests of bits and gradients. */
import { lower } from "../../../lib/engine/cpu/lower.ts";
import { CpuQueue } from "../../../lib/engine/cpu/queue.ts";
import type { Threads } from "../../../lib/engine/cpu/threads.ts";
import type { Watched } from "../../../lib/engine/engine.ts";
import { HYPER_WORDS, hyperWords, STATE_WORDS, stateWords } from "../../../lib/engine/hyper.ts";
import { plan as planOf } from "../../../lib/engine/plan.ts";
import { pack } from "../../../lib/engine/rows.ts";
import { besideAtStart } from "../../../lib/run/beside.ts";
import { initialise } from "../../../lib/run/layout.ts";
import { dataset } from "../../../lib/run/operations.ts";
import type { RunSpec } from "../../../lib/run/spec.ts";

/** A queue with these runs at their start, a row each. */
export async function start(specs: readonly RunSpec[], threads: Threads, watched: Watched = {}) {
  const plan = planOf(specs[0], watched), { length: P } = plan.layout, rows = specs.length;
  const queue = (await CpuQueue.open(lower(plan), rows, threads))!;
  specs.forEach((spec, row) => {
    const { a, b, target } = dataset(spec.data, spec.seed);
    const params = initialise(spec);
    queue.write("params", row * P, params);
    for (const [name, values] of Object.entries(besideAtStart(spec, params) ?? {})) queue.write(name, row * values.length, values);
    queue.write("hyper", row * HYPER_WORDS, hyperWords(spec));
    queue.write("state", row * STATE_WORDS, stateWords(spec, 0));
    queue.write("pairs", row * plan.pairWords, Uint32Array.from(a, (_, i) => pack(a[i], b[i], target[i])));
  });
  return {
    plan,
    queue,
    train(updates: number): void {
      for (let i = 0; i < updates; i++) {
        queue.run("batch", 1, rows);
        queue.run("step", 1, rows);
      }
    },
    /** A buffer of all rows. */
    async read(buffer: string): Promise<Float32Array<ArrayBuffer>> {
      return (await queue.read([{ buffer, word: 0, words: rows * plan.buffers.get(buffer)! }]))[0];
    },
    evaluate(): void {
      queue.run("elements", 1, rows);
      queue.run("chunk", plan.chunks, rows);
      queue.run("endOfEvaluation", 1, rows);
    },
  };
}
