/** Restricted means: the mean time within a horizon, what hasn't happened by then counted with the horizon. */
import { meanDifference } from "./compare.ts";
import type { Tested } from "./multiple.ts";
import { permutationTest } from "./permutation.ts";
import { checkSample, critical, type Interval, must, type Observation } from "./sample.ts";

/** By how much the first group's restricted mean lies above the second's, in the unit of the times; the interval is the difference's. */
export interface RestrictedDifference extends Interval, Tested {
  readonly means: readonly [number, number];
  readonly difference: number;
}

/** min(T, horizon) of each, in order. @throws Error where one was watched for less, so that it isn't known. */
function within(action: string, sample: readonly Observation[], horizon: number): number[] {
  checkSample(action, sample, 0);
  return sample.map(({ time, event }) => {
    must(action, "a time without the event", event || time >= horizon, `must reach the horizon (${horizon})`, time);
    return Math.min(time, horizon);
  });
}

/**
 * The restricted mean E[min(T, horizon)] (Irwin 1949; Royston & Parmar 2013), where nothing is censored before the horizon: then the area
 * under the Kaplan–Meier curve is the plain mean.
 * @throws Error for an empty sample, and for a time that is censored before the horizon.
 */
export function restrictedMean(sample: readonly Observation[], horizon: number): number {
  const times = within("compute a restricted mean", sample, horizon);
  return times.reduce((sum, time) => sum + time, 0) / times.length;
}

/**
 * Two restricted means compared: Welch's interval of the difference, and the permutation test of the same difference. Limits are `null`
 * where neither group varies.
 * @throws Error where `restrictedMean` does, for fewer than two in a group, and for a level outside (0, 1).
 */
export function restrictedDifference(
  a: readonly Observation[],
  b: readonly Observation[],
  horizon: number,
  level = 0.95,
): RestrictedDifference {
  critical(level); // checks it
  const [first, second] = [a, b].map((sample) => within("compare restricted means", sample, horizon));
  const { difference, low, high } = meanDifference(first, second, level), { p, least } = permutationTest([{ a: first, b: second }]);
  return { means: [restrictedMean(a, horizon), restrictedMean(b, horizon)], difference, low, high, p, least };
}
