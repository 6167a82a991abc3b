/** The speed of training: as work grows along several axes, and how the time of a step divides among kernels. */
import * as Plot from "@observablehq/plot";
import { quantile } from "d3-array";
import { axes, compose, FAINT, type Figure, HALO, INK, MARGIN, type Panel, panel, textWidth, ticks, TRAIN, WIDTH } from "./theme.ts";
import { count, percent } from "../analysis/words.ts";
import type { Profile, Scaling, ScalingAxis, ScalingPoint } from "../analysis/speed.ts";
import { type Kind, kindsOf } from "../analysis/speed.ts";

const NAMES: Readonly<Record<ScalingAxis, string>> = {
  rows: "Runs at once",
  dModel: "Width d_model",
  layers: "Layers",
  batch: "Examples per update",
  threads: "Threads",
};
const HEIGHT = 270, TOP = 44, BAR = 20;
/** The line of measured values; the expectation from the number of operations is grey and dashed. */
const LINE = { stroke: TRAIN.color, strokeWidth: 1.8 } as const;

/** A measured point, in run-steps per second; `expected` scales the axis's first point by the number of operations alone. */
interface Measured {
  readonly value: number;
  readonly median: number;
  readonly least: number;
  readonly most: number;
  readonly expected: number;
}

function measured(points: readonly ScalingPoint[], axis: ScalingAxis): Measured[] {
  const own = points.filter((point) => point.axis === axis && point.runStepsPerSecond.length > 0);
  const middle = ({ runStepsPerSecond }: ScalingPoint) => quantile([...runStepsPerSecond].sort((a, b) => a - b), 0.5)!;
  return own.map((point) => ({
    value: point.value,
    median: middle(point),
    least: Math.min(...point.runStepsPerSecond),
    most: Math.max(...point.runStepsPerSecond),
    expected: middle(own[0]) * own[0].flop / point.flop,
  }));
}

/**
 * One panel per axis, all else as in the AI-Scientist baseline. A dot is the median over the repetitions, with their minimum and maximum;
 * the dashed line assumes that a step's time is proportional to its operations: points above it mean that larger work runs more
 * efficiently.
 * @throws Error where no axis has two measured points.
 */
export function scalingFigure({ points }: Scaling, { machine, title }: { readonly machine: string; readonly title?: string }): Figure {
  const panels = (Object.keys(NAMES) as ScalingAxis[]).map((axis) => ({ axis, at: measured(points, axis) })).filter(({ at }) =>
    at.length > 1
  );
  if (panels.length === 0) throw new Error("Cannot draw how speed scales: two points of an axis must be measured, current value is none");
  const rates = panels.flatMap(({ at }) => at.flatMap(({ least, most, expected }) => [least, most, expected]));
  const domain: [number, number] = [Math.min(...rates) / 1.3, Math.max(...rates) * 1.3];
  const drawn = panels.map(({ axis, at }, i) => scalingPanel(axis, at, domain, i % 2 === 0));
  return compose({
    title: title ?? finding(panels.find(({ axis }) => axis === "rows")?.at),
    subtitle: `${machine}. Run-steps per second; all but the panel's own axis: two layers of width 128, 512 examples. Dot: median of the ` +
      "turns, with least and most. Dashed: if the time of a step grew as its operations do.",
    panels: drawn.flatMap((_, i) => (i % 2 === 0 ? [drawn.slice(i, i + 2)] : [])),
  });
}

/** The finding: the speed of many runs at once compared with one. */
function finding(rows?: readonly Measured[]): string {
  if (!rows) return "Speed as work grows";
  const [first, last] = [rows[0], rows[rows.length - 1]], times = Number((last.median / first.median).toPrecision(2));
  const few = first.value === 1 ? "one" : count(first.value);
  if (times <= 1.1) return `${count(last.value)} runs at once make no more run-steps per second than ${few}`;
  return `${count(last.value)} runs at once make ${times} times as many run-steps per second as ${few}`;
}

