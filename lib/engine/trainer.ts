/** R runs on the GPU: places them in rows, encodes updates and evaluations, reads metrics back, copies rows out and in. */
import { dataset } from "../operations.ts";
import { initialise, type Layout } from "../layout.ts";
import { type RunSpec, shapeKey } from "../spec.ts";
import type { Cost, Engine, EngineInfo, Evaluation, Metrics, Snapshot, Trainer } from "../trainer.ts";
import { type Dispatch, Gpu, type Timing } from "./gpu.ts";
import { GPU_TILE, SOFTWARE_TILE, type Tile } from "./kernels/gemm.ts";
import type { Kernel } from "./kernels/kernel.ts";
import { HYPER_WORDS, hyperWords, STATE_WORDS } from "./kernels/hyper.ts";
import { METRIC_WORDS, type Plan, plan, STATE_BUFFERS } from "./plan.ts";
import { pack } from "./rows.ts";

/** Dispatches of one submission, at most; the next is recorded while it runs. */
const SUBMISSION = 4000;

/** The native engine on the best adapter. @throws Error where there is none. */
export async function webgpuEngine(tile?: Tile): Promise<WebGpuEngine> {
  return new WebGpuEngine(await Gpu.open(), tile);
}

export class WebGpuEngine implements Engine {
  readonly info: EngineInfo;
  readonly gpu: Gpu;
  readonly #tile: Tile;

  constructor(gpu: Gpu, tile?: Tile) {
    const { name, driver, software } = gpu.adapter;
    this.gpu = gpu;
    this.info = { engine: "webgpu", adapter: name, driver, software };
    this.#tile = tile ?? (software ? SOFTWARE_TILE : GPU_TILE);
  }

