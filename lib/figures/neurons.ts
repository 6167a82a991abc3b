/** A neuron's activation as a wave over a, with b fixed. */
import * as Plot from "@observablehq/plot";
import { FAINT, GRID, type Panel, panel, VALIDATION } from "./theme.ts";

export interface Wave {
  /** The neuron's activation for a = 0 … p − 1. */
  readonly values: ArrayLike<number>;
  /** The value of a to mark, of the pair shown. */
  readonly at?: number;
}

/** The activation over a; the y axis includes zero. */
export function wavePanel({ values, at }: Wave, width: number, height = 96): Panel {
  const points = Array.from(values, (value, a) => ({ a, value })), p = points.length;
  const high = Math.max(1e-6, ...points.map(({ value }) => value)), low = Math.min(0, ...points.map(({ value }) => value));
  return panel({
    ...{ width, height, marginLeft: 8, marginRight: 8, marginTop: 8, marginBottom: 22 },
    x: { domain: [0, p - 1], axis: null },
    y: { domain: [low, 1.05 * high], axis: null },
    marks: [
      Plot.ruleY([0], { stroke: GRID }),
      Plot.lineY(points, { x: "a", y: "value", stroke: VALIDATION.color, strokeWidth: 1.8, curve: "monotone-x", ariaDescription: "wave" }),
      Plot.dot(at === undefined ? [] : [points[at]], { x: "a", y: "value", r: 3.5, fill: VALIDATION.color, stroke: "white" }),
      Plot.text(["a = 0"], { frameAnchor: "bottom-left", dy: 16, fill: FAINT, textAnchor: "start" }),
      Plot.text([String(p - 1)], { frameAnchor: "bottom-right", dy: 16, fill: FAINT, textAnchor: "end" }),
    ],
  });
}
