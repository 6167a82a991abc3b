/**
 * The factors between two groups of times that a test doesn't reject: which one makes the groups alike, and the interval of all that may.
 * A time of 0 stays 0 however it is multiplied, so the factors may reach to 0 or to infinity.
 */
import type { Interval } from "./sample.ts";

/** A test of the two groups with the second's times multiplied by exp(log): its statistic is positive where the first group is earlier. */
export interface TestAt {
  statistic(log: number): number;
  /** Whether it doesn't reject. */
  accepts(log: number): boolean;
}

export interface Reach {
  /** Up to this logarithm, and down to minus this, the order of the groups' times changes with the factor. */
  readonly far: number;
  /** Beyond this one, how long they were watched changes nothing either. At least `far`. */
  readonly beyond: number;
}

/** The factor and its interval; each lies within 0 and Infinity. */
export interface Factors extends Interval {
  readonly ratio: number | null;
}

/** Statistics are sums of a few numbers of the size of 1; smaller ones are rounding errors of 0. */
const ROUNDING = 1e-9;

/**
 * Inverts a test (Lehmann & Romano 2005, Testing Statistical Hypotheses, section 3.5). `ratio` is the factor at which the statistic changes
 * its sign. Where even the smallest factors leave the first group earlier, as too many of its times are 0, `ratio` is 0 and so is `low`; in
 * the opposite case both `ratio` and `high` are Infinity. `ratio` is `null` where a group has no event, and where the statistic is 0 from
 * some factor on without an end, as with times of 0 alone. A limit is `null` where nothing on its side is rejected.
 * @param events how many events each group has.
 */
export function factorsOf(at: TestAt, { far, beyond }: Reach, events: readonly [number, number]): Factors {
  const statistic = (log: number) => {
    const value = at.statistic(log);
    return Math.abs(value) < ROUNDING ? 0 : value;
  };
  if (events[0] === 0 || events[1] === 0) {
    return { ratio: null, ...limits(at.accepts, events[0] > 0 ? -Infinity : Infinity, false, far, beyond) };
  }
  const least = statistic(-beyond), most = statistic(beyond);
  if (least > 0) return { ratio: 0, ...limits(at.accepts, -Infinity, true, far, beyond) };
  if (most < 0) return { ratio: Infinity, ...limits(at.accepts, Infinity, true, far, beyond) };
  if (least < 0 && most > 0) {
    const log = crossing(at.statistic, far);
    return { ratio: Math.exp(log), ...limits(at.accepts, log, false, far, beyond) };
  }
  // The statistic is 0 on one side without an end, or everywhere: any factor there is as good as another.
  const end = least < 0
    ? edge((log) => statistic(log) >= 0, beyond, -beyond)
    : most > 0
    ? edge((log) => statistic(log) <= 0, -beyond, beyond)
    : 0;
  return { ratio: null, ...limits(at.accepts, end, false, far, beyond) };
}

/** Bisection steps: to less than a thousandth of a factor. */
const HALVINGS = 16;

/** The boundary of a condition that holds at `inside` and not at `outside`, by bisection. */
function edge(holds: (x: number) => boolean, inside: number, outside: number): number {
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (inside + outside) / 2;
    if (holds(middle)) inside = middle;
    else outside = middle;
  }
  return inside;
}

/** Where the statistic changes its sign as the second group's times are multiplied; where it is 0 over a range, the middle of it. */
function crossing(statistic: (log: number) => number, far: number): number {
  return (edge((log) => statistic(log) >= 0, far, -far) + edge((log) => statistic(log) > 0, far, -far)) / 2;
}

/** Points tried between the estimate and the range of the data. */
const PLACES = 48;

/**
 * The smallest and the largest accepted factor, searched from the estimate outwards (`centre`, its logarithm). Where the factor 1 (log 0)
 * is rejected it stays outside the interval, else inside, even where p isn't monotone in between.
 * @param reached whether an infinite `centre` is the estimate itself; else it says on which side nothing is known.
 */
function limits(accepted: (log: number) => boolean, centre: number, reached: boolean, far: number, beyond: number): Interval {
  const one = accepted(0), step = far / PLACES;
  const limit = (way: -1 | 1): number | null => {
    // Where 0 is rejected and lies on this side of the estimate, the limit lies between the two.
    if (!one && way * centre < 0) {
      for (let log = 0; Math.abs(log) < Math.min(Math.abs(centre), Math.max(2 * far, beyond)); log -= way * step) {
        // Not beyond the estimate, which may be nearer to 0 than a step.
        const next = -way * Math.min(Math.abs(log) + step, Math.abs(centre));
        if (accepted(next)) return edge(accepted, next, log);
      }
      return centre; // an infinite one too: no finite factor is accepted
    }
    if (way * centre === Infinity) return reached ? centre : null;
    const from = one && (way * centre < 0 || !Number.isFinite(centre)) ? 0 : centre;
    for (let log = from; way * log < far + 1e-9; log += way * step) {
      if (!accepted(log + way * step)) return edge(accepted, log, log + way * step);
    }
    return null;
  };
  const [low, high] = ([-1, 1] as const).map(limit).map((log) => log === null ? null : Math.exp(log));
  return { low, high };
}