function scalingPanel(axis: ScalingAxis, at: readonly Measured[], domain: [number, number], left: boolean): Panel {
  const values = at.map(({ value }) => value);
  return panel({
    width: WIDTH / 2,
    height: HEIGHT,
    marginTop: TOP,
    marginBottom: 34,
    marginLeft: left ? MARGIN.left : 50,
    marginRight: 22,
    x: { type: "log", domain: [values[0] / 1.25, values[values.length - 1] * 1.25] },
    y: { type: "log", domain },
    marks: [
      ...axes({ ticks: [], label: null }, { ticks: ticks(domain[0], domain[1], "log"), format: shown, label: "" }, TOP),
      Plot.text([NAMES[axis]], { frameAnchor: "top-left", dy: -10, lineAnchor: "bottom", textAnchor: "start", fontWeight: 600 }),
      Plot.axisX(values, { tickSize: 4, text: count, label: null, color: FAINT }),
      // For runs at once, the expectation is the same at every R.
      Plot.lineY(at, { x: "value", y: "expected", stroke: FAINT, strokeWidth: 1.2, strokeDasharray: "4 4", ariaDescription: "expected" }),
      Plot.lineY(at, { x: "value", y: "median", ...LINE }),
      Plot.ruleX(at, { x: "value", y1: "least", y2: "most", ...LINE }),
      Plot.dot(at, { x: "value", y: "median", r: 4, fill: TRAIN.color, stroke: "white" }),
    ],
  });
}

const shown = (rate: number) => (rate >= 10 ? count(rate) : String(Number(rate.toPrecision(2))));

/** One bar per kind of kernel: its share of the step's time; the filled part is the time it would take at the adapter's measured peak. */
export function profileFigure(profile: Profile, { machine, title }: { readonly machine: string; readonly title?: string }): Figure {
  const kinds = kindsOf(profile), say = (share: number) => (share < 0.005 ? "under 1 %" : percent(share));
  const left = 34 + Math.max(...kinds.map(({ name }) => textWidth(name))), most = Math.max(...kinds.map(({ share }) => share));
  const products = kinds.filter(({ name }) => /product|weight gradients/i.test(name)).reduce((sum, { share }) => sum + share, 0);
  const milliseconds = kinds.reduce((sum, kind) => sum + kind.milliseconds, 0);
  return compose({
    title: title ?? `Products take ${say(products)} of a step`,
    subtitle: `${machine}. ${profile.work}, ${profile.rows} run${profile.rows > 1 ? "s" : ""} at once: ${
      milliseconds >= 10 ? count(milliseconds) : milliseconds.toFixed(1)
    } ms per step, kernels timed one by one. Filled: what they would take at the adapter's measured peak (${
      count(profile.peak.flops / 1e9)
    } GFLOP/s of multiply-adds, ${shown(profile.peak.bytes / 1e9)} GB/s copied).`,
    panels: [panel({
      height: 16 + BAR * 1.5 * kinds.length,
      marginTop: 8,
      marginBottom: 8,
      marginLeft: left,
      marginRight: 170,
      x: { domain: [0, most], axis: null },
      y: { type: "band", domain: kinds.map(({ name }) => name), padding: 0.3 },
      marks: [
        Plot.axisY({ tickSize: 0, label: null, color: INK }),
        Plot.barX(kinds, { x: "share", y: "name", fill: "#d9e3ef", stroke: TRAIN.color }),
        Plot.barX(kinds, { x: ({ share, ofPeak }: Kind) => share * Math.min(1, ofPeak), y: "name", fill: TRAIN.color }),
        Plot.text(kinds, {
          x: "share",
          y: "name",
          text: ({ share, ofPeak }: Kind) => `${say(share)}, ${ofPeak > 1 ? "at the peak or above" : `at ${say(ofPeak)} of the peak`}`,
          textAnchor: "start",
          dx: 6,
          fill: INK,
          ...HALO,
        }),
      ],
    })],
  });
}
