/** How the runs of a setting stand, counted. */
import { isOpen, type Outcome } from "./run.ts";
import { grokkingQuantile } from "./times.ts";

/** How the runs of a setting stand. */
export interface Tally {
  readonly runs: number;
  readonly grokked: number;
  /** `null` where half of the runs never grokked, or are not done. */
  readonly median: number | null;
  /** Share of the runs that have grokked, those that are not done among them; `null` where none is done. */
  readonly share: number | null;
  /** Runs that are not done. */
  readonly open: number;
}

/** How runs of one setting stand, those not begun among them. */
export function tally(runs: readonly Outcome[]): Tally {
  const open = runs.filter(isOpen).length, grokked = runs.filter(({ state }) => state === "grokked").length;
  const median = grokkingQuantile(runs, 0.5);
  return {
    runs: runs.length,
    grokked,
    median: median !== null && Number.isFinite(median) ? median : null,
    share: open === runs.length ? null : grokked / runs.length,
    open,
  };
}
