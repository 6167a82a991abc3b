/**
 * The bits of short trainings, as SHA-256 of weights, metrics and attention. As a program, with V8's flags, say, it prints those of all
 * presets.
 */
import { createHash } from "node:crypto";
import { Threads } from "../../../lib/engine/cpu/threads.ts";
import { type PresetName, PRESETS, runSpec } from "../../../lib/run/spec.ts";
import { start } from "./runs.ts";

/** The presets as they are, but for fewer elements, so that a step takes milliseconds. */
const SHORT = { data: { prime: 17 }, schedule: { steps: 4, evalEvery: 2 } };

/** A hash for each of three runs: with two threads or four, some are trained whole and some by a team. */
export async function bits(preset: PresetName, loss: "torch" | "stable" | "float64", threads: Threads): Promise<string[]> {
  const specs = [1, 2, 3].map((seed) => runSpec({ preset, ...SHORT, seed, optim: { loss } }));
  const runs = await start(specs, threads, { attention: {} });
  runs.train(SHORT.schedule.steps);
  runs.evaluate();
  runs.queue.run("attention", 1, specs.length);
  const buffers = await Promise.all(["params", "metrics", "attention"].map(runs.read));
  runs.queue.dispose();
  return specs.map((_, row) => {
    const hash = createHash("sha256");
    for (const buffer of buffers) {
      const words = buffer.length / specs.length;
      hash.update(new Uint8Array(buffer.buffer, 4 * row * words, 4 * words));
    }
    return hash.digest("hex");
  });
}

/** Of every preset and loss that is committed, by name. */
export async function allBits(threads: Threads): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  for (const preset of Object.keys(PRESETS) as PresetName[]) found[preset] = await bits(preset, PRESETS[preset].optim.loss, threads);
  found["one-layer, float64"] = await bits("one-layer", "float64", threads);
  return found;
}

if (import.meta.main) {
  const threads = await Threads.start(1);
  console.log(JSON.stringify({ tile: threads.measured.tile, found: await allBits(threads) }));
  await threads.close();
}
