/** Where along one setting half of the networks grok, for each value of another. */
import { type Critical, criticalPoint } from "../statistics/critical.ts";
import type { BoardRun } from "../runs/run.ts";
import { type Surface, type SurfaceAxes, surfaceOf } from "./surface.ts";

export interface CriticalRow extends Critical {
  /** The value of the other setting, such as a weight decay. */
  readonly y: number;
  /** How many cells have unfinished runs; they don't count. */
  readonly open: number;
}

/**
 * For each value of the y axis (weight decay): `criticalPoint` along the x axis (d_model / p), over the cells whose runs are all done.
 * Values with fewer than two such cells are left out.
 * @throws Error where `surfaceOf` does.
 */
export function criticalRows(
  runs: readonly BoardRun[],
  { level = 0.95, ...axes }: Omit<SurfaceAxes, "map"> & { readonly level?: number } = {},
): CriticalRow[] {
  return criticalRowsOf(surfaceOf(runs, axes), level);
}

/** The same, from a surface. */
export function criticalRowsOf({ ys, cells }: Surface, level: number): CriticalRow[] {
  return cells.flatMap((row, j) => {
    const tries = row.filter(({ runs, open }) => runs > 0 && open === 0).map(({ x, grokked, runs }) => ({
      x,
      successes: grokked,
      n: runs,
    }));
    if (tries.length < 2) return [];
    return [{ y: ys[j], open: row.filter(({ open }) => open > 0).length, ...criticalPoint(tries, { level }) }];
  });
}
