/** The critical ratio and how it moves: where along one setting half of the networks grok, for each value of another. */
import { spaced } from "../scale.ts";
import * as Plot from "@observablehq/plot";
import type { Critical, Crossing } from "../../analysis/statistics/critical.ts";
import { taskOf } from "./heat_map.ts";
import { key, unfinished } from "../map_cells.ts";
import { watchedUnequally } from "./surface.ts";
import { BETWEEN, HEAD } from "../sweep_marks.ts";
import { compose, FAINT, type Figure, INK, marginFor, panel, VALIDATION, WIDTH } from "../theme.ts";
import type { BoardRun } from "../../analysis/runs/run.ts";
import { type Surface, type SurfaceAxes, surfaceOf } from "../../analysis/boundary/surface.ts";
import { capital, list } from "../../analysis/words.ts";
import { type CriticalRow, criticalRowsOf } from "../../analysis/boundary/critical.ts";

export interface CriticalFigureOptions extends Omit<SurfaceAxes, "map"> {
  /** Level of the intervals. Default: 0.95. */
  readonly level?: number;
  /** The task, for the subtitle. Default: from the runs' specs. */
  readonly task?: string;
  /** Replaces the finding as the title. */
  readonly title?: string;
}

const ROW = 52, TOP = 34, RIGHT = 176, BOTTOM = 48;
/** Vertical positions in a row: the circles of the tries, and the interval (y points up). */
const TRIES = -0.2, INTERVAL = 0.16;

/**
 * One row per value of y: circles at the values of x, more strongly coloured where more networks grok; above them the value at which half
 * would grok, with its interval; an arrow where the interval goes beyond the figure.
 * @throws Error where `surfaceOf` does, and where no row has two values with all runs done.
 */
export function criticalFigure(runs: readonly BoardRun[], options: CriticalFigureOptions = {}): Figure {
  const { level = 0.95, task = taskOf(runs), title, ...axes } = options;
  const surface = surfaceOf(runs, axes), { xs, names, say } = surface, rows = criticalRowsOf(surface, level);
  if (rows.length === 0) {
    throw new Error(`Cannot draw critical values: ${names.y} must have a value with two settings that are done, current value is none`);
  }
  const domain: [number, number] = [xs[0] / 1.15, xs[xs.length - 1] * 1.15], left = marginFor(rows.map(({ y }) => say.y(y)));
  const ends = endsOf(rows, domain), percent = Number((100 * level).toPrecision(4));
  return compose({
    title: title ?? `${finding(rows, surface)}${unfinished(surface.cells.flat().filter(({ open }) => open > 0).length)}`,
    subtitle: `${
      task ? `${task}. ` : ""
    }Circle: the share of a setting's networks that grok. Diamond and bar: where half of them would, with its ${percent} % interval${
      ends.some(({ from, to }) => from || to) ? "; arrow: beyond the figure" : ""
    }.`,
    panels: [panel({
      height: TOP + BOTTOM + ROW * rows.length,
      marginTop: TOP,
      marginBottom: BOTTOM,
      marginLeft: left,
      marginRight: RIGHT,
      x: { type: "log", domain, axis: null },
      y: { domain: [-0.5, rows.length - 0.5], axis: null },
      marks: [
        Plot.ruleY(rows, { y: (_, j) => j - 0.5, stroke: BETWEEN, insetLeft: 16 - left, insetRight: 16 - RIGHT }),
        Plot.ruleY(rows, { y: (_, j) => j + TRIES, stroke: BETWEEN }),
        ...tried(rows, surface),
        ...intervals(rows, ends),
        Plot.axisX(spaced(xs, 34 * Math.log(domain[1] / domain[0]) / (WIDTH - left - RIGHT)), {
          tickSize: 4,
          text: say.x,
          label: null,
          color: FAINT,
        }),
        ...texts(rows, surface, left),
        ...key(0),
      ],
    })],
  });
}

/** An interval as it is drawn: cut at the ends of the axis, with an arrow where it goes beyond. */
interface Ends {
  readonly j: number;
  readonly from: boolean;
  readonly to: boolean;
  readonly low: number | null;
  readonly high: number | null;
}

const endsOf = (rows: readonly CriticalRow[], [first, last]: readonly [number, number]) =>
  rows.flatMap(({ crossings }, j) =>
    crossings.map(({ low, high }): Ends => {
      const [from, to] = [low === null || low < first, high === null || high > last];
      return { j, from, to, low: from ? first : low, high: to ? last : high };
    })
  );

/** The values that were tried in each row, more strongly coloured where more networks grok. */
function tried(rows: readonly CriticalRow[], { cells }: Surface): Plot.Markish[] {
  const line = new Map(rows.map(({ y }, j) => [y, j]));
  const tries = cells.flat().flatMap(({ x, y, share, open }) =>
    share === null || open > 0 || !line.has(y) ? [] : [{ x, j: line.get(y)!, share }]
  );
  return [
    Plot.dot(tries, {
      x: "x",
      y: ({ j }) => j + TRIES,
      r: 6,
      fill: "white",
      stroke: VALIDATION.color,
      strokeWidth: 1.3,
      ariaDescription: "tried",
    }),
    Plot.dot(tries.filter(({ share }) => share > 0), {
      ...{ x: "x", y: ({ j }: { j: number }) => j + TRIES, r: 6, fill: VALIDATION.color, ariaDescription: "share" },
      fillOpacity: ({ share }: { share: number }) => share,
    }),
  ];
}

