/** The native engine: trainers on a graphics adapter. */
import { ExecutorEngine } from "../executor_engine.ts";
import { WebGpuExecutor } from "./executor.ts";
import { Gpu } from "./gpu.ts";
import type { Tile } from "./kernels/gemm.ts";

/**
 * The native engine on the best adapter.
 * @param tile how products are cut. Default: on the processor one made for it, on hardware what is fastest there (`tuned`).
 * @throws Error where there is no adapter.
 */
export async function webgpuEngine(tile?: Tile | "tuned"): Promise<WebGpuEngine> {
  return new WebGpuEngine(await Gpu.open(), tile);
}

export class WebGpuEngine extends ExecutorEngine<WebGpuExecutor> {
  constructor(readonly gpu: Gpu, tile?: Tile | "tuned") {
    super(new WebGpuExecutor(gpu, tile));
  }
}
