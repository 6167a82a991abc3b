/** Where networks grok: the share that does over two settings, and when. From rows like those of the lab's view `phase_boundary`. */
import * as Plot from "@observablehq/plot";
import { shortNumber } from "./settings.ts";
import { BETWEEN, capital, clamp, HEAD, TRIANGLE } from "./sweep_marks.ts";
import { compose, count, FAINT, type Figure, INK, MARGIN, panel, textWidth, VALIDATION, WIDTH } from "./theme.ts";

/**
 * A row with the two numbers that are mapped, and `n_runs`, `n_grokked`, `median_grokking_step` and `pct_grokked` (of the runs that are done; null
 * where none is). Where some aren't, `n_open` says how many.
 */
export type MapRow = Readonly<Record<string, string | number | null>>;

export interface MapOptions {
  /** The columns across and upwards: `ratio`, `weight_decay`. */
  readonly x: string;
  readonly y: string;
  /** What was learned. */
  readonly task?: string;
  /** Instead of the finding. */
  readonly title?: string;
}

interface Cell {
  readonly x: number;
  readonly y: number;
  readonly runs: number;
  readonly grokked: number;
  /** `null` where half of the runs never grokked, or are not done. */
  readonly median: number | null;
  /** Share of the runs that are done; `null` where none is. */
  readonly share: number | null;
  /** Runs that are not done. */
  readonly open: number;
}

const COUNTS = ["n_runs", "n_grokked", "median_grokking_step", "pct_grokked"];

/**
 * A cell a setting: the fuller, the more networks grok; in it their median step, `never` where none does, hatched where not all runs are done.
 * @throws Error where a column is missing, a place isn't a number, or two rows have the same.
 */
