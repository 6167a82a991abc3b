/** Success rates: how many of n runs grokked, and whether two such rates differ. */
import { dhyper } from "lib-r-math.js";
import { critical, must } from "./sample.ts";

/** A rate or a difference of rates, with its interval. */
export interface Rate {
  readonly rate: number;
  readonly low: number;
  readonly high: number;
}

/**
 * The score interval of a rate (Wilson 1927), no continuity correction: it keeps its level for small n, and at 0 and n. Throws unless 0 ≤
 * successes ≤ n > 0.
 */
export function wilson(successes: number, n: number, level = 0.95): Rate {
  checkCount(successes, n);
  const z2 = critical(level) ** 2, rate = successes / n;
  const middle = (rate + z2 / (2 * n)) / (1 + z2 / n);
  const width = Math.sqrt(z2 * (rate * (1 - rate) + z2 / (4 * n)) / n) / (1 + z2 / n);
  // At 0 and n one limit is the rate itself, which rounding misses by a hair.
  return { rate, low: successes === 0 ? 0 : middle - width, high: successes === n ? 1 : middle + width };
}

/**
 * The first rate minus the second; the interval is built from the two Wilson intervals (Newcombe 1998, method 10, no continuity correction).
 * Throws unless both are counts within n.
 */
export function rateDifference(successesA: number, nA: number, successesB: number, nB: number, level = 0.95): Rate {
  const a = wilson(successesA, nA, level), b = wilson(successesB, nB, level), rate = a.rate - b.rate;
  return { rate, low: rate - Math.hypot(a.rate - a.low, b.high - b.rate), high: rate + Math.hypot(a.high - a.rate, b.rate - b.low) };
}

/** Tables as likely as the one seen count as that in spite of rounding; R's `fisher.test`. */
const AS_LIKELY = 1 + 1e-7;

/**
 * Fisher's exact test (1935) that two rates are the same; two-sided p: the probability, given both margins, of all tables no likelier than
 * the one seen. Throws unless both are counts within n.
 */
export function fisherExact(successesA: number, nA: number, successesB: number, nB: number): number {
  checkCount(successesA, nA);
  checkCount(successesB, nB);
  const all = successesA + successesB;
  const likelihood = (a: number) => dhyper(a, nA, nB, all);
  let p = 0;
  for (let a = Math.max(0, all - nB); a <= Math.min(nA, all); a++) {
    if (likelihood(a) <= likelihood(successesA) * AS_LIKELY) p += likelihood(a);
  }
  return Math.min(1, p);
}

function checkCount(successes: number, n: number): void {
  must("compare rates", "n", Number.isInteger(n) && n > 0, "must be a positive whole number", n);
  const counted = Number.isInteger(successes) && successes >= 0 && successes <= n;
  must("compare rates", "successes", counted, `must be a whole number from 0 to ${n}`, successes);
}
