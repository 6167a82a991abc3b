/** Fuzzers for what people write of runs: files of --config, grid files, and the flags of the command line. */
import { join } from "node:path";
import { gridFile } from "../../lib/cli/grid_file.ts";
import { readRequest } from "../../lib/cli/request.ts";
import { ENTRIES, type Entry, flagOf, PART_ENTRIES, PARTS, type RunSpec, valueAt } from "../../lib/run/fields.ts";
import { MOST_RUNS } from "../../lib/run/grid.ts";
import { identity, PRESETS, type RunInput, runSpec, specHash } from "../../lib/run/spec.ts";
import { type Chance, type Finding, type Fuzzer, garbled, NAMES, shown, VALUES, wrongWith } from "./finding.ts";

type Tree = Record<string, unknown>;

/** Values that a field may have: those that presets give it. */
const GOOD = new Map(
  ENTRIES.map((
    entry,
  ) => [entry.path, [...new Set([...Object.values(PRESETS).map((spec) => valueAt(spec, entry)), ...entry.field.kind.words ?? []])]]),
);

/** A run's input that can be: a preset, and some fields as presets have them. */
function goodInput(random: Chance): Tree {
  const input: Tree = random.happens(0.7) ? { preset: random.one(Object.keys(PRESETS)) } : {};
  for (const { part, name, path } of ENTRIES) {
    if (!random.happens(0.15)) continue;
    const value = random.one(GOOD.get(path)!);
    if (part === null) input[name] = value;
    else (input[part] ??= {} as Tree, input[part] as Tree)[name] = value;
  }
  return input;
}

/** An object somewhere in a tree: the tree itself, or one of its parts. */
function somewhere(tree: Tree, random: Chance): Tree {
  const parts = Object.values(tree).filter((value) => typeof value === "object" && value !== null && !Array.isArray(value)) as Tree[];
  return random.happens(0.4) || parts.length === 0 ? tree : random.one(parts);
}

/** Changes something in a tree: a value, a name, a part, a field that there isn't. */
function break_(tree: Tree, random: Chance): void {
  const at = somewhere(tree, random), names = Object.keys(at);
  // Defined, not assigned, so that `__proto__` is a name like others.
  const put = (name: string, value: unknown) =>
    Object.defineProperty(at, name, { value, enumerable: true, configurable: true, writable: true });
  // A copy: what comes later may break the value itself, and no other input may see that.
  const value = () => structuredClone(random.one(VALUES));
  const { part, name } = random.one(ENTRIES);
  [
    () => put(random.one(NAMES), value()),
    () => names.length > 0 && put(random.one(names), value()),
    () => put(random.one([...PARTS, "seed", "preset", "grid", "rule"]), value()),
    () => put(name, value()),
    () => part !== null && (tree[part] = { [name]: value() }),
    () => part !== null && (tree[part] = { [name]: random.one([1e-45, 1e-38, 3.5e38, 1 - 1e-9, 1e-9, 64, 65, 97, 96]) }),
  ][random.below(6)]();
}

/** Why a run that was taken from an input should not have been; `null` where it is what the input says. */
function mistaken(input: unknown, spec: RunSpec, isGrid = false): string | null {
  for (const entry of ENTRIES) {
    const refusal = entry.field.kind.refuse(valueAt(spec, entry));
    if (refusal !== undefined) return `${entry.path} must be ${refusal}`;
  }
  const again = runSpec({ ...JSON.parse(identity(spec)), schedule: spec.schedule });
  if (specHash(again) !== specHash(spec)) return "its identity, read again, has another hash";
  for (const [key, value] of Object.entries(input as Tree)) {
    if (key === "preset" || key === "seed") continue;
    if (!(PARTS as readonly string[]).includes(key)) return `${JSON.stringify(key)} is no part of a run`;
    for (const [name, own] of Object.entries(value as Tree)) {
      const entry: Entry | undefined = PART_ENTRIES.find((each) => each.part === key && each.name === name);
      if (!entry) return `${JSON.stringify(name)} is no field of ${key}`;
      const ok = isGrid && Array.isArray(own) ? own.includes(valueAt(spec, entry)) : own === valueAt(spec, entry);
      if (!ok) return `${entry.path} is ${valueAt(spec, entry)}, where ${shown(own)} was given`;
    }
  }
  return null;
}

