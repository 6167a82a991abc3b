/**
 * Safetensors files, of float32 and int32 tensors, row-major.
 *
 * The format (https://github.com/huggingface/safetensors): the header's length in 8 bytes, little-endian; the header, JSON, padded with
 * spaces to a multiple of 8; the tensors end to end, in the order of their names.
 */

/** A tensor as it lies in a file. */
export interface Stored {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}
export type Metadata = Readonly<Record<string, string>>;
/** What goes into a file. */
export interface Content {
  readonly metadata: Metadata;
  readonly tensors: readonly { readonly name: string; readonly shape: readonly number[]; readonly values: Float32Array | Int32Array }[];
}

/** The numbers of one tensor that has to be there in this shape. @throws Error in one line where it isn't. */
export function floats(path: string, stored: ReadonlyMap<string, Stored>, name: string, dims: readonly number[]) {
  return new Float32Array(buffer(path, stored, name, "F32", dims));
}
/** The same for whole numbers. */
export function integers(path: string, stored: ReadonlyMap<string, Stored>, name: string, dims: readonly number[]) {
  return new Int32Array(buffer(path, stored, name, "I32", dims));
}

function buffer(path: string, stored: ReadonlyMap<string, Stored>, name: string, type: string, dims: readonly number[]): ArrayBuffer {
  const tensor = stored.get(name);
  if (!tensor) throw new Error(`Cannot load ${path}: it must hold ${name} [${dims}], which is missing`);
  const { dtype, shape, bytes } = tensor;
  if (dtype !== type || shape.join() !== dims.join()) {
    throw new Error(`Cannot load ${path}: ${name} must be ${type} [${dims}], current value is ${dtype} [${shape}]`);
  }
  return bytes.slice().buffer;
}

/** The bytes of a file. */
export function encode({ metadata, tensors }: Content): Uint8Array {
  const sorted = tensors.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const header: Record<string, unknown> = { __metadata__: metadata };
  let end = 0;
  for (const { name, shape, values } of sorted) {
    header[name] = { dtype: values instanceof Int32Array ? "I32" : "F32", shape, data_offsets: [end, end += values.byteLength] };
  }
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

/** What is in a file. @throws Error in one line where it is not there, or not a whole safetensors file. */
export async function readFile(path: string): Promise<{ metadata: Metadata; tensors: ReadonlyMap<string, Stored> }> {
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
    if (["F32", "I32"].includes(dtype) && span[1] - span[0] !== needed) {
      fail(`${name} ${dtype} [${shape}] must have ${needed} bytes`, span[1] - span[0]);
    }
    tensors.set(name, { dtype, shape, bytes });
    spans.push(span);
  }
  const end = spans.sort(([a], [b]) => a - b).reduce((end, [from, to]) => (from === end ? to : NaN), 0);
  if (end !== data.length) fail(`its tensors must fill its ${data.length} bytes of data end to end`, spans.at(-1)?.[1]);
  return { metadata: metadata as Metadata, tensors };
}
