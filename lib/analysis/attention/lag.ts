import type { BootstrapOptions } from "../statistics/compare.ts";
import { pseudomedian, rankBiserial, signFlipTest } from "../statistics/paired.ts";
import type { PermutationOptions } from "../statistics/permutation.ts";
import { type Interval, must } from "../statistics/sample.ts";
import { decades } from "../statistics/decades.ts";
import { count, percent } from "../words.ts";

/** When things happened to a run, in steps; `null` for what wasn't seen. */
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
  /** Of log₁₀(1 + step): −0.3 is at half the step. */
  readonly decades: number;
  /** As a share of the wait from memorising to grokking; `null` where there was none. */
  readonly relative: number | null;
}

/** A run's lag; `null` for a run that never grokked, and where one of the two changes isn't dated. */
export function lagOf({ memorisation, grokking, attention, accuracy }: Moments): Lag | null {
  if (grokking === null || attention === null || accuracy === null) return null;
  const steps = attention - accuracy, wait = memorisation === null ? 0 : grokking - memorisation;
  return { steps, decades: decades(attention) - decades(accuracy), relative: wait > 0 ? steps / wait : null };
}

/** What the interval of the lag carries: `not before` is with or after, `not after` is before or with. */
export type Verdict = "before" | "not after" | "with" | "not before" | "after" | "undecided";

/**
 * Lags up to here count as none, by scale: a tenth of the wait, or 0.05 decades (12 % of the step). In steps there is no such margin for
 * all runs.
 */
export const MARGINS = { relative: 0.1, decades: 0.05, steps: undefined } as const satisfies Record<keyof Lag, number | undefined>;

export interface LagOptions extends BootstrapOptions, PermutationOptions {
  /** In what lags are measured. Default: `relative`. */
  readonly scale?: keyof Lag;
  /** Lags up to here, in that unit, count as none. Default: `MARGINS`. */
  readonly margin?: number;
}

/** The lag over runs; the interval is the shift's. */
export interface LagSummary extends Interval {
  readonly scale: keyof Lag;
  readonly margin: number;
  readonly verdict: Verdict;
  /**
   * All runs, and of them those that never grokked, and those that did without a lag: no clear change of attention, no wait, or not seen.
   */
  readonly runs: number;
  readonly never: number;
  readonly undated: number;
  /** The other runs: they have a lag, and all that follows is of them. */
  readonly n: number;
  /** Their lags, in the order of the runs. */
  readonly lags: readonly number[];
  /** The lags' pseudomedian; `null` where there are none. Its interval needs 6 runs for 95 %, 5 for 90 %. */
  readonly shift: number | null;
  /** −1 (attention first in every run) … 1, by the ranks of their sizes; `null` where there are none. */
  readonly rankBiserial: number | null;
  /** Of the sign-flip test that lags lie around 0, two-sided; `null` where there are none. */
  readonly p: number | null;
  /** The smallest that `p` could be with these lags; `null` where there are none. */
  readonly least: number | null;
}

/**
 * The verdict over runs, by the interval of the lags' pseudomedian: `with` where it lies within ± margin (equivalence: Schuirmann 1987);
 * `before` and `after` where it lies wholly beyond the margin on one side; `not before` and `not after` where it leaves out one side alone
 * (non-inferiority); else, and where there are too few runs for an interval, `undecided`. Runs that never grokked have no lag, and are
 * counted.
 * @throws Error for a margin that is missing or negative, and for options out of range.
 */
export function lagOverRuns(moments: readonly Moments[], { scale = "relative", ...options }: LagOptions = {}): LagSummary {
  const margin = options.margin ?? MARGINS[scale] ?? NaN;
  must(`judge a lag in ${scale}`, "margin", margin >= 0 && Number.isFinite(margin), "must be given, a number from 0", options.margin);
  const lags = moments.flatMap((run) => lagOf(run)?.[scale] ?? []), n = lags.length;
  const never = moments.filter(({ grokking }) => grokking === null).length;
  const counts = { scale, margin, runs: moments.length, never, undated: moments.length - never - n, n, lags };
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
  const { shift, low, high } = pseudomedian(lags, options.level), { p, least } = signFlipTest(lags, options);
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

/** Minus as people write it; a plus where it tells later from earlier. */
export const signedLag = (lag: number, scale: keyof Lag) => {
  const text = scale === "relative" ? percent(Math.abs(lag)) : scale === "steps" ? count(Math.abs(lag)) : Math.abs(lag).toFixed(2);
  return /[1-9]/.test(text) ? `${lag < 0 ? "−" : "+"}${text}` : text;
};

/** What the interval carries, with the shift and n. */
export function lagFinding({ verdict, scale, shift, low, high, n }: LagSummary): string {
  if (shift === null) return "No run dates a change of attention against validation accuracy";
  const unit = { relative: " of the wait", decades: " decades", steps: " steps" }[scale];
  const interval = low === null || high === null
    ? "too few for an interval"
    : `95 % interval ${signedLag(low, scale)} to ${signedLag(high, scale)}`;
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
