/**
 * What carries out a plan: it turns lists of operations into kernels of its own and offers a queue of what is to be done. `trainer.ts` is
 * written against this and knows no device.
 */
import type { OptimSpec } from "../run/spec.ts";
import type { EngineInfo } from "./engine.ts";
import type { ListName, Plan } from "./op.ts";

/** What a plan takes here, as far as it is known without compiling or measuring. */
export interface Demand {
  /** Of memory for each run, scratch included. */
  readonly bytes: number;
  /** Floating-point operations of each list, done once for one run. */
  readonly flop: Readonly<Record<ListName, number>>;
  /** Runs that fit at once by the limits of the device, memory aside; at least 1 where `refusal` is null. */
  readonly rows: number;
  /** Why not one run fits, as a sentence's end after "Cannot train this model on …: "; else null. */
  readonly refusal: string | null;
}

/** A plan made ready: kernels as data, compiled on opening. */
export interface Lowered {
  readonly plan: Plan;
  readonly demand: Demand;
  /** Kernels of each list, which is how submissions are measured. */
  readonly kernels: Readonly<Record<ListName, number>>;
}

export interface Limits {
  /** The losses it has kernels for; which one, is a run's choice, not its shape's. */
  readonly losses: readonly OptimSpec["loss"][];
  /** Pairs of a chunk of an evaluation, at most, as `plan` takes it. */
  readonly chunk: number;
  /** Bytes that runs may take at present; Infinity where the device says so itself, by refusing. */
  readonly memory: () => number;
  /**
   * Kernels in the first submission and in any, at most: the device should soon have work, and enough of it to be busy while results are
   * waited for.
   */
  readonly submission: { readonly first: number; readonly any: number };
}

export interface Executor<Ready extends Lowered = Lowered> {
  readonly info: EngineInfo;
  readonly limits: Limits;
  demand(plan: Plan): Demand;
  /** @param rows how many runs will train at once, about: nothing but speed may depend on it. */
  lower(plan: Plan, rows: number): Promise<Ready>;
  /** A queue with memory for so many runs, zeroed; or `null` where there is no such memory. */
  open(lowered: Ready, rows: number): Promise<Queue | null>;
}

/** Words of a buffer: `word` counts from run 0's first, run after run. */
export interface Part {
  readonly buffer: string;
  readonly word: number;
  readonly words: number;
}

/** What a kernel took, in milliseconds, over all rows, and its operations and least bytes for one run. */
export interface Timing {
  readonly label: string;
  readonly milliseconds: number;
  readonly flop: number;
  readonly bytes: number;
}

/**
 * Work in its order. Everything queued without waiting in between is handed on together, as soon as the caller waits for anything. All
 * methods but `read` and `time` return at once. What went wrong on the device is thrown by the next call or by what is being waited for.
 */
export interface Queue {
  /** Does a list, so many times, for the first `rows` runs. */
  run(list: ListName, times: number, rows: number): void;
  /** Writes words from `word`, counted as in `Part`; the data is copied now. */
  write(buffer: string, word: number, data: ArrayBuffer | Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>): void;
  /** Copies words within a buffer, from one run to another. */
  move(buffer: string, from: number, to: number, words: number): void;
  /**
   * The words of some parts as they are when all that was queued before is done, whatever is queued after. Waiting begins with the first
   * `await`, so that one submission may be under way while the next is recorded. Without parts it waits for what was queued before.
   */
  read(parts: readonly Part[]): PromiseLike<Float32Array<ArrayBuffer>[]>;
  /** Times each kernel of a list alone, medians of `times`; what it computes stays in the buffers. `null` where the device can't tell. */
  time(list: ListName, times: number, rows: number): Promise<readonly Timing[] | null>;
  /** Gives the memory back. */
  dispose(): void;
}
