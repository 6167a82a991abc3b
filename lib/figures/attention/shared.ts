/** Shared parts of the attention figures: checks of the runs, the edges of their phases, panels over steps, and patterns as heat maps. */
// @ts-types="@types/d3-array"
import { range } from "d3-array";
import * as Plot from "@observablehq/plot";
import { must } from "../../analysis/statistics/sample.ts";
import { stableJson } from "../../run/spec.ts";
import type { Line, Stand } from "../curves.ts";
import { sideBySide, spread } from "../labels.ts";
import { about } from "../runs.ts";
import { stepAxis, type StepOptions, type StepScale } from "../scale.ts";
import { axes, FAINT, HALO, INK, MARGIN, type Panel, panel, textWidth, TRAIN, VALIDATION, WIDTH } from "../theme.ts";
import { medianStep } from "../../analysis/runs/times.ts";
import { type AttentionRun, edgesOf } from "../../analysis/attention/runs.ts";
import { count, percent } from "../../analysis/words.ts";
import { typicalRun } from "../../analysis/runs/groups.ts";

export interface AttentionFigureOptions extends StepOptions {
  /** The task, for the subtitle. Default: from the runs' specs. */
  readonly task?: string;
  /** Replaces the finding as the title. */
  readonly title?: string;
}

/** @throws Error unless there are runs, all of one model, each with at least `least` readings. */
export function checkRuns(runs: readonly AttentionRun[], least = 1): void {
  const action = "draw attention";
  must(action, "the number of runs", runs.length > 0, "must be at least 1", runs.length);
  must(action, "the runs' models", new Set(runs.map(({ spec }) => stableJson(spec.model))).size === 1, "must be the same", "several");
  for (const { readings, spec: { seed } } of runs) {
    must(action, `the number of readings of seed ${seed}`, readings.length >= least, `must be at least ${least}`, readings.length);
  }
}

/** `x − y mod 23, trained on 70 % of all pairs. Seed 3, the median of 8 by grokking: heads can't be matched across seeds.` */
export function ofOne(run: AttentionRun, runs: readonly AttentionRun[], task = about([run]).task): string {
  const which = runs.length === 1
    ? "."
    : `${
      run === typicalRun(runs) && run.grokkingStep !== null ? `, the median of ${runs.length} by grokking` : ` of ${runs.length}`
    }: heads can't be matched across seeds.`;
  return `${task ? `${task}. ` : ""}Seed ${run.spec.seed}${which}`;
}

/** `layer 1 head 2`, counted from 0 as in tensors. */
export const headName = (layer: number, head: number) => `layer ${layer} head ${head}`;

/**
 * Colours for kinds, distinct under all common forms of colour blindness; neighbours differ in grey too. `text` is dark enough for text.
 */
export const KINDS = [
  { color: "#4a1466", text: "#4a1466" },
  { color: "#56b4e9", text: "#1c6f9f" },
  { color: "#00724f", text: "#00724f" },
  { color: "#e69f00", text: "#8a5f00" },
  { color: "#1a1a1a", text: "#1a1a1a" },
  { color: "#cc79a7", text: "#93406e" },
  { color: "#5f6b6d", text: "#4d5759" },
  { color: "#f0e442", text: "#6b6400" },
] as const;
const KIND_DASHES = ["none", "7 3", "2 2.5", "9 3 2 3"] as const;

/** The line style of the i-th kind: eight colours, four dashes. */
export const kindLine = (name: string, i: number): Line => {
  return { name, ...KINDS[i % KINDS.length], dash: KIND_DASHES[i % KIND_DASHES.length], width: 2 };
};

const EDGE_LINES = {
  memorised: TRAIN,
  transition: { color: FAINT, text: FAINT, dash: "1.5 3" },
  generalised: VALIDATION,
} as const;

/**
 * The median steps at which the phases of these runs begin; `null` for a phase that half of the runs don't reach, and for a transition of
 * length 0.
 */
export function medianEdges(runs: readonly AttentionRun[]) {
  const all = runs.map(edgesOf), at = (edge: keyof typeof EDGE_LINES) => medianStep(all.map((edges) => edges[edge]));
  const steps = { memorised: at("memorised"), transition: at("transition"), generalised: at("generalised") };
  if (steps.transition === steps.generalised) steps.transition = null;
  return steps;
}

