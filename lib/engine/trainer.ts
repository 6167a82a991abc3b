/** R runs on the GPU: places them in rows, encodes updates and evaluations, reads metrics back, copies rows out and in. */
import { type AttentionProbe, attentionProbe } from "../run/attention.ts";
import { dataset } from "../run/operations.ts";
import { initialise, type Layout } from "../run/layout.ts";
import { type RunSpec, shapeKey } from "../run/spec.ts";
import type { EngineInfo, Evaluation, Snapshot, Trainer } from "./engine.ts";
import { type Due, evaluationsOf, type Pending } from "./evaluation.ts";
import type { Dispatch, Gpu, Timing } from "./webgpu/gpu.ts";
import { HYPER_WORDS, hyperWords, STATE_WORDS } from "./webgpu/kernels/hyper.ts";
import { METRIC_WORDS, type Plan, STATE_BUFFERS } from "./plan.ts";
import { pack } from "./rows.ts";

/**
 * Dispatches of the first submission and of any, at most; the next is recorded while one runs. A card does as many as the processor in a hundredth of the
 * time: it should have some soon, and then so many that it is still busy when evaluations have been waited for.
 */
const SUBMISSION = { software: { first: 4000, any: 4000 }, hardware: { first: 1000, any: 16_000 } };

const isSnapshot = (run: RunSpec | Snapshot): run is Snapshot => "params" in run;
export const specOf = (run: RunSpec | Snapshot) => (isSnapshot(run) ? run.spec : run);

/** The dispatches of a plan. */
type Lists = Record<"batch" | "step" | "chunk" | "forward" | "endOfEvaluation" | "attention", Dispatch[]>;

/** The engine that opens a trainer. */
interface Opener {
  readonly info: EngineInfo;
  readonly gpu: Gpu;
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
  /** Of each row whose attention is watched. */
  #probes = new Map<number, AttentionProbe>();
  #batchIsCurrent = false;

  static async open(
    engine: Opener,
    made: Plan,
    buffers: ReadonlyMap<string, GPUBuffer>,
    runs: readonly (RunSpec | Snapshot)[],
  ): Promise<WebGpuTrainer> {
    const { gpu } = engine;
    const lists = {} as Lists;
    for (const name of ["batch", "step", "chunk", "forward", "endOfEvaluation"] as const) {
      lists[name] = await gpu.prepare(made[name], buffers);
    }
    lists.attention = await gpu.prepare(made.attention?.kernels ?? [], buffers);
    const trainer = new WebGpuTrainer(engine, made, buffers, lists, runs);
    runs.forEach((run, row) => trainer.place(row, run));
    return trainer;
  }

