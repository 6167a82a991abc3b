/** Dataframes of notebooks: from rows, from runs, from a query of the lab. In a cell each shows itself as a table. */
import { escapeMarkup } from "../figures/markup.ts";
import { DataFrame, NDframe } from "danfojs";
import type { SQLInputValue } from "node:sqlite";
import { milestones } from "../run/grokking.ts";
import { Lab } from "../lab/store.ts";
import type { RunSpec } from "../run/spec.ts";
import type { Run } from "../train/train.ts";
import { count } from "../analysis/words.ts";

/** What a cell of a table may hold. */
export type Cell = string | number | boolean | null;

/**
 * A danfojs dataframe of rows with the same keys, or of what a query of a lab finds; parameters take the places of its question marks. A path opens
 * the lab there for reading.
 *
 * A number that is missing is NaN, which sums and means pass on, where danfojs takes null for 0. A column that is called like a property of danfojs's
 * own gets an underscore: `shape_`.
 * @throws Error in one line where the lab can't be opened or asked.
 */
export function frame(rows: readonly Record<string, Cell>[]): DataFrame;
export function frame(lab: Lab | string, sql: string, ...parameters: readonly SQLInputValue[]): DataFrame;
export function frame(from: readonly Record<string, Cell>[] | Lab | string, sql = "", ...parameters: readonly SQLInputValue[]): DataFrame {
  if (typeof from === "string") {
    using lab = Lab.open(from, { readOnly: true });
    return frame(lab, sql, ...parameters);
  }
  if (!(from instanceof Lab)) return frameOf(Object.keys(from[0] ?? {}), from);
  const rows = from.query(sql, ...parameters);
  return frameOf([...new Set(from.columns(sql))], rows);
}

/** danfojs guesses what a column holds from its first rows, and from none it can't; so it is told. */
function frameOf(columns: readonly string[], rows: readonly Record<string, Cell>[]): DataFrame {
  const dtypes = columns.map((column) => {
    const values = rows.map((row) => row[column] ?? null);
    const are = (type: string) => values.every((value) => value === null || typeof value === type);
    if (!are("number")) return are("boolean") ? "boolean" : "string";
    return values.every((value) => Number.isInteger(value) && Math.abs(value as number) < 2 ** 31) ? "int32" : "float32";
  });
  const values = rows.map((row) => columns.map((column, c) => row[column] ?? (dtypes[c] === "float32" ? NaN : null)));
  // Its types don't know null, its columns do.
  return new DataFrame(values as number[][], { columns: columns.map(free), dtypes });
}

/** danfojs makes a property of every column; in place of one of its own, which it reads itself, all else would break. */
function free(column: string): string {
  for (let of = DataFrame.prototype; of; of = Object.getPrototypeOf(of)) {
    if (Object.getOwnPropertyDescriptor(of, column)?.get) return `${column}_`;
  }
  return column;
}

/** A dataframe with a row a run: its seed and whatever `more` says of it, the steps of memorising and grokking, and the wait between. */
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

/** The class from which danfojs makes frames of frames: the exported one is a subclass of it. */
const base: DataFrame = Object.getPrototypeOf(DataFrame.prototype);
const { sortValues } = base;
/** danfojs sorts by differences, which NaN leaves in disorder: here what is missing comes last, whichever way the rest is sorted. */
base.sortValues = function (column, options) {
  const missing: boolean[] = this.columns.includes(column) ? this.column(column).values.map(isMissing) : [];
  if (options?.inplace || !missing.includes(true)) return sortValues.call(this, column, options);
  const [has, lacks] = [false, true].map((which) => [...missing.keys()].filter((i) => missing[i] === which));
  const sorted = has.length === 0 ? [] : sortValues.call(this.iloc({ rows: has }).resetIndex(), column, options).index as number[];
  return this.iloc({ rows: [...sorted.map((i) => has[i]), ...lacks] });
};
