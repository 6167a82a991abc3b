/** Restricted mean times: later events count as happening at the horizon. */
import { meanDifference } from "./compare.ts";
import type { Tested } from "./multiple.ts";
import { permutationTest } from "./permutation.ts";
import { checkSample, critical, type Interval, must, type Observation } from "./sample.ts";

/** The first group's restricted mean minus the second's, in the unit of the times; the interval is that of `difference`. */
export interface RestrictedDifference extends Interval, Tested {
  readonly means: readonly [number, number];
  readonly difference: number;
}

/** min(T, horizon) of each observation, in order. @throws Error where one is censored before the horizon. */
function within(action: string, sample: readonly Observation[], horizon: number): number[] {
  checkSample(action, sample, 0);
  return sample.map(({ time, event }) => {
    must(action, "a time without the event", event || time >= horizon, `must reach the horizon (${horizon})`, time);
    return Math.min(time, horizon);
  });
}

/**
 * The restricted mean E[min(T, horizon)] (Irwin 1949, J. Hyg.; Royston & Parmar 2013, BMC Med. Res. Methodol.). Nothing may be censored
 * before the horizon: then the area under the Kaplan–Meier curve is the plain mean.
 * @throws Error for an empty sample, and for a time that is censored before the horizon.
 */
export function restrictedMean(sample: readonly Observation[], horizon: number): number {
  const times = within("compute a restricted mean", sample, horizon);
  return times.reduce((sum, time) => sum + time, 0) / times.length;
}

/**
 * Two restricted means compared: Welch's interval of their difference, and a permutation test of it. Limits are `null` where neither group
 * varies.
 * @throws Error where `restrictedMean` does, for fewer than two observations in a group, and for a level outside (0, 1).
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