export function successMap(rows: readonly MapRow[], options: MapOptions): Figure {
  const { x, y, task } = options;
  const cells = cellsOf(rows, options);
  const [xs, ys] = (["x", "y"] as const).map((axis) => [...new Set(cells.map((cell) => cell[axis]))].sort((a, b) => a - b));
  const [sayX, sayY] = [xs, ys].map(wordsOf);
  const left = Math.max(MARGIN.left, 28 + Math.max(0, ...ys.map((value) => textWidth(sayY(value)))));
  const right = 16, bottom = 48, top = 34, columns = Math.max(1, xs.length), lines = Math.max(1, ys.length);
  const width = Math.min(150, (WIDTH - left - right) / columns), height = clamp(14, 480 / lines, 46);
  const placed = cells.map((cell) => ({ ...cell, i: xs.indexOf(cell.x), j: ys.indexOf(cell.y) }));
  const one = width >= 28, two = width >= 46 && height >= 34, dy = two ? -8 : 0, fontSize = clamp(8.5, width / 3.6, 12.5);
  const words = (of: (cell: Cell) => string, options: Plot.TextOptions) =>
    Plot.text(placed, { x: ({ i }) => i + 0.5, y: "j", text: of, ...options } as Plot.TextOptions);
  return compose({
    title: options.title ?? finding(cells, options),
    subtitle: `${task ? `${task}. ` : ""}In a cell: the median step of grokking${two ? ", and how many runs grok" : ""}.${
      cells.some(({ open }) => open > 0) ? " Hatched: not all runs are done." : ""
    }`,
    panels: [panel({
      height: top + bottom + height * lines,
      marginTop: top,
      marginBottom: bottom,
      marginLeft: left,
      marginRight: WIDTH - left - width * columns,
      x: { domain: [0, columns], axis: null },
      y: { domain: [-0.5, lines - 0.5], axis: null },
      marks: [
        hatching,
        Plot.rect(placed, { ...BOX, stroke: BETWEEN, ariaDescription: "setting" }),
        Plot.rect(placed.filter(({ share }) => share), {
          ...BOX,
          fill: VALIDATION.color,
          fillOpacity: ({ share }: Cell) => opacity(share!),
          ariaDescription: "share",
        }),
        Plot.rect(placed.filter(({ open }) => open > 0), { ...BOX, fill: `url(#${HATCH})`, ariaDescription: "not done" }),
        words((cell) => one && !never(cell) ? medianOf(cell) : "", { fontWeight: 600, dy, fontSize, fill: INK }),
        words((cell) => one && never(cell) ? "never" : "", { dy, fontSize, fill: VALIDATION.text }),
        Plot.dot(one ? [] : placed.filter(never), { x: ({ i }) => i + 0.5, y: "j", ...TRIANGLE(Math.min(4, width / 4)) }),
        words(({ runs, grokked, open }) => two && open < runs ? `${grokked} of ${runs - open}` : "", { dy: 9, fontSize: 11, fill: INK }),
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

const BOX = {
  x1: ({ i }: { i: number }) => i,
  x2: ({ i }: { i: number }) => i + 1,
  y1: ({ j }: { j: number }) => j - 0.5,
  y2: ({ j }: { j: number }) => j + 0.5,
  inset: 0.75,
};
const UNDER = { frameAnchor: "bottom", lineAnchor: "top", fill: FAINT } as const;

const opacity = (share: number) => 0.78 * share;

const never = ({ share, open }: Cell) => share === 0 && open === 0;
/** A dash where half of the runs don't grok, so that there is no median; nothing where that is open. */
const medianOf = ({ median, open }: Cell) => median !== null ? count(median) : open > 0 ? "" : "–";

/** Three digits where they tell the values apart. */
function wordsOf(values: readonly number[]): (value: number) => string {
  const short = (value: number) => shortNumber(value, 3);
  return new Set(values.map(short)).size === new Set(values).size ? short : String;
}

/** What the colours mean, above the frame; it ends so far to the right of it. */
function key(beyond: number): Plot.Markish[] {
  const dx = (k: number) => beyond - 54 - 15 * (4 - k);
  const place = { frameAnchor: "top-right", dy: -15 } as const;
  const word = (text: string, dx: number, textAnchor: "start" | "end") =>
    Plot.text([text], { ...place, dx, textAnchor, lineAnchor: "middle", fill: FAINT });
  return [
    word("none", dx(0) - 12, "end"),
    ...[0, 0.25, 0.5, 0.75, 1].map((share, k) =>
      Plot.dot([share], {
        ...place,
        dx: dx(k),
        symbol: "square",
        r: 7,
        fill: VALIDATION.color,
        fillOpacity: opacity(share),
        stroke: BETWEEN,
      })
    ),
    word("all grok", dx(4) + 12, "start"),
  ];
}

const HATCH = "grokbook-open";

/** Not a mark that shows, but the pattern for cells whose runs are not done. */
const hatching: Plot.RenderFunction = (_index, _scales, _values, _dimensions, { document }) => {
  const element = (name: string, attributes: Record<string, string | number>) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
    return made;
  };
  const defs = element("defs", {});
  const pattern = element("pattern", { id: HATCH, width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
  pattern.append(element("line", { x1: 0, y1: 0, x2: 0, y2: 7, stroke: "#a8a8a8", "stroke-width": 1.6 }));
  defs.append(pattern);
  return defs;
};

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
    return { x: place[0], y: place[1], runs: runs!, grokked: grokked!, median, share: percent === null ? null : percent / 100, open };
  });
}

function fail(requirement: string, value: string): never {
  throw new Error(`Cannot draw this map: ${requirement}, current value is ${value}`);
}

const NAMES: Readonly<Record<string, string>> = {
  prime: "p",
  ratio: "d_model / p",
  lr: "learning rate",
  d_model: "d_model",
  d_mlp: "d_mlp",
};
const named = (column: string) => NAMES[column] ?? column.replaceAll("_", " ");

/** What the map shows, in one sentence. */
function finding(cells: readonly Cell[], { x, y }: MapOptions): string {
  const done = cells.filter(({ open }) => open === 0), n = done.length;
  const settings = (n: number) => `${count(n)} setting${n === 1 ? "" : "s"}`;
  const rest = n === cells.length ? "" : `; ${settings(cells.length - n)} not done`;
  if (cells.length === 0) return "No settings";
  if (n === 0) return `None of ${settings(cells.length)} is done`;
  const all = done.filter(({ share }) => share === 1).length, none = done.filter(({ share }) => share === 0).length;
  if (none === n) return `No network groks at ${n === 1 ? "this setting" : `any of ${settings(n)}`}${rest}`;
  const best = done.filter(({ median }) => median !== null).sort((a, b) => a.median! - b.median!)[0];
  const [sayX, sayY] = [cells.map((cell) => cell.x), cells.map((cell) => cell.y)].map(wordsOf);
  const place = ({ x: i, y: j }: Cell) =>
    [`${named(y)} ${sayY(j)}`, `${named(x)} ${sayX(i)}`].map((word) => word.replaceAll(" ", "\u00a0")).join("\u00a0· ");
  const soonest = best && n > 1 ? `, soonest with ${place(best)}, around\u00a0step\u00a0${count(best.median!)}` : "";
  const where = all === n
    ? `Every network groks at ${n === 1 ? "this setting" : `all ${settings(n)}`}`
    : `Every network groks at ${count(all)} of ${settings(n)}${none === 0 ? "" : `, none at ${count(none)}`}`;
  return `${where}${soonest}${rest}`;
}
