/** Where a series changes its level: the exact least-squares segmentation under a penalty for each change. */
// @ts-types="@types/d3-array"
import { median } from "d3-array";
import { must } from "./sample.ts";

/** The median of a normal deviate's size; by it a median of sizes becomes a standard deviation. */
const NORMAL_MEDIAN = 0.6744897501960817;

/**
 * The standard deviation of a series around its course: the median size of its second differences, over 0.6745 √6 (what it is for independent
 * normal noise; Gasser, Sroka & Jennen-Steinmetz 1986, made robust). Neither a few jumps nor a steady drift changes it. Throws for fewer than
 * three values, and for one that isn't finite.
 */
export function noiseOf(values: ArrayLike<number>): number {
  const n = values.length;
  must("estimate noise", "the number of values", n >= 3, "must be at least 3", n);
  const sizes = Float64Array.from({ length: n - 2 }, (_, i) => Math.abs(values[i] - 2 * values[i + 1] + values[i + 2]));
  must("estimate noise", "a value", sizes.every(Number.isFinite), "must be finite", sizes.find((x) => !Number.isFinite(x)));
  return median(sizes)! / NORMAL_MEDIAN / Math.sqrt(6);
}

export interface ChangePointOptions {
  /** D, numbers a reading: values are [n, D], row-major. Default: 1. */
  readonly width?: number;
  /** The fewest readings between two changes, and before the first and after the last. Default: 2. */
  readonly least?: number;
  /**
   * By how much a change must lessen the sum of squares, in the values' unit squared. Default: (D + 2) σ² ln n, which for D = 1 is the leading term of
   * the modified Bayesian information criterion (Zhang & Siegmund 2007): of noise alone it cuts 8, 2 and less than 1 of a hundred series of
   * 40, 80 and 300 readings; Schwarz's own (1978), 2 σ² ln n, 19, 12 and 5. σ² is `noiseOf`, squared, mean over the D numbers.
   */
  readonly penalty?: number;
}

/** A series cut into segments of one level each. */
export interface Segmentation {
  /** The places of the readings at which a new level begins, ascending; none where the level never changes. */
  readonly changes: readonly number[];
  /** The level of each segment, [changes + 1][D]. */
  readonly levels: readonly Float64Array[];
  /** The sum of squares around the levels. */
  readonly cost: number;
  /** The penalty that was used. */
  readonly penalty: number;
}

/** Squares below so much of all are rounding: no noise is less than that. */
const ROUNDING = 1e-12;

/**
 * The changes of level that lessen the sum of squares by more than their penalties: the exact minimum over all segmentations, by optimal partitioning
 * (Jackson et al. 2005), which PELT (Killick, Fearnhead & Eckley 2012) finds too, faster, for long series; here work grows with n² D. A
 * ramp is cut into stairs: it has no change of level. A series that is too short for two segments has no changes. Throws for values not finite or not
 * whole readings, and for options out of range.
 */
export function changePoints(values: ArrayLike<number>, { width: D = 1, least = 2, ...options }: ChangePointOptions = {}): Segmentation {
  const action = "find change points";
  must(action, "width", Number.isInteger(D) && D >= 1, "must be a whole number from 1 on", D);
  must(action, "least", Number.isInteger(least) && least >= 1, "must be a whole number from 1 on", least);
  const n = values.length / D;
  must(action, "the number of values", Number.isInteger(n) && n >= 1, `must be a multiple of ${D}, and not 0`, values.length);
  const columns = Array.from({ length: D }, (_, d) => Float64Array.from({ length: n }, (_, i) => values[i * D + d]));
  for (const column of columns) for (const x of column) must(action, "a value", Number.isFinite(x), "must be finite", x);

  // Sums of the centred values and of their squares up to each reading: a segment's sum of squares is a matter of two differences.
  const centred = columns.map((column) => {
    const mean = column.reduce((sum, x) => sum + x, 0) / n;
    return column.map((x) => x - mean);
  });
  const sums = centred.map((column) => accumulate(column)), squares = new Float64Array(n + 1);
  for (const column of centred) accumulate(column.map((x) => x * x)).forEach((x, i) => squares[i] += x);
  const all = squares[n];
  const cost = (from: number, to: number) => {
    let rest = squares[to] - squares[from];
    for (const sum of sums) rest -= (sum[to] - sum[from]) ** 2 / (to - from);
    return Math.max(0, rest);
  };

  // Of two readings nobody can tell a change from noise.
  const noise = n > 2 ? columns.reduce((sum, column) => sum + noiseOf(column) ** 2, 0) / D : all;
  const penalty = options.penalty ?? Math.max((D + 2) * noise * Math.log(n), ROUNDING * all);
  must(action, "penalty", penalty >= 0 && Number.isFinite(penalty), "must be a number from 0", penalty);
  const best = new Float64Array(n + 1).fill(Infinity), from = new Uint32Array(n + 1);
  best[0] = -penalty;
  for (let to = Math.min(least, n); to <= n; to++) {
    // The longest last segment first: at a tie the fewer changes stand.
    for (let start = 0; start === 0 || start <= to - least; start++) {
      const total = best[start] + penalty + cost(start, to);
      if (total < best[to]) {
        best[to] = total;
        from[to] = start;
      }
    }
  }
  const changes: number[] = [];
  for (let at = from[n]; at > 0; at = from[at]) changes.unshift(at);
  const edges = [0, ...changes, n], segments = edges.slice(1).map((to, i) => [edges[i], to]);
  const levels = segments.map(([start, to]) =>
    Float64Array.from(columns, (column) => column.subarray(start, to).reduce((sum, x) => sum + x, 0) / (to - start))
  );
  return { changes, levels, cost: segments.reduce((sum, [start, to]) => sum + cost(start, to), 0), penalty };
}

function accumulate(values: Float64Array): Float64Array {
  const sums = new Float64Array(values.length + 1);
  values.forEach((x, i) => sums[i + 1] = sums[i] + x);
  return sums;
}
