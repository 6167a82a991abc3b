/** How much a series scatters around its course. */
// @ts-types="@types/d3-array"
import { median } from "d3-array";
import { must } from "./sample.ts";

/** The median of a normal deviate's size; by it a median of sizes becomes a standard deviation. */
const NORMAL_MEDIAN = 0.6744897501960817;

/**
 * The standard deviation of a series around its course: the median size of its second differences, over 0.6745 √6 (what it is for
 * independent normal noise; Gasser, Sroka & Jennen-Steinmetz 1986, made robust). Neither a few jumps nor a steady drift changes it.
 * @throws Error for fewer than three values, and for one that isn't finite.
 */
export function noiseOf(values: ArrayLike<number>): number {
  const n = values.length;
  must("estimate noise", "the number of values", n >= 3, "must be at least 3", n);
  const sizes = Float64Array.from({ length: n - 2 }, (_, i) => Math.abs(values[i] - 2 * values[i + 1] + values[i + 2]));
  must("estimate noise", "a value", sizes.every(Number.isFinite), "must be finite", sizes.find((x) => !Number.isFinite(x)));
  return median(sizes)! / NORMAL_MEDIAN / Math.sqrt(6);
}
