/**
 * Whether excess capacity delays grokking: the test of an end of a range by enumeration, and U-shapes found where there is one, and only
 * there.
 */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { laterAtEnd } from "../../../lib/analysis/statistics/later_at_end.ts";
import { complete, type Observation } from "../../../lib/analysis/statistics/sample.ts";
import { largestCompared, type Timed, uShape } from "../../../lib/analysis/statistics/u_shape.ts";
import { Random } from "../../../lib/run/random.ts";

/** p-values from this many draws are within this of the exact ones, three standard errors and a little. */
const DRAWS = { draws: 20_000 };

/** All orders in which samples of these sizes can be dealt, as the sample at each rank. */
function deals(sizes: readonly number[]): number[][] {
  if (sizes.every((n) => n === 0)) return [[]];
  return sizes.flatMap((n, k) => n === 0 ? [] : deals(sizes.map((m, j) => j === k ? m - 1 : m)).map((rest) => [k, ...rest]));
}

/**
 * The greatest of the end's rank sums against the nearest sample, the two nearest, …, standardised as Wilcoxon's (1945): sample 0 is the
 * end.
 */
function statistic(order: readonly number[], samples: number): number {
  return Math.max(...Array.from({ length: samples - 1 }, (_, k) => {
    const kept = order.filter((sample) => sample <= k + 1), n = kept.filter((sample) => sample === 0).length, m = kept.length - n;
    const ranks = kept.reduce((sum, sample, i) => sample === 0 ? sum + i + 1 : sum, 0);
    return (ranks - n * (n + m + 1) / 2) / Math.sqrt(n * m * (n + m + 1) / 12);
  }));
}

Deno.test("later at the end: p is that of all ways to deal the runs, and the smallest that of an end behind all others", () => {
  for (const order of [[2, 1, 2, 0, 1, 0, 0], [1, 2, 1, 0, 0, 2, 0], [0, 2, 0, 1, 2, 1, 0]]) {
    const all = deals([3, 2, 2]),
      seen = statistic(order, 3),
      at = (sample: number) => complete(order.flatMap((each, i) => each === sample ? [10 * i + 10] : []));
    const exact = all.filter((each) => statistic(each, 3) >= seen - 1e-9).length / all.length;
    const { z, p, least } = laterAtEnd(at(0), [at(1), at(2)], DRAWS);
    assertAlmostEquals(Math.max(...z), seen, 1e-9);
    // The three of the end behind the four others: one of 35 ways.
    assertEquals([p, least], [exact, 1 / 35]);
    // Too many ways to try all, for so few draws.
    const drawn = laterAtEnd(at(0), [at(1), at(2)], { draws: 200, seed: 3 });
    assertAlmostEquals(drawn.p, exact, 4 * Math.sqrt(exact * (1 - exact) / 200) + 1 / 200);
    assert(drawn.p !== exact && drawn.least >= 1 / 35, `${drawn.p}`);
  }
});

Deno.test("later at the end: censored times as far as their order is known, and no further than all were watched", () => {
  const never: Observation[] = [1, 2, 3, 4, 5].map(() => ({ time: 100, event: false }));
  const one = laterAtEnd(never, [complete([1, 2, 3, 4, 5]), complete([2, 3, 4, 5, 6])]);
  assert(one.p < 0.002 && one.atLeast! > 10 && one.atLeast! < 100);
  const same = laterAtEnd(never, [never, never]);
  assertEquals([same.z, same.p, same.least, same.atLeast], [[0, 0], 1, 1, null]);
  // Stopped at 50, the others may be as late as the end.
  const short = never.map(() => ({ time: 50, event: false }));
  assertEquals(laterAtEnd(complete([60, 70, 80, 90, 95]), [short]).p, 1);
  // Two against two decide nothing: one of six ways.
  const few = laterAtEnd(complete([6, 7]), [complete([1, 2])], DRAWS);
  assertEquals([few.p, few.least, few.atLeast], [1 / 6, 1 / 6, null]);
});

