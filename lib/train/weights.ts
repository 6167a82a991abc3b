/** Weights and checkpoints on disk: safetensors with TransformerLens names, row-major, float32, the spec as JSON in the metadata. */
import { writeWhole } from "../run/files.ts";
import { layout, read, write } from "../run/layout.ts";
import { encode, floats, type Metadata, readFile, type Stored } from "./safetensors.ts";
import { type RunInput, type RunSpec, runSpec, stableJson } from "../run/spec.ts";
import type { Snapshot } from "../engine/engine.ts";

/** Saves flat parameters f32[P] under their names, whole or not at all; makes the folder. */
export async function saveWeights(path: string, spec: RunSpec, flat: Float32Array): Promise<void> {
  await writeWhole(path, weightsFile(spec, flat));
}

/** The bytes of a file of weights. */
export function weightsFile(spec: RunSpec, flat: Float32Array): Uint8Array {
  return encode({ metadata: { spec: stableJson(spec) }, tensors: named(spec, flat, "") });
}

/**
 * Flat parameters f32[P] for the run's model from a file of weights or a checkpoint; padding is zero. What spec the file was made with doesn't matter.
 * @throws Error in one line where the file is not there, not safetensors, or doesn't hold just this model's tensors.
 */
export async function loadWeights(path: string, spec: RunSpec): Promise<Float32Array<ArrayBuffer>> {
  const { tensors } = await readFile(path);
  const own = new Set(layout(spec).tensors.map(({ name }) => name));
  for (const name of tensors.keys()) {
    if (!own.has(name) && !/^(adam\.|batch_sums$)/.test(name)) {
      throw new Error(`Cannot load ${path}: it holds ${name}, which this model doesn't have`);
    }
  }
  return flatten(path, tensors, spec, "");
}

/** Saves all that a run needs to go on bit for bit, whole or not at all: weights, moments `adam.m.…` and `adam.v.…`, step, sums of batches. */
export async function saveCheckpoint(path: string, snapshot: Snapshot): Promise<void> {
  await writeWhole(path, checkpointFile(snapshot));
}

/** The bytes of a checkpoint. */
export function checkpointFile({ spec, step, params, m, v, batchSums }: Snapshot): Uint8Array {
  const tensors = [...named(spec, params, ""), ...named(spec, m, M), ...named(spec, v, V)];
  tensors.push({ name: SUMS, shape: [batchSums.length], values: batchSums });
  return encode({ metadata: { spec: stableJson(spec), step: String(step) }, tensors });
}

/**
 * The snapshot in a checkpoint.
 * @throws Error in one line where the file is not there, not safetensors, or not a checkpoint of the spec in its metadata.
 */
export async function loadCheckpoint(path: string): Promise<Snapshot> {
  const { metadata, tensors } = await readFile(path);
  const fail = (what: string, value: unknown): never => {
    throw new Error(`Cannot load ${path}: ${what}, current value is ${JSON.stringify(value) ?? "none"}`);
  };
  const step = /^\d{1,15}$/.test(metadata.step) ? Number(metadata.step) : fail("a checkpoint's metadata must have its step", metadata.step);
  const spec = storedSpec(path, metadata, "a checkpoint");
  const batchSums = floats(path, tensors, SUMS, [3]);
  const [params, m, v] = ["", M, V].map((prefix) => flatten(path, tensors, spec, prefix));
  return { spec, step, params, m, v, batchSums };
}

/** The spec that a file was made with, `what` being the kind of file. @throws Error in one line where it isn't one. */
export function storedSpec(path: string, metadata: Metadata, what: string): RunSpec {
  try {
    return runSpec(JSON.parse(metadata.spec) as RunInput);
  } catch (error) {
    throw new Error(`Cannot load ${path}: ${what}'s metadata must have its spec as JSON (${(error as Error).message})`);
  }
}

const M = "adam.m.", V = "adam.v.", SUMS = "batch_sums";

const named = (spec: RunSpec, flat: Float32Array, prefix: string) =>
  layout(spec).tensors.map((tensor) => ({ name: prefix + tensor.name, shape: tensor.dims, values: read(tensor, flat) }));

function flatten(path: string, stored: ReadonlyMap<string, Stored>, spec: RunSpec, prefix: string): Float32Array<ArrayBuffer> {
  const { length, tensors } = layout(spec);
  const flat = new Float32Array(length);
  for (const tensor of tensors) write(tensor, flat, floats(path, stored, prefix + tensor.name, tensor.dims));
  return flat;
}
