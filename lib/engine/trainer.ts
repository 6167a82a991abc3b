/** R runs on the GPU: places them in rows, encodes updates and evaluations, reads metrics back, copies rows out and in. */
import { type AttentionProbe, attentionProbe } from "../attention.ts";
import { dataset } from "../operations.ts";
import { initialise, type Layout } from "../layout.ts";
import { type RunSpec, shapeKey } from "../spec.ts";
import type { EngineInfo, Evaluation, Metrics, Snapshot, Trainer } from "../trainer.ts";
import type { Dispatch, Gpu, Timing } from "./gpu.ts";
import { unpackSummary } from "./kernels/attention_summary.ts";
import { HYPER_WORDS, hyperWords, STATE_WORDS } from "./kernels/hyper.ts";
import { METRIC_WORDS, type Plan, STATE_BUFFERS } from "./plan.ts";
import { pack } from "./rows.ts";

/** Dispatches of one submission, at most; the next is recorded while it runs. */
const SUBMISSION = 4000;

const isSnapshot = (run: RunSpec | Snapshot): run is Snapshot => "params" in run;
export const specOf = (run: RunSpec | Snapshot) => (isSnapshot(run) ? run.spec : run);

/** The dispatches of a plan. */
type Lists = Record<"batch" | "step" | "chunk" | "forward" | "endOfEvaluation" | "attention", Dispatch[]>;

/** A row that is evaluated. */
interface Due {
  readonly row: number;
  readonly slot: number;
  readonly step: number;
  readonly spec: RunSpec;
  readonly probe: AttentionProbe | undefined;
}

/** An evaluation under way: where the metrics of all slots arrive, then their attention where it is watched; and which rows were due. */
interface Pending {
  readonly staging: GPUBuffer;
  readonly slots: number;
  readonly due: readonly Due[];
}

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
          dispatches += this.#lists.chunk.length * this.#plan.chunks + this.#lists.attention.length;
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

  async #take({ staging, slots, due }: Pending): Promise<readonly Evaluation[]> {
    const words = new Float32Array(await this.#gpu.take(staging));
    return due.map(({ row, slot, step, spec, probe }) => {
      const [trainLoss, trainAcc, valLoss, valAcc, weightNorm, gradNorm, batchLoss, batchAcc] = words.subarray(slot * METRIC_WORDS);
      const metrics: Metrics = { step, trainLoss, trainAcc, valLoss, valAcc, weightNorm, gradNorm, batchLoss, batchAcc };
      if (!probe) return { row, metrics };
      const { words: length } = this.#plan.attention!, at = slots * METRIC_WORDS + slot * length;
      const summary = unpackSummary(spec, words.subarray(at, at + length), probe.full);
      return { row, metrics, attention: { step, probe, ...summary } };
    });
  }
}
