/** One sample against several others at once, where it is asked whether it lies above any of them. */
import { Random } from "../../run/random.ts";
import { checkSample, must, type Observation, order } from "./sample.ts";

/** A test of one sample against others. */
export interface ManyToOne {
  /** For each other sample, how far the one lies above it: the pair's rank sum less its mean, in its standard deviations; 0 where all are the same. */
  readonly z: readonly number[];
  /** One-sided, of the greatest z: that the one lies above none of them. */
  readonly p: number;
  /** What `p` can't be below with samples of these sizes: that of lying wholly above one of them. */
  readonly least: number;
}

export interface ManyToOneOptions {
  readonly seed?: number;
  readonly draws?: number;
}

/**
 * Steel's many-one rank test (1959), one-sided: whether the one sample's times are later than any other's. Which of the others is the earliest may be
 * looked up afterwards: that is what the greatest of the pairs' statistics is tested for, against its distribution where all runs are dealt anew to the
 * samples. A pair's statistic depends on no third sample, so that one much later than the rest takes nothing away. Pairs of censored times count as
 * far as their order is known (Gehan 1965). The standard deviation is that of runs without ties, the same for every deal: were it each pair's own, a tie
 * between two others would lift a pair above what deals without that tie can reach.
 * @throws Error for no others, an empty sample, a time that isn't finite, and fewer than 100 draws.
 */
export function laterThanAny(
  one: readonly Observation[],
  others: readonly (readonly Observation[])[],
  { seed = 0, draws = 10_000 }: ManyToOneOptions = {},
): ManyToOne {
  const action = "compare a sample with others";
  must(action, "others", others.length > 0, "must be at least one", others.length);
  must(action, "draws", Number.isInteger(draws) && draws >= 100, "must be a whole number from 100 on", draws);
  for (const sample of [one, ...others]) checkSample(action, sample);
  const all = [one, ...others].flat(), later = all.map((a) => Int8Array.from(all, (b) => order(a, b)));
  const ends: number[] = [];
  for (const sample of [one, ...others]) ends.push((ends.at(-1) ?? 0) + sample.length);
  const n = one.length, deviations = others.map(({ length: m }) => Math.sqrt(n * m * (n + m + 1) / 3));
  /** The statistics where `deal` says which run stands at each place. */
  const statistics = (deal: readonly number[]) => {
    const first = deal.slice(0, one.length);
    return others.map((_, k) => {
      const second = deal.slice(ends[k], ends[k + 1]);
      let above = 0;
      for (const a of first) for (const b of second) above += later[a][b];
      return above / deviations[k];
    });
  };
  const deal = [...all.keys()], z = statistics(deal), greatest = Math.max(...z) - 1e-9, random = new Random(seed, "resample");
  const most = Math.max(...others.map(({ length }, k) => n * length / deviations[k])) - 1e-9;
  let hits = 0, whole = 0;
  for (let i = 0; i < draws; i++) {
    for (let k = deal.length - 1; k > 0; k--) {
      const j = random.below(k + 1);
      [deal[k], deal[j]] = [deal[j], deal[k]];
    }
    const here = Math.max(...statistics(deal));
    if (here >= greatest) hits++;
    if (here >= most) whole++;
  }
  return { z, p: (hits + 1) / (draws + 1), least: (whole + 1) / (draws + 1) };
}
