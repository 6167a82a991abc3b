/**
 * One shared memory with the lists of a plan and an arena for each run, and the queue of what is to be done in it. What is queued while
 * the workers are busy becomes one job: every run's whole program, so that a worker takes a run and doesn't wait for the others.
 */
import type { Part, Queue, Timing } from "../executor.ts";
import { useLargePages } from "../machine.ts";
import type { ListName } from "../op.ts";
import { encode, type Record } from "./records.ts";
import { MOST_PAGES, PAGE, type Threads } from "./threads.ts";

/** A plan as records: words a run by buffer, and its lists by name. */
export interface Lists<Name extends string = string> {
  readonly buffers: ReadonlyMap<string, number>;
  readonly lists: { readonly [name in Name]: readonly Record[] };
}

const align = (bytes: number) => 64 * Math.ceil(bytes / 64);

/** Bytes that the module keeps for itself, of the copies that a job makes for readers, and entries of a job's program with their bytes. */
const MODULE = PAGE, STAGING = 1 << 20, ENTRIES = 4096, ENTRY = 16;
/** Bytes of a job before its barriers, and of each of these. */
const JOB = 64, BARRIER = 64;

/** Where everything lies, in bytes. */
export interface Places {
  readonly lists: number;
  readonly program: number;
  readonly job: number;
  readonly staging: number;
  readonly scratch: number;
  readonly scratchBytes: number;
  readonly arenas: number;
  readonly arenaBytes: number;
  /** From a run's arena to its buffers. */
  readonly offsets: ReadonlyMap<string, number>;
}

/** The plan of the memory for so many workers; it grows by `arenaBytes` a run from `arenas`. */
export function places({ buffers, lists }: Lists, workers: number): Places {
  const offsets = new Map<string, number>();
  let arenaBytes = 64; // offset 0 says "none"
  for (const [name, words] of buffers) {
    offsets.set(name, arenaBytes);
    arenaBytes += align(4 * words);
  }
  const all: Record[] = Object.values(lists).flat();
  const listBytes = 4 * all.reduce((sum, { args }) => sum + 3 + args.length, 0);
  const scratchBytes = align(Math.max(64, ...all.map(({ scratch = 0 }) => scratch)));
  const program = align(MODULE + listBytes), job = program + ENTRIES * ENTRY, staging = align(job + JOB + workers * BARRIER);
  const scratch = staging + STAGING, arenas = scratch + workers * scratchBytes;
  return { lists: MODULE, program, job, staging, scratch, scratchBytes, arenas, arenaBytes, offsets };
}

/** Bytes for so many runs. */
export const bytesFor = ({ arenas, arenaBytes }: Places, runs: number) => arenas + runs * arenaBytes;

type Item =
  | { readonly does: "run"; readonly list: string; readonly times: number; readonly rows: number }
  | { readonly does: "write"; readonly to: number; readonly data: Uint8Array }
  | { readonly does: "move"; readonly from: readonly [number, number]; readonly to: number }
  | {
    readonly does: "read";
    readonly parts: readonly Part[];
    resolve(values: Float32Array<ArrayBuffer>[]): void;
    reject(error: Error): void;
  };

export class CpuQueue<Name extends string = ListName> implements Pick<Queue, "write" | "move" | "read" | "dispose"> {
  readonly places: Places;
  readonly #lists: Lists<Name>;
  readonly #runs: number;
  readonly #threads: Threads;
  readonly #id: number;
  readonly #at = new Map<string, readonly [from: number, end: number]>();
  readonly #bytes: Uint8Array<SharedArrayBuffer>;
  readonly #words: Uint32Array<SharedArrayBuffer>;
  #items: Item[] = [];
  #busy = false;
  #failure: Error | null = null;

