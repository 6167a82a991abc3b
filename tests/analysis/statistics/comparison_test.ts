/** Comparisons within strata: one stratum gives what the parts give, several only what happens within them. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { cliffsDelta } from "../../../lib/analysis/statistics/compare.ts";
import { compareTimes } from "../../../lib/analysis/statistics/comparison.ts";
import { hazardRatio, logRank } from "../../../lib/analysis/statistics/logrank.ts";
import { complete, type Observation } from "../../../lib/analysis/statistics/sample.ts";
import { kaplanMeier, restrictedMeanDifference } from "../../../lib/analysis/statistics/survival.ts";

/** Watched so long without the event. */
const never = (time: number): Observation => ({ time, event: false });

/** Sums of a handful of numbers in another order. */
const ROUNDING = 1e-12;

Deno.test("one stratum: the parts, put together", () => {
  const a = [...complete([100, 140, 150]), never(200), never(200)], b = complete([60, 80, 90, 100, 120]);
  const { n, events, strata, tau, difference, dominance, hazard, p, exact } = compareTimes([{ a, b }]);
  assertEquals([n, events, strata, tau, exact], [[5, 5], [3, 5], 1, 200, true]);
  // By hand: (100 + 140 + 150 + 200 + 200) / 5 − 450 / 5.
  assertAlmostEquals(difference.difference, 158 - 90, ROUNDING * 158);
  const alone = restrictedMeanDifference(kaplanMeier(a), kaplanMeier(b), 200);
  assertAlmostEquals(difference.low!, alone.low!, ROUNDING * 158);
  assertEquals(dominance, cliffsDelta(a, b));
  // 25 pairs: 100 is later than three, ties one and is earlier than one; all others are later than all.
  assertAlmostEquals(dominance.delta, (3 - 1 + 4 * 5) / 25, ROUNDING);
  assertEquals(hazard, hazardRatio(logRank([a, b])));
  assert(p! >= 2 / 252 && p! < 0.05);
});

Deno.test("strata are compared within themselves: what they differ in by themselves is no effect", () => {
  // In each stratum the first takes 10 steps longer; the second stratum takes 1000 longer, and there the groups are of other sizes.
  const strata = [
    { a: complete([30, 40, 50, 60]), b: complete([20, 30, 40, 50]) },
    { a: complete([1030, 1050]), b: complete([1020, 1030, 1040, 1050, 1020, 1030, 1040, 1050]) },
  ];
  const { difference, dominance, n } = compareTimes(strata);
  assertEquals(n, [6, 12]);
  // Means 45 against 35 and 1040 against 1035.
  assertAlmostEquals(difference.difference, (10 + 5) / 2, ROUNDING * 1000);
  // Later minus earlier: in the first stratum 10 pairs of 16 and 3 of them ties: 10 − 3; in the second 8 − 4 of 16 and 4 ties.
  assertAlmostEquals(dominance.delta, (10 - 3 + 8 - 4) / 32, ROUNDING);
  // Without the strata the first group would be the earlier one: fewer of its runs are in the slow stratum.
  assert(cliffsDelta(strata.flatMap(({ a }) => a), strata.flatMap(({ b }) => b)).delta < 0);
});

Deno.test("strata without both groups say nothing; the more strata agree, the smaller p", () => {
  const stratum = { a: complete([4, 5, 6]), b: complete([1, 2, 3]) };
  const one = compareTimes([stratum, { a: complete([9]), b: [] }]);
  assertEquals([one.n, one.strata], [[3, 3], 1]);
  // The two most extreme of 20 arrangements; of 400.
  assertAlmostEquals(one.p!, 2 / 20, ROUNDING);
  assertAlmostEquals(compareTimes([stratum, stratum]).p!, 2 / 400, ROUNDING);
});

Deno.test("where nothing ever happened there is nothing to test, and the mean is all of the time", () => {
  const { p, events, difference, tau } = compareTimes([{ a: [never(50), never(50)], b: [never(50), never(80)] }]);
  assertEquals([p, events, tau], [null, [0, 0], 50]);
  assertEquals(difference, { difference: 0, low: null, high: null });
});

Deno.test("a stratum known for no time cuts off no mean, and alone leaves none", () => {
  const short = { a: [never(0)], b: complete([0]) }, long = { a: complete([30, 40, 50]), b: complete([20, 30, 40]) };
  const { tau, difference, n } = compareTimes([short, long]);
  assertEquals([tau, n], [50, [4, 4]]);
  assertAlmostEquals(difference.difference, 10, ROUNDING * 50);
  const alone = compareTimes([short]);
  assertEquals([alone.tau, alone.counted, alone.difference], [0, 0, { difference: 0, low: null, high: null }]);
  // Two of three watched to the end count for more than three for a tenth of it; the test has all of them.
  const some = { a: [never(100), never(100)], b: complete([90, 100]) }, brief = { a: [never(10)], b: [never(10)] };
  const most = compareTimes([some, brief, some]);
  assertEquals([most.tau, most.counted, most.strata, most.n, most.difference.difference], [100, 2, 3, [5, 5], 5]);
  assertEquals(compareTimes([some, brief, brief, brief].concat(Array(20).fill(brief))).tau, 10);
});

Deno.test("there must be something to compare", () => {
  for (const strata of [[], [{ a: complete([1]), b: [] }]]) {
    assertThrows(() => compareTimes(strata), Error, "Cannot compare times: strata with both groups must be at least one");
  }
});
