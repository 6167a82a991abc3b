/** What engines and trainers have in common: a trainer's rows train together, one run per row. */
import type { AttentionOptions, AttentionReading } from "../run/attention.ts";
import type { Layout } from "../run/layout.ts";
import type { Metrics } from "../run/metrics.ts";
import type { Snapshot } from "../run/snapshot.ts";
import type { RunSpec } from "../run/spec.ts";

export type { Metrics } from "../run/metrics.ts";
export type { Snapshot } from "../run/snapshot.ts";

export interface EngineInfo {
  readonly engine: "webgpu" | "cpu" | "tfjs";
  /** e.g. `llvmpipe (LLVM 15.0.6, 256 bits)` */
  readonly adapter: string;
  readonly driver: string;
  /** True where the "GPU" is a program on the processor. */
  readonly software: boolean;
}

/**
 * What a run's bits depend on besides its spec: runs of two engines of one kind have the same. The processor engine's depend on no
 * processor.
 */
export const kindOf = ({ engine, adapter, driver }: EngineInfo): string =>
  engine === "cpu" ? `${engine}, ${driver}` : `${engine}, ${adapter}, ${driver}`;

/** What one run needs. */
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

/** A way to train. `open.ts` has the native ones, `reference/trainer.ts` the one of TensorFlow.js. */
export interface Engine {
  readonly info: EngineInfo;
  /** How many runs of this shape should fit at once, at least 1. */
  rowsThatFit(spec: RunSpec, watched?: Watched): number;
  cost(spec: RunSpec, watched?: Watched): Cost;
  /**
   * Why runs of this shape can't be trained here, in a line, as far as that is known without trying; `null` where nothing speaks against
   * it.
   */
  refusal?(spec: RunSpec, watched?: Watched): string | null;
  /**
   * Opens a trainer.
   * @param runs runs of one shape key and `evalEvery`, from their seeds or with their states.
   * @returns a trainer with the first of them in its rows: all, or as many as there is memory for.
   * @throws Error where not one fits, or the runs differ.
   */
  open(runs: readonly (RunSpec | Snapshot)[], watched?: Watched): Promise<Trainer>;
}

/** An evaluation as it arrives, with the trainer's row. */
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
   * whose number is a multiple of the runs' `evalEvery`, and at step 0. Rows stop by themselves at their `schedule.steps`, with a last
   * evaluation there.
   */
  advance(updates: number): AsyncGenerator<readonly Evaluation[]>;
  /** Evaluates every row as it is, which changes nothing. */
  evaluate(): Promise<readonly Evaluation[]>;
  /**
   * A copy of a row's whole state.
   * @throws Error where the row is empty, as `gradient` and `logits` do.
   */
  snapshot(row: number): Promise<Snapshot>;
  /**
   * Puts a run into a row, with the state given or from its seed; a run that is there is dropped.
   * @throws Error, before anything has changed, where the run's shape or `evalEvery` is not the trainer's.
   */
  place(row: number, run: RunSpec | Snapshot): void;
  /** Empties a row; the others go on. */
  drop(row: number): void;
  /** The gradient of a row's last update, f32[P]; zeros where it has made none since it was placed. */
  gradient(row: number): Promise<Float32Array<ArrayBuffer>>;
  /** Logits of a row for pairs (a, b), f32[pairs, C]. */
  logits(row: number, a: ArrayLike<number>, b: ArrayLike<number>): Promise<Float32Array<ArrayBuffer>>;
  /** Frees the device's memory. */
  dispose(): void;
}
