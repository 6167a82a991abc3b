/** Accuracy and loss over training: median and quartiles over the seeds, with the memorisation and grokking steps. */
import * as Plot from "@observablehq/plot";
import type { Metrics } from "../run/metrics.ts";
import { placeNames, sideBySide } from "./labels.ts";
import { about, divergedWords, finding, lossOf, undiverged } from "./runs.ts";
import { scaleOfSteps, stepAxis, type StepOptions, type StepScale } from "./scale.ts";
import { seedMargin, stepsPanel } from "./steps.ts";
import * as theme from "./theme.ts";
import { compose, FAINT, type Figure, HALO, MARGIN, type Panel, type Series, TRAIN, VALIDATION } from "./theme.ts";
import { type Band, bands, thin } from "../analysis/runs/bands.ts";
import { type Curve, lastStep } from "../analysis/runs/run.ts";
import { medianStep } from "../analysis/runs/times.ts";
import { count, list, shortNumber } from "../analysis/words.ts";

export interface CurveOptions extends StepOptions {
  /** The task, for the subtitle. Default: from the runs' specs. */
  readonly task?: string;
  /** Replaces the finding as the title. */
  readonly title?: string;
}

/** Accuracy over steps. */
export function learningCurves(runs: readonly Curve[], options: CurveOptions = {}): Figure {
  return figure(runs, options, [accuracyPanel(runs, options, { height: 320, place: "only" })]);
}

/** Loss over steps, on a logarithmic scale. */
export function lossCurves(runs: readonly Curve[], options: CurveOptions = {}): Figure {
  return figure(runs, options, [lossPanel(runs, options, { height: 320, place: "only" })], zeroWords(runs));
}

/** Accuracy above, loss below, over the same steps. */
export function trainingCurves(runs: readonly Curve[], options: CurveOptions = {}): Figure {
  return figure(runs, options, [
    accuracyPanel(runs, options, { height: 255, place: "first" }),
    lossPanel(runs, options, { height: 250, place: "last" }),
  ], zeroWords(runs));
}

/** Accuracy above, and below it each seed's memorisation and grokking steps, over the same axis. */
export function grokkingCurves(runs: readonly Curve[], options: CurveOptions = {}): Figure {
  const left = seedMargin(runs);
  return figure(runs, options, [
    accuracyPanel(runs, options, { height: 285, place: "first", left }),
    stepsPanel(runs, scaleOfSteps(runs, options, left)),
  ]);
}

/** The weight norm over steps. */
export function weightNormCurve(runs: readonly Curve[], options: CurveOptions = {}): Figure {
  return figure(runs, options, [weightNormPanel(runs, scaleOfSteps(runs, options), 320)]);
}

function figure(runs: readonly Curve[], { task, title = finding(runs) }: CurveOptions, panels: readonly Panel[], more = ""): Figure {
  return compose({ title, subtitle: howToRead(runs, task) + more, panels });
}

/**
 * The subtitle: the task, and what the lines, the bands and the vertical lines mean; where runs end at different steps or diverge, also how
 * these are drawn.
 */
export function howToRead(runs: readonly Curve[], task = about(runs).task): string {
  const one = runs.length === 1;
  const reading = one ? "One seed." : `Lines: median of ${runs.length} seeds; bands: the middle half of them.`;
  const last = lastStep(runs), early = runs.some((run) => run.status !== "failed" && lastStep([run]) < last);
  const ended = early ? " A run that has ended keeps its last value." : "";
  return `${task ? `${task}. ` : ""}${reading}${verticalWords(runs)}${ended}${divergedWords(runs)}`;
}

/** A sentence on the vertical lines; empty where there is none. */
function verticalWords(runs: readonly Curve[]): string {
  const counted = undiverged(runs);
  const drawn = [
    ...medianStep(counted.map((run) => run.memorisationStep)) === null ? [] : [["memorised", "memorising"]],
    ...medianStep(counted.map((run) => run.grokkingStep)) === null ? [] : [["grokked", "grokking"]],
  ];
  if (drawn.length === 0) return "";
  const s = drawn.length > 1 ? "s" : "", without = counted.length < runs.length ? ", without runs that diverged before grokking" : "";
  return runs.length === 1
    ? ` Vertical line${s}: when it had ${list(drawn.map(([had]) => had))}${beyond(runs)}.`
    : ` Vertical line${s}: median step${s} of ${list(drawn.map(([, of]) => of))}${beyond(runs)}${without}.`;
}

/** ` (more than 99 % right)`, where every run grokked at its first evaluation above 99 %; empty for other rules. */
const beyond = (runs: readonly Curve[]) =>
  runs.some((run) => run.grokkingStep !== null) &&
    runs.every(({ metrics, grokkingStep }) => grokkingStep === (metrics.find(({ valAcc }) => valAcc > 0.99)?.step ?? null))
    ? " (more than 99 % right)"
    : "";

