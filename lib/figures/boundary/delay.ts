/**
 * Does excess capacity delay grokking? Grokking steps against d_model / p for each weight decay, and the largest value compared with the
 * best.
 */
import { spaced } from "../scale.ts";
import * as Plot from "@observablehq/plot";
import { decides, differs, pWord } from "../../analysis/statistics/multiple.ts";
import { taskOf } from "./heat_map.ts";
import { DOT, TRIANGLE } from "../sweep_marks.ts";
import { axes, compose, FAINT, type Figure, INK, MARGIN, type Panel, panel, ticks, WIDTH } from "../theme.ts";
import { type BoardRun, outcome } from "../../analysis/runs/run.ts";
import { DECAY, RATIO, type Surface, type SurfaceAxes, surfaceOf, valueAlong } from "../../analysis/boundary/surface.ts";
import { capital, count, list } from "../../analysis/words.ts";
import { type DelayRow, delayRows } from "../../analysis/boundary/delay.ts";

export interface DelayOptions extends Omit<SurfaceAxes, "map"> {
  /** The task, for the subtitle. Default: from the runs' specs. */
  readonly task?: string;
  /** Replaces the finding as the title. */
  readonly title?: string;
}

/** The axis extends beyond the values by this factor. */
const EDGE = 1.18;
/** Pixels between two seeds of a value; fewer where the values lie too close. */
const SEEDS = 6;
const HEIGHT = 184, RIGHT = 40, TOP = 36;

/**
 * One panel per value of y: a dot at each seed's grokking step, an open triangle at the last step watched of a seed that hasn't grokked; a
 * line through the mean steps (restricted to the steps watched) from the first value at which most grok, with the best marked; and how much
 * longer the largest value takes.
 * @throws Error where `surfaceOf` does, and where no value of y has such a line.
 */
