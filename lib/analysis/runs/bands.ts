/** Median and middle half of runs over the steps. */
// @ts-types="@types/d3-array"
import { median, quantileSorted } from "d3-array";
import { type Curve, endOf } from "./run.ts";
import type { Metrics } from "../../run/metrics.ts";

/** Median and middle half of the runs at a step. */
export interface Band {
  readonly step: number;
  readonly low: number;
  readonly mid: number;
  readonly high: number;
}

/** A quartile of sorted values, interpolated linearly; NaN for no values. */
const quartile = (sorted: number[], k: 1 | 2 | 3) => quantileSorted(sorted, k / 4) ?? NaN;

/**
 * Median and quartiles over the runs, at every step at which one of them was evaluated. A run that stopped before others keeps its last
 * value: without it, the median would jump only because fewer runs are left. One that diverged has none after that.
 */
export function bands(runs: readonly Curve[], field: keyof Metrics): Band[] {
  return bandsOf(runs.map(({ metrics }) => metrics), (row) => row[field], runs.map(endOf));
}

/**
 * The same for any rows of each run, ascending by step. `of` gives a row's value, and values that aren't finite are left out; `ends` are
 * the runs' last steps, as `endOf` gives them.
 */
export function bandsOf<T extends { readonly step: number }>(
  runs: readonly (readonly T[])[],
  of: (row: T) => number,
  ends: readonly number[],
): Band[] {
  const steps = [...new Set(runs.flatMap((rows) => rows.map(({ step }) => step)))].sort((a, b) => a - b);
  const at = runs.map(() => -1);
  return steps.map((step) => {
    const values: number[] = [];
    runs.forEach((rows, r) => {
      while (at[r] + 1 < rows.length && rows[at[r] + 1].step <= step) at[r]++;
      const value = at[r] < 0 || step > ends[r] ? undefined : of(rows[at[r]]);
      if (value !== undefined && Number.isFinite(value)) values.push(value);
    });
    values.sort((a, b) => a - b);
    return { step, low: quartile(values, 1), mid: quartile(values, 2), high: quartile(values, 3) };
  }).filter((band) => Number.isFinite(band.mid));
}

/**
 * At most one band per column of pixels: bands that share a column become one, at the last one's step, with the median of their medians and
 * the extremes of their bands, so that a dip of a single evaluation stays visible.
 */
export function thin(all: readonly Band[], columnOf: (step: number) => number): Band[] {
  const columns = new Map<number, Band[]>();
  for (const band of all) {
    const column = Math.round(columnOf(band.step));
    columns.set(column, [...columns.get(column) ?? [], band]);
  }
  return [...columns.values()].map((group) => ({
    step: group.at(-1)!.step,
    low: Math.min(...group.map((band) => band.low)),
    mid: median(group.map(({ mid }) => mid))!,
    high: Math.max(...group.map((band) => band.high)),
  }));
}
