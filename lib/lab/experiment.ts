/**
 * Grids and experiments. A grid is a run's input in which any field may be a list; it stands for all combinations. An experiment is a named
 * list of runs with what counts as grokked in it and when a run may end.
 */
import { type RunInput, type RunSpec, runSpec, specHash } from "../run/spec.ts";
import { MEMORISED, type Rule, type RuleName, RULES } from "../run/grokking.ts";
import { checkWatch, type Watch } from "./watch.ts";

type Lists<T> = { readonly [K in keyof T]?: NonNullable<T[K]> extends infer V ? V | readonly V[] : never };

/** A run's input, each field a value or a list of values. */
export type Grid =
  & { readonly [Part in "model" | "data" | "optim" | "schedule"]?: Lists<RunSpec[Part]> }
  & Lists<Pick<RunInput, "preset" | "seed">>;

/** The whole numbers from `from` (default 0) up to but without `until`: `range(5)`, `range(5, 10)`. */
export function range(...bounds: [until: number] | [from: number, until: number]): number[] {
  const [from, until] = bounds.length === 2 ? bounds : [0, bounds[0]];
  return Array.from({ length: Math.max(0, until - from) }, (_, i) => from + i);
}

/**
 * All combinations of the lists in a grid, checked; what comes last in it varies fastest. Several grids follow each other, runs that two of them
 * share coming once: `grid({ data: { prime: 23 }, model: { dModel: 32 } }, { data: { prime: 47 }, model: { dModel: 64 } })`.
 * @throws Error for an empty list and for whatever `runSpec` refuses.
 */
export function grid(...grids: readonly Grid[]): RunSpec[] {
  const runs = new Map<string, RunSpec>();
  for (const input of grids.flatMap(combinations)) {
    const spec = runSpec(input);
    const hash = specHash(spec), known = runs.get(hash);
    if (!known || known.schedule.steps < spec.schedule.steps) runs.set(hash, spec);
  }
  return [...runs.values()];
}

function combinations(lists: Grid): RunInput[] {
  let inputs: RunInput[] = [{}];
  const extend = (name: string, value: unknown, put: (input: RunInput, value: unknown) => RunInput) => {
    if (Array.isArray(value) && value.length === 0) {
      throw new Error(`Cannot use this grid: ${name} must have at least one value, current value is []`);
    }
    inputs = inputs.flatMap((input) => (Array.isArray(value) ? value : [value]).map((each) => put(input, each)));
  };
  for (const [key, value] of Object.entries(lists)) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      extend(key, value, (input, each) => ({ ...input, [key]: each }));
      continue;
    }
    const part = key as "model";
    for (const [field, values] of Object.entries(value)) {
      extend(`${key}.${field}`, values, (input, each) => ({ ...input, [part]: { ...input[part], [field]: each } }));
    }
  }
  return inputs;
}

/** A rule and what it is called in the database. */
export interface NamedRule extends Rule {
  readonly name: string;
}

/** The rule of this name, or the one given, all of its thresholds spelt out. */
export function namedRule(rule: RuleName | NamedRule): Required<NamedRule> {
  const named = typeof rule === "string" ? { name: rule, ...RULES[rule] } : rule;
  return { memorised: MEMORISED, ...named };
}

export interface Experiment {
  /** What it is called in the database and on the command line. */
  readonly name: string;
  /** What it asks, in a sentence. */
  readonly question?: string;
  /** All different; `grid` makes them. */
  readonly runs: readonly RunSpec[];
  /** What counts as having grokked. Default: `first`. */
  readonly rule?: RuleName | NamedRule;
  /**
   * A run may end once it has grokked and every evaluation of the last so many updates has passed the rule; `null`: every run does all its steps,
   * so that what comes after grokking is seen too. Default: `null`.
   */
  readonly margin?: number | null;
  /** What is kept of the state of a run that has ended; a checkpoint lets it go on for more steps, and be looked into. Default: `checkpoint`. */
  readonly keep?: "checkpoint" | "nothing";
  /** What is stored of a run while it trains, beside its evaluations; runs that are done aren't trained anew for it. Default: nothing. */
  readonly watch?: Watch;
}

/** @throws Error where the name can't be one, there are no runs, or two are the same. */
export function checkExperiment({ name, runs, margin = null, rule = "first", watch = {} }: Experiment): void {
  const fail = (what: string, requirement: string, value: unknown) => {
    throw new Error(`Cannot use experiment ${name}: ${what} must be ${requirement}, current value is ${JSON.stringify(value) ?? value}`);
  };
  if (typeof name !== "string" || !NAME.test(name)) fail("its name", NAME_IN_WORDS, name);
  if (runs.length === 0) fail("its runs", "at least one", []);
  const hashes = new Set(runs.map(specHash));
  if (hashes.size < runs.length) fail("its runs", "all different", `${runs.length - hashes.size} of ${runs.length} come twice`);
  if (margin !== null && !(Number.isInteger(margin) && margin >= 0)) fail("its margin", "null or a whole number of updates from 0", margin);
  if (typeof rule === "string" && !Object.hasOwn(RULES, rule)) fail("its rule", `one of ${Object.keys(RULES).join(", ")}`, rule);
  checkWatch(watch, fail);
  checkRule(namedRule(rule), (field, requirement, value) => fail(`its rule's ${field}`, requirement, value));
}

/** Calls `fail` with the first field of a rule that can't be so, and what it must be. */
export function checkRule(rule: Required<NamedRule>, fail: (field: string, requirement: string, value: unknown) => void): void {
  const { name, accuracy, times, memorised } = rule;
  if (!NAME.test(name)) fail("name", NAME_IN_WORDS, name);
  if (!(accuracy > 0 && accuracy <= 1)) fail("accuracy", "above 0 and at most 1", accuracy);
  if (!(memorised > 0 && memorised <= 1)) fail("memorised", "above 0 and at most 1", memorised);
  if (!(Number.isInteger(times) && times >= 1)) fail("times", "a whole number from 1", times);
}

/** What experiments and rules may be called. */
const NAME = /^[\w][\w.-]{0,99}$/, NAME_IN_WORDS = "letters, digits, _ . - and no more than 100";
