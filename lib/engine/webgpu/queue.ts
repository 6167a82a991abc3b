/** The queue of a plan on a GPU: calls without an `await` in between go to the device in one submission. */
import type { Part, Queue, Timing } from "../executor.ts";
import type { ListName } from "../op.ts";
import type { Dispatch, Gpu, Recording } from "./gpu.ts";

/** A result that is requested when it is first awaited: the request blocks until the device is idle. */
class Later<Value> implements PromiseLike<Value> {
  readonly #request: () => Promise<Value>;
  #requested: Promise<Value> | null = null;

  constructor(request: () => Promise<Value>) {
    this.#request = request;
  }

  request(): Promise<Value> {
    if (this.#requested) return this.#requested;
    this.#requested = this.#request();
    this.#requested.catch(() => {}); // an `await` gets the error; without one it is not an unhandled rejection
    return this.#requested;
  }

  then: PromiseLike<Value>["then"] = (fulfilled, rejected) => this.request().then(fulfilled, rejected);
}

type Result = Later<Float32Array<ArrayBuffer>[]>;

export class WebGpuQueue implements Queue {
  readonly #gpu: Gpu;
  readonly #buffers: ReadonlyMap<string, GPUBuffer>;
  readonly #lists: Readonly<Record<ListName, readonly Dispatch[]>>;
  /** What isn't submitted yet, and the results that it will have. */
  #recording: Recording | null = null;
  #recorded: Result[] = [];
  /** Results of what was submitted last. */
  #submitted: Result[] = [];

  constructor(gpu: Gpu, buffers: ReadonlyMap<string, GPUBuffer>, lists: Readonly<Record<ListName, readonly Dispatch[]>>) {
    this.#gpu = gpu;
    this.#buffers = buffers;
    this.#lists = lists;
  }

  run(list: ListName, times: number, rows: number): void {
    this.#gpu.check();
    this.#record().run(this.#lists[list], times, rows);
  }

  write(buffer: string, word: number, data: ArrayBuffer | Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>): void {
    this.#submit();
    this.#gpu.write(this.#buffer(buffer), 4 * word, data);
  }

  move(buffer: string, from: number, to: number, words: number): void {
    this.#record().move({ buffer: this.#buffer(buffer), offset: 4 * from, bytes: 4 * words }, 4 * to);
  }

  read(parts: readonly Part[]): PromiseLike<Float32Array<ArrayBuffer>[]> {
    const recording = this.#record();
    const stretches = parts.map(({ buffer, word, words }) => ({ buffer: this.#buffer(buffer), offset: 4 * word, bytes: 4 * words }));
    const staging = stretches.length > 0 ? recording.copy(stretches) : null;
    const result: Result = new Later(async () => {
      if (this.#recording === recording) this.#submit();
      if (!staging) return await this.#gpu.done().then(() => []);
      const all = await this.#gpu.take(staging);
      let at = 0;
      return stretches.map(({ bytes }) => new Float32Array(all.slice(at, at += bytes)));
    });
    this.#recorded.push(result);
    return result;
  }

  async time(list: ListName, times: number, rows: number): Promise<Timing[] | null> {
    this.#submit();
    const timings = await this.#gpu.time(this.#lists[list], rows, times);
    return timings && timings.map(({ kernel: { label, flop, bytes }, milliseconds }) => ({ label, milliseconds, flop, bytes }));
  }

  dispose(): void {
    this.#submit();
    for (const buffer of this.#buffers.values()) buffer.destroy();
  }

  #buffer(name: string): GPUBuffer {
    const buffer = this.#buffers.get(name);
    if (!buffer) {
      throw new Error(`Cannot reach ${name}: it must be a buffer of the plan, which has ${[...this.#buffers.keys()].join(", ")}`);
    }
    return buffer;
  }

  #record(): Recording {
    if (this.#recording) return this.#recording;
    queueMicrotask(() => this.#submit());
    return this.#recording = this.#gpu.record();
  }

  /**
   * Requests the last submission's results and then submits what is recorded. A request returns when the device is idle; the results arrive
   * some 10 ms later, and meanwhile the device has work again.
   */
  #submit(): void {
    const recording = this.#recording;
    if (!recording) return;
    this.#recording = null;
    for (const result of this.#submitted) result.request();
    this.#submitted = this.#recorded;
    this.#recorded = [];
    recording.submit();
  }
}
