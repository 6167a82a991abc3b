/** How many times as long one group takes as another, setting by setting, with intervals: a forest plot. */
import * as Plot from "@observablehq/plot";
import type { ContrastRow } from "../analysis/statistics/contrasts.ts";
import { factorBetween, factorShort, levelWord, shortNumber } from "../analysis/words.ts";
import { clamp, HEAD } from "./sweep_marks.ts";
import { compose, FAINT, type Figure, GRID, INK, marginFor, panel, textWidth, VALIDATION } from "./theme.ts";

export interface RatioOptions {
  readonly task?: string;
  /** What the ratio is of: `Steps to grok, here ÷ published`. */
  readonly of: string;
  /** All settings together, shown below them; its name is `of`. */
  readonly together?: ContrastRow;
  readonly title: string;
}

const ROW = 22, TOP = 34, BOTTOM = 48;
/** Ticks of the axis, by how far it goes to both sides of 1. */
const ticksWithin = (far: number): number[] =>
  (far < 1.6 ? [1.25, 1.5] : far < 5 ? [1.5, 2, 4] : [4, 16, 64, 256]).filter((tick) => tick <= far).flatMap((tick) => [1 / tick, tick])
    .concat(1).sort((a, b) => a - b);

/**
 * A dot and a bar per row: the ratio and its interval, on a logarithmic axis around 1; below them a diamond for all together. A bar whose
 * limit isn't known or lies outside the axis ends at the frame. A row with a limit alone, or with a ratio of 0 or infinity, has a bar
 * without a dot; one with neither says so.
 * @param rows contrasts of times, in the order of the rows; `of` is the row's name.
 * @throws Error for no rows, and for intervals of different levels.
 */
export function ratioFigure(rows: readonly ContrastRow[], { of, task, together, title }: RatioOptions): Figure {
  if (rows.length === 0) throw new Error("Cannot draw ratios: rows must be at least one, current value is 0");
  const all = together ? [...rows, together] : rows, levels = [...new Set(all.map(({ level }) => levelWord(level)))];
  if (levels.length > 1) throw new Error(`Cannot draw ratios: the intervals' level must be one for all rows, current value is ${levels}`);
  const left = marginFor(all.map(({ of }) => of));
  const right = Math.max(170, 32 + Math.max(...all.map((row) => textWidth(wordsOf(row)))));
  const away = (value: number | null) => value !== null && value > 0 && value < Infinity ? Math.exp(Math.abs(Math.log(value))) : 1;
  // All dots lie within the axis; bars may end at the frame.
  const limits = Math.max(...all.flatMap(({ interval: { low, high } }) => [away(low), away(high)]));
  const far = 1.04 * Math.max(clamp(1.3, limits, 4.2), ...all.map(({ size }) => away(size))), domain = [1 / far, far];
  const within = (value: number) => clamp(domain[0], value, domain[1]);
  // The row of all together stands apart.
  const placed = all.map((row, j) => ({ ...row, whole: row === together, y: -j - (row === together ? 0.5 : 0) }));
  const bars = placed.filter(({ interval: { low, high } }) => low !== null || high !== null)
    .map(({ y, whole, interval: { low, high } }) => ({ y, whole, low: within(low ?? 0), high: within(high ?? Infinity) }));
  const dots = placed.filter(({ size }) => size !== null && size > 0 && size < Infinity), at = ticksWithin(far);
  return compose({
    title,
    subtitle: `${task ? `${task}. ` : ""}Dot and bar: how many times as long, with the ${levels[0]} interval where it is known${
      together ? "; diamond: all settings together, each compared within itself" : ""
    }.`,
    panels: [panel({
      height: TOP + BOTTOM + ROW * (all.length + (together ? 0.5 : 0)),
      ...{ marginTop: TOP, marginBottom: BOTTOM, marginLeft: left, marginRight: right },
      x: { type: "log", domain, axis: null },
      y: { domain: [placed.at(-1)!.y - 0.5, 0.5], axis: null },
      marks: [
        Plot.gridX(at, { stroke: GRID, strokeOpacity: 1 }),
        Plot.ruleX([1], { stroke: INK, strokeWidth: 1.2 }),
        Plot.ruleY(bars, {
          ...{ y: "y", x1: "low", x2: "high", stroke: ({ whole }) => whole ? VALIDATION.color : INK, strokeWidth: 2 },
          ariaDescription: "interval",
        }),
        Plot.dot(dots.filter(({ whole }) => !whole), { x: "size", y: "y", r: 4, fill: INK, stroke: "white", ariaDescription: "ratio" }),
        Plot.dot(dots.filter(({ whole }) => whole), {
          ...{ x: "size", y: "y", r: 6, symbol: "diamond", fill: VALIDATION.color, stroke: "white", ariaDescription: "together" },
        }),
        Plot.axisX(at, { tickSize: 4, text: (x: number) => shortNumber(x, x < 1 ? 2 : 3), label: null, color: FAINT }),
        Plot.text(placed, { frameAnchor: "left", textAnchor: "end", dx: -10, y: "y", text: "of", fill: INK }),
        Plot.text(placed, { frameAnchor: "right", textAnchor: "end", dx: right - 16, y: "y", text: wordsOf, fill: INK }),
        Plot.text([`Ratio (${levels[0]})`], { ...HEAD, frameAnchor: "top-right", dx: right - 16, textAnchor: "end" }),
        Plot.text([`${of} (logarithmic) →`], {
          ...{ frameAnchor: "bottom-right", dy: 40, lineAnchor: "bottom", textAnchor: "end", fill: FAINT },
        }),
      ],
    })],
  });
}

const wordsOf = ({ size, interval }: ContrastRow): string => {
  const known = interval.low !== null || interval.high !== null;
  if (size === null) return known ? factorBetween(interval) : "not known";
  return known ? `${factorShort(size)} (${factorBetween(interval)})` : factorShort(size);
};
