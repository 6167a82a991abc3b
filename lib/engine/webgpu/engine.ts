/** The native engine: what fits on the adapter, what a run costs there, and trainers for it. */
import { fileURLToPath } from "node:url";
import type { RunSpec } from "../../run/spec.ts";
import type { Cost, Engine, EngineInfo, Snapshot, Watched } from "../engine.ts";
import { Gpu } from "./gpu.ts";
import { GPU_TILE, SOFTWARE_TILE, type Tile } from "./kernels/gemm.ts";
import type { Kernel } from "./kernels/kernel.ts";
import { plan } from "../plan.ts";
import { specOf, WebGpuTrainer } from "../trainer.ts";
import { productsOf, tunedTile } from "./tune.ts";

/** Where answers about the fastest blocks are kept. */
const BLOCKS = fileURLToPath(new URL("../../../data/out/blocks.json", import.meta.url));

/**
 * The native engine on the best adapter.
 * @param tile how products are cut. Default: on the processor one made for it, on hardware what is fastest there (`tuned`).
 * @throws Error where there is no adapter.
 */
export async function webgpuEngine(tile?: Tile | "tuned"): Promise<WebGpuEngine> {
  return new WebGpuEngine(await Gpu.open(), tile);
}

export class WebGpuEngine implements Engine {
  readonly info: EngineInfo;
  readonly gpu: Gpu;
  /** What `tile` answers before anything has been measured; memory and operations are the same with any block. */
  readonly #tile: Tile;
  readonly #tuned: boolean;

  constructor(gpu: Gpu, tile?: Tile | "tuned") {
    const { name, driver, software } = gpu.adapter;
    this.gpu = gpu;
    this.info = { engine: "webgpu", adapter: name, driver, software };
    const wanted = tile ?? (software ? SOFTWARE_TILE : "tuned");
    this.#tuned = wanted === "tuned";
    this.#tile = wanted === "tuned" ? GPU_TILE : wanted;
  }

  rowsThatFit(spec: RunSpec, watched?: Watched): number {
    const { maxStorageBufferBindingSize, maxBufferSize } = this.gpu.adapter.limits;
    const buffers = [...plan(spec, this.#tile, watched).buffers.values()];
    const largest = Math.floor(Math.min(maxStorageBufferBindingSize, maxBufferSize) / (4 * Math.max(...buffers)));
    // A driver on the processor takes the machine's memory, and takes more than there is without a word.
    const room = this.info.software ? 0.6 * Deno.systemMemoryInfo().available : Infinity;
    return Math.max(1, Math.min(largest, Math.floor(room / this.cost(spec, watched).bytes)));
  }

  cost(spec: RunSpec, watched?: Watched): Cost {
    const { buffers, batch, step, chunk, chunks, endOfEvaluation, attention } = plan(spec, this.#tile, watched);
    const total = (numbers: Iterable<number>) => [...numbers].reduce((sum, each) => sum + each, 0);
    const flop = (kernels: readonly Kernel[]) => total(kernels.map((kernel) => kernel.flop));
    const evaluation = chunks * flop(chunk) + flop(endOfEvaluation) + flop(attention?.kernels ?? []);
    return { bytes: 4 * total(buffers.values()), flop: flop(batch) + flop(step) + evaluation / spec.schedule.evalEvery };
  }

  refusal(spec: RunSpec, watched?: Watched): string | null {
    return this.#refusal(plan(spec, this.#tile, watched).buffers);
  }

  #refusal(buffers: ReadonlyMap<string, number>): string | null {
    const most = this.gpu.adapter.limits.maxStorageBufferBindingSize, [name, words] = [...buffers].reduce((a, b) => (a[1] >= b[1] ? a : b));
    return 4 * words > most ? `buffer ${name} must be at most ${most} bytes a run, current value is ${4 * words}` : null;
  }

  /** How the products of so many runs of a model are cut here; on hardware the first call for a shape measures. No bit depends on `rows`. */
  async tile(spec: RunSpec, rows: number, watched?: Watched): Promise<Tile> {
    return this.#tuned ? await tunedTile(this.gpu, productsOf(spec, watched), rows, BLOCKS) : this.#tile;
  }

  async open(runs: readonly (RunSpec | Snapshot)[], watched?: Watched): Promise<WebGpuTrainer> {
    const first = specOf(runs[0]);
    const rows = Math.min(runs.length, this.rowsThatFit(first, watched));
    const made = plan(first, await this.tile(first, rows, watched), watched);
    const refusal = this.#refusal(made.buffers);
    if (refusal !== null) throw new Error(`Cannot train this model on ${this.gpu.adapter.name}: ${refusal}`);
    for (let capacity = rows; capacity >= 1; capacity = Math.floor(capacity / 2)) {
      const buffers = await this.gpu.allocate(new Map([...made.buffers].map(([name, words]) => [name, 4 * words * capacity])));
      if (buffers) return await WebGpuTrainer.open(this, made, buffers, runs.slice(0, capacity));
    }
    throw new Error(
      `Cannot allocate one run on ${this.gpu.adapter.name}: ${
        Math.ceil([...made.buffers.values()].reduce((a, b) => a + b) / 2 ** 18)
      } MiB are needed, the driver refused`,
    );
  }
}
