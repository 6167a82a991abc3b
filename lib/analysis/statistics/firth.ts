/**
 * The x at which half of all tries succeed, from a logistic curve fitted to counts. Firth's penalised likelihood gives an answer even where
 * one value of x separates all failures from all successes, and the usual curve would be infinitely steep.
 */
import "./storage.ts";
import { pnorm } from "lib-r-math.js";
import { critical, type Interval, must } from "./sample.ts";

/** `successes` of `n` tries at x succeeded. */
export interface Tries {
  readonly x: number;
  readonly successes: number;
  readonly n: number;
}

/** The probability of success is 1 / (1 + exp(−(intercept + slope·x))). */
export interface LogisticCurve {
  readonly intercept: number;
  readonly slope: number;
}

/**
 * The log-likelihood plus half the logarithm of the determinant of the Fisher information (Firth 1993, Biometrika), that is Jeffreys'
 * prior.
 */
export function penalisedLikelihood(tries: readonly Tries[], { intercept, slope }: LogisticCurve): number {
  let log = 0, i00 = 0, i01 = 0, i11 = 0;
  for (const { x, successes, n } of tries) {
    const eta = intercept + slope * x, tail = Math.exp(-Math.abs(eta)), weight = n * tail / (1 + tail) ** 2;
    log -= n * Math.log1p(tail) + (eta > 0 ? n - successes : successes) * Math.abs(eta);
    i00 += weight;
    i01 += weight * x;
    i11 += weight * x * x;
  }
  const determinant = i00 * i11 - i01 ** 2;
  return determinant > 0 ? log + 0.5 * Math.log(determinant) : -Infinity;
}

/** The Newton step from a curve: the inverse information times Firth's modified scores. */
function newtonStep(tries: readonly Tries[], { intercept, slope }: LogisticCurve): [number, number] {
  const at = tries.map((each) => {
    const p = 1 / (1 + Math.exp(-(intercept + slope * each.x)));
    return { ...each, p, weight: each.n * p * (1 - p) };
  });
  const total = (of: (at: { x: number; successes: number; n: number; p: number; weight: number }) => number) =>
    at.reduce((sum, each) => sum + of(each), 0);
  const [i00, i01, i11] = [0, 1, 2].map((power) => total(({ x, weight }) => weight * x ** power));
  const determinant = i00 * i11 - i01 ** 2;
  const [u0, u1] = [0, 1].map((power) =>
    total(({ x, successes, n, p, weight }) => {
      const leverage = weight * (i11 - 2 * x * i01 + x * x * i00) / determinant;
      return (successes - n * p + leverage * (0.5 - p)) * x ** power;
    })
  );
  return [(i11 * u0 - i01 * u1) / determinant, (i00 * u1 - i01 * u0) / determinant];
}

/** The tries with x scaled to −1 … 1, which conditions the Newton steps well, and `middle` and `width` to scale back. */
function scaled(tries: readonly Tries[]) {
  const action = "fit a logistic curve";
  for (const { x, successes, n } of tries) {
    must(action, "x", Number.isFinite(x), "must be finite", x);
    must(action, "n", Number.isInteger(n) && n > 0, "must be a positive whole number", n);
    const counted = Number.isInteger(successes) && successes >= 0 && successes <= n;
    must(action, "successes", counted, `must be a whole number from 0 to ${n}`, successes);
  }
  const xs = [...new Set(tries.map(({ x }) => x))], least = Math.min(...xs), most = Math.max(...xs);
  must(action, "different x", xs.length > 1, "must be at least two", xs.length);
  const middle = (least + most) / 2, width = (most - least) / 2;
  return { middle, width, tries: tries.map((each) => ({ ...each, x: (each.x - middle) / width })) };
}

/** The longest Newton step, and the length below which the fit has converged. */
const LONG = 5, SHORT = 1e-11;

function fitted(tries: readonly Tries[]): LogisticCurve {
  let curve: LogisticCurve = { intercept: 0, slope: 0 }, value = penalisedLikelihood(tries, curve);
  for (let steps = 0; steps < 500; steps++) {
    const move = newtonStep(tries, curve), length = Math.max(...move.map(Math.abs));
    if (length < SHORT) break;
    for (let part = Math.min(1, LONG / length); part > SHORT; part /= 2) {
      const next = { intercept: curve.intercept + part * move[0], slope: curve.slope + part * move[1] };
      const reached = penalisedLikelihood(tries, next);
      if (reached < value - 1e-13 * Math.abs(value)) continue; // too far
      [curve, value] = [next, reached];
      break;
    }
  }
  return curve;
}

/**
 * The curve of maximum penalised likelihood, as in R's `logistf` and `brglm`. It is finite even where the tries are separated, or all
 * succeed.
 * @throws Error unless there are tries at two different x, and counts are within n.
 */