  /**
   * A memory for so many runs, its arenas zero.
   * @returns `null` where there is no such memory.
   */
  static async open<Name extends string>(lists: Lists<Name>, runs: number, threads: Threads): Promise<CpuQueue<Name> | null> {
    const where = places(lists, threads.count), pages = Math.ceil(bytesFor(where, runs) / PAGE);
    if (pages > MOST_PAGES) return null;
    let memory: WebAssembly.Memory;
    try {
      memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    } catch (error) {
      if (error instanceof RangeError) return null;
      throw error;
    }
    useLargePages(memory);
    return new CpuQueue(lists, where, runs, threads, await threads.attach(memory), memory);
  }

  private constructor(lists: Lists<Name>, where: Places, runs: number, threads: Threads, id: number, memory: WebAssembly.Memory) {
    this.places = where;
    this.#lists = lists;
    this.#runs = runs;
    this.#threads = threads;
    this.#id = id;
    const shared = memory.buffer as unknown as SharedArrayBuffer; // the types of browsers call it unshared
    this.#bytes = new Uint8Array(shared);
    this.#words = new Uint32Array(shared);
    let to = where.lists;
    for (const [name, list] of Object.entries<readonly Record[]>(lists.lists)) {
      const words = encode(list, (buffer) => where.offsets.get(buffer)!);
      this.#words.set(new Uint32Array(words.buffer), to / 4);
      this.#at.set(name, [to, to += 4 * words.length]);
    }
  }

