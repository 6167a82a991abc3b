/** Spikes of the training loss late in training: slingshots, found in a run's evaluations. Pure. */
// @ts-types="@types/d3-array"
import { median } from "d3-array";
import type { Metrics } from "../../run/metrics.ts";

/** A spike: the evaluations where it begins, is highest, and is over. */
export interface Slingshot {
  readonly from: number;
  readonly peak: number;
  readonly to: number;
  /** The highest loss over the median of those before. */
  readonly height: number;
}

export interface SlingshotOptions {
  /** How many times the median before it a loss must be. Default: 10. */
  readonly factor?: number;
  /** Evaluations before it whose median is compared with, and within which it must be over. Default: 10. */
  readonly window?: number;
  /** Losses below count as this, so that what rounding leaves of a loss near 0 is no spike. Default: 1e-6, some eps of fp32. */
  readonly floor?: number;
}

/**
 * The spikes of the training loss, in their order. One begins at an evaluation whose loss is `factor` times the median of the `window`
 * before it, or more. It is over at the first one that is half of the way back on a logarithmic scale: at most √(peak · median). A loss
 * that isn't back within `window` evaluations has moved to another level, or the run has ended first: neither counts. Spikes that are
 * shorter than the time between evaluations are missed, so compare runs that are evaluated equally often. After Thilak et al., "The
 * slingshot mechanism" (arXiv 2206.04817, 2022); these thresholds are ours.
 */
export function slingshots(metrics: readonly Pick<Metrics, "step" | "trainLoss">[], options: SlingshotOptions = {}): Slingshot[] {
  const { factor = 10, window = 10, floor = 1e-6 } = options, found: Slingshot[] = [];
  const fail = (name: string, must: string, value: number) => {
    throw new Error(`Cannot find slingshots: ${name} must be ${must}, current value is ${value}`);
  };
  if (!(factor > 1)) fail("factor", "above 1", factor);
  if (!(Number.isInteger(window) && window > 0)) fail("window", "a whole number from 1", window);
  const losses = metrics.map(({ trainLoss }) => Math.max(floor, trainLoss));
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
