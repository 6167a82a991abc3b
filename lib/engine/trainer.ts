/**
 * R runs on an executor: places them in rows, queues updates and evaluations, reads metrics back, copies rows out and in. No device is
 * named here.
 */
import type { Activations } from "../run/activations.ts";
import { type AttentionProbe, attentionProbe } from "../run/attention.ts";
import { besideAtStart, besideWords, checkBeside } from "../run/beside.ts";
import { initialise, type Layout, pad4 } from "../run/layout.ts";
import { dataset } from "../run/operations.ts";
import { type RunSpec, shapeKey } from "../run/spec.ts";
import type { EngineInfo, Evaluation, Snapshot, Trainer } from "./engine.ts";
import { type Due, evaluationsOf, METRIC_STRIDE, type Pending } from "./evaluation.ts";
import type { Executor, Lowered, Part, Queue, Timing } from "./executor.ts";
import { HYPER_WORDS, hyperWords, STATE_WORDS, stateWords } from "./hyper.ts";
import type { ListName, Plan } from "./op.ts";
import { pack } from "./rows.ts";

const isSnapshot = (run: RunSpec | Snapshot): run is Snapshot => "params" in run;
export const specOf = (run: RunSpec | Snapshot) => (isSnapshot(run) ? run.spec : run);

/** What was queued together: evaluations that are on their way; without any, the end of it all. */
type Submission = readonly Pending[] | PromiseLike<unknown>;

/**
 * Rows are what the caller sees; a run's slot is where it lies on the device. The occupied slots are always the first ones, so that an
 * empty row costs nothing: when a row is emptied, the run in the last slot moves.
 */
export class RowTrainer implements Trainer {
  readonly info: EngineInfo;
  readonly layout: Layout;
  readonly rows: (RunSpec | null)[];
  readonly steps: number[];
  readonly #plan: Plan;
  readonly #queue: Queue;
  /** Kernels of each list, and how many a submission has. */
  readonly #kernels: Readonly<Record<ListName, number>>;
  readonly #limits: Executor["limits"];
  readonly #key: string;
  readonly #evalEvery: number;
  /** Row of each occupied slot. */
  #slots: number[] = [];
  /** Rows not evaluated since they were placed at step 0. */
  #fresh = new Set<number>();
  /** Rows not updated since they were placed with a state of some updates, which doesn't hold the last one's gradient. */
  readonly #unmoved = new Set<number>();
  /** Of each row whose attention is watched. */
  #probes = new Map<number, AttentionProbe>();
  #batchIsCurrent = false;

  /** Runs of one shape, one per row, in a queue that has room for as many. */
  constructor({ info, limits }: Pick<Executor, "info" | "limits">, lowered: Lowered, queue: Queue, runs: readonly (RunSpec | Snapshot)[]) {
    this.info = info;
    this.#plan = lowered.plan;
    this.#kernels = lowered.kernels;
    this.#queue = queue;
    this.#limits = limits;
    this.layout = this.#plan.layout;
    this.rows = runs.map(() => null);
    this.steps = runs.map(() => 0);
    const spec = specOf(runs[0]);
    this.#key = shapeKey(spec);
    this.#evalEvery = spec.schedule.evalEvery;
    runs.forEach((run, row) => this.place(row, run));
  }

