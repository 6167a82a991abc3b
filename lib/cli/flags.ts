/** Flags: one for every field of a run, derived from the run itself, and how they are read and explained. */
import { parseArgs } from "node:util";
import { closest, distance } from "fastest-levenshtein";
import {
  CHOICES,
  type DataSpec,
  type ModelSpec,
  type OptimSpec,
  PRESETS,
  type RunInput,
  type RunSpec,
  type ScheduleSpec,
} from "../run/spec.ts";

export interface Flag {
  /** What stands for the value in the help; without it, the flag has none. */
  readonly value?: string;
  readonly help: string;
}

type Part = "model" | "data" | "optim" | "schedule";
const PARTS = ["model", "data", "optim", "schedule"] as const;

/** A line about every field; the compiler sees to it that none is missing. */
const HELP: {
  readonly model: Record<keyof ModelSpec, string>;
  readonly data: Record<keyof DataSpec, string>;
  readonly optim: Record<keyof OptimSpec, string>;
  readonly schedule: Record<keyof ScheduleSpec, string>;
} = {
  model: {
    layers: "transformer blocks",
    dModel: "width of the residual stream; --d-mlp becomes four times this unless given",
    heads: "attention heads; must divide the width",
    dMlp: "neurons of the feed-forward part",
    activation: "gelu (exact) or relu",
    norm: "LayerNorm after each sum (post), before each part (pre), or none",
    mask: "causal, or none: every position attends to all",
    pooling: "the output head reads the last position, or their mean",
    biases: "true or false",
    tokens: `${CHOICES.model.tokens.map((tokens) => `"${tokens}"`).join(", ")}`,
    context: "rows of the position table",
    init: "pytorch (its modules' defaults) or normal: N(0, --init-sigma²)",
    initSigma: "σ of --init-scheme normal",
    positionSigma: "σ of the position table under --init-scheme pytorch",
  },
  data: {
    operation: CHOICES.data.operation.join(", "),
    prime: "the modulus p",
    trainFraction: "share of all pairs that train; the rest validates",
    batch: "full, or so many draws with replacement",
  },
  optim: {
    lr: "learning rate",
    weightDecay: "decoupled, as in AdamW",
    beta1: "decay of the first moment",
    beta2: "decay of the second moment",
    eps: "added to the root of the second moment",
    warmup: "updates over which the learning rate grows from 0",
    decay: "what decays: all parameters, or matrices only",
    loss: "torch (plain log-softmax) or stable (keeps digits late in training)",
  },
  schedule: {
    steps: "updates",
    evalEvery: "updates between evaluations on the whole sets",
  },
};

/** The flags of the spec, by name: which field they set. `--init` is taken by the file of initial weights. */
export const FIELDS: ReadonlyMap<string, { readonly part: Part; readonly field: string }> = new Map(
  PARTS.flatMap((part) =>
    Object.keys(HELP[part]).map((field) => [field === "init" ? "init-scheme" : kebab(field), { part, field }] as const)
  ),
);

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]|\d+$/g, (found) => /\d/.test(found) ? found : `-${found.toLowerCase()}`);
}

/** Flags that are short for those of fields. */
const SHORT: Record<string, Flag> = {
  "betas": { value: "B1,B2", help: "both at once" },
  "no-biases": { help: "the same as --biases false" },
};

/** The flags that say something about the run. */
export const FIELD_FLAGS: Readonly<Record<string, Flag>> = {
  ...Object.fromEntries(
    [...FIELDS].map(([flag, { part, field }]) => [flag, { value: "X", help: (HELP[part] as Record<string, string>)[field] }]),
  ),
  ...SHORT,
};

/** Flags as given, by name; of one given twice, the last counts. */
export type Given = ReadonlyMap<string, string | true>;

/**
 * The flags of a command line. Other words are added to `words`; without it, there must be none.
 * @throws Error for a flag that is not among `flags`, for a value that is missing or too much, and for other words.
 */
export function parse(args: readonly string[], flags: Readonly<Record<string, Flag>>, words?: string[]): Given {
  const valued = new Map(Object.entries(flags).map(([name, { value }]) => [name, value !== undefined]));
  const options = Object.fromEntries([...valued].map(([name, value]) => [name, { type: value ? "string" : "boolean" } as const]));
  const given = new Map<string, string | true>();
  for (const token of parseArgs({ args: [...args], options, strict: false, tokens: true }).tokens) {
    if (token.kind === "option-terminator") continue;
    if (token.kind === "positional" && words) {
      words.push(token.value);
      continue;
    }
    if (token.kind === "positional") {
      throw new Error(`Cannot read the command line: must be flags, current value is ${JSON.stringify(token.value)}`);
    }
    const { name, rawName, value } = token;
    if (!valued.has(name)) {
      throw new Error(`Cannot read ${rawName}: must be a known flag${nearest(name, [...valued.keys()], "--")}; --help lists all`);
    }
    const missing = value === undefined || (!token.inlineValue && value.startsWith("--"));
    if (valued.get(name) && missing) throw new Error(`Cannot read ${rawName}: must have a value, there is none`);
    if (!valued.get(name) && value !== undefined) throw new Error(`Cannot read ${rawName}: must have no value, current value is ${value}`);
    given.set(name, value ?? true);
  }
  return given;
}

/** A question about the known name nearest to this one, where one is near. */
export function nearest(name: string, known: readonly string[], dashes = ""): string {
  const near = closest(name, known);
  return distance(name, near) <= Math.max(2, name.length / 3) ? `, did you mean ${dashes}${near}?` : "";
}

