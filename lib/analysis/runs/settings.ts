/** What differs between runs besides their seeds: fields, their names, and the settings that they make. */
import { type BoardRun, type Outcome, outcome } from "./run.ts";
import { entryAt, followers, PART_ENTRIES, type RunSpec, valueAt } from "../../run/fields.ts";
import { swept } from "../../run/grid.ts";
import type { Value } from "../../run/kinds.ts";
import { quote } from "../../run/quote.ts";
import { shortNumber } from "../words.ts";

/** A field in which settings differ, named as in figures. */
export interface Field {
  readonly path: string;
  readonly name: string;
  /** The value in each setting, in the order of the settings. */
  readonly values: readonly string[];
  /** The different values, in the order by which settings are sorted. */
  readonly distinct: readonly string[];
  readonly numeric: boolean;
}

/** Runs that differ in their seed alone. */
export interface Setting {
  /** `d_model 64 · weight decay 0.1`, breaking between fields only; empty where all runs have one setting. */
  readonly name: string;
  /** That of one of its runs. */
  readonly spec: RunSpec;
  readonly runs: readonly Outcome[];
}

/** The name of a field in figures; for a path that is no field, its last part. */
export const nameOf = (path: string): string => entryAt(path)?.field.label ?? path.split(".").at(-1)!;

/** Fields that usually follow from others, as `dMlp` from `dModel`; where they do, they say nothing new. */
const FOLLOWING = followers("all");

/** The value of a field in a spec; `path` as in `optim.weightDecay`. @throws Error for a path that is no field. */
export function valueOf(spec: RunSpec, path: string): Value {
  const entry = entryAt(path);
  if (!entry) throw new Error(`Cannot draw by a field: it must be one like optim.weightDecay, current value is ${quote(path)}`);
  return valueAt(spec, entry);
}

/** The fields in which two runs differ, apart from the seed; those that usually follow from others only where nothing else differs. */
export function differing(a: RunSpec, b: RunSpec): string[] {
  const all = PART_ENTRIES.filter((entry) => valueAt(a, entry) !== valueAt(b, entry)).map(({ path }) => path);
  const own = all.filter((path) => !FOLLOWING.includes(path));
  return own.length > 0 ? own : all;
}

function wordOf(path: string, value: Value): string {
  const said = entryAt(path)?.field.say?.(value);
  return said ?? (typeof value === "number" ? shortNumber(value) : typeof value === "boolean" ? (value ? "yes" : "no") : value);
}

/** The settings, sorted field by field: by value where it is numeric, else in the order of the runs. */
export function settingsOf(runs: readonly BoardRun[]): { readonly fields: readonly Field[]; readonly settings: readonly Setting[] } {
  const differ = swept(runs.map(({ spec }) => spec));
  const distinct = (fields: readonly string[]) => new Set(runs.map(({ spec }) => key(spec, fields))).size;
  const key = (spec: RunSpec, fields: readonly string[]) => JSON.stringify(fields.map((field) => valueOf(spec, field)));
  let names = [...differ.keys()].filter((field) => field !== "seed");
  for (const field of FOLLOWING) {
    const others = names.filter((each) => each !== field);
    if (distinct(others) === distinct(names)) names = others;
  }
  const orders = names.map((field) => {
    const values = differ.get(field)!;
    return values.every((value) => typeof value === "number") ? values.toSorted((a, b) => Number(a) - Number(b)) : values;
  });
  const groups = [...Map.groupBy(runs, ({ spec }) => key(spec, names)).values()];
  const places = new Map(groups.map((group) => [group, names.map((field, f) => orders[f].indexOf(valueOf(group[0].spec, field)))]));
  groups.sort((a, b) => places.get(a)!.map((place, f) => place - places.get(b)![f]).find((difference) => difference !== 0) ?? 0);

  const fields = names.map((field, f): Field => ({
    path: field,
    name: nameOf(field),
    values: groups.map(([{ spec }]) => wordOf(field, valueOf(spec, field))),
    distinct: orders[f].map((value) => wordOf(field, value)),
    numeric: orders[f].every((value) => typeof value === "number"),
  }));
  const settings = groups.map((group, i): Setting => ({
    name: fields.map(({ name, values }) => `${name} ${values[i]}`.replaceAll(" ", "\u00a0")).join("\u00a0· "),
    spec: group[0].spec,
    runs: group.map(outcome).sort((a, b) => a.seed - b.seed),
  }));
  return { fields, settings };
}
