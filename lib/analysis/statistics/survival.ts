/**
 * Survival curves of censored times, and quantiles read off them. The conventions are those of R's package `survival` (Therneau), so that
 * results agree; where they leave a choice, the choice is named.
 */
import { checkSample, critical, type Interval, must, type Observation } from "./sample.ts";

/** The curve from one time (of an event or a censoring) until the next; times and standard errors in the unit of the sample. */
export interface CurvePoint extends Interval {
  readonly time: number;
  /** Observations still at risk just before `time`, including those that end at `time`. */
  readonly atRisk: number;
  readonly events: number;
  readonly censored: number;
  /** The estimated share without the event after `time`, 0 … 1. */
  readonly survival: number;
  /** Greenwood's standard error (1926, The Natural Duration of Cancer); `null` once `survival` is 0, where it isn't defined. */
  readonly standardError: number | null;
}

/** A Kaplan–Meier estimate: 1 before its first point. */
export interface SurvivalCurve {
  readonly n: number;
  readonly events: number;
  readonly level: number;
  readonly points: readonly CurvePoint[];
}

/**
 * The product-limit estimate (Kaplan & Meier 1958, JASA). Where events and censorings share a time, the events come first. The pointwise
 * interval is S^exp(±z·se(ln S)/ln S), the log-log interval of Kalbfleisch & Prentice (1980, The Statistical Analysis of Failure Time
 * Data), R's `conf.type = "log-log"`: it stays within 0 and 1 and holds its level in small samples (Borgan & Liestøl 1990, Scand. J.
 * Stat.). Its limits are `null` where S is 1 or 0, where Greenwood's variance is 0 or undefined.
 * @throws Error for an empty sample, for a time that is negative or not finite, and for a level outside (0, 1).
 */
export function kaplanMeier(sample: readonly Observation[], level = 0.95): SurvivalCurve {
  checkSample("estimate a survival curve", sample, 0);
  const z = critical(level);
  const times = [...new Set(sample.map(({ time }) => time))].sort((a, b) => a - b);
  let atRisk = sample.length, survival = 1, variance = 0; // the variance of ln S
  const points = times.map((time) => {
    const here = sample.filter((observation) => observation.time === time);
    const events = here.filter(({ event }) => event).length;
    if (events > 0) {
      survival *= 1 - events / atRisk;
      variance += events / (atRisk * (atRisk - events));
    }
    const width = z * Math.sqrt(variance) / -Math.log(survival), within = survival > 0 && survival < 1;
    const point: CurvePoint = {
      time,
      atRisk,
      events,
      censored: here.length - events,
      survival,
      standardError: survival > 0 ? survival * Math.sqrt(variance) : null,
      low: within ? survival ** Math.exp(width) : null,
      high: within ? survival ** Math.exp(-width) : null,
    };
    atRisk -= here.length;
    return point;
  });
  return { n: sample.length, events: sample.filter(({ event }) => event).length, level, points };
}

/** A product that should be ½ misses it by some 10⁻¹⁶; R's tolerance, √ε. */
const FLAT = 1.5e-8;

/** The first time at which `value` is at most `target`; where it stays exactly there for a while, the middle of that time. */
function reached(points: readonly CurvePoint[], target: number, value: (point: CurvePoint) => number | null): number | null {
  const below = points.flatMap((point) => {
    const y = value(point);
    return y !== null && y <= target + FLAT ? [{ time: point.time, y }] : [];
  });
  if (below.length === 0) return null;
  const next = Math.abs(below[0].y - target) <= FLAT ? below.find(({ y }) => y < target - FLAT) : undefined;
  return next ? (below[0].time + next.time) / 2 : below[0].time;
}

/**
 * The first time by which a share `p` has had the event, which is always a time of an event; `null` where the curve doesn't reach it. The
 * median is the same or later: it is the middle of a flat part.
 * @throws Error unless 0 < p < 1.
 */
export function firstTime({ points }: SurvivalCurve, p = 0.5): number | null {
  must("read a time off a survival curve", "p", p > 0 && p < 1, "must lie between 0 and 1", p);
  return points.find(({ survival }) => survival <= 1 - p + FLAT)?.time ?? null;
}

/** A quantile of the time, with its interval; `null` where the curve, or the band's limit, doesn't reach it. */
export interface TimeQuantile extends Interval {
  readonly time: number | null;
}

/**
 * The time by which a share `p` has had the event: 0.5 is the median. Where the curve is flat at 1 − p, the middle of the flat part, as in
 * a plain sample's median; a part that is flat to the end counts from its start (R's `print.survfit`). The interval holds the times at
 * which the pointwise band contains 1 − p (Brookmeyer & Crowley 1982, Biometrics).
 * @throws Error unless 0 < p < 1.
 */
export function timeQuantile({ points }: SurvivalCurve, p = 0.5): TimeQuantile {
  must("read a quantile off a survival curve", "p", p > 0 && p < 1, "must lie between 0 and 1", p);
  return {
    time: reached(points, 1 - p, (point) => point.survival),
    low: reached(points, 1 - p, (point) => point.low),
    high: reached(points, 1 - p, (point) => point.high),
  };
}