  private constructor(
    engine: Opener,
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
    const data = dataset(spec.data, spec.seed), { a, b, target } = data, { attention } = this.#plan;
    put("pairs", this.#plan.pairWords, Uint32Array.from(a, (_, i) => pack(a[i], b[i], target[i])));
    if (!attention) return;
    const probe = attentionProbe(spec, { pairs: attention.N, full: attention.S }, data);
    this.#probes.set(row, probe);
    put("attention.batch", attention.N, Uint32Array.from(probe.a, (a, i) => pack(a, probe.b[i], 0)));
  }

  drop(row: number): void {
    const slot = this.#slots.indexOf(row);
    if (slot < 0) return;
    this.rows[row] = null;
    this.#fresh.delete(row);
    this.#probes.delete(row);
    const last = this.#slots.length - 1, moved = this.#slots.pop()!;
    if (slot === last) return;
    this.#slots[slot] = moved;
    this.#batchIsCurrent = false;
    for (const name of STATE_BUFFERS) {
      const buffer = this.#buffers.get(name), bytes = 4 * (this.#plan.buffers.get(name) ?? 0);
      if (buffer) this.#gpu.move(buffer, bytes * last, bytes * slot, bytes);
    }
  }

  async *advance(updates: number): AsyncGenerator<readonly Evaluation[]> {
    const { first, any } = SUBMISSION[this.info.software ? "software" : "hardware"], { queue } = this.#gpu.device;
    /** The evaluations of what was submitted last. */
    let pending: Pending[] | null = null;
    let left = updates, most = first;
    if (this.#fresh.size > 0) {
      const encoder = this.#gpu.device.createCommandEncoder();
      pending = [this.#evaluate(encoder, [...this.#fresh])];
      queue.submit([encoder.finish()]);
    }
    while (left > 0 && this.#running().length > 0) {
      const recorded: Pending[] = [];
      const encoder = this.#gpu.device.createCommandEncoder();
      for (let dispatches = 0; dispatches < most && left > 0 && this.#running().length > 0;) {
        const running = this.#running();
        const perUpdate = this.#lists.step.length + (this.#drawsBatches() ? this.#lists.batch.length : 0);
        const boundary = Math.min(...running.map((row) => this.#untilEvaluation(row)));
        const count = Math.min(left, boundary, Math.max(1, Math.floor((most - dispatches) / perUpdate)));
        this.#update(encoder, count);
        left -= count;
        dispatches += count * perUpdate;
        for (const row of running) this.steps[row] += count;
        const due = running.filter((row) => this.#isDue(row));
        if (due.length > 0) {
          recorded.push(this.#evaluate(encoder, due));
          dispatches += this.#lists.chunk.length * this.#plan.chunks + this.#lists.attention.length;
        }
      }
      const commands = encoder.finish();
      this.#gpu.check();
      // This returns when the device has nothing left to do; what it promises comes 10 ms later, and meanwhile the device has work again.
      const arriving = pending && this.#arrive(pending);
      queue.submit([commands]);
      if (arriving) yield* await arriving;
      pending = recorded;
      most = Math.min(4 * most, any);
    }
    if (pending) yield* await this.#arrive(pending);
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
    const { length: P } = this.layout, spec = this.rows[row]!, step = this.steps[row];
    const [params, m, v, sums] = await this.#read(row, [["params", P], ["m", P], ["v", P], ["batch_sums", 4]]);
    return { spec, step, params, m, v, batchSums: sums.slice(0, 3) };
  }

  async gradient(row: number): Promise<Float32Array<ArrayBuffer>> {
    return (await this.#read(row, [["grads", this.layout.length]]))[0];
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
    const rows = [...this.#slots]; // placing moves runs between slots
    const kept = await Promise.all(rows.map((row) => this.snapshot(row)));
    const timings = await this.#gpu.time([...this.#lists.batch, ...this.#lists.step], rows.length, times);
    rows.forEach((row, i) => this.place(row, kept[i]));
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

  /** A row's words of some buffers, read at once: waiting for the device costs 10 ms each time. */
  async #read(row: number, parts: readonly (readonly [buffer: string, words: number])[]): Promise<Float32Array<ArrayBuffer>[]> {
    const slot = this.#slot(row), encoder = this.#gpu.device.createCommandEncoder();
    const staging = this.#gpu.stage(4 * parts.reduce((sum, [, words]) => sum + words, 0));
    let at = 0;
    const ranges = parts.map(([name, words]) => {
      encoder.copyBufferToBuffer(this.#buffers.get(name)!, 4 * words * slot, staging, 4 * at, 4 * words);
      return [at, at += words] as const;
    });
    this.#gpu.device.queue.submit([encoder.finish()]);
    const all = new Float32Array(await this.#gpu.take(staging));
    return ranges.map(([from, to]) => all.slice(from, to));
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
    const slots = this.#slots.length, metrics = 4 * METRIC_WORDS * slots, attention = 4 * (this.#plan.attention?.words ?? 0) * slots;
    const staging = this.#gpu.stage(metrics + attention);
    encoder.copyBufferToBuffer(this.#buffers.get("metrics")!, 0, staging, 0, metrics);
    if (attention > 0) {
      this.#run(encoder, this.#lists.attention, 1);
      encoder.copyBufferToBuffer(this.#buffers.get("attention")!, 0, staging, metrics, attention);
    }
    for (const row of rows) this.#fresh.delete(row);
    const due = rows.map((row): Due => {
      return { row, slot: this.#slots.indexOf(row), step: this.steps[row], spec: this.rows[row]!, probe: this.#probes.get(row) };
    });
    return { staging, slots, due };
  }

  /** The evaluations of a submission, waited for all at once, because each takes 10 ms; without any, the submission itself. */
  #arrive(pending: readonly Pending[]): Promise<(readonly Evaluation[])[]> {
    if (pending.length === 0) return this.#gpu.device.queue.onSubmittedWorkDone().then(() => []);
    return Promise.all(pending.map((evaluation) => this.#take(evaluation)));
  }

  async #take(pending: Pending): Promise<readonly Evaluation[]> {
    return evaluationsOf(pending, new Float32Array(await this.#gpu.take(pending.staging)), this.#plan.attention?.words);
  }
}
