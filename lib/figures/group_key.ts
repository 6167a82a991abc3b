/** The key for groups of runs in one panel: line styles, and names right of the frame. */
import * as Plot from "@observablehq/plot";
import { FAINT, HALO, INK, textWidth } from "./theme.ts";

/** Dashes of the groups in their order, distinct without colour. */
export const DASHES = ["none", "6 3", "2 2.5", "9 3 2 3", "1 3.5"] as const;

export interface KeyEntry {
  readonly name: string;
  /** Lines of text below the name. */
  readonly below: readonly string[];
  /** The entry's position, as a value on the panel's y axis. */
  readonly y: number;
  readonly color?: string;
  readonly text?: string;
  readonly dash: string;
  readonly width: number;
}

const GAP = 8, SAMPLE = 20, LINE = 15;

/** The margin in pixels that entries with these texts need. */
export const keyMargin = (words: readonly string[]) =>
  GAP + SAMPLE + 16 + Math.max(54, ...words.map((word) => textWidth(word, 12.5, true)));

/** The height of an entry in pixels, with this many lines below its name. */
export const keyHeight = (below: number) => LINE * (below + 1) + 1;

/** The entries, right of `end`, the value at which the x axis ends: a sample of the line, the name, and the lines below it. */
export const keyMarks = (entries: readonly KeyEntry[], end: number): Plot.Markish[] =>
  entries.flatMap(({ name, below, y, color = INK, text = color, dash, width }) => {
    const first = -LINE * below.length / 2;
    const words = { x: end, y, textAnchor: "start", dx: GAP + SAMPLE + 6, ...HALO } as const;
    return [
      Plot.ruleY([y], {
        ...{ x1: end, x2: end, insetLeft: GAP, insetRight: -(GAP + SAMPLE), dy: first },
        ...{ stroke: color, strokeWidth: width, strokeDasharray: dash, ariaDescription: "key" },
      }),
      Plot.text([name], { ...words, dy: first, fill: text, fontWeight: 600 }),
      ...below.map((line, i) => Plot.text([line], { ...words, dy: first + LINE * (i + 1), fill: FAINT })),
    ];
  });
