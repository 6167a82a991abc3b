/** Weights and checkpoints on disk: safetensors with TransformerLens names, row-major, float32, the spec as JSON in the metadata. */
import { besideWords } from "../run/beside.ts";
import { reason, writeWhole } from "../run/files.ts";
import { layout, read, write } from "../run/layout.ts";
import { isAlwaysThere, METRIC_NAMES } from "../run/metrics.ts";
import { inOneLine, quote } from "../run/quote.ts";
import { type RunInput, type RunSpec, runSpec, stableJson } from "../run/spec.ts";
import type { Metrics, Snapshot } from "../engine/engine.ts";
import { doubles, encode, floats, type Metadata, nameOf, readFile, type Stored } from "./safetensors.ts";

/** Saves flat parameters f32[P] under their names, whole or not at all; makes the folder. */
export async function saveWeights(path: string, spec: RunSpec, flat: Float32Array): Promise<void> {
  await writeWhole(path, weightsFile(spec, flat));
}

/** The bytes of a file of weights. */
export function weightsFile(spec: RunSpec, flat: Float32Array): Uint8Array {
  return encode({ metadata: { spec: stableJson(spec) }, tensors: named(spec, flat, "") });
}

/** The bytes of a file of weights after so many updates, however many the run is to have. */
export const weightsAt = (spec: RunSpec, step: number, flat: Float32Array): Uint8Array =>
  weightsFile({ ...spec, schedule: { ...spec.schedule, steps: step } }, flat);

/**
 * Flat parameters f32[P] for the run's model from a file of weights or a checkpoint; padding is zero. What spec the file was made with
 * doesn't matter.
 * @throws Error in one line where the file is not there, not safetensors, or doesn't hold just this model's tensors.
 */
export async function loadWeights(path: string, spec: RunSpec): Promise<Float32Array<ArrayBuffer>> {
  const { tensors } = await readFile(path);
  mustBeOf(path, tensors, spec);
  return flatten(path, tensors, spec, "");
}

/**
 * Whether the file holds the whole state of a run, and not its weights alone; `false` where there is no such file or it is something else.
 */
export async function isCheckpoint(path: string): Promise<boolean> {
  return await readFile(path).then(({ metadata }) => metadata.step !== undefined, () => false);
}

/** A run as far as a file has it. */
export interface Checkpoint {
  readonly state: Snapshot;
  /**
   * Its evaluations up to that state, in the order of their steps; `null` where the file doesn't hold any and they lie elsewhere, or
   * nowhere.
   */
  readonly metrics: readonly Metrics[] | null;
  /** The kinds of engines that trained it, in their order, as `kindOf` names them; of a file that doesn't say, none. */
  readonly trainedOn: readonly string[];
}

/**
 * Saves all that a run needs to go on bit for bit, whole or not at all: weights, moments `adam.m.…` and `adam.v.…`, step, sums of batches,
 * and what else its optimiser keeps, `optimiser.…`, as the engines have it.
 * @param metrics its evaluations up to that state, each as a tensor f64[n] `metrics.…`: so one file has both, and neither is ever ahead
 * @param trainedOn the kinds of engines that trained it, which go into the metadata
 */
export async function saveCheckpoint(
  path: string,
  snapshot: Snapshot,
  metrics?: readonly Metrics[],
  trainedOn: readonly string[] = [],
): Promise<void> {
  await writeWhole(path, checkpointFile(snapshot, metrics, trainedOn));
}

/** The bytes of a checkpoint. */
export function checkpointFile(
  { spec, step, params, m, v, batchSums, beside = {} }: Snapshot,
  metrics?: readonly Metrics[],
  trainedOn: readonly string[] = [],
): Uint8Array {
  const tensors = [
    ...named(spec, params, ""),
    ...named(spec, m, M),
    ...named(spec, v, V),
    { name: SUMS, shape: [batchSums.length], values: batchSums },
    ...Object.entries(beside).map(([name, values]) => ({ name: BESIDE + name, shape: [values.length], values })),
    ...metrics === undefined ? [] : METRIC_NAMES.map((field) => {
      return { name: EVALUATIONS + field, shape: [metrics.length], values: Float64Array.from(metrics, (row) => row[field]) };
    }),
  ];
  const metadata = { spec: stableJson(spec), step: String(step), ...trainedOn.length > 0 && { trained_on: JSON.stringify(trainedOn) } };
  return encode({ metadata, tensors });
}

/**
 * The state and the evaluations in a checkpoint.
 * @throws Error in one line where the file is not there, not safetensors, or not a checkpoint of the spec in its metadata.
 */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  const { metadata, tensors } = await readFile(path);
  const fail = failing(path);
  const step = /^\d{1,15}$/.test(metadata.step) ? Number(metadata.step) : fail("a checkpoint's metadata must have its step", metadata.step);
  const spec = storedSpec(path, metadata, "a checkpoint");
  const batchSums = floats(path, tensors, SUMS, [3]);
  const [params, m, v] = ["", M, V].map((prefix) => flatten(path, tensors, spec, prefix));
  const kept = [...besideWords(spec, params.length)].filter(([name]) => step > 0 || tensors.has(BESIDE + name));
  const beside = Object.fromEntries(kept.map(([name, words]) => [name, floats(path, tensors, BESIDE + name, [words])]));
  mustBeOf(path, tensors, spec);
  return {
    state: { spec, step, params, m, v, batchSums, ...kept.length > 0 && { beside } },
    metrics: evaluations(path, tensors, step),
    trainedOn: engines(path, metadata.trained_on),
  };
}

