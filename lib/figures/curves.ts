/** Accuracy and loss over training: median and middle half of the seeds, with the moments of memorisation and of grokking. */
import * as Plot from "@observablehq/plot";
import type { Metrics } from "../run/metrics.ts";
import { placeNames } from "./labels.ts";
import { about, finding, lossOf } from "./runs.ts";
import { scaleOfSteps, stepAxis, type StepOptions, type StepScale } from "./scale.ts";
import { stepsPanel } from "./steps.ts";
import * as theme from "./theme.ts";
import { compose, FAINT, type Figure, HALO, MARGIN, type Panel, type Series, textWidth, TRAIN, VALIDATION } from "./theme.ts";
import { type Band, bands, thin } from "../analysis/runs/bands.ts";
import { type Curve, lastStep } from "../analysis/runs/run.ts";
import { medianStep } from "../analysis/runs/times.ts";
import { count } from "../analysis/words.ts";

export interface CurveOptions extends StepOptions {
  /** What was learned, as people say it; by default as the runs' specs say it. */
  readonly task?: string;
  /** Instead of the finding. */
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

/** Accuracy above, and below it when each seed memorised and grokked, over the same steps. */
export function grokkingCurves(runs: readonly Curve[], options: CurveOptions = {}): Figure {
  return figure(runs, options, [
    accuracyPanel(runs, options, { height: 285, place: "first" }),
    stepsPanel(runs, scaleOfSteps(runs, options)),
  ]);
}

/** The norm of all weights over steps. */
export function weightNormCurve(runs: readonly Curve[], options: CurveOptions = {}): Figure {
  return figure(runs, options, [weightNormPanel(runs, scaleOfSteps(runs, options), 320)]);
}

function figure(runs: readonly Curve[], { task, title = finding(runs) }: CurveOptions, panels: readonly Panel[], more = ""): Figure {
  return compose({ title, subtitle: howToRead(runs, task) + more, panels });
}

/** What was learned, what lines and bands are, what the upright lines mean, and what becomes of runs that end before others. */
export function howToRead(runs: readonly Curve[], task = about(runs).task): string {
  const one = runs.length === 1;
  const reading = one ? "One seed." : `Lines: median of ${runs.length} seeds; bands: the middle half of them.`;
  const ended = new Set(runs.map((run) => lastStep([run]))).size > 1 ? " A run that has ended keeps its last value." : "";
  const upright = medianStep(runs.map((run) => run.memorisationStep)) === null
    ? ""
    : ` Upright: ${one ? "when it" : "when half of them"} had memorised${
      medianStep(runs.map((run) => run.grokkingStep)) === null ? "" : " and grokked"
    }${beyond(runs)}.`;
  return `${task ? `${task}. ` : ""}${reading}${upright}${ended}`;
}

/** That a run groks at the first evaluation with more than 99 % right, where that is what it did; other rules have no short words. */
const beyond = (runs: readonly Curve[]) =>
  runs.some((run) => run.grokkingStep !== null) &&
    runs.every(({ metrics, grokkingStep }) => grokkingStep === (metrics.find(({ valAcc }) => valAcc > 0.99)?.step ?? null))
    ? " (more than 99 % right)"
    : "";

/** Where a panel stands: the first says when the runs memorised and grokked, the last names the axis of steps. */
export interface Stand {
  readonly height: number;
  readonly place: "only" | "first" | "middle" | "last";
}

/** One pair of metrics over steps. */
interface Pair {
  readonly fields: readonly [train: keyof Metrics, validation: keyof Metrics];
  readonly label: string;
  /** What guessing gets: 1 / classes, ln(classes). */
  readonly guess?: { readonly value: number; readonly text: string } | undefined;
  /** The scale of y, its ticks and its domain, from all values that are drawn. */
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

/** The scale of losses, from all that are drawn. One of 0 has no logarithm: it lies on the floor, which then is marked so. */
export function lossScale(values: readonly number[]) {
  const positive = values.filter((value) => value > 0), least = Math.min(1, ...positive), zeros = values.includes(0);
  const domain = [least * (zeros ? 0.1 : 0.7), Math.max(1, ...positive) * 1.6] as const;
  const [from, to] = [Math.ceil(Math.log10(zeros ? 2 * least : domain[0])), Math.floor(Math.log10(domain[1]))];
  const every = Math.ceil((to - from + 1) / 6);
  const powers = Array.from({ length: to - from + 1 }, (_, i) => from + i).filter((e) => e % every === 0).map((e) => Number(`1e${e}`));
  const format = (loss: number) => (zeros && loss === domain[0] ? "0" : power(loss));
  return { type: "log" as const, domain, ticks: zeros ? [domain[0], ...powers] : powers, format };
}

/** What the mark 0 on the axis of losses means, where there is one. */
export const zeroWords = (runs: readonly Curve[]): string =>
  runs.some(({ metrics }) => metrics.some(({ trainLoss, valLoss }) => trainLoss === 0 || valLoss === 0))
    ? " A loss of 0 is one that single precision rounds to 0."
    : "";

function pairPanel(runs: readonly Curve[], options: CurveOptions, { height, place }: Stand, pair: Pair): Panel {
  const x = scaleOfSteps(runs, options);
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
    right: x.width - MARGIN.right,
  });
  return theme.panel({
    width: x.width,
    height,
    marginTop: top,
    marginBottom: bottom,
    x: { type: x.type, domain: x.domain },
    y: { type: y.type, domain: y.domain, clamp: true },
    marks: [
      ...theme.axes(stepAxis(x, named), { ticks: y.ticks, format: y.format, label: pair.label }, top),
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

/** The Euclidean norm of all weights over the steps: median and middle half of the seeds. */
export function weightNormPanel(runs: readonly Curve[], x: StepScale, height = 150): Panel {
  const drawn = thin(bands(runs, "weightNorm").filter((band) => band.step >= x.domain[0]), x.pixel);
  const values = drawn.flatMap((band) => [band.low, band.high]);
  const [low, high] = values.length > 0 ? [Math.min(...values), Math.max(...values)] : [0, 1];
  const domain = [Math.max(0, low - 0.1 * (high - low)), high + 0.1 * (high - low) + 1e-6] as const;
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
          format: (norm) => String(Number(norm.toPrecision(3))),
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

/** How a line looks; `TRAIN` and `VALIDATION` are two. */
export interface Line {
  readonly name: string;
  readonly color: string;
  /** Of words in its colour. */
  readonly text: string;
  readonly dash: string;
  readonly width: number;
}

/** The line of the medians on the band of the middle half. */
export const curve = ({ name, color, dash, width }: Line, data: readonly Band[]) => [
  Plot.areaY(data, { x: "step", y1: "low", y2: "high", fill: color, fillOpacity: 0.2, ariaDescription: `${name} band` }),
  Plot.lineY(data, { x: "step", y: "mid", stroke: color, strokeWidth: width, strokeDasharray: dash, ariaDescription: `${name} median` }),
];

/** The line of guessing, named in the margin, where no curve goes. */
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

/** An upright line at each of these moments, named above the frame where that is asked for. */
export const momentMarks = (moments: ReturnType<typeof medianMoments>, named: boolean) => [
  ...moments.map(({ series, step, verb }) =>
    Plot.ruleX([step], { stroke: series.color, strokeDasharray: series.dash, ariaDescription: `median ${verb}` })
  ),
  ...(!named ? [] : moments.map(({ text, series, ...at }) => Plot.text([text], { ...at, ...ABOVE, fill: series.text }))),
];

/** The median steps of memorising and grokking, with their words side by side. */
export function medianMoments(runs: readonly Curve[], scale: StepScale) {
  const moment = (series: Series, verb: string, steps: (number | null)[]) => {
    const step = medianStep(steps);
    return step === null ? [] : [{ series, verb, step: Math.max(step, scale.domain[0]), text: `${verb}: ${count(step)}` }];
  };
  const all = [
    ...moment(TRAIN, "memorised", runs.map((run) => run.memorisationStep)),
    ...moment(VALIDATION, "grokked", runs.map((run) => run.grokkingStep)),
  ];
  const needed = all.reduce((sum, { text }) => sum + textWidth(text) / 2, 12);
  const close = all.length === 2 && Math.abs(scale.pixel(all[1].step) - scale.pixel(all[0].step)) < needed;
  return all.map((one, i) => ({
    ...one,
    x: one.step,
    textAnchor: !close ? edge(scale.pixel(one.step), textWidth(one.text)) : i === 0 ? "end" as const : "start" as const,
    dx: !close ? 0 : i === 0 ? 4 : -4,
  }));
}

/** A word whose middle would leave the panel to the left begins at its line. */
const edge = (x: number, width: number) => (x - width / 2 < MARGIN.left ? "start" as const : "middle" as const);
