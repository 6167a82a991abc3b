/** What a command line of `deno task train` asks for: read, checked against the files it names, nothing written yet. */
import { join } from "node:path";
import { type RuleName, RULES } from "../run/grokking.ts";
import { parseMetrics } from "../lab/metrics.ts";
import { PRESETS, type RunInput, type RunSpec, runSpec } from "../run/spec.ts";
import { type EngineName, ENGINES } from "../train/train.ts";
import type { Metrics, Snapshot } from "../engine/engine.ts";
import { loadCheckpoint, loadWeights } from "../train/weights.ts";
import { exists, mustBeFile, mustBeFolder, readJson, readText } from "./files.ts";
import { choice, FIELD_FLAGS, fieldHelp, type Flag, flagHelp, type Given, inputOf, parse, seedsOf } from "./flags.ts";

const SETTING: Record<string, Flag> = {
  "preset": { value: "NAME", help: `${Object.keys(PRESETS).join(", ")} [ai-scientist]` },
  "config": { value: "FILE.json", help: 'what differs from the preset, e.g. {"preset": "nanda", "optim": {"lr": 0.003}}' },
  "seeds": { value: "LIST", help: "0,1,2 or 0..9: one run per seed, trained together [the preset's seed]" },
  "seed": { value: "N", help: "the same for one seed" },
};
const TRAINING: Record<string, Flag> = {
  "until-grokked": { help: "end each run soon after it has grokked (at a multiple of 100 updates) instead of after all its steps" },
  "rule": {
    value: "NAME",
    help: "what counts as grokked: first (validation accuracy above 99 %) or sustained (ten evaluations in a row at 95 % or more) [first]",
  },
  "engine": { value: "NAME", help: "webgpu, or tfjs (TensorFlow.js: slower, needs no adapter) [webgpu]" },
  "init": { value: "FILE.safetensors", help: "initial weights, the same for all seeds" },
  "resume": {
    value: "DIR",
    help: "go on from a folder of checkpoints, bit for bit; the setting and the seeds are theirs, --steps may be raised",
  },
};
const OUTPUT: Record<string, Flag> = {
  "metrics": { value: "FILE.csv", help: "evaluations, a row each; of a resumed run, the earlier ones too" },
  "save": { value: "DIR", help: "weights at the end, DIR/seed_S.safetensors" },
  "save-init": { value: "DIR", help: "weights before the first update, DIR/seed_S.safetensors" },
  "checkpoint": { value: "DIR", help: "all that --resume needs: every minute, on Ctrl-C, and at the end" },
  "dump-data": { value: "FILE.csv", help: "the pairs of every seed: seed,split,a,b,target" },
  "json": { help: "a summary on stdout for programs" },
  "help": { help: "this text, with the defaults of the preset that is given" },
};
const FLAGS = { ...FIELD_FLAGS, ...SETTING, ...TRAINING, ...OUTPUT };

export interface Request {
  readonly specs: readonly RunSpec[];
  readonly engine: EngineName;
  readonly untilGrokked: boolean;
  readonly rule: RuleName;
  /** Initial weights f32[P] from `--init`. */
  readonly init?: Float32Array<ArrayBuffer>;
  /** States by seed from `--resume`. */
  readonly resume: ReadonlyMap<number, Snapshot>;
  /** Evaluations by seed up to those states. */
  readonly history: ReadonlyMap<number, readonly Metrics[]>;
  readonly metrics?: string;
  readonly save?: string;
  readonly saveInit?: string;
  readonly checkpoint?: string;
  readonly dumpData?: string;
  readonly json: boolean;
}

/** The request, or the help where that is asked for. @throws Error in one line for all that can't be. */
export async function readRequest(args: readonly string[]): Promise<Request | string> {
  const given = parse(args, FLAGS);
  const text = (name: string) => given.get(name) as string | undefined;
  const flags = inputOf(given);
  const file = text("config") === undefined ? {} : await readJson("--config", text("config")!) as RunInput;
  if (given.has("help")) return help(runSpec(over(file, flags)));
  for (const [one, other] of [["resume", "init"], ["resume", "save-init"], ["resume", "preset"], ["seed", "seeds"]]) {
    if (given.has(one) && given.has(other)) throw new Error(`Cannot use --${one} and --${other} together: must be one of them`);
  }
  const engine = choice("engine", text("engine") ?? "webgpu", ENGINES);
  const rule = choice("rule", text("rule") ?? "first", Object.keys(RULES) as RuleName[]);

  const resume = await checkpoints(text("resume"), given);
  const seeds = seedsGiven(given) ?? (resume.size > 0 ? [...resume.keys()] : [runSpec(over(file, flags)).seed]);
  const specs = seeds.map((seed) => resumed(resume.get(seed), { ...over(file, flags), seed }));
  const init = text("init") === undefined ? undefined : await initial(text("init")!, specs[0]);
  return {
    specs,
    engine,
    untilGrokked: given.has("until-grokked"),
    rule,
    resume,
    history: await earlier(resume, text("resume"), text("metrics")),
    json: given.has("json"),
    ...init && { init },
    ...paths(given),
  };
}

function paths(given: Given) {
  const names = { metrics: "metrics", save: "save", saveInit: "save-init", checkpoint: "checkpoint", dumpData: "dump-data" } as const;
  const entries = Object.entries(names).flatMap(([key, flag]) => given.has(flag) ? [[key, given.get(flag)]] : []);
  return Object.fromEntries(entries) as { [K in keyof typeof names]?: string };
}

