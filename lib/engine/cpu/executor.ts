/** The processor as an executor: plans become records, which worker threads replay in WebAssembly. Bits depend on no number of threads. */
import type { EngineInfo } from "../engine.ts";
import type { Demand, Executor, Limits, Lowered } from "../executor.ts";
import { freeMemory, processorName } from "../machine.ts";
import type { ListName, Plan } from "../op.ts";
import { eachList, lower } from "./lower.ts";
import { bytesFor, CpuQueue, type Lists, type Places, places } from "./queue.ts";
import type { Record } from "./records.ts";
import { MOST_PAGES, PAGE, Threads } from "./threads.ts";

export interface CpuLowered extends Lowered {
  readonly lists: Lists<ListName>;
}

/**
 * Bytes that 32-bit addresses reach, and the share of the free memory that is planned with: the rest is for what comes while a run trains.
 */
const ADDRESSES = PAGE * MOST_PAGES, SHARE = 0.8;

/**
 * What a kernel of a list counts as, in microseconds of all threads: submissions are measured in kernels, and here they should be done
 * several times a second, however long a kernel takes.
 */
const UNIT_US = 10;

/** Pairs of a chunk of an evaluation: so few that what a chunk computes lies in a processor's second cache. */
const CHUNK = 256;

/** Records that a thread does in a unit at most, where they are so short that what surrounds them counts. */
const RECORDS_A_UNIT = 20;

const MiB = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MiB`;

export class CpuExecutor implements Executor<CpuLowered> {
  readonly info: EngineInfo;
  /** A tenth of a second first, then a third. */
  readonly limits: Limits = {
    losses: ["torch", "stable", "float64", "stablemax", "mse"],
    chunk: CHUNK,
    submission: { first: 100_000 / UNIT_US, any: 300_000 / UNIT_US },
    memory,
  };
  readonly threads: Threads;

  /**
   * @param threads Worker threads; by default one for each processor.
   * @throws Error in one line where this JavaScript engine can't run the kernels.
   */
  static async start(threads = navigator.hardwareConcurrency): Promise<CpuExecutor> {
    if (!Number.isInteger(threads) || threads < 1 || threads > 256) {
      throw new Error(`Cannot train on the processor: threads must be a whole number from 1 to 256, current value is ${threads}`);
    }
    return new CpuExecutor(await Threads.start(threads));
  }

  private constructor(threads: Threads) {
    const { fused } = threads.measured;
    this.threads = threads;
    // The driver is what bits depend on, the adapter what speed depends on.
    this.info = {
      engine: "cpu",
      adapter: processorName(`${threads.count} ${threads.count === 1 ? "thread" : "threads"}`),
      driver: `WebAssembly SIMD, sums ${fused ? "" : "not "}fused`,
      software: false,
    };
  }

  demand(plan: Plan): Demand {
    return this.#demand(lower(plan));
  }

  lower(plan: Plan, rows: number): Promise<CpuLowered> {
    return Promise.try(() => this.#lower(plan, rows));
  }

  #lower(plan: Plan, rows: number): CpuLowered {
    const lists = lower(plan), demand = this.#demand(lists), { gflops } = this.threads.measured, { count } = this.threads;
    const kernels = eachList(lists.lists, (list) => {
      const units = flopOf(list) / gflops / 1e3 / UNIT_US + list.length / RECORDS_A_UNIT;
      return Math.max(1, Math.round(units * Math.max(1, rows / count)));
    });
    return { plan, demand, kernels, lists };
  }

  open({ lists }: CpuLowered, rows: number): Promise<CpuQueue<ListName> | null> {
    return CpuQueue.open(lists, rows, this.threads);
  }

  #demand(lists: Lists<ListName>): Demand {
    const where = places(lists, this.threads.count), rows = Math.floor((ADDRESSES - where.arenas) / where.arenaBytes);
    return { bytes: where.arenaBytes, flop: eachList(lists.lists, flopOf), rows: Math.max(0, rows), refusal: refusal(where) };
  }
}

const memory = () => SHARE * freeMemory();
const flopOf = (list: readonly Record[]) => list.reduce((sum, { flop }) => sum + flop, 0);

function refusal(where: Places): string | null {
  const needed = bytesFor(where, 1), free = memory();
  if (needed > ADDRESSES) return `one run must need at most ${MiB(ADDRESSES)}, which 32-bit addresses reach, it needs ${MiB(needed)}`;
  if (needed > free) return `one run needs ${MiB(needed)}, which must be free, ${MiB(free)} can be used`;
  return null;
}