/** A vertical line where each phase begins; with `named`, labelled above the frame. */
export function edgeMarks(
  steps: ReturnType<typeof medianEdges>,
  scale: StepScale,
  { named, over = false }: { readonly named: boolean; readonly over?: boolean },
): Plot.Markish[] {
  const begun = (["memorised", "transition", "generalised"] as const).flatMap((edge) => {
    const step = steps[edge];
    return step === null ? [] : [{ ...EDGE_LINES[edge], edge, step: Math.max(step, scale.domain[0]), words: `${edge}: ${count(step)}` }];
  });
  const middles = sideBySide(begun.map(({ step, words }) => ({ at: scale.pixel(step), text: words })), scale.width);
  return begun.flatMap(({ edge, step, words, color, text, dash }, i) => [
    ...over ? [Plot.ruleX([step], { stroke: "white", strokeWidth: 4, strokeOpacity: 0.85 })] : [],
    Plot.ruleX([step], { stroke: color, strokeDasharray: dash, strokeWidth: 1.2, ariaDescription: `begins ${edge}` }),
    ...!named ? [] : [Plot.text([words], {
      ...{ x: [step], dx: middles[i] - scale.pixel(step), frameAnchor: "top", dy: -7, lineAnchor: "bottom" },
      ...{ fill: text, fontWeight: 600 },
    })],
  ]);
}

/** A panel over steps. */
export interface TimePanel extends Stand {
  readonly x: StepScale;
  readonly y: { readonly domain: readonly [number, number]; readonly ticks: readonly number[]; readonly format: (y: number) => string };
  readonly label: string;
  readonly edges: ReturnType<typeof medianEdges>;
  readonly marks: readonly Plot.Markish[];
  /** Whether the phases' edges are drawn over the marks, for marks that fill the panel. */
  readonly over?: boolean;
  /** Lines to name right of the frame, each with the value at which it ends. */
  readonly names?: readonly { readonly line: Line; readonly end: number }[];
}

export const SHARES = { domain: [0, 1.03], ticks: [0, 0.25, 0.5, 0.75, 1], format: (share: number) => percent(share) } as const;

/** Draws a panel over steps, with the edges of phases and the names of lines. */
export function timePanel({ x, y, label, edges, marks, over = false, names = [], height, place }: TimePanel): Panel {
  const named = place === "only" || place === "last", topmost = place === "only" || place === "first";
  const said = topmost && Object.values(edges).some((step) => step !== null),
    top = said ? MARGIN.top + 2 : MARGIN.close,
    bottom = named ? MARGIN.bottom : 30,
    [low, high] = y.domain;
  const pixel = (value: number) => top + (height - top - bottom) * (high - value) / (high - low);
  const ends = names.toSorted((a, b) => b.end - a.end).map(({ line, end }) => {
    // A name too wide for the margin is broken at its spaces.
    const text = textWidth(line.name, 12.5, true) > MARGIN.right - 6 ? line.name.replaceAll(" ", "\n") : line.name;
    return { line, text, at: pixel(end), width: 15 * text.split("\n").length };
  });
  const heights = spread(
    ends,
    top - 6,
    height - bottom + 8,
  );
  return panel({
    ...{ height, marginTop: top, marginBottom: bottom },
    x: { type: x.type, domain: x.domain },
    y: { domain: y.domain, clamp: true },
    marks: [
      ...axes(stepAxis(x, named), { ticks: y.ticks, format: y.format, label }, top),
      ...over ? marks : [],
      ...edgeMarks(edges, x, { named: said, over }),
      ...over ? [] : marks,
      ...ends.map(({ line, text }, i) =>
        Plot.text([text], {
          ...{ frameAnchor: "top-right", dx: 6, dy: heights[i] - top, textAnchor: "start", lineAnchor: "middle" },
          ...{ fill: line.text, fontWeight: 600, ...HALO },
        })
      ),
    ],
  });
}

