/** A test whether times at the end of a range are later than at some value before it, without choosing that value beforehand. */
import { Random } from "../../run/random.ts";
import { alphaOf, checkSample, choose, critical, must, type Observation, order, stretched, watchedAlike } from "./sample.ts";

export interface LaterOptions {
  /** Level of `atLeast`. Default: 0.95. */
  readonly level?: number;
  readonly seed?: number;
  /** Random assignments; where there are no more than so many, all of them. Default: 10,000. */
  readonly draws?: number;
}

/** A test of one sample against the ones before it. */
export interface LaterAtEnd {
  /**
   * How far the end lies above the nearest sample, the two nearest together, …, in standard deviations of the rank sum, [number of other
   * samples].
   */
  readonly z: readonly number[];
  /** One-sided p of the largest z; the null hypothesis is that the end is later than none of the others. */
  readonly p: number;
  /** The smallest p that these times can give, however they are assigned to the samples. */
  readonly least: number;
  /**
   * Lower bound, at the level, of how many times as late the end is: divided by this, its times are just no longer shown to be later.
   * Infinity where no factor is large enough, as too many of the others' times are 0; `null` where the samples are too small to show
   * anything.
   */
  readonly atLeast: number | null;
}

/** Bisection steps: to about a hundredth of a factor. */
const HALVINGS = 10;

/**
 * Whether the samples' times are later at the end of a range than at some value before it. The end's rank sum is compared with the nearest
 * value, with the two nearest together, and so on to all of them. The largest of these statistics, in standard deviations, is tested
 * against its distribution when all runs are assigned to the samples at random: a maximally selected rank statistic (Miller & Siegmund
 * 1982, Biometrics; Lausen & Schumacher 1992, Biometrics), with values pooled as in the umbrella test of Mack & Wolfe (1981, JASA), and
 * only the end compared. So p allows for choosing how many values to compare with, and all other values add to the power: with 5 runs at
 * the end and m others, the smallest p is 1 over the ways to choose 5 of 5 + m.
 *
 * The other samples need not have equal distributions; the null hypothesis is that the end is stochastically no later than each of them.
 * Proof: replace each time by its quantile within its own sample's distribution. Under the null hypothesis, an end run that is later than
 * another run also has the higher quantile, so no statistic exceeds that of random quantiles. Hence `atLeast` bounds the ratio to the
 * earliest sample. Pairs of censored times count where their order is known (Gehan 1965, Biometrika), and times only as far as all runs
 * were watched.
 * @param last the runs at the end of the range.
 * @param before the runs at the other values, the nearest to the end first.
 * @throws Error for no others, an empty sample, a time that isn't finite, fewer than 100 draws, and a level outside (0, 1).
 */
