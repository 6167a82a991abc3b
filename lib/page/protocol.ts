/** What the page's window and its two workers tell each other. */
import type { Reading } from "../analysis/network/reading.ts";
import type { EngineInfo } from "../engine/engine.ts";
import type { Metrics } from "../run/metrics.ts";
import type { RunSpec } from "../run/spec.ts";
import type { Status } from "../train/train.ts";

/** Which engine trains: `auto` is a graphics card where there is one, else the processor. */
export type EngineWish = "auto" | "cpu" | "webgpu";

/** What the worker that trains is told. */
export type TrainMessage =
  | {
    readonly does: "train";
    readonly id: number;
    readonly specs: readonly RunSpec[];
    readonly engine: EngineWish;
    readonly paused: boolean;
  }
  /** Opens the engine, so that it is ready when it is needed, and tells which it is. */
  | { readonly does: "prepare"; readonly id: number; readonly engine: EngineWish }
  | { readonly does: "pause" | "resume" | "step" | "stop" };

/** A run as far as it has come, without its evaluations. */
export interface RunState {
  readonly index: number;
  readonly status: Status;
  readonly step: number;
  readonly memorisationStep: number | null;
  readonly grokkingStep: number | null;
  readonly error?: string;
}

/** A network at a step; flat parameters f32[P]. */
export interface SavedState {
  readonly index: number;
  readonly step: number;
  readonly params: Float32Array<ArrayBuffer>;
}

/** What the worker that trains tells; all of it with the number of the training that it belongs to. */
export type TrainNews =
  | { readonly tells: "engine"; readonly info: EngineInfo; readonly threads: number; readonly why: string }
  | {
    readonly tells: "progress";
    readonly metrics: readonly { readonly index: number; readonly metrics: Metrics }[];
    readonly runs: RunState[];
  }
  | { readonly tells: "state"; readonly state: SavedState }
  | { readonly tells: "ended"; readonly runs: RunState[] }
  | { readonly tells: "failed"; readonly message: string };

/** What the worker that looks into networks is asked. */
export interface LookQuestion {
  readonly id: number;
  readonly spec: RunSpec;
  readonly state: SavedState;
}

/** A neuron of the last layer for all pairs. */
export interface Neuron {
  readonly index: number;
  /** The frequency that tells most of it, and how much of its variance that is; 0 for one that says nothing. */
  readonly frequency: number;
  readonly explained: number;
  /** f32[C, C] */
  readonly values: Float32Array<ArrayBuffer>;
}

/** What was seen in a network. */
export interface Look {
  readonly index: number;
  readonly step: number;
  /** Of each pair, row a · C + b: 0 it validates, 1 it trains, 2 it has no answer. */
  readonly sets: Uint8Array<ArrayBuffer>;
  readonly targets: Uint16Array<ArrayBuffer>;
  /** The network's answer to each pair, and the probability that it gives it. */
  readonly answers: Uint16Array<ArrayBuffer>;
  readonly probabilities: Float32Array<ArrayBuffer>;
  /** f32[C², C] */
  readonly logits: Float32Array<ArrayBuffer>;
  /** The elements' embedding, f32[C, D]. */
  readonly embedding: { readonly rows: number; readonly columns: number; readonly values: Float32Array<ArrayBuffer> };
  /** The mean attention pattern of every head, f32[L, H, T, T]. */
  readonly attention: Float32Array<ArrayBuffer>;
  readonly neurons: readonly Neuron[];
  /** Spectra, where the answer is linear in a and b. */
  readonly reading: Reading | null;
}

/** What that worker answers. */
export type LookAnswer = { readonly id: number; readonly look: Look } | { readonly id: number; readonly message: string };