/** The critical values with their intervals. */
function intervals(rows: readonly CriticalRow[], ends: readonly Ends[]): Plot.Markish[] {
  const y = ({ j }: { readonly j: number }) => j + INTERVAL;
  const crossings = rows.flatMap(({ crossings }, j) => crossings.map((each) => ({ ...each, j })));
  const arrows = (["from", "to"] as const).map((side) =>
    Plot.dot(ends.filter((each) => each[side]), {
      ...{ x: side === "from" ? "low" : "high", y, symbol: "triangle", r: 4.5, fill: INK, ariaDescription: "beyond" },
      rotate: side === "from" ? -90 : 90,
    })
  );
  return [
    Plot.ruleY(ends, { y, x1: "low", x2: "high", stroke: INK, strokeWidth: 2.2, ariaDescription: "interval" }),
    ...arrows,
    Plot.dot(crossings.filter(({ x }) => x !== null), {
      ...{ x: "x", y, symbol: "diamond", r: 6, fill: INK, stroke: "white", ariaDescription: "critical" },
    }),
  ];
}

/** What each row is, what was found in it, and the heads of both. */
function texts(rows: readonly CriticalRow[], { names, say }: Surface, left: number): Plot.Markish[] {
  return [
    Plot.text(rows, { frameAnchor: "left", textAnchor: "end", dx: -10, y: (_, j) => j, text: ({ y }) => say.y(y), fill: FAINT }),
    Plot.text(rows, {
      frameAnchor: "right",
      textAnchor: "end",
      dx: RIGHT - 16,
      y: (_, j) => j,
      text: wordOf,
      fill: INK,
      lineHeight: 1.15,
    }),
    Plot.text([capital(names.y)], { ...HEAD, frameAnchor: "top-left", dx: 16 - left, textAnchor: "start" }),
    Plot.text(["Critical value"], { ...HEAD, frameAnchor: "top-right", dx: RIGHT - 16, textAnchor: "end" }),
    Plot.text([`${capital(names.x)} (logarithmic) →`], {
      frameAnchor: "bottom-right",
      dy: 40,
      lineAnchor: "bottom",
      textAnchor: "end",
      fill: FAINT,
    }),
  ];
}

const digits = (value: number) => String(Number(value.toPrecision(3)));

function crossingWord({ x, low, high }: Crossing): string {
  if (x !== null) return `${digits(x)} (${low === null ? "–∞" : digits(low)} to ${high === null ? "∞" : digits(high)})`;
  return low !== null ? `> ${digits(low)}` : high !== null ? `< ${digits(high)}` : "unknown";
}

function wordOf({ course, crossings, grokked, n }: CriticalRow): string {
  if (course === "level") return `no trend: ${grokked} of ${n}`;
  if (course === "few") return `too few runs: ${grokked} of ${n}`;
  if (course === "irregular") return "turns repeatedly";
  return crossings.map((each) => `${crossings.length > 1 || !each.rises ? (each.rises ? "from " : "up to ") : ""}${crossingWord(each)}`)
    .join("\n");
}

/** The finding: where the critical value lies, and whether it depends on the other setting. */
function finding(rows: readonly CriticalRow[], surface: Surface): string {
  const { names, say } = surface;
  const bound = (text: string) => text.replaceAll(" ", "\u00a0"), ratio = bound(names.x);
  const at = (y: number, first = false) => bound(first ? `${names.y} ${say.y(y)}` : say.y(y));
  const which = (...courses: Critical["course"][]) => rows.filter(({ course }) => courses.includes(course)).map(({ y }) => say.y(y));
  const others = ([
    [which("all"), `all do at every ${ratio}`],
    [which("none"), `none does at any ${ratio}`],
    [which("peak", "falls"), "too much of it harms"],
  ] as const).filter(([ys]) => ys.length > 0).map(([ys, what]) => `; at ${list(ys)} ${what}`).join("") + watchedUnequally(surface);
  for (const course of ["all", "none"] as const) {
    if (rows.every((row) => row.course === course)) {
      return course === "all" ? `Every network groks at every ${ratio}` : `No network groks at any ${ratio}`;
    }
  }
  // Of a critical value beyond the values tried, only one limit of the interval is known.
  const known = rows.flatMap(({ course, crossings: [only], y }) => {
    const place = only?.x ?? only?.high ?? only?.low ?? null;
    if (course !== "rises" || place === null) return [];
    const words = only.x !== null ? digits(place) : bound(`${only.high !== null ? "below" : "above"} ${digits(place)}`);
    return [{ ...only, y, place, words }];
  });
  if (known.length === 0) return `At no ${bound(names.y)} a ${ratio} is found from which half of the networks grok${others}`;
  const what = `The ${ratio} from which half of the networks grok`;
  if (known.length === 1) return `${what} is ${known[0].words} at ${at(known[0].y, true)}${others}`;
  const sorted = known.toSorted((a, b) => a.place - b.place), lowest = sorted[0], highest = sorted[sorted.length - 1];
  const [first, last] = [known[0], known[known.length - 1]],
    apart = lowest.high !== null && highest.low !== null && lowest.high < highest.low;
  if (!apart) return `${what}, ${lowest.words} to ${highest.words}, is not shown to depend on ${bound(names.y)}${others}`;
  const ends = lowest === last && highest === first ? "falls" : lowest === first && highest === last ? "rises" : null;
  return ends
    ? `${what} ${ends} from ${first.words} at ${at(first.y, true)} to ${last.words} at ${at(last.y)}${others}`
    : `${what} is lower at ${at(lowest.y, true)} (${lowest.words}) than at ${at(highest.y)} (${highest.words})${others}`;
}
