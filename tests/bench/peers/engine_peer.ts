/** The house's own engines: `engine_peer.ts webgpu|cpu`, or TensorFlow.js as `engine_peer.ts tfjs webgpu|wasm|cpu`. */
import type { Engine, Evaluation } from "../../../lib/engine/engine.ts";
import { type NativeName, openNative } from "../../../lib/engine/open.ts";
import { runSpec } from "../../../lib/run/spec.ts";
import type { Work } from "../protocol.ts";
import { serve, type Session } from "./serve.ts";

/** So far away that no evaluation falls into the timed part. */
const NEVER = 2 ** 30;

const [name, backend] = Deno.args;
let engine: Engine;

async function ready() {
  engine = name === "tfjs"
    ? await (await import("../../../lib/reference/trainer.ts")).tfjsEngine(backend as "webgpu")
    : await openNative(name as NativeName);
  const { adapter, driver } = engine.info;
  return { version: `Deno ${Deno.version.deno}`, device: `${adapter}, ${driver}`, sequential: name === "tfjs" };
}

async function open({ preset }: Work, rows: number): Promise<Session> {
  const schedule = { steps: NEVER, evalEvery: NEVER };
  const trainer = await engine.open(Array.from({ length: rows }, (_, seed) => runSpec({ preset, seed, schedule })));
  const fit = trainer.rows.length;
  if (fit < rows) {
    trainer.dispose();
    throw new Error(`Cannot train ${rows} runs at once: ${fit} fit on this device`);
  }
  return {
    async advance(steps) {
      for await (const _ of trainer.advance(steps));
      if (name === "tfjs") await trainer.gradient(rows - 1); // waits for the device, as the native engine has done
      return steps;
    },
    async loss() {
      const evaluations: readonly Evaluation[] = await trainer.evaluate();
      return evaluations.reduce((sum, { metrics }) => sum + metrics.trainLoss, 0) / rows;
    },
    dispose: () => trainer.dispose(),
  };
}

await serve(ready, open);