  /** Queues a list, so many times, for the first `rows` runs. */
  run(list: Name, times: number, rows: number): void {
    if (times > 0 && rows > 0 && this.#lists.lists[list].length > 0) this.#push({ does: "run", list, times, rows });
  }

  /** Queues a write of words; the data is copied now. */
  write(buffer: string, word: number, data: ArrayBuffer | ArrayBufferView<ArrayBuffer>): void {
    const bytes = data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    let from = 0;
    for (const [to, count] of this.#stretches({ buffer, word, words: bytes.length / 4 })) {
      this.#push({ does: "write", to, data: bytes.slice(from, from += count) });
    }
  }

  /** Queues a copy within a buffer. */
  move(buffer: string, from: number, to: number, words: number): void {
    const sources = this.#stretches({ buffer, word: from, words }), targets = this.#stretches({ buffer, word: to, words });
    if (sources.length !== 1 || targets.length !== 1) {
      throw new Error(`Cannot move words of ${buffer}: they must lie in one run, current value is ${words} from ${from} to ${to}`);
    }
    const [[start, count]] = sources;
    this.#push({ does: "move", from: [start, start + count], to: targets[0][0] });
  }

  /** The words of some buffers as they are once all that is queued before is done. */
  read(parts: readonly Part[]): Promise<Float32Array<ArrayBuffer>[]> {
    const { promise, resolve, reject } = Promise.withResolvers<Float32Array<ArrayBuffer>[]>();
    promise.catch(() => {}); // whoever waits later is told then
    this.#push({ does: "read", parts, resolve, reject });
    return promise;
  }

  /** Each record alone on one thread, on run 0, times the runs that one thread would do; what it computes stays in the buffers. */
  async time(list: Name, times: number, rows: number): Promise<readonly Timing[]> {
    await this.read([]);
    const [from, end] = this.#at.get(list)!, { arenas: arena, scratch } = this.places;
    const taken = await this.#threads.time(this.#id, { list: from, end, arena, scratch, times });
    return this.#lists.lists[list].map(({ label, flop, bytes }, i) => ({ label, milliseconds: rows * taken[i], flop, bytes }));
  }

  /** Gives the memory back once what is queued is done. */
  dispose(): void {
    const detach = () => this.#threads.detach(this.#id);
    this.read([]).then(detach, detach);
  }

  #push(item: Item): void {
    if (this.#failure) {
      if (item.does !== "read") throw this.#failure;
      return item.reject(this.#failure);
    }
    this.#items.push(item);
    if (this.#busy) return;
    this.#busy = true;
    queueMicrotask(() => void this.#work());
  }

  async #work(): Promise<void> {
    try {
      while (this.#items.length > 0) await this.#next();
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
      for (const item of this.#items.splice(0)) if (item.does === "read") item.reject(this.#failure);
    }
    this.#busy = false;
  }

  /** Does what can be done at once: a write, a move, a read, or a job of lists and of reads that every run makes alike. */
  async #next(): Promise<void> {
    const item = this.#items[0];
    if (item.does === "run") return await this.#job(item.rows);
    this.#items.shift();
    if (item.does === "write") this.#bytes.set(item.data, item.to);
    else if (item.does === "move") this.#bytes.copyWithin(item.to, ...item.from);
    else item.resolve(item.parts.map((part) => this.#gather(this.#stretches(part))));
  }

  async #job(rows: number): Promise<void> {
    const { program, job, staging, scratch, scratchBytes, arenas, arenaBytes, offsets } = this.places;
    const readers: { item: Item & { does: "read" }; ranges: (readonly [number, number])[] }[] = [];
    let taken = 0, entries = 0, staged = staging;
    const entry = (...words: number[]) => this.#words.set(words, (program + ENTRY * entries++) / 4);
    for (const item of this.#items) {
      if (item.does === "run") {
        if (item.rows !== rows || entries + 1 > ENTRIES) break;
        entry(...this.#at.get(item.list)!, item.times, 0);
      } else if (item.does === "read") {
        const parts = item.parts.map(({ buffer, word, words }) => ({
          offset: offsets.get(buffer)!,
          words: words / rows,
          whole: this.#isWhole(buffer, word, words, rows),
        }));
        const bytes = 4 * item.parts.reduce((sum, { words }) => sum + words, 0);
        if (parts.some(({ whole }) => !whole) || entries + parts.length > ENTRIES || staged + bytes > staging + STAGING) break;
        const ranges = parts.map(({ offset, words }) => {
          entry(0, offset, words, staged);
          return [staged, staged += 4 * words * rows] as const;
        });
        readers.push({ item, ranges });
      } else break;
      taken++;
    }
    const items = this.#items.splice(0, taken);
    this.#bytes.fill(0, job, job + JOB + this.#threads.count * BARRIER);
    this.#words.set([program, entries, arenas, arenaBytes, rows, 0], job / 4);
    try {
      await this.#threads.work(this.#id, job, scratch, scratchBytes);
    } catch (error) {
      this.#items.unshift(...items);
      throw error;
    }
    for (const { item, ranges } of readers) item.resolve(ranges.map(([from, end]) => this.#gather([[from, end - from]])));
  }

  /** Whether a part is a buffer of each of the first `rows` runs, so that every run copies its own. */
  #isWhole = (buffer: string, word: number, words: number, rows: number) => word === 0 && words === rows * this.#lists.buffers.get(buffer)!;

  /** Where the words of a part lie, run after run: first byte and bytes of each stretch. */
  #stretches({ buffer, word, words }: Part): (readonly [at: number, bytes: number])[] {
    const { arenas, arenaBytes, offsets } = this.places, size = this.#lists.buffers.get(buffer);
    if (size === undefined || word < 0 || word + words > size * this.#runs) {
      const limit = `lie within ${size === undefined ? "a buffer of the plan" : `0 to ${size * this.#runs - 1}`}`;
      throw new Error(`Cannot reach words of ${buffer}: they must ${limit}, current value is ${word} to ${word + words - 1}`);
    }
    const stretches: (readonly [number, number])[] = [];
    for (let from = word; from < word + words;) {
      const run = Math.floor(from / size), count = Math.min((run + 1) * size, word + words) - from;
      stretches.push([arenas + run * arenaBytes + offsets.get(buffer)! + 4 * (from - run * size), 4 * count]);
      from += count;
    }
    return stretches;
  }

  #gather(stretches: readonly (readonly [number, number])[]): Float32Array<ArrayBuffer> {
    const bytes = new Uint8Array(stretches.reduce((sum, [, count]) => sum + count, 0));
    let to = 0;
    for (const [from, count] of stretches) {
      bytes.set(this.#bytes.subarray(from, from + count), to);
      to += count;
    }
    return new Float32Array(bytes.buffer);
  }
}
