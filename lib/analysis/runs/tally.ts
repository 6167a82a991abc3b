/** Counts of the states of a setting's runs. */
import { isOpen, type Outcome } from "./run.ts";
import { grokkingQuantile } from "./times.ts";

/** The states of a setting's runs, counted. */
export interface Tally {
  readonly runs: number;
  /** Those that have begun. */
  readonly begun: number;
  readonly grokked: number;
  /** The median grokking step of those that have begun; `null` where half of them never grokked, or where unfinished ones may change it. */
  readonly median: number | null;
  /** Grokked runs as a share of those that have begun, unfinished ones included; `null` where all are unfinished. */
  readonly share: number | null;
  /** Unfinished runs, which may still grok, those that haven't begun among them. */
  readonly open: number;
}

/** Counts of the runs of one setting, including those that haven't begun. */
export function tally(runs: readonly Outcome[]): Tally {
  const open = runs.filter(isOpen).length, grokked = runs.filter(({ state }) => state === "grokked").length;
  const begun = runs.filter(({ state }) => state !== "waiting"), median = grokkingQuantile(begun, 0.5);
  return {
    runs: runs.length,
    begun: begun.length,
    grokked,
    median: median !== null && Number.isFinite(median) ? median : null,
    share: open === runs.length ? null : grokked / begun.length,
    open,
  };
}
