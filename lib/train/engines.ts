/** Which engine trains on this machine. */
import type { Engine } from "../engine/engine.ts";
import { requireFeatures } from "../engine/cpu/threads.ts";
import { type NativeOptions, openNative } from "../engine/open.ts";
import { requestGpuAdapter } from "../engine/webgpu/gpu.ts";
import { reason } from "../run/files.ts";
import { quote } from "../run/quote.ts";

export const ENGINES = ["webgpu", "cpu", "tfjs"] as const;
export type EngineName = (typeof ENGINES)[number];

/** An engine and why it is the one, as a clause. */
export interface Choice {
  readonly engine: EngineName;
  readonly why: string;
}

/**
 * The engine of a name, or else the best one here: a graphics card has WebGPU's. A software driver for WebGPU is slower than the processor
 * engine, so it is used only where somebody names the engine. TensorFlow.js trains where the processor engine can't run.
 * @throws Error where there is no engine of that name.
 */
export async function chooseEngine(name?: EngineName): Promise<Choice> {
  if (name !== undefined && !ENGINES.includes(name)) {
    throw new Error(`Cannot train: the engine must be one of ${ENGINES.join(", ")}, current value is ${quote(name)}`);
  }
  if (name !== undefined) return { engine: name, why: "it was asked for" };
  const adapter = await requestGpuAdapter();
  if (adapter && !adapter.info.isFallbackAdapter) return { engine: "webgpu", why: "there is a graphics card" };
  const none = adapter ? `the only adapter is a program on the processor, ${adapter.info.description}` : "there is no graphics card";
  try {
    requireFeatures();
    return { engine: "cpu", why: none };
  } catch (error) {
    return { engine: "tfjs", why: `${none}. ${reason(error)}` };
  }
}

export interface OpenOptions extends NativeOptions {
  /** Told in a line where TensorFlow.js has to stand in. Default: `console.error`. */
  readonly say?: (line: string) => void;
}

/**
 * Opens the engine of a name, or the one that `chooseEngine` chooses.
 * @throws Error where the named engine can't start here, with what it needs.
 */
export async function openEngine(name?: EngineName, { say = console.error, ...options }: OpenOptions = {}): Promise<Engine> {
  const { engine, why } = await chooseEngine(name);
  if (engine !== "tfjs") return await openNative(engine, options);
  if (name === undefined) say(`Going on with the TensorFlow.js engine, which is slower: ${why}`);
  return await (await import("../reference/trainer.ts")).tfjsEngine();
}
