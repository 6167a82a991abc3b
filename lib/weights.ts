/**
 * Weights and checkpoints on disk: safetensors with TransformerLens names, row-major, float32, the spec as JSON in the metadata.
 *
 * The format (https://github.com/huggingface/safetensors): the header's length in 8 bytes, little-endian; the header, JSON, padded with
 * spaces to a multiple of 8; the tensors end to end, in the order of their names.
 */
import { writeWhole } from "./files.ts";
import { layout, read, write } from "./layout.ts";
import { type RunInput, type RunSpec, runSpec, stableJson } from "./spec.ts";
import type { Snapshot } from "./trainer.ts";

/** Saves flat parameters f32[P] under their names, whole or not at all; makes the folder. */
export async function saveWeights(path: string, spec: RunSpec, flat: Float32Array): Promise<void> {
  await writeWhole(path, encode({ metadata: { spec: stableJson(spec) }, tensors: named(spec, flat, "") }));
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
  let spec: RunSpec;
  try {
    spec = runSpec(JSON.parse(metadata.spec) as RunInput);
  } catch (error) {
    throw new Error(`Cannot load ${path}: a checkpoint's metadata must have its spec as JSON (${(error as Error).message})`);
  }
  const batchSums = values(path, tensors, SUMS, [3]);
  const [params, m, v] = ["", M, V].map((prefix) => flatten(path, tensors, spec, prefix));
  return { spec, step, params, m, v, batchSums };
}

const M = "adam.m.", V = "adam.v.", SUMS = "batch_sums";

interface Stored {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}
type Metadata = Readonly<Record<string, string>>;
interface Content {
  readonly metadata: Metadata;
  readonly tensors: readonly { readonly name: string; readonly shape: readonly number[]; readonly values: Float32Array }[];
}

const named = (spec: RunSpec, flat: Float32Array, prefix: string) =>
  layout(spec).tensors.map((tensor) => ({ name: prefix + tensor.name, shape: tensor.dims, values: read(tensor, flat) }));

function flatten(path: string, stored: ReadonlyMap<string, Stored>, spec: RunSpec, prefix: string): Float32Array<ArrayBuffer> {
  const { length, tensors } = layout(spec);
  const flat = new Float32Array(length);
  for (const tensor of tensors) write(tensor, flat, values(path, stored, prefix + tensor.name, tensor.dims));
  return flat;
}

/** The floats of one tensor that has to be there in this shape. */
function values(path: string, stored: ReadonlyMap<string, Stored>, name: string, dims: readonly number[]): Float32Array<ArrayBuffer> {
  const tensor = stored.get(name);
  if (!tensor) throw new Error(`Cannot load ${path}: it must hold ${name} [${dims}], which is missing`);
  const { dtype, shape, bytes } = tensor;
  if (dtype !== "F32" || shape.join() !== dims.join()) {
    throw new Error(`Cannot load ${path}: ${name} must be F32 [${dims}], current value is ${dtype} [${shape}]`);
  }
  return new Float32Array(bytes.slice().buffer);
}

function encode({ metadata, tensors }: Content): Uint8Array {
  const sorted = tensors.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const header: Record<string, unknown> = { __metadata__: metadata };
  let end = 0;
  for (const { name, shape, values } of sorted) header[name] = { dtype: "F32", shape, data_offsets: [end, end += values.byteLength] };
  const json = new TextEncoder().encode(JSON.stringify(header));
  const data = 8 + Math.ceil(json.length / 8) * 8;
  const file = new Uint8Array(data + end).fill(" ".charCodeAt(0), 8, data);
  new DataView(file.buffer).setBigUint64(0, BigInt(data - 8), true);
  file.set(json, 8);
  let at = data;
  for (const { values: { buffer, byteOffset, byteLength } } of sorted) {
    file.set(new Uint8Array(buffer, byteOffset, byteLength), at);
    at += byteLength;
  }
  return file;
}

async function readFile(path: string): Promise<{ metadata: Metadata; tensors: ReadonlyMap<string, Stored> }> {
  let file: Uint8Array;
  try {
    file = await Deno.readFile(path);
  } catch (error) {
    throw new Error(`Cannot load ${path}: ${(error as Error).message}`);
  }
  const fail = (requirement: string, value: unknown): never => {
    throw new Error(
      `Cannot load ${path}: not a whole safetensors file, ${requirement}, current value is ${JSON.stringify(value) ?? "none"}`,
    );
  };
  if (file.length < 8) fail("it must have at least 8 bytes", file.length);
  const size = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  if (size > file.length - 8) fail(`its header must end within its ${file.length} bytes`, size + 8);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(file.subarray(8, 8 + size)));
  } catch {
    fail("its header must be JSON", new TextDecoder().decode(file.subarray(8, Math.min(8 + size, 48))));
  }
  if (typeof header !== "object" || header === null || Array.isArray(header)) fail("its header must be an object", header);
  const { __metadata__: metadata = {}, ...entries } = header as Record<string, unknown>;
  if (typeof metadata !== "object" || metadata === null) fail("its metadata must be an object", metadata);
  const data = file.subarray(8 + size);
  const tensors = new Map<string, Stored>();
  const spans: [number, number][] = [];
  for (const [name, entry] of Object.entries(entries)) {
    const { dtype, shape, data_offsets: span } = (entry ?? {}) as { dtype: string; shape: number[]; data_offsets: [number, number] };
    const wholes = (list: unknown) => Array.isArray(list) && list.every((n) => Number.isSafeInteger(n) && n >= 0);
    if (typeof dtype !== "string" || !wholes(shape) || !wholes(span) || span.length !== 2 || span[0] > span[1]) {
      fail(`${name} must have dtype, shape and data_offsets`, entry);
    }
    const bytes = data.subarray(...span), needed = 4 * shape.reduce((product, n) => product * n, 1);
    if (dtype === "F32" && span[1] - span[0] !== needed) fail(`${name} F32 [${shape}] must have ${needed} bytes`, span[1] - span[0]);
    tensors.set(name, { dtype, shape, bytes });
    spans.push(span);
  }
  const end = spans.sort(([a], [b]) => a - b).reduce((end, [from, to]) => (from === end ? to : NaN), 0);
  if (end !== data.length) fail(`its tensors must fill its ${data.length} bytes of data end to end`, spans.at(-1)?.[1]);
  return { metadata: metadata as Metadata, tensors };
}
