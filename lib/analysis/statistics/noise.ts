/** How much a series scatters around its course. */
// @ts-types="@types/d3-array"
import { median } from "d3-array";
import { must } from "./sample.ts";

/** The median of |z| for a standard normal z; dividing by it turns a median absolute value into a standard deviation. */
const NORMAL_MEDIAN = 0.6744897501960817;

/**
 * The standard deviation of the noise of a series, in its unit: the median absolute second difference, divided by 0.6745 √6, its value for
 * independent standard normal noise (Gasser, Sroka & Jennen-Steinmetz 1986, Biometrika, made robust). A few jumps hardly change it, a
 * steady drift not at all.
 * @throws Error for fewer than three values, and for one that isn't finite.
 */
export function noiseOf(values: ArrayLike<number>): number {
  const n = values.length;
  must("estimate noise", "the number of values", n >= 3, "must be at least 3", n);
  const sizes = Float64Array.from({ length: n - 2 }, (_, i) => Math.abs(values[i] - 2 * values[i + 1] + values[i + 2]));
  must("estimate noise", "a value", sizes.every(Number.isFinite), "must be finite", sizes.find((x) => !Number.isFinite(x)));
  return median(sizes)! / NORMAL_MEDIAN / Math.sqrt(6);
}
