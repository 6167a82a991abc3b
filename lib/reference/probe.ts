/** Probes the checkpoints of a run, one after another. */
import { type Checkpoint, type Reading, reading } from "../analysis/network/probe.ts";
import { linearTask } from "../analysis/network/progress.ts";
import { type ActivationOptions, activations } from "./activations.ts";
import type { RunSpec } from "../run/spec.ts";

export type { Checkpoint, Reading } from "../analysis/network/probe.ts";

/** A run as its checkpoints show it. */
export interface Probe {
  readonly spec: RunSpec;
  /** The key frequencies of its last checkpoint, the strongest first: by these, all are measured. */
  readonly keys: readonly number[];
  /** One per checkpoint, in the order of their steps; at least one. */
  readonly readings: readonly Reading[];
}

/** A checkpoint that is loaded when its turn comes. */
export interface StoredCheckpoint {
  readonly step: number;
  readonly load: () => Promise<Float32Array>;
}

export interface ProbeOptions extends ActivationOptions {
  /** Called after each checkpoint with how many have been read, and of how many. */
  readonly onRead?: (read: number, of: number) => void;
}

/**
 * Reads the checkpoints of a run: `probe(run.spec, [run.snapshot])`.
 * @throws Error where there is none, and what `linearTask` and `activations` throw.
 */
export async function probe(
  spec: RunSpec,
  checkpoints: readonly (Checkpoint | StoredCheckpoint)[],
  { onRead, ...options }: ProbeOptions = {},
): Promise<Probe> {
  linearTask(spec); // says at once what it doesn't apply to
  const inOrder = checkpoints.toSorted((x, y) => x.step - y.step), readings: Reading[] = [];
  if (inOrder.length === 0) throw new Error("Cannot probe a run: it must have at least one checkpoint, there is none");
  // From the last, whose key frequencies are the run's.
  for (const checkpoint of inOrder.reverse()) {
    const { step } = checkpoint, params = "load" in checkpoint ? await checkpoint.load() : checkpoint.params;
    readings.push(reading(spec, { step, params }, await activations(spec, params, options), readings[0]?.keys));
    onRead?.(readings.length, inOrder.length);
  }
  return { spec, keys: readings[0].keys, readings: readings.reverse() };
}
