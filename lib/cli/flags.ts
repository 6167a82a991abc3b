/** Flags: one for every field of a run, derived from the run itself, and how they are read and explained. */
import { parseArgs } from "node:util";
import { closest, distance } from "fastest-levenshtein";
import { type Entry, entryAt, flagOf, type Part, PART_ENTRIES, PARTS, valueAt } from "../run/fields.ts";
import { numberIn } from "../run/kinds.ts";
import { quote } from "../run/quote.ts";
import type { RunInput, RunSpec } from "../run/spec.ts";

export interface Flag {
  /** What stands for the value in the help; without it, the flag has none. */
  readonly value?: string;
  readonly help: string;
}

/** The flags of the fields, by name. */
export const FIELDS: ReadonlyMap<string, Entry> = new Map(PART_ENTRIES.map((entry) => [flagOf(entry), entry]));

/** Flags that are short for those of fields, with the parts and the names of these. */
const SHORT: readonly (readonly [name: string, part: Part, flag: Flag, fields: readonly string[]])[] = [
  ["no-biases", "model", { help: "the same as --biases false" }, ["biases"]],
  ["betas", "optim", { value: "B1,B2", help: "both at once" }, ["beta1", "beta2"]],
];

/** The flags that say something about the run. */
export const FIELD_FLAGS: Readonly<Record<string, Flag>> = Object.fromEntries([
  ...[...FIELDS].map(([flag, { field: { help } }]) => [flag, { value: "X", help }] as const),
  ...SHORT.map(([name, , flag]) => [name, flag] as const),
]);

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
      throw new Error(`Cannot read the command line: must be flags, current value is ${quote(token.value)}`);
    }
    const { name, rawName, value } = token;
    if (!valued.has(name)) {
      throw new Error(`Cannot read ${rawName}: must be a known flag${nearest(name, [...valued.keys()], "--")}; --help lists all`);
    }
    const missing = value === undefined || value.trim() === "" || (!token.inlineValue && value.startsWith("--"));
    if (valued.get(name) && missing) throw new Error(`Cannot read ${rawName}: must have a value, there is none`);
    if (!valued.get(name) && value !== undefined) {
      throw new Error(`Cannot read ${rawName}: must have no value, current value is ${quote(value)}`);
    }
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
  for (const [short, , , flags] of SHORT) {
    const both = given.has(short) ? flags.find((flag) => given.has(flag)) : undefined;
    if (both !== undefined) throw new Error(`Cannot use --${short} and --${both} together: must be one of them`);
  }
  const values: [Entry, unknown][] = given.has("no-biases") ? [[entryAt("model.biases")!, false]] : [];
  const betas = given.get("betas");
  if (typeof betas === "string") {
    const pair = betas.split(",").map(numberIn);
    if (pair.length !== 2 || pair.includes(undefined)) {
      throw new Error(`Cannot read --betas: must be two numbers like 0.9,0.98, current value is ${quote(betas)}`);
    }
    pair.forEach((beta, i) => values.push([entryAt(`optim.beta${i + 1}`)!, beta]));
  }
  for (const [flag, entry] of FIELDS) {
    const text = given.get(flag);
    if (typeof text === "string") values.push([entry, read(flag, text, entry.field.kind)]);
  }
  const of = (part: Part) => Object.fromEntries(values.flatMap(([entry, value]) => entry.part === part ? [[entry.name, value]] : []));
  const preset = given.get("preset");
  // Checked with the rest of the run, which may come from a file.
  return { ...Object.fromEntries(PARTS.map((part) => [part, of(part)])), ...preset === undefined ? {} : { preset } } as RunInput;
}

/** What the value of a flag stands for. */
function read<T>(flag: string, text: string, { read, written }: { read(text: string): T | undefined; readonly written: string }): T {
  const value = read(text);
  if (value === undefined) throw new Error(`Cannot read --${flag}: must be ${written}, current value is ${quote(text)}`);
  return value;
}

/** The number that the value of a flag is. */
export const numberOf = (flag: string, text: string, written = "a number"): number => read(flag, text, { read: numberIn, written });

/** The whole number that the value of a flag is. @throws Error in one line where it is another, below `least`, or above `most`. */
export function whole(flag: string, text: string, least: number, most = Infinity): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isSafeInteger(value) || value < least || value > most) {
    const range = most === Infinity ? `from ${least}` : `from ${least} to ${most}`;
    throw new Error(`Cannot read --${flag}: must be a whole number ${range}, current value is ${quote(text)}`);
  }
  return value;
}

/** The one of `choices` that the value of a flag names. */
export function choice<T extends string>(flag: string, value: string, choices: readonly T[]): T {
  const found = choices.find((name) => name === value);
  if (!found) throw new Error(`Cannot read --${flag}: must be one of ${choices.join(", ")}, current value is ${quote(value)}`);
  return found;
}

/** The most seeds that a list of them may hold. */
const MOST_SEEDS = 1_000_000;

/**
 * Seeds as people write them: `0,1,2`, `0..9` (both ends), or both mixed.
 * @param what how an error calls them.
 */
export function seedsOf(text: string, what = "--seeds:"): number[] {
  const fail = (requirement: string): never => {
    throw new Error(`Cannot read ${what} must be ${requirement}, current value is ${quote(text)}`);
  };
  const ranges = text.split(",").map((part) => {
    const [, from, to] = part.trim().match(/^(\d+)(?:\.\.(\d+))?$/) ?? [];
    const first = Number(from), last = Number(to ?? from);
    return from === undefined || last < first || !Number.isSafeInteger(last) ? fail("like 0,1,2 or 0..9") : { first, n: last - first + 1 };
  });
  const n = ranges.reduce((sum, { n }) => sum + n, 0);
  if (n > MOST_SEEDS) fail(`at most ${MOST_SEEDS.toLocaleString("en")} seeds, there are ${n.toLocaleString("en")}`);
  const seeds = ranges.flatMap(({ first, n }) => Array.from({ length: n }, (_, i) => first + i));
  if (new Set(seeds).size < seeds.length) fail("different seeds");
  return seeds;
}

/** The groups of flags that set fields, with the values of a run as defaults, for the help. */
export function fieldHelp(spec: RunSpec): string {
  const titles: Readonly<Record<Part, string>> = { model: "Model", data: "Data", optim: "Optimiser", schedule: "Schedule" };
  return PARTS.map((part) => {
    const fields = [...FIELDS].filter(([, entry]) => entry.part === part).map(([flag, entry]): [string, Flag] => {
      const value = valueAt(spec, entry);
      const [placeholder, shown] = typeof value === "number" ? ["N", Number(value.toPrecision(6))] : ["X", value];
      return [flag, { value: placeholder, help: `${entry.field.help} [${shown}]` }];
    });
    const short = SHORT.filter(([, at]) => at === part).map(([name, , flag]): [string, Flag] => [name, flag]);
    return flagHelp(titles[part], [...fields, ...short]);
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
  if (!(value > 0)) throw new Error(`Cannot read --${flag}: must be a time like 90s, 8m or 2.5h, current value is ${quote(text)}`);
  return value;
}