/**
 * A panel's height in pixels, and its place in the figure: the first labels the memorisation and grokking steps, the last the axis of
 * steps. `left`: its left margin in pixels.
 */
export interface Stand {
  readonly height: number;
  readonly place: "only" | "first" | "middle" | "last";
  readonly left?: number;
}

/** One pair of metrics over steps. */
interface Pair {
  readonly fields: readonly [train: keyof Metrics, validation: keyof Metrics];
  readonly label: string;
  /** The value at random guessing: accuracy 1 / classes, loss ln(classes). */
  readonly guess?: { readonly value: number; readonly text: string } | undefined;
  /** The y scale, its ticks and its domain, from all drawn values. */
  readonly y: (values: readonly number[]) => {
    readonly type: "log" | "linear";
    readonly domain: readonly [number, number];
    readonly ticks: readonly number[];
    readonly format: (value: number) => string;
  };
}

/** Accuracies from 0 to 1. */
export function accuracyPanel(runs: readonly Curve[], options: CurveOptions, stand: Stand): Panel {
  const { classes } = about(runs);
  return pairPanel(runs, options, stand, {
    fields: ["trainAcc", "valAcc"],
    label: "Accuracy",
    guess: classes ? { value: 1 / classes, text: `1 in ${classes}` } : undefined,
    y: () => ({ type: "linear", domain: [0, 1.03], ticks: [0, 0.25, 0.5, 0.75, 1], format: (share) => `${Math.round(share * 100)} %` }),
  });
}

/** Losses on a logarithmic scale. */
export function lossPanel(runs: readonly Curve[], options: CurveOptions, stand: Stand): Panel {
  const { label, guess } = lossOf(runs);
  return pairPanel(runs, options, stand, {
    fields: ["trainLoss", "valLoss"],
    label,
    guess,
    y: lossScale,
  });
}

/** The scale of losses, from all drawn values. A loss of 0 has no logarithm: it is drawn at the lower end, which is then labelled 0. */
export function lossScale(values: readonly number[]) {
  const positive = values.filter((value) => value > 0), least = Math.min(1, ...positive), zeros = values.includes(0);
  const domain = [least * (zeros ? 0.1 : 0.7), Math.max(1, ...positive) * 1.6] as const;
  const [from, to] = [Math.ceil(Math.log10(zeros ? 2 * least : domain[0])), Math.floor(Math.log10(domain[1]))];
  const every = Math.ceil((to - from + 1) / 6);
  const powers = Array.from({ length: to - from + 1 }, (_, i) => from + i).filter((e) => e % every === 0).map((e) => Number(`1e${e}`));
  const format = (loss: number) => (zeros && loss === domain[0] ? "0" : power(loss));
  return { type: "log" as const, domain, ticks: zeros ? [domain[0], ...powers] : powers, format };
}

/** A sentence on the label 0 of the loss axis; empty without such a loss. */
export const zeroWords = (runs: readonly Curve[]): string =>
  runs.some(({ metrics }) => metrics.some(({ trainLoss, valLoss }) => trainLoss === 0 || valLoss === 0))
    ? " A loss of 0 is one that single precision rounds to 0."
    : "";

function pairPanel(runs: readonly Curve[], options: CurveOptions, { height, place, left }: Stand, pair: Pair): Panel {
  const x = scaleOfSteps(runs, options, left);
  const drawn = pair.fields.map((field) => thin(bands(runs, field).filter((band) => band.step >= x.domain[0]), x.pixel));
  const y = pair.y(drawn.flat().flatMap((band) => [band.low, band.mid, band.high]));
  const named = place === "only" || place === "last", topmost = place === "only" || place === "first";
  const bottom = named ? MARGIN.bottom : 32;
  const top = topmost ? MARGIN.top : MARGIN.close;
  const moments = medianMoments(runs, x);
  const along = y.type === "log" ? (value: number) => Math.log(Math.max(value, y.domain[0])) : (value: number) => value;
  const names = placeNames(drawn[0], drawn[1], {
    x: x.pixel,
    y: (value) =>
      height - bottom - (height - bottom - top) * (along(value) - along(y.domain[0])) / (along(y.domain[1]) - along(y.domain[0])),
    rules: moments.map((moment) => x.pixel(moment.step)),
    left: x.left,
    right: x.width - MARGIN.right,
  });
  return theme.panel({
    width: x.width,
    height,
    marginLeft: x.left,
    marginTop: top,
    marginBottom: bottom,
    x: { type: x.type, domain: x.domain },
    y: { type: y.type, domain: y.domain, clamp: true },
    marks: [
      ...theme.axes(stepAxis(x, named), { ticks: y.ticks, format: y.format, label: pair.label }, top, x.left),
      ...(pair.guess ? guessing(pair.guess, x) : []),
      ...curve(TRAIN, drawn[0]),
      ...curve(VALIDATION, drawn[1]),
      ...momentMarks(moments, topmost),
      ...names.map(({ series, step, value, ...at }) =>
        Plot.text([series.name], { x: [step], y: [value], ...at, fill: series.text, fontWeight: 600, fontSize: 13.5, ...HALO })
      ),
    ],
  });
}

