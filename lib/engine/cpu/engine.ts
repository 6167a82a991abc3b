/** The engine on the processor: WebAssembly with 128-bit vectors, in threads. */
import { ExecutorEngine } from "../executor_engine.ts";
import { CpuExecutor } from "./executor.ts";

/**
 * The engine on the processor.
 * @param threads Worker threads; by default one for each processor. No bit of a run depends on it.
 * @throws Error in one line where this JavaScript engine can't run the kernels.
 */
export async function cpuEngine(threads?: number): Promise<CpuEngine> {
  return new CpuEngine(await CpuExecutor.start(threads));
}

export class CpuEngine extends ExecutorEngine<CpuExecutor> {
  /** Ends the worker threads. Without it they end with the process, which they don't keep alive. */
  async close(): Promise<void> {
    await this.executor.threads.close();
  }
}
