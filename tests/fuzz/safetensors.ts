/**
 * Damaged safetensors files and folders of checkpoints, read by all that reads them. Whatever is in a file, it is loaded or refused in one
 * short line, and nothing is written.
 */
import { join } from "node:path";
import { runSpec } from "../../lib/run/spec.ts";
import { readRequest } from "../../lib/cli/request.ts";
import { loadAttention, saveAttention } from "../../lib/train/attention_file.ts";
import { CheckpointFolder, metricsBeside, readSeed, seedFile } from "../../lib/train/checkpoints.ts";
import { metricsCsv } from "../../lib/train/metrics_csv.ts";
import { snapshotOf, train } from "../../lib/train/train.ts";
import { hookedConfig, hookedFile } from "../../lib/train/hooked.ts";
import { importWeights } from "../../lib/train/hooked_import.ts";
import { encode, readFile } from "../../lib/train/safetensors.ts";
import { loadWeights, readCheckpoint, saveCheckpoint } from "../../lib/train/weights.ts";
import { fakeEngine } from "../fake_engine.ts";
import type { Chance, Finding } from "./finding.ts";

/** Texts that are no part of any format, or too much of it. */
const NASTY = [
  "\u001b[2J\u001b[31m",
  "a\nb\r\nc",
  "\u202egnp.exe",
  "x".repeat(100_000),
  "__proto__",
  "toString",
  "",
  "\u0000",
  "../../victim",
];
const NUMBERS = [-1, 0.5, 1e300, 2 ** 53, 2 ** 32, null, true, "1", [], {}, 0];
const TYPES = ["F64", "I32", "F16", "", "toString", "\u001b[31m", 5, null];

/** The seed's spec, whole files of each kind, and their bytes. */
async function originals(folder: string) {
  const spec = runSpec({
    preset: "one-layer",
    seed: 3,
    model: { dModel: 4, heads: 2, dMlp: 4 },
    data: { prime: 5, trainFraction: 0.5 },
    schedule: { steps: 60, evalEvery: 10 },
  });
  const readings: Parameters<typeof saveAttention>[1]["readings"][number][] = [];
  const [run] = await train([spec], {
    engine: fakeEngine({ groksAt: () => 30 }),
    attention: {},
    onProgress: (news) => news.forEach(({ attention }) => attention && readings.push(attention)),
  });
  const checkpoint = join(folder, "checkpoint"), attention = join(folder, "attention"), hooked = join(folder, "hooked");
  await saveCheckpoint(checkpoint, run.snapshot!, run.metrics);
  await saveAttention(attention, { spec, readings });
  const csv = new TextEncoder().encode(metricsCsv([{ seed: 3, metrics: run.metrics }]));
  await Deno.writeFile(hooked, hookedFile(spec, run.snapshot!.params));
  await Deno.writeFile(hooked, await foreign(hooked));
  const config = new TextEncoder().encode(JSON.stringify(hookedConfig(spec)));
  return { spec, bytes: await Promise.all([checkpoint, attention, hooked].map((path) => Deno.readFile(path))), csv, config };
}

/** A state dict as TransformerLens leaves it: no spec, but buffers. */
async function foreign(path: string): Promise<Uint8Array> {
  const own = [...(await readFile(path)).tensors].map(([name, { shape, bytes }]) => {
    return { name, shape, values: new Float32Array(bytes.slice().buffer) };
  });
  const mask = { name: "blocks.0.attn.mask", shape: [0, 0], values: new Float32Array(0) };
  const tensors = [...own, mask, { name: "blocks.0.attn.IGNORE", shape: [], values: Float32Array.of(-Infinity) }];
  return encode({ metadata: {}, tensors });
}

