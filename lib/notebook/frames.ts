/** Dataframes for notebooks: from rows, from runs, or from a query of the lab. Cells show them as tables. */
import { escapeMarkup } from "../figures/markup.ts";
import { DataFrame, NDframe, Series } from "danfojs";
import type { SQLInputValue } from "node:sqlite";
import { isPlain } from "../run/check.ts";
import { quote } from "../run/quote.ts";
import { Lab } from "../lab/store.ts";
import type { RunSpec } from "../run/spec.ts";
import type { Run } from "../train/train.ts";
import { type BoardRun, isOpen, type Outcome, type State } from "../analysis/runs/run.ts";
import { settingsOf, valueOf } from "../analysis/runs/settings.ts";
import { restrictedMean } from "../analysis/statistics/restricted.ts";
import { count } from "../analysis/words.ts";
import { medianWord } from "../figures/settings.ts";

/** A value in a table. */
export type Cell = string | number | boolean | null;

/**
 * A danfojs dataframe of rows, or of the result of an SQL query to a lab; `parameters` replace the question marks in the query. A path
 * opens the lab there for reading. Where a row lacks a column that others have, its value is missing.
 *
 * Missing numbers are NaN. As usual in dataframes, `mean`, `sum`, `min` and the like leave them out, for columns and for groups, and
 * `count` counts the other values: so the mean of a column of grokking steps is that of the runs that grokked, and too small where some
 * never did. Without any value they are NaN, and `sum` and `count` 0; `std` and `var` of a single number are NaN. Sorting puts missing
 * values last. A column with the name of a property of danfojs dataframes gets an underscore: `count_`, `shape_`.
 * @throws Error, of one line, where the argument isn't rows or a lab, the lab can't be opened or queried, or two columns of a query have
 * the same name.
 */
export function frame(rows: readonly Record<string, Cell>[]): DataFrame;
export function frame(lab: Lab | string, sql: string, ...parameters: readonly SQLInputValue[]): DataFrame;
export function frame(from: readonly Record<string, Cell>[] | Lab | string, sql = "", ...parameters: readonly SQLInputValue[]): DataFrame {
  if (typeof from === "string") {
    using lab = Lab.open(from, { readOnly: true });
    return frame(lab, sql, ...parameters);
  }
  if (!(from instanceof Lab)) {
    if (!Array.isArray(from) || !from.every((row): boolean => isPlain(row))) {
      throw new Error(`Cannot make a dataframe: must be rows like {step: 1}, a lab or the path of one, current value is ${quote(from)}`);
    }
    return frameOf([...new Set(from.flatMap(Object.keys))], from);
  }
  const columns = from.columns(sql), twice = columns.find((name, i) => columns.indexOf(name) !== i);
  if (twice !== undefined) {
    throw new Error(
      `Cannot make a dataframe: its columns must have different names, there are two called ${quote(twice)}; give one another with AS`,
    );
  }
  return frameOf(columns, from.query(sql, ...parameters));
}

/** danfojs guesses a column's type from its first rows, which fails without rows; so the type is given. */
function frameOf(columns: readonly string[], rows: readonly Record<string, Cell>[]): DataFrame {
  const dtypes = columns.map((column) => {
    const values = rows.map((row) => row[column] ?? null);
    const are = (type: string) => values.every((value) => value === null || typeof value === type);
    if (!are("number")) return are("boolean") ? "boolean" : "string";
    return values.every((value) => Number.isInteger(value) && Math.abs(value as number) < 2 ** 31) ? "int32" : "float32";
  });
  const values = rows.map((row) => columns.map((column, c) => row[column] ?? (dtypes[c] === "float32" ? NaN : null)));
  // Its declared types exclude null, but its columns accept it.
  return new DataFrame(values as number[][], { columns: freeNames(columns), dtypes });
}

/**
 * Column names that don't clash with a dataframe's own properties: danfojs makes a property of every column, and a column `count` would
 * replace its method.
 */
function freeNames(columns: readonly string[]): string[] {
  const taken = new Set(columns);
  return columns.map((column) => {
    let name = column;
    while (OWN.has(name) || name in DataFrame.prototype || (name !== column && taken.has(name))) name += "_";
    taken.add(name);
    return name;
  });
}
/** A dataframe's own properties, besides those of its prototype. */
const OWN: ReadonlySet<string> = new Set(Object.getOwnPropertyNames(new DataFrame()));

/**
 * A dataframe with one row per run: the columns that `more` gives, the seed, the memorisation and grokking steps by the rule that the run
 * was watched by, the grokking delay (`Milestones.delay`, negative where a run grokked first), and the last evaluated step.
 */
