/** Dataframes of notebooks: from rows, from runs, from a query of the lab. In a cell each shows itself as a table. */
import { escapeMarkup } from "../figures/markup.ts";
import { DataFrame, NDframe, Series } from "danfojs";
import type { SQLInputValue } from "node:sqlite";
import { milestones } from "../run/grokking.ts";
import { isPlain } from "../run/check.ts";
import { quote } from "../run/quote.ts";
import { Lab } from "../lab/store.ts";
import type { RunSpec } from "../run/spec.ts";
import type { Run } from "../train/train.ts";
import { count } from "../analysis/words.ts";

/** What a cell of a table may hold. */
export type Cell = string | number | boolean | null;

/**
 * A danfojs dataframe of rows, or of what a query of a lab finds; parameters take the places of its question marks. A path opens the lab
 * there for reading. What a row lacks that others have is missing in it.
 *
 * A number that is missing is NaN. As usual in dataframes, `mean`, `sum`, `min` and the like leave it out, and `count` counts what is
 * there, of whole columns and of groups: the mean of a column of grokking steps is that of the runs that grokked, and too small wherever
 * some never did. Of nothing, they are NaN, and `sum` and `count` 0; `std` and `var` of a single number are NaN. Sorting puts what is
 * missing last. A column that is called like a property of danfojs's own gets an underscore: `count_`, `shape_`.
 * @throws Error in one line where these aren't rows, the lab can't be opened or queried, or two columns of a query have one name.
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

/** danfojs guesses a column's type from its first rows, which fails where there are none; so it is given. */
function frameOf(columns: readonly string[], rows: readonly Record<string, Cell>[]): DataFrame {
  const dtypes = columns.map((column) => {
    const values = rows.map((row) => row[column] ?? null);
    const are = (type: string) => values.every((value) => value === null || typeof value === type);
    if (!are("number")) return are("boolean") ? "boolean" : "string";
    return values.every((value) => Number.isInteger(value) && Math.abs(value as number) < 2 ** 31) ? "int32" : "float32";
  });
  const values = rows.map((row) => columns.map((column, c) => row[column] ?? (dtypes[c] === "float32" ? NaN : null)));
  // Its types don't know null, its columns do.
  return new DataFrame(values as number[][], { columns: freeNames(columns), dtypes });
}

/**
 * Names of columns that are free for a dataframe: danfojs makes a property of every column, and one in place of its own, such as `count`,
 * would break whatever needs that.
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
/** What every dataframe has beside its prototype's properties. */
const OWN: ReadonlySet<string> = new Set(Object.getOwnPropertyNames(new DataFrame()));

/**
 * A dataframe with one row per run: its seed and whatever `more` says of it, the steps of memorising and grokking, and the wait between.
 */
export function grokkingFrame(runs: readonly Run[], more: (spec: RunSpec) => Record<string, Cell> = () => ({})): DataFrame {
  return frame(runs.map(({ spec, metrics }) => {
    const { memorisationStep: memorised, grokkingStep: grokked, delay, lastStep } = milestones(metrics);
    return { ...more(spec), seed: spec.seed, memorised, grokked, delay, "watched until": lastStep };
  }));
}

/** Longer dataframes show their first rows, and say how many there are. */
const ROWS = 50;

const isMissing = (value: unknown) => value === null || value === undefined || Number.isNaN(value);

/** An HTML table: numbers to the right and grouped by thousands, a dash for what is missing. */
export function htmlTable(columns: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const word = (value: unknown) =>
    isMissing(value)
      ? "–"
      : typeof value !== "number"
      ? escapeMarkup(String(value))
      : Number.isInteger(value)
      ? count(value)
      : String(Number(value.toPrecision(4)));
  const line = (tag: "th" | "td", values: readonly unknown[], sides: readonly string[]) =>
    `<tr>${values.map((value, i) => `<${tag} style="text-align:${sides[i]}">${word(value)}</${tag}>`).join("")}</tr>`;
  const sides = columns.map((_, c) => rows.every((row) => row[c] === null || typeof row[c] === "number") ? "right" : "left");
  const body = rows.slice(0, ROWS).map((row) => line("td", row, sides)).join("");
  const rest = rows.length > ROWS ? `${count(rows.length)} rows, the first ${ROWS} shown` : rows.length === 0 ? "no rows" : "";
  return `<table><thead>${line("th", columns, sides)}</thead><tbody>${body}</tbody></table>${rest && `<p>${rest}</p>`}`;
}

