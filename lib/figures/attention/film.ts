/** Attention during training as a film: a slider over the readings, in a notebook's output and on a page made from it. */
// @ts-types="@types/d3-array"
import { range } from "d3-array";
import * as Plot from "@observablehq/plot";
import { rowsOf } from "../../analysis/attention/patterns.ts";
import { phaseAt } from "../../run/phases.ts";
import { must } from "../../analysis/statistics/sample.ts";
import {
  type AttentionFigureOptions,
  checkRuns,
  FULL,
  type HeatMap,
  heatMarks,
  medianEdges,
  ofOne,
  pixelPanel,
  shadeKey,
  SHARES,
  timePanel,
  tokenMarks,
  words,
} from "./shared.ts";
import { patternFigure, patternFinding } from "./patterns.ts";
import { player, type Reel } from "./player.ts";
import { movable, type MovableFigure } from "../html.ts";
import { placeNames } from "../labels.ts";
import { scaleOfSteps, type StepScale } from "../scale.ts";
import { compose, FAINT, HALO, MARGIN, type Panel, TRAIN, VALIDATION, WIDTH } from "../theme.ts";
import { type AttentionRun, edgesOf, sizesOf, tokensOf } from "../../analysis/attention/runs.ts";
import { count, percent } from "../../analysis/words.ts";
import { bands } from "../../analysis/runs/bands.ts";
import { typicalRun } from "../../analysis/runs/groups.ts";

export interface FilmOptions extends AttentionFigureOptions {
  /** The seed of the run to show. Default: the run that groks at the median step. */
  readonly seed?: number;
  /** The most frames. Readings are dense where accuracy changes, so the film is slower there. Default: 60. */
  readonly frames?: number;
}

/**
 * The attention of every head of one run, reading by reading, with its accuracies: a slider over the readings, and a button that plays
 * them. Without scripts it shows a still with the phases. @throws Error where there is no run, one without readings, none with the given
 * seed, and for fewer than two frames.
 */
export function attentionFilm(
  runs: readonly AttentionRun[],
  { seed, frames: most = 60, task, title, ...options }: FilmOptions = {},
): MovableFigure {
  checkRuns(runs);
  const run = seed === undefined ? typicalRun(runs) : runs.find(({ spec }) => spec.seed === seed), action = "film attention";
  must(action, "seed", run !== undefined, `must be one of ${runs.map(({ spec }) => spec.seed).join(", ")}`, seed);
  must(action, "frames", Number.isInteger(most) && most >= 2, "must be a whole number from 2 on", most);
  const { readings } = run!, n = Math.min(most, readings.length);
  const shown = range(n).map((i) => readings[n === 1 ? 0 : Math.round(i * (readings.length - 1) / (n - 1))]);
  const x = scaleOfSteps([run!], options), maps = shown.map(({ mean }) => mapsOf(run!, mean));
  const said = title ?? patternFinding(run!);
  const frame = compose({
    title: said,
    subtitle: `${
      ofOne(run!, runs, task)
    } Rows are queries, columns keys; mean over the probe's pairs. ${n} of ${readings.length} readings.`,
    panels: [mapsPanel(run!, maps[0].heat, maps[0].height, momentWords(run!, shown[0].step)), accuracies(run!, x, shown[0].step)],
  });
  const reel: Reel = {
    svg: frame.svg,
    title: said,
    weights: base64(maps.flatMap(({ heat }) => squares(run!, heat))),
    full: FULL,
    frames: shown.map(({ step }) => ({ x: place(x, step), words: momentWords(run!, step) })),
  };
  const still = patternFigure(runs, { seed: run!.spec.seed, ...task !== undefined ? { task } : {}, title: said });
  return movable({ still, data: reel, start: player });
}

/**
 * Pixels: left of the maps, the smallest and largest gap between them, above the first; the largest side of a square, and the largest
 * height of all maps together.
 */
const LEFT = 92, GAPS = [12, 44], ABOVE = 46, CELL = 30, LARGEST = 250;

