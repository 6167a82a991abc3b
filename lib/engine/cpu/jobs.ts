/**
 * What a worker thread does: an instance of the kernels for each memory, in which it works jobs off. `worker.ts` hands it what `threads.ts`
 * posts.
 */

/** What a worker is told; it answers every message with an `Answer`, in order. */
export type Message =
  | { readonly does: "load"; readonly module: WebAssembly.Module }
  /** Measures both tiles, and says which is faster here and whether products are fused. */
  | { readonly does: "measure" }
  /** Measures what a thread can do at most. */
  | { readonly does: "peak" }
  | { readonly does: "attach"; readonly id: number; readonly memory: WebAssembly.Memory; readonly tile: number }
  | { readonly does: "detach"; readonly id: number }
  | {
    readonly does: "work";
    readonly id: number;
    readonly job: number;
    readonly worker: number;
    readonly workers: number;
    readonly scratch: number;
  }
  /** Times each record of a list alone, on one arena: `times` medians, in milliseconds. */
  | {
    readonly does: "time";
    readonly id: number;
    readonly list: number;
    readonly end: number;
    readonly arena: number;
    readonly scratch: number;
    readonly times: number;
  };

export interface Measured {
  /** Columns of the faster tile: 8 or 16. */
  readonly tile: number;
  /** Billions of floating-point operations a second with it, on one thread. */
  readonly gflops: number;
  /** Whether a product and a sum are rounded once. */
  readonly fused: boolean;
}

/** What a thread can do at most. */
export interface Peak {
  /** Floating-point operations a second, a multiply-add counting as two. */
  readonly flops: number;
  /** Bytes read and written a second, of more memory than caches hold. */
  readonly bytes: number;
}

export type Answer = { readonly error: string } | { readonly result?: unknown };

/** What the module exports; see `kernels/interpreter.ts`. */
export interface Kernels {
  setTile(columns: number): void;
  fuses(): number;
  replay(record: number, arena: number, thread: number, threads: number, scratch: number): number;
  tile(
    a: number,
    rows: number,
    b: number,
    columns: number,
    k: number,
    c: number,
    ldc: number,
    bias: number,
    add: number,
    ldd: number,
    scratch: number,
  ): void;
  multiplyAdds12(rounds: number, out: number): void;
  multiplyAdds24(rounds: number, out: number): void;
  copy(to: number, from: number, bytes: number): void;
  work(job: number, worker: number, workers: number, scratch: number): void;
}

const PAGE = 65536;

/** Long enough for V8 to compile the inner loops in earnest, and for the best of many tries. */
const MEASURE_MS = 40;

function measure(module: WebAssembly.Module): Measured {
  const memory = new WebAssembly.Memory({ initial: 8, maximum: 8, shared: true });
  const kernels = instance(module, memory);
  // A product of 48 rows, 256 deep, 64 columns wide, from zeros: what a block of rows of a common layer takes.
  const rows = 48, k = 256, n = 64, a = PAGE, b = 2 * PAGE, c = 3 * PAGE, scratch = 4 * PAGE;
  const rate = (tile: number) => {
    kernels.setTile(tile);
    let best = Infinity;
    for (const end = performance.now() + MEASURE_MS; performance.now() < end;) {
      const start = performance.now();
      for (let time = 0; time < 8; time++) {
        for (let j = 0; j < n; j += tile) {
          for (let i = 0; i < rows; i += 6) {
            kernels.tile(a + 4 * k * i, 6, b, tile, k, c + 4 * (n * i + j), 4 * n, 0, 0, 0, scratch);
          }
        }
      }
      best = Math.min(best, performance.now() - start);
    }
    return 8 * 2 * rows * k * n / best / 1e6;
  };
  const narrow = rate(8), wide = rate(16);
  return { tile: wide > narrow ? 16 : 8, gflops: Math.max(narrow, wide), fused: kernels.fuses() !== 0 };
}

/** Sums in registers of either width, and a copy of 128 MiB, each the best of many. */
function peak(module: WebAssembly.Module): Peak {
  const half = 128 * 2 ** 20, rounds = 20_000, memory = new WebAssembly.Memory({ initial: 4097, maximum: 4097, shared: true });
  const kernels = instance(module, memory),
    seconds = (work: () => void, least: number) => {
      let best = Infinity;
      for (const end = performance.now() + least; performance.now() < end;) {
        const start = performance.now();
        work();
        best = Math.min(best, (performance.now() - start) / 1e3);
      }
      return best;
    };
  const flops = (sums: number, work: () => void) => 8 * sums * rounds / seconds(work, 4 * MEASURE_MS);
  return {
    flops: Math.max(flops(12, () => kernels.multiplyAdds12(rounds, PAGE)), flops(24, () => kernels.multiplyAdds24(rounds, PAGE))),
    bytes: 2 * half / seconds(() => kernels.copy(PAGE + half, PAGE, half), 10 * MEASURE_MS),
  };
}

function instance(module: WebAssembly.Module, memory: WebAssembly.Memory): Kernels {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Kernels;
}

let loaded: WebAssembly.Module;
const attached = new Map<number, { readonly kernels: Kernels; readonly words: Int32Array }>();

function answer(message: Message): unknown {
  switch (message.does) {
    case "load":
      loaded = message.module;
      return;
    case "measure":
      return measure(loaded);
    case "peak":
      return peak(loaded);
    case "attach": {
      const kernels = instance(loaded, message.memory);
      kernels.setTile(message.tile);
      attached.set(message.id, { kernels, words: new Int32Array(message.memory.buffer) });
      return;
    }
    case "detach":
      attached.delete(message.id);
      return;
    case "work":
      return attached.get(message.id)!.kernels.work(message.job, message.worker, message.workers, message.scratch);
    case "time":
      return time(message);
  }
}

function time({ id, list, end, arena, scratch, times }: Message & { does: "time" }): number[] {
  const { kernels, words } = attached.get(id)!;
  const records: number[] = [];
  for (let at = list; at < end; at += 4 * words[at / 4 + 1]) records.push(at);
  const taken = records.map(() => [] as number[]);
  for (let i = 0; i < times; i++) {
    records.forEach((record, n) => {
      const start = performance.now();
      kernels.replay(record, arena, 0, 1, scratch);
      taken[n].push(performance.now() - start);
    });
  }
  return taken.map((all) => all.sort((a, b) => a - b)[all.length >> 1]);
}

/** Does what a message says. What goes wrong is the answer, too. */
export function reply(message: Message): Answer {
  try {
    return { result: answer(message) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}