export function grokkingFrame(runs: readonly Run[], more: (spec: RunSpec) => Record<string, Cell> = () => ({})): DataFrame {
  return frame(runs.map(({ spec, metrics, memorisationStep: memorised, grokkingStep: grokked }) => {
    const delay = memorised === null || grokked === null ? null : grokked - memorised;
    return { ...more(spec), seed: spec.seed, memorised, grokked, delay, "watched until": metrics.at(-1)?.step ?? null };
  }));
}

/**
 * A dataframe with one row per setting: the fields in which the runs differ, the seed aside; how many grokked and how many never did, and
 * where there are such, how many diverged or are open. The median grokking step: `> 700` where half of them were watched so long without,
 * `–` where half diverged, missing where open runs could change it. The mean up to the last step for which it is known of every run
 * whether it had grokked, with which those enter that hadn't: missing while runs are open.
 */
export function settingFrame(runs: readonly BoardRun[]): DataFrame {
  const { fields, settings } = settingsOf(runs), states = settings.map(({ runs }) => Map.groupBy(runs, ({ state }) => state));
  const counts = [["diverged", ["diverged"]], ["open", ["training", "stopped", "waiting"]]] as const;
  const inStates = (i: number, of: readonly State[]) => of.reduce((sum, state) => sum + (states[i].get(state)?.length ?? 0), 0);
  const some = counts.filter(([, of]) => settings.some((_, i) => inStates(i, of) > 0));
  return frame(settings.map(({ spec, runs }, i) => ({
    ...Object.fromEntries(fields.map(({ path, name, values, numeric }) => [name, numeric ? valueOf(spec, path) : values[i]])),
    runs: runs.length,
    grokked: inStates(i, ["grokked"]),
    never: inStates(i, ["never"]),
    ...Object.fromEntries(some.map(([name, of]) => [name, inStates(i, of)])),
    "median step": medianWord(runs) || null,
    "restricted mean": runs.some(isOpen) ? null : restricted(runs, spec.schedule.steps),
  })));
}

/** The mean grokking step up to the last step, of so many, for which all runs are known; one that diverged never groks. */
function restricted(runs: readonly Outcome[], steps: number): number {
  const limit = Math.min(steps, ...runs.flatMap(({ state, known }) => state === "never" ? [known] : []));
  return restrictedMean(runs.map(({ grokked }) => ({ time: grokked ?? limit, event: grokked !== null })), limit);
}

/** Longer dataframes show only this many rows, and say how many there are. */
const ROWS = 50;

const isMissing = (value: unknown) => value === null || value === undefined || Number.isNaN(value);

/** A number in a table: whole from 1,000 on, with thousands separators; smaller ones with four significant digits. */
function numberWord(value: number): string {
  const short = Number(value.toPrecision(4));
  return Number.isInteger(value) || Math.abs(short) >= 1000 ? count(value) : String(short);
}

/** An HTML table: numbers right-aligned, a dash for a missing value. */
export function htmlTable(columns: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const word = (value: unknown) => isMissing(value) ? "–" : typeof value === "number" ? numberWord(value) : escapeMarkup(String(value));
  const line = (tag: "th" | "td", values: readonly unknown[], sides: readonly string[]) =>
    `<tr>${values.map((value, i) => `<${tag} style="text-align:${sides[i]}">${word(value)}</${tag}>`).join("")}</tr>`;
  const sides = columns.map((_, c) => rows.every((row) => row[c] === null || typeof row[c] === "number") ? "right" : "left");
  const body = rows.slice(0, ROWS).map((row) => line("td", row, sides)).join("");
  const rest = rows.length > ROWS ? `${count(rows.length)} rows, the first ${ROWS} shown` : rows.length === 0 ? "no rows" : "";
  return `<table><thead>${line("th", columns, sides)}</thead><tbody>${body}</tbody></table>${rest && `<p>${rest}</p>`}`;
}

// Cells show every dataframe and series as a table, also those that danfojs derives by sorting, filtering or grouping. An index that only
// counts the rows is left out.
Object.defineProperty(NDframe.prototype, Symbol.for("Jupyter.display"), {
  configurable: true,
  value(this: DataFrame) {
    const indexed = this.index.some((label, i) => label !== i);
    const rows = (this.values as unknown[]).map((row, i) => [...(indexed ? [this.index[i]] : []), ...(Array.isArray(row) ? row : [row])]);
    // danfojs can't print a dataframe or series without rows.
    const plain = rows.length > 0 ? this.toString() : `no rows of ${this.columns.join(", ")}`;
    return { "text/html": htmlTable([...(indexed ? [""] : []), ...this.columns], rows), "text/plain": plain };
  },
});

// The rest corrects danfojs where values are missing.

