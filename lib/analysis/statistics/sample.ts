/**
 * Observations, the data of the statistics. A run that never grokked has no late grokking step: all we know is that it hadn't grokked by
 * its last step. Such a time is right-censored, and every function here that takes an `Observation` treats it so.
 */
import "./storage.ts";
import { qnorm } from "lib-r-math.js";

/**
 * How long something was watched, in steps or any other unit, and whether it then had the event (`false`: right-censored, the event comes
 * later if at all).
 */
export interface Observation {
  readonly time: number;
  readonly event: boolean;
  /** How long it would have been watched without the event, at least `time`. Default: for a censored observation its time, else unknown. */
  readonly until?: number;
  /**
   * What a test assigns to a group as a whole: the runs of one unit stay together. For groups that differ in what all runs of a unit share,
   * as large and small networks do. Default: every run is its own.
   */
  readonly unit?: string;
}

/** Two groups of runs that may be censored. */
export interface ObservedPair {
  readonly a: readonly Observation[];
  readonly b: readonly Observation[];
}

/** A confidence interval; `null` for a limit that the data don't give (not reached, or no variance). */
export interface Interval {
  readonly low: number | null;
  readonly high: number | null;
}

/** Uncensored values as observations. */
export function complete(values: readonly number[]): Observation[] {
  return values.map((time) => ({ time, event: true }));
}

/**
 * Which of two comes later: 1 (a), −1 (b), or 0 where both events have the same time or censoring hides the order. A run censored at t has
 * its event after t, so at equal times the event comes first (Gehan 1965, Biometrika).
 */
export function order(a: Observation, b: Observation): -1 | 0 | 1 {
  if (b.event && (a.time > b.time || a.time === b.time && !a.event)) return 1;
  if (a.event && (b.time > a.time || a.time === b.time && !b.event)) return -1;
  return 0;
}

/**
 * The samples cut to the same follow-up for all runs, which permutation tests of censored times need: else runs that were stopped early
 * would be exchanged with runs that were watched for long. Events after the common horizon become censored there. Where every run has
 * `until`, the horizon is the one that keeps the most runs × time with at least one run in every sample; runs that would have been watched
 * for less are left out, with or without an event. Else it is the earliest censored time.
 *
 * The runs that are left have one `until` for all, or none: else a test that multiplies one sample's times by several factors, and calls
 * this for each, would leave out other runs each time.
 */
export function watchedAlike<Samples extends readonly (readonly Observation[])[]>(
  samples: Samples,
): { [K in keyof Samples]: Observation[] } {
  const horizon = horizonOf(samples);
  const kept = samples.map((sample) => sample.filter(({ until = horizon }) => horizon === Infinity || until >= horizon));
  const untils = kept.flat().map(({ until }) => until ?? null), least = Math.min(horizon, ...untils.filter((until) => until !== null));
  const alike = kept.map((sample) =>
    sample.map(({ until: _, ...each }): Observation => ({
      ...each,
      ...each.time > horizon ? { time: horizon, event: false } : {},
      ...untils.includes(null) ? {} : { until: least },
    }))
  );
  return alike as { [K in keyof Samples]: Observation[] };
}

/** The common horizon of the samples; `Infinity` where nothing is censored. */
export function horizonOf(samples: readonly (readonly Observation[])[]): number {
  const all = samples.flat(), last = all.reduce((latest, { time }) => Math.max(latest, time), -Infinity);
  const censored = all.filter(({ event }) => !event).map(({ time }) => time);
  if (all.some(({ until }) => until === undefined)) return Math.min(Infinity, ...censored);
  // A run that would have been stopped early counts so even if its event came first.
  if (censored.length === 0 && all.every(({ until }) => until! >= last)) return Infinity;
  const left = (until: number) => samples.map((sample) => sample.filter((each) => each.until! >= until).length);
  const ends = [...new Set(all.map(({ until }) => until!))].filter((until) => left(until).every((n) => n > 0));
  const gain = (until: number) => until * left(until).reduce((sum, n) => sum + n, 0);
  return ends.reduce((best, until) => gain(until) > gain(best) || (gain(until) === gain(best) && until > best) ? until : best);
}

/** Multiplies an observation's `time` and `until` by a factor. */
export const stretched = (by: number) => (each: Observation): Observation => ({
  ...each,
  time: each.time * by,
  ...each.until === undefined ? {} : { until: each.until * by },
});

/** @throws Error unless the sample isn't empty and all times are finite and at least `least`. */
export function checkSample(action: string, sample: readonly Observation[], least = -Infinity): void {
  must(action, "a sample", sample.length > 0, "must hold at least one observation", sample.length);
  const wrong = sample.find(({ time }) => !Number.isFinite(time) || time < least);
  if (wrong) must(action, "a time", false, least === 0 ? "must be finite and not negative" : "must be finite", wrong.time);
}

/** The number of ways to choose k of n, approximate where it is too large for an exact integer. */
export function choose(n: number, k: number): number {
  let ways = 1;
  for (let i = 1; i <= k; i++) ways = ways * (n - k + i) / i;
  return Math.round(ways);
}

/**
 * The standard normal quantile of a two-sided interval at a level: 1.96 for 0.95.
 * @throws Error unless 0 < level < 1.
 */
export function critical(level: number): number {
  must("compute an interval", "level", level > 0 && level < 1, "must lie between 0 and 1", level);
  return qnorm((1 + level) / 2);
}

/** The level of a test whose interval has this level: 0.05 for 0.95, without the rounding of 1 − 0.95. */
export const alphaOf = (level: number): number => Number((1 - level).toPrecision(12));

/** @throws Error `Cannot <action>: <name> <requirement>, current value is <value>` unless `holds`. */
export function must(action: string, name: string, holds: boolean, requirement: string, value: unknown): void {
  if (!holds) throw new Error(`Cannot ${action}: ${name} ${requirement}, current value is ${value}`);
}
