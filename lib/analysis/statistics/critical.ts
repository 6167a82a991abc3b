/**
 * The critical ratio: where along a setting, such as d_model / p, half of the networks grok. With an interval that holds for few seeds and
 * for data in which one value separates all failures from all successes; where there is no such value, or more than one, `course` says why.
 */
import { halfPoint, type Tries } from "./firth.ts";
import { type Course, courseOf, type CourseOptions } from "./monotone.ts";
import { alphaOf, type Interval, must } from "./sample.ts";

export type { Tries };

/**
 * A value at which half of the networks grok, in the unit of the setting. Where one value separates all failures from all successes, the
 * interval is at least the gap between the two.
 */
export interface Crossing extends Interval {
  /** `null` where it lies beyond the values tried; then `low` or `high` says what it is above or below. */
  readonly x: number | null;
  /** Whether networks grok from here on, or up to here. */
  readonly rises: boolean;
  /** p of the test that success doesn't depend on the setting; with a peak or trough, on this side of it. */
  readonly p: number;
  /** The two tried values between which the majority changes; `null` where it doesn't change, changes more than once, or the other way. */
  readonly between: readonly [number, number] | null;
}

/** How success depends on a setting. */
export interface Critical {
  /**
   * `rises`, `falls`: one crossing. `peak`, `trough`: the rate turns once, two crossings (networks grok in the middle, or only outside it).
   * `irregular`: it turns more than once, no crossing. `all`, `none`: all or none of the networks grok, one crossing beyond the values
   * tried. `level`: no dependence on the setting is shown, no crossing. `few`: no crossing, and too few runs for any outcome to show one.
   */
  readonly course: Course["shape"] | "all" | "none" | "level" | "few";
  readonly crossings: readonly Crossing[];
  readonly n: number;
  readonly grokked: number;
  /** p of the test that the success rate is monotone along the setting; 1 where the observed rates are. */
  readonly monotone: number;
}

export interface CriticalOptions extends Pick<CourseOptions, "seed" | "draws"> {
  /** Level of the intervals; tests use 1 − level. Default: 0.95. */
  readonly level?: number;
  /** Where all networks grok, or none: whether larger values of the setting help. Default: `true`. */
  readonly rises?: boolean;
}

/**
 * Half-points of a logistic curve over the setting's logarithm, by Firth's penalised likelihood, with profile-likelihood intervals
 * (`halfPoint`). First it is tested whether success is monotone (`courseOf`): where it isn't but turns once, each side gets its own curve
 * and crossing, so that failure on both sides isn't averaged away.
 * @param tries at each value of the setting, which must be positive: the runs that have ended, and how many of them grokked. A diverged run
 * counts as one that hasn't.
 * @throws Error for fewer than two values, the same value twice, a value that isn't positive, and counts that aren't within n.
 */
export function criticalPoint(tries: readonly Tries[], { level = 0.95, rises = true, ...drawn }: CriticalOptions = {}): Critical {
  const action = "find the critical value", sorted = tries.toSorted((a, b) => a.x - b.x), xs = sorted.map(({ x }) => x);
  for (const x of xs) must(action, "a setting", Number.isFinite(x) && x > 0, "must be positive", x);
  must(action, "values of the setting", xs.length > 1, "must be at least two", xs.length);
  must(action, "a value of the setting", new Set(xs).size === xs.length, "must come once", xs.find((x, i) => x === xs[i - 1]));
  const sum = (of: (each: Tries) => number) => sorted.reduce((total, each) => total + of(each), 0);
  const n = sum((each) => each.n), grokked = sum(({ successes }) => successes), counts = { n, grokked };
  const crossing = (some: readonly Tries[], rises: boolean) => crossingOf(some, rises, level);
  if (grokked === 0 || grokked === n) {
    return { course: grokked === 0 ? "none" : "all", crossings: [crossing(sorted, rises)], ...counts, monotone: 1 };
  }
  const { shape, rates, p: monotone } = courseOf(sorted, { ...drawn, alpha: alphaOf(level) });
  if (shape === "irregular") return { course: shape, crossings: [], ...counts, monotone };
  if (shape === "peak" || shape === "trough") {
    const turn = shape === "peak" ? Math.max(...rates) : Math.min(...rates);
    const sides = [sorted.slice(0, rates.lastIndexOf(turn) + 1), sorted.slice(rates.indexOf(turn))];
    return { course: shape, crossings: sides.map((side, i) => crossing(side, (shape === "peak") === (i === 0))), ...counts, monotone };
  }
  const only = crossing(sorted, shape === "rises");
  if (only.p < alphaOf(level)) return { course: shape, crossings: [only], ...counts, monotone };
  return { course: leastP(sorted) < alphaOf(level) ? "level" : "few", crossings: [], ...counts, monotone };
}

/** The smallest possible p with these numbers of runs: that of some value which separates all failures from all successes. */
function leastP(tries: readonly Tries[]): number {
  const parted = (from: number) => tries.map(({ x, n }, i) => ({ x: Math.log(x), n, successes: i < from ? 0 : n }));
  return Math.min(...tries.slice(1).map((_, i) => halfPoint(parted(i + 1)).p));
}

function crossingOf(tries: readonly Tries[], rises: boolean, level: number): Crossing {
  const least = tries[0].x, most = tries[tries.length - 1].x;
  const found = halfPoint(tries.map((each) => ({ ...each, x: Math.log(each.x) })), { level, rises });
  const [x, low, high] = [found.x, found.low, found.high].map((log) => log === null ? null : Math.exp(log));
  const majority = tries.map(({ successes, n }) => 2 * successes > n),
    turns = [...majority.keys()].filter((i) => i > 0 && majority[i] !== majority[i - 1]);
  const between = turns.length === 1 && majority[turns[0]] === rises ? [tries[turns[0] - 1].x, tries[turns[0]].x] as const : null;
  const shared = { rises, p: found.p, between };
  if (x !== null && x >= least && x <= most) {
    // All fail on one side and all succeed on the other: no value in the gap was tried, so none there can be ruled out, however many runs
    // agree.
    const parted = between !== null && tries.every(({ successes, n }) => successes === 0 || successes === n);
    if (!parted) return { x, low, high, ...shared };
    return { x, low: low === null ? null : Math.min(low, between[0]), high: high === null ? null : Math.max(high, between[1]), ...shared };
  }
  // Beyond the values tried, only one limit is known, and at most as far as they reach.
  const above = x === null ? low !== null : x > most;
  return above
    ? { x: null, low: low === null ? null : Math.min(low, most), high: null, ...shared }
    : { x: null, low: null, high: high === null ? null : Math.max(high, least), ...shared };
}