  place(row: number, run: RunSpec | Snapshot): void {
    const spec = specOf(run), { length: P } = this.layout, from = isSnapshot(run) ? run : null;
    this.#check(row, spec, from);
    if (this.rows[row]) this.drop(row);
    const slot = this.#slots.push(row) - 1;
    this.rows[row] = spec;
    this.steps[row] = from?.step ?? 0;
    (this.steps[row] === 0 ? this.#fresh : this.#unmoved).add(row);
    this.#batchIsCurrent = false;

    const put = (name: string, words: number, data: Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>) =>
      this.#queue.write(name, words * slot, data);
    const params = from?.params ?? initialise(spec);
    put("params", P, params);
    put("m", P, from?.m ?? new Float32Array(P));
    put("v", P, from?.v ?? new Float32Array(P));
    put("grads", P, new Float32Array(P));
    const beside = from?.beside ?? besideAtStart(spec, params) ?? {};
    for (const [name, words] of besideWords(spec, P)) put(name, words, beside[name]);
    put("hyper", HYPER_WORDS, hyperWords(spec));
    put("state", STATE_WORDS, stateWords(spec, this.steps[row]));
    put("batch_sums", 4, Float32Array.from([...from?.batchSums ?? [0, 0, 0], 0]));
    put("eval.sums", 4, new Float32Array(4));
    const data = dataset(spec.data, spec.seed), { a, b, target } = data, { attention } = this.#plan;
    put("pairs", this.#plan.pairWords, Uint32Array.from(a, (_, i) => pack(a[i], b[i], target[i])));
    if (!attention) return;
    const probe = attentionProbe(spec, { pairs: attention.N, full: attention.S }, data);
    this.#probes.set(row, probe);
    put("attention.batch", attention.N, Uint32Array.from(probe.a, (a, i) => pack(a, probe.b[i], 0)));
  }

  #check(row: number, spec: RunSpec, from: Snapshot | null): void {
    const refuse = (what: string, requirement: string | number, current: string | number): never => {
      throw new Error(`Cannot place a run: ${what} must be ${requirement}, current value is ${current}`);
    };
    const { length: P } = this.layout, { evalEvery } = spec.schedule, { losses } = this.#limits, { loss } = spec.optim;
    if (!(row in this.rows)) refuse("row", `a whole number below ${this.rows.length}`, row);
    if (shapeKey(spec) !== this.#key) refuse("its shape", this.#key, shapeKey(spec));
    if (evalEvery !== this.#evalEvery) refuse("its evalEvery", this.#evalEvery, evalEvery);
    if (!losses.includes(loss)) refuse(`its loss on ${this.info.engine}`, losses.join(" or "), loss);
    const wrong = from && [from.params, from.m, from.v].find(({ length }) => length !== P);
    if (wrong) refuse("its parameters and moments", `${P} floats each`, wrong.length);
    if (from) checkBeside(from);
  }

  drop(row: number): void {
    const slot = this.#slots.indexOf(row);
    if (slot < 0) return;
    this.rows[row] = null;
    this.#fresh.delete(row);
    this.#unmoved.delete(row);
    this.#probes.delete(row);
    const last = this.#slots.length - 1, moved = this.#slots.pop()!; // there is one: `slot`
    if (slot === last) return;
    this.#slots[slot] = moved;
    this.#batchIsCurrent = false;
    const { state, buffers } = this.#plan;
    for (const name of state) {
      const words = buffers.get(name)!; // the plan's state is among its buffers
      this.#queue.move(name, words * last, words * slot, words);
    }
  }

  async *advance(updates: number): AsyncGenerator<readonly Evaluation[]> {
    const { first, any } = this.#limits.submission;
    let left = updates, most = first;
    let underWay: Submission | null = this.#fresh.size > 0 ? this.#submit([this.#evaluate([...this.#fresh])]) : null;
    while (left > 0 && this.#running().length > 0) {
      // Let go what is queued, so that the device has it while more is put together.
      if (underWay) await null;
      const evaluations: Pending[] = [];
      for (let kernels = 0; kernels < most && left > 0 && this.#running().length > 0;) {
        const running = this.#running();
        const perUpdate = this.#kernels.step + (this.#drawsBatches() ? this.#kernels.batch : 0);
        const boundary = Math.min(...running.map((row) => this.#untilEvaluation(row)));
        const count = Math.min(left, boundary, Math.max(1, Math.floor((most - kernels) / perUpdate)));
        this.#update(count);
        left -= count;
        kernels += count * perUpdate;
        for (const row of running) {
          this.steps[row] += count;
          this.#unmoved.delete(row);
        }
        const due = running.filter((row) => this.#isDue(row));
        if (due.length === 0) continue;
        evaluations.push(this.#evaluate(due));
        kernels += this.#kernels.elements + this.#kernels.chunk * this.#plan.chunks + this.#kernels.attention;
      }
      const next = this.#submit(evaluations);
      if (underWay) yield* await this.#arrive(underWay);
      underWay = next;
      most = Math.min(4 * most, any);
    }
    if (underWay) yield* await this.#arrive(underWay);
  }

  async evaluate(): Promise<readonly Evaluation[]> {
    if (this.#slots.length === 0) return [];
    const fresh = new Set(this.#fresh), pending = this.#evaluate([...this.#slots]);
    this.#fresh = fresh;
    return await this.#take(pending);
  }

  async snapshot(row: number): Promise<Snapshot> {
    const { length: P } = this.layout, slot = this.#slot(row), step = this.steps[row];
    const spec = this.rows[row]!; // a row with a slot has a run
    const beside = [...besideWords(spec, P)];
    const [params, m, v, sums, ...others] = await this.#read(slot, [["params", P], ["m", P], ["v", P], ["batch_sums", 4], ...beside]);
    const state = { spec, step, params, m, v, batchSums: sums.slice(0, 3) };
    return beside.length === 0 ? state : { ...state, beside: Object.fromEntries(beside.map(([name], i) => [name, others[i]])) };
  }

  async gradient(row: number): Promise<Float32Array<ArrayBuffer>> {
    return (await this.#read(this.#slot(row), [["grads", this.layout.length]]))[0];
  }

  async logits(row: number, a: ArrayLike<number>, b: ArrayLike<number>): Promise<Float32Array<ArrayBuffer>> {
    const { sizes: { C, elements } } = this.layout, stride = pad4(C);
    const all = new Float32Array(a.length * C);
    for (const value of [...Array.from(a), ...Array.from(b)]) {
      if (!(Number.isInteger(value) && value >= 0 && value < elements)) {
        throw new Error(`Cannot compute logits: elements must be whole numbers below ${elements}, current value is ${value}`);
      }
    }
    const slot = this.#slot(row), words = this.#plan.chunkPairs * stride;
    for await (const { from, count } of this.#forward(slot, a, b)) {
      const [chunk] = await this.#queue.read([{ buffer: "eval.logits", word: words * slot, words: count * stride }]);
      for (let i = 0; i < count; i++) all.set(chunk.subarray(i * stride, i * stride + C), (from + i) * C);
    }
    return all;
  }

  /**
   * What the network in the first row computes for all pairs, of the last layer's neurons.
   * @throws Error for a model without attention; and where another row holds a run as well: where a run lies in the buffers of an
   * evaluation, then depends on the executor.
   */
  async activations(): Promise<Activations> {
    if (this.#slots.length !== 1) throw new Error(`Cannot read activations: the trainer must hold one run, it holds ${this.#slots.length}`);
    if (!this.#plan.inside) throw new Error("Cannot read activations: the model must have attention, its mixer is none");
    const { sizes: { elements: p, C, D, M } } = this.layout, stride = pad4(C), { features, neurons, positions } = this.#plan.inside;
    const found = { logits: new Float32Array(p ** 3), features: new Float32Array(p * p * D), neurons: new Float32Array(p * p * M) };
    const a = Uint32Array.from({ length: p * p }, (_, pair) => Math.floor(pair / p)), b = a.map((_, pair) => pair % p);
    for await (const { from, count } of this.#forward(0, a, b)) {
      const [logits, head, mlp] = await this.#queue.read([
        { buffer: "eval.logits", word: 0, words: count * stride },
        ...[features, neurons].map(({ buffer, words }): Part => ({ buffer, word: 0, words })),
      ]);
      for (let i = 0; i < count; i++) {
        found.logits.set(logits.subarray(i * stride, i * stride + p), (from + i) * p);
        found.features.set(head.subarray(i * features.stride, i * features.stride + D), (from + i) * D);
        const rows = positions.map(({ by, base }) => base + { index: i, a: a[from + i], b: b[from + i] }[by]);
        for (let m = 0; m < M; m++) {
          found.neurons[(from + i) * M + m] = rows.reduce((sum, at) => sum + mlp[at * neurons.stride + m], 0) / rows.length;
        }
      }
    }
    return found;
  }

  /** The forward pass of a slot's network for pairs, chunk by chunk: what it leaves is there until the next. */
  async *#forward(slot: number, a: ArrayLike<number>, b: ArrayLike<number>): AsyncGenerator<{ from: number; count: number }> {
    const E = this.#plan.chunkPairs;
    this.#queue.run("elements", 1, this.#slots.length);
    for (let from = 0; from < a.length; from += E) {
      const count = Math.min(E, a.length - from);
      const pairs = Uint32Array.from({ length: E }, (_, i) => (i < count ? pack(a[from + i], b[from + i], 0) : 0));
      this.#queue.write("eval.batch", E * slot, pairs);
      this.#queue.run("forward", 1, this.#slots.length);
      yield { from, count };
    }
  }

  /** What each kernel of an update takes over all rows, medians of `times`; `null` where the device can't tell. */
  async profile(times = 5): Promise<readonly Timing[] | null> {
    const rows = [...this.#slots]; // placing moves runs between slots
    const kept = await Promise.all(rows.map((row) => this.snapshot(row)));
    const timings: Timing[] = [];
    for (const list of ["batch", "step"] as const) timings.push(...await this.#queue.time(list, times, rows.length) ?? []);
    rows.forEach((row, i) => this.place(row, kept[i]));
    return timings.length > 0 ? timings : null;
  }

  dispose(): void {
    this.#queue.dispose();
    this.#slots = [];
  }

  #slot(row: number): number {
    const slot = this.#slots.indexOf(row);
    if (slot < 0) throw new Error(`Cannot read row ${row}: it must hold a run, it is empty`);
    return slot;
  }

  /** A slot's words of some buffers, read at once: waiting for a device costs time for each. */
  #read(slot: number, parts: readonly (readonly [buffer: string, words: number])[]): PromiseLike<Float32Array<ArrayBuffer>[]> {
    return this.#queue.read(parts.map(([buffer, words]): Part => ({ buffer, word: words * slot, words })));
  }

  #running = () => this.#slots.filter((row) => this.steps[row] < this.rows[row]!.schedule.steps);
  #drawsBatches = () => this.#slots.some((row) => this.rows[row]!.data.batch !== "full");
  #isDue = (row: number) => this.steps[row] % this.#evalEvery === 0 || this.steps[row] === this.rows[row]!.schedule.steps;
  #untilEvaluation = (row: number) =>
    Math.min(this.#evalEvery - (this.steps[row] % this.#evalEvery), this.rows[row]!.schedule.steps - this.steps[row]);

  #update(count: number): void {
    const draws = this.#drawsBatches(), rows = this.#slots.length;
    if (!draws && !this.#batchIsCurrent) this.#queue.run("batch", 1, rows);
    this.#batchIsCurrent = !draws;
    if (!draws) return this.#queue.run("step", count, rows);
    for (let update = 0; update < count; update++) {
      this.#queue.run("batch", 1, rows);
      this.#queue.run("step", 1, rows);
    }
  }

  #evaluate(rows: readonly number[]): Pending {
    const slots = this.#slots.length, { attention, noisy, chunks } = this.#plan;
    this.#queue.run("elements", 1, slots);
    this.#queue.run("chunk", chunks, slots);
    this.#queue.run("endOfEvaluation", 1, slots);
    if (attention) this.#queue.run("attention", 1, slots);
    const words = this.#queue.read([
      { buffer: "metrics", word: 0, words: METRIC_STRIDE * slots },
      ...noisy ? [{ buffer: noisy, word: 0, words: slots }] : [],
      ...attention ? [{ buffer: "attention", word: 0, words: attention.words * slots }] : [],
    ]);
    for (const row of rows) this.#fresh.delete(row);
    const due = rows.map((row): Due => {
      const at = { row, slot: this.#slots.indexOf(row), step: this.steps[row], hasGradient: !this.#unmoved.has(row) };
      return { ...at, spec: this.rows[row]!, probe: this.#probes.get(row) };
    });
    return { words, due };
  }

  #submit = (evaluations: readonly Pending[]): Submission => (evaluations.length > 0 ? evaluations : this.#queue.read([]));

  /** The evaluations of a submission, waited for all at once. */
  async #arrive(submission: Submission): Promise<(readonly Evaluation[])[]> {
    if ("then" in submission) return submission.then(() => []);
    return await Promise.all(submission.map((evaluation) => this.#take(evaluation)));
  }

  async #take({ words, due }: Pending): Promise<readonly Evaluation[]> {
    return evaluationsOf(due, await words, this.#plan);
  }
}
