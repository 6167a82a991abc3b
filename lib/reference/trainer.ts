/**
 * The reference engine: any run that a spec can say, trained by TensorFlow.js with its automatic differentiation, rows one after another.
 * It is the oracle of the tests, and the engine where there is no WebGPU adapter.
 */
import * as tf from "@tensorflow/tfjs";
import { type AttentionOptions, type AttentionProbe, attentionProbe } from "../run/attention.ts";
import { besideAtStart, checkBeside } from "../run/beside.ts";
import { initialise, type Layout, layout } from "../run/layout.ts";
import { type Dataset, dataset } from "../run/operations.ts";
import { batchIndex } from "../run/random.ts";
import { type RunSpec, shapeKey } from "../run/spec.ts";
import type { Cost, Engine, EngineInfo, Evaluation, Metrics, Snapshot, Trainer } from "../engine/engine.ts";
import { readAttention } from "./attention.ts";
import { type Backend, select, startBackend } from "./backend.ts";
import { forward, losses, rightAnswers, views } from "./model.ts";
import { besideBytes, type Trained, update } from "./optimiser.ts";

export type { Backend } from "./backend.ts";

/** Bytes of parameters, moments and gradients that a trainer may hold. */
const STATE_BYTES = 2 ** 30;
/** Pairs of one forward pass in an evaluation: bounds the memory of activations. */
const EVALUATION_CHUNK = 2048;

/**
 * The TensorFlow.js engine on a backend: by default webgpu where there is a hardware adapter, else wasm, else cpu.
 * @throws Error where the requested backend can't start here.
 */
export async function tfjsEngine(backend?: Backend): Promise<Engine> {
  const started = await startBackend(backend);
  return {
    info: started.info,
    rowsThatFit: (spec) => Math.max(1, Math.floor(STATE_BYTES / cost(spec).bytes)),
    cost,
    open: (runs, watched) => Promise.resolve(new ReferenceTrainer(started.backend, started.info, runs, watched?.attention)),
  };
}

/** Memory of parameters, gradient and what the optimiser keeps; two operations per weight and position forward, four backward. */
function cost(spec: RunSpec): Cost {
  const { length, sizes: { B, T, pairs } } = layout(spec);
  return { bytes: 4 * 4 * length + besideBytes(spec, length), flop: T * length * (6 * B + 2 * pairs / spec.schedule.evalEvery) };
}

/** Mean loss and its gradient f32[P] (padding zero) at flat parameters, for the pairs given. Every other engine must agree with it. */
export async function gradients(
  spec: RunSpec,
  flat: Float32Array,
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  target: ArrayLike<number>,
  backend: Backend = "wasm",
): Promise<{ loss: number; flat: Float32Array<ArrayBuffer> }> {
  select((await startBackend(backend)).backend);
  const { sums, gradient } = tf.tidy(() => differentiate(spec, layout(spec), tf.tensor1d(flat), { a, b, target }));
  const [[loss], values] = await Promise.all([sums.data(), gradient.data()]);
  tf.dispose([sums, gradient]);
  return { loss: loss / a.length, flat: new Float32Array(values) };
}

interface Pairs {
  readonly a: ArrayLike<number>;
  readonly b: ArrayLike<number>;
  readonly target: ArrayLike<number>;
}

/** The gradient f32[P] of the mean loss, and its sums [loss, right answers, examples]. Call it inside `tf.tidy`. */
function differentiate(spec: RunSpec, at: Layout, params: tf.Tensor1D, pairs: Pairs): { sums: tf.Tensor1D; gradient: tf.Tensor1D } {
  const B = pairs.a.length;
  let right!: tf.Tensor;
  const { value, grad } = tf.valueAndGrad((flat) => {
    const { logits } = forward(spec, views(flat as tf.Tensor1D, at), pairs.a, pairs.b);
    const target = tf.tensor1d(Int32Array.from(pairs.target), "int32");
    right = tf.keep(rightAnswers(logits, target).sum());
    return losses(spec.optim.loss, logits, target, spec.optim.temperature).mean() as tf.Scalar;
  })(params);
  const sums = tf.stack([value.mul(B), right, tf.scalar(B)]) as tf.Tensor1D;
  right.dispose();
  return { sums, gradient: grad as tf.Tensor1D };
}

/** What a row keeps on the device, with its last gradient f32[P] and the sums of the batches since the last evaluation. */
interface State extends Trained {
  readonly gradient: tf.Tensor1D;
  readonly sums: tf.Tensor1D;
}
const dispose = ({ beside, ...others }: State) => tf.dispose([...Object.values(others), ...Object.values(beside)]);

interface Row {
  readonly spec: RunSpec;
  readonly data: Dataset;
  /** Where attention is watched. */
  readonly probe?: AttentionProbe;
  step: number;
  /** Whether the state at step 0, where a row begins, has still to be evaluated. */
  fresh: boolean;
  /** Whether the gradient of its last update is there: a state that is placed doesn't hold it. */
  hasGradient: boolean;
  state: State;
}

