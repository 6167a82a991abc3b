/**
 * Progress measures over training (Nanda et al. 2023, "Progress measures for grokking via mechanistic interpretability", ICLR), with the
 * losses and the memorisation and grokking steps.
 */
// @ts-types="@types/d3-array"
import { median as medianOf } from "d3-array";
import * as Plot from "@observablehq/plot";
import type { Progress, Reading } from "../analysis/network/reading.ts";
import { curve, type CurveOptions, type Line, lossScale, medianMoments, momentMarks, weightNormPanel, zeroWords } from "./curves.ts";
import { keyWords, type Probed, similarityPanels } from "./representations.ts";
import { about, divergedWords, lossOf } from "./runs.ts";
import { scaleOfSteps, stepAxis, type StepScale } from "./scale.ts";
import { axes, compose, type Figure, HALO, INK, MARGIN, type Panel, panel, TRAIN, VALIDATION } from "./theme.ts";
import { type Band, bands, bandsOf, thin } from "../analysis/runs/bands.ts";
import { type Curve, endOf, lastStep } from "../analysis/runs/run.ts";
import { count } from "../analysis/words.ts";

/** A run with its evaluations, its milestones and its probe. */
export type ProbedRun = Curve & Probed;
/** The same with only those parts of its readings that a table holds. */
export type ProgressRun = Curve & Omit<Probed, "readings"> & { readonly readings: readonly Progress[] };

/** The lines of the measures. Green and violet stay distinct from blue and vermilion; in grey, the dashes differ. */
const KEPT: Line = { name: "restricted", color: "#009e73", text: "#00724f", dash: "none", width: 1.8 };
const REMOVED: Line = { name: "excluded", color: "#8e4585", text: "#7a3a72", dash: "2 3", width: 1.8 };
const ALIKE: Line = { name: "similarity", color: INK, text: INK, dash: "6 2 1 2", width: 1.6 };
const NEURONS: Line = { name: "neurons", color: "#a07a00", text: "#7d5f00", dash: "4 2", width: 1.6 };

/** Losses, structure and weight norm over steps: for one run with its cosine matrices, if any; for several as medians and bands. */
export function progressFigure(runs: readonly ProgressRun[], { task = about(runs).task, title, ...options }: CurveOptions = {}): Figure {
  const matrices = runs.length === 1 ? atMoments(runs[0]).filter(isWhole) : [];
  const until = Math.max(lastStep(runs), ...runs.map(({ readings }) => readings.at(-1)!.step));
  const x = scaleOfSteps(runs, { until, ...options }),
    reading = runs.length > 1 ? `Lines: median of ${runs.length} seeds; bands: the middle half.` : "One seed.";
  return compose({
    title: title ?? progressFinding(runs),
    subtitle:
      `${
        task ? `${task}. ` : ""
      }${reading} Restricted loss: of the key frequencies' part of the logits alone, on all pairs. Excluded loss: of ` +
      `the logits without it, on the pairs that train. Key frequencies: those of the ${
        runs[0].rule === "neurons" ? "neurons at the run's" : "run's"
      } last checkpoint. Shares in the title are interpolated between checkpoints.${zeroWords(runs)}${divergedWords(runs)}`,
    panels: [
      measuredLossPanel(runs, x),
      structurePanel(runs, x),
      weightNormPanel(runs, x),
      ...matrices.length > 0 ? [similarityPanels(matrices)] : [],
    ],
  });
}

/** The first reading at or after a moment, if there is one. */
const readingAt = ({ readings }: ProgressRun, step: number | null) =>
  step === null ? undefined : readings.find((each) => each.step >= step);

/** The readings at the start, at memorising, at grokking and at the end, as far as they exist. */
const atMoments = (run: ProgressRun): Progress[] => {
  const { readings, memorisationStep, grokkingStep } = run;
  const all = [readings[0], readingAt(run, memorisationStep), readingAt(run, grokkingStep), readings.at(-1)!];
  return [...new Set(all.filter((reading) => reading !== undefined))].sort((a, b) => a.step - b.step);
};

const isWhole = (reading: Progress): reading is Reading => "similarity" in reading;

/**
 * The share of the logits that the key frequencies explain at a moment. Between two readings it is interpolated along the steps, since they
 * may lie thousands of steps apart; after the last one, and before the first, nothing is known.
 */
function explainedAt(run: ProgressRun, step: number | null): number | null {
  const after = readingAt(run, step), before = run.readings.findLast((each) => step !== null && each.step <= step);
  if (!after || !before) return null;
  const part = after === before ? 0 : (step! - before.step) / (after.step - before.step);
  return before.explained + part * (after.explained - before.explained);
}

/** The finding: the share of the logits that the key frequencies explain at each moment. */
export function progressFinding(runs: readonly ProgressRun[]): string {
  const [{ keys }] = runs, one = runs.length === 1, last = runs.map(({ readings }) => readings.at(-1)!);
  const median = (found: readonly (number | null)[]) => {
    const shares = found.filter((share) => share !== null);
    // Only where more than half of the runs have a value.
    return shares.length > runs.length / 2 ? `${Math.round(100 * medianOf(shares)!)} %` : null;
  };
  const moments = [
    [
      median(runs.map((run) => explainedAt(run, run.memorisationStep))),
      one ? "when the network has memorised" : "when networks have memorised",
    ],
    [median(runs.map((run) => explainedAt(run, run.grokkingStep))), one ? "when it groks" : "when they grok"],
    [median(last.map(({ explained }) => explained)), `at step ${count(Math.max(...last.map(({ step }) => step)))}`],
  ].flatMap(([share, when]) => share ? [[share, when]] : []);
  const words = moments.map(([share, when], i) => `${share}${i === 0 ? " of the logits" : ""} ${when}`).join(", ");
  return `${one ? keyWords(keys) : "The key frequencies"} ${one && keys.length === 1 ? "explains" : "explain"} ${words}`;
}

