/** Grids: a run's input in which any field may be a list, which stands for all combinations; and in what runs differ. */
import { ENTRIES, type Entry, type Part, PARTS, type RunSpec, valueAt } from "./fields.ts";
import { checkedGrid, type Grid } from "./input.ts";
import type { Value } from "./kinds.ts";
import { type PresetName, PRESETS } from "./presets.ts";
import { checkParts, partFrom, partIdentity } from "./spec.ts";

/** The most runs that a grid may have: so many are declared in seconds, and more fill a computer's memory before they train. */
export const MOST_RUNS = 1_000_000;

/** The whole numbers from `from` (default 0) up to but without `until`: `range(5)`, `range(5, 10)`. */
export function range(...bounds: [until: number] | [from: number, until: number]): number[] {
  const [from, until] = bounds.length === 2 ? bounds : [0, bounds[0]];
  return Array.from({ length: Math.max(0, until - from) }, (_, i) => from + i);
}

/**
 * All combinations of the lists in a grid, checked; what comes last in it varies fastest. Several grids follow each other, runs that two of
 * them share coming once: `grid({ data: { prime: 23 }, model: { dModel: 32 } }, { data: { prime: 47 }, model: { dModel: 64 } })`.
 * @throws Error for what is no grid, an empty list, more than `MOST_RUNS` combinations, and whatever `runSpec` refuses.
 */
export function grid(...grids: readonly Grid[]): RunSpec[] {
  const all = grids.map((each) => listsOf(checkedGrid(each)));
  const count = all.reduce((sum, lists) => sum + lists.reduce((product, { values }) => product * BigInt(values.length), 1n), 0n);
  if (count > MOST_RUNS) {
    throw new Error(
      `Cannot use this grid: it must have at most ${MOST_RUNS.toLocaleString("en")} combinations, current value is ${
        count.toLocaleString("en")
      }`,
    );
  }
  const runs = new Map<number, RunSpec>(), key = runKeys();
  for (const lists of all) {
    for (const spec of combinations(lists)) {
      const name = key(spec), known = runs.get(name);
      if (!known || known.schedule.steps < spec.schedule.steps) runs.set(name, spec);
    }
  }
  return [...runs.values()];
}

/** A name or field of a grid with its values. */
interface List {
  readonly key: Part | "preset" | "seed";
  /** Of a part: the field's name. */
  readonly field?: string;
  readonly values: readonly Value[];
}

/** The lists of a grid in their order; a single value is a list of one. */
function listsOf(lists: Grid): List[] {
  const list = (key: List["key"], given: unknown, field?: string): List => {
    if (!Array.isArray(given)) return { key, values: [given as Value], ...field !== undefined && { field } };
    if (given.length > 0) return { key, values: given, ...field !== undefined && { field } };
    const name = field === undefined ? key : `${key}.${field}`;
    throw new Error(`Cannot use this grid: ${name} must have at least one value, current value is []`);
  };
  return Object.entries(lists).flatMap(([key, given]) =>
    key === "preset" || key === "seed"
      ? [list(key, given)]
      : Object.entries(given as object).map(([field, values]) => list(key as Part, values, field))
  );
}

/**
 * The runs of a grid. Those with the same part share its object, so that a part is made and checked once, and a million runs fit into
 * memory.
 */
