/** The engines of this folder by name, each loaded on demand. */
import type { ExecutorEngine } from "./executor_engine.ts";

export interface NativeOptions {
  /** Worker threads of the processor engine; by default one for each processor. */
  readonly threads?: number;
}

const OPEN = {
  webgpu: async (): Promise<ExecutorEngine> => (await import("./webgpu/engine.ts")).webgpuEngine(),
  cpu: async ({ threads }: NativeOptions): Promise<ExecutorEngine> => (await import("./cpu/engine.ts")).cpuEngine(threads),
};
export type NativeName = keyof typeof OPEN;

/** @throws Error where the engine can't start on this machine, with what it needs. */
export const openNative = (name: NativeName, options: NativeOptions = {}): Promise<ExecutorEngine> => OPEN[name](options);
