/** An engine that trains nothing but keeps the contract to the letter: for fast tests of what stands around an engine. */
import { type AttentionOptions, attentionProbe, type AttentionReading, attentionSizes, summarise } from "../lib/run/attention.ts";
import { initialise, layout } from "../lib/run/layout.ts";
import { type RunSpec, shapeKey } from "../lib/run/spec.ts";
import type { Engine, EngineInfo, Evaluation, Metrics, Snapshot, Trainer } from "../lib/engine/engine.ts";

export interface FakeOptions {
  /** How many runs fit at once. */
  readonly fit?: number;
  /** How many the driver gives memory for, where that is fewer. */
  readonly allocates?: number;
  /** The step at which a run generalises; it memorises at a tenth of it. */
  readonly groksAt?: (spec: RunSpec) => number;
  /** Where a run that has generalised fails again. */
  readonly dips?: (spec: RunSpec, step: number) => boolean;
  /** The step from which a run's loss is NaN. */
  readonly breaksAt?: (spec: RunSpec) => number;
  /** Called before every update of a trainer. */
  readonly onUpdate?: () => void;
}

const INFO: EngineInfo = { engine: "webgpu", adapter: "fake", driver: "fake", software: true };

/** The engine, and a log of what was opened (how many rows), placed, dropped and disposed. */
export function fakeEngine(options: FakeOptions = {}): Engine & { readonly log: string[] } {
  const log: string[] = [];
  return {
    info: INFO,
    log,
    rowsThatFit: () => options.fit ?? 1000,
    cost: (spec) => ({ bytes: 4 * layout(spec).length, flop: layout(spec).length }),
    open: (runs, watched) => Promise.resolve(new FakeTrainer(runs.slice(0, options.allocates), options, log, watched?.attention)),
  };
}

class FakeTrainer implements Trainer {
  readonly info = INFO;
  readonly layout;
  readonly #states: (Snapshot | null)[] = [];

  constructor(
    runs: readonly (RunSpec | Snapshot)[],
    readonly options: FakeOptions,
    readonly log: string[],
    readonly attention?: AttentionOptions,
  ) {
    log.push(`open ${runs.length}`);
    const specs = runs.map((run) => "spec" in run ? run.spec : run);
    const keys = new Set(specs.map((spec) => `${shapeKey(spec)} ${spec.schedule.evalEvery}`));
    if (keys.size !== 1) throw new Error("Runs of different shapes in one trainer");
    this.layout = layout(specs[0]);
    runs.forEach((run, row) => this.#put(row, run));
  }

  get rows() {
    return this.#states.map((state) => state && state.spec);
  }

  get steps() {
    return this.#states.map((state) => state?.step ?? 0);
  }

  async *advance(updates: number): AsyncGenerator<readonly Evaluation[]> {
    const evaluate = (due: (state: Snapshot) => boolean) =>
      this.#states.flatMap((state, row) => state && due(state) ? [this.#evaluation(row, state)] : []);
    const first = evaluate(({ step }) => step === 0);
    if (first.length > 0) yield first;
    for (let i = 0; i < updates; i++) {
      this.options.onUpdate?.();
      const moving = this.#states.map((state) => state !== null && state.step < state.spec.schedule.steps);
      this.#states.forEach((state, row) => moving[row] && this.#put(row, update(state!)));
      const { spec: { schedule: { evalEvery } } } = this.#states.find((state) => state !== null)!;
      const rows = new Set(moving.flatMap((moved, row) => moved ? [row] : []));
      const news = this.#states.flatMap((state, row) =>
        state && rows.has(row) && (state.step % evalEvery === 0 || state.step === state.spec.schedule.steps)
          ? [this.#evaluation(row, state)]
          : []
      );
      if (news.length > 0) yield news;
    }
  }

  evaluate() {
    return Promise.resolve(this.#states.flatMap((state, row) => state ? [this.#evaluation(row, state)] : []));
  }

  snapshot(row: number) {
    const state = this.#states[row]!;
    return Promise.resolve({ ...state, params: state.params.slice(), m: state.m.slice(), v: state.v.slice() });
  }

  place(row: number, run: RunSpec | Snapshot) {
    this.log.push(`place ${row}`);
    this.#put(row, run);
  }

  drop(row: number) {
    this.log.push(`drop ${row}`);
    this.#states[row] = null;
  }

  gradient(): never {
    throw new Error("The fake engine has no gradients");
  }

  logits(): never {
    throw new Error("The fake engine has no logits");
  }

  dispose() {
    this.log.push("dispose");
  }

  #put(row: number, run: RunSpec | Snapshot) {
    const P = this.layout.length;
    this.#states[row] = "spec" in run
      ? run
      : { spec: run, step: 0, params: initialise(run), m: new Float32Array(P), v: new Float32Array(P), batchSums: new Float32Array(3) };
  }

  #evaluation(row: number, state: Snapshot): Evaluation {
    return { row, metrics: this.#metrics(state), ...this.attention && { attention: reading(state, this.attention) } };
  }

  #metrics({ spec, step, params }: Snapshot): Metrics {
    const grok = this.options.groksAt?.(spec) ?? Infinity, broken = step >= (this.options.breaksAt?.(spec) ?? Infinity);
    const loss = broken ? NaN : 1 / (1 + step);
    return {
      step,
      trainLoss: loss,
      trainAcc: step >= grok / 10 ? 1 : 0.5,
      valLoss: loss + 1,
      valAcc: step >= grok && !this.options.dips?.(spec, step) ? 1 : 0.1,
      weightNorm: Math.hypot(...params),
      gradNorm: step,
      batchLoss: loss,
      batchAcc: 0,
      noisyAcc: NaN,
    };
  }
}

/** Attention that depends on the pair, the head and the state: the first key gets a share, the others what is left. */
function reading({ spec, step, params }: Snapshot, options: AttentionOptions): AttentionReading {
  const probe = attentionProbe(spec, options), { T, queries } = attentionSizes(spec);
  const patterns = Float32Array.from({ length: probe.a.length * queries * T }, (_, i) => {
    const pair = Math.floor(i / (queries * T)), query = Math.floor(i / T) % queries;
    const share = 0.5 + 0.4 * Math.sin(params[0] + query + 3 * probe.a[pair] + 5 * probe.b[pair]);
    return i % T === 0 ? share : (1 - share) / (T - 1);
  });
  return { step, probe, ...summarise(spec, patterns, probe.full) };
}

/** An update that depends on the run's seed, its step and its state, so that a state tells the way it came. Padding stays zero. */
function update(state: Snapshot): Snapshot {
  const step = state.step + 1, added = Array.from({ length: 7 }, (_, i) => Math.sin(state.spec.seed + step * i));
  const params = state.params.slice();
  for (let i = 0; i < params.length; i++) params[i] = params[i] === 0 ? 0 : params[i] * 0.999 + added[i % 7];
  return { ...state, step, params };
}
