/** Rates that only rise along x, only fall, or turn once: how well such an order fits counts, and a test of it. */
import { Random } from "../../run/random.ts";
import type { Tries } from "./firth.ts";
import { must } from "./sample.ts";

/** Rates along x that keep an order, and how badly it fits the counts. */
export interface OrderedRates {
  /** In the order of the tries. */
  readonly rates: readonly number[];
  /** Twice the log-likelihood of the observed rates minus that of these; 0 where the observed rates keep the order. */
  readonly deviance: number;
}

/** The maximum-likelihood rates that never fall along x (or never rise): pool adjacent violators (Ayer et al. 1955, Ann. Math. Stat.). */
export function monotoneRates(tries: readonly Tries[], rises = true): OrderedRates {
  const pools: { successes: number; n: number; places: number }[] = [];
  for (const { successes, n } of rises ? tries : tries.toReversed()) {
    pools.push({ successes, n, places: 1 });
    while (pools.length > 1) {
      const [before, last] = pools.slice(-2);
      if (before.successes * last.n < last.successes * before.n) break;
      pools.splice(-2, 2, {
        successes: before.successes + last.successes,
        n: before.n + last.n,
        places: before.places + last.places,
      });
    }
  }
  const rates = pools.flatMap(({ successes, n, places }) => new Array<number>(places).fill(successes / n));
  return withDeviance(tries, rises ? rates : rates.toReversed());
}

/** The maximum-likelihood rates that rise up to some x and then fall (`peak`), or fall and then rise. */
export function turningRates(tries: readonly Tries[], peak = true): OrderedRates {
  const all = Array.from({ length: tries.length + 1 }, (_, split) => {
    const [before, after] = [monotoneRates(tries.slice(0, split), peak), monotoneRates(tries.slice(split), !peak)];
    return { rates: [...before.rates, ...after.rates], deviance: before.deviance + after.deviance };
  });
  return all.reduce((best, each) => (each.deviance < best.deviance - 1e-12 ? each : best));
}

function withDeviance(tries: readonly Tries[], rates: readonly number[]): OrderedRates {
  const part = (count: number, n: number, rate: number) => (count === 0 ? 0 : count * Math.log(count / (n * rate)));
  const deviance = tries.reduce((sum, { successes, n }, k) => sum + part(successes, n, rates[k]) + part(n - successes, n, 1 - rates[k]), 0);
  return { rates, deviance: Math.max(0, 2 * deviance) };
}

/** How success changes along x: monotone unless that is rejected, then with one turn unless that is rejected too. */
export interface Course {
  readonly shape: "rises" | "falls" | "peak" | "trough" | "irregular";
  /** The fitted rates of this shape; where it is irregular, the observed ones. */
  readonly rates: readonly number[];
  /** p of the test that the rates are monotone. */
  readonly p: number;
}

export interface CourseOptions {
  /** An order with a p below this is rejected. Default: 0.05. */
  readonly alpha?: number;
  readonly seed?: number;
  readonly draws?: number;
}

/**
 * Tests by parametric bootstrap whether counts can come from rates that are monotone in either direction: how often counts drawn from the
 * maximum-likelihood monotone rates deviate from every such order at least as much as the observed ones (order-restricted likelihood ratio;
 * Robertson, Wright & Dykstra 1988, Order Restricted Statistical Inference). Then the same for one turn.
 * @throws Error for no tries, fewer than 100 draws, and x that doesn't ascend.
 */
export function courseOf(tries: readonly Tries[], { alpha = 0.05, seed = 0, draws = 2000 }: CourseOptions = {}): Course {
  const action = "order rates";
  must(action, "draws", Number.isInteger(draws) && draws >= 100, "must be a whole number from 100 on", draws);
  must(action, "tries", tries.length > 0, "must be at one place at least", tries.length);
  must(action, "x", tries.every(({ x }, k) => k === 0 || x > tries[k - 1].x), "must ascend", tries.map(({ x }) => x).join(", "));
  const random = new Random(seed, "resample");
  type Fit = (tries: readonly Tries[]) => OrderedRates;
  const test = (fits: readonly [Fit, Fit]) => {
    const nearest = (some: readonly Tries[]) => {
      const [a, b] = fits.map((fit) => fit(some));
      return b.deviance < a.deviance - 1e-9 ? { which: 1, ...b } : { which: 0, ...a };
    };
    const seen = nearest(tries);
    if (seen.deviance < 1e-9) return { ...seen, p: 1 };
    let hits = 0;
    for (let i = 0; i < draws; i++) {
      const drawn = tries.map(({ x, n }, k) => ({ x, n, successes: binomial(n, seen.rates[k], random) }));
      if (nearest(drawn).deviance >= seen.deviance - 1e-9) hits++;
    }
    return { ...seen, p: (hits + 1) / (draws + 1) };
  };
  const monotone = test([(some) => monotoneRates(some, true), (some) => monotoneRates(some, false)]);
  if (monotone.p >= alpha) return { shape: monotone.which === 0 ? "rises" : "falls", rates: monotone.rates, p: monotone.p };
  const turning = test([(some) => turningRates(some, true), (some) => turningRates(some, false)]);
  if (turning.p >= alpha) return { shape: turning.which === 0 ? "peak" : "trough", rates: turning.rates, p: monotone.p };
  return { shape: "irregular", rates: tries.map(({ successes, n }) => successes / n), p: monotone.p };
}

function binomial(n: number, rate: number, random: Random): number {
  if (rate === 0 || rate === 1) return n * rate;
  let successes = 0;
  for (let i = 0; i < n; i++) if (random.uniform() < rate) successes++;
  return successes;
}
