/**
 * What the statistics work on. A run that never grokked is no late run: it was watched until its last step and nothing happened, and that
 * is all it says. Such a time is right-censored, and every function here that takes an `Observation` treats it as that.
 */
import "./storage.ts";
import { qnorm } from "lib-r-math.js";

/**
 * How long something was watched, in steps or any other unit, and whether the event ended it (`false`: right-censored, it would come
 * later).
 */
export interface Observation {
  readonly time: number;
  readonly event: boolean;
  /**
   * How long it would have been watched without the event, at least `time`. Where that isn't known: of a censored one its time, else
   * unknown.
   */
  readonly until?: number;
}

/** Two groups of runs that may be censored. */
export interface ObservedPair {
  readonly a: readonly Observation[];
  readonly b: readonly Observation[];
}

/** A confidence interval; `null` for a limit that the data don't give (not reached, or no variance to tell it from). */
export interface Interval {
  readonly low: number | null;
  readonly high: number | null;
}

/** Plain values, none of them censored, as observations. */
export function complete(values: readonly number[]): Observation[] {
  return values.map((time) => ({ time, event: true }));
}

/**
 * Which of two comes later, as far as that is known: 1 (a), −1 (b), or 0 where both events fall on the same time or censoring hides the
 * order. A run censored at t has its event after t, so at equal times the event comes first (Gehan 1965).
 */
export function order(a: Observation, b: Observation): -1 | 0 | 1 {
  if (b.event && (a.time > b.time || a.time === b.time && !a.event)) return 1;
  if (a.event && (b.time > a.time || a.time === b.time && !b.event)) return -1;
  return 0;
}

/**
 * Samples in which all runs were watched for the same time, which permutation tests of censored times ask for: else the runs of a group
 * that was stopped early would be dealt to one that was watched for long. What comes after the common horizon is censored there. Where it
 * is known how long every run would have been watched (`until`), the horizon is the one that leaves most, runs times time, of every sample
 * at least one run; those that were stopped before it are left out, whatever became of them. Else it is the earliest censoring.
 */
export function watchedAlike<Samples extends readonly (readonly Observation[])[]>(
  samples: Samples,
): { [K in keyof Samples]: Observation[] } {
  const horizon = horizonOf(samples);
  const alike = samples.map((sample) =>
    sample.filter(({ until = horizon }) => horizon === Infinity || until >= horizon).map((each): Observation =>
      horizon === Infinity ? each : {
        ...each.time > horizon ? { time: horizon, event: false } : { time: each.time, event: each.event },
        ...each.until === undefined ? {} : { until: horizon },
      }
    )
  );
  return alike as { [K in keyof Samples]: Observation[] };
}

/** Up to where runs were watched alike; `Infinity` where nothing is censored. */
export function horizonOf(samples: readonly (readonly Observation[])[]): number {
  const all = samples.flat(), last = all.reduce((latest, { time }) => Math.max(latest, time), -Infinity);
  const censored = all.filter(({ event }) => !event).map(({ time }) => time);
  if (all.some(({ until }) => until === undefined)) return Math.min(Infinity, ...censored);
  // Runs that were stopped early count as that even where the event came before.
  if (censored.length === 0 && all.every(({ until }) => until! >= last)) return Infinity;
  const left = (until: number) => samples.map((sample) => sample.filter((each) => each.until! >= until).length);
  const ends = [...new Set(all.map(({ until }) => until!))].filter((until) => left(until).every((n) => n > 0));
  const gain = (until: number) => until * left(until).reduce((sum, n) => sum + n, 0);
  return ends.reduce((best, until) => gain(until) > gain(best) || (gain(until) === gain(best) && until > best) ? until : best);
}

/** A time, and how long it would have been watched, by so many times longer. */
export const stretched = (by: number) => ({ time, event, until }: Observation): Observation => ({
  time: time * by,
  event,
  ...until === undefined ? {} : { until: until * by },
});

/** @throws Error unless the sample holds something, and only finite times not below `least`. */
export function checkSample(action: string, sample: readonly Observation[], least = -Infinity): void {
  must(action, "a sample", sample.length > 0, "must hold at least one observation", sample.length);
  const wrong = sample.find(({ time }) => !Number.isFinite(time) || time < least);
  if (wrong) must(action, "a time", false, least === 0 ? "must be finite and not negative" : "must be finite", wrong.time);
}

/** The ways to choose k of n, rounded where they are too many for a whole number. */
export function choose(n: number, k: number): number {
  let ways = 1;
  for (let i = 1; i <= k; i++) ways = ways * (n - k + i) / i;
  return Math.round(ways);
}

/**
 * The standard normal quantile of a two-sided interval: 1.96 for 0.95.
 * @throws Error unless 0 < level < 1.
 */
export function critical(level: number): number {
  must("compute an interval", "level", level > 0 && level < 1, "must lie between 0 and 1", level);
  return qnorm((1 + level) / 2);
}

/** @throws Error `Cannot <action>: <name> <requirement>, current value is <value>` unless `holds`. */
export function must(action: string, name: string, holds: boolean, requirement: string, value: unknown): void {
  if (!holds) throw new Error(`Cannot ${action}: ${name} ${requirement}, current value is ${value}`);
}
