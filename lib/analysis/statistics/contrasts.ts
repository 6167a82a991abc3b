/** Several comparisons as the rows of a table, each with its size, interval, n and test; the tests are corrected together. */
import { stratifiedDelta } from "./compare.ts";
import { compareTimes, type ComparisonOptions, type TimeTest } from "./comparison.ts";
import { type Corrected, corrected, differs, type Tested } from "./multiple.ts";
import { pseudomedian, rankBiserial, signFlipTest } from "./paired.ts";
import { gehanScores, type PermutationOptions, permutationTest } from "./permutation.ts";
import { complete, type Interval, must, type ObservedPair } from "./sample.ts";

/** What is compared: the runs of `first` with those of `second`, within strata that have all else in common. */
export interface Contrast<Stratum> {
  /** The subject, as a sentence begins: `On x + y`. */
  readonly of: string;
  /** `1 layer`, `4 layers` */
  readonly first: string;
  readonly second: string;
  readonly strata: readonly Stratum[];
}

/** Uncensored values of two groups of runs; or two values of each run, in the same order. */
export interface Values {
  readonly a: readonly number[];
  readonly b: readonly number[];
}

/** A row of a table of contrasts. */
export interface ContrastRow extends Tested, Corrected {
  /** `times`: times to an event, of two groups of runs. `values`: values of two groups. `pairs`: two values of each run. */
  readonly kind: "times" | "values" | "pairs";
  /** For times the test; for the others, which have one each, `null`. */
  readonly test: TimeTest | null;
  readonly of: string;
  readonly first: string;
  readonly second: string;
  /** Runs of each group. */
  readonly n: readonly [number, number];
  /** Where observations have units: how many of each group. */
  readonly units?: readonly [number, number];
  /** For times: how many of them had the event while all were watched. Else `n`. */
  readonly events: readonly [number, number];
  /**
   * For times: how many times as long the first takes, `null` where one group has no event. For values: Cliff's delta. For pairs: the
   * pseudomedian of the differences, in the values' unit.
   */
  readonly size: number | null;
  /** The interval of `size`, not corrected for the other rows. */
  readonly interval: Interval;
  /** The interval's level: 0.95. */
  readonly level: number;
  /** For times: the smallest and the largest step, over the strata, up to which all runs were watched. Else `null`. */
  readonly watched: readonly [number, number] | null;
  /** For values Cliff's delta, for pairs the matched-pairs rank-biserial correlation, both −1 … 1; for times `null`. */
  readonly delta: number | null;
  /** Which is larger (later), where `holm` is below `LEVEL`: 1 the first, −1 the second; else 0. */
  readonly verdict: -1 | 0 | 1;
}

export interface ValuesOptions extends PermutationOptions {
  /** Level of the interval. Default: 0.95. */
  readonly level?: number;
}

/**
 * Times to an event: how many times as long the first group takes, its interval, and the test that goes with it (`compareTimes`). A
 * contrast without both groups is left out.
 * @throws Error where `compareTimes` does, and where both groups have one name.
 */
export function contrastTimes(contrasts: readonly Contrast<ObservedPair>[], options: ComparisonOptions = {}): ContrastRow[] {
  const { level = 0.95, test = "log-rank" } = options;
  for (const { of, first, second } of contrasts) {
    must(`compare times by ${of}`, "the groups' names", first !== second, "must differ", first);
  }
  return judged(
    contrasts.filter(both).map(({ of, first, second, strata }) => {
      const { n, units, events, watched, ratio: size, low, high, sign, p, least } = compareTimes(strata, options);
      return {
        kind: "times",
        test,
        of,
        first,
        second,
        n,
        ...units ? { units } : {},
        events,
        size,
        interval: { low, high },
        level,
        watched,
        delta: null,
        p,
        least,
        sign,
      };
    }),
  );
}

/**
 * Uncensored values: Cliff's delta within strata, tested by the rank-sum test in its permutation form. A contrast without both groups is
 * left out.
 * @throws Error where `stratifiedDelta` does.
 */
export function contrastValues(contrasts: readonly Contrast<Values>[], { level = 0.95, ...drawn }: ValuesOptions = {}): ContrastRow[] {
  return judged(
    contrasts.filter(both).map(({ of, first, second, strata }) => {
      const pairs = strata.filter(({ a, b }) => a.length > 0 && b.length > 0).map(({ a, b }) => ({ a: complete(a), b: complete(b) }));
      const { delta, low, high } = stratifiedDelta(pairs, level), { p, least } = permutationTest(pairs.map(gehanScores), drawn);
      const count = (of: (pair: ObservedPair) => readonly unknown[]) => pairs.reduce((sum, pair) => sum + of(pair).length, 0);
      const n = [count(({ a }) => a), count(({ b }) => b)] as const, interval = { low, high };
      return {
        kind: "values",
        test: null,
        of,
        first,
        second,
        n,
        events: n,
        size: delta,
        interval,
        level,
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
 * @throws Error where the two sides have different numbers of values.
 */
export function contrastPairs(contrasts: readonly Contrast<Values>[], { level = 0.95, ...drawn }: ValuesOptions = {}): ContrastRow[] {
  return judged(
    contrasts.filter(both).map(({ of, first, second, strata }) => {
      for (const { a, b } of strata) {
        must(`compare ${of} within runs`, "the second's length", b.length === a.length, `must be ${a.length}`, b.length);
      }
      const differences = strata.flatMap(({ a, b }) => a.map((x, i) => x - b[i]));
      const { shift: size, ...interval } = pseudomedian(differences, level), { p, least, statistic } = signFlipTest(differences, drawn);
      const n = [differences.length, differences.length] as const, delta = rankBiserial(differences);
      const shared = { of, first, second, n, events: n, size, interval, level, watched: null, delta, p, least };
      return { kind: "pairs", test: null, ...shared, sign: Math.sign(statistic) };
    }),
  );
}

const both = ({ strata }: Contrast<{ readonly a: readonly unknown[]; readonly b: readonly unknown[] }>) =>
  strata.some(({ a, b }) => a.length > 0 && b.length > 0);

const judged = (rows: readonly (Omit<ContrastRow, "holm" | "floor" | "tests" | "verdict"> & { readonly sign: number })[]): ContrastRow[] =>
  corrected(rows).map(({ sign, ...row }) => ({ ...row, verdict: (differs(row) ? sign : 0) as -1 | 0 | 1 }));
