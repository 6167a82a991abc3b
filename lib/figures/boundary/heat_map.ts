/** The phase boundary: when networks grok over two settings, and the line beyond which most don't. */
import * as Plot from "@observablehq/plot";
import { BOX, cellMarks, cellWords, holdsTwo, key, mapScales, openWords } from "../map_cells.ts";
import { about } from "../runs.ts";
import { shadesOf } from "../shades.ts";
import { surfaceFinding } from "./surface.ts";
import { BETWEEN, clamp, DOT, HEAD, THIN, TRIANGLE } from "../sweep_marks.ts";
import { compose, FAINT, type Figure, INK, marginFor, panel, WIDTH } from "../theme.ts";
import type { BoardRun } from "../../analysis/runs/run.ts";
import { type Surface, type SurfaceAxes, type SurfaceCell, surfaceOf } from "../../analysis/boundary/surface.ts";
import { capital, count } from "../../analysis/words.ts";

export interface BoundaryMapOptions extends SurfaceAxes {
  /** The task, for the subtitle. Default: from the runs' specs. */
  readonly task?: string;
  /** Replaces the finding as the title. */
  readonly title?: string;
}

/** The colour of cells without a median, where half of the runs or fewer grok. */
const NEVER = "#ececec";
const TOP = 34, BOTTOM = 48, RIGHT = 16;

/**
 * One cell per pair of values: the darker, the sooner half of its networks grok, and grey where they don't; with the median step, and how
 * many grok. A line separates the cells in which most networks grok from the others. With the `map` of a search for that line, marks show
 * the answer for cells that weren't trained.
 * @param runs of all pairs of values and all seeds, including those that haven't begun.
 * @throws Error where `surfaceOf` does.
 */
export function boundaryHeatMap(runs: readonly BoardRun[], { task = taskOf(runs), title, ...axes }: BoundaryMapOptions = {}): Figure {
  const surface = surfaceOf(runs, axes), { xs, ys, cells, names, say } = surface;
  const left = marginFor(ys.map((value) => say.y(value)));
  const width = Math.min(150, (WIDTH - left - RIGHT) / xs.length), height = clamp(14, 480 / ys.length, 46);
  const placed = cells.flatMap((row, j) => row.map((cell, i) => ({ ...cell, i, j })));
  const asked = placed.filter((cell) => cell.asked), taken = placed.filter((cell) => !cell.asked && cell.groks !== null);
  const steps = asked.flatMap(({ median }) => median ?? []),
    shades = shadesOf(steps),
    [soonest, latest] = [Math.min(...steps), Math.max(...steps)];
  const fill = ({ median, open, runs }: SurfaceCell) =>
    median !== null ? { fill: shades.of(median) } : open === 0 && runs > 0 ? { fill: NEVER } : null;
  return compose({
    title: title ?? surfaceFinding(surface),
    subtitle: [
      task ? `${task}.` : "",
      `In a cell: the median step of grokking${holdsTwo(width, height) ? ", and how many runs grok" : ""}.${cellWords(asked)}`,
      "Black line: on one side of it most networks grok, on the other most don't.",
      taken.length > 0
        ? "Not trained: a dot where the cells around it say that most would grok, a triangle where they say that most wouldn't."
        : "",
      openWords(asked).trim(),
    ].filter((part) => part !== "").join(" "),
    panels: [panel({
      height: TOP + BOTTOM + height * ys.length,
      marginTop: TOP,
      marginBottom: BOTTOM,
      marginLeft: left,
      marginRight: WIDTH - left - width * xs.length,
      ...mapScales(xs.length, ys.length),
      marks: [
        ...cellMarks(asked, width, height, fill),
        Plot.rect(taken, { ...BOX, stroke: BETWEEN, ariaDescription: "not asked" }),
        Plot.dot(taken.filter(({ groks }) => groks), {
          ...CENTRE,
          ...DOT(Math.min(4, width / 5)),
          fillOpacity: 0.6,
          ariaDescription: "taken to grok",
        }),
        Plot.dot(taken.filter(({ groks }) => !groks), {
          ...CENTRE,
          ...TRIANGLE(Math.min(4, width / 5)),
          stroke: THIN,
          ariaDescription: "taken not to",
        }),
        Plot.link(borders(surface), {
          ...{ x1: "x1", x2: "x2", y1: "y1", y2: "y2", stroke: INK, strokeWidth: 2.8, strokeLinecap: "round", clip: false },
          ariaDescription: "boundary",
        }),
        Plot.text(xs, { ...UNDER, x: (_, i) => i + 0.5, text: say.x, dy: 8 }),
        Plot.text(ys, { frameAnchor: "left", textAnchor: "end", dx: -8, y: (_, j) => j, text: say.y, fill: FAINT }),
        Plot.text([capital(names.y)], { ...HEAD, frameAnchor: "top-left", dx: 16 - left, textAnchor: "start" }),
        Plot.text([`${capital(names.x)} →`], {
          ...{ ...UNDER, frameAnchor: "bottom-right", textAnchor: "end", dy: 28, fill: INK, fontWeight: 600 },
        }),
        ...steps.length === 0 ? [] : key(width * xs.length > 360 ? 0 : WIDTH - RIGHT - left - width * xs.length, -15, {
          words: [`step ${count(soonest)}`, soonest < latest ? count(latest) : ""],
          shades: shades.samples(soonest < latest ? 5 : 1).map((fill) => ({ fill })),
        }),
      ],
    })],
  });
}

const UNDER = { frameAnchor: "bottom", lineAnchor: "top", fill: FAINT } as const;
const CENTRE = { x: ({ i }: { i: number }) => i + 0.5, y: "j" } as const;

/** The task from the runs' specs; empty where it differs. */
export const taskOf = (runs: readonly BoardRun[]) => about(runs.map((run) => ({ ...run, metrics: [] }))).task ?? "";

/** The edges between neighbouring cells of which one groks and the other doesn't. */
function borders({ cells }: Surface) {
  const differ = (a: SurfaceCell, b: SurfaceCell | undefined) => b && a.groks !== null && b.groks !== null && a.groks !== b.groks;
  return cells.flatMap((row, j) =>
    row.flatMap((cell, i) => [
      ...differ(cell, row[i + 1]) ? [{ x1: i + 1, x2: i + 1, y1: j - 0.5, y2: j + 0.5 }] : [],
      ...differ(cell, cells[j + 1]?.[i]) ? [{ x1: i, x2: i + 1, y1: j + 0.5, y2: j + 0.5 }] : [],
    ])
  );
}
