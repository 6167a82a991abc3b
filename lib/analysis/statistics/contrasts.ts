/** Several comparisons at once, as the rows of a table and as sentences: each with its size, its interval, its n and its test, corrected together. */
import { type BootstrapOptions, stratifiedDelta } from "./compare.ts";
import { compareTimes } from "./comparison.ts";
import { holm } from "./multiple.ts";
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

/** A row of a table of contrasts. Positive sizes say that the first takes longer, or has more. */
export interface ContrastRow {
  /** Times until something, of two groups of runs; values of two groups; pairs of values, two of each run. */
  readonly kind: "times" | "values" | "pairs";
  readonly of: string;
  readonly first: string;
  readonly second: string;
  /** Runs of each. */
  readonly n: readonly [number, number];
  /** Of times: how many of them had the event. Else `n`. */
  readonly events: readonly [number, number];
  /** Of times: mean difference in steps, within `tau`. Of values: Cliff's delta. Of pairs: the differences' pseudomedian, in the values' unit. */
  readonly size: number;
  readonly interval: Interval;
  /** Of times: where means are cut off, and how many of how many strata are known that far. */
  readonly tau: number | null;
  readonly strata: readonly [number, number] | null;
  /** From −1 to 1: Cliff's delta; of pairs the matched-pairs rank-biserial correlation. */
  readonly delta: number;
  /** Of the permutation test, uncorrected; `null` where there was nothing to test. */
  readonly p: number | null;
  /** After Holm's correction over all rows that have a p. */
  readonly holm: number | null;
  /** Which is larger (later), should `holm` be below the level: 1 the first, −1 the second; 0 where they aren't told apart. */
  readonly verdict: -1 | 0 | 1;
}

/** What is told apart has a corrected p below it. */
export const LEVEL = 0.05;

/** Times until an event: mean differences in steps, tested by the log-rank test in its permutation form. A contrast without both groups is left out. */
export function contrastTimes(contrasts: readonly Contrast<ObservedPair>[], options: BootstrapOptions = {}): ContrastRow[] {
  return corrected(
    contrasts.filter(both).map(({ of, first, second, strata }) => {
      const { n, events, tau, counted, strata: all, difference, dominance, hazard, p } = compareTimes(strata, options);
      const { difference: size, low, high } = difference;
      // The test is of the rates, so they say which way it points.
      const sign = hazard.ratio === null || hazard.ratio === 1 ? 0 : hazard.ratio < 1 ? 1 : -1;
      const row = { of, first, second, n, events, size, interval: { low, high }, tau, strata: [counted, all] as const };
      return { kind: "times", ...row, delta: dominance.delta, p, sign };
    }),
  );
}

/** Plain values: Cliff's delta within strata, tested by the rank-sum test in its permutation form. A contrast without both groups is left out. */
export function contrastValues(contrasts: readonly Contrast<Values>[], options: BootstrapOptions = {}): ContrastRow[] {
  return corrected(
    contrasts.filter(both).map(({ of, first, second, strata }) => {
      const pairs = strata.filter(({ a, b }) => a.length > 0 && b.length > 0).map(({ a, b }) => ({ a: complete(a), b: complete(b) }));
      const { delta, low, high } = stratifiedDelta(pairs, options), { p } = permutationTest(pairs.map(gehanScores));
      const count = (of: (pair: ObservedPair) => readonly unknown[]) => pairs.reduce((sum, pair) => sum + of(pair).length, 0);
      const n = [count(({ a }) => a), count(({ b }) => b)] as const;
      const sign = Math.sign(delta);
      return {
        kind: "values",
        of,
        first,
        second,
        n,
        events: n,
        size: delta,
        interval: { low, high },
        tau: null,
        strata: null,
        delta,
        p,
        sign,
      };
    }),
  );
}

/**
 * Two values of each run: by how much the first is above the second, tested by flipping the signs of whole runs. A contrast without runs is left out.
 * Throws where there are more values of the one than of the other.
 */
export function contrastPairs(contrasts: readonly Contrast<Values>[], { level }: BootstrapOptions = {}): ContrastRow[] {
  return corrected(
    contrasts.filter(both).map(({ of, first, second, strata }) => {
      for (const { a, b } of strata) {
        must(`compare ${of} within runs`, "the second's length", b.length === a.length, `must be ${a.length}`, b.length);
      }
      const differences = strata.flatMap(({ a, b }) => a.map((x, i) => x - b[i])),
        { shift: size, low, high } = pseudomedian(differences, level);
      const n = [differences.length, differences.length] as const, { p, statistic } = signFlipTest(differences);
      const row = {
        of,
        first,
        second,
        n,
        events: n,
        size,
        interval: { low, high },
        tau: null,
        strata: null,
        delta: rankBiserial(differences),
        p,
      };
      return { kind: "pairs", ...row, sign: Math.sign(statistic) };
    }),
  );
}

const both = ({ strata }: Contrast<{ readonly a: readonly unknown[]; readonly b: readonly unknown[] }>) =>
  strata.some(({ a, b }) => a.length > 0 && b.length > 0);

function corrected(rows: readonly (Omit<ContrastRow, "holm" | "verdict"> & { readonly sign: number })[]): ContrastRow[] {
  const tested = rows.flatMap(({ p }) => p === null ? [] : [p]), adjusted = holm(tested);
  let next = 0;
  return rows.map(({ sign, ...row }) => {
    const holm = row.p === null ? null : adjusted[next++];
    return { ...row, holm, verdict: (holm !== null && holm < LEVEL ? sign : 0) as -1 | 0 | 1 };
  });
}

/** `p = 0.012`, `p < 0.001` */
export const pWord = (p: number | null, name = "p") =>
  p === null ? "nothing to test" : p < 0.001 ? `${name} < 0.001` : `${name} = ${Number(p.toPrecision(2))}`;
