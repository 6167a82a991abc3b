/** Stability after grokking: how often the validation accuracy falls below the threshold again, and how far. */
// @ts-types="@types/d3-array"
import { median } from "d3-array";
import * as Plot from "@observablehq/plot";
import type { Stability } from "../run/grokking.ts";
import { ticks } from "./theme.ts";
import { axes, compose, FAINT, type Figure, INK, MARGIN, type Panel, panel, textWidth, VALIDATION, WIDTH } from "./theme.ts";
import { count } from "../analysis/words.ts";

export interface StabilityGroup {
  /** `4×64×2`. */
  readonly name: string;
  /**
   * The stability of each run, the same object in every group that the run is in, `null` where it has none, as one that never grokked:
   * `milestones(…).stability` of all evaluations, or the lab's columns `dips`, `dip_depth` and `time_below`. For recorded runs only the
   * columns are right, since a record holds only part of the evaluations.
   */
  readonly runs: readonly (Stability | null)[];
}

export interface StabilitySection {
  /** What its groups have in common: `Small`; may be empty for a single section. */
  readonly name: string;
  readonly groups: readonly StabilityGroup[];
}

export interface StabilityOptions {
  readonly task?: string;
  /** Replaces the finding as the title. */
  readonly title?: string;
  /** A dip is a validation accuracy below this. Default: 0.99. */
  readonly threshold?: number;
  /** The steps that were looked at, where not all since grokking: `in the last 5,000 epochs`. */
  readonly during?: string;
}

/** A group and its row. */
interface Row {
  readonly name: string;
  readonly y: number;
  readonly held: readonly Stability[];
  readonly never: number;
}

/** Fewer networks have no median here. */
const FEW = 3;

const ROW = 24, TOP = 34, RIGHT = 92, INDENT = 26;

/**
 * One row per group, one dot per run that grokked, a bar at the median of three or more. Left: the share of evaluations after grokking
 * that lie below the threshold; right: how far below it the lowest lies. At the end of a row, how many of the grokked runs dipped at all.
 * @throws Error where there is no run.
 */
export function stabilityFigure(sections: readonly StabilitySection[], options: StabilityOptions = {}): Figure {
  const { task, title, threshold = 0.99, during } = options;
  const heads: { name: string; y: number }[] = [], rows: Row[] = [];
  let y = 0;
  for (const { name: section, groups } of sections) {
    if (section !== "") heads.push({ name: section, y: y++ });
    for (const { name, runs } of groups) {
      const held = runs.filter((run) => run !== null);
      rows.push({ name, y: y++, held, never: runs.length - held.length });
    }
  }
  if (!rows.some(({ held, never }) => held.length + never > 0)) {
    throw new Error("Cannot draw stability: there must be at least one run, current value is 0");
  }
  const left = Math.max(MARGIN.left, INDENT + 14 + Math.max(...[...rows, ...heads].map(({ name }) => textWidth(name, 12.5, true))));
  const middle = left + (WIDTH - left - RIGHT - 40) / 2 + 20, percent = `${Number((100 * threshold).toPrecision(4))} %`;
  const columns = [
    { of: (run: Stability) => run.timeBelow, label: `Time below ${percent}`, width: middle, marginLeft: left, marginRight: 20 },
    { of: (run: Stability) => run.depth, label: "Deepest dip", width: WIDTH - middle, marginLeft: 20, marginRight: RIGHT },
  ];
  const drawn = columns.map(({ of, label, ...place }, c) => strip(rows, y, of, { label, ...place, heads: c === 0 ? heads : null }));
  return compose({
    title: title ?? finding(rows, percent, during),
    subtitle:
      `${task ? `${task}. ` : ""}One dot per network that grokked, ${
        during ? `watched ${during}` : "from then on"
      }; bar: median of ${FEW} or more. Left: the share of its evaluations with a ` +
      `validation accuracy below ${percent}. Right: how far below that the lowest was, in percentage points.`,
    panels: [drawn],
  });
}

interface Column {
  readonly label: string;
  readonly width: number;
  readonly marginLeft: number;
  readonly marginRight: number;
  /** The sections' names, drawn with those of the rows left of the first column; `null` for the other column. */
  readonly heads: readonly { readonly name: string; readonly y: number }[] | null;
}

const medianOf = (runs: readonly Stability[], of: (run: Stability) => number) => median(runs, of)!;

