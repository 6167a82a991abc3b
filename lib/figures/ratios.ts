/** How many times as long one group takes as another, setting by setting, with intervals: a forest plot. */
import * as Plot from "@observablehq/plot";
import type { ContrastRow } from "../analysis/statistics/contrasts.ts";
import { factorBetween, factorShort, shortNumber } from "../analysis/words.ts";
import { clamp, HEAD } from "./sweep_marks.ts";
import { compose, FAINT, type Figure, GRID, INK, MARGIN, panel, textWidth, VALIDATION } from "./theme.ts";

export interface RatioOptions {
  readonly task?: string;
  /** What the ratio is of: `Steps to grok, here ÷ published`. */
  readonly of: string;
  /** All settings together, shown below them; its name is `of`. */
  readonly together?: ContrastRow;
  readonly title: string;
}

const ROW = 22, TOP = 34, BOTTOM = 48, RIGHT = 170;
/** Ticks of the axis, the widest first; intervals that go beyond it end at the frame. */
const TICKS = [1 / 8, 1 / 4, 1 / 2, 2 / 3, 1, 1.5, 2, 4, 8];

/**
 * A dot and a bar per row: the ratio and its interval, on a logarithmic axis around 1; below them a diamond for all together. A bar whose
 * limit isn't known or lies outside the axis ends at the frame. A row without a ratio says so.
 * @param rows contrasts of times, in the order of the rows; `of` is the row's name.
 * @throws Error for no rows.
 */
export function ratioFigure(rows: readonly ContrastRow[], { of, task, together, title }: RatioOptions): Figure {
  if (rows.length === 0) throw new Error("Cannot draw ratios: rows must be at least one, current value is 0");
  const all = together ? [...rows, together] : rows;
  const left = Math.max(MARGIN.left, 28 + Math.max(...all.map(({ of }) => textWidth(of))));
  const sizes = all.flatMap(({ size, interval: { low, high } }) => [size, low, high]).filter((value) => value !== null && value > 0);
  const far = clamp(1.3, Math.max(...sizes.map((size) => Math.exp(Math.abs(Math.log(size!))))), 4.2) * 1.04, domain = [1 / far, far];
  // The row of all together stands apart.
  const placed = all.map((row, j) => ({ ...row, y: -j - (row === together ? 0.5 : 0) }));
  const within = (value: number) => clamp(domain[0], value, domain[1]);
  const drawn = placed.flatMap(({ y, size, interval: { low, high }, kind: _, ...row }) => {
    return size === null
      ? []
      : [{ ...row, y, size: within(size), low: within(low ?? 0), high: within(high ?? Infinity), bar: low !== null || high !== null }];
  });
  const at = TICKS.filter((tick) => tick >= domain[0] && tick <= domain[1]);
  const isTogether = ({ of }: { readonly of: string }) => of === together?.of, single = drawn.filter((row) => !isTogether(row));
  return compose({
    title,
    subtitle: `${task ? `${task}. ` : ""}Dot and bar: how many times as long, with the 95 % interval where it is known${
      together ? "; diamond: all settings together, each compared within itself" : ""
    }.`,
    panels: [panel({
      height: TOP + BOTTOM + ROW * (all.length + (together ? 0.5 : 0)),
      ...{ marginTop: TOP, marginBottom: BOTTOM, marginLeft: left, marginRight: RIGHT },
      x: { type: "log", domain, axis: null },
      y: { domain: [placed.at(-1)!.y - 0.5, 0.5], axis: null },
      marks: [
        Plot.gridX(at, { stroke: GRID, strokeOpacity: 1 }),
        Plot.ruleX([1], { stroke: INK, strokeWidth: 1.2 }),
        Plot.ruleY(drawn.filter(({ bar }) => bar), {
          ...{ y: "y", x1: "low", x2: "high", stroke: (row) => isTogether(row) ? VALIDATION.color : INK, strokeWidth: 2 },
          ariaDescription: "interval",
        }),
        Plot.dot(single, { x: "size", y: "y", r: 4, fill: INK, stroke: "white", ariaDescription: "ratio" }),
        Plot.dot(drawn.filter(isTogether), {
          ...{ x: "size", y: "y", r: 6, symbol: "diamond", fill: VALIDATION.color, stroke: "white", ariaDescription: "together" },
        }),
        Plot.axisX(at, { tickSize: 4, text: (x: number) => shortNumber(x, 2), label: null, color: FAINT }),
        Plot.text(placed, { frameAnchor: "left", textAnchor: "end", dx: -10, y: "y", text: "of", fill: INK }),
        Plot.text(placed, { frameAnchor: "right", textAnchor: "end", dx: RIGHT - 16, y: "y", text: wordsOf, fill: INK }),
        Plot.text(["Ratio (95 %)"], { ...HEAD, frameAnchor: "top-right", dx: RIGHT - 16, textAnchor: "end" }),
        Plot.text([`${of} (logarithmic) →`], {
          ...{ frameAnchor: "bottom-right", dy: 40, lineAnchor: "bottom", textAnchor: "end", fill: FAINT },
        }),
      ],
    })],
  });
}

const wordsOf = ({ size, interval }: ContrastRow): string =>
  size === null
    ? "not known"
    : interval.low === null && interval.high === null
    ? factorShort(size)
    : `${factorShort(size)} (${factorBetween(interval)})`;
