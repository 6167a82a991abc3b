/**
 * Does excess capacity delay grokking? Grokking steps against d_model / p for each weight decay, and the largest value compared with the
 * best.
 */
import { SCALE_WORDS, spaced, stepMargin } from "../scale.ts";
import * as Plot from "@observablehq/plot";
import { decides, differs, pWord } from "../../analysis/statistics/multiple.ts";
import { taskOf } from "./heat_map.ts";
import { unfinished } from "../map_cells.ts";
import { DOT, TRIANGLE } from "../sweep_marks.ts";
import { axes, compose, FAINT, type Figure, INK, MARGIN, type Panel, panel, ticks, WIDTH } from "../theme.ts";
import { type BoardRun, outcome } from "../../analysis/runs/run.ts";
import { DECAY, RATIO, type Surface, type SurfaceAxes, surfaceOf, valueAlong } from "../../analysis/boundary/surface.ts";
import { capital, count, factorShort, list } from "../../analysis/words.ts";
import { type DelayRow, delayRows } from "../../analysis/boundary/delay.ts";

export interface DelayOptions extends Omit<SurfaceAxes, "map"> {
  /** The task, for the subtitle. Default: from the runs' specs. */
  readonly task?: string;
  /** Replaces the finding as the title. */
  readonly title?: string;
}

/** A logarithmic axis extends beyond the values by this factor, one of columns by half a column. */
const EDGE = 1.18, HALF = 0.5;
/** Pixels between two seeds of a value; fewer where the values lie too close. */
const SEEDS = 6;
const HEIGHT = 184, RIGHT = 40, TOP = 36;
/** How far the axis of steps extends beyond the steps drawn, as a factor. */
const EDGE_OF_STEPS = 1.3;

/**
 * One panel per value of y: a dot at each seed's grokking step, an open triangle at the last step by which a seed is known not to have; a
 * line through the mean steps (restricted to the steps watched) from the first value at which most grok, with the best marked; and how much
 * longer the largest value takes. The x axis is logarithmic where all values are positive, else they are evenly spaced.
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
  // No tick lies above the longest run's last step by more than the axis does.
  const left = stepMargin([count(EDGE_OF_STEPS * Math.max(...runs.map(({ step }) => step)))]);
  const without = surface.ys.filter((value) => !rows.some((row) => row.y === value));
  return compose({
    title: title ?? `${finding(rows, surface)}${unfinished(surface.cells.flat().filter(({ open }) => open > 0).length)}`,
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
    panels: rows.map((row, i) =>
      drawn(row, runs.filter(({ spec }) => valueAlong(spec, y) === row.y), surface, { axis: x, left, last: i === rows.length - 1 })
    ),
  });
}

function drawn(
  row: DelayRow,
  runs: readonly BoardRun[],
  { xs, names, say }: Surface,
  { axis, left, last }: { axis: NonNullable<SurfaceAxes["x"]>; left: number; last: boolean },
): Panel {
  const { type, domain: across, place, value: xOf, perPixel } = acrossOf(xs, left);
  const closest = Math.min(...xs.slice(1).map((x, i) => place(x) - place(xs[i]))) / perPixel;
  const seeds = [...Map.groupBy(runs, ({ spec }) => valueAlong(spec, axis))].flatMap(([value, some]) => {
    const apart = Math.min(SEEDS, closest / (some.length + 0.5)) * perPixel;
    return some.map(outcome).sort((a, b) => a.seed - b.seed).map((run, s, all) => ({
      ...run,
      at: xOf(place(value) + apart * (s - (all.length - 1) / 2)),
    }));
  }).filter(({ judged }) => judged > 0);
  const steps = [...seeds.map(({ grokked, judged }) => grokked ?? judged), ...row.means.map(({ mean }) => mean)];
  const domain = [Math.min(...steps) / EDGE_OF_STEPS, Math.max(...steps) * EDGE_OF_STEPS], bottom = last ? MARGIN.bottom : 26;
  const labelled = spaced(xs, 36 * perPixel, place);
  const means = row.means.map((each) => ({ ...each, at: xOf(place(each.x)) })), best = means.filter(({ x }) => x === row.best);
  return panel({
    height: HEIGHT + bottom - 26,
    marginTop: TOP,
    marginBottom: bottom,
    marginLeft: left,
    marginRight: RIGHT,
    x: { type: type === "log" ? "log" : "linear", domain: across },
    y: { type: "log", domain },
    marks: [
      ...axes(
        { ticks: [], label: last ? `${capital(names.x)}${SCALE_WORDS[type]} →` : null },
        { ticks: ticks(domain[0], domain[1], "log"), format: count, label: `${capital(names.y)} ${say.y(row.y)}` },
        TOP,
        left,
      ),
      Plot.axisX(labelled.map((x) => xOf(place(x))), {
        tickSize: 4,
        text: (_: number, i: number) => say.x(labelled[i]),
        label: null,
        color: FAINT,
      }),
      Plot.text([armWord(row, say.x)], {
        frameAnchor: "top-right",
        dy: 4 - TOP,
        lineAnchor: "top",
        textAnchor: "end",
        fill: FAINT,
      }),
      Plot.lineY(means, { x: "at", y: "mean", stroke: INK, strokeWidth: 1.6, ariaDescription: "mean" }),
      Plot.dot(best, { x: "at", y: "mean", r: 9, stroke: INK, strokeWidth: 1.6, ariaDescription: "best" }),
      Plot.dot(seeds.filter(({ grokked }) => grokked !== null), { x: "at", y: "grokked", ...DOT(4.2) }),
      Plot.dot(seeds.filter(({ grokked }) => grokked === null), { x: "at", y: "judged", ...TRIANGLE(4.4), rotate: 0 }),
    ],
  });
}

/**
 * The x axis of all panels: `place` is a value's place along it, `value` what stands at a place on Plot's scale, and `perPixel` the length
 * of a pixel in places.
 */
