/** A part of a run's evaluations that draws the same figure as all of them. */
import type { Metrics } from "../../engine/engine.ts";

/** How many evaluations of a run stay at most. */
export const MOST = 150;
/** An accuracy that has moved by more since the last evaluation that stays keeps the next. */
export const MOVE = 0.02;
/** Evaluations that stay in any case, evenly spaced on a logarithmic axis. */
const SPACED = 48;

/** What `thinned` does, in words for readers of a record. */
export const THINNING =
  `of each run at most ${MOST} evaluations: the first, the last, the milestones', ${SPACED} on a logarithmic axis, and wherever ` +
  `train or validation accuracy moved by more than ${MOVE} (more, where that would be too many) the one before and the one after`;

/**
 * At most `MOST` of a run's evaluations, in their order: the first, the last, those of the steps in `keep`, evenly spaced ones, and both
 * ends of every move of an accuracy, so that a jump stays as steep and a dip as deep and narrow as it was. Where a curve moves too often,
 * only larger moves count.
 */
export function thinned(metrics: readonly Metrics[], keep: ReadonlySet<number> = new Set()): readonly Metrics[] {
  const n = metrics.length;
  if (n <= MOST) return metrics;
  const fixed = new Set([0, n - 1]);
  for (let i = 0; i < SPACED; i++) fixed.add(Math.round((n - 1) ** (i / (SPACED - 1))));
  for (const [i, { step }] of metrics.entries()) if (keep.has(step)) fixed.add(i);
  for (let move = MOVE;; move *= 1.25) {
    const kept = moved(metrics, fixed, move);
    // Beyond a move of 1 there are none, and only the fixed ones stay.
    if (kept.size <= MOST || move > 1) return metrics.filter((_, i) => kept.has(i));
  }
}

function moved(metrics: readonly Metrics[], fixed: ReadonlySet<number>, by: number): Set<number> {
  const kept = new Set<number>();
  let last = metrics[0];
  for (const [i, row] of metrics.entries()) {
    const moves = Math.abs(row.trainAcc - last.trainAcc) > by || Math.abs(row.valAcc - last.valAcc) > by;
    if (!moves && !fixed.has(i)) continue;
    if (moves) kept.add(i - 1);
    kept.add(i);
    last = row;
  }
  return kept;
}
