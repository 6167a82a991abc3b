/** What differs between runs besides their seeds: fields, their names, and the settings that they make. */
import { type BoardRun, type Outcome, outcome } from "./run.ts";
import { entryAt, followers, PART_ENTRIES, type RunSpec, valueAt } from "../../run/fields.ts";
import { swept } from "../../run/grid.ts";
import type { Value } from "../../run/kinds.ts";
import { quote } from "../../run/quote.ts";
import { shortNumber } from "../words.ts";

/** What settings differ in, by the names that figures use. */
export interface Field {
  readonly name: string;
  /** Of each setting, in their order. */
  readonly values: readonly string[];
  /** The different ones, in the order in which settings are sorted by them. */
  readonly distinct: readonly string[];
  readonly numeric: boolean;
}

/** Runs that differ in their seed alone. */
export interface Setting {
  /** `d_model 64 · weight decay 0.1`, breaking between fields only; empty where all runs have one setting. */
  readonly name: string;
  readonly runs: readonly Outcome[];
}

/** How figures call a field, or, as it is, what is none. */
export const nameOf = (path: string): string => entryAt(path)?.field.label ?? path.split(".").at(-1)!;

/** Fields that people make follow from others; where they do, they tell nothing new. */
const FOLLOWING = followers("all");

export function valueOf(spec: RunSpec, path: string): Value {
  const entry = entryAt(path);
  if (!entry) throw new Error(`Cannot draw by a field: it must be one like optim.weightDecay, current value is ${quote(path)}`);
  return valueAt(spec, entry);
}

/** The fields in which two runs differ, their seeds aside, and those that follow from others where one of these differs. */
export function differing(a: RunSpec, b: RunSpec): string[] {
  const all = PART_ENTRIES.filter((entry) => valueAt(a, entry) !== valueAt(b, entry)).map(({ path }) => path);
  const own = all.filter((path) => !FOLLOWING.includes(path));
  return own.length > 0 ? own : all;
}

function wordOf(path: string, value: Value): string {
  const said = entryAt(path)?.field.say?.(value);
  return said ?? (typeof value === "number" ? shortNumber(value) : typeof value === "boolean" ? (value ? "yes" : "no") : value);
}

/** The settings, sorted by their fields: by size where these are numbers, else in the order in which they come. */
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
    name: nameOf(field),
    values: groups.map(([{ spec }]) => wordOf(field, valueOf(spec, field))),
    distinct: orders[f].map((value) => wordOf(field, value)),
    numeric: orders[f].every((value) => typeof value === "number"),
  }));
  const settings = groups.map((group, i): Setting => ({
    name: fields.map(({ name, values }) => `${name} ${values[i]}`.replaceAll(" ", "\u00a0")).join("\u00a0· "),
    runs: group.map(outcome).sort((a, b) => a.seed - b.seed),
  }));
  return { fields, settings };
}