function acrossOf(xs: readonly number[], left: number) {
  const type = xs[0] > 0 ? "log" as const : "columns" as const;
  const place = type === "log" ? Math.log : (x: number) => xs.indexOf(x), value = type === "log" ? Math.exp : Number;
  const edge = type === "log" ? Math.log(EDGE) : HALF, [from, to] = [place(xs[0]) - edge, place(xs[xs.length - 1]) + edge];
  return { type, place, value, domain: [value(from), value(to)], perPixel: (to - from) / (WIDTH - left - RIGHT) };
}

/** `At 16: 1.4 times the best (at least 1.1), +400 steps, p = 0.01` */
function armWord({ largest, holm }: DelayRow, say: (x: number) => string): string {
  if (largest === null) return "the largest is the best";
  const { difference, ratio, x, atLeast } = largest, bound = atLeast === null ? "" : ` (at least ${factorShort(atLeast)})`;
  return `At ${say(x)}: ${factorShort(ratio)} times the best${bound}, ${signed(difference)} steps, ${pWord(holm)}`.replaceAll(
    "p ",
    "p\u00a0",
  );
}
const signed = (steps: number) => `${steps < 0 ? "−" : "+"}${count(Math.abs(steps))}`;

/** The finding: where the largest value takes longer than the best, where that isn't shown, and where so few seeds can't show it. */
function finding(rows: readonly DelayRow[], { names, say }: Surface): string {
  const bound = (text: string) => text.replaceAll(" ", "\u00a0");
  const shown = rows.filter(differs), not = rows.filter((row) => !shown.includes(row));
  const at = (some: readonly DelayRow[], first: boolean) => `${first ? bound(`${names.y} `) : ""}${list(some.map(({ y }) => say.y(y)))}`;
  if (shown.length === 0) {
    if (rows.every(({ largest }) => largest === null)) {
      return `Mean waits are shortest at the largest ${bound(names.x)}, with ${at(rows, true)}`;
    }
    const longer = `networks at the largest ${bound(names.x)} take longer than at the best`;
    return rows.some(decides)
      ? `It is not shown that ${longer}, with ${at(rows, true)}`
      : `Too few seeds to show that ${longer}, with ${at(rows, true)}`;
  }
  const largest = shown.map((row) => row.largest!), rest = not.length > 0 ? `; not shown with ${at(not, false)}` : "";
  const ends = [...new Set(largest.map(({ x }) => say.x(x)))],
    where = bound(ends.length === 1 ? `${names.x} ${ends[0]}` : `the largest ${names.x}`);
  const ratios = largest.map(({ ratio }) => ratio).sort((a, b) => a - b).map(factorShort);
  const range = ratios[0] === ratios[ratios.length - 1] ? ratios[0] : `${ratios[0]} to ${ratios[ratios.length - 1]}`;
  // The rank test may show a difference although the ratio of means is at most 1.
  const much = ratios.every((ratio) => Number(ratio) > 1)
    ? `take ${range} times as long to grok at ${where} as at the best`
    : `take longer to grok at ${where} than at the best`;
  return `With ${at(shown, true)}, networks ${much}${rest}`;
}
