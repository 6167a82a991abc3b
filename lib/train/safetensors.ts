/**
 * Safetensors files, row-major. Written are float32, float64 and int32; read as well are the other types of floats.
 *
 * The format (https://github.com/huggingface/safetensors): the header's length in 8 bytes, little-endian; the header, JSON, padded with
 * spaces to a multiple of 8; the tensors end to end, in the order of their names.
 */
import { reason } from "../run/files.ts";
import { quote } from "../run/quote.ts";

/** A tensor as it lies in a file. */
export interface Stored {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}
export type Metadata = Readonly<Record<string, string>>;
export type Values = Float32Array | Float64Array | Int32Array;
/** What goes into a file. */
export interface Content {
  readonly metadata: Metadata;
  readonly tensors: readonly { readonly name: string; readonly shape: readonly number[]; readonly values: Values }[];
}

/** Bytes of a number, of the types that are read and written. */
const BYTES: Readonly<Record<string, number>> = { F32: 4, F64: 8, I32: 4, F16: 2, BF16: 2 };
/** Numbers of every type of floats as float32. Only those of F64 are rounded. */
const WIDENED: Readonly<Record<string, (bytes: ArrayBuffer) => Float32Array<ArrayBuffer>>> = {
  F32: (bytes) => new Float32Array(bytes),
  F64: (bytes) => Float32Array.from(new Float64Array(bytes)),
  F16: (bytes) => Float32Array.from(new Float16Array(bytes)),
  // The first half of a float32's bits.
  BF16: (bytes) => new Float32Array(Uint32Array.from(new Uint16Array(bytes), (bits) => bits << 16).buffer),
};
const typeOf = (values: Values) => values instanceof Int32Array ? "I32" : values instanceof Float64Array ? "F64" : "F32";

/** The numbers of one tensor that has to be there in this shape. @throws Error in one line where it isn't. */
export function floats(path: string, stored: ReadonlyMap<string, Stored>, name: string, dims: readonly number[]) {
  return new Float32Array(buffer(path, stored, name, ["F32"], dims));
}
/** The same of any type of floats, as float32. */
export function widened(path: string, stored: ReadonlyMap<string, Stored>, name: string, dims: readonly number[]) {
  const bytes = buffer(path, stored, name, Object.keys(WIDENED), dims);
  return WIDENED[stored.get(name)!.dtype](bytes);
}
/** The same for numbers of double precision. */
export function doubles(path: string, stored: ReadonlyMap<string, Stored>, name: string, dims: readonly number[]) {
  return new Float64Array(buffer(path, stored, name, ["F64"], dims));
}
/** The same for whole numbers. */
export function integers(path: string, stored: ReadonlyMap<string, Stored>, name: string, dims: readonly number[]) {
  return new Int32Array(buffer(path, stored, name, ["I32"], dims));
}

function buffer(
  path: string,
  stored: ReadonlyMap<string, Stored>,
  name: string,
  types: readonly string[],
  dims: readonly number[],
): ArrayBuffer {
  const tensor = stored.get(name);
  if (!tensor) throw new Error(`Cannot load ${path}: it must hold ${name} [${dims}], which is missing`);
  const { dtype, shape, bytes } = tensor;
  if (!types.includes(dtype) || shape.join() !== dims.join()) {
    throw new Error(
      `Cannot load ${path}: ${name} must be ${types.join(" or ")} [${dims}], current value is ${quoteType({ dtype, shape })}`,
    );
  }
  return bytes.slice().buffer;
}

/** A tensor's name as it is where it looks like one. */
export const nameOf = (name: string) => /^[\w.]{1,80}$/.test(name) ? name : quote(name);

const quoteType = ({ dtype, shape }: Pick<Stored, "dtype" | "shape">) =>
  `${Object.hasOwn(BYTES, dtype) ? dtype : quote(dtype)} ${shape.length > 8 ? `of ${shape.length} dimensions` : `[${shape}]`}`;

/** The bytes of a file. */
export function encode({ metadata, tensors }: Content): Uint8Array {
  const sorted = tensors.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const header: Record<string, unknown> = { __metadata__: metadata };
  let end = 0;
  for (const { name, shape, values } of sorted) {
    header[name] = { dtype: typeOf(values), shape, data_offsets: [end, end += values.byteLength] };
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
    throw new Error(`Cannot load ${path}: ${reason(error)}`);
  }
  const fail: Fail = (requirement, value) => {
    throw new Error(`Cannot load ${path}: not a whole safetensors file, ${requirement}, current value is ${quote(value)}`);
  };
  if (file.length < 8) fail("it must have at least 8 bytes", file.length);
  const size = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  if (size > file.length - 8) fail(`its header must end within its ${file.length} bytes`, size + 8);
  const { metadata, entries } = headerOf(file.subarray(8, 8 + size), fail);
  const data = file.subarray(8 + size), spans: [number, number][] = [];
  const tensors = new Map(entries.map(([name, entry]) => [name, tensorOf(name, entry, data, spans, fail)]));
  spans.sort(([a, b], [c, d]) => a - c || b - d);
  const end = spans.reduce((end, [from, to]) => (from === end ? to : NaN), 0);
  if (end !== data.length) fail(`its tensors must fill its ${data.length} bytes of data end to end`, spans.at(-1)?.[1] ?? null);
  return { metadata, tensors };
}

type Fail = (requirement: string, value: unknown) => never;
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

function headerOf(bytes: Uint8Array, fail: Fail): { metadata: Metadata; entries: [string, unknown][] } {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    fail("its header must be JSON", new TextDecoder().decode(bytes.subarray(0, 48)));
  }
  if (!isObject(header)) return fail("its header must be an object", header);
  const { __metadata__: metadata = {}, ...entries } = header;
  const strings = isObject(metadata) && Object.values(metadata).every((value) => typeof value === "string");
  if (!strings) return fail("its metadata must be an object of strings", metadata);
  return { metadata: metadata as Metadata, entries: Object.entries(entries) };
}

function tensorOf(name: string, entry: unknown, data: Uint8Array, spans: [number, number][], fail: Fail): Stored {
  const { dtype, shape, data_offsets: span } = isObject(entry) ? entry : {};
  if (typeof dtype !== "string" || !isWholes(shape) || !isWholes(span) || span.length !== 2 || span[0] > span[1]) {
    return fail(`${nameOf(name)} must have dtype, shape and data_offsets`, entry);
  }
  const [from, to] = span, needed = (BYTES[dtype] ?? NaN) * shape.reduce((product, n) => product * n, 1);
  if (Object.hasOwn(BYTES, dtype) && to - from !== needed) {
    fail(`${nameOf(name)} ${quoteType({ dtype, shape })} must have ${needed} bytes`, to - from);
  }
  spans.push([from, to]);
  return { dtype, shape, bytes: data.subarray(from, to) };
}

const isWholes = (list: unknown): list is number[] => Array.isArray(list) && list.every((n) => Number.isSafeInteger(n) && n >= 0);