export function firthLogistic(tries: readonly Tries[]): LogisticCurve {
  const { middle, width, tries: some } = scaled(tries), { intercept, slope } = fitted(some);
  return { intercept: intercept - slope * middle / width, slope: slope / width };
}

/** The x at which half of the tries succeed, in the unit of x. */
export interface HalfPoint extends Interval {
  /** `null` where the curve has none, because all tries succeed, or none, or because it slopes against `rises`. */
  readonly x: number | null;
  /** Slope of the curve's logit, per unit of x. */
  readonly slope: number;
  /** p of the test that the rate doesn't change along x: penalised likelihood ratio, χ² with one degree of freedom. */
  readonly p: number;
}

/** The furthest x searched, in half-widths of the tries' range from its middle; beyond it, fits hardly differ. */
const FAR = 20;
/**
 * Ranges searched, x in half-widths: logarithms of slopes, from nearly flat to far steeper than the data can resolve; and intercepts of
 * flat curves.
 */
const SLOPES = [-12, 9] as const, INTERCEPTS = [-12, 12] as const;
/** Bisection steps that shrink an interval to rounding error. */
const HALVINGS = 50;

/**
 * The half-point of the penalised curve, with its profile-likelihood interval (Heinze & Schemper 2002, Stat. Med., there for coefficients):
 * all x₀ for which some curve that rises (or falls) through one half at x₀ comes within χ²/2 of the maximum penalised likelihood. A limit
 * is `null` where no x on that side can be ruled out, as with Fieller's interval. Where all tries succeed, or none, the half-point lies
 * beyond them, and only the limit on their side is known.
 * @param rises which way the rate changes; by default as the fitted curve does, and upwards where all tries succeed, or none.
 * @throws Error where `firthLogistic` does, and for a level outside (0, 1).
 */
export function halfPoint(all: readonly Tries[], { level = 0.95, rises }: { level?: number; rises?: boolean } = {}): HalfPoint {
  const drop = critical(level) ** 2 / 2, { middle, width, tries } = scaled(all), fit = fitted(tries);
  const successes = all.reduce((sum, each) => sum + each.successes, 0), n = all.reduce((sum, each) => sum + each.n, 0);
  const mixed = successes > 0 && successes < n, sign = rises ?? (!mixed || fit.slope >= 0) ? 1 : -1;
  /** The best curve through one half at x₀. */
  const profile = (at: number) =>
    highest((log) => penalisedLikelihood(tries, { intercept: -sign * Math.exp(log) * at, slope: sign * Math.exp(log) }), SLOPES);
  const flat = highest((intercept) => penalisedLikelihood(tries, { intercept, slope: 0 }), INTERCEPTS);
  const best = penalisedLikelihood(tries, fit), crossing = -fit.intercept / fit.slope;
  const known = mixed && sign * fit.slope > 0 && Math.abs(crossing) <= FAR;
  // Else the best such curve is nearly flat: its half-point lies far out, on the side given by its height.
  const from = known ? crossing : sign * (2 * successes >= n ? -FAR : FAR), top = known ? best : profile(from);
  const limit = (outermost: number) => {
    if (from === outermost || top - profile(outermost) < drop) return null;
    let [inside, outside] = [from, outermost];
    for (let i = 0; i < HALVINGS; i++) {
      const between = (inside + outside) / 2;
      if (top - profile(between) < drop) inside = between;
      else outside = between;
    }
    return middle + width * inside;
  };
  return {
    x: known ? middle + width * crossing : null,
    slope: fit.slope / width,
    p: 2 * pnorm(-Math.sqrt(Math.max(0, 2 * (best - flat)))),
    low: limit(-FAR),
    high: limit(FAR),
  };
}

/** The maximum of a function with one peak: the best of a grid, then golden-section search around it. */
function highest(of: (x: number) => number, [from, to]: readonly [number, number]): number {
  const points = 32, step = (to - from) / points, values = Array.from({ length: points + 1 }, (_, i) => of(from + i * step));
  const best = values.indexOf(Math.max(...values)), golden = (Math.sqrt(5) - 1) / 2;
  let low = from + Math.max(0, best - 1) * step, high = from + Math.min(points, best + 1) * step;
  let [a, b] = [high - golden * (high - low), low + golden * (high - low)], [atA, atB] = [of(a), of(b)];
  for (let i = 0; i < 36; i++) {
    if (atA > atB) {
      [high, b, atB] = [b, a, atA];
      a = high - golden * (high - low);
      atA = of(a);
    } else {
      [low, a, atA] = [a, b, atB];
      b = low + golden * (high - low);
      atB = of(b);
    }
  }
  return Math.max(values[best], atA, atB);
}