  rowsThatFit(spec: RunSpec): number {
    const { maxStorageBufferBindingSize, maxBufferSize } = this.gpu.adapter.limits;
    const buffers = [...plan(spec, this.#tile).buffers.values()];
    const largest = Math.floor(Math.min(maxStorageBufferBindingSize, maxBufferSize) / (4 * Math.max(...buffers)));
    // A driver on the processor takes the machine's memory, and takes more than there is without a word.
    const room = this.info.software ? 0.6 * Deno.systemMemoryInfo().available : Infinity;
    return Math.max(1, Math.min(largest, Math.floor(room / this.cost(spec).bytes)));
  }

  cost(spec: RunSpec): Cost {
    const { buffers, batch, step, chunk, chunks, endOfEvaluation } = plan(spec, this.#tile);
    const total = (numbers: Iterable<number>) => [...numbers].reduce((sum, each) => sum + each, 0);
    const flop = (kernels: readonly Kernel[]) => total(kernels.map((kernel) => kernel.flop));
    const evaluation = chunks * flop(chunk) + flop(endOfEvaluation);
    return { bytes: 4 * total(buffers.values()), flop: flop(batch) + flop(step) + evaluation / spec.schedule.evalEvery };
  }

  async open(runs: readonly (RunSpec | Snapshot)[]): Promise<WebGpuTrainer> {
    const first = specOf(runs[0]);
    const made = plan(first, this.#tile);
    const { maxStorageBufferBindingSize } = this.gpu.adapter.limits;
    const [name, words] = [...made.buffers].reduce((a, b) => (a[1] >= b[1] ? a : b));
    if (4 * words > maxStorageBufferBindingSize) {
      throw new Error(
        `Cannot train this model on ${this.gpu.adapter.name}: buffer ${name} must be at most ${maxStorageBufferBindingSize} bytes a run, current value is ${
          4 * words
        }`,
      );
    }
    for (let capacity = Math.min(runs.length, this.rowsThatFit(first)); capacity >= 1; capacity = Math.floor(capacity / 2)) {
      const buffers = await this.gpu.allocate(new Map([...made.buffers].map(([name, words]) => [name, 4 * words * capacity])));
      if (buffers) return await WebGpuTrainer.open(this, made, buffers, runs.slice(0, capacity));
    }
    throw new Error(
      `Cannot allocate one run on ${this.gpu.adapter.name}: ${
        Math.ceil([...made.buffers.values()].reduce((a, b) => a + b) / 2 ** 18)
      } MiB are needed, the driver refused`,
    );
  }
}

const isSnapshot = (run: RunSpec | Snapshot): run is Snapshot => "params" in run;
const specOf = (run: RunSpec | Snapshot) => (isSnapshot(run) ? run.spec : run);

/** The dispatches of a plan. */
type Lists = Record<"batch" | "step" | "chunk" | "forward" | "endOfEvaluation", Dispatch[]>;

/** An evaluation under way: where its metrics arrive, and which rows were at which step. */
interface Pending {
  readonly staging: GPUBuffer;
  readonly due: readonly { readonly row: number; readonly slot: number; readonly step: number }[];
}

/**
 * Rows are what the caller sees; a run's slot is where it lies on the GPU. The occupied slots are always the first ones, so that an empty
 * row costs nothing: when a row is emptied, the run in the last slot moves.
 */
export class WebGpuTrainer implements Trainer {
  readonly info: EngineInfo;
  readonly layout: Layout;
  readonly rows: (RunSpec | null)[];
  readonly steps: number[];
  readonly #gpu: Gpu;
  readonly #plan: Plan;
  readonly #buffers: ReadonlyMap<string, GPUBuffer>;
  readonly #lists: Lists;
  readonly #key: string;
  readonly #evalEvery: number;
  /** Row of each occupied slot. */
  #slots: number[] = [];
  /** Rows not evaluated since they were placed at step 0. */
  #fresh = new Set<number>();
  #batchIsCurrent = false;

  static async open(
    engine: WebGpuEngine,
    made: Plan,
    buffers: ReadonlyMap<string, GPUBuffer>,
    runs: readonly (RunSpec | Snapshot)[],
  ): Promise<WebGpuTrainer> {
    const { gpu } = engine;
    const lists = {} as Lists;
    for (const name of ["batch", "step", "chunk", "forward", "endOfEvaluation"] as const) {
      lists[name] = await gpu.prepare(made[name], buffers);
    }
    const trainer = new WebGpuTrainer(engine, made, buffers, lists, runs);
    runs.forEach((run, row) => trainer.place(row, run));
    return trainer;
  }

  private constructor(
    engine: WebGpuEngine,
    made: Plan,
    buffers: ReadonlyMap<string, GPUBuffer>,
    lists: Lists,
    runs: readonly (RunSpec | Snapshot)[],
  ) {
    this.info = engine.info;
    this.#gpu = engine.gpu;
    this.#plan = made;
    this.#buffers = buffers;
    this.#lists = lists;
    this.layout = made.layout;
    this.rows = runs.map(() => null);
    this.steps = runs.map(() => 0);
    const spec = specOf(runs[0]);
    this.#key = shapeKey(spec);
    this.#evalEvery = spec.schedule.evalEvery;
  }

  place(row: number, run: RunSpec | Snapshot): void {
    const spec = specOf(run);
    if (shapeKey(spec) !== this.#key) {
      throw new Error(`Cannot place a run: its shape must be ${this.#key}, current value is ${shapeKey(spec)}`);
    }
    if (spec.schedule.evalEvery !== this.#evalEvery) {
      throw new Error(`Cannot place a run: its evalEvery must be ${this.#evalEvery}, current value is ${spec.schedule.evalEvery}`);
    }
    const { length: P } = this.layout;
    const from = isSnapshot(run) ? run : null;
    if (from && [from.params, from.m, from.v].some(({ length }) => length !== P)) {
      throw new Error(`Cannot place a run: its parameters and moments must be ${P} floats each, current value is ${from.params.length}`);
    }
    if (this.rows[row]) this.drop(row);
    const slot = this.#slots.push(row) - 1;
    this.rows[row] = spec;
    this.steps[row] = from?.step ?? 0;
    if (this.steps[row] === 0) this.#fresh.add(row);
    this.#batchIsCurrent = false;

    const put = (name: string, words: number, data: ArrayBuffer | Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>) =>
      this.#gpu.write(this.#buffers.get(name)!, 4 * words * slot, data);
    put("params", P, from?.params ?? initialise(spec));
    put("m", P, from?.m ?? new Float32Array(P));
    put("v", P, from?.v ?? new Float32Array(P));
    put("grads", P, new Float32Array(P));
    put("hyper", HYPER_WORDS, hyperWords(spec));
    put("state", STATE_WORDS, Uint32Array.of(this.steps[row], spec.schedule.steps, 0, this.#evalEvery));
    put("batch_sums", 4, Float32Array.from([...from?.batchSums ?? [0, 0, 0], 0]));
    put("eval.sums", 4, new Float32Array(4));
    const { a, b, target } = dataset(spec.data, spec.seed);
    put("pairs", this.#plan.pairWords, Uint32Array.from(a, (_, i) => pack(a[i], b[i], target[i])));
  }

  drop(row: number): void {
    const slot = this.#slots.indexOf(row);
    if (slot < 0) return;
    this.rows[row] = null;
    this.#fresh.delete(row);
    const last = this.#slots.length - 1, moved = this.#slots.pop()!;
    if (slot === last) return;
    this.#slots[slot] = moved;
    this.#batchIsCurrent = false;
    for (const name of STATE_BUFFERS) {
      const bytes = 4 * this.#plan.buffers.get(name)!;
      this.#gpu.move(this.#buffers.get(name)!, bytes * last, bytes * slot, bytes);
    }
  }

  async *advance(updates: number): AsyncGenerator<readonly Evaluation[]> {
    let pending: Pending[] = [];
    let left = updates;
    if (this.#fresh.size > 0) {
      const encoder = this.#gpu.device.createCommandEncoder();
      pending.push(this.#evaluate(encoder, [...this.#fresh]));
      this.#gpu.device.queue.submit([encoder.finish()]);
    }
    while (left > 0 && this.#running().length > 0) {
      const recorded: Pending[] = [];
      const encoder = this.#gpu.device.createCommandEncoder();
      for (let dispatches = 0; dispatches < SUBMISSION && left > 0 && this.#running().length > 0;) {
        const running = this.#running();
        const perUpdate = this.#lists.step.length + (this.#drawsBatches() ? this.#lists.batch.length : 0);
        const boundary = Math.min(...running.map((row) => this.#untilEvaluation(row)));
        const count = Math.min(left, boundary, Math.max(1, Math.floor((SUBMISSION - dispatches) / perUpdate)));
        this.#update(encoder, count);
        left -= count;
        dispatches += count * perUpdate;
        for (const row of running) this.steps[row] += count;
        const due = running.filter((row) => this.#isDue(row));
        if (due.length > 0) {
          recorded.push(this.#evaluate(encoder, due));
          dispatches += this.#lists.chunk.length * this.#plan.chunks;
        }
      }
      this.#gpu.check();
      this.#gpu.device.queue.submit([encoder.finish()]);
      for (const evaluation of pending) yield await this.#take(evaluation);
      pending = recorded;
      // Without an evaluation to wait for, the queue would grow without end.
      if (recorded.length === 0) await this.#gpu.device.queue.onSubmittedWorkDone();
    }
    for (const evaluation of pending) yield await this.#take(evaluation);
  }

  async evaluate(): Promise<readonly Evaluation[]> {
    if (this.#slots.length === 0) return [];
    const encoder = this.#gpu.device.createCommandEncoder();
    const fresh = new Set(this.#fresh);
    const pending = this.#evaluate(encoder, [...this.#slots]);
    this.#fresh = fresh;
    this.#gpu.check();
    this.#gpu.device.queue.submit([encoder.finish()]);
    return await this.#take(pending);
  }

  async snapshot(row: number): Promise<Snapshot> {
    const { length: P } = this.layout;
    const [params, m, v, sums] = [
      await this.#read("params", row, P),
      await this.#read("m", row, P),
      await this.#read("v", row, P),
      await this.#read("batch_sums", row, 4),
    ];
    return { spec: this.rows[row]!, step: this.steps[row], params, m, v, batchSums: sums.slice(0, 3) };
  }

  gradient(row: number): Promise<Float32Array<ArrayBuffer>> {
    return this.#read("grads", row, this.layout.length);
  }

  async logits(row: number, a: ArrayLike<number>, b: ArrayLike<number>): Promise<Float32Array<ArrayBuffer>> {
    const { C } = this.layout.sizes, stride = this.layout.blocks.get("W_U")!.stride, E = this.#plan.chunkPairs;
    const all = new Float32Array(a.length * C);
    const slot = this.#slot(row);
    for (let from = 0; from < a.length; from += E) {
      const count = Math.min(E, a.length - from);
      const pairs = Uint32Array.from({ length: E }, (_, i) => (i < count ? pack(a[from + i], b[from + i], 0) : 0));
      this.#gpu.write(this.#buffers.get("eval.batch")!, 4 * E * slot, pairs);
      const encoder = this.#gpu.device.createCommandEncoder();
      this.#run(encoder, this.#lists.forward, 1);
      this.#gpu.device.queue.submit([encoder.finish()]);
      const chunk = new Float32Array(await this.#gpu.read(this.#buffers.get("eval.logits")!, 4 * E * stride * slot, 4 * count * stride));
      for (let i = 0; i < count; i++) all.set(chunk.subarray(i * stride, i * stride + C), (from + i) * C);
    }
    return all;
  }

  /** What each kernel of an update and of an evaluation takes over all rows, medians of `times`; `null` where the adapter can't tell. */
  async profile(times = 5): Promise<readonly Timing[] | null> {
    const kept = await Promise.all(this.#slots.map((row) => this.snapshot(row)));
    const timings = await this.#gpu.time([...this.#lists.batch, ...this.#lists.step], this.#slots.length, times);
    kept.forEach((snapshot, slot) => this.place(this.#slots[slot], snapshot));
    return timings;
  }

  dispose(): void {
    for (const buffer of this.#buffers.values()) buffer.destroy();
    this.#slots = [];
  }

  #slot(row: number): number {
    const slot = this.#slots.indexOf(row);
    if (slot < 0) throw new Error(`Cannot read row ${row}: it must hold a run, it is empty`);
    return slot;
  }

  async #read(name: string, row: number, words: number): Promise<Float32Array<ArrayBuffer>> {
    return new Float32Array(await this.#gpu.read(this.#buffers.get(name)!, 4 * words * this.#slot(row), 4 * words));
  }

  #running = () => this.#slots.filter((row) => this.steps[row] < this.rows[row]!.schedule.steps);
  #drawsBatches = () => this.#slots.some((row) => this.rows[row]!.data.batch !== "full");
  #isDue = (row: number) => this.steps[row] % this.#evalEvery === 0 || this.steps[row] === this.rows[row]!.schedule.steps;
  #untilEvaluation = (row: number) =>
    Math.min(this.#evalEvery - (this.steps[row] % this.#evalEvery), this.rows[row]!.schedule.steps - this.steps[row]);

  #run(encoder: GPUCommandEncoder, dispatches: readonly Dispatch[], times: number, rows = this.#slots.length): void {
    const pass = encoder.beginComputePass();
    for (let time = 0; time < times; time++) this.#gpu.encode(pass, dispatches, rows);
    pass.end();
  }

  #update(encoder: GPUCommandEncoder, count: number): void {
    const draws = this.#drawsBatches();
    if (!draws && !this.#batchIsCurrent) this.#run(encoder, this.#lists.batch, 1);
    this.#batchIsCurrent = !draws;
    this.#run(encoder, draws ? [...this.#lists.batch, ...this.#lists.step] : this.#lists.step, count);
  }

  #evaluate(encoder: GPUCommandEncoder, rows: readonly number[]): Pending {
    this.#run(encoder, this.#lists.chunk, this.#plan.chunks);
    this.#run(encoder, this.#lists.endOfEvaluation, 1);
    const bytes = 4 * METRIC_WORDS * this.#slots.length;
    const staging = this.#gpu.stage(bytes);
    encoder.copyBufferToBuffer(this.#buffers.get("metrics")!, 0, staging, 0, bytes);
    for (const row of rows) this.#fresh.delete(row);
    return { staging, due: rows.map((row) => ({ row, slot: this.#slots.indexOf(row), step: this.steps[row] })) };
  }

  async #take({ staging, due }: Pending): Promise<readonly Evaluation[]> {
    const words = new Float32Array(await this.#gpu.take(staging));
    return due.map(({ row, slot, step }) => {
      const [trainLoss, trainAcc, valLoss, valAcc, weightNorm, gradNorm, batchLoss, batchAcc] = words.subarray(slot * METRIC_WORDS);
      const metrics: Metrics = { step, trainLoss, trainAcc, valLoss, valAcc, weightNorm, gradNorm, batchLoss, batchAcc };
      return { row, metrics };
    });
  }
}
