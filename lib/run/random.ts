/**
 * Counter-based random streams: a draw is a pure function of (seed, stream, counter), so there is no state to keep, a run
 * resumes anywhere, and the GPU draws the very batches that TypeScript draws.
 *
 * Threefry-2x32 with 20 rounds; Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
 */

import { cos, log } from "./fdlibm.ts";

/** What a stream is for; the number is half of the generator's key, the run's seed the other half. */
export const STREAM = { init: 1, split: 2, batch: 3, labels: 4, resample: 5, probe: 6 } as const;
export type Stream = keyof typeof STREAM;

/** Threefry's constants, which every implementation shares. */
export const PARITY = 0x1bd11bda;
export const ROTATIONS = [13, 15, 26, 6, 17, 29, 16, 24];

/** Two 32-bit words from a key of two and a counter of two. */
export function threefry(k0: number, k1: number, c0: number, c1: number): [number, number] {
  const key = [k0, k1, k0 ^ k1 ^ PARITY];
  let x = (c0 + k0) | 0, y = (c1 + k1) | 0;
  for (let group = 0; group < 5; group++) {
    const at = (group & 1) * 4;
    for (let i = at; i < at + 4; i++) {
      x = (x + y) | 0;
      y = ((y << ROTATIONS[i]) | (y >>> (32 - ROTATIONS[i]))) ^ x;
    }
    x = (x + key[(group + 1) % 3]) | 0;
    y = (y + key[(group + 2) % 3] + group + 1) | 0;
  }
  return [x >>> 0, y >>> 0];
}

/** The draw number `at` of batch `step`: an index below `n`. The same expression stands in the sampling kernel. */
export function batchIndex(seed: number, step: number, at: number, n: number): number {
  return threefry(seed, STREAM.batch, step, at)[0] % n;
}

/** A stream read from its start, for what is drawn once: initial weights, splits, labels. */
export class Random {
  #seed: number;
  #stream: number;
  #block = 0;
  /** The second word of a block whose first one has been drawn. */
  #second: number | null = null;

  constructor(seed: number, stream: Stream) {
    this.#seed = seed;
    this.#stream = STREAM[stream];
  }

  /** A 32-bit word. */
  word(): number {
    const second = this.#second;
    if (second !== null) {
      this.#second = null;
      return second;
    }
    const [first, next] = threefry(this.#seed, this.#stream, this.#block++, 0);
    this.#second = next;
    return first;
  }

  /** Uniform in the open interval (0, 1), 32 bits. */
  uniform(): number {
    return (this.word() + 0.5) / 4294967296;
  }

  /** A whole number below `n`. */
  below(n: number): number {
    return Math.floor(this.uniform() * n);
  }

  /** Standard normal, Box–Muller; two words a draw. */
  normal(): number {
    return Math.sqrt(-2 * log(this.uniform())) * cos(2 * Math.PI * this.uniform());
  }

  /** A random order of 0 … n − 1 (Fisher–Yates). */
  permutation(n: number): Uint32Array {
    const order = Uint32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }

  /** `k` different numbers below `n` in random order; the first of them are those that a smaller `k` gives. */
  sample(n: number, k: number): Uint32Array<ArrayBuffer> {
    const moved = new Map<number, number>(); // a Fisher–Yates shuffle, as far as it has come
    return Uint32Array.from({ length: k }, (_, i) => {
      const j = i + this.below(n - i), drawn = moved.get(j) ?? j;
      moved.set(j, moved.get(i) ?? i);
      return drawn;
    });
  }
}
