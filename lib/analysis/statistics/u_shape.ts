/**
 * A test for a U shape: times along a setting that are shortest in the middle. Above the critical ratio, does excess capacity delay
 * grokking?
 */
import { laterAtEnd, type LaterOptions } from "./later_at_end.ts";
import type { Tested } from "./multiple.ts";
import { alphaOf, checkSample, must, type Observation, watchedAlike } from "./sample.ts";

/** The runs at a value of the setting. */
export interface Timed {
  readonly x: number;
  readonly times: readonly Observation[];
}

/** An end of the setting's range compared with the value at which times are shortest. */
export interface Arm extends Tested {
  readonly x: number;
  /** Runs at the end and at the best value, and how many of them had the event. */
  readonly n: readonly [number, number];
  readonly events: readonly [number, number];
  /** Mean time until the event or until tau at the end, minus that at the best value. */
  readonly difference: number;
  /** The mean at the end divided by that at the best value; 1 where both are the same, 0 among them. */
  readonly ratio: number;
  /**
   * Lower bound of how many times as long the end takes as the fastest value, by the test of `p`; Infinity where times of 0 at the other
   * values leave no factor, `null` where the samples are too small.
   */
  readonly atLeast: number | null;
  /** p of the test that the end takes no longer than any other value. */
  readonly p: number;
  readonly least: number;
}

export interface UShape {
  /**
   * `u`: both ends are shown to take longer than some other value. `rises`: only the largest value is. `falls`: only the smallest is.
   * `none`: neither is.
   */
  readonly verdict: "u" | "rises" | "falls" | "none";
  /** The value with the shortest mean. */
  readonly best: number;
  /** `null` where the best value is that end. */
  readonly smallest: Arm | null;
  readonly largest: Arm | null;
  /** By value, ascending. */
  readonly means: readonly { readonly x: number; readonly mean: number; readonly n: number; readonly events: number }[];
  /** The horizon of the means: the time up to which all runs were watched. */
  readonly tau: number;
  readonly n: number;
}

/**
 * Tests each end of the range against the other values (`laterAtEnd`), which allows for choosing the best of them from the data; a U needs
 * both. An effect on each side with its own test is what Simonsohn (2018, "Two lines", AMPPS) demands of a U; his regression lines are left
 * out, since times are censored and few values lie on either side.
 * @param groups the runs' times at each value of the setting that is to count, such as those above the critical one.
 * @throws Error for fewer than two values, the same value twice, an empty sample, and times that are negative or not finite.
 */
export function uShape(groups: readonly Timed[], options: LaterOptions = {}): UShape {
  const { sorted, means, tau, best, arm } = ends(groups, options);
  const smallest = arm(0), largest = arm(sorted.length - 1);
  const [left, right] = [smallest, largest].map((each) => each !== null && each.p < alphaOf(options.level ?? LEVEL));
  const verdict = left && right ? "u" : right ? "rises" : left ? "falls" : "none";
  return { verdict, best: sorted[best].x, smallest, largest, means, tau, n: means.reduce((sum, { n }) => sum + n, 0) };
}

/** What `uShape` says of the largest value, for half of its work. @throws Error where it does. */
export function largestCompared(groups: readonly Timed[], options: LaterOptions = {}): Pick<UShape, "best" | "largest"> {
  const { sorted, best, arm } = ends(groups, options);
  return { best: sorted[best].x, largest: arm(sorted.length - 1) };
}

/** Level of the lower bounds, and of the verdict. */
const LEVEL = 0.95;

/** The groups by value, their means, which one is the best, and the comparison of the one at an end with the others. */
function ends(groups: readonly Timed[], { level = LEVEL, ...drawn }: LaterOptions) {
  const action = "look for a U", sorted = groups.toSorted((a, b) => a.x - b.x);
  must(action, "values", sorted.length > 1, "must be at least two", sorted.length);
  must(
    action,
    "a value",
    sorted.every(({ x }, i) => i === 0 || x > sorted[i - 1].x),
    "must come once",
    sorted.map(({ x }) => x).join(", "),
  );
  for (const { times } of sorted) checkSample(action, times, 0);
  const samples = watchedAlike(sorted.map(({ times }) => times)), tau = Math.max(...samples.flat().map(({ time }) => time));
  const means = samples.map((sample, i) => ({
    x: sorted[i].x,
    mean: sample.reduce((sum, { time }) => sum + time, 0) / sample.length,
    n: sample.length,
    events: sample.filter(({ event }) => event).length,
  }));
  const best = means.reduce((least, { mean }, i) => (mean < means[least].mean ? i : least), 0);
  const arm = (end: number): Arm | null => {
    if (end === best) return null;
    const others = end === 0 ? samples.slice(1) : samples.slice(0, -1).reverse();
    return {
      x: sorted[end].x,
      n: [means[end].n, means[best].n],
      events: [means[end].events, means[best].events],
      difference: means[end].mean - means[best].mean,
      ratio: means[end].mean === means[best].mean ? 1 : means[end].mean / means[best].mean,
      ...laterAtEnd(samples[end], others, { level, ...drawn }),
    };
  };
  return { sorted, means, tau, best, arm };
}
