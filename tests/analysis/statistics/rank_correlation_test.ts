/** Rank correlation against a published worked example, by counting, and at its edges. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { rankCorrelation, ranks } from "../../../lib/analysis/statistics/rank_correlation.ts";

/** Of drawn permutations, three standard errors. */
const DRAWN = 3 * Math.sqrt(0.0968 * 0.9032 / 10_000);

Deno.test("tuna's lightness against a panel's score (Hollander & Wolfe 1973, R's cor.test): rho 0.6, p 0.0968", () => {
  const lightness = [44.4, 45.9, 41.9, 53.3, 44.7, 44.1, 50.7, 45.2, 60.1], score = [2.6, 3.1, 2.5, 5.0, 3.6, 4.0, 5.2, 2.8, 3.8];
  const { n, rho, p, low, high } = rankCorrelation(lightness, score);
  assertEquals(n, 9);
  assertAlmostEquals(rho!, 0.6, 1e-12);
  assertAlmostEquals(p!, 0.0968, DRAWN);
  assert(low! < 0.6 && high! > 0.6 && low! >= -1 && high! <= 1);
});

Deno.test("few pairs: all orders are counted", () => {
  assertEquals(rankCorrelation([1, 2, 3, 4], [10, 20, 30, 400]).p, 2 / 24);
  // |rho| ≥ 0.5 has all six orders of three.
  assertEquals([rankCorrelation([1, 2, 3], [2, 1, 3]).rho, rankCorrelation([1, 2, 3], [2, 1, 3]).p], [0.5, 1]);
  assertEquals(rankCorrelation([1, 2, 3, 4], [4, 3, 2, 1]).rho, -1);
  // What four pairs can show at best is no p below 0.083; with ties, less.
  assertEquals([rankCorrelation([1, 2, 3, 4], [2, 1, 4, 3]).least, rankCorrelation([1, 1, 2, 2], [1, 2, 3, 3]).least], [2 / 24, 1 / 3]);
  assertEquals(rankCorrelation([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 4, 5, 6, 7, 9, 8]).least, 1 / 10_001);
});

Deno.test("ties share a rank; a side that doesn't vary has no correlation", () => {
  assertEquals(ranks([3, 1, 3, 2]), [3.5, 1, 3.5, 2]);
  assertEquals(rankCorrelation([1, 1, 1], [1, 2, 3]), { n: 3, rho: null, p: null, least: null, low: null, high: null });
  assertThrows(() => rankCorrelation([1, 2], [1, 2]), Error, "the number of pairs must be at least 3");
  assertThrows(() => rankCorrelation([1, 2, 3], [1, 2]), Error, "must be 3 as the first's");
  assertThrows(() => rankCorrelation([1, 2, NaN], [1, 2, 3]), Error, "finite");
});
