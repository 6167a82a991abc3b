/** Results of SQL as people and programs read them: an aligned table, CSV, or JSON. */
// @ts-types="@types/d3-dsv"
import { csvFormatRow } from "d3-dsv";
import type { SQLOutputValue } from "node:sqlite";
import { reason } from "../run/files.ts";
import { relations } from "../lab/overview.ts";
import type { Lab } from "../lab/store.ts";
import { plural } from "./progress.ts";
import { GAP, lineOf, widthsOf } from "./table.ts";
import { isGone, safe } from "./terminal.ts";

export const FORMATS = ["table", "csv", "json"] as const;
export type Format = (typeof FORMATS)[number];

/** Where a result goes. */
export interface Output extends Disposable {
  write(text: string): void;
  /** Width of the terminal; none where it isn't one, and nothing is cut. */
  readonly columns?: number;
}

/** The reader of the result has closed the pipe, as `head` does. */
export class Closed extends Error {}

/**
 * What is written goes out in larger pieces, the last when it is disposed of. A terminal gets no control characters, a file or pipe all.
 */
export function stdout(): Output {
  let pending = "";
  const terminal = Deno.stdout.isTerminal();
  const flush = () => {
    const bytes = new TextEncoder().encode(terminal ? safe(pending) : pending);
    pending = "";
    try {
      for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
    } catch (error) {
      throw isGone(error) ? new Closed() : new Error(`Cannot write the result: ${reason(error)}`);
    }
  };
  return {
    write: (text) => {
      pending += text;
      if (pending.length > PIECE) flush();
    },
    ...terminal && { columns: Deno.consoleSize().columns },
    [Symbol.dispose]: flush,
  };
}
const PIECE = 1 << 16;

/** A column of text is cut to so many characters at least. */
const LEAST = 12;

/** Writes what a statement gives. @throws Error in one line where it gives no rows at all, or can't be read, or what `write` throws. */
export function answer(lab: Lab, sql: string, format: Format, output: Output): void {
  const { columns, rows } = lab.table(sql);
  if (format === "csv") writeCsv(columns, rows, output);
  else if (format === "json") writeJson(columns, rows, output);
  else writeTable(columns, rows, output);
}

type Rows = readonly (readonly SQLOutputValue[])[];

function writeCsv(columns: readonly string[], rows: Rows, output: Output): void {
  const line = (values: readonly SQLOutputValue[]) => `${csvFormatRow(values.map((value) => value === null ? "" : plain(value)))}\n`;
  output.write(line(columns));
  for (const row of rows) output.write(line(row));
}

function writeJson(columns: readonly string[], rows: Rows, output: Output): void {
  const twice = columns.find((name, i) => columns.indexOf(name) !== i);
  if (twice !== undefined) {
    throw new Error(
      `Cannot write JSON: the columns must have different names, there are two of the name ${twice}; give one another with AS`,
    );
  }
  let before = "[\n";
  for (const row of rows) {
    output.write(`${before}  {${columns.map((name, i) => `${JSON.stringify(name)}:${json(row[i])}`).join()}}`);
    before = ",\n";
  }
  output.write(before === "[\n" ? "[]\n" : "\n]\n");
}

/** JSON has no infinity: a number that is too large for doubles stands for it, as in SQLite's own JSON, and is read as one. */
function json(value: SQLOutputValue): string {
  if (value === Infinity || value === -Infinity) return value > 0 ? "9e999" : "-9e999";
  return JSON.stringify(value instanceof Uint8Array ? plain(value) : value);
}

function writeTable(columns: readonly string[], rows: Rows, output: Output): void {
  const left = new Set(columns.keys().filter((i) => rows.some((row) => typeof row[i] === "string")));
  // Made twice, because the text of a large result takes more memory than its values.
  const lines = function* () {
    yield columns.map(clean);
    for (const row of rows) yield row.map(cell);
  };
  const widths = fitted(widthsOf(lines()), left, output.columns ?? Infinity);
  for (const line of lines()) output.write(`${lineOf(line.map((text, i) => cut(text, widths[i])), widths, left)}\n`);
  if (output.columns !== undefined) output.write(`${plural(rows.length, "row")}\n`);
}

/** The widths with the widest columns of text made narrower, until the line fits or they can't be narrower. Numbers are never cut. */
function fitted(widths: readonly number[], left: ReadonlySet<number>, columns: number): number[] {
  const fits = [...widths], texts = [...left].filter((i) => fits[i] > LEAST);
  let over = fits.reduce((sum, width) => sum + width, GAP.length * (fits.length - 1)) - columns;
  while (over > 0 && texts.length > 0) {
    const widest = texts.reduce((a, b) => (fits[b] > fits[a] ? b : a));
    if (fits[widest] <= LEAST) break;
    fits[widest]--;
    over--;
  }
  return fits;
}

function cut(text: string, width: number): string {
  const characters = [...text];
  return characters.length <= width ? text : `${characters.slice(0, width - 1).join("")}…`;
}

/** A value in a table: numbers to six digits that count. */
function cell(value: SQLOutputValue): string {
  if (value === null) return "–";
  return typeof value === "number" && !Number.isInteger(value) ? String(Number(value.toPrecision(6))) : clean(plain(value));
}

/** A value in full. */
const plain = (value: NonNullable<SQLOutputValue>): string => value instanceof Uint8Array ? `x'${value.toHex()}'` : String(value);

/** Text without what would move the cursor. */
const clean = (text: string) => text.replaceAll(/\r?\n/g, " ").replaceAll(/\p{Cc}/gu, "�");

/** The tables and views with their columns, in lines of at most so many characters. */
export function schema(lab: Lab, width: number): string {
  const objects = relations(lab);
  const indent = Math.max(...objects.map(({ name }) => name.length)) + 4;
  const group = (type: string) =>
    objects.filter((object) => object.type === type).map(({ name, columns }) =>
      wrapped(`  ${name}`.padEnd(indent), columns.split(" "), indent, width)
    );
  return ["Tables", ...group("table"), "", "Views", ...group("view")].join("\n");
}

function wrapped(head: string, words: readonly string[], indent: number, width: number): string {
  const lines = [head];
  for (const word of words) {
    const line = lines.at(-1)!, fresh = line.length <= indent;
    if (fresh || line.length + 1 + word.length <= width) lines.push(`${lines.pop()}${fresh ? "" : " "}${word}`);
    else lines.push(" ".repeat(indent) + word);
  }
  return lines.join("\n");
}