/** Tries texts as files; `take` reads one, and says what is wrong with what came of it. */
async function* files(texts: Iterable<string>, take: (path: string, text: string) => Promise<string | null>): AsyncIterable<Finding> {
  const folder = await Deno.makeTempDir({ prefix: "grokbook-fuzz-" }), path = join(folder, "input.json");
  try {
    for (const text of texts) {
      await Deno.writeTextFile(path, text);
      let problem;
      try {
        problem = await take(path, text);
      } catch (error) {
        problem = wrongWith(error);
      }
      if (problem !== null) yield { input: text.slice(0, 300), problem };
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function* texts(random: Chance, count: number, make: (random: Chance) => unknown): Iterable<string> {
  for (let i = 0; i < count; i++) {
    const tree = make(random) as Tree;
    for (let n = random.below(4); n > 0; n--) break_(tree, random);
    const text = JSON.stringify(random.happens(0.05) ? random.one(VALUES) : tree);
    const deep = "[".repeat(50_000) + "]".repeat(50_000);
    yield random.happens(0.15) ? garbled(text, random) : random.happens(0.01) ? text.replace(/:[^,}]*/, `:${deep}`) : text;
  }
}

/** Files of --config. */
export const configs: Fuzzer = (random, count) =>
  files(texts(random, count, goodInput), async (path, text) => {
    const request = await readRequest(["--config", path]);
    return typeof request === "string" ? "no request" : mistaken(JSON.parse(text), request.specs[0]);
  });

/** Some fields of a run as lists. */
function goodGrid(random: Chance): Tree {
  const input = goodInput(random);
  for (const { part, name, path } of ENTRIES) {
    if (!random.happens(0.1)) continue;
    const values = GOOD.get(path)!, list = Array.from({ length: random.below(4) }, () => random.one(values));
    if (part === null) input[name] = random.happens(0.5) ? list : random.one(["0..3", "1,2", "5..2", "0..", "x"]);
    else (input[part] ??= {} as Tree, input[part] as Tree)[name] = list;
  }
  // More than can be made, sometimes by many.
  if (random.happens(0.003)) input.seed = "0..999999";
  if (random.happens(0.03)) input.seed = "0..1000000";
  if (random.happens(0.05)) {
    input.optim = { lr: Array(300).fill(0.5), eps: Array(300).fill(1), warmup: Array(300).fill(1), weightDecay: Array(300).fill(1) };
  }
  return input;
}

function goodGridFile(random: Chance): Tree {
  const grid = random.happens(0.8) ? goodGrid(random) : Array.from({ length: random.below(3) }, () => goodGrid(random));
  const file: Tree = { grid };
  if (random.happens(0.3)) file.name = random.one(["mine", "a b", "", "../up", "x".repeat(200)]);
  if (random.happens(0.3)) file.rule = random.one(["first", "sustained", "best", { name: "r", accuracy: 0.9, inclusive: true, times: 3 }]);
  if (random.happens(0.3)) file.margin = random.one([0, 10, null, -1, "1"]);
  if (random.happens(0.3)) {
    file.watch = random.one([{}, { attention: {} }, { weights: { perDecade: 0 } }, { heads: 1 }, { attention: { pairs: "a" } }]);
  }
  if (random.happens(0.2)) file.keep = random.one(["checkpoint", "nothing", "all"]);
  if (random.happens(0.2)) file.question = random.one(["Why?", 5, null]);
  return file;
}

/** Files of --grid. A million runs take seconds: of such, few are tried. */
export const grids: Fuzzer = (random, count) =>
  files(texts(random, count, goodGridFile), async (path, text) => {
    const { runs } = await gridFile(path), file = JSON.parse(text), lists = [file.grid].flat();
    if (runs.length === 0 || runs.length > MOST_RUNS) return `${runs.length} runs`;
    return lists.length === 1 ? mistaken(lists[0], runs[0], true) ?? mistaken(lists[0], runs.at(-1)!, true) : null;
  });

const TEXTS = [
  "",
  " ",
  "0",
  "-1",
  "1e-50",
  "1e39",
  "Infinity",
  "NaN",
  "0x10",
  "1,2",
  "0.9,0.98",
  "0.9,1",
  "full",
  "true",
  "x",
  "a\nb",
  "\u001b[2J",
  "--",
  "9".repeat(400),
];

/** Flags that say something about the run. */
export const flags: Fuzzer = async function* (random, count) {
  const names = [...PART_ENTRIES.map(flagOf), "betas", "no-biases", "preset", "seeds", "seed", "rule", "engine", "toString", "__proto__"];
  for (let i = 0; i < count; i++) {
    const args = Array.from({ length: 1 + random.below(4) }, () => {
      const flag = `--${random.one(names)}`;
      return random.happens(0.2) ? [flag] : random.happens(0.3) ? [`${flag}=${random.one(TEXTS)}`] : [flag, random.one(TEXTS)];
    }).flat();
    try {
      const request = await readRequest(args);
      const problem = typeof request === "string" ? "no request" : mistaken({}, request.specs[0]);
      if (problem !== null) yield { input: shown(args), problem };
    } catch (error) {
      const problem = wrongWith(error);
      if (problem !== null) yield { input: shown(args), problem };
    }
  }
};

/** Values that JSON can't hold; made anew for each input, which may be broken further. */
const unwritable = (): unknown[] => [
  NaN,
  Infinity,
  undefined,
  5n,
  Symbol("s"),
  () => 1,
  new Set([1]),
  new Map(),
  new Float32Array(2),
  new Date(0),
  class {},
  Object.create({ layers: 1 }),
];

/** Inputs as notebooks give them: what isn't JSON too. */
export const inputs: Fuzzer = async function* (random, count) {
  for (let i = 0; i < count; i++) {
    const input = goodInput(random), at = somewhere(input, random), { name } = random.one(ENTRIES);
    if (random.happens(0.8)) at[random.one([name, ...Object.keys(at)])] = random.one(unwritable());
    if (random.happens(0.3)) break_(input, random);
    try {
      const problem = await Promise.resolve(mistaken(input, runSpec(input as RunInput)));
      if (problem !== null) yield { input: Object.keys(input).join(), problem };
    } catch (error) {
      const problem = wrongWith(error);
      if (problem !== null) yield { input: Object.keys(input).join(), problem };
    }
  }
};
