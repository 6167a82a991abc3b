/** Accuracy and loss of several operations, one row each: medians and bands over the seeds, with every seed's grokking step. */
import * as Plot from "@observablehq/plot";
import { followUp, watchedWord } from "../analysis/runs/follow_up.ts";
import { curve, lossScale } from "./curves.ts";
import { placeNames } from "./labels.ts";
import { about, divergedWords, lossOf } from "./runs.ts";
import { scaleOfSteps, stepAxis, type StepOptions, type StepScale } from "./scale.ts";
import { axes, compose, FAINT, type Figure, HALO, MARGIN, type Panel, panel, TRAIN, VALIDATION, WIDTH } from "./theme.ts";
import { count, list, percent, tight } from "../analysis/words.ts";
import { type Band, bands, thin } from "../analysis/runs/bands.ts";
import { medianStep } from "../analysis/runs/times.ts";
import type { Group } from "../analysis/runs/groups.ts";

export interface OperationOptions extends StepOptions {
  readonly task?: string;
  /** Replaces the finding as the title. */
  readonly title?: string;
}

/**
 * One row per group, such as an operation: accuracies on the left, losses on the right, over the same steps, with one loss scale for all.
 * Above the frame, a dot for every seed that grokked, and how many did. @throws Error for no group, and for one without a run.
 */
export function operationCurves(groups: readonly Group[], { task, title, ...options }: OperationOptions = {}): Figure {
  if (groups.length === 0) throw new Error("Cannot draw curves: groups must be at least one, current value is 0");
  for (const { name, runs } of groups) {
    if (runs.length === 0) throw new Error(`Cannot draw curves: runs of ${name} must be at least one, current value is 0`);
  }
  const x = scaleOfSteps(groups.flatMap(({ runs }) => runs), options);
  const drawn = groups.map(({ runs }) => {
    const of = (field: Parameters<typeof bands>[1]) =>
      thin(bands(runs, field).filter(({ step }) => step >= x.domain[0]), (s) => x.pixel(s) / 2);
    return { acc: [of("trainAcc"), of("valAcc")], loss: [of("trainLoss"), of("valLoss")] } as const;
  });
  const y = lossScale(drawn.flatMap(({ loss }) => loss.flat().flatMap(({ low, mid, high }) => [low, mid, high])));
  return compose({
    title: title ?? operationFinding(groups),
    subtitle: `${task ? `${task}. ` : ""}Lines: medians over the seeds; bands: the middle half. Loss: ${
      lossOf(groups.flatMap(({ runs }) => runs)).words
    }. Dots above: the ` +
      `step at which each seed groks; vertical line: their median.${
        divergedWords(groups.flatMap(({ runs }) => runs))
      }`,
    panels: groups.map((group, i) => {
      const place = { first: i === 0, last: i === groups.length - 1, x }, { classes } = about(group.runs), { guess } = lossOf(group.runs);
      const left = { ...place, left: MARGIN.left, width: WIDTH / 2 + 8, strip: true }, shares = classes && 1 / classes;
      const right = { ...place, left: 46, width: WIDTH / 2 - 8, strip: false };
      return [
        half(group, drawn[i].acc, { ...left, label: `${group.name}: accuracy`, guess: shares }, {
          ...{ type: "linear", domain: [0, 1.03], ticks: [0, 0.5, 1], format: percent },
        }),
        half(group, drawn[i].loss, { ...right, label: "Loss", guess: guess?.value }, y),
      ];
    }),
  });
}

interface Half {
  readonly first: boolean;
  readonly last: boolean;
  readonly x: StepScale;
  readonly left: number;
  readonly width: number;
  /** Whether the seeds' grokking steps are drawn above. */
  readonly strip: boolean;
  readonly label: string;
  /** The value at random guessing, where all runs of the group have the same. */
  readonly guess: number | undefined;
}

type Scale = {
  readonly type: "linear" | "log";
  readonly domain: readonly [number, number];
  readonly ticks: readonly number[];
  readonly format: (value: number) => string;
};

