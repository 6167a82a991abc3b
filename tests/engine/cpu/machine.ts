/**
 * The kernels on one thread, for their tests: a run's buffers, and lists that are replayed as so many threads would, one after the other.
 */
import { assertEquals } from "@std/assert";
import { check, encode, lengths, type Record } from "../../../lib/engine/cpu/records.ts";
import { Random } from "../../../lib/run/random.ts";

interface Exports {
  readonly setTile: (columns: number) => void;
  readonly fuses: () => number;
  readonly applyFunction: (which: number, x: number, out: number, n: number) => void;
  readonly replay: (record: number, arena: number, t: number, nt: number, scratch: number) => number;
}

const module = new WebAssembly.Module(Deno.readFileSync(new URL("../../../lib/engine/cpu/kernels.wasm", import.meta.url)));

/** Bytes before the lists: what the module itself keeps. */
const LISTS = 1 << 16, SCRATCH = 1 << 20, SCRATCH_OF_A_THREAD = 4 << 20, ARENA = SCRATCH + 4 * SCRATCH_OF_A_THREAD;
const memory = new WebAssembly.Memory({ initial: 1024, maximum: 1024, shared: true });
export const kernels = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Exports;
export const floats = new Float32Array(memory.buffer), words = new Uint32Array(memory.buffer);
export const doubles = new Float64Array(memory.buffer);
/** Where tests of functions may write. */
export const FREE = ARENA;

/** Values from −1 to 1, always the same for a seed. */
export function noise(n: number, seed: number): Float32Array<ArrayBuffer> {
  const random = new Random(seed, "probe");
  return Float32Array.from({ length: n }, () => 2 * random.uniform() - 1);
}

/** Buffers by name: their words, or what they begin with. */
export type Buffers = { readonly [name: string]: number | Float32Array | Uint32Array };

export class Machine {
  readonly #at = new Map<string, number>();
  readonly #words = new Map<string, number>();

  constructor(buffers: Buffers) {
    let at = 64;
    for (const [name, content] of Object.entries(buffers)) {
      const n = typeof content === "number" ? content : content.length;
      this.#at.set(name, at);
      this.#words.set(name, n);
      const to = (ARENA + at) / 4;
      // What nobody wrote is no number: a kernel that reads or leaves it shows.
      if (typeof content === "number") words.fill(0x7fc00001, to, to + n);
      else if (content instanceof Float32Array) floats.set(content, to);
      else words.set(content, to);
      at += 64 * Math.ceil(n / 16) + 64;
    }
  }

  floats(name: string): Float32Array<ArrayBuffer> {
    const at = (ARENA + this.#at.get(name)!) / 4;
    return new Float32Array(floats.slice(at, at + this.#words.get(name)!));
  }
  words = (name: string) => new Uint32Array(this.floats(name).buffer);

  replay(list: readonly Record[], threads: number): void {
    check(list, this.#words);
    words.set(encode(list, (name) => this.#at.get(name)!) as unknown as Uint32Array, LISTS / 4);
    let at = LISTS;
    for (const length of lengths(list)) {
      let goesOn = 1;
      for (let t = 0; t < threads; t++) goesOn &= kernels.replay(at, ARENA, t, threads, SCRATCH + t * SCRATCH_OF_A_THREAD);
      if (!goesOn) return;
      at += 4 * length;
    }
  }
}

/** What the list makes of `outputs`, which must be the same bits with either tile and with 1 to 4 threads. */
export function replay(buffers: Buffers, list: readonly Record[], outputs: readonly string[]): Float32Array<ArrayBuffer>[] {
  const results = [8, 16].flatMap((tile) =>
    [1, 2, 3, 4].map((threads) => {
      kernels.setTile(tile);
      const machine = new Machine(buffers);
      machine.replay(list, threads);
      return { tile, threads, found: outputs.map((name) => machine.words(name)) };
    })
  );
  for (const { tile, threads, found } of results.slice(1)) {
    for (const [i, name] of outputs.entries()) {
      assertEquals(found[i].findIndex((word, at) => word !== results[0].found[i][at]), -1, `${name}, tile ${tile}, ${threads} threads`);
    }
  }
  return results[0].found.map((found) => new Float32Array(found.buffer));
}

/** Fails where an element differs by more than `tolerance` of the largest expected one. */
export function assertNear(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what: string): void {
  assertEquals(actual.length, expected.length, what);
  let largest = 1e-30;
  for (let i = 0; i < expected.length; i++) largest = Math.max(largest, Math.abs(expected[i]));
  for (let i = 0; i < expected.length; i++) {
    if (!(Math.abs(actual[i] - expected[i]) <= tolerance * largest)) {
      throw new Error(`${what}: element ${i} must be ${expected[i]} within ${tolerance} of ${largest}, current value is ${actual[i]}`);
    }
  }
}