/** Training and validation loss, restricted and excluded loss, logarithmic. */
export function measuredLossPanel(runs: readonly ProgressRun[], x: StepScale, height = 300): Panel {
  const lines = [
    ...([[TRAIN, "trainLoss"], [VALIDATION, "valLoss"]] as const).map(([line, field]) => drawn(line, bands(runs, field), x)),
    measured(KEPT, runs, x, ({ restricted }) => restricted.loss),
    measured(REMOVED, runs, x, ({ excluded }) => excluded.trainLoss),
  ];
  const y = lossScale(lines.flatMap(({ bands }) => bands.flatMap(({ low, mid, high }) => [low, mid, high])));
  return linesPanel({
    lines,
    x,
    y,
    label: lossOf(runs).label,
    height,
    top: MARGIN.top,
    moments: medianMoments(runs, x),
    named: true,
  });
}

/** Measures of structure, 0 … 1: the share of the logits that the key frequencies explain, and two shares that don't depend on them. */
export function structurePanel(runs: readonly ProgressRun[], x: StepScale, height = 200): Panel {
  const lines = [
    measured({ ...KEPT, name: "logits" }, runs, x, ({ explained }) => explained),
    measured(NEURONS, runs, x, ({ neuronShare }) => neuronShare),
    measured(ALIKE, runs, x, ({ circulant }) => circulant),
  ];
  const y = {
    type: "linear" as const,
    domain: [0, 1.03] as const,
    ticks: [0, 0.5, 1],
    format: (share: number) => `${Math.round(100 * share)} %`,
  };
  const label = "Share explained: of logits and neurons by frequencies, of similarity by distance";
  return linesPanel({ lines, x, y, label, height, top: MARGIN.close, moments: medianMoments(runs, x), named: false });
}

/** A line with what it shows. */
export interface Drawn {
  readonly line: Line;
  readonly bands: readonly Band[];
  /** Whether each point is a reading, drawn with a dot. */
  readonly dots: boolean;
}

const drawn = (line: Line, all: readonly Band[], x: StepScale): Drawn => {
  return { line, bands: thin(all.filter(({ step }) => step >= x.domain[0]), x.pixel), dots: false };
};
/** What readings of several runs show, as their median. */
export const measured = <Of extends { readonly step: number }>(
  line: Line,
  runs: readonly (Curve & { readonly readings: readonly Of[] })[],
  x: StepScale,
  of: (reading: Of) => number,
): Drawn => {
  return { ...drawn(line, bandsOf(runs.map(({ readings }) => readings), of, runs.map(endOf)), x), dots: true };
};

export interface Lines {
  readonly lines: readonly Drawn[];
  readonly x: StepScale;
  readonly y: {
    readonly type: "linear" | "log";
    readonly domain: readonly [number, number];
    readonly ticks: readonly number[];
    readonly format: (value: number) => string;
  };
  readonly label: string;
  readonly height: number;
  readonly top: number;
  readonly moments: ReturnType<typeof medianMoments>;
  /** Whether its moments are named above it. */
  readonly named: boolean;
  /** Whether it is the last one, which names the axis of steps. Default: false. */
  readonly last?: boolean;
}

/** A panel of lines that are named at their ends. */
export function linesPanel({ lines, x, y, label, height, top, moments, named, last = false }: Lines): Panel {
  const bottom = last ? MARGIN.bottom : 32, place = y.type === "log" ? Math.log : (value: number) => value, [low, high] = y.domain;
  const pixel = (value: number) => top + (height - top - bottom) * (place(high) - place(Math.max(low, value))) / (place(high) - place(low));
  const ends = apart(lines.flatMap(({ line, bands }) => bands.length > 0 ? [{ line, at: pixel(bands.at(-1)!.mid) }] : []));
  return panel({
    ...{ height, marginTop: top, marginBottom: bottom },
    x: { type: x.type, domain: x.domain },
    y: { type: y.type, domain: y.domain, clamp: true },
    marks: [
      ...axes(stepAxis(x, last), { ticks: y.ticks, format: y.format, label }, top),
      ...lines.flatMap(({ line, bands, dots }) => [
        ...curve(line, bands),
        ...dots ? [Plot.dot(bands, { x: "step", y: "mid", r: 2.2, fill: line.color, ariaDescription: `${line.name} reading` })] : [],
      ]),
      ...momentMarks(moments, named),
      ...ends.map(({ line, at }) =>
        Plot.text([line.name], {
          frameAnchor: "top-right",
          dx: 6,
          dy: at - top,
          textAnchor: "start",
          lineAnchor: "middle",
          fill: line.text,
          fontWeight: 600,
          ...HALO,
        })
      ),
    ],
  });
}

/** Labels at these heights, moved down where one would cover another. */
function apart<T extends { readonly at: number }>(words: readonly T[], least = 15): T[] {
  const moved: T[] = [];
  for (const word of words.toSorted((a, b) => a.at - b.at)) {
    moved.push({ ...word, at: Math.max(word.at, (moved.at(-1)?.at ?? -Infinity) + least) });
  }
  return moved;
}
