/** Training at a glance: accuracy, loss, the weight norm, and the weights of one network. */
import type { Inside } from "../analysis/network/weights.ts";
import { accuracyPanel, type CurveOptions, howToRead, lossPanel, weightNormPanel, zeroWords } from "./curves.ts";
import { insideFinding, insidePanels, READING } from "./inside.ts";
import { finding } from "./runs.ts";
import { scaleOfSteps } from "./scale.ts";
import { compose, type Figure } from "./theme.ts";
import type { Curve } from "../analysis/runs/run.ts";
import { count } from "../analysis/words.ts";

export interface DashboardOptions extends CurveOptions {
  /** The weights of one of the runs; without them, the figure ends with the curves. */
  readonly inside?: Inside;
}

/** Curves over the same steps, median and quartiles over the seeds; below them, the weights of one network. */
export function dashboard(runs: readonly Curve[], { inside, ...options }: DashboardOptions = {}): Figure {
  const { task, title = finding(runs) } = options;
  const within = inside ? ` Below, inside seed ${inside.seed} at step ${count(inside.step)}. ${insideFinding(inside)}. ${READING}` : "";
  return compose({
    title,
    subtitle: howToRead(runs, task) + zeroWords(runs) + within,
    panels: [
      accuracyPanel(runs, options, { height: 240, place: "first" }),
      lossPanel(runs, options, { height: 200, place: "middle" }),
      weightNormPanel(runs, scaleOfSteps(runs, options)),
      ...inside ? [insidePanels(inside)] : [],
    ],
  });
}
