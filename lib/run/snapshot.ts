/** The state of a run between two updates, whatever computed it. */
import type { RunSpec } from "./spec.ts";

/** All that a run needs to go on bit for bit: flat f32[P] parameters and moments, and how far it is. */
export interface Snapshot {
  readonly spec: RunSpec;
  /** Updates done; also the position in the stream of batches. */
  readonly step: number;
  readonly params: Float32Array<ArrayBuffer>;
  readonly m: Float32Array<ArrayBuffer>;
  readonly v: Float32Array<ArrayBuffer>;
  /** Sums over the batches since the last multiple of `evalEvery`: loss, right answers, examples. */
  readonly batchSums: Float32Array<ArrayBuffer>;
  /** What the run's optimiser keeps beside the moments, by the names of `beside.ts`; absent where it keeps nothing more, or begins. */
  readonly beside?: Readonly<Record<string, Float32Array<ArrayBuffer>>>;
}
