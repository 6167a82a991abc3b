/** Grokking steps against a numeric setting: the range of values at which networks grok, and where they stop doing so. */
import * as Plot from "@observablehq/plot";
import { soonest, soonestWord, watchedFor, watchedWord } from "../analysis/runs/follow_up.ts";
import type { RunSpec } from "../run/spec.ts";
import { about, notYet } from "./runs.ts";
import { plannedSteps, SCALE_WORDS, stepMargin } from "./scale.ts";
import { shareWord } from "./settings.ts";
import { axes, compose, FAINT, type Figure, HALO, INK, MARGIN, panel, textWidth, ticks, TRAIN, VALIDATION, WIDTH } from "./theme.ts";
import { medianStep } from "../analysis/runs/times.ts";
import { type BoardRun, isOpen, type Outcome, outcome } from "../analysis/runs/run.ts";
import { nameOf, valueOf } from "../analysis/runs/settings.ts";
import type { Value } from "../run/kinds.ts";
import { capital, count, list, listed, shortNumber } from "../analysis/words.ts";

export type AgainstOptions = Shared & (Field | Computed);

interface Field {
  /** The field on the x axis, a number in all runs, or for the batch also `full`, its largest value: `data.trainFraction`. */
  readonly field: string;
  /** Its name in the figure. Default: the field's own. */
  readonly label?: string;
}

interface Computed {
  /** The value on the x axis, from a run's spec: `parameterCount`. */
  readonly of: (spec: RunSpec) => number;
  /** Its name in the figure: `parameters`. */
  readonly label: string;
}

interface Shared {
  /** Formats its values. Default: four significant digits. */
  readonly say?: (value: number) => string;
  /**
   * The scale of the x axis. Default: logarithmic where all values are positive and the largest is at least ten times the smallest, else
   * linear; `columns`, evenly spaced and not to scale, where values would come too close, or one is no number.
   */
  readonly x?: "log" | "linear" | "columns";
  /**
   * The step by which such networks grok elsewhere, such as in a publication: a value whose networks were watched for less isn't marked
   * grey, since they may still grok; the title says how long they were watched.
   */
  readonly until?: number;
  readonly task?: string;
  /** Replaces the finding as the title. */
  readonly title?: string;
}

/** The runs at one value. */
interface Place {
  /** `FULL` for a batch of all pairs. */
  readonly value: number;
  readonly runs: readonly Outcome[];
  readonly grokked: number | null;
  readonly memorised: number | null;
}

const TOP = 56, RIGHT = 92, HEIGHT = 400;

/**
 * A dot at each seed's grokking step; an open triangle at the last step up to which a seed is known not to have grokked; bars at the
 * medians. Where no network grokked, the figure says by which step, and the column is grey.
 * @throws Error where a run's field isn't a number, and where an axis to scale is asked for that has no place for a value.
 */
