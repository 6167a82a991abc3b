/** When runs memorised and when they grokked, seed by seed and knob by knob; a run that was not seen to grok says so. */
import * as Plot from "@observablehq/plot";
import { about, type Curve, finding, lastStep, medianStep } from "./runs.ts";
import { scaleOfSteps, stepAxis, type StepOptions, type StepScale } from "./scale.ts";
import { axes, compose, count, FAINT, type Figure, HALO, INK, MARGIN, type Panel, panel, textWidth, TRAIN, VALIDATION } from "./theme.ts";

/** The mark of a run that was not seen to grok: an open triangle that points on, into the steps nobody watched. */
const NOT_SEEN = {
  symbol: "triangle",
  rotate: 90,
  r: 4.5,
  stroke: VALIDATION.color,
  strokeWidth: 1.6,
  fill: "white",
  ariaDescription: "not grokked",
} as const;

/** One row of the strip: the run's steps, and how long it was watched. */
export interface StripRow {
  readonly seed: number;
  readonly memorised: number | null;
  readonly grokked: number | null;
  readonly watched: number;
}

/** Rows in the order of grokking; the runs not seen to grok come last. */
export function stripRows(runs: readonly Curve[]): StripRow[] {
  const late = ({ grokked }: StripRow) => grokked ?? Number.MAX_VALUE;
  return runs
    .map((run) => ({
      seed: run.spec.seed,
      memorised: run.memorisationStep,
      grokked: run.grokkingStep,
      watched: run.metrics.at(-1)?.step ?? 0,
    }))
    .sort((a, b) => late(a) - late(b) || a.seed - b.seed);
}

/** The task, and a full stop. */
function taskOf(runs: readonly Curve[], { task = about(runs).task }: StepsOptions): string {
  return task ? `${task}. ` : "";
}

interface StepsOptions extends StepOptions {
  readonly task?: string;
  readonly title?: string;
}

/** A row a seed: circle where it memorised, dot where it grokked, an arrow where it had not when training ended. */
export function grokkingSteps(runs: readonly Curve[], options: StepsOptions = {}): Figure {
  return compose({
    title: options.title ?? finding(runs),
    subtitle: `${taskOf(runs, options)}A row a seed. Circle: memorised; dot: grokked; open triangle: not grokked when training ended.`,
    panels: [stepsPanel(runs, scaleOfSteps(runs, options))],
  });
}

export function stepsPanel(runs: readonly Curve[], scale: StepScale): Panel {
  const rows = stripRows(runs);
  const at = (step: number) => Math.max(step, scale.domain[0]);
  const y = (row: StripRow) => rows.indexOf(row);
  const memorised = rows.filter((row) => row.memorised !== null);
  const grokked = rows.filter((row) => row.grokked !== null), censored = rows.filter((row) => row.grokked === null);
  const start = (row: StripRow) => at(row.memorised ?? 0);
  return panel({
    marginTop: MARGIN.close,
    height: MARGIN.close + MARGIN.bottom + 20 * rows.length,
    x: { type: scale.type, domain: scale.domain },
    y: { type: "band", domain: rows.map((_, i) => i), padding: 0 },
    marks: [
      ...axes(stepAxis(scale), { ticks: rows.map((_, i) => i), format: (i) => String(rows[i].seed), label: "Seed" }, MARGIN.close),
      Plot.ruleY(grokked, { x1: start, x2: (row) => at(row.grokked!), y, stroke: FAINT, strokeWidth: 1.2 }),
      Plot.ruleY(censored, { x1: start, x2: (row) => at(row.watched), y, stroke: FAINT, strokeWidth: 1.2, strokeDasharray: "2 3" }),
      Plot.dot(memorised, { x: start, y, r: 4, stroke: TRAIN.color, strokeWidth: 1.8, fill: "white", ariaDescription: "memorised" }),
      Plot.dot(grokked, { x: (row) => at(row.grokked!), y, r: 5, fill: VALIDATION.color, ariaDescription: "grokked" }),
      Plot.dot(censored, { x: (row) => at(row.watched), y, ...NOT_SEEN }),
      Plot.text(rows, {
        x: (row) => at(row.grokked ?? row.watched),
        y,
        text: (row) => row.grokked === null ? `> ${count(row.watched)}` : count(row.grokked),
        textAnchor: "start",
        dx: 10,
        fill: VALIDATION.text,
        ...HALO,
      }),
    ],
  });
}

/** Runs that have a setting in common. */
export interface Group {
  /** The setting: `0.3`. */
  readonly name: string;
  readonly runs: readonly Curve[];
}

