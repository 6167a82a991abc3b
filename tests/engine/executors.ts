/**
 * The executors that the suites run on, by name: whoever writes another adds a line, and every suite takes it. Nothing here needs an npm
 * package.
 */
import { cpuEngine } from "../../lib/engine/cpu/engine.ts";
import { ExecutorEngine } from "../../lib/engine/executor_engine.ts";
import type { Executor } from "../../lib/engine/executor.ts";
import type { Op } from "../../lib/engine/op.ts";
import { WebGpuEngine, webgpuEngine } from "../../lib/engine/webgpu/engine.ts";
import { Gpu } from "../../lib/engine/webgpu/gpu.ts";
import { BLOCKS, GPU_TILE, SOFTWARE_TILE } from "../../lib/engine/webgpu/kernels/gemm.ts";
import type { Evaluation, Metrics, Trainer } from "../../lib/engine/engine.ts";

export interface Named {
  readonly name: string;
  /** One for all tests of a file: pipelines and the device live as long as it does. */
  readonly engine: () => Promise<ExecutorEngine>;
}

const once = (name: string, open: () => Promise<ExecutorEngine>): Named => {
  let opened: Promise<ExecutorEngine> | null = null;
  return { name, engine: () => opened ??= open() };
};

/** The smallest block, which is compiled soonest; that others give the same bits, the tests of products say. */
const SMALLEST = { ...GPU_TILE, block: () => BLOCKS[0] };
/** Fewer columns at once, which takes half of the time to compile; that the bits are the same, the tests of products say too. */
export const NARROW = { ...SOFTWARE_TILE, unroll: 64 };
/** In a browser (`tests/page/suite`) the only adapter may be a program that can't compile the large products made for the processor. */
const BROWSER = "document" in globalThis;

/** What cuts products on hardware as people have it, and elsewhere as it is compiled soonest. */
async function compiledSoon(): Promise<ExecutorEngine> {
  const gpu = await Gpu.open();
  if (BROWSER) return new WebGpuEngine(gpu, SMALLEST);
  return new WebGpuEngine(gpu, gpu.adapter.software ? NARROW : "tuned");
}

/** Every executor as people train with it. */
export const EXECUTORS: readonly Named[] = [
  once("webgpu", compiledSoon),
  once("cpu", () => cpuEngine(2)),
];

/** Every executor with kernels that depend on no measurement; `all`: whether every option of the model is tried, or a few. */
export const KERNELS: readonly (Named & { readonly all: boolean })[] = [
  { ...once("webgpu", () => webgpuEngine(BROWSER ? SMALLEST : NARROW)), all: true },
  // Of three runs, two are whole and one is shared by both threads.
  { ...once("cpu", () => cpuEngine(2)), all: true },
  { ...once("webgpu, tiles for cards", () => webgpuEngine(SMALLEST)), all: false },
];

/** Registers a test for each of some executors, whose devices outlive it. */
export function testOn<Kind extends Named>(
  executors: readonly Kind[],
  name: string,
  fn: (engine: ExecutorEngine, kind: Kind) => Promise<void>,
): void {
  for (const executor of executors) {
    Deno.test({
      name: `${name} (${executor.name})`,
      fn: async () => await fn(await executor.engine(), executor),
      sanitizeResources: false,
      sanitizeOps: false,
    });
  }
}

/** An engine whose executor gets another plan for an update: what a mistake in an operation does. */
export function spoiled({ executor }: ExecutorEngine, change: (op: Op) => Op): ExecutorEngine {
  const wrong: Executor = {
    info: executor.info,
    limits: executor.limits,
    demand: (plan) => executor.demand(plan),
    lower: (plan, rows) => executor.lower({ ...plan, lists: { ...plan.lists, step: plan.lists.step.map(change) } }, rows),
    open: (lowered, rows) => executor.open(lowered, rows),
  };
  return new ExecutorEngine(wrong);
}

/** All evaluations of some updates. */
export async function advance(trainer: Trainer, updates: number): Promise<Evaluation[]> {
  return (await Array.fromAsync(trainer.advance(updates))).flat();
}
export const ofRow = (evaluations: readonly Evaluation[], row: number): Metrics[] =>
  evaluations.filter((each) => each.row === row).map(({ metrics }) => metrics);
