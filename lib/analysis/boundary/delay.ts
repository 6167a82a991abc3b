/** How long networks take along one setting, for each value of another, and whether its ends take longer than the middle. */
import { type Timed, type UShape, uShape } from "../statistics/u_shape.ts";
import { type Corrected, corrected } from "../statistics/multiple.ts";
import type { BoardRun } from "../runs/run.ts";
import { DECAY, RATIO, type SurfaceAxes, surfaceOf, valueAlong } from "./surface.ts";
import { timesTo } from "../runs/times.ts";

/** The U-shape of one row; `holm` and `floor` correct the test of the largest value, and are `null` where the largest value is the best. */
export interface DelayRow extends UShape, Corrected {
  /** The value of the other setting, such as a weight decay. */
  readonly y: number;
}

/** The times to grok along the x axis at a value of the y axis. */
export interface DelayGroups {
  readonly y: number;
  readonly groups: readonly Timed[];
}

/**
 * What `delayRows` compares. For each value of the y axis (weight decay), the times along the x axis (d_model / p), from the first value at
 * which most networks grok. A value with unfinished runs doesn't count: its finished ones are the fastest. Rows with fewer than two values
 * are left out.
 * @throws Error where `surfaceOf` does.
 */
export function delayGroups(runs: readonly BoardRun[], { x = RATIO, y = DECAY }: Omit<SurfaceAxes, "map"> = {}): DelayGroups[] {
  const { cells } = surfaceOf(runs, { x, y });
  return cells.flatMap((row) => {
    const some = row.slice(Math.max(0, row.findIndex(({ groks }) => groks))).filter(({ open }) => open === 0).map((cell) => ({
      x: cell.x,
      times: timesTo("grokked", runs.filter(({ spec }) => valueAlong(spec, x) === cell.x && valueAlong(spec, y) === cell.y)),
    })).filter(({ times }) => times.length > 0);
    return row.some(({ groks }) => groks) && some.length > 1 ? [{ y: row[0].y, groups: some }] : [];
  });
}

/** `uShape` of each row of `delayGroups`. @throws Error where `delayGroups` does. */
export function delayRows(runs: readonly BoardRun[], axes: Omit<SurfaceAxes, "map"> = {}): DelayRow[] {
  const rows = delayGroups(runs, axes).map(({ y, groups }) => ({ y, ...uShape(groups) }));
  return corrected(rows.map((row) => ({ ...row, p: row.largest?.p ?? null, least: row.largest?.least ?? null })));
}
