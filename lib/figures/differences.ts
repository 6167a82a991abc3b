/** Differences to one baseline with their intervals, one row each. */
import * as Plot from "@observablehq/plot";
import { HEAD } from "./sweep_marks.ts";
import { compose, FAINT, type Figure, GRID, INK, marginFor, panel, ticks, VALIDATION } from "./theme.ts";
import { between, signed } from "../analysis/words.ts";

export interface DifferenceRow {
  readonly name: string;
  readonly difference: number;
  /** The interval; `null` where it isn't known: then no bar is drawn. */
  readonly low: number | null;
  readonly high: number | null;
  /** Whether the corrected test separates it from 0: then it is drawn in colour. */
  readonly told: boolean;
}

export interface DifferenceOptions {
  /** The quantity compared: `restricted mean step of grokking`. */
  readonly of: string;
  /** The baseline's name: `AdamW`. */
  readonly baseline: string;
  readonly task?: string;
  readonly title: string;
}

const ROW = 34, TOP = 34, BOTTOM = 48, RIGHT = 190;

/**
 * A dot and a bar per row: the difference and its interval; in colour where the corrected test separates it from 0.
 * @throws Error for no rows.
 */
export function differenceFigure(rows: readonly DifferenceRow[], { of, baseline, task, title }: DifferenceOptions): Figure {
  if (rows.length === 0) throw new Error("Cannot draw differences: rows must be at least one, current value is 0");
  const left = marginFor(rows.map(({ name }) => name));
  const all = [0, ...rows.flatMap(({ difference, low, high }) => [difference, low ?? difference, high ?? difference])];
  const [least, most] = [Math.min(...all), Math.max(...all)], pad = 0.04 * (most - least || 1);
  const placed = rows.map((row, j) => ({ ...row, j: rows.length - 1 - j })), domain = [least - pad, most + pad];
  const at = ticks(domain[0], domain[1], "linear"), colour = ({ told }: DifferenceRow) => told ? VALIDATION.color : INK;
  return compose({
    title,
    subtitle: `${task ? `${task}. ` : ""}Dot and bar: difference to ${baseline} with its 95 % interval; in colour: told from 0 after ` +
      `Holm's correction.`,
    panels: [panel({
      height: TOP + BOTTOM + ROW * rows.length,
      ...{ marginTop: TOP, marginBottom: BOTTOM, marginLeft: left, marginRight: RIGHT },
      x: { domain, axis: null },
      y: { domain: [-0.5, rows.length - 0.5], axis: null },
      marks: [
        Plot.gridX(at, { stroke: GRID, strokeOpacity: 1 }),
        Plot.ruleX([0], { stroke: INK, strokeWidth: 1.2 }),
        Plot.ruleY(placed.filter(({ low, high }) => low !== null && high !== null), {
          ...{ y: "j", x1: "low", x2: "high", stroke: colour, strokeWidth: 2.2, ariaDescription: "interval" },
        }),
        Plot.dot(placed, { x: "difference", y: "j", r: 5, fill: colour, stroke: "white", ariaDescription: "difference" }),
        Plot.axisX(at, { tickSize: 4, text: (x: number) => signed(x, 0), label: null, color: FAINT }),
        Plot.text(placed, { frameAnchor: "left", textAnchor: "end", dx: -10, y: "j", text: "name", fill: INK }),
        Plot.text(placed, { frameAnchor: "right", textAnchor: "end", dx: RIGHT - 16, y: "j", text: wordsOf, fill: INK }),
        Plot.text(["Difference (95 %)"], { ...HEAD, frameAnchor: "top-right", dx: RIGHT - 16, textAnchor: "end" }),
        Plot.text([`Steps: ${of} less that of ${baseline} →`], {
          ...{ frameAnchor: "bottom-right", dy: 40, lineAnchor: "bottom", textAnchor: "end", fill: FAINT },
        }),
      ],
    })],
  });
}

const wordsOf = ({ difference, low, high }: DifferenceRow) =>
  `${signed(difference, 0)}${low === null || high === null ? "" : ` (${between({ low, high }, 0)})`}`;