export function laterAtEnd(
  last: readonly Observation[],
  before: readonly (readonly Observation[])[],
  { level = 0.95, seed = 0, draws = 10_000 }: LaterOptions = {},
): LaterAtEnd {
  const action = "compare a sample with others";
  must(action, "others", before.length > 0, "must be at least one", before.length);
  must(action, "draws", Number.isInteger(draws) && draws >= 100, "must be a whole number from 100 on", draws);
  critical(level); // checks it
  for (const sample of [last, ...before]) checkSample(action, sample);
  const [end, ...others] = watchedAlike([last, ...before]), n = end.length;
  let m = 0;
  const pools = others.map(({ length }) => {
    m += length;
    return { until: n + m, deviation: Math.sqrt(n * m * (n + m + 1) / 3) };
  });
  const all = allDeals([end, ...others].map(({ length }) => length), draws),
    deals = all ?? dealsOf(n + m, draws, new Random(seed, "resample"));
  // Beside random assignments the one that was seen counts; among all of them it is. Of all, at least one is the most extreme.
  const seen = all ? 0 : 1, total = deals.length + seen, one = 1 / choose(n + m, n), alpha = alphaOf(level);
  /** How many runs at the end are later than that at a position, less the earlier ones. `deal`: which run stands where, the end's first. */
  const aboveOf = (later: Int8Array, deal: ArrayLike<number>, at: number): number => {
    const other = deal[at];
    let above = 0;
    for (let i = 0; i < n; i++) above += later[deal[i] * (n + m) + other];
    return above;
  };
  /** The statistics for an assignment. */
  const statistics = (later: Int8Array, deal: ArrayLike<number>): number[] => {
    let above = 0, at = n;
    return pools.map(({ until, deviation }) => {
      for (; at < until; at++) above += aboveOf(later, deal, at);
      return above / deviation;
    });
  };
  /** The end's times divided by exp(log): which runs are later than which, and the statistics as the runs stand. */
  const divided = (log: number) => {
    const [first, ...rest] = watchedAlike([end.map(stretched(Math.exp(-log))), ...others]), runs = [...first, ...rest.flat()];
    const later = Int8Array.from(runs.flatMap((a) => runs.map((b) => order(a, b))));
    return { runs, later, z: statistics(later, runs.map((_, i) => i)) };
  };
  /** Whether one of the statistics for an assignment is at least as large as `limit`. */
  const reaches = (later: Int8Array, deal: ArrayLike<number>, limit: number): boolean => {
    let above = 0, at = n;
    for (const { until, deviation } of pools) {
      for (; at < until; at++) above += aboveOf(later, deal, at);
      if (above / deviation >= limit) return true;
    }
    return false;
  };
  /** The share of assignments of which a statistic reaches that of the runs as they stand; from `enough` on, no larger than that. */
  const share = (later: Int8Array, z: readonly number[], enough = 1) => {
    const limit = Math.max(...z) - 1e-9;
    let hits = seen;
    for (const deal of deals) {
      if (hits >= enough * total) break;
      if (reaches(later, deal, limit)) hits++;
    }
    return Math.max(one, hits / total);
  };
  const { runs, later, z } = divided(0);
  // The latest times at the end and the earliest next to it: then every pool lies as far below the end as these times allow.
  const ranks = runs.map((a) => runs.reduce((sum, b) => sum + order(a, b), 0));
  const rising = ranks.map((rank, i) => ({ i, rank })).sort((a, b) => a.rank - b.rank).map(({ i }) => i);
  const p = share(later, z), least = share(later, statistics(later, [...rising.slice(m), ...rising.slice(0, m)]));
  const shown = (log: number) => {
    const { later, z } = divided(log);
    return share(later, z, alpha) < alpha;
  };
  return { z, p, least, atLeast: least < alpha ? atLeast(shown, runs) : null };
}

/** Every assignment of the runs to samples of these sizes, as the runs in the samples' order; `null` where there are more than `most`. */
function allDeals(sizes: readonly number[], most: number): readonly number[][] | null {
  const runs = Array.from({ length: sizes.reduce((sum, size) => sum + size, 0) }, (_, i) => i);
  let ways = 1, left = runs.length;
  for (const size of sizes) (ways *= choose(left, size), left -= size);
  if (ways > most) return null;
  const dealt = sizes.slice(0, -1).reduce<number[][]>(
    (deals, size) => deals.flatMap((deal) => subsets(runs.filter((run) => !deal.includes(run)), size).map((next) => [...deal, ...next])),
    [[]],
  );
  return dealt.map((deal) => [...deal, ...runs.filter((run) => !deal.includes(run))]);
}

/** All ways to take k of some values. */
const subsets = (values: readonly number[], k: number): number[][] =>
  k === 0
    ? [[]]
    : values.slice(0, values.length - k + 1).flatMap((value, i) => subsets(values.slice(i + 1), k - 1).map((rest) => [value, ...rest]));

/** Random permutations of all runs. */
function dealsOf(runs: number, draws: number, random: Random): Uint16Array[] {
  const deck = Uint16Array.from({ length: runs }, (_, i) => i);
  return Array.from({ length: draws }, () => {
    for (let k = runs - 1; k > 0; k--) {
      const j = random.below(k + 1);
      [deck[k], deck[j]] = [deck[j], deck[k]];
    }
    return deck.slice();
  });
}

/**
 * The factor up to which the end is shown to be later; below 1 where it isn't shown to be later itself, Infinity where no factor is large
 * enough. `null` where even the largest possible factor shows nothing.
 */
function atLeast(shown: (log: number) => boolean, all: readonly Observation[]): number | null {
  const times = all.map(({ time }) => time).filter((time) => time > 0);
  if (times.length === 0) return null;
  const far = 0.1 + Math.log(Math.max(...times) / Math.min(...times));
  let [low, high] = shown(0) ? [0, far] : [-far, 0];
  if (low < 0 && !shown(low)) return null;
  if (low === 0 && shown(far)) return Infinity;
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (low + high) / 2;
    if (shown(middle)) low = middle;
    else high = middle;
  }
  return Math.exp(low);
}