/** One way to damage bytes: at random places, or in the header as JSON. */
function damaged(random: Chance, bytes: Uint8Array): Uint8Array {
  const whole = bytes.slice(), size = Number(new DataView(whole.buffer).getBigUint64(0, true));
  const pick = <T>(from: readonly T[]) => from[random.below(from.length)];
  switch (random.below(8)) {
    case 0:
      return whole.subarray(0, random.below(whole.length));
    case 1:
      return new Uint8Array([...whole, ...new Uint8Array(1 + random.below(16))]);
    case 2:
      for (let i = 1 + random.below(8); i > 0; i--) whole[random.below(whole.length)] = random.below(256);
      return whole;
    case 3:
      // In the header alone, where it hurts most.
      for (let i = 1 + random.below(4); i > 0; i--) whole[random.below(8 + size)] = random.below(256);
      return whole;
    case 4:
      new DataView(whole.buffer).setBigUint64(
        0,
        pick([0n, 1n, 7n, BigInt(size) + 1n, 2n ** 63n, 2n ** 64n - 1n, BigInt(whole.length)]),
        true,
      );
      return whole;
    default: {
      const header = JSON.parse(new TextDecoder().decode(whole.subarray(8, 8 + size)));
      for (let i = 1 + random.below(2); i > 0; i--) damageHeader(random, pick, header);
      const text = new TextEncoder().encode(JSON.stringify(header)), file = new Uint8Array(8 + text.length + whole.length - 8 - size);
      new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
      file.set(text, 8);
      file.set(whole.subarray(8 + size), 8 + text.length);
      return file;
    }
  }
}

// deno-lint-ignore no-explicit-any
function damageHeader(random: Chance, pick: <T>(from: readonly T[]) => T, header: any): void {
  const names = Object.keys(header).filter((name) => name !== "__metadata__"), name = pick(names);
  const objectOr = (value: unknown) => typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
  const entry = objectOr(header[name]), metadata = objectOr(header.__metadata__);
  switch (random.below(9)) {
    case 0:
      return void delete header[name];
    case 1:
      return void (header[pick(NASTY)] = entry);
    case 2:
      return void (header[name] = pick([...NUMBERS, ...NASTY]));
    case 3:
      return void (entry.dtype = pick(TYPES));
    case 4:
      return void (entry.shape = pick<unknown>([[], [0], [1e9, 1e9], [-1], Array(5000).fill(1), [pick(NUMBERS)], "4", null]));
    case 5:
      return void (entry.data_offsets = pick<unknown>([[], [0], [4, 0], [0, 1e15], [pick(NUMBERS), pick(NUMBERS)], null]));
    case 6:
      return void (header.__metadata__ = pick<unknown>([null, [], 5, {}, { ...metadata, spec: pick(NASTY) }, {
        ...metadata,
        step: pick(NUMBERS),
      }]));
    case 7: {
      metadata.step = pick<unknown>(["-1", "1e3", "60.5", "61", "999999999999999", "0", "30", ...NASTY]);
      return;
    }
    default: {
      const spec = typeof metadata.spec === "string" && metadata.spec.startsWith("{") ? JSON.parse(metadata.spec) : {};
      const part = pick(["model", "data", "optim", "schedule"]), fields = Object.keys(spec[part] ?? {});
      if (fields.length > 0 && random.below(4) > 0) spec[part][pick(fields)] = pick<unknown>([...NUMBERS, ...NASTY]);
      else spec[pick(["seed", "preset", part, pick(NASTY)])] = pick<unknown>([...NUMBERS, ...NASTY]);
      metadata.spec = JSON.stringify(spec);
    }
  }
}

/** A file of metrics with lines lost, repeated, swapped or garbled. */
function damagedCsv(random: Chance, bytes: Uint8Array): Uint8Array {
  const lines = new TextDecoder().decode(bytes).split("\n"), at = random.below(lines.length), other = random.below(lines.length);
  switch (random.below(6)) {
    case 0:
      lines.splice(at, 1);
      break;
    case 1:
      lines.splice(at, 0, lines[other]);
      break;
    case 2:
      [lines[at], lines[other]] = [lines[other], lines[at]];
      break;
    case 3:
      lines[at] = NASTY[random.below(NASTY.length)];
      break;
    case 4:
      lines[at] = lines[at].replace(/\d+/, NASTY[random.below(NASTY.length)]);
      break;
    default:
      lines[at] = lines[at].slice(0, random.below(lines[at].length + 1));
  }
  return new TextEncoder().encode(lines.join("\n"));
}

/** A config with a value that is another, or lost, or no JSON any more. */
function damagedConfig(random: Chance, bytes: Uint8Array): Uint8Array {
  const text = new TextDecoder().decode(bytes),
    config = JSON.parse(text),
    names = Object.keys(config),
    name = names[random.below(names.length)];
  const values: readonly unknown[] = [undefined, ...NUMBERS, ...NASTY, "LN", "gelu_new", "bidirectional"];
  if (random.below(4) === 0) return bytes.subarray(0, random.below(bytes.length));
  if (random.below(4) === 0) return new TextEncoder().encode(JSON.stringify(values[random.below(values.length)] ?? config));
  config[random.below(4) === 0 ? "attn_scale" : name] = values[random.below(values.length)];
  return new TextEncoder().encode(JSON.stringify(config));
}

