/** Text in columns that line up. */

/** Characters that each column needs for these lines. */
export function widthsOf(lines: Iterable<readonly string[]>): number[] {
  const widths: number[] = [];
  for (const line of lines) line.forEach((cell, i) => widths[i] = Math.max(widths[i] ?? 0, lengthOf(cell)));
  return widths;
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