/** The indices that sort a column; missing values come last in either direction. */
function order(values: readonly unknown[], ascending: boolean): number[] {
  const places = [...values.keys()], sign = ascending ? 1 : -1;
  const has = places.filter((i) => !isMissing(values[i])), lacks = places.filter((i) => isMissing(values[i]));
  const before = (a: string | number, b: string | number) => a < b ? -sign : a > b ? sign : 0;
  return [...has.sort((i, j) => before(values[i] as number, values[j] as number)), ...lacks];
}

interface SortOptions {
  readonly ascending?: boolean;
  readonly inplace?: boolean;
}
/** Methods of danfojs frames and series that its types don't declare. */
interface Settable {
  $setValues(values: unknown): void;
  $setIndex(index: unknown): void;
}

/** Reorders the rows of a frame or a series in place. */
function reorder(of: DataFrame | Series, places: readonly number[]): void {
  const values = of.values as unknown[], { index } = of, settable = of as unknown as Settable;
  settable.$setValues(places.map((i) => values[i]));
  settable.$setIndex(places.map((i) => index[i]));
}

/** The base classes, which danfojs uses for derived frames and series; the exported classes are subclasses. */
const frames: DataFrame = Object.getPrototypeOf(DataFrame.prototype), series: Series = Object.getPrototypeOf(Series.prototype);
const { sortValues } = frames;
/** danfojs sorts by differences, which gives a wrong order where a value is NaN. */
frames.sortValues = function (this: DataFrame, column: string, { ascending = true, inplace = false }: SortOptions = {}) {
  // danfojs throws its own error for an unknown column.
  if (!this.columns.includes(column)) return sortValues.call(this, column);
  const places = order(this.column(column).values, ascending);
  return inplace ? reorder(this, places) as never : this.iloc({ rows: places });
};
series.sortValues = function (this: Series, { ascending = true, inplace = false }: SortOptions = {}) {
  const places = order(this.values, ascending);
  return inplace ? reorder(this, places) as never : this.iloc(places);
};

/** How many values a statistic needs. With fewer, danfojs fails, or gives a single number a standard deviation of 0. */
const NEEDED = { mean: 1, median: 1, min: 1, max: 1, std: 2, var: 2 } as const;
const statistics = series as unknown as Record<keyof typeof NEEDED, (...args: unknown[]) => number>;
const wholes = frames as unknown as Record<keyof typeof NEEDED, (options?: { axis?: 0 | 1 }) => Series>;
for (const [name, least] of Object.entries(NEEDED) as [keyof typeof NEEDED, number][]) {
  const of = statistics[name];
  statistics[name] = function (this: Series, ...args) {
    const values = this.values as unknown[];
    return this.dtypes[0] === "string" || values.filter((value) => !isMissing(value)).length >= least ? of.apply(this, args) : NaN;
  };
  const ofAll = wholes[name];
  wholes[name] = function (this: DataFrame, { axis = 1 } = {}) {
    // danfojs throws its own error for columns of strings.
    if (this.dtypes.includes("string") || this.shape[0] === 0) return ofAll.call(this, { axis });
    const lines = axis === 0 ? this.columns.map((column) => this.column(column).values) : this.values;
    const found = (lines as number[][]).map((line) => (new Series(line, { dtypes: ["float32"] }) as unknown as typeof statistics)[name]());
    return new Series(found, { index: axis === 0 ? this.columns : this.index });
  };
}

/** danfojs includes missing values in the mean and standard deviation of a column. */
frames.describe = function (this: DataFrame) {
  const numeric = this.columns.filter((_, c) => this.dtypes[c] !== "string" && this.dtypes[c] !== "boolean");
  const described = numeric.map((column) => this.column(column).describe());
  return new DataFrame(Object.fromEntries(numeric.map((column, c) => [column, described[c].values])), { index: described[0]?.index ?? [] });
};

/** The same for groups, where danfojs counts missing values, and its minimum depends on their position. */
type Groups = { groupMathLog(values: unknown[], operation: string): unknown[] };
const groups: Groups = Object.getPrototypeOf(new DataFrame([["a", 1]], { columns: ["key", "value"] }).groupby(["key"]));
const { groupMathLog } = groups;
groups.groupMathLog = function (values, operation) {
  const there = values.filter((value) => !isMissing(value));
  if (operation.startsWith("cum")) return groupMathLog.call(this, values, operation);
  const least = Object.hasOwn(NEEDED, operation) ? NEEDED[operation as keyof typeof NEEDED] : 1;
  if (there.length >= least) return groupMathLog.call(this, there, operation);
  return [operation === "count" || operation === "sum" ? 0 : NaN];
};
