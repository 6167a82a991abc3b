/**
 * The lag between the speeds of two signals: where their cross-correlation over runs is largest. Lags are in decades of steps (log₁₀(1 +
 * step)), positive where the first comes later: at 0.3, at twice the step.
 */
// @ts-types="@types/d3-array"
import { bisectRight, maxIndex } from "d3-array";
import { bootstrap, type BootstrapOptions } from "./compare.ts";
import { type Interval, must } from "./sample.ts";
import { decades } from "./decades.ts";

/** Values at ascending steps, [n] each. */
export interface Signal {
  readonly steps: readonly number[];
  readonly values: ArrayLike<number>;
}

/** The signal's value at x decades: linear between readings, constant beyond them. */
function valueAt({ steps, values }: Signal, x: number): number {
  const after = bisectRight(steps.map(decades), x), last = steps.length - 1;
  if (after === 0 || after > last) return values[after === 0 ? 0 : last];
  const from = decades(steps[after - 1]), share = (x - from) / (decades(steps[after]) - from);
  return values[after - 1] + share * (values[after] - values[after - 1]);
}

/** The width of a cell, in decades: 5 % more steps. */
export const SPACING = 0.02;

/** How many whole cells lie between two steps. A lag of speeds needs at least two. */
export const cellsBetween = (from: number, to: number, spacing = SPACING): number =>
  Math.floor((decades(to) - decades(from)) / spacing + 1e-9);

/**
 * A signal's speed, as change per decade, in cells of `spacing` decades from step `from` to step `to`, [cells]; an incomplete cell at the
 * end is left out. The signal is resampled, not its speed, so no change between readings is lost.
 * @throws Error for fewer than two readings, steps that don't ascend, values that aren't finite, a spacing that isn't positive, and fewer
 * than two cells.
 */
export function speedsOf(signal: Signal, from: number, to: number, spacing: number): Float64Array {
  const action = "resample a speed", { steps, values } = signal;
  must(action, "the number of readings", steps.length >= 2, "must be at least 2", steps.length);
  must(action, "the number of values", values.length === steps.length, `must be ${steps.length} as of steps`, values.length);
  steps.forEach((step, i) => must(action, "a step", step > (steps[i - 1] ?? -1), "must be above the one before, and not negative", step));
  for (let i = 0; i < values.length; i++) must(action, "a value", Number.isFinite(values[i]), "must be finite", values[i]);
  must(action, "spacing", spacing > 0, "must be positive", spacing);
  const cells = cellsBetween(from, to, spacing);
  must(action, "the number of cells", cells >= 2, `from step ${from} to ${to} must be at least 2`, cells);
  const at = Float64Array.from({ length: cells + 1 }, (_, i) => valueAt(signal, decades(from) + i * spacing));
  return at.subarray(1).map((x, i) => (x - at[i]) / spacing);
}

/** A variance below this share of the sum of squares is rounding error of resampling a constant speed. */
const ROUNDING = 1e-18;

/**
 * The cross-correlation of two series of n cells at lags −most … most, [2·most + 1]: at lag k, of x[t + k] with y[t], so a peak at k > 0
 * means that x comes later. Both are centred, and sums are divided by n at every lag, as in R's `ccf`: so correlations shrink to 0 at lags
 * near n. `null` where a series doesn't vary.
 * @throws Error for empty series, and series of different lengths.
 */
export function crossCorrelation(x: ArrayLike<number>, y: ArrayLike<number>, most: number): Float64Array | null {
  const n = x.length;
  must("correlate", "the second's length", y.length === n && n > 0, `must be ${n} as the first's, and not 0`, y.length);
  const [a, b] = [x, y].map((series) => {
    const values = Float64Array.from(series), mean = values.reduce((sum, value) => sum + value, 0) / n;
    const centred = values.map((value) => value - mean);
    return product(centred, centred, 0) > ROUNDING * product(values, values, 0) ? centred : null;
  });
  if (!a || !b) return null;
  const size = Math.sqrt(product(a, a, 0) * product(b, b, 0));
  return Float64Array.from({ length: 2 * most + 1 }, (_, i) => product(a, b, i - most) / size);
}

