/** Shared parts of maps of settings: cells with a stronger colour the more networks grok, with their median step, and the colour key. */
import * as Plot from "@observablehq/plot";
import { BETWEEN, clamp, TRIANGLE } from "./sweep_marks.ts";
import { FAINT, INK, VALIDATION } from "./theme.ts";
import { count, list } from "../analysis/words.ts";
import type { Tally } from "../analysis/runs/tally.ts";

/** A cell with its position in the map: column i from the left, row j from the bottom, both from 0. */
export type Placed<Cell extends Tally> = Cell & { readonly i: number; readonly j: number };

/** The scales of a map with this many columns and rows. */
export const mapScales = (columns: number, lines: number) => ({
  x: { domain: [0, columns], axis: null },
  y: { domain: [-0.5, lines - 0.5], axis: null },
} as const);

/** Whether two lines of text fit into cells of this size in pixels. */
export const holdsTwo = (width: number, height: number) => width >= 46 && height >= 34;

const opacity = (share: number) => 0.78 * share;

/** The fill of a cell. */
export interface Fill {
  readonly fill: string;
  readonly fillOpacity?: number;
}

/**
 * The cells, `width` × `height` pixels each: the median step, how many grok of those that have begun where that fits, `none` where no run
 * grokked, hatched with unfinished runs. By default, the colour is the share that grok.
 */
export function cellMarks<Cell extends Tally>(
  cells: readonly Placed<Cell>[],
  width: number,
  height: number,
  fill: (cell: Cell) => Fill | null = ({ share }) => (share ? { fill: VALIDATION.color, fillOpacity: opacity(share) } : null),
): Plot.Markish[] {
  const one = width >= 28, two = holdsTwo(width, height), dy = two ? -8 : 0, fontSize = clamp(8.5, width / 3.6, 12.5);
  const words = (of: (cell: Cell) => string, options: Plot.TextOptions) =>
    Plot.text(cells, { x: ({ i }) => i + 0.5, y: "j", text: of, ...options } as Plot.TextOptions);
  return [
    hatching,
    Plot.rect(cells, { ...BOX, stroke: BETWEEN, ariaDescription: "setting" }),
    Plot.rect(cells.filter((cell) => fill(cell)), {
      ...BOX,
      fill: (cell: Cell) => fill(cell)!.fill,
      fillOpacity: (cell: Cell) => fill(cell)!.fillOpacity ?? 1,
      ariaDescription: "share",
    }),
    Plot.rect(cells.filter(({ open }) => open > 0), { ...BOX, fill: `url(#${HATCH})`, ariaDescription: "not done" }),
    words((cell) => one && !never(cell) ? medianOf(cell) : "", { fontWeight: 600, dy, fontSize, fill: INK }),
    words((cell) => one && never(cell) ? "none" : "", { dy, fontSize, fill: VALIDATION.text }),
    Plot.dot(one ? [] : cells.filter(never), { x: ({ i }) => i + 0.5, y: "j", ...TRIANGLE(Math.min(4, width / 4)) }),
    words(({ begun, grokked, open, runs }) => two && open < runs ? `${grokked} of ${begun}` : "", { dy: 9, fontSize: 11, fill: INK }),
  ];
}

/** The rectangle of a cell. */
export const BOX = {
  x1: ({ i }: { i: number }) => i,
  x2: ({ i }: { i: number }) => i + 1,
  y1: ({ j }: { j: number }) => j - 0.5,
  y2: ({ j }: { j: number }) => j + 0.5,
  inset: 0.75,
};

/** A sentence on cells with unfinished runs; empty where there is none. */
export function openWords(cells: readonly Tally[]): string {
  if (cells.every(({ open }) => open === 0)) return "";
  return ` Hatched: not all runs are done${cells.some(({ begun, runs }) => begun > 0 && begun < runs) ? "; those begun are counted" : ""}.`;
}