/** The least range of the axis of norms, as a share of the largest norm: a held norm changes by rounding alone, which stays flat. */
const LEAST_NORMS = 0.05;

/** The Euclidean norm of all weights over steps: median and quartiles over the seeds. */
export function weightNormPanel(runs: readonly Curve[], x: StepScale, height = 150): Panel {
  const drawn = thin(bands(runs, "weightNorm").filter((band) => band.step >= x.domain[0]), x.pixel);
  const values = drawn.flatMap((band) => [band.low, band.high]);
  const [low, high] = values.length > 0 ? [Math.min(...values), Math.max(...values)] : [0, 1];
  const spare = Math.max(0.1 * (high - low), (LEAST_NORMS * high - (high - low)) / 2);
  const domain = [Math.max(0, low - spare), high + spare + 1e-6] as const;
  return theme.panel({
    height,
    marginTop: MARGIN.close,
    x: { type: x.type, domain: x.domain },
    y: { domain },
    marks: [
      ...theme.axes(
        stepAxis(x),
        {
          ticks: theme.ticks(...domain, "linear").filter((_, i, all) => all.length < 6 || i % 2 === 0),
          format: (norm) => shortNumber(norm),
          label: "Norm of all weights",
        },
        MARGIN.close,
      ),
      Plot.areaY(drawn, { x: "step", y1: "low", y2: "high", fill: theme.INK, fillOpacity: 0.15, ariaDescription: "norm band" }),
      Plot.lineY(drawn, { x: "step", y: "mid", stroke: theme.INK, strokeWidth: 1.8, ariaDescription: "norm median" }),
    ],
  });
}

/** 0.001 → `10⁻³`; 1 and 10 stay as they are. */
function power(value: number): string {
  const e = Math.round(Math.log10(value));
  const superscript = String(e).replaceAll(/./g, (digit) => digit === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)]);
  return e === 0 ? "1" : e === 1 ? "10" : `10${superscript}`;
}

/** The look of a line, such as `TRAIN` and `VALIDATION`. */
export interface Line {
  readonly name: string;
  readonly color: string;
  /** The colour of its text. */
  readonly text: string;
  readonly dash: string;
  readonly width: number;
}

/** The line of the medians over the band between the quartiles. */
export const curve = ({ name, color, dash, width }: Line, data: readonly Band[]) => [
  Plot.areaY(data, { x: "step", y1: "low", y2: "high", fill: color, fillOpacity: 0.2, ariaDescription: `${name} band` }),
  Plot.lineY(data, { x: "step", y: "mid", stroke: color, strokeWidth: width, strokeDasharray: dash, ariaDescription: `${name} median` }),
];

/** The line of random guessing, named in the margin, where there are no curves. */
const guessing = ({ value, text }: { value: number; text: string }, x: StepScale) => [
  Plot.ruleY([value], { stroke: FAINT, strokeDasharray: "1.5 3", ariaDescription: "guessing" }),
  // Above the line's end, so that it keeps clear of the axis below.
  Plot.text([`guessing\n${text}`], {
    x: x.domain[1],
    y: value,
    textAnchor: "start",
    lineAnchor: "bottom",
    lineHeight: 1.15,
    dx: 8,
    dy: 5,
    fill: FAINT,
  }),
];

const ABOVE = { frameAnchor: "top", dy: -7, lineAnchor: "bottom", fontWeight: 600 } as const;

/** A vertical line at each of these moments; with `named`, labelled above the frame. */
export const momentMarks = (moments: ReturnType<typeof medianMoments>, named: boolean) => [
  ...moments.map(({ series, step, verb }) =>
    Plot.ruleX([step], { stroke: series.color, strokeDasharray: series.dash, ariaDescription: `median ${verb}` })
  ),
  ...(!named ? [] : moments.map(({ text, series, ...at }) => Plot.text([text], { ...at, ...ABOVE, fill: series.text }))),
];

/** The median memorisation and grokking steps in their order, with labels side by side; runs that diverged before grokking don't count. */
export function medianMoments(runs: readonly Curve[], scale: StepScale) {
  const moment = (series: Series, verb: string, steps: (number | null)[]) => {
    const step = medianStep(steps);
    return step === null ? [] : [{ series, verb, step: Math.max(step, scale.domain[0]), text: `${verb}: ${count(step)}` }];
  };
  const counted = undiverged(runs);
  const all = [
    ...moment(TRAIN, "memorised", counted.map((run) => run.memorisationStep)),
    ...moment(VALIDATION, "grokked", counted.map((run) => run.grokkingStep)),
  ].sort((a, b) => a.step - b.step);
  const middles = sideBySide(all.map(({ step, text }) => ({ at: scale.pixel(step), text })), scale.width);
  return all.map((one, i) => ({ ...one, x: one.step, dx: middles[i] - scale.pixel(one.step) }));
}