/** Σ a[t + k] b[t]. */
function product(a: Float64Array, b: Float64Array, k: number): number {
  let sum = 0;
  for (let t = Math.max(0, -k); t < Math.min(b.length, a.length - k); t++) sum += a[t + k] * b[t];
  return sum;
}

/** One run's two signals, and the range of steps to compare them in, such as from memorising to the last reading. */
export interface SignalPair {
  readonly first: Signal;
  readonly second: Signal;
  /** Steps. */
  readonly from: number;
  readonly to: number;
}

export interface SpeedLagOptions extends BootstrapOptions {
  /** The width of a cell, in decades. Default: `SPACING`. */
  readonly spacing?: number;
  /** The largest lag, in decades. Default: 1. */
  readonly most?: number;
}

/** Where the cross-correlation is largest. */
export interface Peak {
  /** Decades; positive where the first comes later. */
  readonly lag: number;
  readonly correlation: number;
}

/** The lag of two speeds over runs; the interval is that of `lag`. */
export interface SpeedLag extends Interval, Peak {
  /** Runs that count, and runs left out because one of their signals has a constant speed. */
  readonly n: number;
  readonly still: number;
  /** Decades, [2·most / spacing + 1]. */
  readonly lags: Float64Array;
  /** The mean cross-correlation over the runs at these lags. */
  readonly correlations: Float64Array;
  /** Each run's own peak, `null` for those left out. */
  readonly runs: readonly (Peak | null)[];
}

/**
 * The lag at which the speeds of two signals agree best: the peak of their mean cross-correlation over runs. Interval: percentile bootstrap
 * over the runs, no finer than the spacing; its limits are `null` where all resamples give the same peak. The result is `null` where no run
 * is left.
 * @throws Error where `speedsOf` and `bootstrap` do.
 */
export function speedLag(pairs: readonly SignalPair[], { spacing = SPACING, most = 1, ...options }: SpeedLagOptions = {}): SpeedLag | null {
  must("correlate speeds", "the largest lag", most >= spacing, `must be at least the spacing, ${spacing},`, most);
  const cells = Math.round(most / spacing), lags = Float64Array.from({ length: 2 * cells + 1 }, (_, i) => (i - cells) * spacing);
  const all = pairs.map(({ first, second, from, to }) =>
    crossCorrelation(speedsOf(first, from, to, spacing), speedsOf(second, from, to, spacing), cells)
  );
  const moving = all.filter((each) => each !== null);
  if (moving.length === 0) return null;
  const average = (places: ArrayLike<number>) => {
    const mean = new Float64Array(lags.length);
    for (let i = 0; i < places.length; i++) moving[places[i]].forEach((x, at) => mean[at] += x / places.length);
    return mean;
  };
  const correlations = average(moving.map((_, i) => i));
  return {
    ...peakOf(correlations, lags),
    ...bootstrap([moving.length], ([places]) => peakOf(average(places), lags).lag, { resamples: 2000, ...options }),
    n: moving.length,
    still: all.length - moving.length,
    lags,
    correlations,
    runs: all.map((each) => each && peakOf(each, lags)),
  };
}

function peakOf(correlations: Float64Array, lags: Float64Array): Peak {
  const best = maxIndex(correlations);
  return { lag: lags[best], correlation: correlations[best] };
}

/** The mean correlation over runs at each lag, with its pointwise percentile-bootstrap band over runs. */
export function correlationBand(
  pairs: readonly SignalPair[],
  { lags }: SpeedLag,
  { level, resamples = 1000, seed }: BootstrapOptions = {},
) {
  const most = (lags.length - 1) / 2, spacing = lags[most + 1];
  const all = pairs.flatMap(({ first, second, from, to }) =>
    crossCorrelation(speedsOf(first, from, to, spacing), speedsOf(second, from, to, spacing), most) ?? []
  );
  const options = { resamples, ...level !== undefined ? { level } : {}, ...seed !== undefined ? { seed } : {} };
  return Array.from(lags, (lag, i) => {
    const mean = (places: ArrayLike<number>) => Array.from(places, (at) => all[at][i]).reduce((sum, x) => sum + x, 0) / places.length;
    const mid = mean(all.map((_, at) => at)), { low, high } = bootstrap([all.length], ([places]) => mean(places), options);
    return { lag, mid, low: low ?? mid, high: high ?? mid };
  });
}
