/** The end of a range against the values before it, where it isn't said beforehand against how many of them. */
import { Random } from "../../run/random.ts";
import { checkSample, choose, critical, must, type Observation, order, stretched, watchedAlike } from "./sample.ts";

export interface LaterOptions {
  /** Of `atLeast`. Default: 0.95. */
  readonly level?: number;
  readonly seed?: number;
  readonly draws?: number;
}

/** A test of one sample against the ones before it. */
export interface LaterAtEnd {
  /** For the nearest sample, the two nearest, …: how far the end lies above them together, in standard deviations. */
  readonly z: readonly number[];
  /** One-sided, of the greatest z: that the end is later than none of the others. */
  readonly p: number;
  /** The smallest p that these times can give, however they are dealt to the samples. */
  readonly least: number;
  /** The end's times divided by this are just no longer shown to be later, at the level; `null` where none of them, or nothing, tells. */
  readonly atLeast: number | null;
}

/** Halvings of a stretch: to less than a hundredth of a factor. */
const HALVINGS = 10;

/**
 * Whether the samples' times are later at the end of a range than at some value before it. The end's rank sum against the nearest value,
 * against the two nearest together, and so on to all of them; the greatest of these, in standard deviations, is tested against its
 * distribution where all runs are dealt anew to the samples: a maximally selected rank statistic (Miller & Siegmund 1982; Lausen &
 * Schumacher 1992), with the values pooled as in Mack and Wolfe's (1981) test for umbrellas, and only the end compared. So it may be looked
 * up how far the shorter times reach, and five runs against five have all the other values behind them: the smallest p of 5 and m others is
 * 1 over the ways to choose 5 of 5 + m.
 *
 * It holds for any times of the others, as long as the end's are stochastically no later than each of theirs: give each run its place
 * within its own sample's distribution, and an end that is later than another run has the higher place, so that no statistic exceeds that
 * of places dealt at random. Hence `atLeast` holds for the ratio to the earliest of them. Pairs of censored times count as far as their
 * order is known (Gehan 1965), and times only as far as all were watched.
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
  // Of draws, none may be so extreme; of all deals, one is.
  const one = 1 / choose(n + m, n), deals = dealsOf(n + m, draws, new Random(seed, "resample"));
  /** The statistics where `deal` says which run stands at each place, the end's first. */
  const statistics = (later: Int8Array, deal: ArrayLike<number>) => {
    let above = 0, at = n;
    return pools.map(({ until, deviation }) => {
      for (; at < until; at++) {
        const other = deal[at];
        for (let i = 0; i < n; i++) above += later[deal[i] * (n + m) + other];
      }
      return above / deviation;
    });
  };
  /** The end's times divided by exp(log). */
  const test = (log: number) => {
    const [first, ...rest] = watchedAlike([end.map(stretched(Math.exp(-log))), ...others]);
    const all = [...first, ...rest.flat()], later = Int8Array.from(all.flatMap((a) => all.map((b) => order(a, b))));
    const seen = statistics(later, all.map((_, i) => i));
    // The latest at the end and the earliest next to it: then every pool lies as far below the end as these times allow.
    const ranks = all.map((a) => all.reduce((sum, b) => sum + order(a, b), 0));
    const rising = ranks.map((rank, i) => ({ i, rank })).sort((a, b) => a.rank - b.rank).map(({ i }) => i);
    const furthest = Math.max(...statistics(later, [...rising.slice(m), ...rising.slice(0, m)]));
    const greatest = deals.map((deal) => Math.max(...statistics(later, deal)));
    const share = (limit: number) => Math.max(one, (1 + greatest.filter((z) => z >= limit - 1e-9).length) / (draws + 1));
    return { z: seen, p: share(Math.max(...seen)), least: share(furthest) };
  };
  const plain = test(0);
  return { ...plain, atLeast: plain.least < 1 - level ? atLeast((log) => test(log).p < 1 - level, [end, ...others].flat()) : null };
}

/** All runs in orders drawn at random. */
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
 * The factor up to which the end is shown to be later; below 1 where it isn't at all. `null` where even the greatest shrinking of the
 * others isn't.
 */
function atLeast(shown: (log: number) => boolean, all: readonly Observation[]): number | null {
  const times = all.map(({ time }) => time).filter((time) => time > 0);
  if (times.length === 0) return null;
  const far = 0.1 + Math.log(Math.max(...times) / Math.min(...times));
  let [low, high] = shown(0) ? [0, far] : [-far, 0];
  if (low < 0 && !shown(low)) return null;
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (low + high) / 2;
    if (shown(middle)) low = middle;
    else high = middle;
  }
  return Math.exp(low);
}
