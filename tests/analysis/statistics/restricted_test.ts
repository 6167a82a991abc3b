/** Restricted means: against the area under the Kaplan–Meier curve, Welch's interval and enumeration. */
import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { restrictedDifference, restrictedMean } from "../../../lib/analysis/statistics/restricted.ts";
import type { Observation } from "../../../lib/analysis/statistics/sample.ts";
import { kaplanMeier } from "../../../lib/analysis/statistics/survival.ts";

const at = (...times: number[]): Observation[] => times.map((time) => ({ time, event: true }));
const never = (time: number): Observation => ({ time, event: false });
const SLOW = [...at(40, 70, 90), never(100)], FAST = [...at(10, 20, 40), never(100)];
/** Rounding of sums of a few terms. */
const ROUNDING = 1e-12;

Deno.test("restricted: the mean is the area under the survival curve up to the horizon", () => {
  for (const horizon of [15, 45, 75, 100]) {
    let area = 0, before = 0, survival = 1;
    for (const point of kaplanMeier(SLOW).points) {
      area += survival * Math.max(0, Math.min(point.time, horizon) - before);
      before = Math.min(point.time, horizon);
      survival = point.survival;
    }
    assertAlmostEquals(restrictedMean(SLOW, horizon), area, ROUNDING);
  }
});

Deno.test("restricted: the difference of two means, Welch's interval and the permutation test's p", () => {
  const { means, difference, low, high, p, least } = restrictedDifference(SLOW, FAST, 100);
  assertEquals([means, difference], [[75, 42.5], 32.5]);
  // Variances 700 and 1625, so that Welch's degrees of freedom are 5.18, whose t at 0.975 is 2.5439, by integration.
  const error = Math.sqrt(700 / 4 + 1625 / 4);
  assertAlmostEquals((high! - low!) / 2 / error, 2.5439, 1e-4); // the digits of t
  assertAlmostEquals((high! + low!) / 2, 32.5, ROUNDING);
  // Of the 70 ways to deal eight times to two fours, those with a first sum of 300 or more, or 170 or less.
  const times = [40, 70, 90, 100, 10, 20, 40, 100];
  let extreme = 0, all = 0;
  for (let mask = 0; mask < 256; mask++) {
    const dealt = times.filter((_, i) => mask >> i & 1);
    if (dealt.length !== 4) continue;
    all++;
    if (Math.abs(dealt.reduce((sum, time) => sum + time, 0) - 235) >= 65) extreme++;
  }
  assertEquals(all, 70);
  assertAlmostEquals(p!, extreme / 70, ROUNDING);
  assertAlmostEquals(least!, 2 / 70, ROUNDING);
});

Deno.test("restricted: groups that never vary have no interval; one that was stopped early is refused", () => {
  const same = restrictedDifference([never(100), never(100)], at(50, 50), 100);
  assertEquals([same.difference, same.low, same.high], [50, null, null]);
  assertThrows(
    () => restrictedMean([never(60), ...at(10)], 100),
    Error,
    "Cannot compute a restricted mean: a time without the event must reach the horizon (100), current value is 60",
  );
  assertThrows(() => restrictedDifference([], at(50, 50), 100), Error, "must hold at least one observation");
});
