/** Norms, logits and spectra of runs over their checkpoints, whatever they learn: `weight_measures.ts` has the measures. */
import type { Checkpoint } from "../analysis/network/reading.ts";
import { type WeightReading, weightReading } from "../analysis/network/weight_measures.ts";
import { dataset } from "../run/operations.ts";
import type { RunSpec } from "../run/spec.ts";
import {
  type CheckpointedRun,
  checkpointsOf,
  findCheckpoints,
  type ProbeOptions,
  readAll,
  type StoredCheckpoint,
  whyNoneOf,
} from "./probe.ts";
import { within } from "./cut.ts";
import type { Lab } from "./store.ts";
import type { StoredRun } from "./stored.ts";

/** A run as its weights show it. */
export interface WeightCourse {
  readonly spec: RunSpec;
  /** One per checkpoint, in the order of their steps; at least one. */
  readonly readings: readonly WeightReading[];
}

export type WeightOptions = Omit<ProbeOptions, "layer">;

/**
 * Measures the checkpoints of a run: `probeWeights(run.spec, [run.snapshot])`.
 * @throws Error where there is none, or one isn't this model's.
 */
export async function probeWeights(
  spec: RunSpec,
  checkpoints: readonly (Checkpoint | StoredCheckpoint)[],
  { onRead, ...options }: WeightOptions = {},
): Promise<WeightCourse> {
  const examples = dataset(spec.data, spec.seed);
  const { pairLogits } = await import("../reference/activations.ts"); // as in `probe`
  const readings = await readAll(checkpoints, onRead, async (checkpoint) => {
    return weightReading(spec, checkpoint, examples, await pairLogits(spec, checkpoint.params, examples, options));
  });
  return { spec, readings };
}

/**
 * A run of the lab, measured at all of its checkpoints.
 * @throws Error where there is no such run, or it has no checkpoint or a broken one.
 */
export async function probeWeightsOf(
  lab: Lab,
  idOrHash: number | string,
  options: WeightOptions = {},
): Promise<CheckpointedRun & WeightCourse> {
  const run = findCheckpoints(lab, idOrHash);
  return { ...run, ...await probeWeights(run.spec, run.checkpoints, options) };
}

/**
 * The runs of an experiment that have checkpoints within its steps, measured at all of these, in the order of `lab.runs`.
 * @throws Error where there is no such experiment, none of its runs has a checkpoint within its steps, or one is broken.
 */
export async function probeWeightsOfAll(lab: Lab, experiment: string, options: WeightOptions = {}): Promise<(StoredRun & WeightCourse)[]> {
  const all: (StoredRun & WeightCourse)[] = [];
  for (const run of lab.runs(experiment)) {
    const checkpoints = within(run.spec, checkpointsOf(lab, run.id, run.spec));
    if (checkpoints.length > 0) all.push({ ...run, ...await probeWeights(run.spec, checkpoints, options) });
  }
  if (all.length > 0) return all;
  throw new Error(
    `Cannot probe ${experiment}: at least one of its runs must have weights in ${lab.folder}, none has; ${whyNoneOf(lab, experiment)}`,
  );
}