function half({ runs }: Group, [train, validation]: readonly (readonly Band[])[], place: Half, y: Scale): Panel {
  const { first, last, x, left, width, strip, label, guess } = place, top = 40, bottom = last ? MARGIN.bottom : 26, right = 14;
  const at = (step: number) => Math.max(step, x.domain[0]), median = medianStep(runs.map(({ grokkingStep }) => grokkingStep));
  const pixel = (step: number) => left + (width - left - right) * (x.pixel(step) - MARGIN.left) / (WIDTH - MARGIN.left - MARGIN.right);
  const names = first && strip
    ? placeNames(train, validation, {
      x: pixel,
      y: (share) => top + 110 * (1 - share / 1.03),
      rules: median === null ? [] : [pixel(at(median))],
      right: width - right,
    })
    : [];
  const axis = stepAxis(x, last);
  return panel({
    ...{ width, height: 110 + top + bottom, marginLeft: left, marginRight: right, marginTop: top, marginBottom: bottom },
    x: { type: x.type, domain: x.domain },
    y: { type: y.type, domain: y.domain, clamp: true },
    marks: [
      ...axes({ ...axis, ticks: few(axis.ticks) }, { ticks: y.ticks, format: y.format, label }, top),
      ...guess !== undefined ? [Plot.ruleY([guess], { stroke: FAINT, strokeDasharray: "1.5 3", ariaDescription: "guessing" })] : [],
      ...median === null ? [] : [Plot.ruleX([at(median)], { stroke: VALIDATION.color, ariaDescription: "median grokked" })],
      ...curve(TRAIN, train),
      ...curve(VALIDATION, validation),
      ...names.map(({ series, step, value, ...place }) =>
        Plot.text([series.name], { x: [step], y: [value], ...place, fill: series.text, fontWeight: 600, ...HALO })
      ),
      ...strip ? seeds(runs, x) : [],
    ],
  });
}

/** Up to five ticks; of more, only the powers of ten. */
const few = (ticks: readonly number[]) => ticks.length <= 5 ? ticks : ticks.filter((tick) => Number.isInteger(Math.log10(tick)));

/** Above the frame: each seed's grokking step, and how many grok. */
function seeds(runs: Group["runs"], x: StepScale): Plot.Markish[] {
  const grokked = runs.flatMap(({ grokkingStep }) => (grokkingStep === null ? [] : [Math.max(grokkingStep, x.domain[0])]));
  return [
    Plot.dot(grokked, {
      ...{ frameAnchor: "top", dy: -9, x: (step: number) => step, r: 3.4, fill: VALIDATION.color, fillOpacity: 0.7 },
      ...{ stroke: "white", strokeWidth: 0.6, ariaDescription: "grokked" },
    }),
    Plot.text([`${grokked.length} of ${runs.length} grok`], {
      ...{ frameAnchor: "top-right", dy: -20, lineAnchor: "bottom", textAnchor: "end", fill: VALIDATION.text },
    }),
  ];
}

/** The finding: in which order groups grok, by median step, how many of a group where not all do, and which don't. */
export function operationFinding(groups: readonly Group[]): string {
  const medians = groups.map(({ name, runs }) => {
    const steps = runs.map(({ grokkingStep }) => grokkingStep), n = steps.filter((step) => step !== null).length;
    return { name, step: medianStep(steps), share: n === runs.length ? "" : ` (${n} of ${runs.length})` };
  });
  const grok = medians.filter(({ step }) => step !== null).sort((a, b) => a.step! - b.step!),
    rest = medians.filter(({ step }) => step === null);
  const first = grok.map(({ name, step, share }, i) =>
    `${tight(name)} ${i === 0 ? "groks around step" : "around"} ${count(step!)}${share}`
  );
  const none = groups.filter(({ name }) => rest.some((each) => each.name === name)).every(({ runs }) =>
    runs.every(({ grokkingStep }) => grokkingStep === null)
  );
  const left = groups.filter(({ name }) => rest.some((each) => each.name === name)).flatMap(({ runs }) => runs.map(followUp));
  const never = `${none ? "none groks" : "most networks don't grok"} ${list(rest.map(({ name }) => tight(name)))} within ${
    watchedWord(left)
  }`;
  if (grok.length === 0) return never[0].toUpperCase() + never.slice(1);
  return `${list(first)}${rest.length > 0 ? `; ${never}` : ""}`;
}
