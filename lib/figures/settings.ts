/** From the runs of a sweep to what its board shows: how each run stands, and the settings, which are what differs besides the seed. All pure. */
import { swept } from "../lab/experiment.ts";
import { OPERATIONS } from "../run/operations.ts";
import type { RunSpec } from "../run/spec.ts";
import { type Curve, medianStep, quantile } from "./runs.ts";
import { soonest, watchedFor, watchedWord } from "../analysis/runs/follow_up.ts";
import { list } from "./sweep_marks.ts";
import { count } from "./theme.ts";

/** A run as the board of its sweep sees it; a sweep gives such, and so does the lab. */
export interface BoardRun extends Omit<Curve, "metrics"> {
  readonly status: string;
  /** Updates done. */
  readonly step: number;
  /** Up to which step it is known whether it had grokked, where that isn't `step`: a rule of several evaluations in a row can't tell of the last ones. */
  readonly known?: number;
}

/** `never`: watched to the end of its steps. `training`, here or elsewhere; `stopped` on the way; `waiting`: not begun. */
export type State = "grokked" | "never" | "diverged" | "training" | "stopped" | "waiting";

/** How a run stands. What came after its steps, trained for another experiment, doesn't count. */
export interface Outcome {
  readonly seed: number;
  readonly state: State;
  readonly memorised: number | null;
  readonly grokked: number | null;
  readonly watched: number;
  /** Where its time to grok is censored: the step up to which it is known not to have. One that diverged won't, in all the steps it was to do. */
  readonly known: number;
  /** Whether it is in training, which one that has grokked may still be. */
  readonly active: boolean;
}

export function outcome({ spec, status, step, known = step, memorisationStep, grokkingStep }: BoardRun): Outcome {
  const { steps } = spec.schedule;
  const within = (at: number | null) => (at !== null && at <= steps ? at : null);
  const grokked = within(grokkingStep), active = status === "training" || status === "elsewhere";
  const state = grokked !== null
    ? "grokked"
    : status === "failed"
    ? "diverged"
    : step >= steps
    ? "never"
    : active
    ? "training"
    : step > 0
    ? "stopped"
    : "waiting";
  return {
    ...{ seed: spec.seed, state, memorised: within(memorisationStep), grokked, watched: Math.min(step, steps), active },
    known: state === "diverged" ? steps : Math.min(known, steps),
  };
}

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

/** A number as people write it in a table of settings: `0.1`, `1e-8`, `4704`. */
export const shortNumber = (value: number, digits = 4): string => String(Number(value.toPrecision(digits)));

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

/**
 * The quantile q of the grokking steps, those that never grok counted as later than all that do: `Infinity` where it lies among them, `null`
 * where runs that are still open may change it.
 */
export function grokkingQuantile(runs: readonly Outcome[], q: number): number | null {
  if (runs.length === 0) return null;
  const if_ = (open: (run: Outcome) => number) =>
    quantile(runs.map((run) => run.grokked ?? (isOpen(run) ? open(run) : Infinity)).sort((a, b) => a - b), q);
  const latest = if_(() => Infinity);
  return if_(({ known }) => known) === latest ? latest : null;
}

/** Whether it may yet grok. */
export const isOpen = ({ state }: Outcome) => state === "training" || state === "stopped" || state === "waiting";

/** `4 of 5`; empty where none has begun. */
export const shareWord = (runs: readonly Outcome[]): string =>
  runs.every(({ state }) => state === "waiting") ? "" : `${runs.filter(({ state }) => state === "grokked").length} of ${runs.length}`;

/** The median grokking step in words: `> 20,000` where most of the runs were watched so long and never grokked; empty while it is open. */
export function medianWord(runs: readonly Outcome[]): string {
  const median = grokkingQuantile(runs, 0.5);
  if (median === null) return "";
  if (Number.isFinite(median)) return count(median);
  const never = runs.filter(({ state }) => state === "never").map(({ known }) => known);
  return never.length === 0 ? "–" : `> ${count(Math.min(...never))}`;
}

/** While a sweep goes on or stands still, how far it is; at its end, what it found. The title of its board. */
export function boardTitle(settings: readonly Setting[]): string {
  const runs = settings.flatMap((setting) => setting.runs), n = runs.length;
  const number = (state: State) => runs.filter((run) => run.state === state).length;
  const grokked = number("grokked");
  if (number("waiting") === n) return n === 0 ? "No runs" : n === 1 ? "The run has not begun" : `None of ${count(n)} runs has begun`;
  const so = grokked === 0
    ? `None of ${count(n)} runs has grokked`
    : `${count(grokked)} of ${count(n)} runs ${grokked === 1 ? "has" : "have"} grokked`;
  const others = [
    [number("training"), "in training"],
    [number("stopped"), "stopped"],
    [number("waiting"), "waiting"],
    [number("never"), "never did"],
    [number("diverged"), "diverged"],
  ].flatMap(([n, word]) => n ? [`${count(n as number)} ${word}`] : []);
  if (runs.some(isOpen)) return `${so} so far; ${others.join(", ")}`;
  const on = runs.filter(({ active }) => active).length;
  return on > 0 ? `${[so, ...others].join("; ")}; ${count(on)} train on` : boardFinding(settings);
}

function boardFinding(settings: readonly Setting[]): string {
  const runs = settings.flatMap((setting) => setting.runs), n = runs.length, grokked = runs.filter((run) => run.grokked !== null).length;
  const diverged = runs.filter(({ state }) => state === "diverged").length;
  const networks = n === 1 ? "The network" : grokked === n ? `All ${count(n)} networks` : `${count(grokked)} of ${count(n)} networks`;
  const rest = diverged === 0 ? "" : `; ${count(diverged)} diverged`;
  if (grokked === 0) {
    return `${n === 1 ? "The network does not grok" : `None of ${count(n)} networks groks`} within ${watchedWord(runs)}${rest}`;
  }
  const at = runs.length === settings.length ? "at" : "around", steps = (step: number) => `${at}\u00a0step\u00a0${count(step)}`;
  const groks = `${networks} grok${n === 1 || (grokked === 1 && n > 1) ? "s" : ""}`, best = soonest(settings.map(({ runs }) => runs));
  const ranked = settings.map(({ name, runs }) => ({ name, runs, median: medianStep(runs.map((run) => run.grokked)) }));
  if (ranked.every(({ median }) => median === null)) return `${groks}; at no setting more than half of them, within ${watchedWord(runs)}${rest}`;
  if (ranked.length === 1) return `${groks}, ${steps(ranked[0].median!)}${rest}`;
  const first = best ? `, soonest with ${list(best.at.map((i) => ranked[i].name))}, ${steps(best.step)}` : "";
  const none = ranked.filter(({ runs }) => runs.every((run) => run.grokked === null)), longest = watchedFor(runs)[1];
  // Of runs that weren't watched as long as others it is said how long they were.
  const within = none.length > 0 && watchedFor(none.flatMap(({ runs }) => runs))[0] < longest
    ? ` within ${watchedWord(none.flatMap(({ runs }) => runs))}`
    : "";
  const latest = Math.max(...ranked.map(({ median }) => median ?? Infinity)), worst = list(ranked.filter(({ median }) => median === latest).map(({ name }) => name));
  const last = none.length === 1
    ? `; with ${none[0].name} none does${within}`
    : none.length > 1
    ? `; at ${count(none.length)} of ${count(ranked.length)} settings none does${within}`
    : best && latest < Infinity && latest > best.step && worst.length <= 60
    ? `, last with ${worst}, ${steps(latest)}`
    : "";
  return `${groks}${first}${last}${rest}`;
}