/** The file's input with the flags over it, field by field. */
function over(file: RunInput, flags: RunInput): RunInput {
  const part = (name: "model" | "data" | "optim" | "schedule") => {
    const from: unknown = file[name] ?? {};
    if (typeof from !== "object" || Array.isArray(from)) {
      throw new Error(`Cannot read --config: ${name} must be an object, current value is ${JSON.stringify(from)}`);
    }
    return { ...from, ...flags[name] };
  };
  const preset = flags.preset ?? file.preset;
  if (preset !== undefined && !Object.hasOwn(PRESETS, preset)) {
    throw new Error(
      `Cannot use this run: preset must be one of ${Object.keys(PRESETS).join(", ")}, current value is ${JSON.stringify(preset)}`,
    );
  }
  return { ...file, ...flags, model: part("model"), data: part("data"), optim: part("optim"), schedule: part("schedule") };
}

function seedsGiven(given: Given): number[] | undefined {
  const text = given.get("seeds") ?? given.get("seed");
  return typeof text === "string" ? seedsOf(text) : undefined;
}

async function initial(path: string, spec: RunSpec): Promise<Float32Array<ArrayBuffer>> {
  await mustBeFile("--init", path);
  return await loadWeights(path, spec);
}

/** The file of a seed in a folder of weights or checkpoints. */
export const seedFile = (folder: string, seed: number) => join(folder, `seed_${seed}.safetensors`);
/** The evaluations that lie beside checkpoints. */
export const metricsBeside = (folder: string) => join(folder, "metrics.csv");

/** The checkpoints of the seeds asked for, or of all there are. */
async function checkpoints(folder: string | undefined, given: Given): Promise<Map<number, Snapshot>> {
  if (folder === undefined) return new Map();
  await mustBeFolder("--resume", folder);
  const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name.match(/^seed_(\d+)\.safetensors$/)?.[1]);
  const there = names.filter((seed) => seed !== undefined).map(Number).sort((a, b) => a - b);
  const seeds = seedsGiven(given) ?? there;
  const missing = seeds.filter((seed) => !there.includes(seed));
  if (missing.length > 0) {
    throw new Error(`Cannot resume from ${folder}: must have a checkpoint of every seed, there is none of ${missing.join(", ")}`);
  }
  if (seeds.length === 0) throw new Error(`Cannot resume from ${folder}: must have files seed_S.safetensors, there are none`);
  return new Map(await Promise.all(seeds.map(async (seed) => [seed, await loadCheckpoint(seedFile(folder, seed))] as const)));
}

/** The spec of a run: that of its checkpoint, of which only the schedule may change; without one, that of the input. */
function resumed(checkpoint: Snapshot | undefined, input: RunInput): RunSpec {
  if (!checkpoint) return runSpec(input);
  const { spec, step } = checkpoint;
  for (const part of ["model", "data", "optim"] as const) {
    for (const [field, value] of Object.entries(input[part] ?? {})) {
      const saved = (spec[part] as unknown as Record<string, unknown>)[field];
      if (value !== saved) {
        throw new Error(
          `Cannot resume seed ${spec.seed}: ${field} must be ${JSON.stringify(saved)} as in its checkpoint, current value is ${
            JSON.stringify(value)
          }`,
        );
      }
    }
  }
  const { preset: _, ...rest } = input;
  const whole = runSpec({
    ...rest,
    model: spec.model,
    data: spec.data,
    optim: spec.optim,
    schedule: { ...spec.schedule, ...input.schedule },
  });
  if (whole.schedule.steps < step) {
    throw new Error(
      `Cannot resume seed ${spec.seed}: steps must be at least the ${step} of its checkpoint, current value is ${whole.schedule.steps}`,
    );
  }
  return whole;
}

/** The evaluations before the checkpoints: from beside them, or else from the file that is to hold the metrics. */
async function earlier(resume: ReadonlyMap<number, Snapshot>, folder?: string, metrics?: string): Promise<Map<number, readonly Metrics[]>> {
  if (folder === undefined) return new Map();
  const beside = metricsBeside(folder);
  const from = await exists(beside) ? beside : metrics !== undefined && await exists(metrics) ? metrics : undefined;
  if (from === undefined) return new Map();
  let seeds;
  try {
    seeds = parseMetrics(await readText("earlier metrics", from));
  } catch (error) {
    throw new Error(`Cannot resume with the metrics in ${from}: ${(error as Error).message}`);
  }
  return new Map([...resume].map(([seed, { step }]) => [seed, (seeds.get(seed) ?? []).filter((row) => row.step <= step)]));
}

function help(spec: RunSpec): string {
  const groups = [flagHelp("Setting", Object.entries(SETTING)), fieldHelp(spec)];
  groups.push(flagHelp("Training", Object.entries(TRAINING)), flagHelp("Output", Object.entries(OUTPUT)));
  return `Trains small transformers, all seeds at once, and watches for the step at which they grok.

  deno task train [--preset NAME] [--config FILE.json] [flags]

Flags win over the file, which wins over the preset. Values in brackets hold unless changed.

${groups.join("\n")}
Examples
  deno task train --preset nanda --prime 53 --seeds 0..4 --until-grokked --metrics runs.csv
  deno task train --config mine.json --lr 0.003 --save weights --json > summary.json
  deno task train --preset boundaries --seeds 42,123 --checkpoint saved
  deno task train --resume saved --steps 60000 --checkpoint saved
`;
}
