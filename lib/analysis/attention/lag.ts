import { pseudomedian, rankBiserial, signFlipTest } from "../statistics/paired.ts";
import type { PermutationOptions } from "../statistics/permutation.ts";
import { type Interval, must } from "../statistics/sample.ts";
import { decades } from "../statistics/decades.ts";
import { count, levelWord, percent } from "../words.ts";

/** The moments of a run, in steps; `null` for one that wasn't seen. */
export interface Moments {
  readonly memorisation: number | null;
  readonly grokking: number | null;
  /** When half of the attention's change was done (`changeBetween`). */
  readonly attention: number | null;
  /** When validation accuracy had come half of its way (`halfwayStep`). */
  readonly accuracy: number | null;
}

/** The attention's time minus the accuracy's: negative where attention came first. */
export interface Lag {
  readonly steps: number;
  /** Difference of log₁₀(1 + step): at −0.3, attention's step is half of accuracy's. */
  readonly decades: number;
  /** As a share of the grokking delay; `null` where there was none. */
  readonly relative: number | null;
}

/** A run's lag; `null` for a run that never grokked, and where one of the two changes isn't dated. */
export function lagOf({ memorisation, grokking, attention, accuracy }: Moments): Lag | null {
  if (grokking === null || attention === null || accuracy === null) return null;
  const steps = attention - accuracy, wait = memorisation === null ? 0 : grokking - memorisation;
  return { steps, decades: decades(attention) - decades(accuracy), relative: wait > 0 ? steps / wait : null };
}

/** What the interval of the lag shows; `not before` means with or after, `not after` before or with. */
export type Verdict = "before" | "not after" | "with" | "not before" | "after" | "undecided";

/**
 * Lags of at most this size count as none, by scale: a tenth of the grokking delay, or 0.05 decades (12 % of the step). No margin in steps
 * would fit all runs.
 */
export const MARGINS = { relative: 0.1, decades: 0.05, steps: undefined } as const satisfies Record<keyof Lag, number | undefined>;

export interface LagOptions extends PermutationOptions {
  /** Level of the lag's interval. Default: 0.95. */
  readonly level?: number;
  /** The unit of the lags. Default: `relative`. */
  readonly scale?: keyof Lag;
  /** Lags of at most this size, in that unit, count as none. Default: `MARGINS`; required for `steps`. */
  readonly margin?: number;
}

/** The lag over runs; the interval is that of `shift`. */
export interface LagSummary extends Interval {
  readonly scale: keyof Lag;
  readonly margin: number;
  readonly verdict: Verdict;
  /**
   * All runs; those that never grokked; and those that grokked but have no lag: no clear change of attention, no delay, or a moment not
   * seen.
   */
  readonly runs: number;
  readonly never: number;
  readonly undated: number;
  /** The other runs, which have a lag; all fields below are about them. */
  readonly n: number;
  /** Their lags, in the order of the runs. */
  readonly lags: readonly number[];
  /** The lags' pseudomedian; `null` where there are none. Its interval needs 6 runs for 95 %, 5 for 90 %. */
  readonly shift: number | null;
  /** The interval's level. */
  readonly level: number;
  /** `rankBiserial` of the lags, −1 (attention first in every run) … 1; `null` where there are none. */
  readonly rankBiserial: number | null;
  /** p of the two-sided sign-flip test that the lags lie symmetrically around 0; `null` where there are none. */
  readonly p: number | null;
  /** The smallest that `p` could be with these lags; `null` where there are none. */
  readonly least: number | null;
}

/**
 * The verdict over runs, from the interval of the lags' pseudomedian: `with` where it lies within ± margin (equivalence: Schuirmann 1987,
 * J. Pharmacokinet. Biopharm.); `before` and `after` where it lies wholly beyond the margin on one side; `not before` and `not after` where
 * it excludes only one side (non-inferiority); else, or with too few runs for an interval, `undecided`. Runs that never grokked have no
 * lag; they are only counted.
 * @throws Error for a margin that is missing or negative, and for options out of range.
 */
export function lagOverRuns(moments: readonly Moments[], { scale = "relative", level = 0.95, ...options }: LagOptions = {}): LagSummary {
  const margin = options.margin ?? MARGINS[scale] ?? NaN;
  must(`judge a lag in ${scale}`, "margin", margin >= 0 && Number.isFinite(margin), "must be given, a number from 0", options.margin);
  const lags = moments.flatMap((run) => lagOf(run)?.[scale] ?? []), n = lags.length;
  const never = moments.filter(({ grokking }) => grokking === null).length;
  const counts = { scale, margin, runs: moments.length, never, undated: moments.length - never - n, n, lags, level };
  if (n === 0) {
    return {
      ...counts,
      verdict: "undecided",
      shift: null,
      low: null,
      high: null,
      rankBiserial: null,
      p: null,
      least: null,
    };
  }
  const { shift, low, high } = pseudomedian(lags, level), { p, least } = signFlipTest(lags, options);
  return {
    ...counts,
    verdict: verdictOf(low, high, margin),
    shift,
    low,
    high,
    rankBiserial: rankBiserial(lags),
    p,
    least,
  };
}

function verdictOf(low: number | null, high: number | null, margin: number): Verdict {
  if (low === null || high === null) return "undecided";
  const [notBefore, notAfter] = [low >= -margin, high <= margin];
  if (notBefore && notAfter) return "with";
  if (notBefore) return low > margin ? "after" : "not before";
  if (notAfter) return high < -margin ? "before" : "not after";
  return "undecided";
}

/** A lag with its sign, `+12 %`, `−0.30`; no sign where it rounds to 0. */
export const signedLag = (lag: number, scale: keyof Lag) => {
  const text = scale === "relative" ? percent(Math.abs(lag)) : scale === "steps" ? count(Math.abs(lag)) : Math.abs(lag).toFixed(2);
  return /[1-9]/.test(text) ? `${lag < 0 ? "−" : "+"}${text}` : text;
};

/** The verdict as a sentence, with the shift, its interval and n. */
export function lagFinding({ verdict, scale, shift, low, high, level, n }: LagSummary): string {
  if (shift === null) return "No run dates a change of attention against validation accuracy";
  const unit = { relative: " of the wait", decades: " decades", steps: " steps" }[scale];
  const interval = low === null || high === null
    ? "too few for an interval"
    : `${levelWord(level)} interval ${signedLag(low, scale)} to ${signedLag(high, scale)}`;
  const says = {
    before: "Attention changes before validation accuracy:",
    "not after": "Attention does not change after validation accuracy, but before it or with it:",
    with: "Attention changes with validation accuracy:",
    "not before": "Attention does not change before validation accuracy, but with it or after it:",
    after: "Attention changes after validation accuracy:",
    undecided: "Whether attention changes before, with or after accuracy is undecided:",
  }[verdict];
  return `${says} shift ${signedLag(shift, scale)}${unit} (${interval}, n\u00a0=\u00a0${n})`;
}
