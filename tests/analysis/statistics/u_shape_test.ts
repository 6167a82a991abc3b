/** Whether excess capacity delays grokking: Steel's test against R, and U-shapes found where there is one, and only there. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { laterThanAny } from "../../../lib/analysis/statistics/many_to_one.ts";
import { complete, type Observation } from "../../../lib/analysis/statistics/sample.ts";
import { type Timed, uShape } from "../../../lib/analysis/statistics/u_shape.ts";
import { Random } from "../../../lib/run/random.ts";

/** p-values from this many draws are within this of the exact ones, three standard errors and a little. */
const DRAWS = { draws: 20_000 }, DRAWN = 0.008;

/** R 4.2.2 with kSamples 1.2-9: `Steel.test(…, method = "simulated", Nsim = 1e6)` or "exact". Later than the others is "less" there. */
Deno.test("Steel's many-one test gives R's p, and its statistic where there are no ties", () => {
  const [a, b, c, d] = [
    [103, 111, 136, 106, 122, 114],
    [119, 100, 97, 89, 112, 86],
    [89, 132, 86, 114, 114, 125],
    [92, 114, 86, 119, 131, 94],
  ].map(complete);
  assertAlmostEquals(laterThanAny(a, [b, c, d], DRAWS).p, 0.1038, DRAWN);
  const before = (values: number[]) => complete(values.map((x) => 100 - x));
  const five = laterThanAny(before([1, 2, 3, 4, 5]), [[6, 7, 8, 9, 10], [3.5, 11, 12, 13, 14], [2.5, 15, 16, 17, 18]].map(before), DRAWS);
  assertAlmostEquals(Math.max(...five.z), 2.611, 0.001);
  assertAlmostEquals(five.p, 0.01098, DRAWN);
  const unequal = laterThanAny(before([1, 4, 6, 7]), [[2, 8, 9, 10, 11], [3, 5, 12]].map(before), DRAWS);
  assertAlmostEquals(Math.max(...unequal.z), 1.715, 0.001);
  assertAlmostEquals(unequal.p, 0.09949, DRAWN);
});

Deno.test("a sample far later than all others takes nothing from the test of the rest", () => {
  const others = [[1, 2, 3, 4, 5], [11, 12, 13, 14, 15]].map(complete), one = complete([6, 7, 8, 9, 10]);
  const far = complete([1000, 2000, 3000, 4000, 5000]);
  assertEquals(laterThanAny(one, [...others, far]).z.slice(0, 2), laterThanAny(one, others).z);
  assert(laterThanAny(one, [...others, far]).p < 0.05);
});

Deno.test("censored times: as far as their order is known", () => {
  const never: Observation[] = [1, 2, 3, 4, 5].map(() => ({ time: 100, event: false }));
  assert(laterThanAny(never, [complete([1, 2, 3, 4, 5]), complete([2, 3, 4, 5, 6])]).p < 0.02);
  const same = laterThanAny(never, [never, never]);
  assertEquals([same.z, same.p], [[0, 0], 1]);
});

Deno.test("a tie elsewhere decides nothing; what p can't be below is that of lying wholly above another sample", () => {
  const others = [[1, 2, 3, 4, 5], [31, 32, 33, 34, 35], [41, 42, 43, 44, 45]], one = complete([6, 7, 8, 9, 10]);
  const plain = laterThanAny(one, others.map(complete), DRAWS);
  const tied = laterThanAny(one, [others[0], others[1], [41, 41, 43, 43, 45]].map(complete), DRAWS);
  assertAlmostEquals(tied.p, plain.p, DRAWN);
  assertAlmostEquals(plain.least, plain.p, 1e-12);
  // By hand: two samples of five, one of 252 deals.
  assertAlmostEquals(laterThanAny(one, [complete(others[0])], DRAWS).least, 1 / 252, DRAWN);
  assert(laterThanAny(complete([6, 7]), [complete([1, 2])], DRAWS).least > 0.1);
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
  assert(verdicts((i) => 3000 * (1 + i / 3), 20).rises >= 18);
  const level = verdicts(() => 3000, 60);
  // Each arm is wrong one time in twenty; three standard errors above.
  assert(level.rises + level.u <= 3 + 5 && level.falls + level.u <= 3 + 5, JSON.stringify(level));
});

Deno.test("the effect: the largest against the best, with runs that never grok in it", () => {
  const some = groups((i) => [9000, 3000, 3000, 60_000][i], 3, 4);
  const { verdict, best, smallest, largest, tau, n, means } = uShape(some);
  assertEquals([verdict, tau, n, means.length], ["u", HORIZON, 20, 4]);
  assert(best === some[1].x || best === some[2].x);
  assertEquals([largest!.x, largest!.n, largest!.events], [some[3].x, [5, 5], [0, 5]]);
  assertAlmostEquals(largest!.difference.difference, HORIZON - Math.min(means[1].mean, means[2].mean), 1e-9);
  // None of the widest had the event: nothing tells their variance.
  assertEquals(largest!.difference.low, null);
  assert(smallest!.difference.low! > 1000 && largest!.p < 0.05 && smallest!.p < 0.05);
  assertAlmostEquals(smallest!.ratio, means[0].mean / Math.min(means[1].mean, means[2].mean), 1e-12);
});

Deno.test("the interval of the best against the largest holds the truth although the best was chosen", () => {
  let held = 0;
  const trials = 100;
  for (let seed = 0; seed < trials; seed++) {
    const { largest } = uShape(groups(() => 3000, 1000 + seed), { draws: 100 });
    held += Number(largest === null || (largest.difference.low! <= 0 && 0 <= largest.difference.high!));
  }
  assert(held / trials > 0.95 - 0.065, `${held} of ${trials}`);
});

Deno.test("no arm where the best is an end, no interval where nothing varies; what can't be asked is refused", () => {
  const same = (...times: number[]): Timed[] => times.map((time, x) => ({ x, times: complete([time, time]) }));
  const rising = uShape(same(1, 2, 3));
  assertEquals([rising.smallest, rising.best, rising.largest!.difference], [null, 0, { difference: 2, low: null, high: null }]);
  assertEquals(uShape(same(3, 2, 1)).largest, null);
  assertThrows(() => uShape(same(1)), Error, "Cannot look for a U: values must be at least two, current value is 1");
  assertThrows(() => uShape([...same(1), ...same(1)]), Error, "a value must come once");
  assertThrows(() => uShape([...same(1), { x: 3, times: [] }]), Error, "a sample must hold at least one observation");
});