/** A sentence on the text in cells without a median; empty where there is no such cell. */
export function cellWords(cells: readonly Tally[]): string {
  const words = [
    ...cells.some(never) ? ["none: no network grokked in the steps watched"] : [],
    ...cells.some((cell) => !never(cell) && medianOf(cell) === "–") ? ["–: half of them or fewer did"] : [],
  ].join("; ");
  return words === "" ? "" : ` In place of a median, ${words}.`;
}

const never = ({ share, open }: Tally) => share === 0 && open === 0;
/** The median's text: a dash where at least half of the runs don't grok, empty where unfinished runs may change that. */
const medianOf = ({ median, open }: Tally) => median !== null ? count(median) : open > 0 ? "" : "–";

/**
 * The colour key above the frame, with a word at each end. `beyond`: how many pixels it extends to the right of the frame; `dy`: its
 * vertical offset.
 */
export function key(
  beyond: number,
  dy = -15,
  { words: [first, last], shades }: { words: readonly [string, string]; shades: readonly Fill[] } = SHARES,
): Plot.Markish[] {
  const dx = (k: number) => beyond - 54 - 15 * (4 - k);
  const place = { frameAnchor: "top-right", dy } as const;
  const word = (text: string, dx: number, textAnchor: "start" | "end") =>
    Plot.text([text], { ...place, dx, textAnchor, lineAnchor: "middle", fill: FAINT });
  return [
    word(first, dx(0) - 12, "end"),
    ...shades.map((shade, k) => Plot.dot([shade], { ...place, dx: dx(k), symbol: "square", r: 7, ...shade, stroke: BETWEEN })),
    word(last, dx(shades.length - 1) + 12, "start"),
  ];
}

const SHARES = {
  words: ["none", "all grok"] as const,
  shades: [0, 0.25, 0.5, 0.75, 1].map((share) => ({ fill: VALIDATION.color, fillOpacity: opacity(share) })),
};

const HATCH = "grokbook-open";

/** Defines the hatching pattern for cells with unfinished runs; draws nothing itself. */
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

const settingsWord = (n: number, finished = "") => `${count(n)} ${finished}setting${n === 1 ? "" : "s"}`;

/** `; 2 settings not done`, for the end of a sentence that leaves those out; empty where there is none. */
export const unfinished = (n: number): string => n === 0 ? "" : `; ${settingsWord(n)} not done`;

/** The finding of a map; `place` names a cell. Of cells with unfinished runs only their number is said. */
export function mapFinding<Cell extends Tally>(cells: readonly Cell[], place: (cell: Cell) => string): string {
  const done = cells.filter(({ open }) => open === 0), n = done.length;
  if (cells.length === 0) return "No settings";
  if (n === 0) return `None of ${settingsWord(cells.length)} is done`;
  const rest = unfinished(cells.length - n), settings = settingsWord(n, rest === "" ? "" : "finished ");
  const only = rest === "" ? "this setting" : "the one finished setting";
  const all = done.filter(({ share }) => share === 1).length, none = done.filter(({ share }) => share === 0).length;
  if (none === n) return `No network groks at ${n === 1 ? only : `any of ${settings}`}${rest}`;
  const least = Math.min(...done.map(({ median }) => median ?? Infinity)), best = done.filter(({ median }) => median === least);
  // The median of an unfinished cell may be earlier, and is drawn.
  const of = rest === "" ? "" : " among the finished", word = done.every(({ runs }) => runs === 1) ? "earliest" : "earliest median";
  const soonest = best.length > 0 && best.length <= 3 && n > 1
    ? `${all < n ? ";" : ","} ${word}${of} with ${list(best.map(place))}: step\u00a0${count(least)}`
    : "";
  const at = (k: number) => k < n ? `${count(k)} of ${settings}` : n === 1 ? only : `all ${settings}`;
  const where = all > 0 ? `Every network groks at ${at(all)}` : `At ${at(n - none)} some networks grok and some don't`;
  const nowhere = none === 0 ? "" : all > 0 ? `, none at ${count(none)}` : `; at ${count(none)} none does`;
  return `${where}${nowhere}${soonest}${rest}`;
}
