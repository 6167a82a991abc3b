/** The interval of a rank correlation: its limits, its coverage, and that it agrees with the permutation test. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { rankCorrelation } from "../../../lib/analysis/statistics/rank_correlation.ts";
import { Random } from "../../../lib/run/random.ts";

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);
const interval = (x: readonly number[], y: readonly number[], level = 0.95) => {
  const { low, high } = rankCorrelation(x, y, { level, draws: 100 });
  return [low!, high!];
};
const close = (values: readonly number[], expected: readonly number[]) =>
  values.forEach((value, i) => assertAlmostEquals(value, expected[i], 1e-9));

Deno.test("limits where the distance of artanh equals its deviation at the limit itself", () => {
  // scipy's brentq on (artanh r − artanh ρ)² − z² max(1.06, 1 + ρ²/2) / (n − 3).
  const lightness = [44.4, 45.9, 41.9, 53.3, 44.7, 44.1, 50.7, 45.2, 60.1], score = [2.6, 3.1, 2.5, 5.0, 3.6, 4.0, 5.2, 2.8, 3.8];
  close(interval(lightness, score), [-0.12992117297474465, 0.9289226759210921]); // rho = 0.6, n = 9
  const some = [1, 2, 3, 6, 5, 4, 8, 7];
  assertAlmostEquals(rankCorrelation(upTo(8), some).rho!, 1 - 6 * 10 / 504, 1e-12);
  const [low, high] = interval(upTo(8), some), [narrow, wide] = interval(upTo(8), some, 0.8);
  assert(low < narrow && wide < high);
  close(interval(upTo(8), some.map((rank) => -rank)), [-high, -low]);
  // In complete order the upper limit is 1, the lower one that of half a step below: 1 − 6 / 210.
  close(interval(upTo(6), upTo(6)), [0.6944055431542757, 1]);
  const { low: none, high: either } = rankCorrelation([1, 2, 3], [1, 3, 2]);
  assertEquals([none, either], [null, null]);
});

/** Orders of 1 … n of any correlation: some neighbours of the rising order exchanged. */
function* orders(n: number, random: Random, many: number): Generator<number[]> {
  for (let k = 0; k < many; k++) {
    const order = upTo(n);
    for (let swaps = random.below(2 * n); swaps > 0; swaps--) {
      const i = random.below(n - 1);
      [order[i], order[i + 1]] = [order[i + 1], order[i]];
    }
    yield order;
  }
}

Deno.test("seven and eight pairs: 0 lies outside the interval exactly where p is below 0.05, of all permutations", () => {
  const random = new Random(3, "resample"), seen = { told: 0, not: 0 };
  for (const n of [7, 8]) {
    for (const order of orders(n, random, n === 7 ? 60 : 12)) {
      const { p, low, high } = rankCorrelation(upTo(n), order), outside = low! > 0 || high! < 0;
      assertEquals(outside, p! < 0.05, `${order}`);
      outside ? seen.told++ : seen.not++;
    }
  }
  assert(seen.told > 10 && seen.not > 10, JSON.stringify(seen));
  // The one value of six pairs at which they contradict each other: 42 of 720 orders are as far from 0 (python, itertools).
  const six = rankCorrelation(upTo(6), [1, 2, 3, 5, 6, 4]);
  assertAlmostEquals(six.p!, 42 / 720, 1e-12);
  assert(six.low! > 0 && six.low! < 0.05, `${six.low}`);
});

Deno.test("nine normal pairs: the interval holds the true rank correlation in about 95 %", () => {
  const random = new Random(11, "resample"), trials = 1500;
  for (const correlation of [0, 0.6, 0.9]) {
    const truth = 6 / Math.PI * Math.asin(correlation / 2); // Pearson 1907
    let held = 0;
    for (let i = 0; i < trials; i++) {
      const x = upTo(9).map(() => random.normal());
      const y = x.map((value) => correlation * value + Math.sqrt(1 - correlation ** 2) * random.normal());
      const { low, high } = rankCorrelation(x, y, { draws: 100 });
      held += Number(low! <= truth && truth <= high!);
    }
    assert(held / trials > 0.92 && held / trials < 0.985, `${correlation}: ${held / trials}`);
  }
});

Deno.test("too few draws, and levels that are none, are refused", () => {
  for (const draws of [0, 99, 100.5]) {
    assertThrows(
      () => rankCorrelation(upTo(9), upTo(9), { draws }),
      Error,
      "Cannot correlate ranks: draws must be a whole number from 100 on",
    );
  }
  assertThrows(() => rankCorrelation(upTo(9), upTo(9), { level: 95 }), Error, "level must lie between 0 and 1");
});
