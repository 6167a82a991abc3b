/** Experiments: a named list of runs, with what counts as grokked in it and when a run may end. */
import type { RunSpec } from "../run/fields.ts";
import { MOST_RUNS, runKeys } from "../run/grid.ts";
import { MEMORISED, type Rule, type RuleName, RULES } from "../run/grokking.ts";
import { inOneLine, quote } from "../run/quote.ts";
import { checkWatch, type Watch } from "./watch.ts";

export { grid, range, swept } from "../run/grid.ts";
export type { Grid } from "../run/input.ts";

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
  /** The question that it is to answer, in a sentence. */
  readonly question?: string;
  /** All different; `grid` makes them. */
  readonly runs: readonly RunSpec[];
  /** What counts as having grokked. Default: `first`. */
  readonly rule?: RuleName | NamedRule;
  /**
   * A run may end so many updates after its grokking step, so that all are watched equally long after it; `null`: every run does all its
   * steps. Default: `null`.
   */
  readonly margin?: number | null;
  /**
   * What is kept of the state of a run that has ended; a checkpoint lets it go on for more steps, and be looked into. Default:
   * `checkpoint`.
   */
  readonly keep?: "checkpoint" | "nothing";
  /** What is stored of a run while it trains, beside its evaluations; runs that are done aren't trained anew for it. Default: nothing. */
  readonly watch?: Watch;
}

/** @throws Error where the name can't be one, there are no runs or too many, two are the same, or something else can't be so. */
export function checkExperiment({ name, question = "", runs, margin = null, rule = "first", watch = {} }: Experiment): void {
  const fail = (what: string, requirement: string, value: unknown) => {
    const called = typeof name === "string" ? inOneLine(name) : quote(name);
    throw new Error(`Cannot use experiment ${called}: ${what} must be ${requirement}, current value is ${quote(value)}`);
  };
  if (typeof name !== "string" || !NAME.test(name)) fail("its name", NAME_IN_WORDS, name);
  if (typeof question !== "string") fail("its question", "a text", question);
  if (!Array.isArray(runs)) fail("its runs", "a list of runs", runs);
  if (runs.length === 0) fail("its runs", "at least one", []);
  if (runs.length > MOST_RUNS) fail("its runs", `at most ${MOST_RUNS.toLocaleString("en")}`, runs.length);
  const different = new Set(runs.map(runKeys())).size;
  if (different < runs.length) fail("its runs", "all different", `${runs.length - different} of ${runs.length} come twice`);
  if (margin !== null && !(Number.isInteger(margin) && margin >= 0)) fail("its margin", "null or a whole number of updates from 0", margin);
  if (typeof rule === "string" && !Object.hasOwn(RULES, rule)) fail("its rule", `one of ${Object.keys(RULES).join(", ")}`, rule);
  checkWatch(watch, fail);
  if (watch.attention && runs.some(({ model }) => model.mixer === "none")) {
    fail("watch.attention", "left out where a run's model has none", watch.attention);
  }
  checkRule(namedRule(rule), (field, requirement, value) => fail(`its rule's ${field}`, requirement, value));
}

/** Calls `fail` with the first field of a rule that can't be so, and what it must be. */
export function checkRule(rule: Required<NamedRule>, fail: (field: string, requirement: string, value: unknown) => void): void {
  const { name, accuracy, times, memorised } = rule;
  if (typeof name !== "string" || !NAME.test(name)) fail("name", NAME_IN_WORDS, name);
  if (!(accuracy > 0 && accuracy <= 1)) fail("accuracy", "above 0 and at most 1", accuracy);
  if (!(memorised > 0 && memorised <= 1)) fail("memorised", "above 0 and at most 1", memorised);
  if (!(Number.isInteger(times) && times >= 1)) fail("times", "a whole number from 1", times);
}

/** What experiments and rules may be called. */
const NAME = /^[\w][\w.-]{0,99}$/, NAME_IN_WORDS = "letters, digits, _ . - and no more than 100";