export function delayFigure(runs: readonly BoardRun[], options: DelayOptions = {}): Figure {
  const { x = RATIO, y = DECAY, task = taskOf(runs), title } = options;
  const surface = surfaceOf(runs, { x, y }), rows = delayRows(runs, options);
  if (rows.length === 0) {
    throw new Error(
      `Cannot draw delays: most networks must grok at two values of ${surface.names.x} or beyond the first of them, current value is none`,
    );
  }
  const without = surface.ys.filter((value) => !rows.some((row) => row.y === value));
  return compose({
    title: title ?? finding(rows, surface),
    subtitle: [
      task ? `${task}.` : "",
      "Dot: a seed that grokked; triangle: one that had not grokked by that step; seeds of one value stand side by side. " +
      "Line: mean within the steps watched; ring: the best.",
      `p, and how many times as long at least (95 %), allow for its having been chosen${rows.length > 1 ? "; p for all panels too" : ""}${
        rows.some((row) => row.floor === null || decides(row))
          ? ""
          : `, and can't be below ${Number(Math.min(...rows.map(({ floor }) => floor!)).toPrecision(2))} with so few seeds`
      }.`,
      without.length === 0
        ? ""
        : `No panel where most grok at fewer than two values: ${surface.names.y} ${list(without.map(surface.say.y))}.`,
    ].filter((part) => part !== "").join(" "),
    panels: rows.map((row, i) => drawn(row, runs.filter(({ spec }) => valueAlong(spec, y) === row.y), surface, x, i === rows.length - 1)),
  });
}

function drawn(
  row: DelayRow,
  runs: readonly BoardRun[],
  { xs, names, say }: Surface,
  axis: NonNullable<SurfaceAxes["x"]>,
  last: boolean,
): Panel {
  const [from, to] = [xs[0] / EDGE, xs[xs.length - 1] * EDGE], perPixel = Math.log(to / from) / (WIDTH - MARGIN.left - RIGHT);
  const closest = Math.min(...xs.slice(1).map((x, i) => Math.log(x / xs[i]))) / perPixel;
  const seeds = [...Map.groupBy(runs, ({ spec }) => valueAlong(spec, axis))].flatMap(([value, some]) => {
    const apart = Math.min(SEEDS, closest / (some.length + 0.5)) * perPixel;
    return some.map(outcome).sort((a, b) => a.seed - b.seed).map((run, s, all) => ({
      ...run,
      at: value * Math.exp(apart * (s - (all.length - 1) / 2)),
    }));
  }).filter(({ watched }) => watched > 0);
  const steps = [...seeds.map(({ grokked, watched }) => grokked ?? watched), ...row.means.map(({ mean }) => mean)];
  const domain = [Math.min(...steps) / 1.3, Math.max(...steps) * 1.3], bottom = last ? MARGIN.bottom : 26;
  const best = row.means.filter(({ x }) => x === row.best);
  return panel({
    height: HEIGHT + bottom - 26,
    marginTop: TOP,
    marginBottom: bottom,
    marginRight: RIGHT,
    x: { type: "log", domain: [from, to] },
    y: { type: "log", domain },
    marks: [
      ...axes(
        { ticks: [], label: last ? `${capital(names.x)} (logarithmic) →` : null },
        { ticks: ticks(domain[0], domain[1], "log"), format: count, label: `${capital(names.y)} ${say.y(row.y)}` },
        TOP,
      ),
      Plot.axisX(spaced(xs, 36 * perPixel), { tickSize: 4, text: say.x, label: null, color: FAINT }),
      Plot.text([armWord(row, say.x)], {
        frameAnchor: "top-right",
        dy: 4 - TOP,
        lineAnchor: "top",
        textAnchor: "end",
        fill: FAINT,
      }),
      Plot.lineY(row.means, { x: "x", y: "mean", stroke: INK, strokeWidth: 1.6, ariaDescription: "mean" }),
      Plot.dot(best, { x: "x", y: "mean", r: 9, stroke: INK, strokeWidth: 1.6, ariaDescription: "best" }),
      Plot.dot(seeds.filter(({ grokked }) => grokked !== null), { x: "at", y: "grokked", ...DOT(4.2) }),
      Plot.dot(seeds.filter(({ grokked }) => grokked === null), { x: "at", y: "watched", ...TRIANGLE(4.4), rotate: 0 }),
    ],
  });
}

/** `At 16: 1.4 times the best (at least 1.1), +400 steps, p = 0.01` */
function armWord({ largest, holm }: DelayRow, say: (x: number) => string): string {
  if (largest === null) return "the largest is the best";
  const { difference, ratio, x, atLeast } = largest, bound = atLeast === null ? "" : ` (at least ${digits(atLeast)})`;
  return `At ${say(x)}: ${digits(ratio)} times the best${bound}, ${signed(difference)} steps, ${pWord(holm)}`.replaceAll("p ", "p\u00a0");
}
const signed = (steps: number) => `${steps < 0 ? "−" : "+"}${count(Math.abs(steps))}`;
const digits = (factor: number) => factor === Infinity ? "∞" : String(Number(factor.toPrecision(2)));

/** The finding: where the largest value takes longer than the best, where that isn't shown, and where so few seeds can't show it. */
function finding(rows: readonly DelayRow[], { names, say }: Surface): string {
  const bound = (text: string) => text.replaceAll(" ", "\u00a0");
  const shown = rows.filter(differs), not = rows.filter((row) => !shown.includes(row));
  const at = (some: readonly DelayRow[], first: boolean) => `${first ? bound(`${names.y} `) : ""}${list(some.map(({ y }) => say.y(y)))}`;
  if (shown.length === 0) {
    return rows.every(({ largest }) => largest === null)
      ? `Mean waits are shortest at the largest ${bound(names.x)}, with ${at(rows, true)}`
      : !rows.some(decides)
      ? `Too few seeds to show that excess capacity delays grokking, with ${at(rows, true)}`
      : `Excess capacity is not shown to delay grokking, with ${at(rows, true)}`;
  }
  const largest = shown.map((row) => row.largest!), rest = not.length > 0 ? `; not shown with ${at(not, false)}` : "";
  const ends = [...new Set(largest.map(({ x }) => say.x(x)))],
    where = `at ${ends.length === 1 ? "" : "the largest "}${names.x} ${ends.length === 1 ? ends[0] : ""}`;
  const ratios = largest.map(({ ratio }) => ratio).sort((a, b) => a - b).map(digits);
  const range = ratios[0] === ratios[ratios.length - 1] ? ratios[0] : `${ratios[0]} to ${ratios[ratios.length - 1]}`;
  // The rank test may show a difference although the ratio of means is at most 1.
  const much = ratios.every((ratio) => Number(ratio) > 1)
    ? `it takes ${range} times as long as at the best`
    : "it takes longer than at the best";
  return `Excess capacity delays grokking with ${at(shown, true)}: ${bound(where.trim())} ${much}${rest}`;
}