export function grokkingAgainst(runs: readonly BoardRun[], options: AgainstOptions): Figure {
  const { task = about(runs.map((run) => ({ ...run, metrics: [] }))).task, say: sayNumber = (value) => shortNumber(value) } = options;
  const say = (value: number) => value === FULL ? "full" : sayNumber(value);
  const [label, of] = "of" in options
    ? [options.label, options.of]
    : [options.label ?? nameOf(options.field), (spec: RunSpec) => valueOf(spec, options.field)];
  const places = placesOf(runs, of, "of" in options ? label : options.field), values = places.map(({ value }) => value);
  const across = options.x ?? scaleFor(values);
  if (across === "log" && values[0] <= 0) {
    throw new Error(`Cannot draw steps against ${label} on a logarithmic axis: a value must be positive, current value is ${values[0]}`);
  }
  if (across !== "columns" && values.at(-1) === FULL) {
    throw new Error(`Cannot draw steps against ${label} on a ${across} axis: its values must be numbers, current value is "full"`);
  }
  const type = across === "log" ? "log" : "linear";
  const xOf = across === "columns" ? (value: number) => values.indexOf(value) : (value: number) => value;
  const cells = cellsOf(values.map(xOf), type), cores = cells.map((cell, i) => core(cell, xOf(values[i]), type));
  const seeds = places.flatMap(({ runs }, i) => {
    // The seeds of a value are drawn side by side, so that equal steps don't hide each other; the caption says so.
    const share = (s: number) => 0.5 + (runs.length > 1 ? 0.4 * (s / (runs.length - 1) - 0.5) : 0);
    return runs.map((run, s) => ({ ...run, x: between(cores[i], share(s), type) }));
  });
  const begun = seeds.filter(({ judged }) => judged > 0);
  const steps = begun.length > 0
    ? begun.flatMap(({ grokked, memorised, judged }) => [grokked ?? judged, ...memorised === null ? [] : [memorised]])
    : plannedSteps(runs);
  const domain = [Math.max(1, Math.min(...steps) / 1.25), Math.max(...steps, 10) * 1.25];
  const at = ({ value }: Place) => xOf(value);
  const lines = [
    { ...TRAIN, name: "memorised", points: places.filter(({ memorised }) => memorised !== null), of: (place: Place) => place.memorised! },
    { ...VALIDATION, name: "grokked", points: places.filter(({ grokked }) => grokked !== null), of: (place: Place) => place.grokked! },
  ];
  const left = stepMargin(ticks(domain[0], domain[1], "log").map(count));
  const room = (WIDTH - left - RIGHT) / places.length, words = places.map(({ runs }) => shareWord(runs));
  const close = across === "columns" && words.some((word) => textWidth(word) > room - 8);
  const single = places.every(({ runs }) => runs.length === 1);
  const grey = places.map(({ runs }) => noneOf(runs) && Math.min(...runs.map(({ judged }) => judged)) >= (options.until ?? 0));
  const watches = watchesOf(places.map((place) => ({ x: at(place), runs: place.runs })), type), two = watches.length > 0;
  return compose({
    title: options.title ?? finding(places, label, say, options.until),
    subtitle: `${task ? `${task}. ` : ""}Dot: a seed that grokked; triangle: one that had not grokked by that step${
      single ? "" : "; bar: median"
    }${grey.includes(true) ? "; grey: no network grokked in the steps watched" : ""}.${
      single ? "" : " Seeds of one value stand side by side."
    }`,
    panels: [panel({
      height: HEIGHT,
      marginTop: TOP,
      marginLeft: left,
      marginRight: RIGHT,
      x: { type, domain: [cells[0][0], cells.at(-1)![1]] },
      y: { type: "log", domain },
      marks: [
        Plot.rect(cells.filter((_, i) => grey[i]), { x1: "0", x2: "1", fill: "#efefef", ariaDescription: "none grokked" }),
        ...axes(
          { ticks: [], label: `${capital(label)}${SCALE_WORDS[across]} →` },
          { ticks: ticks(domain[0], domain[1], "log"), format: count, label: "Optimiser steps (logarithmic)" },
          TOP,
          left,
        ),
        Plot.axisX(values.map(xOf), { tickSize: 4, text: (_: number, i: number) => say(values[i]), label: null, color: FAINT }),
        ...lines.flatMap(({ points, of, color, dash, name, text }) => [
          Plot.lineY(points, {
            x: at,
            y: of,
            stroke: color,
            strokeDasharray: dash,
            strokeWidth: 1.6,
            ariaDescription: `median ${name}`,
          }),
          Plot.text(name === "memorised" ? points.slice(-1) : [], {
            x: at,
            y: of,
            text: () => name,
            textAnchor: "start",
            dx: 12,
            fill: text,
            fontWeight: 600,
            ...HALO,
          }),
        ]),
        Plot.ruleY(single ? [] : lines[1].points, {
          x1: (place) => between(cores[places.indexOf(place)], 0.2, type),
          x2: (place) => between(cores[places.indexOf(place)], 0.8, type),
          y: ({ grokked }) => grokked!,
          stroke: INK,
          strokeWidth: 2.2,
          ariaDescription: "median",
        }),
        Plot.dot(begun.filter(({ grokked }) => grokked !== null), {
          x: "x",
          y: "grokked",
          r: 4.5,
          fill: VALIDATION.color,
          stroke: "white",
          strokeWidth: 0.8,
          ariaDescription: "grokked",
        }),
        Plot.dot(begun.filter(({ grokked }) => grokked === null), {
          x: "x",
          y: "judged",
          symbol: "triangle",
          r: 4.5,
          stroke: VALIDATION.color,
          strokeWidth: 1.6,
          fill: "white",
          ariaDescription: "not grokked",
        }),
        Plot.text(places, {
          ...ABOVE,
          x: at,
          dy: two ? -21 : -8,
          text: (_: Place, i: number) => close ? words[i].replace(" of ", "/") : words[i],
          fill: INK,
        }),
        Plot.text(watches, { ...ABOVE, x: "x", dy: -6, text: "words", fill: FAINT, ariaDescription: "watched" }),
        Plot.text(["Grokked"], {
          frameAnchor: "top-right",
          dx: RIGHT - 16,
          dy: two ? -21 : -8,
          lineAnchor: "bottom",
          textAnchor: "end",
          fontWeight: 600,
        }),
      ],
    })],
  });
}

