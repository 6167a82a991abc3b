/** Shared parts of the sweep boards: the marks of a run's states, and the names of settings. */
import * as Plot from "@observablehq/plot";
import { FAINT, INK, MARGIN, textWidth, TRAIN, VALIDATION } from "./theme.ts";
import type { Field } from "../analysis/runs/settings.ts";
import { capital } from "../analysis/words.ts";

const line = (r: number) => Math.min(1.5, 0.45 * r);
/**
 * The marks of a run, with radius r in pixels: `DOT` grokked, `CIRCLE` in training or memorised, `TRIANGLE` never grokked, `CROSS`
 * diverged.
 */
export const DOT = (r: number) => ({
  r,
  fill: VALIDATION.color,
  stroke: "white",
  strokeWidth: r > 3 ? 0.8 : 0.3,
  ariaDescription: "grokked",
});
export const CIRCLE = (r: number) => ({ r: 0.85 * r, stroke: TRAIN.color, strokeWidth: line(r), fill: "white" });
export const TRIANGLE = (r: number) => ({
  symbol: "triangle",
  rotate: 90,
  r: 0.9 * r,
  stroke: VALIDATION.color,
  strokeWidth: line(r),
  fill: "white",
  ariaDescription: "not grokked",
} as const);
export const CROSS = (
  r: number,
) => ({ symbol: "times", r: 0.9 * r, stroke: INK, strokeWidth: line(r), ariaDescription: "diverged" } as const);

/** Colours of lines: a run's, and those between settings. */
export const THIN = "#bdbdbd", BETWEEN = "#dedede";
/** The text options of a column's heading, above the frame. */
export const HEAD = { dy: -7, lineAnchor: "bottom", fontWeight: 600 } as const;

export const clamp = (low: number, x: number, high: number) => Math.max(low, Math.min(high, x));

/** The rows at which the first field's value changes; none if it changes in at least half of the rows. */
export function edges([first]: readonly Field[]): number[] {
  const at = first ? [...first.values.keys()].filter((i) => i > 0 && first.values[i] !== first.values[i - 1]) : [];
  return at.length < (first?.values.length ?? 0) / 2 ? at : [];
}

const GAP = 14, LINE = 15;

/**
 * The names of the settings as a table left of the frame: one column per field, repeated values written once, and only in every `every`-th
 * row. `left` and `top` are the margins that it needs, in pixels.
 */
export function names(
  fields: readonly Field[],
  every = 1,
): { readonly left: number; readonly top: number; readonly marks: Plot.Markish[] } {
  const columns = fields.map(({ name, values, numeric }, f) => {
    const head = fields.length > 2 ? capital(name).replaceAll(" ", "\n") : capital(name);
    const differs = (i: number) => i === 0 || fields.slice(0, f + 1).some(({ values }) => values[i] !== values[i - 1]);
    const said = values.map((value, i) => i % every === 0 && differs(i) ? value : "");
    const widths = [...head.split("\n").map((word) => textWidth(word, 12.5, true) + 6), ...values.map((value) => textWidth(value) + 4)];
    return { head, said, width: Math.max(...widths), numeric };
  });
  const width = columns.reduce((sum, { width }) => sum + width + GAP, 0), left = Math.max(MARGIN.left, 16 + width);
  const lines = Math.max(1, ...columns.map(({ head }) => head.split("\n").length));
  let x = left - width;
  const marks = columns.flatMap(({ head, said, width, numeric }) => {
    const place = numeric ? { textAnchor: "end", dx: x + width - left } as const : { textAnchor: "start", dx: x - left } as const;
    x += width + GAP;
    return [
      Plot.text([head], { ...HEAD, ...place, frameAnchor: "top-left" }),
      Plot.text(said, { ...place, frameAnchor: "left", y: (_, i) => i, text: (word: string) => word, fill: FAINT }),
    ];
  });
  return { left, top: 9 + LINE * lines, marks };
}
