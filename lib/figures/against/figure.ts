/** Grokking steps against a numeric setting: the range of values at which networks grok, and where they stop doing so. */
import * as Plot from "@observablehq/plot";
import { type BoardRun, type Outcome } from "../../analysis/runs/run.ts";
import { nameOf, valueOf } from "../../analysis/runs/settings.ts";
import { capital, count, shortNumber } from "../../analysis/words.ts";
import type { RunSpec } from "../../run/spec.ts";
import { about } from "../runs.ts";
import { plannedSteps, SCALE_WORDS, stepMargin } from "../scale.ts";
import { shareWord } from "../settings.ts";
import { axes, compose, FAINT, type Figure, HALO, INK, MARGIN, panel, textWidth, ticks, TRAIN, VALIDATION, WIDTH } from "../theme.ts";
import { type Across, axisOf, FULL, type Place, type PlaceAxis, placesOf } from "./places.ts";
import { finding } from "./title.ts";

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
  readonly x?: Across;
  /**
   * The step by which such networks grok elsewhere, such as in a publication: a value whose networks were watched for less isn't marked
   * grey, since they may still grok; the title says how long they were watched.
   */
  readonly until?: number;
  readonly task?: string;
  /** Replaces the finding as the title. */
  readonly title?: string;
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
  const places = placesOf(runs, of, "of" in options ? label : options.field);
  const axis = axisOf(places, label, WIDTH - MARGIN.left - RIGHT, options.x);
  const single = places.every(({ runs }) => runs.length === 1);
  const grey = places.map(({ runs }) => noneOf(runs) && Math.min(...runs.map(({ judged }) => judged)) >= (options.until ?? 0));
  const { domain, left, begun } = stepsOf(places, runs, axis), watches = watchesOf(places, axis);
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
      x: { type: axis.type, domain: [axis.cells[0][0], axis.cells.at(-1)![1]] },
      y: { type: "log", domain },
      marks: [
        Plot.rect(axis.cells.filter((_, i) => grey[i]), { x1: "0", x2: "1", fill: "#efefef", ariaDescription: "none grokked" }),
        ...axes(
          { ticks: [], label: `${capital(label)}${SCALE_WORDS[axis.across]} →` },
          { ticks: ticks(domain[0], domain[1], "log"), format: count, label: "Optimiser steps (logarithmic)" },
          TOP,
          left,
        ),
        Plot.axisX(places.map(axis.x), { tickSize: 4, text: (_: number, i: number) => say(places[i].value), label: null, color: FAINT }),
        ...medians(places, axis, single),
        ...dots(begun),
        ...shares(places, axis, (WIDTH - left - RIGHT) / places.length, watches),
      ],
    })],
  });
}

/** A seed that has begun, and where it is drawn. */
interface Seed extends Outcome {
  readonly x: number;
}

/** The seeds that have begun, the steps that the y axis shows, and the margin for their labels. */
function stepsOf(places: readonly Place[], runs: readonly BoardRun[], axis: PlaceAxis) {
  const seeds = places.flatMap(({ runs }, i) => {
    // The seeds of a value are drawn side by side, so that equal steps don't hide each other; the caption says so.
    const share = (s: number) => 0.5 + (runs.length > 1 ? 0.4 * (s / (runs.length - 1) - 0.5) : 0);
    return runs.map((run, s): Seed => ({ ...run, x: axis.within(i, share(s)) }));
  });
  const begun = seeds.filter(({ judged }) => judged > 0);
  const steps = begun.length > 0
    ? begun.flatMap(({ grokked, memorised, judged }) => [grokked ?? judged, ...memorised === null ? [] : [memorised]])
    : plannedSteps(runs);
  const domain = [Math.max(1, Math.min(...steps) / 1.25), Math.max(...steps, 10) * 1.25];
  return { domain, left: stepMargin(ticks(domain[0], domain[1], "log").map(count)), begun };
}

/** The medians: two lines through the values, and a bar at each one's grokking step. */
function medians(places: readonly Place[], axis: PlaceAxis, single: boolean): Plot.Markish[] {
  const lines = [
    { ...TRAIN, name: "memorised", points: places.filter(({ memorised }) => memorised !== null), of: (place: Place) => place.memorised! },
    { ...VALIDATION, name: "grokked", points: places.filter(({ grokked }) => grokked !== null), of: (place: Place) => place.grokked! },
  ];
  return [
    ...lines.flatMap(({ points, of, color, dash, name, text }) => [
      Plot.lineY(points, { x: axis.x, y: of, stroke: color, strokeDasharray: dash, strokeWidth: 1.6, ariaDescription: `median ${name}` }),
      Plot.text(name === "memorised" ? points.slice(-1) : [], {
        x: axis.x,
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
      x1: (place) => axis.within(places.indexOf(place), 0.2),
      x2: (place) => axis.within(places.indexOf(place), 0.8),
      y: ({ grokked }) => grokked!,
      stroke: INK,
      strokeWidth: 2.2,
      ariaDescription: "median",
    }),
  ];
}

function dots(begun: readonly Seed[]): Plot.Markish[] {
  return [
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
  ];
}

/** Above the frame: how many seeds grokked at each value, in columns of `room` pixels, and how long those were watched that did not. */
function shares(places: readonly Place[], { across, x }: PlaceAxis, room: number, watches: readonly Watch[]): Plot.Markish[] {
  const words = places.map(({ runs }) => shareWord(runs)), dy = watches.length > 0 ? -21 : -8;
  const close = across === "columns" && words.some((word) => textWidth(word) > room - 8);
  return [
    Plot.text(places, { ...ABOVE, x, dy, text: (_: Place, i: number) => close ? words[i].replace(" of ", "/") : words[i], fill: INK }),
    Plot.text(watches, { ...ABOVE, x: "x", dy: -6, text: "words", fill: FAINT, ariaDescription: "watched" }),
    Plot.text(["Grokked"], {
      frameAnchor: "top-right",
      dx: RIGHT - 16,
      dy,
      lineAnchor: "bottom",
      textAnchor: "end",
      fontWeight: 600,
    }),
  ];
}

const ABOVE = { frameAnchor: "top", lineAnchor: "bottom" } as const;

/** Whether all runs have ended without grokking. */
const noneOf = (runs: readonly Outcome[]) => runs.length > 0 && runs.every(({ state }) => state === "never" || state === "diverged");

interface Watch {
  readonly words: string;
  readonly x: number;
}

/** Labels for values at which no network grokked, saying how long they were watched; neighbours watched equally long share a label. */
function watchesOf(places: readonly Place[], axis: PlaceAxis): Watch[] {
  const groups: { words: string; from: number; to: number; last: number }[] = [];
  places.forEach((place, i) => {
    const { runs } = place, x = axis.x(place);
    if (runs.length === 0 || runs.some(({ grokked, active, judged }) => grokked !== null || active || judged === 0)) return;
    const all = runs.map(({ judged }) => judged), [least, most] = [Math.min(...all), Math.max(...all)];
    const words = `by ${least === most ? count(most) : `${count(least)}–${count(most)}`}`, before = groups.at(-1);
    if (before?.last === i - 1 && before.words === words) Object.assign(before, { to: x, last: i });
    else groups.push({ words, from: x, to: x, last: i });
  });
  return groups.map(({ words, from, to }) => ({ words, x: axis.type === "log" ? Math.sqrt(from * to) : (from + to) / 2 }));
}