function strip(rows: readonly Row[], lines: number, of: (run: Stability) => number, { label, heads, ...place }: Column): Panel {
  const most = Math.max(0.01, ...rows.flatMap(({ held }) => held.map(of)));
  // Runs of a row are drawn slightly apart, so that equal values don't hide each other.
  const dots = rows.flatMap(({ y, held }) => held.map((run, i) => ({ y: y + 0.56 * ((i * 0.618) % 1 - 0.5), x: of(run) })));
  const medians = rows.filter(({ held }) => held.length >= FEW).map(({ y, held }) => ({ y, x: medianOf(held, of) }));
  const all = ticks(0, 100 * most, "linear"), marks = all.length > 5 ? all.filter((_, i) => i % 2 === 0) : all;
  const beside = { frameAnchor: "left", textAnchor: "start", dx: 16 - place.marginLeft, text: "name", y: "y" } as const;
  return panel({
    height: TOP + 30 + ROW * lines,
    ...place,
    marginTop: TOP,
    marginBottom: 30,
    x: { domain: [-0.02 * most, 1.04 * most] },
    y: { domain: [lines - 0.5, -0.5] },
    marks: [
      ...axes({ ticks: [], label: null }, { ticks: [], format: String, label: "" }),
      Plot.gridX(marks.map((tick) => tick / 100), { stroke: "#e4e4e4", strokeOpacity: 1 }),
      Plot.axisX(marks.map((tick) => tick / 100), {
        tickSize: 4,
        text: (x: number) => `${Number((100 * x).toPrecision(3))} %`,
        label: null,
        color: FAINT,
      }),
      Plot.text([label], { frameAnchor: "top-left", dy: -8, lineAnchor: "bottom", textAnchor: "start", fontWeight: 600 }),
      Plot.ruleY(rows, { y: "y", stroke: "#efefef" }),
      Plot.dot(dots, {
        x: "x",
        y: "y",
        r: 3.6,
        fill: VALIDATION.color,
        fillOpacity: 0.75,
        stroke: "white",
        strokeWidth: 0.6,
        ariaDescription: "run",
      }),
      Plot.ruleX(medians, {
        x: "x",
        y1: ({ y }) => y - 0.36,
        y2: ({ y }) => y + 0.36,
        stroke: INK,
        strokeWidth: 2.2,
        ariaDescription: "median",
      }),
      ...(heads
        ? [Plot.text(heads, { ...beside, fontWeight: 600 }), Plot.text(rows, { ...beside, dx: INDENT - place.marginLeft, fill: FAINT })]
        : [
          Plot.text(rows, { ...AT_END, y: "y", text: dipped }),
          Plot.text(["Dipped"], { ...AT_END, frameAnchor: "top-right", dy: -8, lineAnchor: "bottom", fontWeight: 600 }),
        ]),
    ],
  });
}

const AT_END = { frameAnchor: "right", textAnchor: "end", dx: RIGHT - 16 } as const;

/** `3 of 5`, of the runs that grokked. */
const dipped = ({ held }: Row) => (held.length === 0 ? "none grokked" : `${held.filter(({ dips }) => dips > 0).length} of ${held.length}`);

/** The finding: how many networks dip, one that is in several groups once, and for how long. Which groups differ is for a test to say. */
function finding(rows: readonly Row[], percent: string, during?: string): string {
  const all = [...new Set(rows.flatMap(({ held }) => held))], dips = all.filter((run) => run.dips > 0).length;
  if (all.length === 0) return "No network has grokked";
  const again = `below ${percent} again`.replaceAll(" ", "\u00a0");
  const some = all.length === 1
    ? `The network that grokked ${dips === 1 ? "falls" : "does not fall"} ${again}`
    : `${dips === 0 ? "None" : count(dips)} of ${count(all.length)} networks that grokked fall${dips === 1 ? "s" : ""} ${again}`;
  const shares = rows.filter(({ held }) => held.length >= FEW).map(({ held }) => medianOf(held, (run) => run.timeBelow));
  const [least, most] = [Math.min(...shares), Math.max(...shares)].map((share) => Number((100 * share).toPrecision(2)));
  const then = during ? `${some} ${during}` : some;
  if (shares.length < 2 || least === most) return then;
  return `${then}; groups' median times below it: ${least} to ${most}\u00a0%${during ? "" : " of the steps since"}`;
}