Deno.test("later at the end: how many times as long at least, by the same test; it holds for the ratio to the earliest of the others", () => {
  const others = [[100, 110, 120, 130, 140], [300, 310, 320, 330, 340]].map(complete), end = [400, 430, 460, 490, 520];
  const { p, atLeast } = laterAtEnd(complete(end), others);
  const at = (by: number) => laterAtEnd(complete(end.map((time) => time / by)), others).p;
  assert(p < 0.05 && at(atLeast! / 1.02) < 0.05 && at(atLeast! * 1.02) >= 0.05, `${atLeast}`);
  let above = 0;
  const random = new Random(5, "resample"),
    trials = 60,
    draw = (mean: number) => complete([1, 2, 3, 4, 5].map(() => mean * Math.exp(0.3 * random.normal())));
  for (let i = 0; i < trials; i++) {
    above += Number((laterAtEnd(draw(200), [draw(100), draw(250), draw(400)], { draws: 200 }).atLeast ?? 0) > 2);
  }
  assert(above / trials <= 0.05 + 3 * Math.sqrt(0.05 * 0.95 / trials), `${above} of ${trials}`);
});

const HORIZON = 20_000;
/** Times scattered around `mean(i)` by about a quarter, as epochs of grokking are, watched up to the horizon. */
function groups(mean: (i: number) => number, seed: number, values = 8, n = 5): Timed[] {
  const random = new Random(seed, "resample");
  return Array.from({ length: values }, (_, i) => ({
    x: 0.75 * 1.3 ** i,
    times: Array.from({ length: n }, () => {
      const spread = Math.exp(0.25 * Math.sqrt(-2 * Math.log(random.uniform())) * Math.cos(2 * Math.PI * random.uniform()));
      const time = 10 * Math.round(mean(i) * spread / 10);
      return { time: Math.min(time, HORIZON), event: time < HORIZON };
    }),
  }));
}
const verdicts = (mean: (i: number) => number, seeds: number) => {
  const count: Record<string, number> = { u: 0, rises: 0, falls: 0, none: 0 };
  for (let seed = 0; seed < seeds; seed++) count[uShape(groups(mean, seed), { draws: 300 }).verdict]++;
  return count;
};

Deno.test("a U is found; a fall to a floor, a rise and no change are not taken for one", () => {
  assert(verdicts((i) => 3000 * (1 + 1.5 * ((i - 3.5) / 3.5) ** 2), 20).u >= 18);
  assert(verdicts((i) => 3000 * (1 + 3 * Math.exp(-i)), 20).falls >= 18);
  assert(verdicts((i) => 3000 * (1 + i / 3), 20).rises >= 16);
  const level = verdicts(() => 3000, 60);
  // Each arm is wrong one time in twenty; three standard errors above.
  assert(level.rises + level.u <= 3 + 5 && level.falls + level.u <= 3 + 5, JSON.stringify(level));
});

Deno.test("the effect: the largest against the best, with runs that never grok in it", () => {
  const some = groups((i) => [9000, 3000, 3000, 60_000][i], 3, 4);
  const { verdict, best, smallest, largest, tau, n, means } = uShape(some);
  assertEquals(largestCompared(some), { best, largest });
  assertEquals([verdict, tau, n, means.length], ["u", HORIZON, 20, 4]);
  assert(best === some[1].x || best === some[2].x);
  assertEquals([largest!.x, largest!.n, largest!.events], [some[3].x, [5, 5], [0, 5]]);
  const shortest = Math.min(means[1].mean, means[2].mean);
  assertAlmostEquals(largest!.difference, HORIZON - shortest, 1e-9);
  assertAlmostEquals(smallest!.ratio, means[0].mean / shortest, 1e-12);
  assert(largest!.p < 0.05 && smallest!.p < 0.05 && largest!.atLeast! > 2 && smallest!.atLeast! > 1 && smallest!.atLeast! < 3);
});

Deno.test("no arm where the best is an end; what can't be asked is refused", () => {
  const same = (...times: number[]): Timed[] => times.map((time, x) => ({ x, times: complete([time, time]) }));
  const rising = uShape(same(1, 2, 3));
  assertEquals([rising.smallest, rising.best, rising.largest!.difference], [null, 0, 2]);
  assertEquals(uShape(same(3, 2, 1)).largest, null);
  assertThrows(() => uShape(same(1)), Error, "Cannot look for a U: values must be at least two, current value is 1");
  assertThrows(() => uShape([...same(1), ...same(1)]), Error, "a value must come once");
  assertThrows(() => uShape([...same(1), { x: 3, times: [] }]), Error, "a sample must hold at least one observation");
});
