/** The engine of a command: its flags, what they ask for, and the engine opened. */
import type { Engine } from "../engine/engine.ts";
import { quote } from "../run/quote.ts";
import { type EngineName, ENGINES, openEngine, type OpenOptions } from "../train/engines.ts";
import { choice, type Flag, type Given } from "./flags.ts";

export const ENGINE_FLAGS: Readonly<Record<string, Flag>> = {
  "engine": {
    value: "NAME",
    help: "webgpu (graphics cards), cpu (the processor) or tfjs (TensorFlow.js: slow) [webgpu where there is a card, else cpu]",
  },
  "threads": { value: "N", help: "worker threads of the cpu engine; no bit of a run depends on it [one for each processor]" },
};

/** What the flags of a command say. */
export interface EngineRequest {
  readonly engine?: EngineName;
  readonly threads?: number;
}

/**
 * @throws Error in one line for an engine that isn't, a number of threads that isn't from 1 to 256, and threads for an engine that has
 * none.
 */
export function engineRequest(given: Given): EngineRequest {
  const name = given.get("engine") as string | undefined, count = given.get("threads") as string | undefined;
  const engine = name === undefined ? undefined : choice("engine", name, ENGINES), threads = Number(count);
  if (count !== undefined && !(/^\d+$/.test(count) && threads >= 1 && threads <= 256)) {
    throw new Error(`Cannot read --threads: must be a whole number from 1 to 256, current value is ${quote(count)}`);
  }
  if (count !== undefined && engine !== undefined && engine !== "cpu") {
    throw new Error(`Cannot use --threads with --engine ${engine}: the engine must be cpu, which alone has threads to set`);
  }
  return { ...engine !== undefined && { engine }, ...count !== undefined && { threads } };
}

/** Opens the engine of a request; what tests replace. */
export type Open = (request: EngineRequest, say: NonNullable<OpenOptions["say"]>) => Promise<Engine>;

export const open: Open = ({ engine, threads }, say) => openEngine(engine, { say, ...threads !== undefined && { threads } });
