/** The bits of short trainings. As a program, with V8's flags, say, it prints those of all presets. */
import { createHash } from "node:crypto";
import { Threads } from "../../../lib/engine/cpu/threads.ts";
import { METRIC_WORDS } from "../../../lib/engine/evaluation.ts";
import { type PresetName, PRESETS, type RunInput, runSpec } from "../../../lib/run/spec.ts";
import { start } from "./runs.ts";

/** The presets as they are, but for fewer elements, so that a step takes milliseconds. */
const SHORT = { data: { prime: 17 }, schedule: { steps: 4, evalEvery: 2 } };

const MUON: RunInput["optim"] & object = {
  ...{
    rule: "muon",
    warmup: 0,
    lrSchedule: "cosine",
    lrSteps: 6,
    gradFilter: "grokfast-ma",
    filterWindow: 2,
    rowNorm: 1,
    heldNorm: "start",
  },
};

/** Of a run: a digest of what was trained, the bits of each metric, and a digest of its patterns of attention. */
export interface Bits {
  readonly weights: string;
  readonly metrics: Readonly<Record<string, string>>;
  readonly attention: string;
}

const digest = (parts: readonly Uint8Array[]) =>
  parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest("hex").slice(0, 16);

/** Of each of three runs: with two threads or four, some are trained whole and some by a team. */
export async function bits(preset: PresetName, optim: RunInput["optim"] & object, threads: Threads): Promise<Bits[]> {
  const specs = [1, 2, 3].map((seed) => runSpec({ preset, ...SHORT, seed, optim }));
  const runs = await start(specs, threads, { attention: {} });
  runs.train(SHORT.schedule.steps);
  runs.evaluate();
  runs.queue.run("attention", 1, specs.length);
  const buffers = await Promise.all(["params", "m", "v", "metrics", "attention"].map(runs.read));
  runs.queue.dispose();
  return specs.map((_, row) => {
    const [params, m, v, metrics, attention] = buffers.map((buffer) => {
      const words = buffer.length / specs.length;
      return new Uint8Array(buffer.buffer, 4 * row * words, 4 * words);
    });
    const word = (at: number) => new DataView(metrics.buffer, metrics.byteOffset).getUint32(4 * at, true).toString(16).padStart(8, "0");
    return {
      weights: digest([params, m, v]),
      metrics: Object.fromEntries(METRIC_WORDS.map((name, at) => [name, word(at)])),
      attention: digest([attention]),
    };
  });
}

/** Of everything that is committed, by name. */
export async function allBits(threads: Threads): Promise<Record<string, Bits[]>> {
  const found: Record<string, Bits[]> = {};
  for (const preset of Object.keys(PRESETS) as PresetName[]) found[preset] = await bits(preset, {}, threads);
  found["one-layer, float64"] = await bits("one-layer", { loss: "float64" }, threads);
  found["one-layer, Muon and limits"] = await bits("one-layer", MUON, threads);
  found["one-layer, stablemax"] = await bits("one-layer", { loss: "stablemax" }, threads);
  found["one-layer, mse, temperature 2.5"] = await bits("one-layer", { loss: "mse", temperature: 2.5 }, threads);
  return found;
}

if (import.meta.main) {
  const threads = await Threads.start(1);
  console.log(JSON.stringify({ tile: threads.measured.tile, found: await allBits(threads) }));
  await threads.close();
}
