/** The command line of `deno task train`: read and checked with the files it names. Nothing is written here. */
import type { Metrics } from "../engine/engine.ts";
import { reason } from "../run/files.ts";
import { type RuleName, RULES } from "../run/grokking.ts";
import { initialise } from "../run/layout.ts";
import { over } from "../run/over.ts";
import { quote } from "../run/quote.ts";
import { PRESETS, type RunInput, runInput, type RunSpec, runSpec } from "../run/spec.ts";
import { difference, readSeed, seedsIn } from "../train/checkpoints.ts";
import { faultOf } from "../train/divergence.ts";
import { importWeights } from "../train/hooked_import.ts";
import { configBeside, hookedInput } from "../train/hooked_spec.ts";
import { parseMetrics } from "../train/metrics_csv.ts";
import type { Checkpoint } from "../train/weights.ts";
import { ENGINE_FLAGS, type EngineRequest, engineRequest } from "./engine.ts";
import { type Inputs, mustBeFile, mustBeFolder, readJson, readText } from "./files.ts";
import { FROM_FLAGS, frozenBy, type Start, startFrom } from "./from.ts";
import { choice, FIELD_FLAGS, fieldHelp, type Flag, flagHelp, type Given, inputOf, parse, seedsOf } from "./flags.ts";

const SETTING: Record<string, Flag> = {
  "preset": { value: "NAME", help: `${Object.keys(PRESETS).join(", ")} [ai-scientist]` },
  "config": { value: "FILE.json", help: 'what differs from the preset, e.g. {"preset": "one-layer", "optim": {"lr": 0.003}}' },
  "seeds": { value: "LIST", help: "0,1,2 or 0..9: one run per seed, trained together [the preset's seed]" },
  "seed": { value: "N", help: "the same for one seed" },
};
const TRAINING: Record<string, Flag> = {
  "until-grokked": {
    help:
      "end each run soon after it has grokked (at a multiple of 100 updates, rounded up to whole evaluations) instead of after all its steps",
  },
  "rule": {
    value: "NAME",
    help: "what counts as grokked: first (validation accuracy above 99 %) or sustained (ten evaluations in a row at 95 % or more) [first]",
  },
  ...ENGINE_FLAGS,
  "init": {
    value: "FILE.safetensors",
    help: "initial weights, the same for all seeds: this command's or those of TransformerLens (a HookedTransformer's state dict)",
  },
  "from-hooked": {
    value: "FILE.safetensors",
    help: "the same, and the model is theirs: sizes from the tensors, what else a HookedTransformerConfig says from FILE.json beside it",
  },
  ...FROM_FLAGS,
  "resume": {
    value: "DIR",
    help: "go on from a folder of checkpoints, bit for bit; the setting is theirs, --steps may be raised",
  },
};
const OUTPUT: Record<string, Flag> = {
  "metrics": { value: "FILE.csv", help: "evaluations, one per row, with all that is measured; of a resumed run, the earlier ones too" },
  "save": { value: "DIR", help: "weights at the end, DIR/seed_S.safetensors" },
  "save-init": { value: "DIR", help: "weights before the first update, DIR/seed_S.safetensors" },
  "checkpoint": { value: "DIR", help: "all that --resume needs: from the beginning on, every minute, when stopped, and at the end" },
  "dump-data": { value: "FILE.csv", help: "the pairs of every seed: seed,split,a,b,target,answer" },
  "json": { help: "a summary on stdout for programs" },
  "help": { help: "this text, with the defaults of the preset that is given" },
};
/** The flags that aren't those of fields. None may have the name of a field's, which it would hide. */
export const OWN_FLAGS = { ...SETTING, ...TRAINING, ...OUTPUT };
const FLAGS = { ...FIELD_FLAGS, ...OWN_FLAGS };

export interface Request {
  readonly specs: readonly RunSpec[];
  readonly engine: EngineRequest;
  readonly untilGrokked: boolean;
  readonly rule: RuleName;
  /** Initial weights f32[P] from `--init` or `--from-hooked`. */
  readonly init?: Float32Array<ArrayBuffer>;
  /** What is to be said of them. */
  readonly notes: readonly string[];
  /** Where to go on from, by seed, from the folder that `--resume` names. */
  readonly resume: ReadonlyMap<number, Checkpoint>;
  readonly resumeFrom?: string;
  /** Of a resumed run's file of metrics: the evaluations of seeds that aren't trained now, which stay in it. */
  readonly kept: ReadonlyMap<number, readonly Metrics[]>;
  /** Files that are read, by flag: nothing may be written over them. */
  readonly inputs: Inputs;
  readonly metrics?: string;
  readonly save?: string;
  readonly saveInit?: string;
  readonly checkpoint?: string;
  readonly dumpData?: string;
  readonly json: boolean;
}