function* combinations(lists: readonly List[]): Generator<RunSpec> {
  const keys = [...new Set(lists.map(({ key }) => key))];
  const axes = keys.map((key) =>
    key === "preset" || key === "seed" ? lists.find((each) => each.key === key)!.values : inputsOf(lists, key)
  );
  const places = PARTS.map((part) => [part, keys.indexOf(part)] as const), seeds = keys.indexOf("seed"), presets = keys.indexOf("preset");
  /** Of each preset, the values of each part, made once. */
  const made = new Map<PresetName, (readonly RunSpec[Part][])[]>();
  const partsOf = (preset: PresetName) =>
    places.map(([part, place]) => {
      const inputs = place < 0 ? [{}] : axes[place] as readonly object[];
      return inputs.map((given) => partFrom(part, given, PRESETS[preset][part]));
    });
  const at = axes.map(() => 0);
  for (let place = 0; place >= 0;) {
    const preset = presets < 0 ? "ai-scientist" : axes[presets][at[presets]] as PresetName;
    let parts = made.get(preset);
    if (!parts) made.set(preset, parts = partsOf(preset));
    const spec: Record<string, unknown> = {};
    for (const [i, [part, place]] of places.entries()) spec[part] = parts[i][place < 0 ? 0 : at[place]];
    spec.seed = seeds < 0 ? PRESETS[preset].seed : axes[seeds][at[seeds]];
    // Every part of the table is there.
    const run = Object.freeze(spec) as unknown as RunSpec;
    checkParts(run);
    yield run;
    // Like a counter whose last digit turns fastest.
    for (place = axes.length - 1; place >= 0 && ++at[place] === axes[place].length; place--) at[place] = 0;
  }
}

/** All combinations of the lists of a part's fields. */
function inputsOf(lists: readonly List[], part: Part): object[] {
  let inputs: object[] = [{}];
  for (const { key, field, values } of lists) {
    if (key === part) inputs = inputs.flatMap((input) => values.map((value) => ({ ...input, [field!]: value })));
  }
  return inputs;
}

/** Numbers for at most `MOST_RUNS` runs: the same for runs of one identity. Smaller, and sooner made, than their hashes. */
export function runKeys(): (spec: RunSpec) => number {
  const numbers = new WeakMap<object, number>(), texts = new Map<string, number>(), settings = new Map<string, number>();
  const numberIn = (known: Map<string, number>, text: string): number => {
    const number = known.get(text) ?? known.size;
    known.set(text, number);
    return number;
  };
  const numberOf = (spec: RunSpec, part: Part): number => {
    let number = numbers.get(spec[part]);
    if (number === undefined) numbers.set(spec[part], number = numberIn(texts, partIdentity(spec, part)));
    return number;
  };
  let last: RunSpec | undefined, setting = 0;
  return (spec) => {
    if (PARTS.some((part) => spec[part] !== last?.[part])) {
      setting = numberIn(settings, PARTS.map((part) => numberOf(spec, part)).join());
      last = spec;
    }
    // Exact: there are fewer than 2^21 settings, and a seed has 32 bits.
    return 2 ** 32 * setting + spec.seed;
  };
}

/**
 * The fields in which runs differ, each with its values in the order in which they come: `optim.weightDecay` → [0.1, 1]. Without those that
 * follow from another and are the same wherever they don't; `written`: with these, since runs can't be made anew from the rest alone.
 */
export function swept(runs: readonly RunSpec[], { written = false }: { readonly written?: boolean } = {}): Map<string, Value[]> {
  const firsts = new Map(PARTS.map((part) => [part, [...new Map(runs.map((run) => [run[part], run])).values()]]));
  const differing = ENTRIES.flatMap((entry) => {
    const some = entry.part === null ? runs : firsts.get(entry.part)!;
    const values = [...new Set(some.map((run) => valueAt(run, entry)))];
    return values.length > 1 && !follows(some, entry, written) ? [[entry.path, values] as const] : [];
  });
  return new Map(differing);
}

/**
 * Whether a field says nothing new beside the one that it follows from: it has what follows, and one value where nothing does; `always`:
 * and something always does.
 */
function follows(runs: readonly RunSpec[], entry: Entry, always: boolean): boolean {
  const { from } = entry.field, source = ENTRIES.find(({ part, name }) => part === entry.part && name === from?.field);
  if (!from || !source) return false;
  const free = new Set<Value>();
  return runs.every((run) => {
    const value = valueAt(run, entry), following = from.value(valueAt(run, source) as never);
    if (following === undefined) free.add(value);
    return following === undefined ? free.size === 1 && !always : following === value;
  });
}
