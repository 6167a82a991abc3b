/**
 * Learning curves of several groups in one panel: accuracies over steps, one dash style per group; panels below each other over the same
 * steps.
 */
import * as Plot from "@observablehq/plot";
import { type FollowUp, followUp } from "../analysis/runs/follow_up.ts";
import type { Observation } from "../analysis/statistics/sample.ts";
import { DASHES, type KeyEntry, keyHeight, keyMargin, keyMarks } from "./group_key.ts";
import { placeNames } from "./labels.ts";
import { about, divergedWords } from "./runs.ts";
import { scaleOfSteps, stepAxis, type StepOptions, type StepScale } from "./scale.ts";
import { timesFinding } from "./survival.ts";
import { axes, compose, FAINT, type Figure, HALO, MARGIN, type Panel, panel, TRAIN, VALIDATION, WIDTH } from "./theme.ts";
import { type Band, bands, thin } from "../analysis/runs/bands.ts";
import { medianStep } from "../analysis/runs/times.ts";
import type { Group } from "../analysis/runs/groups.ts";
import { count, list } from "../analysis/words.ts";

export interface TrajectoryPanel {
  /** What its groups have in common: `Small`. */
  readonly name: string;
  /** The groups to compare, at most three. */
  readonly groups: readonly Group[];
}

export interface TrajectoryOptions extends StepOptions {
  readonly task?: string;
  /** Replaces the finding as the title. */
  readonly title?: string;
}

/** The bands of one accuracy of one group. */
interface Drawn {
  readonly series: typeof TRAIN | typeof VALIDATION;
  readonly dash: string;
  readonly points: readonly Band[];
}

/**
 * For each group the median and the quartiles over its runs, for training and validation accuracy; colour and width show which accuracy,
 * the dash which group. Right of the frame, how many runs grokked and their median grokking step, which a vertical line marks too.
 * @throws Error for no panel, a panel without a group or with more than three, and a group without a run.
 */
export function trajectories(panels: readonly TrajectoryPanel[], options: TrajectoryOptions = {}): Figure {
  const fail = (what: string, requirement: string, value: unknown) => {
    throw new Error(`Cannot draw trajectories: ${what} must be ${requirement}, current value is ${value}`);
  };
  if (panels.length === 0) fail("panels", "at least one", 0);
  for (const { name, groups } of panels) {
    if (groups.length === 0 || groups.length > 3) fail(`groups of ${name}`, "from 1 to 3", groups.length);
    for (const { name, runs } of groups) if (runs.length === 0) fail(`runs of ${name}`, "at least one", 0);
  }
  const runs = panels.flatMap(({ groups }) => groups.flatMap((group) => group.runs));
  const { task = about(runs).task, title } = options;
  const keys = panels.map(({ groups }) =>
    groups.map((group, g) => ({ name: group.name, below: saying(group), dash: DASHES[g], width: 2 }))
  );
  const right = keyMargin(keys.flat().flatMap(({ name, below }) => [name, ...below]));
  // `scale.pixel` assumes the usual margin; here it only serves to see how close steps are.
  const scale = scaleOfSteps(runs, options);
  return compose({
    title: title ?? finding(panels),
    subtitle: `${
      task ? `${task}. ` : ""
    }Lines: medians over the seeds; bands: the middle half of them; vertical line: the median step of grokking.${divergedWords(runs)}`,
    panels: panels.map((each, i) => {
      const last = i === panels.length - 1;
      return trajectoryPanel(each, scale, {
        first: i === 0,
        last,
        right,
        height: panels.length === 1 ? 320 : last ? 206 : 186,
        key: keys[i],
      });
    }),
  });
}

const grokking = ({ runs }: Group) => runs.map(({ grokkingStep }) => grokkingStep);

/** How many runs grokked, and the median grokking step. */
function saying(group: Group): string[] {
  const steps = grokking(group), median = medianStep(steps);
  return [
    `${steps.filter((step) => step !== null).length} of ${steps.length} grok`,
    median === null ? "no median" : `median ${count(median)}`,
  ];
}

interface Frame {
  readonly first: boolean;
  readonly last: boolean;
  readonly right: number;
  readonly height: number;
  readonly key: readonly Omit<KeyEntry, "y">[];
}

