/** Slingshots, spikes of the training loss late in training, found in a run's evaluations. */
// @ts-types="@types/d3-array"
import { median } from "d3-array";
import type { Metrics } from "../../run/metrics.ts";

/** A spike: the steps of the evaluations at which it begins, is highest, and is over. */
export interface Slingshot {
  readonly from: number;
  readonly peak: number;
  readonly to: number;
  /** The highest loss divided by the median of the losses before it. */
  readonly height: number;
}

export interface SlingshotOptions {
  /** A spike begins where the loss is at least this many times the median before it. Default: 10. */
  readonly factor?: number;
  /** How many evaluations the median before a spike is taken over, and the most that a spike may last. Default: 10. */
  readonly window?: number;
  /** Smaller losses count as this, so that rounding noise near 0 is no spike. Default: 1e-6, a few times the fp32 epsilon. */
  readonly floor?: number;
}

/**
 * The spikes of the training loss, by step. One begins at an evaluation whose loss is `factor` times the median of the `window` before it,
 * or more. It is over at the first one that is halfway back on a logarithmic scale: at most √(peak · median). A loss that isn't back within
 * `window` evaluations doesn't count: it has moved to another level, or the run ended first, as it does where the loss is infinite or NaN:
 * that run has diverged. Spikes shorter than the time between evaluations are missed, so compare runs that are evaluated equally often.
 * After Thilak et al., "The slingshot mechanism" (arXiv 2206.04817, 2022); the thresholds are ours.
 * @throws Error unless factor > 1 and window is a positive whole number.
 */
export function slingshots(metrics: readonly Pick<Metrics, "step" | "trainLoss">[], options: SlingshotOptions = {}): Slingshot[] {
  const { factor = 10, window = 10, floor = 1e-6 } = options, found: Slingshot[] = [];
  const fail = (name: string, must: string, value: number) => {
    throw new Error(`Cannot find slingshots: ${name} must be ${must}, current value is ${value}`);
  };
  if (!(factor > 1)) fail("factor", "above 1", factor);
  if (!(Number.isInteger(window) && window > 0)) fail("window", "a whole number from 1", window);
  const diverged = metrics.findIndex(({ trainLoss }) => !Number.isFinite(trainLoss));
  const losses = metrics.slice(0, diverged < 0 ? metrics.length : diverged).map(({ trainLoss }) => Math.max(floor, trainLoss));
  for (let at = window; at < losses.length; at++) {
    const before = median(losses.slice(at - window, at))!;
    if (losses[at] < factor * before) continue;
    let peak = at, to = at;
    while (to < losses.length && to <= at + window && losses[to] > Math.sqrt(losses[peak] * before)) {
      if (losses[to] > losses[peak]) peak = to;
      to++;
    }
    if (to < losses.length && to <= at + window) {
      const [from, highest, over] = [at, peak, to].map((i) => metrics[i].step);
      found.push({ from, peak: highest, to: over, height: losses[peak] / before });
    }
    at = to;
  }
  return found;
}