function mapsOf(run: AttentionRun, mean: ArrayLike<number>): { heat: HeatMap[]; height: number } {
  const sizes = sizesOf([run]), { L, H, T } = sizes, room = WIDTH - LEFT - 16;
  const cell = Math.min(CELL, Math.floor(LARGEST / L / T), Math.floor((room - (H - 1) * GAPS[0]) / H / T)), row = T * cell + 42;
  const gap = Math.min(GAPS[1], (room - H * T * cell) / Math.max(1, H - 1));
  const heat = range(L).flatMap((layer) =>
    range(H).map((head): HeatMap => {
      return { pattern: rowsOf(mean, sizes, { layer, head }), left: LEFT + head * (T * cell + gap), top: ABOVE + layer * row, cell };
    })
  );
  return { heat, height: ABOVE + L * row - 10 };
}

function mapsPanel(run: AttentionRun, heat: readonly HeatMap[], height: number, moment: string): Panel {
  const { H } = sizesOf([run]), options = { tokens: tokensOf(run.spec), mask: run.spec.model.mask };
  const heads = heat.map((map, i) => ({ ...map, layer: Math.floor(i / H), head: i % H }));
  return pixelPanel(height, [
    words([{ x: 16, y: 12, text: moment }], { fontWeight: 600, ariaDescription: "moment" }),
    shadeKey(WIDTH - 16, 12),
    words(heads.map(({ left, top, head }) => ({ x: left, y: top - 10, text: `head ${head}` })), { fill: FAINT }),
    words(heads.filter(({ head }) => head === 0).map(({ top, layer }) => ({ x: 16, y: top - 10, text: `Layer ${layer}` })), {
      fontWeight: 600,
    }),
    ...heatMarks(heat, options),
    ...heads.flatMap((map) => [...map.head === 0 ? tokenMarks(map, options, "left") : [], ...tokenMarks(map, options, "below")]),
  ] as Plot.Markish[]);
}

const place = (x: StepScale, step: number) => Math.round(10 * x.pixel(Math.max(x.domain[0], step))) / 10;

function accuracies(run: AttentionRun, x: StepScale, step: number): Panel {
  const height = 178,
    edges = medianEdges([run]),
    seen = (field: "trainAcc" | "valAcc") => bands([run], field).filter((row) => row.step >= x.domain[0]);
  const [train, validation] = [seen("trainAcc"), seen("valAcc")];
  const names = placeNames(train, validation, {
    x: x.pixel,
    y: (share) => height - MARGIN.bottom - (height - MARGIN.bottom - MARGIN.top) * share / 1.03,
    rules: Object.values(edges).flatMap((edge) => edge === null ? [] : [x.pixel(edge)]),
  });
  const line = (series: typeof TRAIN | typeof VALIDATION, rows: typeof train) =>
    Plot.lineY(rows, {
      x: "step",
      y: "mid",
      stroke: series.color,
      strokeWidth: series.width,
      strokeDasharray: series.dash,
      ariaDescription: series.name,
    });
  return timePanel({
    ...{ x, y: { ...SHARES, ticks: [0, 0.5, 1] }, label: "Accuracy", edges, height, place: "only" },
    marks: [
      line(TRAIN, train),
      line(VALIDATION, validation),
      ...names.map(({ series, step, value, ...at }) =>
        Plot.text([series.name], { x: [step], y: [value], ...at, fill: series.text, fontWeight: 600, ...HALO })
      ),
      Plot.ruleX([Math.max(x.domain[0], step)], { stroke: "#1a1a1a", strokeWidth: 2.5, ariaDescription: "now" }),
    ],
  });
}

/** `Step 1,240 · memorised · training 100 %, validation 12 %`. */
function momentWords(run: AttentionRun, step: number): string {
  const row = run.metrics.findLast((row) => row.step <= step);
  const known = row ? ` · training ${percent(row.trainAcc)}, validation ${percent(row.valAcc)}` : "";
  return `Step ${count(step)} · ${phaseAt(edgesOf(run), step)}${known}`;
}

/** One byte per square of a frame, in the order of `heatMarks`. */
function squares(run: AttentionRun, heat: readonly HeatMap[]): number[] {
  const { T } = sizesOf([run]), causal = run.spec.model.mask === "causal";
  return heat.flatMap(({ pattern }) =>
    range(T * T).filter((at) => !causal || at % T <= Math.floor(at / T)).map((at) =>
      Math.round(255 * Math.max(0, Math.min(1, pattern[at])))
    )
  );
}

const base64 = (bytes: readonly number[]) => btoa(bytes.map((byte) => String.fromCharCode(byte)).join(""));
