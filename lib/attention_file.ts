/**
 * The attention log of a run on disk: one safetensors file, row-major, the spec as JSON in the metadata. Of n readings on N pairs, S in full:
 * `steps` [n], `mean` and `variance` [n, L, H, T query, T key], `entropy` [n, L, H, T query] in nats, `examples` [n, S, L, H, T query, T key];
 * `pairs` [N, (a, b)], the first S of them those of `examples`, and `trains` [N], 1 where a pair trains. Steps, pairs and trains are int32.
 */
import { type AttentionProbe, type AttentionReading, attentionSizes } from "./attention.ts";
import { writeWhole } from "./files.ts";
import { encode, floats, integers, readFile } from "./safetensors.ts";
import { type RunSpec, stableJson } from "./spec.ts";
import { storedSpec } from "./weights.ts";

export interface AttentionLog {
  readonly spec: RunSpec;
  /** In the order of their steps, at least one, all on the same probe set. */
  readonly readings: readonly AttentionReading[];
}

/** Saves a log, whole or not at all; makes the folder. */
export async function saveAttention(path: string, log: AttentionLog): Promise<void> {
  await writeWhole(path, attentionFile(log));
}

/** The bytes of a log's file. @throws Error where its readings don't belong together. */
export function attentionFile({ spec, readings }: AttentionLog): Uint8Array {
  if (readings.length === 0) throw new Error("Cannot store an attention log: it must have at least one reading, it has none");
  const { a, b, trains, full: S } = readings[0].probe, n = readings.length, { L, H, T } = attentionSizes(spec);
  const stray = readings.find(({ probe }) => probe.full !== S || probe.a.join() !== a.join() || probe.b.join() !== b.join());
  if (stray) throw new Error(`Cannot store an attention log: its readings must be of one probe set, that of step ${stray.step} is another`);
  const all = (part: (reading: AttentionReading) => Float32Array, ...dims: number[]) => {
    const values = new Float32Array(dims.reduce((product, dim) => product * dim, n));
    readings.forEach((reading, i) => values.set(part(reading), i * (values.length / n)));
    return { shape: [n, ...dims], values };
  };
  return encode({
    metadata: { spec: stableJson(spec) },
    tensors: [
      { name: "steps", shape: [n], values: Int32Array.from(readings, ({ step }) => step) },
      { name: "mean", ...all(({ mean }) => mean, L, H, T, T) },
      { name: "variance", ...all(({ variance }) => variance, L, H, T, T) },
      { name: "entropy", ...all(({ entropy }) => entropy, L, H, T) },
      { name: "examples", ...all(({ examples }) => examples, S, L, H, T, T) },
      { name: "pairs", shape: [a.length, 2], values: Int32Array.from([...a].flatMap((a, i) => [a, b[i]])) },
      { name: "trains", shape: [a.length], values: Int32Array.from(trains, Number) },
    ],
  });
}

/** The log in a file. @throws Error in one line where the file is not there, not safetensors, or not a log of the spec in its metadata. */
export async function loadAttention(path: string): Promise<AttentionLog> {
  const { metadata, tensors } = await readFile(path);
  const spec = storedSpec(path, metadata, "an attention log"), { L, H, T } = attentionSizes(spec);
  const length = (name: string, axis: number) => tensors.get(name)?.shape[axis] ?? 0;
  const n = length("steps", 0), N = length("pairs", 0), S = length("examples", 1);
  const pairs = integers(path, tensors, "pairs", [N, 2]), trains = integers(path, tensors, "trains", [N]);
  const column = (i: number) => Uint32Array.from({ length: N }, (_, pair) => pairs[2 * pair + i]);
  const probe: AttentionProbe = { a: column(0), b: column(1), trains: Array.from(trains, Boolean), full: S };
  /** The part of each reading. */
  const parts = (name: string, ...dims: number[]) => {
    const values = floats(path, tensors, name, [n, ...dims]), each = values.length / n;
    return (i: number) => values.slice(i * each, (i + 1) * each);
  };
  const mean = parts("mean", L, H, T, T), variance = parts("variance", L, H, T, T), entropy = parts("entropy", L, H, T);
  const examples = parts("examples", S, L, H, T, T);
  const steps = integers(path, tensors, "steps", [n]);
  const readings = Array.from(steps, (step, i): AttentionReading => {
    return { step, probe, mean: mean(i), variance: variance(i), entropy: entropy(i), examples: examples(i) };
  });
  return { spec, readings };
}