/** Flags that can't be given together. */
const EXCLUSIVE = [
  ...["init", "from-hooked", "save-init", "preset", "from"].map((other) => ["resume", other]),
  ...["init", "from-hooked", "taken"].map((other) => ["from", other]),
  ["init", "from-hooked"],
  ["seed", "seeds"],
];

/** The request, or the help where that is asked for. @throws Error in one line for all that can't be. */
export async function readRequest(args: readonly string[]): Promise<Request | string> {
  const given = parse(args, FLAGS);
  const text = (name: string) => given.get(name) as string | undefined;
  const frozen = frozenBy(given), own = inputOf(given);
  const flags = runInput(frozen === undefined ? own : { ...own, optim: { ...own.optim, frozen } });
  const file = text("config") === undefined ? {} : runInput(await readJson("--config", text("config")!));
  if (given.has("help")) return help(runSpec(over(file, flags)));
  for (const [one, other] of EXCLUSIVE) {
    if (given.has(one) && given.has(other)) throw new Error(`Cannot use --${one} and --${other} together: must be one of them`);
  }
  const engine = engineRequest(given);
  const rule = choice("rule", text("rule") ?? "first", Object.keys(RULES) as RuleName[]);

  const from = text("resume"), asked = seedsGiven(given) ?? (file.seed === undefined ? undefined : [file.seed]);
  const resume = from === undefined ? new Map<number, Checkpoint>() : await checkpoints(from, asked);
  const start = await startFrom(given), hooked = text("from-hooked");
  const { input, notes } = hooked === undefined
    ? { input: basedOn(start, file, flags), notes: [] }
    : await mustBeFile("--from-hooked", hooked).then(() => hookedInput(hooked, file, flags));
  const seeds = resume.size > 0 ? [...resume.keys()] : asked ?? start?.seeds ?? [runSpec(input).seed];
  const specs: RunSpec[] = [];
  for (const seed of seeds) specs.push(resumed(resume.get(seed), { ...await taking(start, input, seed), seed }));
  if (start) { for (const spec of specs) initialise(spec); } // says what doesn't fit before anything is written
  const init = await initial(given.has("init") ? "init" : "from-hooked", given, specs[0]);
  return {
    specs,
    engine,
    untilGrokked: given.has("until-grokked"),
    rule,
    resume,
    ...from !== undefined && { resumeFrom: from },
    kept: await others(from === undefined ? undefined : text("metrics"), new Set(seeds)),
    inputs: {
      ...{ "--config": text("config"), "--init": text("init"), "--from": start?.files, "--db": text("db") },
      "--from-hooked": hooked === undefined ? undefined : [hooked, configBeside(hooked)],
    },
    json: given.has("json"),
    ...init && { init: init.params },
    notes: [...notes, ...init?.notes ?? []],
    ...paths(given),
  };
}

function paths(given: Given) {
  const names = { metrics: "metrics", save: "save", saveInit: "save-init", checkpoint: "checkpoint", dumpData: "dump-data" } as const;
  const entries = Object.entries(names).flatMap(([key, flag]) => given.has(flag) ? [[key, given.get(flag)]] : []);
  return Object.fromEntries(entries) as { [K in keyof typeof names]?: string };
}

/** The flags over the file, over the setting of the run that tensors are taken over from, unless a preset says all. */
function basedOn(start: Start | null, file: RunInput, flags: RunInput): RunInput {
  const given = over(file, flags);
  return start && given.preset === undefined ? over(start.spec, file, flags) : given;
}

/** A seed's input with what it takes over. */
async function taking(start: Start | null, input: RunInput, seed: number): Promise<RunInput> {
  return start ? { ...input, model: { ...input.model, taken: await start.taken(seed) } } : input;
}

