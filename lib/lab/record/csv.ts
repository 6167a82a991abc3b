/** CSV files of a record: whatever doesn't fit is an error that names file and line. */
// @ts-types="@types/d3-dsv"
import { csvParseRows } from "d3-dsv";
import { inOneLine, quote } from "../../run/quote.ts";
import { FILES } from "./files.ts";

/** A CSV file whose columns are known. */
export class Table {
  readonly #lines: string[][];

  /** @throws Error unless it has these columns and so many rows, and is written to its end. */
  constructor(readonly file: string, text: string, readonly header: readonly string[], count: number) {
    this.#lines = csvParseRows(text);
    const [columns = []] = this.#lines, end = this.#lines.length;
    if (!text.endsWith("\n")) this.fail(end, "it must end with a line break, it is cut off");
    const missing = header.filter((column) => !columns.includes(column));
    if (missing.length > 0) this.fail(1, `its columns must include ${missing.join(", ")}, current value is ${inOneLine(columns.join())}`);
    if (columns.join() !== header.join()) this.fail(1, `its columns must be ${header}, current value is ${inOneLine(columns.join())}`);
    for (const [i, { length }] of this.#lines.entries()) {
      if (length !== header.length) this.fail(i + 1, `it must have ${header.length} cells, current value is ${length}`);
    }
    if (end - 1 !== count) this.fail(end, `it must be the last of ${count + 1} lines as ${FILES.experiment} says, current value is ${end}`);
  }

  *rows(): Generator<Line> {
    for (let i = 1; i < this.#lines.length; i++) yield new Line(this, i + 1, this.#lines[i]);
  }

  fail(line: number, what: string): never {
    throw new Error(`${this.file}, line ${line}: ${inOneLine(what, 500)}`);
  }
}

export class Line {
  constructor(readonly table: Table, readonly line: number, readonly cells: readonly string[]) {}

  text(column: string): string {
    return this.cells[this.table.header.indexOf(column)];
  }

  check(column: string, ok: boolean, requirement: string): void {
    if (!ok) this.table.fail(this.line, `${column} must be ${requirement}, current value is ${quote(this.text(column))}`);
  }

  /** `null` where the cell is empty. */
  number(column: string): number | null {
    const text = this.text(column), value = Number(text);
    this.check(column, !Number.isNaN(value) && text.trim() === text, "a number");
    return text === "" ? null : value;
  }

  whole(column: string): number {
    const value = this.number(column);
    this.check(column, Number.isInteger(value) && value! >= 0, "a whole number");
    return value!;
  }
}
