/**
 * The worker threads: started once, told what to do, and given up as a whole where one of them fails. The thread of JavaScript stays free.
 */
import { kernels, sharesMemory, startThread, type Thread } from "../machine.ts";
import type { Measured, Message, Peak } from "./jobs.ts";

/** Bytes of a page of WebAssembly memory, and pages that 32-bit addresses reach. */
export const PAGE = 65536;
export const MOST_PAGES = 65536;

/** A module of one function that uses 128-bit vectors, a relaxed multiply-add and shared memory: valid where the kernels are. */
const NEEDED = Uint8Array.of(
  0,
  97,
  115,
  109,
  1,
  0,
  0,
  0,
  1,
  5,
  1,
  96,
  0,
  1,
  123,
  3,
  2,
  1,
  0,
  5,
  4,
  1,
  3,
  1,
  1,
  10,
  19,
  1,
  17,
  0,
  65,
  0,
  253,
  15,
  65,
  0,
  253,
  15,
  65,
  0,
  253,
  15,
  253,
  133,
  2,
  11,
);

/** @throws Error in one line where this JavaScript engine can't run the kernels. */
export function requireFeatures(): void {
  const need = (has: boolean, what: string) => {
    if (!has) throw new Error(`Cannot train on the processor: this JavaScript engine must have ${what}, it has not`);
  };
  need(typeof WebAssembly === "object", "WebAssembly");
  need(sharesMemory(), "SharedArrayBuffer");
  need(WebAssembly.validate(NEEDED), "WebAssembly with 128-bit SIMD, relaxed SIMD and threads");
}

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** Worker threads over shared memories. */
export class Threads {
  #measured: Measured = { tile: 8, gflops: 0, fused: false };
  readonly #workers: readonly Thread[];
  /** Of each worker, who waits for its next answers. */
  readonly #waiting: Waiting[][];
  #failure: Error | null = null;
  #ids = 0;

  /**
   * Starts so many workers.
   * @throws Error where the kernels can't run here, or a worker doesn't start.
   */
  static async start(count: number): Promise<Threads> {
    requireFeatures();
    const module = await kernels(), threads = new Threads(Array.from({ length: count }, startThread));
    await threads.#all(() => ({ does: "load", module }));
    threads.#measured = await threads.#ask(0, { does: "measure" }) as Measured;
    return threads;
  }

  private constructor(workers: readonly Thread[]) {
    this.#workers = workers;
    this.#waiting = workers.map(() => []);
    workers.forEach((worker, i) => {
      worker.listen((answer) => {
        const waiting = this.#waiting[i].shift();
        if (this.#waiting[i].length === 0) worker.hold(false); // an idle worker keeps no process alive
        if ("error" in answer) this.#fail(answer.error);
        else waiting?.resolve(answer.result);
      }, (reason) => this.#fail(reason));
    });
  }

  /** What the first of them measured. */
  get measured(): Measured {
    return this.#measured;
  }

  get count(): number {
    return this.#workers.length;
  }

  /** Every worker makes an instance of the kernels on a memory. @returns The number that jobs name it by. */
  async attach(memory: WebAssembly.Memory): Promise<number> {
    const id = this.#ids++;
    await this.#all(() => ({ does: "attach", id, memory, tile: this.measured.tile }));
    return id;
  }

  async detach(id: number): Promise<void> {
    if (!this.#failure) await this.#all(() => ({ does: "detach", id }));
  }

  /** Works a job off. `scratch` is the first worker's; the others' follow, `bytes` each. */
  async work(id: number, job: number, scratch: number, bytes: number): Promise<void> {
    await this.#all((worker) => ({ does: "work", id, job, worker, workers: this.count, scratch: scratch + worker * bytes }));
  }

  /** What one thread can do at most, measured. */
  async peak(): Promise<Peak> {
    return await this.#ask(0, { does: "peak" }) as Peak;
  }

  /** Milliseconds that each record of a list takes alone on one thread. */
  async time(id: number, what: Omit<Message & { does: "time" }, "does" | "id">): Promise<number[]> {
    return await this.#ask(0, { does: "time", id, ...what }) as number[];
  }

  /** Ends all workers. */
  async close(): Promise<void> {
    this.#failure ??= new Error("Cannot train: the worker threads must run, they have been closed");
    await Promise.all(this.#workers.map((worker) => worker.end()));
  }

  #all(message: (worker: number) => Message): Promise<unknown[]> {
    return Promise.all(this.#workers.map((_, i) => this.#ask(i, message(i))));
  }

  #ask(i: number, message: Message): Promise<unknown> {
    if (this.#failure) return Promise.reject(this.#failure);
    const worker = this.#workers[i];
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting[i].push({ resolve, reject });
    worker.hold(true);
    worker.post(message);
    return promise;
  }

  /** One worker failed: the others may wait for it for ever, so all end, and whoever waits hears why. */
  #fail(reason: string): void {
    if (this.#failure) return;
    this.#failure = new Error(`Cannot train on: every worker thread must run, one of them failed: ${reason}`);
    for (const worker of this.#workers) worker.end();
    for (const waiting of this.#waiting) for (const { reject } of waiting.splice(0)) reject(this.#failure);
  }
}
