/** The engines of this folder by name, each loaded on demand. */
import type { ExecutorEngine } from "./executor_engine.ts";

const OPEN = {
  webgpu: async (): Promise<ExecutorEngine> => (await import("./webgpu/engine.ts")).webgpuEngine(),
  cpu: async (): Promise<ExecutorEngine> => (await import("./cpu/engine.ts")).cpuEngine(),
};
export type NativeName = keyof typeof OPEN;

/** @throws Error where the engine can't start on this machine, with what it needs. */
export const openNative = (name: NativeName): Promise<ExecutorEngine> => OPEN[name]();
