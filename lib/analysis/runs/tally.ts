/** Counts of the states of a setting's runs. */
import { isOpen, type Outcome } from "./run.ts";
import { grokkingQuantile } from "./times.ts";

/** The states of a setting's runs, counted. */
export interface Tally {
  readonly runs: number;
  readonly grokked: number;
  /** The median grokking step; `null` where half of the runs never grokked, or where unfinished runs may change it. */
  readonly median: number | null;
  /** Grokked runs as a share of all, unfinished ones included; `null` where all are unfinished. */
  readonly share: number | null;
  /** Unfinished runs, which may still grok. */
  readonly open: number;
}

/** Counts of the runs of one setting, including those that haven't begun. */
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