function engines(path: string, json: string | undefined): readonly string[] {
  if (json === undefined) return [];
  try {
    const kinds: unknown = JSON.parse(json);
    if (Array.isArray(kinds) && kinds.every((kind) => typeof kind === "string")) return kinds;
  } catch {
    // As wrong as another value.
  }
  return failing(path)("trained_on in a checkpoint's metadata must be a JSON array of texts", json);
}

/** The state alone. @throws as `readCheckpoint` does. */
export const loadCheckpoint = async (path: string): Promise<Snapshot> => (await readCheckpoint(path)).state;

/** What is stored of the evaluations. A file may lack what isn't always there: it is NaN then. */
function evaluations(path: string, tensors: ReadonlyMap<string, Stored>, last: number): Metrics[] | null {
  const n = tensors.get(`${EVALUATIONS}step`)?.shape[0];
  if (n === undefined) return null;
  const columns = METRIC_NAMES.map((field) => {
    const name = EVALUATIONS + field;
    return [field, tensors.has(name) || isAlwaysThere(field) ? doubles(path, tensors, name, [n]) : null] as const;
  });
  const rows = Array.from(
    { length: n },
    (_, i) => Object.fromEntries(columns.map(([field, values]) => [field, values?.[i] ?? NaN])) as unknown as Metrics,
  );
  const fail = failing(path), share = (x: number) => x >= 0 && x <= 1;
  for (const [i, { step, trainLoss, trainAcc, valLoss, valAcc }] of rows.entries()) {
    if (!Number.isSafeInteger(step) || step > last || step <= (rows[i - 1]?.step ?? -1)) {
      fail(`the steps of its evaluations must be whole, grow, and end by ${last}`, step);
    }
    if (![trainLoss, valLoss].every(Number.isFinite)) fail(`losses must be finite, as that of step ${step}`, `${trainLoss}, ${valLoss}`);
    if (![trainAcc, valAcc].every(share)) fail(`accuracies must be from 0 to 1, as that of step ${step}`, `${trainAcc}, ${valAcc}`);
  }
  return rows;
}

const failing = (path: string) => (requirement: string, value: unknown): never => {
  throw new Error(`Cannot load ${path}: ${requirement}, current value is ${quote(value)}`);
};

/** The spec that a file was made with, `what` being the kind of file. @throws Error in one line where it isn't one. */
export function storedSpec(path: string, metadata: Metadata, what: string): RunSpec {
  try {
    return runSpec(JSON.parse(metadata.spec) as RunInput);
  } catch (error) {
    throw new Error(`Cannot load ${path}: ${what}'s metadata must have its spec as JSON (${inOneLine(reason(error))})`);
  }
}

const M = "adam.m.", V = "adam.v.", SUMS = "batch_sums", EVALUATIONS = "metrics.", BESIDE = "optimiser.";

/**
 * Fails where there is a tensor that neither this model nor a checkpoint of it has.
 * @param passes whether one may be there all the same
 */
export function mustBeOf(
  path: string,
  tensors: ReadonlyMap<string, Stored>,
  spec: RunSpec,
  passes: (name: string) => boolean = () => false,
): void {
  const own = new Set([...layout(spec).tensors.flatMap(({ name }) => [name, M + name, V + name]), SUMS]);
  const known = (name: string) => own.has(name) || name.startsWith(EVALUATIONS) || name.startsWith(BESIDE) || passes(name);
  const stray = tensors.keys().find((name) => !known(name));
  if (stray !== undefined) throw new Error(`Cannot load ${path}: it holds ${nameOf(stray)}, which this model doesn't have`);
}

/** The parameters, or what is laid out like them, by their names after a prefix. */
export const named = (spec: RunSpec, flat: Float32Array, prefix: string) =>
  layout(spec).tensors.map((tensor) => ({ name: prefix + tensor.name, shape: tensor.dims, values: read(tensor, flat) }));

/** Flat f32[P] of what a file has by the names of the parameters after a prefix. @param numbers reads one tensor. */
export function flatten(
  path: string,
  stored: ReadonlyMap<string, Stored>,
  spec: RunSpec,
  prefix: string,
  numbers: typeof floats = floats,
): Float32Array<ArrayBuffer> {
  const { length, tensors } = layout(spec);
  const flat = new Float32Array(length);
  for (const tensor of tensors) write(tensor, flat, numbers(path, stored, prefix + tensor.name, tensor.dims));
  return flat;
}
