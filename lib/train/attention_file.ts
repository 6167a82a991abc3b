/**
 * The attention log of a run on disk: one safetensors file, row-major, the spec as JSON in the metadata. Of n readings on N pairs, S in
 * full: `steps` [n], `mean` and `variance` [n, L, H, T query, T key], `entropy` [n, L, H, T query] in nats, `examples` [n, S, L, H, T
 * query, T key]; `pairs` [N, (a, b)], the first S of them those of `examples`, and `trains` [N], 1 where a pair trains. Where only some
 * readings have examples, `example_steps` says which, and `examples` has no others. Steps, pairs and trains are int32.
 */
import { type AttentionProbe, type AttentionReading, attentionSizes, sameProbe } from "../run/attention.ts";
import { writeWhole } from "../run/files.ts";
import { encode, floats, integers, readFile } from "./safetensors.ts";
import { type RunSpec, stableJson } from "../run/spec.ts";
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
  const { a, b, trains, full: S } = readings[0].probe, { L, H, T } = attentionSizes(spec);
  const stray = readings.find(({ probe }) => !sameProbe(probe, readings[0].probe));
  if (stray) throw new Error(`Cannot store an attention log: its readings must be of one probe set, that of step ${stray.step} is another`);
  const shown = S === 0 ? readings : readings.filter(({ examples }) => examples.length > 0);
  const all = (of: readonly AttentionReading[], part: (reading: AttentionReading) => Float32Array, ...dims: number[]) => {
    const each = dims.reduce((product, dim) => product * dim, 1), values = new Float32Array(of.length * each);
    of.forEach((reading, i) => values.set(part(reading), i * each));
    return { shape: [of.length, ...dims], values };
  };
  const steps = (of: readonly AttentionReading[]) => ({ shape: [of.length], values: Int32Array.from(of, ({ step }) => step) });
  return encode({
    metadata: { spec: stableJson(spec) },
    tensors: [
      { name: "steps", ...steps(readings) },
      { name: "mean", ...all(readings, ({ mean }) => mean, L, H, T, T) },
      { name: "variance", ...all(readings, ({ variance }) => variance, L, H, T, T) },
      { name: "entropy", ...all(readings, ({ entropy }) => entropy, L, H, T) },
      { name: "examples", ...all(shown, ({ examples }) => examples, S, L, H, T, T) },
      ...shown.length < readings.length ? [{ name: "example_steps", ...steps(shown) }] : [],
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
  const parts = (name: string, count: number, ...dims: number[]) => {
    const each = dims.reduce((product, dim) => product * dim, 1), values = floats(path, tensors, name, [count, ...dims]);
    return (i: number) => i < 0 ? new Float32Array() : values.slice(i * each, (i + 1) * each);
  };
  const mean = parts("mean", n, L, H, T, T), variance = parts("variance", n, L, H, T, T), entropy = parts("entropy", n, L, H, T);
  const steps = integers(path, tensors, "steps", [n]), k = length("examples", 0);
  const shown = tensors.has("example_steps") ? integers(path, tensors, "example_steps", [k]) : steps;
  const examples = parts("examples", shown.length, S, L, H, T, T);
  const readings = Array.from(steps, (step, i): AttentionReading => {
    return { step, probe, mean: mean(i), variance: variance(i), entropy: entropy(i), examples: examples(shown.indexOf(step)) };
  });
  return { spec, readings };
}