// Every dataframe and series shows itself, those too that danfojs makes from others: sorted, filtered, grouped. An index that only counts
// the rows is left out.
Object.defineProperty(NDframe.prototype, Symbol.for("Jupyter.display"), {
  configurable: true,
  value(this: DataFrame) {
    const indexed = this.index.some((label, i) => label !== i);
    const rows = (this.values as unknown[]).map((row, i) => [...(indexed ? [this.index[i]] : []), ...(Array.isArray(row) ? row : [row])]);
    // danfojs can't print a series without rows.
    const plain = rows.length > 0 ? this.toString() : `no rows of ${this.columns.join(", ")}`;
    return { "text/html": htmlTable([...(indexed ? [""] : []), ...this.columns], rows), "text/plain": plain };
  },
});

// Below, danfojs is mended where values are missing.

/** A row's place among others by one column: in its order, what is missing last whichever way the rest is sorted. */
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
/** What danfojs has of frames and series and doesn't declare. */
interface Settable {
  $setValues(values: unknown): void;
  $setIndex(index: unknown): void;
}

/** Puts the rows of a frame or a series in an order, in place. */
function reorder(of: DataFrame | Series, places: readonly number[]): void {
  const values = of.values as unknown[], { index } = of, settable = of as unknown as Settable;
  settable.$setValues(places.map((i) => values[i]));
  settable.$setIndex(places.map((i) => index[i]));
}

/** The classes from which danfojs makes frames of frames and series of frames: the exported ones are subclasses. */
const frames: DataFrame = Object.getPrototypeOf(DataFrame.prototype), series: Series = Object.getPrototypeOf(Series.prototype);
const { sortValues } = frames;
/** danfojs sorts by differences, which NaN leaves in disorder. */
frames.sortValues = function (this: DataFrame, column: string, { ascending = true, inplace = false }: SortOptions = {}) {
  // danfojs says what is wrong with the column.
  if (!this.columns.includes(column)) return sortValues.call(this, column);
  const places = order(this.column(column).values, ascending);
  return inplace ? reorder(this, places) as never : this.iloc({ rows: places });
};
series.sortValues = function (this: Series, { ascending = true, inplace = false }: SortOptions = {}) {
  const places = order(this.values, ascending);
  return inplace ? reorder(this, places) as never : this.iloc(places);
};

/** Statistics of a column that danfojs takes of fewer numbers than they need: it fails, or says that a single number has no spread. */
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
    // danfojs says what is wrong with words.
    if (this.dtypes.includes("string") || this.shape[0] === 0) return ofAll.call(this, { axis });
    const lines = axis === 0 ? this.columns.map((column) => this.column(column).values) : this.values;
    const found = (lines as number[][]).map((line) => (new Series(line, { dtypes: ["float32"] }) as unknown as typeof statistics)[name]());
    return new Series(found, { index: axis === 0 ? this.columns : this.index });
  };
}

/** danfojs takes the mean and the deviation of a column with what is missing. */
frames.describe = function (this: DataFrame) {
  const numeric = this.columns.filter((_, c) => this.dtypes[c] !== "string" && this.dtypes[c] !== "boolean");
  const described = numeric.map((column) => this.column(column).describe());
  return new DataFrame(Object.fromEntries(numeric.map((column, c) => [column, described[c].values])), { index: described[0]?.index ?? [] });
};

/** Of groups, too: there danfojs counts what is missing, and its minimum depends on where it stands. */
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