class ReferenceTrainer implements Trainer {
  readonly info: EngineInfo;
  readonly layout: Layout;
  readonly #backend: Backend;
  readonly #shape: string;
  readonly #rows: (Row | null)[];
  readonly #attention: AttentionOptions | undefined;

  constructor(backend: Backend, info: EngineInfo, runs: readonly (RunSpec | Snapshot)[], attention?: AttentionOptions) {
    if (runs.length === 0) throw new Error("Cannot open a trainer: it needs at least one run, current value is none");
    const first = specOf(runs[0]);
    this.#backend = backend;
    this.info = info;
    this.layout = layout(first);
    this.#shape = shapeOf(first);
    this.#rows = runs.map(() => null);
    this.#attention = attention;
    runs.forEach((run, row) => this.place(row, run));
  }

  get rows(): readonly (RunSpec | null)[] {
    return this.#rows.map((row) => row?.spec ?? null);
  }

  get steps(): readonly number[] {
    return this.#rows.map((row) => row?.step ?? 0);
  }

  async *advance(updates: number): AsyncGenerator<readonly Evaluation[]> {
    const fresh = this.#rows.map((row) => row?.fresh ?? false);
    if (fresh.includes(true)) yield await this.#evaluateRows((_, i) => fresh[i]);
    for (let update = 0; update < updates; update++) {
      const due: Row[] = [];
      for (const row of this.#rows) {
        if (!row || row.step >= row.spec.schedule.steps) continue;
        this.#update(row);
        if (row.step % row.spec.schedule.evalEvery === 0 || row.step === row.spec.schedule.steps) due.push(row);
        await tf.nextFrame(); // signals and timers get their turn
      }
      if (due.length > 0) yield await this.#evaluateRows((row) => due.includes(row));
      if (this.#rows.every((row) => !row || row.step >= row.spec.schedule.steps)) return;
    }
  }

  async evaluate(): Promise<readonly Evaluation[]> {
    const evaluations: Evaluation[] = [];
    for (const [row, run] of this.#rows.entries()) if (run) evaluations.push(await this.#evaluation(row, run));
    return evaluations;
  }

  async snapshot(row: number): Promise<Snapshot> {
    const { spec, step, state } = this.#row("take a snapshot", row);
    const [params, m, v, batchSums] = await Promise.all([state.params, state.m, state.v, state.sums].map(download));
    const beside = await Promise.all(Object.entries(state.beside).map(async ([name, values]) => [name, await download(values)] as const));
    return { spec, step, params, m, v, batchSums, ...beside.length > 0 && { beside: Object.fromEntries(beside) } };
  }

  place(row: number, run: RunSpec | Snapshot): void {
    const spec = specOf(run);
    if (!(row in this.#rows)) throw new Error(`Cannot place a run: row must be below ${this.#rows.length}, current value is ${row}`);
    if (shapeOf(spec) !== this.#shape) {
      throw new Error(`Cannot place a run: its shape must be ${this.#shape}, current value is ${shapeOf(spec)}`);
    }
    if ("params" in run) checkBeside(run);
    this.drop(row);
    select(this.#backend);
    const P = this.layout.length;
    const saved: Omit<Snapshot, "spec"> = "params" in run
      ? run
      : { step: 0, params: initialise(spec), m: empty(P), v: empty(P), batchSums: empty(3) };
    const beside = Object.entries(saved.beside ?? besideAtStart(spec, saved.params) ?? {});
    const data = dataset(spec.data, spec.seed);
    this.#rows[row] = {
      spec,
      data,
      ...this.#attention && { probe: attentionProbe(spec, this.#attention, data) },
      step: saved.step,
      fresh: saved.step === 0,
      hasGradient: saved.step === 0,
      state: {
        params: tf.tensor1d(saved.params.slice()),
        m: tf.tensor1d(saved.m.slice()),
        v: tf.tensor1d(saved.v.slice()),
        beside: Object.fromEntries(beside.map(([name, values]) => [name, tf.tensor1d(values.slice())])),
        gradient: tf.zeros([P]),
        sums: tf.tensor1d(saved.batchSums.slice()),
      },
    };
  }

  drop(row: number): void {
    const state = this.#rows[row]?.state;
    if (state) dispose(state);
    if (row in this.#rows) this.#rows[row] = null;
  }

  gradient(row: number): Promise<Float32Array<ArrayBuffer>> {
    return download(this.#row("read a gradient", row).state.gradient);
  }

  async logits(row: number, a: ArrayLike<number>, b: ArrayLike<number>): Promise<Float32Array<ArrayBuffer>> {
    const { spec, state } = this.#row("compute logits", row);
    select(this.#backend);
    const logits = tf.tidy(() => forward(spec, views(state.params, this.layout), a, b).logits);
    const values = await download(logits);
    logits.dispose();
    return values;
  }

  dispose(): void {
    for (const row of this.#rows.keys()) this.drop(row);
  }

  #row(action: string, row: number): Row {
    const run = this.#rows[row];
    if (!run) throw new Error(`Cannot ${action}: row must hold a run, current value is ${row}`);
    return run;
  }

  /** One update of a row: batch, gradient, optimiser. */
  #update(row: Row): void {
    select(this.#backend);
    const { spec, step, state } = row;
    // `tidy` keeps what it finds in plain objects; what stays as it was is copied, so that the old state can be given back.
    const next = tf.tidy(() => {
      const { sums, gradient } = differentiate(spec, this.layout, state.params, batch(spec, row.data, step));
      const { params, m, v, beside } = update(spec, this.layout, step, state, gradient);
      const kept = Object.fromEntries(Object.entries(beside).map(([name, values]) => [name, values.clone()]));
      return { params, m: m.clone(), v: v.clone(), beside: kept, gradient, sums: state.sums.add(sums) as tf.Tensor1D };
    });
    dispose(state);
    row.state = next;
    row.step++;
    row.hasGradient = true;
  }

  /** Evaluations of the schedule. A new count of batches begins at multiples of `evalEvery`: a run that ends in between may go on later. */
  async #evaluateRows(due: (row: Row, i: number) => boolean): Promise<readonly Evaluation[]> {
    const evaluations: Evaluation[] = [];
    for (const [i, row] of this.#rows.entries()) {
      if (!row || !due(row, i)) continue;
      evaluations.push(await this.#evaluation(i, row));
      row.fresh = false;
      if (row.step % row.spec.schedule.evalEvery !== 0) continue;
      row.state.sums.dispose();
      select(this.#backend);
      row.state = { ...row.state, sums: tf.zeros([3]) };
    }
    return evaluations;
  }

  async #evaluation(row: number, run: Row): Promise<Evaluation> {
    const { spec, step, state: { params }, probe } = run, metrics = await this.#metrics(run);
    if (!probe) return { row, metrics };
    select(this.#backend);
    return { row, metrics, attention: await readAttention({ spec, step, params }, this.layout, probe) };
  }

  async #metrics({ spec, data, step, hasGradient, state }: Row): Promise<Metrics> {
    select(this.#backend);
    const { a, b, target, trainCount, noisy } = data;
    const results = tf.tidy(() => {
      const parameters = views(state.params, this.layout);
      const chunks = Array.from({ length: Math.ceil(a.length / EVALUATION_CHUNK) }, (_, i) => {
        const [from, to] = [i * EVALUATION_CHUNK, (i + 1) * EVALUATION_CHUNK];
        return tf.tidy(() => {
          const { logits } = forward(spec, parameters, a.subarray(from, to), b.subarray(from, to));
          const answers = tf.tensor1d(Int32Array.from(target.subarray(from, to)), "int32");
          return tf.stack([losses(spec.optim.loss, logits, answers, spec.optim.temperature), rightAnswers(logits, answers)]) as tf.Tensor2D;
        });
      });
      return tf.concat(chunks, 1);
    });
    const all = await download(results);
    results.dispose();
    const [params, gradient, sums] = await Promise.all([state.params, state.gradient, state.sums].map(download));
    const [loss, right] = [all.subarray(0, a.length), all.subarray(a.length)];
    return {
      step,
      trainLoss: mean(loss.subarray(0, trainCount)),
      trainAcc: mean(right.subarray(0, trainCount)),
      valLoss: mean(loss.subarray(trainCount)),
      valAcc: mean(right.subarray(trainCount)),
      weightNorm: norm(params),
      gradNorm: hasGradient ? norm(gradient) : NaN,
      batchLoss: sums[0] / sums[2],
      batchAcc: sums[1] / sums[2],
      noisyAcc: mean(right.subarray(0, noisy)),
    };
  }
}

/** The examples of an update: all that train in the dataset's order, or the draws of the seed's `batch` stream. */
function batch({ data: { batch }, seed }: RunSpec, { a, b, target, trainCount }: Dataset, step: number): Pairs {
  if (batch === "full") return { a: a.subarray(0, trainCount), b: b.subarray(0, trainCount), target: target.subarray(0, trainCount) };
  const draws = Uint32Array.from({ length: batch }, (_, at) => batchIndex(seed, step, at, trainCount));
  const [A, B, Y] = [a, b, target].map((column) => draws.map((at) => column[at]));
  return { a: A, b: B, target: Y };
}

const specOf = (run: RunSpec | Snapshot) => ("params" in run ? run.spec : run);
const shapeOf = (spec: RunSpec) => `${shapeKey(spec)}, evaluated every ${spec.schedule.evalEvery}`;
const empty = (n: number) => new Float32Array(n);
const download = async (tensor: tf.Tensor) => new Float32Array(await tensor.data<"float32">());
const mean = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
const norm = (values: Float32Array) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