/** What a state dict's tensors don't tell, and what a config may tell. */
const TOLD = [
  "--operation",
  "x_plus_y",
  "--pooling",
  "last",
  "--train-fraction",
  "0.5",
  "--norm",
  "none",
  "--mask",
  "causal",
  "--activation",
  "relu",
];

/** What is wrong with how something was refused; `null` where nothing is. */
export function faultOf(error: unknown): string | null {
  if (!(error instanceof Error)) return `threw ${String(error)}`;
  if (error.constructor !== Error) return `internal error: ${error.stack}`;
  const { message } = error;
  // deno-lint-ignore no-control-regex
  if (/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]/.test(message)) {
    return `control characters in: ${JSON.stringify(message.slice(0, 300))}`;
  }
  if (message.length > 1000) return `a message of ${message.length} characters: ${message.slice(0, 200)}`;
  if (!/^Cannot /.test(message)) return `doesn't say what it can't do: ${message}`;
  return null;
}

const names = async (folder: string) => (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).sort().join();

/**
 * Reads `count` damaged files, each as weights, as a state dict of TransformerLens, as a checkpoint, as an attention log, and as a part of
 * a folder of checkpoints.
 * @param random decides what is damaged; the same gives the same files
 */
export async function* safetensors(random: Chance, count: number): AsyncIterable<Finding> {
  const folder = await Deno.makeTempDir({ prefix: "fuzz-" }), saved = join(folder, "saved");
  try {
    const { spec, bytes, csv, config } = await originals(folder);
    await Deno.mkdir(saved);
    for (let i = 0; i < count; i++) {
      // Every fifth has its evaluations beside the states, as earlier versions left them.
      const beside = random.below(5) === 0, file = beside ? damagedCsv(random, csv) : damaged(random, bytes[[0, 0, 1, 2][random.below(4)]]);
      const path = seedFile(saved, 3);
      if (beside) await saveCheckpoint(path, { ...snapshotOf(spec), step: 60 });
      await Deno.writeFile(beside ? metricsBeside(saved) : path, file);
      // Every fourth time, a config beside a whole state dict says what flags say otherwise.
      const told = random.below(4) > 0 ? TOLD : TOLD.slice(0, 6);
      if (told !== TOLD) {
        await Deno.writeFile(path, bytes[2]);
        await Deno.writeFile(path.replace(/safetensors$/, "json"), damagedConfig(random, config));
      }
      const before = await names(saved);
      const readers: Record<string, () => Promise<unknown>> = {
        weights: () => loadWeights(path, spec),
        init: () => importWeights(path, spec),
        hooked: () => readRequest(["--from-hooked", path, ...told]),
        checkpoint: () => readCheckpoint(path).then(sound),
        attention: () => loadAttention(path),
        seed: () => readSeed(saved, 3).then(sound),
        resume: () => readRequest(["--resume", saved, "--steps", "70"]),
        folder: async () => (await CheckpointFolder.open(saved, { specs: [{ ...spec, seed: 4 }], resumed: new Map() }))[Symbol.dispose](),
      };
      for (const [what, read] of Object.entries(readers)) {
        const fault = await read().then(() => null, faultOf);
        if (fault) yield { input: `file ${i} as ${what}`, problem: fault };
      }
      if (await names(saved) !== before) yield { input: `file ${i}`, problem: `left ${await names(saved)} where ${before} was` };
      await Deno.remove(metricsBeside(saved)).catch(() => {});
      await Deno.remove(path.replace(/safetensors$/, "json")).catch(() => {});
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** What is loaded can be trained on: its numbers are in order. */
function sound({ state, metrics }: Awaited<ReturnType<typeof readCheckpoint>>): void {
  const rows = metrics ?? [];
  const bad = rows.find(({ step, trainLoss, trainAcc }, i) =>
    step <= (rows[i - 1]?.step ?? -1) || step > Math.max(60, state.step) || !Number.isFinite(trainLoss) || !(trainAcc >= 0 && trainAcc <= 1)
  );
  if (bad) throw new TypeError(`took the evaluation ${JSON.stringify(bad)}`);
}