/** Runs by what sets them apart: by size where it is a number, else in the order in which they come. */
export function groupsBy<T extends Curve, Key extends string | number>(runs: readonly T[], keyOf: (run: T) => Key): Group[] {
  const size = (key: Key) => (typeof key === "number" ? key : 0);
  return [...Map.groupBy(runs, keyOf)].sort(([a], [b]) => size(a) - size(b)).map(([key, runs]) => ({ name: String(key), runs }));
}

export interface GroupOptions extends StepsOptions {
  /** What the groups differ in: `Weight decay`. */
  readonly knob: string;
}

/** A row a setting: per seed a circle where it memorised and a dot where it grokked, a bar at the median, a triangle for each that did not. */
export function grokkingByGroup(groups: readonly Group[], options: GroupOptions): Figure {
  const right = 100;
  const scale = scaleOfSteps(groups.flatMap((group) => group.runs), options);
  const at = (step: number) => Math.max(step, scale.domain[0]);
  // The seeds of a setting stand a little apart, so that equal steps don't hide each other.
  const apart = (i: number) => 0.5 * ((i * 0.618) % 1 - 0.5);
  const rows = groups.flatMap(({ runs }, g) => stripRows(runs).map((row, i) => ({ ...row, y: g + apart(i) })));
  const medians = groups.map(({ runs }, y) => ({ y, step: medianStep(runs.map((run) => run.grokkingStep)) })).filter(({ step }) =>
    step !== null
  );
  const shares = groups.map(({ runs }) => `${runs.filter((run) => run.grokkingStep !== null).length} of ${runs.length}`);
  const end = { dx: right - 16, textAnchor: "end", fontWeight: 600 } as const;
  return compose({
    title: options.title ?? groupFinding(groups, options.knob),
    subtitle: `${taskOf(groups.flatMap((group) => group.runs), options)}Circle: memorised; dot: grokked; triangle: not; bar: median.`,
    panels: [panel({
      marginTop: MARGIN.close,
      height: MARGIN.close + MARGIN.bottom + 46 * groups.length,
      marginLeft: Math.max(MARGIN.left, 28 + Math.max(...groups.map((group) => textWidth(group.name)))),
      marginRight: right,
      x: { type: scale.type, domain: scale.domain },
      y: { domain: [groups.length - 0.5, -0.5] },
      marks: [
        ...axes(stepAxis(scale), { ticks: groups.map((_, i) => i), format: (i) => groups[i].name, label: options.knob }, MARGIN.close),
        Plot.dot(rows.filter((row) => row.memorised !== null), {
          x: (row) => at(row.memorised!),
          y: "y",
          r: 3.5,
          stroke: TRAIN.color,
          strokeWidth: 1.4,
          fill: "white",
          ariaDescription: "memorised",
        }),
        Plot.ruleX(medians, {
          x: ({ step }) => at(step!),
          y1: ({ y }) => y - 0.36,
          y2: ({ y }) => y + 0.36,
          stroke: INK,
          strokeWidth: 2.2,
          ariaDescription: "median grokked",
        }),
        Plot.dot(rows.filter((row) => row.grokked !== null), {
          x: (row) => at(row.grokked!),
          y: "y",
          r: 4.5,
          fill: VALIDATION.color,
          stroke: "white",
          strokeWidth: 0.8,
          ariaDescription: "grokked",
        }),
        Plot.dot(rows.filter((row) => row.grokked === null), { x: (row) => at(row.watched), y: "y", ...NOT_SEEN }),
        Plot.text(shares, { x: scale.domain[1], y: (_, i) => i, text: (share: string) => share, ...end }),
        Plot.text(["Grokked"], { frameAnchor: "top-right", dy: 4 - MARGIN.close, lineAnchor: "top", ...end }),
      ],
    })],
  });
}

/** What the settings do, in one sentence: the best of them against the worst. */
export function groupFinding(groups: readonly Group[], knob: string): string {
  const ranked = groups.map(({ name, runs }) => {
    const steps = runs.map((run) => run.grokkingStep);
    return { name, of: runs.length, n: steps.filter((step) => step !== null).length, step: medianStep(steps) };
  }).sort((a, b) => (a.step ?? Number.MAX_VALUE) - (b.step ?? Number.MAX_VALUE) || b.n - a.n);
  const best = ranked[0], worst = ranked.at(-1)!, word = knob.toLowerCase();
  const within = `within ${count(lastStep(groups.flatMap((group) => group.runs)))} steps`;
  if (best.step === null) return `At no ${word} does more than half of the networks grok ${within}`;
  const rest = worst.step !== null
    ? `they grok around step ${count(worst.step)}`
    : worst.n === 0
    ? `none does`
    : `only ${worst.n} of ${worst.of} do`;
  return `With ${word} ${best.name}, networks grok around step ${count(best.step)}; with ${worst.name}, ${rest}`;
}
