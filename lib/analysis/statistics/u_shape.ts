/**
 * Whether more of something helps at first and then harms: times along a setting that are shortest in the middle. Above the critical ratio, does excess
 * capacity delay grokking?
 */
import { knownUntil } from "./comparison.ts";
import { laterThanAny, type ManyToOneOptions } from "./many_to_one.ts";
import { checkSample, must, type Observation } from "./sample.ts";
import { kaplanMeier, restrictedMean, type RestrictedMeanDifference, restrictedMeanDifference } from "./survival.ts";

/** The runs at a value of the setting. */
export interface Timed {
  readonly x: number;
  readonly times: readonly Observation[];
}

/** An end of the setting's range against the value at which times are shortest. */
export interface Arm {
  readonly x: number;
  /** Runs at the end and at the best value, and how many of them had the event. */
  readonly n: readonly [number, number];
  readonly events: readonly [number, number];
  /** Mean time until the event or until tau, at the end minus at the best value; its interval makes up for the best having been chosen. */
  readonly difference: RestrictedMeanDifference;
  /** The one mean as a multiple of the other. */
  readonly ratio: number;
  /** Of the test that the end takes longer than no other value. */
  readonly p: number;
  /** What `p` can't be below with so many runs. */
  readonly least: number;
}

export interface UShape {
  /** `u`: both ends take longer than the best value. `rises`, `falls`: only the largest, only the smallest value does. `none`: neither is shown to. */
  readonly verdict: "u" | "rises" | "falls" | "none";
  /** The value with the shortest mean. */
  readonly best: number;
  /** `null` where the best value is that end. */
  readonly smallest: Arm | null;
  readonly largest: Arm | null;
  /** By value, ascending. */
  readonly means: readonly { readonly x: number; readonly mean: number; readonly n: number; readonly events: number }[];
  /** Where means are cut off: the longest time that all values are known for. */
  readonly tau: number;
  readonly n: number;
}

export interface UShapeOptions extends ManyToOneOptions {
  /** Of the intervals; tests are at 1 − level. Default: 0.95. */
  readonly level?: number;
}

/**
 * Both ends of the range, each tested against all other values by Steel's many-one rank test for censored times (`laterThanAny`), which allows for the
 * best of them having been looked up; a U takes both. Effects are differences in restricted means, with intervals at the level that Bonferroni's
 * inequality asks for as many choices as there are other values. This is Simonsohn's (2018) demand on a U, an effect on each side with its own test,
 * without his lines: times are censored, and few values stand on either side.
 * @param groups at each value that is to count, those above the critical one, say, the runs' times, censored where they were watched no longer.
 * @throws Error for fewer than two values, the same value twice, an empty sample, and times that are negative or not finite.
 */
export function uShape(groups: readonly Timed[], { level = 0.95, ...drawn }: UShapeOptions = {}): UShape {
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
  const curves = sorted.map(({ times }) => kaplanMeier(times)), chosen = 1 - (1 - level) / (sorted.length - 1);
  const tau = Math.min(...curves.map(knownUntil), Math.max(...sorted.flatMap(({ times }) => times.map(({ time }) => time))));
  const means = curves.map((curve, i) => ({ x: sorted[i].x, mean: restrictedMean(curve, tau).mean, n: curve.n, events: curve.events }));
  const best = means.reduce((least, { mean }, i) => (mean < means[least].mean ? i : least), 0);
  const arm = (end: number): Arm | null => {
    if (end === best) return null;
    const { p, least } = laterThanAny(sorted[end].times, sorted.filter((_, i) => i !== end).map(({ times }) => times), drawn);
    return {
      x: sorted[end].x,
      n: [curves[end].n, curves[best].n],
      events: [curves[end].events, curves[best].events],
      difference: restrictedMeanDifference(curves[end], curves[best], tau, chosen),
      ratio: means[end].mean / means[best].mean,
      p,
      least,
    };
  };
  const smallest = arm(0), largest = arm(sorted.length - 1);
  const [left, right] = [smallest, largest].map((each) => each !== null && each.p < 1 - level);
  const verdict = left && right ? "u" : right ? "rises" : left ? "falls" : "none";
  return { verdict, best: sorted[best].x, smallest, largest, means, tau, n: means.reduce((sum, { n }) => sum + n, 0) };
}
