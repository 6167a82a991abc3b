/** Everything of a training at one glance: accuracy, loss, the norm of the weights, and the weights of one network themselves. */
import type { Inside } from "../analysis/weights.ts";
import { accuracyPanel, type CurveOptions, lossPanel } from "./curves.ts";
import { insideFinding, insidePanels, READING, weightNormPanel } from "./inside.ts";
import { about, type Curve, finding } from "./runs.ts";
import { scaleOfSteps } from "./scale.ts";
import { compose, count, type Figure } from "./theme.ts";

export interface DashboardOptions extends CurveOptions {
  /** The weights of one of the runs; without them, the figure ends with the curves. */
  readonly inside?: Inside;
}

/** Curves over the same steps, median and middle half of the seeds; below them, one network from within. */
export function dashboard(runs: readonly Curve[], { inside, ...options }: DashboardOptions = {}): Figure {
  const { task = about(runs).task, title = finding(runs) } = options;
  const reading = runs.length > 1 ? `Lines: median of ${runs.length} seeds; bands: the middle half of them.` : "One seed.";
  const within = inside
    ? ` Below, seed ${inside.seed} from within at step ${count(inside.step)}. ${insideFinding(inside)}. ${READING}`
    : "";
  return compose({
    title,
    subtitle: `${task ? `${task}. ` : ""}${reading}${within}`,
    panels: [
      accuracyPanel(runs, options, { height: 240, place: "first" }),
      lossPanel(runs, options, { height: 200, place: "middle" }),
      weightNormPanel(runs, scaleOfSteps(runs, options)),
      ...inside ? [insidePanels(inside)] : [],
    ],
  });
}
