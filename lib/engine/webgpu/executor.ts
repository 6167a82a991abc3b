/** The executor on a graphics adapter, or on a driver that computes on the processor. */
import type { EngineInfo } from "../engine.ts";
import type { Demand, Executor, Limits, Lowered } from "../executor.ts";
import { BLOCKS_FILE, freeMemory } from "../machine.ts";
import type { ListName, Plan } from "../op.ts";
import { BLOCK } from "../plan.ts";
import type { Dispatch, Gpu } from "./gpu.ts";
import { GPU_TILE, SOFTWARE_TILE, type Tile } from "./kernels/gemm.ts";
import type { Kernel } from "./kernels/kernel.ts";
import { type Kernels, lower } from "./lower.ts";
import { WebGpuQueue } from "./queue.ts";
import { productsOf, tunedTile } from "./tune.ts";

/** A card runs as many kernels in a hundredth of a processor's time. */
const SUBMISSION = { software: { first: 4000, any: 4000 }, hardware: { first: 1000, any: 16_000 } };

/** A plan's kernels, with what they take. */
export interface LoweredKernels extends Lowered {
  readonly made: Kernels;
}

export class WebGpuExecutor implements Executor<LoweredKernels> {
  readonly info: EngineInfo;
  readonly limits: Limits;
  readonly gpu: Gpu;
  /** What `lower` uses before anything has been measured; memory and operations are the same with any block. */
  readonly #tile: Tile;
  readonly #tuned: boolean;

  /** @param tile how products are cut. Default: on the processor one made for it, on hardware what is fastest there (`tuned`). */
  constructor(gpu: Gpu, tile?: Tile | "tuned") {
    const { name, driver, software } = gpu.adapter, wanted = tile ?? (software ? SOFTWARE_TILE : "tuned");
    this.gpu = gpu;
    this.info = { engine: "webgpu", adapter: name, driver, software };
    // A driver on the processor uses the machine's memory and reports no error where that runs out.
    this.limits = {
      losses: ["torch", "stable", "stablemax", "mse"],
      chunk: BLOCK,
      submission: SUBMISSION[software ? "software" : "hardware"],
      memory: () => (software ? 0.6 * freeMemory() : Infinity),
    };
    this.#tuned = wanted === "tuned";
    this.#tile = wanted === "tuned" ? GPU_TILE : wanted;
  }

  demand(plan: Plan): Demand {
    return this.#demand(lower(plan, this.#tile));
  }

  async lower(plan: Plan, rows: number): Promise<LoweredKernels> {
    const tile = this.#tuned ? await tunedTile(this.gpu, productsOf(plan), rows, BLOCKS_FILE) : this.#tile;
    const made = lower(plan, tile);
    return { plan, made, demand: this.#demand(made), kernels: each(made, (kernels) => kernels.length) };
  }

  async open({ made }: LoweredKernels, rows: number): Promise<WebGpuQueue | null> {
    const buffers = await this.gpu.allocate(new Map([...made.buffers].map(([name, words]) => [name, 4 * words * rows])));
    if (!buffers) return null;
    const lists: Partial<Record<ListName, Dispatch[]>> = {};
    for (const name of LISTS) lists[name] = await this.gpu.prepare(made.lists[name], buffers);
    return new WebGpuQueue(this.gpu, buffers, lists as Record<ListName, Dispatch[]>);
  }

  #demand(made: Kernels): Demand {
    const bytes = 4 * [...made.buffers.values()].reduce((sum, words) => sum + words, 0);
    const flop = each(made, (kernels) => kernels.reduce((sum, { flop }) => sum + flop, 0));
    const refusal = this.#refusal(made);
    return { bytes, flop, rows: refusal === null ? this.#rows(made) : 0, refusal };
  }

  /** Why not one run fits. */
  #refusal({ buffers, lists }: Kernels): string | null {
    const { maxStorageBufferBindingSize: most, maxComputeWorkgroupsPerDimension: axis } = this.gpu.device.limits;
    const [name, words] = [...buffers].reduce((a, b) => (a[1] >= b[1] ? a : b));
    if (4 * words > most) return `buffer ${name} must be at most ${most} bytes a run, current value is ${4 * words}`;
    const large = LISTS.flatMap((list) => lists[list]).find(({ grid }) => Math.max(...grid) > axis);
    return large ? `workgroups along an axis must be at most ${axis}, current value is ${Math.max(...large.grid)} (${large.label})` : null;
  }

  /** How many runs fit, at least 1: by the size of a buffer, and by the grid of a dispatch, in which rows lie along z. */
  #rows({ buffers, lists }: Kernels): number {
    const { maxStorageBufferBindingSize, maxBufferSize, maxComputeWorkgroupsPerDimension: axis } = this.gpu.device.limits;
    const largest = 4 * Math.max(...buffers.values()),
      deepest = Math.max(...LISTS.flatMap((list) => lists[list]).map(({ grid }) => grid[2]));
    return Math.floor(Math.min(maxStorageBufferBindingSize / largest, maxBufferSize / largest, axis / deepest));
  }
}

const LISTS: readonly ListName[] = ["batch", "step", "elements", "chunk", "forward", "endOfEvaluation", "attention"];
const each = <Value>({ lists }: Kernels, of: (kernels: readonly Kernel[]) => Value) =>
  Object.fromEntries(LISTS.map((name) => [name, of(lists[name])])) as Record<ListName, Value>;
