import { MARGIN, type Series, textWidth, TRAIN, VALIDATION, WIDTH } from "./theme.ts";
import type { Band } from "../analysis/runs/bands.ts";

/** A panel's pixel positions: of a step, of a value, and of vertical lines that labels should avoid. */
export interface Frame {
  readonly x: (step: number) => number;
  readonly y: (value: number) => number;
  readonly rules: readonly number[];
  /** The frame's left and right edges. Default: those of a panel as wide as the figure. */
  readonly left?: number;
  readonly right?: number;
}

export interface Place {
  readonly series: Series;
  readonly step: number;
  readonly value: number;
  readonly dx: number;
  readonly dy: number;
  readonly textAnchor: "start" | "middle" | "end";
}

/** Half the width of the longer name plus some space, in pixels. */
const HALF = 48;
/** Curves at least this many pixels apart have room for both names between them. */
const APART = 70;
/** The height of a line of text, in pixels. */
const LINE = 16;

/**
 * Positions for the names of the two curves. Where the curves are far enough apart, both names lie between them, each next to its curve.
 * Else, where both cross the middle of the panel, the names lie on the outer sides of the slopes, unless one covers the other. Else, as
 * when training has just begun, they lie at the curves' end, one above the other.
 */
export function placeNames(
  train: readonly Band[],
  validation: readonly Band[],
  { x, y, rules, left = MARGIN.left, right = WIDTH - MARGIN.right }: Frame,
): Place[] {
  if (train.length === 0 || validation.length === 0) return [];
  const other = new Map(validation.map((band) => [band.step, band]));
  const both = train.flatMap((t) => other.has(t.step) ? [{ step: t.step, t: t.mid, v: other.get(t.step)!.mid }] : []);
  const gap = (at: typeof both[number]) => Math.abs(y(at.t) - y(at.v));
  const around = (at: typeof both[number], reach: number) => both.filter(({ step }) => Math.abs(x(step) - x(at.step)) < reach);
  /** Whether two lines of text fit between the lowest point of the upper curve and the highest of the lower one. */
  const clear = (some: typeof both) => {
    const [t, v] = [some.map((at) => y(at.t)), some.map((at) => y(at.v))];
    return Math.max(Math.min(...v) - Math.max(...t), Math.min(...t) - Math.max(...v)) >= 50;
  };
  const inside = both.filter((at) =>
    gap(at) >= APART && x(at.step) > left + HALF && x(at.step) < right - HALF &&
    clear(around(at, HALF))
  );
  if (inside.length > 0) {
    const widest = Math.max(...inside.map(gap));
    const wide = inside.filter((at) => gap(at) >= 0.8 * widest);
    const free = wide.filter(({ step }) => rules.every((rule) => Math.abs(rule - x(step)) > HALF));
    const choice = free.length > 0 ? free : wide;
    const middle = (x(choice[0].step) + x(choice.at(-1)!.step)) / 2;
    const at = choice.reduce((best, one) => Math.abs(x(one.step) - middle) < Math.abs(x(best.step) - middle) ? one : best);
    const inwards = y(at.t) < y(at.v) ? 15 : -15;
    // On a slope, the whole length of a name must clear the curve.
    const near = around(at, 0.8 * HALF);
    const innermost = (values: number[], side: number) => values.reduce((a, b) => ((y(b) - y(a)) * side > 0 ? b : a));
    return [
      { series: TRAIN, step: at.step, value: innermost(near.map(({ t }) => t), inwards), dx: 0, dy: inwards, textAnchor: "middle" },
      { series: VALIDATION, step: at.step, value: innermost(near.map(({ v }) => v), -inwards), dx: 0, dy: -inwards, textAnchor: "middle" },
    ];
  }
  const first = both[0], last = both.at(-1)!;
  const half = (y(first.t) + y(last.t)) / 2;
  const crossing = (of: "t" | "v") => both.find((at) => (y(at[of]) - half) * (y(first[of]) - half) < 0);
  const [a, b] = ([[TRAIN, "t"], [VALIDATION, "v"]] as const).flatMap(([series, of]) => {
    const at = crossing(of);
    return at ? [{ series, step: at.step, value: at[of] }] : [];
  }).sort((a, b) => a.step - b.step);
  if (Math.abs(y(first.t) - y(last.t)) >= APART && a && b && x(a.step) - left > 2 * HALF) {
    const beside = x(b.step) + 2 * HALF < right;
    // Without room on the right both names stand on the left, where one may cover the other.
    const covered = !beside && x(b.step) - x(a.step) < 2 * HALF && Math.abs(y(a.value) - y(b.value)) < LINE;
    const [dx, textAnchor] = beside ? [10, "start"] as const : [-10, "end"] as const;
    if (!covered) return [{ ...a, dx: -10, dy: 0, textAnchor: "end" }, { ...b, dx, dy: 0, textAnchor }];
  }
  const room = x(last.step) - left > 2 * HALF;
  const up = Math.min(y(last.t), y(last.v)) > MARGIN.top + 50;
  const value = (y(last.t) < y(last.v)) === up ? last.t : last.v;
  const rest = { step: last.step, value, dx: room ? -4 : 8, textAnchor: room ? "end" : "start" } as const;
  return [{ series: TRAIN, dy: up ? -32 : 16, ...rest }, { series: VALIDATION, dy: up ? -14 : 34, ...rest }];
}

/** Places labels of these widths along a line without overlap, each as close to its position `at` as possible. @returns their middles. */
export function spread(words: readonly { readonly at: number; readonly width: number }[], from: number, to: number): number[] {
  const middles = words.map(({ at, width }) => Math.max(from + width / 2, Math.min(to - width / 2, at)));
  for (let i = 1; i < words.length; i++) middles[i] = Math.max(middles[i], middles[i - 1] + (words[i - 1].width + words[i].width) / 2);
  for (let i = words.length - 1, end = to; i >= 0; i--) {
    middles[i] = Math.min(middles[i], end - words[i].width / 2);
    end = middles[i] - words[i].width / 2;
  }
  return middles;
}

/** Middles of labels in bold above a panel of this width, in the order of their positions `at`, with a gap between them. */
export const sideBySide = (words: readonly { readonly at: number; readonly text: string }[], width: number): number[] =>
  spread(words.map(({ at, text }) => ({ at, width: textWidth(text, 12.5, true) + 6 })), 16, width - 8);
