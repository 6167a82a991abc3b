/** What a trainer is, whichever engine is behind it: rows that train together, one run a row. */
import type { AttentionOptions, AttentionReading } from "../run/attention.ts";
import type { Layout } from "../run/layout.ts";
import type { RunSpec } from "../run/spec.ts";

/** The state of a run after `step` updates, evaluated on its whole train and validation sets. */
export interface Metrics {
  readonly step: number;
  /** Mean cross-entropy in nats, and share of right answers. */
  readonly trainLoss: number;
  readonly trainAcc: number;
  readonly valLoss: number;
  readonly valAcc: number;
  /** Euclidean norm of all parameters. */
  readonly weightNorm: number;
  /** Euclidean norm of the last update's gradient; 0 before the first. */
  readonly gradNorm: number;
  /** Mean loss and accuracy of the batches trained on since the last evaluation, as they were in flight; NaN before the first. */
  readonly batchLoss: number;
  readonly batchAcc: number;
}

/** All that a run needs to go on bit for bit: flat f32[P] parameters and moments, and how far it is. */
export interface Snapshot {
  readonly spec: RunSpec;
  /** Updates done; also the position in the stream of batches. */
  readonly step: number;
  readonly params: Float32Array<ArrayBuffer>;
  readonly m: Float32Array<ArrayBuffer>;
  readonly v: Float32Array<ArrayBuffer>;
  /** Sums over the batches since the last evaluation: loss, right answers, examples. */
  readonly batchSums: Float32Array<ArrayBuffer>;
}

export interface EngineInfo {
  readonly engine: "webgpu" | "tfjs";
  /** e.g. `llvmpipe (LLVM 15.0.6, 256 bits)` */
  readonly adapter: string;
  readonly driver: string;
  /** True where the "GPU" is a program on the processor. */
  readonly software: boolean;
}

/** What a run takes. */
export interface Cost {
  /** Of the device's memory. */
  readonly bytes: number;
  /** Floating-point operations of an update, its share of the evaluations included. */
  readonly flop: number;
}

/** What a trainer looks at beside its runs' metrics; nothing by default. No bit of a run depends on it. */
export interface Watched {
  /** Attention at every evaluation, on a probe set drawn from each run's seed; `{}` for the default sizes. */
  readonly attention?: AttentionOptions;
}

/** A way to train; `webgpuEngine()` in `engine/` and `tfjsEngine()` in `reference/` make one, or say why they can't. */
export interface Engine {
  readonly info: EngineInfo;
  /** How many runs of this shape should fit at once, at least 1. */
  rowsThatFit(spec: RunSpec, watched?: Watched): number;
  cost(spec: RunSpec, watched?: Watched): Cost;
  /** Why runs of this shape can't be trained here, in a line, as far as that is known without trying; `null` where nothing speaks against it. */
  refusal?(spec: RunSpec, watched?: Watched): string | null;
  /**
   * A trainer with the first of these runs in its rows: all of them, or as many as memory is granted for. All have the same shape key and
   * `evalEvery`. @throws Error where not one fits.
   */
  open(runs: readonly (RunSpec | Snapshot)[], watched?: Watched): Promise<Trainer>;
}

/** A metric row as it arrives: which row of the trainer, and its state. */
export interface Evaluation {
  readonly row: number;
  readonly metrics: Metrics;
  /** Where the trainer watches it. */
  readonly attention?: AttentionReading;
}

export interface Trainer {
  readonly info: EngineInfo;
  readonly layout: Layout;
  /** The run in each row; `null` where the row is empty. */
  readonly rows: readonly (RunSpec | null)[];
  /** Updates done by each row. */
  readonly steps: readonly number[];
  /**
   * Trains every row by `updates` and yields the evaluations made on the way, those of one step together: after every update
   * whose number is a multiple of the runs' `evalEvery`, and at step 0. Rows stop by themselves at their `schedule.steps`, with a last evaluation there.
   */
  advance(updates: number): AsyncGenerator<readonly Evaluation[]>;
  /** Evaluates every row as it is. */
  evaluate(): Promise<readonly Evaluation[]>;
  /** A copy of a row's whole state. */
  snapshot(row: number): Promise<Snapshot>;
  /** Puts a run into a row, with the state given or from its seed. */
  place(row: number, run: RunSpec | Snapshot): void;
  /** Empties a row; the others go on. */
  drop(row: number): void;
  /** The gradient of the last update, f32[P] a row. */
  gradient(row: number): Promise<Float32Array<ArrayBuffer>>;
  /** Logits of a row for pairs (a, b), f32[pairs, C]. */
  logits(row: number, a: ArrayLike<number>, b: ArrayLike<number>): Promise<Float32Array<ArrayBuffer>>;
  /** Frees the device's memory. */
  dispose(): void;
}
