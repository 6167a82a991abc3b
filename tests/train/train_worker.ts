/** `deno task train` on an engine that trains nothing and saves all the time: started and killed by tests. */
import { main } from "../../lib/cli/train.ts";
import { run } from "../../lib/cli/main.ts";
import { fakeEngine } from "../fake_engine.ts";

/** Slow enough that a test which starts it a hundred times doesn't compute for long, without work for the processor. */
const clock = new Int32Array(new SharedArrayBuffer(4));
const engine = fakeEngine({ fit: 2, groksAt: ({ seed }) => 300 + 100 * seed, onUpdate: () => void Atomics.wait(clock, 0, 0, 0.2) });

await run((args) => main(args, { open: () => Promise.resolve(engine), saveEvery: 0.02 }));
