/** What differs between runs besides their seeds: fields, their names, and the settings that they make. */
import { type BoardRun, type Outcome, outcome } from "./run.ts";
import type { RunSpec } from "../../run/spec.ts";
import { OPERATIONS } from "../../run/operations.ts";
import { shortNumber } from "../words.ts";

/** What settings differ in, in the words of people. */
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

const NAMES: Readonly<Record<string, string>> = {
  "model.dModel": "d_model",
  "model.dMlp": "d_mlp",
  "model.initSigma": "init σ",
  "model.positionSigma": "position σ",
  "data.prime": "p",
  "data.trainFraction": "train fraction",
  "optim.lr": "learning rate",
  "optim.weightDecay": "weight decay",
  "optim.beta1": "β₁",
  "optim.beta2": "β₂",
  "optim.warmup": "warm-up",
  "schedule.evalEvery": "evaluated every",
};

export const nameOf = (field: string) => NAMES[field] ?? field.split(".").at(-1)!;

/** Fields that people make follow from others; where they do, they tell nothing new. */
const FOLLOWING = ["model.dMlp", "model.initSigma", "model.positionSigma", "model.context", "schedule.steps", "schedule.evalEvery"];

export type Value = string | number | boolean;

export function valueOf(spec: RunSpec, field: string): Value {
  const [part, key] = field.split(".");
  return (spec as unknown as Record<string, Record<string, Value>>)[part][key];
}

/** The fields in which two runs differ, their seeds aside, and those that follow from others where one of these differs. */
export function differing(a: RunSpec, b: RunSpec): string[] {
  const fields = (["model", "data", "optim", "schedule"] as const).flatMap((part) => Object.keys(a[part]).map((key) => `${part}.${key}`));
  const all = fields.filter((field) => valueOf(a, field) !== valueOf(b, field));
  const own = all.filter((field) => !FOLLOWING.includes(field));
  return own.length > 0 ? own : all;
}

function wordOf(field: string, value: Value): string {
  if (field === "data.operation") return OPERATIONS[value as keyof typeof OPERATIONS].formula;
  return typeof value === "number" ? shortNumber(value) : typeof value === "boolean" ? (value ? "yes" : "no") : value;
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

/** The fields in which runs differ, each with its values in the order in which they come: `optim.weightDecay` → [0.1, 1]. */
export function swept(runs: readonly RunSpec[]): Map<string, (string | number | boolean)[]> {
  const values = new Map<string, Set<string | number | boolean>>();
  for (const run of runs) {
    for (const [key, value] of Object.entries(run)) {
      const fields = typeof value === "object"
        ? Object.entries(value as object).map(([field, each]) => [`${key}.${field}`, each])
        : [[key, value]];
      for (const [field, each] of fields) {
        if (!values.has(field)) values.set(field, new Set());
        values.get(field)!.add(each);
      }
    }
  }
  // A width that follows from another says nothing new.
  if (runs.every(({ model: { dModel, dMlp } }) => dMlp === 4 * dModel)) values.delete("model.dMlp");
  return new Map([...values].flatMap(([field, set]) => set.size > 1 ? [[field, [...set]]] : []));
}
