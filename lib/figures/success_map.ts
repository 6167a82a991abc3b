/** Where networks grok: the share that do over two settings, and when, from rows like those of the lab's view `phase_boundary`. */
import * as Plot from "@observablehq/plot";
import { columnOf, ENTRIES } from "../run/fields.ts";
import { cellMarks, cellWords, holdsTwo, key, mapFinding, mapScales, openWords } from "./map_cells.ts";
import { clamp, HEAD } from "./sweep_marks.ts";
import { compose, FAINT, type Figure, INK, marginFor, panel, WIDTH } from "./theme.ts";
import type { Tally } from "../analysis/runs/tally.ts";
import { capital, wordsOf } from "../analysis/words.ts";

/**
 * A row with the two numbers of its place in the map, and `n_runs`, `n_grokked`, `median_grokking_step` and `pct_grokked` (percent, `null`
 * where no run is done); `n_open` is the number of unfinished runs, if any.
 */
export type MapRow = Readonly<Record<string, string | number | null>>;

export interface MapOptions {
  /** The columns of the x and y axes: `ratio`, `weight_decay`. */
  readonly x: string;
  readonly y: string;
  /** The task, for the subtitle. */
  readonly task?: string;
  /** Replaces the finding as the title. */
  readonly title?: string;
}

interface Cell extends Tally {
  readonly x: number;
  readonly y: number;
}

const COUNTS = ["n_runs", "n_grokked", "median_grokking_step", "pct_grokked"];

/**
 * One cell per setting: the stronger its colour, the more networks grok; its text is the median grokking step, `none` where no network
 * grokked. Cells with unfinished runs are hatched.
 * @throws Error where a column is missing, an x or y isn't a number, or two rows have the same x and y.
 */
export function successMap(rows: readonly MapRow[], options: MapOptions): Figure {
  const { x, y, task } = options;
  const cells = cellsOf(rows, options);
  const [xs, ys] = (["x", "y"] as const).map((axis) => [...new Set(cells.map((cell) => cell[axis]))].sort((a, b) => a - b));
  const [sayX, sayY] = [xs, ys].map(wordsOf);
  const left = marginFor(ys.map((value) => sayY(value)));
  const right = 16, bottom = 48, top = 34, columns = Math.max(1, xs.length), lines = Math.max(1, ys.length);
  const width = Math.min(150, (WIDTH - left - right) / columns), height = clamp(14, 480 / lines, 46);
  const placed = cells.map((cell) => ({ ...cell, i: xs.indexOf(cell.x), j: ys.indexOf(cell.y) }));
  return compose({
    title: options.title ?? finding(cells, options),
    subtitle: `${task ? `${task}. ` : ""}In a cell: the median step of grokking${
      holdsTwo(width, height) ? ", and how many runs grok" : ""
    }.${cellWords(cells)}${openWords(cells)}`,
    panels: [panel({
      height: top + bottom + height * lines,
      marginTop: top,
      marginBottom: bottom,
      marginLeft: left,
      marginRight: WIDTH - left - width * columns,
      ...mapScales(columns, lines),
      marks: [
        ...cellMarks(placed, width, height),
        Plot.text(xs, { ...UNDER, x: (_, i) => i + 0.5, text: sayX, dy: 8 }),
        Plot.text(ys, { frameAnchor: "left", textAnchor: "end", dx: -8, y: (_, j) => j, text: sayY, fill: FAINT }),
        Plot.text([capital(named(y))], { ...HEAD, frameAnchor: "top-left", dx: 16 - left, textAnchor: "start" }),
        Plot.text([`${capital(named(x))} →`], {
          ...UNDER,
          frameAnchor: "bottom-right",
          textAnchor: "end",
          dy: 28,
          fill: INK,
          fontWeight: 600,
        }),
        ...key(width * columns > 360 ? 0 : WIDTH - right - left - width * columns),
      ],
    })],
  });
}

const UNDER = { frameAnchor: "bottom", lineAnchor: "top", fill: FAINT } as const;

function cellsOf(rows: readonly MapRow[], { x, y }: MapOptions): Cell[] {
  const seen = new Set<string>();
  return rows.map((row) => {
    for (const column of [x, y, ...COUNTS]) {
      if (!(column in row)) fail(`its rows must have a column ${column}`, Object.keys(row).join(", "));
    }
    const place = [x, y].map((column) => {
      const value = row[column];
      if (typeof value !== "number" || !Number.isFinite(value)) fail(`${column} must be a number`, JSON.stringify(value));
      return value as number;
    });
    const name = `${x} ${place[0]}, ${y} ${place[1]}`;
    if (seen.has(name)) fail(`its rows must differ in ${x} or ${y}`, `two rows with ${name}; choose among them with WHERE`);
    seen.add(name);
    const [runs, grokked, median, percent] = COUNTS.map((column) => row[column] as number | null);
    const open = Number(row.n_open ?? (percent === null ? runs : 0));
    // Rows don't say how many have begun: all count.
    const counts = { runs: runs!, begun: runs!, grokked: grokked!, open };
    return { x: place[0], y: place[1], ...counts, median, share: percent === null ? null : percent / 100 };
  });
}

function fail(requirement: string, value: string): never {
  throw new Error(`Cannot draw this map: ${requirement}, current value is ${value}`);
}

/** The name of a column: that of its field, if it holds one. */
function named(column: string): string {
  if (column === "ratio") return "d_model / p";
  return ENTRIES.find((entry) => columnOf(entry) === column)?.field.label ?? column.replaceAll("_", " ");
}

/** The finding of the map. */
function finding(cells: readonly Cell[], { x, y }: MapOptions): string {
  const [sayX, sayY] = [cells.map((cell) => cell.x), cells.map((cell) => cell.y)].map(wordsOf);
  return mapFinding(
    cells,
    ({ x: i, y: j }) => [`${named(y)} ${sayY(j)}`, `${named(x)} ${sayX(i)}`].map((word) => word.replaceAll(" ", "\u00a0")).join("\u00a0· "),
  );
}