function trajectoryPanel({ name, groups }: TrajectoryPanel, scale: StepScale, { first, last, right, height, key }: Frame): Panel {
  const top = 34, bottom = last ? MARGIN.bottom : 26;
  const drawn = groups.flatMap(({ runs }, g) =>
    ([[TRAIN, "trainAcc"], [VALIDATION, "valAcc"]] as const).map(([series, field]): Drawn => ({
      series,
      dash: DASHES[g],
      points: thin(bands(runs, field).filter(({ step }) => step >= scale.domain[0]), scale.pixel),
    }))
  );
  const { classes } = about(groups.flatMap(({ runs }) => runs));
  const medians = groups.flatMap((group, g) => {
    const step = medianStep(grokking(group));
    return step === null ? [] : [{ step: Math.max(step, scale.domain[0]), dash: DASHES[g] }];
  });
  const inner = WIDTH - MARGIN.left - right, factor = inner / (WIDTH - MARGIN.left - MARGIN.right);
  const names = placeNames(drawn[0].points, drawn[1].points, {
    x: (step) => MARGIN.left + (scale.pixel(step) - MARGIN.left) * factor,
    y: (share) => height - bottom - (height - bottom - top) * share / 1.03,
    rules: medians.map(({ step }) => MARGIN.left + (scale.pixel(step) - MARGIN.left) * factor),
  });
  return panel({
    height,
    marginTop: top,
    marginBottom: bottom,
    marginRight: right,
    x: { type: scale.type, domain: scale.domain },
    y: { domain: [0, 1.03], clamp: true },
    marks: [
      ...axes(stepAxis(scale, last), { ticks: [0, 0.25, 0.5, 0.75, 1], format: (share) => `${100 * share} %`, label: name }, top),
      ...(classes ? [Plot.ruleY([1 / classes], { stroke: FAINT, strokeDasharray: "1.5 3", ariaDescription: "guessing" })] : []),
      ...drawn.map(({ series, points }) =>
        Plot.areaY(points, {
          x: "step",
          y1: "low",
          y2: "high",
          fill: series.color,
          fillOpacity: 0.15,
          ariaDescription: `${series.name} band`,
        })
      ),
      ...medians.map(({ step, dash }) =>
        Plot.ruleX([step], { stroke: VALIDATION.color, strokeOpacity: 0.75, strokeDasharray: dash, ariaDescription: "median grokked" })
      ),
      ...drawn.map(({ series, dash, points }) =>
        Plot.lineY(points, {
          ...{ x: "step", y: "mid", stroke: series.color, strokeWidth: series.width, strokeDasharray: dash },
          ariaDescription: `${series.name} median`,
        })
      ),
      ...(first ? names : []).map(({ series, step, value, ...at }) =>
        Plot.text([series.name], { x: [step], y: [value], ...at, fill: series.text, fontWeight: 600, fontSize: 13.5, ...HALO })
      ),
      ...keyMarks(key.map((entry, k) => ({ ...entry, y: 0.95 - k * (keyHeight(2) + 8) / (height - bottom - top) })), scale.domain[1]),
    ],
  });
}

const observed = ({ grokked, known }: FollowUp): Observation => ({ time: grokked ?? known, event: grokked !== null });

/** The finding: whether the groups of a panel grok at different steps, by a test; lines and bands alone don't say that. */
function finding(panels: readonly TrajectoryPanel[]): string {
  const alone = panels.every(({ groups }) => groups.length === 1);
  if (alone) return list(panels.map(({ name, groups: [group] }) => `${name || group.name}: ${saying(group).join(", ")}`));
  const timed = panels.map(({ name, groups }) => {
    const times = groups.map(({ name, runs }) => ({
      name,
      times: runs.map(followUp).filter(({ known }) => known > 0).map(observed),
    }));
    const begun = times.filter(({ times }) => times.length > 0);
    // Nothing is known of one: no test.
    return { name, groups: begun, ...begun.length < groups.length ? { tested: { p: null, least: null } } : {} };
  });
  return timed.some(({ groups, tested }) => groups.length > 1 && !tested)
    ? timesFinding(timed)
    : "Which of them groks sooner isn't known yet";
}