const ABOVE = { frameAnchor: "top", lineAnchor: "bottom" } as const;

/** Whether all runs have ended without grokking. */
const noneOf = (runs: readonly Outcome[]) => runs.length > 0 && runs.every(({ state }) => state === "never" || state === "diverged");

/** Labels for values at which no network grokked, saying how long they were watched; neighbours watched equally long share a label. */
function watchesOf(places: readonly { readonly x: number; readonly runs: readonly Outcome[] }[], type: "log" | "linear") {
  const groups: { words: string; from: number; to: number; last: number }[] = [];
  places.forEach(({ x, runs }, i) => {
    if (runs.length === 0 || runs.some(({ grokked, active, judged }) => grokked !== null || active || judged === 0)) return;
    const all = runs.map(({ judged }) => judged), [least, most] = [Math.min(...all), Math.max(...all)];
    const words = `by ${least === most ? count(most) : `${count(least)}–${count(most)}`}`, before = groups.at(-1);
    if (before?.last === i - 1 && before.words === words) Object.assign(before, { to: x, last: i });
    else groups.push({ words, from: x, to: x, last: i });
  });
  return groups.map(({ words, from, to }) => ({ words, x: type === "log" ? Math.sqrt(from * to) : (from + to) / 2 }));
}

/** Stands for a batch of all pairs, which is larger than any other. */
const FULL = Infinity;

/** Pixels that a column needs for its label. */
const COLUMN = 46;

function scaleFor(values: readonly number[]): "log" | "linear" | "columns" {
  if (values.at(-1) === FULL) return "columns";
  const type = values[0] > 0 && values.at(-1)! >= 10 * values[0] ? "log" : "linear";
  const place = type === "log" ? Math.log : Number, all = place(values.at(-1)!) - place(values[0]);
  const narrowest = Math.min(...values.slice(1).map((value, i) => (place(value) - place(values[i])) / all));
  return narrowest * (WIDTH - MARGIN.left - RIGHT) * (1 - 1 / values.length) < COLUMN ? "columns" : type;
}

function placesOf(runs: readonly BoardRun[], of: (spec: RunSpec) => Value, field: string): Place[] {
  const groups = Map.groupBy(runs, ({ spec }) => {
    const value = of(spec);
    if (typeof value === "number" && Number.isFinite(value)) return value;
    if (value === "full") return FULL;
    throw new Error(
      `Cannot draw steps against ${field}: it must be a number in all runs, current value is ${
        typeof value === "number" ? value : JSON.stringify(value)
      }`,
    );
  });
  if (groups.size === 0) throw new Error(`Cannot draw steps against ${field}: there must be at least one run, current value is 0`);
  return [...groups].sort(([a], [b]) => a < b ? -1 : 1).map(([value, group]) => {
    const runs = group.map(outcome).sort((a, b) => a.seed - b.seed);
    const median = (of: (run: Outcome) => number | null) => medianStep(runs.map(of));
    return { value, runs, grokked: median((run) => run.grokked), memorised: median((run) => run.memorised) };
  });
}

