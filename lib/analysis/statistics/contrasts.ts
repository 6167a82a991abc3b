/**
 * Several comparisons at once, as the rows of a table and as sentences: each with its size, its interval, its n and its test, corrected
 * together.
 */
import { type BootstrapOptions, stratifiedDelta } from "./compare.ts";
import { compareTimes, type ComparisonOptions } from "./comparison.ts";
import { type Corrected, corrected, differs, type Tested } from "./multiple.ts";
import { pseudomedian, rankBiserial, signFlipTest } from "./paired.ts";
import { gehanScores, permutationTest } from "./permutation.ts";
import { complete, type Interval, must, type ObservedPair } from "./sample.ts";

/** What is compared: the runs of `first` with those of `second`, within strata that have all else in common. */
export interface Contrast<Stratum> {
  /** What it is about, as a sentence begins: `On x + y`. */
  readonly of: string;
  /** `1 layer`, `4 layers` */
  readonly first: string;
  readonly second: string;
  readonly strata: readonly Stratum[];
}

/** Plain values of two groups of runs, none of them censored; or two of each run, in the same order. */
export interface Values {
  readonly a: readonly number[];
  readonly b: readonly number[];
}

/** A row of a table of contrasts. */
export interface ContrastRow extends Tested, Corrected {
  /** Times until something, of two groups of runs; values of two groups; pairs of values, two of each run. */
  readonly kind: "times" | "values" | "pairs";
  readonly of: string;
  readonly first: string;
  readonly second: string;
  /** Runs of each. */
  readonly n: readonly [number, number];
  /** Of times: how many of them had the event while all were watched. Else `n`. */
  readonly events: readonly [number, number];
  /**
   * Of times: how many times as long the first takes, `null` where one group has no event. Of values: Cliff's delta. Of pairs: the
   * differences' pseudomedian, in the values' unit.
   */
  readonly size: number | null;
  /** Of `size`, by itself: not corrected for the other rows. */
  readonly interval: Interval;
  /** Of times: up to which step all runs of a stratum were watched, at least and at most. */
  readonly watched: readonly [number, number] | null;
  /** From −1 to 1: Cliff's delta; of pairs the matched-pairs rank-biserial correlation; of times `null`. */
  readonly delta: number | null;
  /** Which is larger (later), where `holm` is below the level: 1 the first, −1 the second; 0 where they aren't told apart. */
  readonly verdict: -1 | 0 | 1;
}

/**
 * Times until an event: how many times as long the first group takes, with the test that the interval is of (`compareTimes`). A contrast
 * without both groups is left out.
 */
export function contrastTimes(contrasts: readonly Contrast<ObservedPair>[], options: ComparisonOptions = {}): ContrastRow[] {
  return judged(
    contrasts.filter(both).map(({ of, first, second, strata }) => {
      const { n, events, watched, ratio: size, low, high, sign, p, least } = compareTimes(strata, options);
      return { kind: "times", of, first, second, n, events, size, interval: { low, high }, watched, delta: null, p, least, sign };
    }),
  );
}

/**
 * Plain values: Cliff's delta within strata, tested by the rank-sum test in its permutation form. A contrast without both groups is left
 * out.
 */
export function contrastValues(contrasts: readonly Contrast<Values>[], options: BootstrapOptions = {}): ContrastRow[] {
  return judged(
    contrasts.filter(both).map(({ of, first, second, strata }) => {
      const pairs = strata.filter(({ a, b }) => a.length > 0 && b.length > 0).map(({ a, b }) => ({ a: complete(a), b: complete(b) }));
      const { delta, low, high } = stratifiedDelta(pairs, options), { p, least } = permutationTest(pairs.map(gehanScores));
      const count = (of: (pair: ObservedPair) => readonly unknown[]) => pairs.reduce((sum, pair) => sum + of(pair).length, 0);
      const n = [count(({ a }) => a), count(({ b }) => b)] as const, interval = { low, high };
      return {
        kind: "values",
        of,
        first,
        second,
        n,
        events: n,
        size: delta,
        interval,
        watched: null,
        delta,
        p,
        least,
        sign: Math.sign(delta),
      };
    }),
  );
}

/**
 * Two values of each run: by how much the first is above the second, tested by flipping the signs of whole runs. A contrast without runs is
 * left out.
 * @throws Error where there are more values of the one than of the other.
 */
export function contrastPairs(contrasts: readonly Contrast<Values>[], { level }: BootstrapOptions = {}): ContrastRow[] {
  return judged(
    contrasts.filter(both).map(({ of, first, second, strata }) => {
      for (const { a, b } of strata) {
        must(`compare ${of} within runs`, "the second's length", b.length === a.length, `must be ${a.length}`, b.length);
      }
      const differences = strata.flatMap(({ a, b }) => a.map((x, i) => x - b[i]));
      const { shift: size, ...interval } = pseudomedian(differences, level), { p, least, statistic } = signFlipTest(differences);
      const n = [differences.length, differences.length] as const, delta = rankBiserial(differences);
      return { kind: "pairs", of, first, second, n, events: n, size, interval, watched: null, delta, p, least, sign: Math.sign(statistic) };
    }),
  );
}

const both = ({ strata }: Contrast<{ readonly a: readonly unknown[]; readonly b: readonly unknown[] }>) =>
  strata.some(({ a, b }) => a.length > 0 && b.length > 0);

const judged = (rows: readonly (Omit<ContrastRow, "holm" | "floor" | "verdict"> & { readonly sign: number })[]): ContrastRow[] =>
  corrected(rows).map(({ sign, ...row }) => ({ ...row, verdict: (differs(row) ? sign : 0) as -1 | 0 | 1 }));