/** What the flags say about the run. */
export function inputOf(given: Given): RunInput {
  const input: Record<Part, Record<string, unknown>> = { model: {}, data: {}, optim: {}, schedule: {} };
  if (given.has("no-biases")) input.model.biases = false;
  const betas = given.get("betas");
  if (typeof betas === "string") {
    const pair = betas.split(",");
    if (pair.length !== 2) {
      throw new Error(`Cannot read --betas: must be two numbers like 0.9,0.98, current value is ${JSON.stringify(betas)}`);
    }
    [input.optim.beta1, input.optim.beta2] = pair.map((beta) => numberOf("betas", beta));
  }
  for (const [flag, { part, field }] of FIELDS) {
    const text = given.get(flag);
    if (typeof text === "string") input[part][field] = valueOf(flag, text, valueIn(PRESETS["ai-scientist"], part, field));
  }
  const preset = given.get("preset");
  return { ...input, ...preset === undefined ? {} : { preset } } as RunInput;
}

const valueIn = (spec: RunSpec, part: Part, field: string) => (spec[part] as unknown as Record<string, unknown>)[field];

/** Text as the type that the field has. */
function valueOf(flag: string, text: string, example: unknown): unknown {
  if (flag === "batch") return text === "full" ? text : numberOf(flag, text, 'a number or "full"');
  if (typeof example === "number") return numberOf(flag, text);
  if (typeof example !== "boolean") return text;
  if (text !== "true" && text !== "false") {
    throw new Error(`Cannot read --${flag}: must be true or false, current value is ${JSON.stringify(text)}`);
  }
  return text === "true";
}

/** The number that the value of a flag is. */
export function numberOf(flag: string, text: string, requirement = "a number"): number {
  const value = Number(text);
  if (text.trim() === "" || Number.isNaN(value)) {
    throw new Error(`Cannot read --${flag}: must be ${requirement}, current value is ${JSON.stringify(text)}`);
  }
  return value;
}

/** The whole number that the value of a flag is. @throws Error in one line where it is another, or below `least`. */
export function whole(flag: string, text: string, least: number): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isSafeInteger(value) || value < least) {
    throw new Error(`Cannot read --${flag}: must be a whole number from ${least}, current value is ${JSON.stringify(text)}`);
  }
  return value;
}

/** The one of `choices` that the value of a flag names. */
export function choice<T extends string>(flag: string, value: string, choices: readonly T[]): T {
  const found = choices.find((name) => name === value);
  if (!found) throw new Error(`Cannot read --${flag}: must be one of ${choices.join(", ")}, current value is ${JSON.stringify(value)}`);
  return found;
}

/** Seeds as people write them: `0,1,2`, `0..9` (both ends), or both mixed. */
export function seedsOf(text: string): number[] {
  const seeds = text.split(",").flatMap((part) => {
    const [, from, to] = part.trim().match(/^(\d+)(?:\.\.(\d+))?$/) ?? [];
    const first = Number(from), last = Number(to ?? from);
    if (from === undefined || last < first || last - first > 1e5) {
      throw new Error(`Cannot read --seeds: must be like 0,1,2 or 0..9, current value is ${JSON.stringify(text)}`);
    }
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
  if (new Set(seeds).size < seeds.length) {
    throw new Error(`Cannot read --seeds: must be different seeds, current value is ${JSON.stringify(text)}`);
  }
  return seeds;
}

/** The groups of flags that set fields, with the values of a run as defaults, for the help. */
export function fieldHelp(spec: RunSpec): string {
  const titles = { model: "Model", data: "Data", optim: "Optimiser", schedule: "Schedule" };
  const rest = (part: Part) => part === "model" ? ["no-biases"] : part === "optim" ? ["betas"] : [];
  return PARTS.map((part) => {
    const fields = [...FIELDS].filter(([, at]) => at.part === part).map(([flag, { field }]): [string, Flag] => {
      const value = valueIn(spec, part, field);
      const [placeholder, shown] = typeof value === "number" ? ["N", Number(value.toPrecision(6))] : ["X", value];
      return [flag, { value: placeholder, help: `${FIELD_FLAGS[flag].help} [${shown}]` }];
    });
    return flagHelp(titles[part], [...fields, ...rest(part).map((flag): [string, Flag] => [flag, SHORT[flag]])]);
  }).join("\n");
}

/** A group of flags for the help: a title, then a line each, long ones wrapped. */
export function flagHelp(title: string, flags: Iterable<readonly [string, Flag]>): string {
  const column = 30, width = 100;
  const lines = [...flags].map(([name, { value, help }]) => {
    const head = `  --${name}${value ? ` ${value}` : ""}`.padEnd(column - 1);
    const rows = [head];
    for (const word of help.split(" ")) {
      if (rows.at(-1)!.length + 1 + word.length <= width || rows.at(-1) === head) rows.push(`${rows.pop()} ${word}`);
      else rows.push(`${" ".repeat(column)}${word}`);
    }
    return `${rows.join("\n")}\n`;
  });
  return `${title}\n${lines.join("")}`;
}

/** The value of a flag that says how long, in seconds. @throws Error in one line. */
export function seconds(flag: string, text: string): number {
  const [, number, unit] = text.match(/^(\d+(?:\.\d+)?)([smh])$/) ?? [];
  const value = Number(number) * { s: 1, m: 60, h: 3600 }[unit as "s" | "m" | "h"];
  if (!(value > 0)) throw new Error(`Cannot read --${flag}: must be a time like 90s, 8m or 2.5h, current value is ${JSON.stringify(text)}`);
  return value;
}
