/** The compact form of a sweep's board: one cell per setting, one mark per seed. */
import * as Plot from "@observablehq/plot";
import { medianWord } from "./settings.ts";
import { BETWEEN, CIRCLE, clamp, CROSS, DOT, edges, HEAD, names, THIN, TRIANGLE } from "./sweep_marks.ts";
import { FAINT, type Panel, panel, VALIDATION, WIDTH } from "./theme.ts";
import type { Field, Setting } from "../analysis/runs/settings.ts";
import { grokkingQuantile } from "../analysis/runs/times.ts";
import type { Outcome, State } from "../analysis/runs/run.ts";
import { capital } from "../analysis/words.ts";

/** The most rows and columns of a table, and the most columns that leave room for text. */
const ROWS = 60, COLUMNS = 12, WIDE = 6;
/** The width of a median step in a cell, in pixels. */
const MEDIAN = 46;

/** The field whose values make the columns of a table that is mostly filled; `null` where there is none. */
export function columnField(fields: readonly Field[], settings: readonly Setting[]): Field | null {
  const fitting = fields.map((field) => {
    const others = fields.filter((each) => each !== field);
    return { field, rows: new Set(rowKeys(others, settings)).size, columns: field.distinct.length };
  }).filter(({ rows, columns }) => rows <= ROWS && columns <= COLUMNS && settings.length >= 0.5 * rows * columns);
  const wide = fitting.filter(({ columns }) => columns <= WIDE);
  const best = wide.length > 0 ? wide.sort((a, b) => b.columns - a.columns)[0] : fitting.sort((a, b) => a.columns - b.columns)[0];
  return best?.field ?? null;
}

const rowKeys = (down: readonly Field[], settings: readonly Setting[]) =>
  settings.map((_, i) => JSON.stringify(down.map(({ values }) => values[i])));

/** The order of marks in a cell: grokked runs come first, so that their share is easy to see. */
const ORDER: readonly State[] = ["grokked", "training", "stopped", "waiting", "never", "diverged"];

/** The table as a panel: the values of `across` make the columns, those of all other fields the rows. */
export function table(fields: readonly Field[], settings: readonly Setting[], across: Field): Panel {
  const others = fields.filter((field) => field !== across), keys = rowKeys(others, settings), rows = [...new Set(keys)];
  const down = others.map((field) => ({ ...field, values: rows.map((row) => field.values[keys.indexOf(row)]) }));
  const { left, top, marks } = names(down);
  const right = 16, marginTop = Math.max(44, top);
  const height = clamp(11, 560 / rows.length, 30), width = (WIDTH - left - right) / across.distinct.length;
  const seeds = Math.max(...settings.map(({ runs }) => runs.length));
  const worded = height >= 14 && width - MEDIAN >= 5 * seeds;
  const gap = Math.min(11, (width - (worded ? MEDIAN : 0) - 10) / seeds), r = clamp(1.2, 0.42 * Math.min(gap, height), 4);
  const cells = settings.map(({ runs }, i) => ({ runs, x: across.distinct.indexOf(across.values[i]), y: rows.indexOf(keys[i]) }));
  const seedMarks = cells.flatMap(({ runs, x, y }) =>
    runs.toSorted((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state))
      .map((run, s): Outcome & { x: number; y: number } => ({ ...run, y, x: x + (5 + gap * (s + 0.5)) / width }))
  );
  const of = (...states: State[]) => seedMarks.filter(({ state }) => states.includes(state));
  return panel({
    height: marginTop + height * rows.length + 14,
    marginTop,
    marginBottom: 14,
    marginLeft: left,
    marginRight: right,
    x: { domain: [0, across.distinct.length], axis: null },
    y: { domain: [rows.length - 0.5, -0.5], axis: null },
    marks: [
      Plot.rect(cells, {
        x1: "x",
        x2: ({ x }) => x + 1,
        y1: ({ y }) => y - 0.5,
        y2: ({ y }) => y + 0.5,
        stroke: BETWEEN,
        fill: VALIDATION.color,
        fillOpacity: ({ runs }: Setting) => 0.22 * runs.filter(({ state }) => state === "grokked").length / runs.length,
        ariaDescription: "setting",
      }),
      Plot.ruleY(edges(down), { y: (i: number) => i - 0.5, stroke: FAINT, insetLeft: 16 - left }),
      ...marks,
      Plot.text([capital(across.name)], { ...HEAD, frameAnchor: "top-left", dy: -24, textAnchor: "start" }),
      Plot.text(across.distinct, {
        ...HEAD,
        frameAnchor: "top",
        x: (_, i) => i + 0.5,
        text: (word: string) => word,
        fontWeight: 400,
        fill: FAINT,
      }),
      Plot.dot(of("training", "stopped"), {
        ...CIRCLE(r),
        x: "x",
        y: "y",
        fill: ({ memorised }) => memorised === null ? "white" : THIN,
        ariaDescription: "open",
      }),
      Plot.dot(of("grokked"), { x: "x", y: "y", ...DOT(r) }),
      Plot.dot(of("never"), { x: "x", y: "y", ...TRIANGLE(0.9 * r) }),
      Plot.dot(of("diverged"), { x: "x", y: "y", ...CROSS(r) }),
      Plot.text(worded ? cells.filter(({ runs }) => Number.isFinite(grokkingQuantile(runs, 0.5) ?? NaN)) : [], {
        x: ({ x }) => x + 1,
        y: "y",
        text: ({ runs }: Setting) => medianWord(runs),
        dx: -6,
        textAnchor: "end",
        fill: VALIDATION.text,
      }),
    ],
  });
}
