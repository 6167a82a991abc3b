/** The interval of Cliff's delta over strata: against formulas of others, by simulation for small strata, and beside the rank-sum test. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { stratifiedDelta, superiorityInterval } from "../../../lib/analysis/statistics/compare.ts";
import { contrastValues } from "../../../lib/analysis/statistics/contrasts.ts";
import { complete, type Observation, type ObservedPair } from "../../../lib/analysis/statistics/sample.ts";
import { Random } from "../../../lib/run/random.ts";

const BISECTED = 1e-12;

Deno.test("one stratum has Newcombe's interval; strata of one pair each have Wilson's, as that many trials", () => {
  const a = complete([4, 5, 8]), b = complete([1, 2, 3, 6, 7]), { superiority, low, high } = stratifiedDelta([{ a, b }]);
  const newcombe = superiorityInterval(superiority, 3, 5);
  assertEquals([low, high], [2 * newcombe.low - 1, 2 * newcombe.high - 1]);
  // Three of four: R's prop.test(3, 4, correct = FALSE) prints 0.3006418 0.9544127.
  const wilson = stratifiedDelta([1, 1, 1, -1].map((x) => ({ a: complete([x]), b: complete([0]) })));
  assertAlmostEquals((wilson.low + 1) / 2, 0.3006418, 5e-8);
  assertAlmostEquals((wilson.high + 1) / 2, 0.9544127, 5e-8);
});

Deno.test("strata of several sizes, a tie among them: the limits at which the summed variance explains the distance", () => {
  // 12 of 15 pairs, 6.5 of 8 and 7 of 9.
  const strata: ObservedPair[] = [
    { a: complete([10, 3.5, 4.5]), b: complete([1, 2, 3, 4, 5]) },
    { a: complete([5, 2.5]), b: complete([1, 2, 3, 2.5]) },
    { a: complete([10, 2.5, 2.6]), b: complete([1, 2, 3]) },
  ];
  const { superiority, low, high } = stratifiedDelta(strata);
  // scipy's brentq on Σ wₛ² (θ(1 − θ) + k(Q₁ − θ²) + k(Q₂ − θ²)) / nm (Hanley & McNeil 1982), k = (n + m)/2 − 1.
  assertAlmostEquals(superiority, 25.5 / 32, BISECTED);
  assertAlmostEquals(low, 0.03046941566356609, 1e-9);
  assertAlmostEquals(high, 0.8624961672804108, 1e-9);
  const half = stratifiedDelta(strata, 0.5);
  assertAlmostEquals(half.low, 0.4199352055171186, 1e-9);
  assertAlmostEquals(half.high, 0.7225833291754629, 1e-9);
  assertThrows(() => stratifiedDelta(strata, 95), Error, "level must lie between 0 and 1");
});

/** The share of simulated data whose interval holds the true θ. */
function coverage(
  draw: (random: Random, side: "a" | "b") => Observation,
  sizes: readonly [number, number][],
  truth: number,
  trials: number,
) {
  const random = new Random(7, "resample"), many = (n: number, side: "a" | "b") => Array.from({ length: n }, () => draw(random, side));
  let held = 0;
  for (let i = 0; i < trials; i++) {
    const { low, high } = stratifiedDelta(sizes.map(([n, m]) => ({ a: many(n, "a"), b: many(m, "b") })));
    held += Number(low <= 2 * truth - 1 && 2 * truth - 1 <= high);
  }
  return held / trials;
}

const TRIALS = 500, ERRORS = 3 * Math.sqrt(0.05 * 0.95 / TRIALS);
const DESIGNS: readonly [number, number][][] = [
  ...[[2, 2], [3, 5], [5, 5]].flatMap(([n, m]) =>
    [1, 2, 4].map((strata) => Array.from({ length: strata }, () => [n, m] as [number, number]))
  ),
  [[2, 2], [5, 5]],
  [[3, 5], [2, 5], [4, 5], [3, 3]],
];
/** Designs of few runs give few values of δ, so that single ones lie below the level: by up to 7 % in simulations ten times as long. */
const GRAIN = 0.07;

Deno.test("coverage in strata of 2 to 5 runs is near 95 %, whatever θ", () => {
  for (const theta of [0.5, 0.7, 0.9, 0.98]) {
    // An exponential time with the mean θ / (1 − θ) is later than one with the mean 1 with probability θ.
    const draw = (random: Random, side: "a" | "b") => ({
      time: -Math.log(1 - random.uniform()) * (side === "a" ? theta / (1 - theta) : 1),
      event: true,
    });
    const each = DESIGNS.map((sizes) => coverage(draw, sizes, theta, TRIALS));
    const mean = each.reduce((sum, x) => sum + x, 0) / each.length;
    assert(Math.min(...each) >= 0.95 - GRAIN - ERRORS, `θ ${theta}: ${each}`);
    assert(mean >= 0.92 && mean <= 0.98, `θ ${theta}: ${mean}`);
  }
});

Deno.test("coverage with ties, and with runs watched only so long: not below 95 % but for chance", () => {
  // Geometric times: P(a > b) + P(a = b) / 2 from the sums of their series.
  const p = { a: 0.1, b: 0.4 }, both = 1 - (1 - p.a) * (1 - p.b), truth = p.b * (1 - p.a) / both + p.a * p.b / both / 2;
  const steps = (random: Random, side: "a" | "b") => Math.floor(Math.log(1 - random.uniform()) / Math.log(1 - p[side]));
  const tied = DESIGNS.map((sizes) => coverage((random, side) => ({ time: steps(random, side), event: true }), sizes, truth, TRIALS));
  // Of times that are watched up to 3, the order is known unless neither has happened by then.
  const until = 3, never = (1 - p.a) ** until * (1 - p.b) ** until;
  let later = never / 2;
  for (let t = 0; t < until; t++) {
    const at = p.b * (1 - p.b) ** t;
    later += at * ((1 - p.a) ** (t + 1) + p.a * (1 - p.a) ** t / 2);
  }
  const cut = (random: Random, side: "a" | "b"): Observation => {
    const time = steps(random, side);
    return time < until ? { time, event: true } : { time: until, event: false };
  };
  const watched = DESIGNS.map((sizes) => coverage(cut, sizes, later, TRIALS));
  for (const each of [tied, watched]) {
    assert(Math.min(...each) >= 0.93 - ERRORS, `${each}`);
  }
});

Deno.test("three networks against five in two strata: the interval agrees with the permutation test", () => {
  const [row] = contrastValues([{
    of: "Depth",
    first: "4 layers",
    second: "1 layer",
    strata: [{ a: [5, 7, 9], b: [1, 2, 3, 4, 6] }, { a: [5, 7, 9], b: [1, 2, 3, 6, 8] }],
  }]);
  assert(row.p! < 0.05 && row.interval.low! > 0 && row.interval.high! < 1, JSON.stringify(row));
  // Where no runs overlap, the upper limit is 1 and the lower one far from it.
  const apart = stratifiedDelta([1, 2].map(() => ({ a: complete([4, 5, 6]), b: complete([1, 2, 3]) })));
  assert(apart.high === 1 && apart.low > 0.3 && apart.low < 0.8, `${apart.low}`);
});
