/** Where networks grok by depth, width and number of heads, one row of blocks per operation. */
import * as Plot from "@observablehq/plot";
import { OPERATIONS } from "../run/operations.ts";
import type { RunSpec } from "../run/spec.ts";
import { cellMarks, cellWords, holdsTwo, key, mapFinding, mapScales, openWords } from "./map_cells.ts";
import { clamp, HEAD } from "./sweep_marks.ts";
import { compose, FAINT, type Figure, INK, type Panel, panel, WIDTH } from "./theme.ts";
import { type Tally, tally } from "../analysis/runs/tally.ts";
import { type BoardRun, outcome } from "../analysis/runs/run.ts";
import { capital, count, list } from "../analysis/words.ts";

export interface CapacityMapOptions {
  /** Replaces the finding as the title. */
  readonly title?: string;
  /** The task, for the subtitle: `modulo 97, half of the pairs`. */
  readonly task?: string;
}

interface Cell extends Tally {
  readonly spec: RunSpec;
}

/** `GAP`: between blocks, in widths of a cell; margins in pixels. */
const GAP = 0.3, LEFT = 76, RIGHT = 16;

/**
 * One block per number of heads, from left to right; within it, d_model increases to the right and layers upwards. A cell's colour is
 * stronger the more of its seeds grok; its text is the median grokking step, `none` where no seed grokked. Cells with unfinished runs are
 * hatched. Each operation has its row of blocks.
 * @throws Error where there is no run, or where runs of a cell differ in more than their seed.
 */
export function capacityMap(runs: readonly BoardRun[], { title, task }: CapacityMapOptions = {}): Figure {
  if (runs.length === 0) throw new Error("Cannot draw a map of capacities: there must be at least one run, current value is 0");
  const cells = cellsOf(runs);
  const distinct = (of: (spec: RunSpec) => number) => [...new Set(runs.map(({ spec }) => of(spec)))].sort((a, b) => a - b);
  const layers = distinct(({ model }) => model.layers), heads = distinct(({ model }) => model.heads);
  // A block has only the widths that were run with its number of heads.
  const blocks = heads.map((n) =>
    [...new Set(runs.filter(({ spec }) => spec.model.heads === n).map(({ spec }) => spec.model.dModel))].sort((a, b) => a - b)
  );
  const starts = blocks.map((_, h) => blocks.slice(0, h).reduce((sum, { length }) => sum + length + GAP, 0));
  const columns = starts[starts.length - 1] + blocks[blocks.length - 1].length;
  const width = Math.min(110, (WIDTH - LEFT - RIGHT) / columns), height = clamp(16, 150 / layers.length, 40);
  const rows = [...Map.groupBy(cells, ({ spec }) => spec.data.operation)];
  const drawn = rows.map(([operation, some], r): Panel => {
    const first = r === 0, last = r === rows.length - 1, top = first ? 54 : 26, bottom = last ? 44 : 6;
    const placed = some.map((cell) => {
      const { model } = cell.spec, h = heads.indexOf(model.heads);
      return { ...cell, i: starts[h] + blocks[h].indexOf(model.dModel), j: layers.indexOf(model.layers) };
    });
    const under = blocks.flatMap((widths, h) => widths.map((width, i) => ({ x: starts[h] + i + 0.5, width })));
    return panel({
      height: top + bottom + height * layers.length,
      marginTop: top,
      marginBottom: bottom,
      marginLeft: LEFT,
      marginRight: WIDTH - LEFT - width * columns,
      ...mapScales(columns, layers.length),
      marks: [
        ...cellMarks(placed, width, height),
        Plot.text([OPERATIONS[operation].formula], { ...HEAD, frameAnchor: "top-left", dx: 16 - LEFT, textAnchor: "start" }),
        Plot.text(layers, {
          frameAnchor: "left",
          textAnchor: "end",
          dx: -8,
          y: (_, j) => j,
          text: (n: number) => `${n} layer${n === 1 ? "" : "s"}`,
          fill: FAINT,
        }),
        Plot.text(first ? heads : [], {
          ...HEAD,
          frameAnchor: "top",
          x: (_, h) => starts[h] + blocks[h].length / 2,
          text: (n: number) => `${n} head${n === 1 ? "" : "s"}`,
        }),
        Plot.text(last ? under : [], { ...UNDER, x: "x", text: ({ width }: { width: number }) => String(width), dy: 8 }),
        Plot.text(last ? ["d_model →"] : [], {
          ...UNDER,
          frameAnchor: "bottom-right",
          textAnchor: "end",
          dy: 26,
          fill: INK,
          fontWeight: 600,
        }),
        ...first ? key(width * columns > 360 ? 0 : WIDTH - RIGHT - LEFT - width * columns, -40) : [],
      ],
    });
  });
  return compose({
    title: title ?? finding(cells),
    subtitle: `${task ? `${task}. ` : ""}In a cell: the median step of grokking${
      holdsTwo(width, height) ? ", and how many seeds grok" : ""
    }.${cellWords(cells)}${openWords(cells)}`,
    panels: drawn,
  });
}

/** The finding: for several operations, how many networks grok on each; for one, or with unfinished runs, at how many settings. */
function finding(cells: readonly Cell[]): string {
  const tasks = [...Map.groupBy(cells, ({ spec }) => spec.data.operation)].map(([operation, some]) => ({
    name: OPERATIONS[operation].formula.replaceAll(" ", "\u00a0"),
    runs: some.reduce((sum, { runs }) => sum + runs, 0),
    grokked: some.reduce((sum, { grokked }) => sum + grokked, 0),
  }));
  if (tasks.length === 1 || cells.some(({ open }) => open > 0)) return mapFinding(cells, ({ spec }) => nameOf(spec));
  const all = tasks.filter(({ runs, grokked }) => grokked === runs), none = tasks.filter(({ grokked }) => grokked === 0);
  const parts = [
    ...all.length > 0 ? [`all networks grok on ${list(all.map(({ name }) => name))}`] : [],
    ...tasks.filter(({ runs, grokked }) => grokked > 0 && grokked < runs).map(({ name, runs, grokked }, i) =>
      `${count(grokked)} of ${count(runs)}${all.length + i === 0 ? " networks grok" : ""} on ${name}`
    ),
    ...none.length > 0 ? [`none${none.length === tasks.length ? " groks" : ""} on ${list(none.map(({ name }) => name))}`] : [],
  ];
  return capital(parts.join(", "));
}

const UNDER = { frameAnchor: "bottom", lineAnchor: "top", fill: FAINT } as const;

/** `x + y · 2×128×4`, with non-breaking spaces. */
const nameOf = ({ data, model: { layers, dModel, heads } }: RunSpec) =>
  `${OPERATIONS[data.operation].formula} · ${layers}×${dModel}×${heads}`.replaceAll(" ", "\u00a0");

function cellsOf(runs: readonly BoardRun[]): Cell[] {
  const groups = Map.groupBy(runs, ({ spec: { data, model } }) => [data.operation, model.layers, model.dModel, model.heads].join());
  return [...groups.values()].map((group) => {
    const [{ spec }] = group;
    const settings = new Set(group.map(({ spec }) => JSON.stringify({ ...spec, seed: 0 })));
    if (settings.size > 1) {
      throw new Error(
        `Cannot draw a map of capacities: runs of ${
          nameOf(spec)
        } must differ in their seed alone, current value is ${settings.size} settings`,
      );
    }
    return { spec, ...tally(group.map(outcome)) };
  });
}