/** The part of the axis that belongs to each value: up to halfway to its neighbours. */
function cellsOf(values: readonly number[], type: "log" | "linear"): [number, number][] {
  const [to, from] = type === "log" ? [Math.log, Math.exp] : [Number, Number];
  const at = values.map((value) => to(value));
  const gaps = at.slice(1).map((value, i) => value - at[i]);
  const half = (gap: number | undefined) => (gap ?? Math.min(...gaps, 1)) / 2;
  return at.map((value, i) => [from(value - half(gaps[i - 1] ?? gaps[i])), from(value + half(gaps[i] ?? gaps[i - 1]))]);
}

/** The largest part of a cell that is symmetric around its value. */
function core([low, high]: readonly [number, number], value: number, type: "log" | "linear"): [number, number] {
  if (type === "linear") return [value - Math.min(value - low, high - value), value + Math.min(value - low, high - value)];
  const half = Math.min(value / low, high / value);
  return [value / half, value * half];
}

function between([low, high]: readonly [number, number], share: number, type: "log" | "linear"): number {
  return type === "log" ? low * (high / low) ** share : low + (high - low) * share;
}

/**
 * The finding: the values at which networks grok, and that of the earliest median. A value without any grokked network counts as one that
 * doesn't grok only if all its runs were watched as long as any other, and to `until`; else the finding says how long they were watched.
 */
function finding(places: readonly Place[], label: string, sayValue: (value: number) => string, until = 0): string {
  const runs = places.flatMap((place) => place.runs), unknown = notYet(runs);
  if (unknown) return unknown;
  const longest = Math.max(until, ...runs.map(({ grokked, known }) => Math.max(grokked ?? 0, known)));
  const groks = ({ runs }: Place) => runs.some(({ grokked }) => grokked !== null);
  const short = places.filter((place) => !groks(place) && (place.runs.some(isOpen) || watchedFor(place.runs)[0] < longest)),
    known = places.filter((place) => !short.includes(place));
  const say = (some: readonly Place[]) => list(some.map(({ value }) => sayValue(value)));
  const brief = short.flatMap((place) => place.runs), word = watchedFor(brief)[0] < longest ? "only" : "so far";
  const open = short.length === 0 ? "" : `; ${label} ${say(short)} watched for ${watchedWord(brief)} ${word}`;
  const first = known.findIndex(groks), last = known.findLastIndex(groks);
  if (first < 0) {
    return short.length === 0
      ? `No network groks within ${count(longest)} steps, at whatever ${label}`
      : `No network has grokked yet${open}`;
  }
  const [below, above] = [first > 0, last < known.length - 1], at = (i: number) => sayValue(known[i].value);
  const where = below && above && first === last
    ? `with ${label} ${at(first)} only`
    : below && above
    ? `with ${label} ${at(first)} to ${at(last)} only`
    : below
    ? `from ${label} ${at(first)} on`
    : above
    ? `up to ${label} ${at(last)}`
    : short.length > 0
    ? `at ${known.length === 1 ? "" : "each "}${label} ${say(known)}`
    : `at every ${label}`;
  const best = soonest(places.map((place) => place.runs));
  if (!best) {
    const most = runs.some(isOpen) ? "half of them so far" : "half of them";
    return places.some(({ grokked }) => grokked !== null)
      ? `Networks grok ${where}${open}`
      : `Networks grok ${where}, nowhere more than ${most}${open}`;
  }
  const [i] = best.at.map((k) => known.indexOf(places[k])), alone = best.at.length === 1;
  const names = listed(best.at.map((k) => sayValue(places[k].value)));
  const there = alone && ((below && i === first) || (above && i === last))
    ? "there"
    : names === null
    ? `at ${best.at.length === places.length ? "all" : `${count(best.at.length)} of`} ${count(places.length)} values`
    : `with ${names}`;
  const when = first === last && below && above
    ? `around step ${count(best.step)}`
    : `${soonestWord(places.map(({ runs }) => runs))} ${there}: step ${count(best.step)}`;
  return `Networks grok ${where}, ${when}${open}`;
}