function seedsGiven(given: Given): number[] | undefined {
  const text = given.get("seeds") ?? given.get("seed");
  if (typeof text !== "string") return undefined;
  const seeds = seedsOf(text, given.has("seeds") ? "--seeds:" : "--seed:");
  if (given.has("seed") && seeds.length > 1) throw new Error(`Cannot read --seed: must be one seed, current value is ${quote(text)}`);
  return seeds;
}

/** The weights that a flag names. @throws Error where the file isn't weights of this run's model, or some of them are no finite numbers. */
async function initial(flag: string, given: Given, spec: RunSpec) {
  const path = given.get(flag);
  if (typeof path !== "string") return undefined;
  await mustBeFile(`--${flag}`, path);
  const weights = await importWeights(path, spec), fault = faultOf(spec, weights.params);
  if (fault) throw new Error(`Cannot use --${flag} ${path}: its weights must be finite numbers, ${fault}`);
  return weights;
}

/** The checkpoints of the seeds asked for, or of all there are. */
async function checkpoints(folder: string, asked: readonly number[] | undefined): Promise<Map<number, Checkpoint>> {
  await mustBeFolder("--resume", folder);
  const there = await seedsIn(folder), seeds = asked ?? there;
  const missing = seeds.filter((seed) => !there.includes(seed));
  if (missing.length > 0) {
    const which = missing.slice(0, 10).map((seed) => quote(seed)).join(", ");
    throw new Error(`Cannot resume from ${folder}: must have a checkpoint of every seed, there is none of ${which}`);
  }
  if (seeds.length === 0) throw new Error(`Cannot resume from ${folder}: must have files seed_S.safetensors, there are none`);
  const found = new Map<number, Checkpoint>();
  for (const seed of seeds) found.set(seed, await readSeed(folder, seed));
  return found;
}

/** The spec of a run: that of its checkpoint, of which only the number of steps may change; without one, that of the input. */
function resumed(checkpoint: Checkpoint | undefined, input: RunInput): RunSpec {
  if (!checkpoint) return runSpec(input);
  const { spec, step } = checkpoint.state;
  // A preset, in a file of --config, says all of a run; without one, only what is given counts.
  const wanted = runSpec(input.preset !== undefined ? input : over(spec, input));
  const fail = (field: string, requirement: string, value: unknown) => {
    throw new Error(`Cannot resume seed ${spec.seed}: ${field} must be ${requirement} its checkpoint, current value is ${quote(value)}`);
  };
  const other = difference(wanted, spec);
  if (other) fail(other.field, `${quote(other.there)} as in`, other.here);
  const steps = input.schedule?.steps ?? spec.schedule.steps;
  if (steps < step) fail("steps", `at least the ${step} of`, steps);
  return runSpec({ ...spec, schedule: { ...spec.schedule, steps } });
}

/** The evaluations in a file of metrics that is there, of all seeds but these. */
async function others(path: string | undefined, seeds: ReadonlySet<number>): Promise<Map<number, readonly Metrics[]>> {
  if (path === undefined || !await Deno.stat(path).then(({ isFile }) => isFile, () => false)) return new Map();
  try {
    return new Map([...parseMetrics(await readText("--metrics", path))].filter(([seed]) => !seeds.has(seed)));
  } catch (error) {
    throw new Error(`Cannot go on with --metrics ${path}: it must be a file of metrics or a new one, ${reason(error)}`);
  }
}

function help(spec: RunSpec): string {
  const groups = [flagHelp("Setting", Object.entries(SETTING)), fieldHelp(spec)];
  groups.push(flagHelp("Training", Object.entries(TRAINING)), flagHelp("Output", Object.entries(OUTPUT)));
  return `Trains small transformers, all seeds at once, and watches for the step at which they grok.

  deno task train [--preset NAME] [--config FILE.json] [flags]

Flags win over the file, which wins over the preset. Values in brackets hold unless changed.

${groups.join("\n")}
Examples
  deno task train --preset one-layer --prime 53 --seeds 0..4 --until-grokked --metrics runs.csv
  deno task train --config mine.json --lr 0.003 --save weights --json > summary.json
  deno task train --preset boundaries --seeds 42,123 --checkpoint saved
  deno task train --resume saved --steps 60000 --checkpoint saved
  deno task train --from 12@1200 --take embed --freeze embed --seeds 0..4
  deno task train --from-hooked lens.safetensors --operation x_plus_y --pooling last --seeds 0..4
`;
}
