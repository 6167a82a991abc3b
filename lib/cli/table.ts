/** Text in columns that line up. */

/** Characters that each column needs for these lines; at least so many as given. */
export function widthsOf(lines: readonly (readonly string[])[], least: readonly number[] = []): number[] {
  const columns = Math.max(least.length, ...lines.map((line) => line.length));
  return Array.from({ length: columns }, (_, i) => lines.reduce((most, line) => Math.max(most, lengthOf(line[i] ?? "")), least[i] ?? 0));
}

/** A line of cells, three spaces apart; those of the columns in `left` begin at the same place, the others end there. */
export function lineOf(cells: readonly string[], widths: readonly number[], left: ReadonlySet<number>): string {
  return cells.map((cell, i) => {
    const space = " ".repeat(Math.max(0, widths[i] - lengthOf(cell)));
    return left.has(i) ? cell + space : space + cell;
  }).join(GAP).trimEnd();
}

/** Lines of cells as a table. */
export function table(lines: readonly (readonly string[])[], left: Iterable<number> = []): string {
  const widths = widthsOf(lines), lefts = new Set(left);
  return lines.map((line) => lineOf(line, widths, lefts)).join("\n");
}

/** What stands between two columns. */
export const GAP = "   ";

/** Characters as people count them, but for accents that are written apart. */
const lengthOf = (text: string) => [...text].length;