/** The RGB colour of a weight of 1, dark in grey too. */
export const FULL = [0x3d, 0x0c, 0x5c] as const;
/** The colour of a weight, 0 … 1; 0 is white. */
export const shade = (weight: number): string =>
  `rgb(${FULL.map((full) => Math.round(255 + Math.max(0, Math.min(1, weight)) * (full - 255))).join(",")})`;

/** A pattern drawn as squares at a pixel position of its panel; rows are queries. */
export interface HeatMap {
  /** [queries, T]. */
  readonly pattern: ArrayLike<number>;
  readonly left: number;
  readonly top: number;
  /** The side of a weight's square, in pixels. */
  readonly cell: number;
}

export interface HeatOptions {
  readonly tokens: readonly string[];
  readonly mask: "causal" | "none";
  /** The rows. Default: all. */
  readonly queries?: readonly number[];
}

/** A panel without scales: its marks are given in pixels. */
export const pixelPanel = (height: number, marks: readonly Plot.Markish[], width = WIDTH): Panel =>
  panel({
    ...{ width, height, marginLeft: 0, marginRight: 0, marginTop: 0, marginBottom: 0 },
    x: { type: "identity", axis: null },
    y: { type: "identity", axis: null },
    marks: [...marks],
  });

/** The squares of heat maps in a panel of pixels, map by map, row by row; without those that a causal mask hides. */
export function heatMarks(maps: readonly HeatMap[], { tokens: { length: T }, mask, queries = range(T) }: HeatOptions): Plot.Markish[] {
  const squares = maps.flatMap(({ pattern, left, top, cell }) =>
    queries.flatMap((query, row) =>
      range(mask === "causal" ? query + 1 : T).map((key) => ({
        ...{ x1: left + key * cell, x2: left + (key + 1) * cell, y1: top + row * cell, y2: top + (row + 1) * cell },
        fill: shade(pattern[row * T + key]),
      }))
    )
  );
  return [Plot.rect(squares, {
    ...{ x1: "x1", x2: "x2", y1: "y1", y2: "y2", inset: 0.5, fill: "fill", stroke: "#c9c2cf", strokeWidth: 0.7 },
    ariaDescription: "attention",
  })];
}

/** Names of keys below a heat map, or of queries left of it; none where the squares are too small for text. */
export function tokenMarks(map: HeatMap, { tokens, queries = range(tokens.length) }: HeatOptions, at: "below" | "left"): Plot.Markish[] {
  const { left, top, cell } = map, fontSize = Math.min(12, Math.max(9.5, cell * 0.62));
  if (cell < 11) return [];
  return [
    at === "below"
      ? Plot.text(tokens, {
        ...{ x: (_, key) => left + (key + 0.5) * cell, y: () => top + queries.length * cell + 3, lineAnchor: "top", fontSize, fill: FAINT },
      })
      : Plot.text(queries, {
        ...{ x: () => left - 4, y: (_, row) => top + (row + 0.5) * cell, text: (query: number) => tokens[query] },
        ...{ textAnchor: "end", fontSize, fill: FAINT },
      }),
  ];
}

/** The colour key, weights from 0 to 1 in five squares with text; `end` is its right edge. */
export const shadeKey = (end: number, y: number): Plot.Markish[] => [
  Plot.rect([0, 0.25, 0.5, 0.75, 1], {
    ...{ x1: (_, i) => end - 12 - 14 * (5 - i), x2: (_, i) => end - 12 - 14 * (4 - i), y1: () => y - 6, y2: () => y + 6 },
    ...{ inset: 0.5, fill: shade, stroke: "#c9c2cf", strokeWidth: 0.7, ariaDescription: "key" },
  }),
  Plot.text(["attention 0", "1"], {
    ...{ x: (_, i) => (i === 0 ? end - 88 : end), y: () => y, textAnchor: "end", fill: FAINT },
  }),
];

export const words = (
  texts: readonly { readonly x: number; readonly y: number; readonly text: string }[],
  options: Plot.TextOptions = {},
) => Plot.text(texts, { x: "x", y: "y", text: "text", fill: INK, lineAnchor: "middle", textAnchor: "start", ...options });
