/** Runs of a map of widths and weight decays, each of which groks when it is told to. */
import { grid, range } from "../../lib/lab/experiment.ts";
import type { BoardRun } from "../../lib/analysis/runs/run.ts";

export const STEPS = 20_000, DIMS = [72, 96, 120, 144, 192, 388], DECAYS = [0.01, 0.1, 1];
/** Runs of a map that grok when `at` says, if they do. */
export const runsOf = (
  at: (ratio: number, decay: number, seed: number) => number | null,
  dims = DIMS,
  decays = DECAYS,
  seeds = 5,
): BoardRun[] =>
  grid({
    preset: "boundaries",
    model: { dModel: dims },
    optim: { weightDecay: decays },
    schedule: { steps: STEPS },
    seed: range(seeds),
  }).map((spec) => {
    const grokkingStep = at(spec.model.dModel / spec.data.prime, spec.optim.weightDecay, spec.seed);
    return { spec, status: "finished", step: STEPS, memorisationStep: 100, grokkingStep };
  });
/** Nothing below 1.2 at decay 0.1, nothing below 1.9 at 0.01, all at 1; the sooner, the more of both; too much width delays. */
export const runs = runsOf((ratio, decay, seed) =>
  ratio > 1.1 - 0.8 * Math.log10(decay) - 0.8 ? Math.round((400 + 40 * seed + (ratio > 3 ? 400 : 0)) / Math.sqrt(decay)) : null
);
