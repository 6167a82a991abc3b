/** Times of two groups within strata: p by enumeration, the interval by the same test, and no more than all were watched for. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { compareTimes } from "../../../lib/analysis/statistics/comparison.ts";
import { gehanScores, permutationTest, permuter } from "../../../lib/analysis/statistics/permutation.ts";
import { complete, type Observation, type ObservedPair } from "../../../lib/analysis/statistics/sample.ts";
import { Random } from "../../../lib/run/random.ts";

/** Watched so long without the event. */
const never = (time: number): Observation => ({ time, event: false });

/** Sums of a handful of numbers in another order. */
const ROUNDING = 1e-12;

/** What bisection leaves of a factor's logarithm. */
const FACTOR = 1e-3;

/** All ways to choose k of the places 0 … n − 1. */
const subsets = (n: number, k: number, from = 0): number[][] =>
  k === 0 ? [[]] : Array.from({ length: Math.max(0, n - k + 1 - from) }, (_, i) => from + i)
    .flatMap((first) => subsets(n, k - 1, first + 1).map((rest) => [first, ...rest]));

/** Observed minus expected events of the first group, from the numbers at risk. */
function logRankOf(a: readonly Observation[], b: readonly Observation[]): number {
  const all = [...a, ...b], times = new Set(all.filter(({ event }) => event).map(({ time }) => time));
  return [...times].reduce((sum, t) => {
    const risk = (of: readonly Observation[]) => of.filter(({ time }) => time >= t).length;
    const events = (of: readonly Observation[]) => of.filter(({ time, event }) => event && time === t).length;
    return sum + events(a) - events(all) * risk(a) / risk(all);
  }, 0);
}

/** Two-sided p over all ways to deal one stratum's runs. */
function enumerated({ a, b }: ObservedPair): number {
  const all = [...a, ...b], seen = Math.abs(logRankOf(a, b));
  const sums = subsets(all.length, a.length).map((places) =>
    Math.abs(logRankOf(places.map((i) => all[i]), all.filter((_, i) => !places.includes(i))))
  );
  return sums.filter((x) => x >= seen - 1e-9).length / sums.length;
}

/** The second group's times stretched, both cut off where all were watched. */
function stretched({ a, b }: ObservedPair, by: number): ObservedPair {
  const c = Math.min(
    ...a.filter(({ event }) => !event).map(({ time }) => time),
    ...b.filter(({ event }) => !event).map(({ time }) => time * by),
  );
  const cut = ({ time, event }: Observation) => time > c ? never(c) : { time, event };
  return { a: a.map(cut), b: b.map(({ time, event }) => cut({ time: time * by, event })) };
}

Deno.test("one stratum: p is that of all deals, the interval holds the factors that the test doesn't reject", () => {
  const pair = { a: [...complete([100, 141, 153, 190]), never(200)], b: complete([60, 80, 90, 103, 120]) };
  const { n, events, strata, watched, ratio, low, high, sign, p, least, exact } = compareTimes([pair]);
  assertEquals([n, events, strata, watched, exact, sign], [[5, 5], [4, 5], 1, [200, 200], true, 1]);
  assertAlmostEquals(p!, enumerated(pair), ROUNDING);
  assertAlmostEquals(least!, 2 / 252, ROUNDING);
  assert(1 < low! && low! < ratio! && ratio! < high!, `${low} ${ratio} ${high}`);
  for (const [limit, inside] of [[low!, 1.01], [high!, 1 / 1.01]]) {
    assert(enumerated(stretched(pair, limit * inside)) >= 0.05, `at ${limit}`);
    assert(enumerated(stretched(pair, limit / inside)) < 0.05, `beyond ${limit}`);
  }
  // The other way round everything is turned over.
  const turned = compareTimes([{ a: pair.b, b: pair.a }]);
  assertEquals([turned.sign, turned.p], [-1, p]);
  assertAlmostEquals(turned.low! * high!, 1, 0.02);
});

Deno.test("Gehan's test without censoring: the ratio is the median over all pairs, the limits are those of the rank-sum test", () => {
  const a = [100, 141, 153, 190, 260], b = [60, 80, 90, 103, 120];
  const { ratio, low, high, p } = compareTimes([{ a: complete(a), b: complete(b) }], { test: "gehan" });
  // Of five against five, a rank sum at most 2 pairs from either end has p below 0.05: 2 × 4 of 252.
  const ratios = a.flatMap((x) => b.map((y) => x / y)).sort((x, y) => x - y);
  for (const [value, expected] of [[ratio!, ratios[12]], [low!, ratios[2]], [high!, ratios[22]]]) {
    assertAlmostEquals(Math.log(value), Math.log(expected), FACTOR);
  }
  assertEquals(p, permutationTest([gehanScores({ a: complete(a), b: complete(b) })]).p);
});

Deno.test("Gehan's test with censoring, strata and units: p is that of its scores, and the interval goes with it", () => {
  const strata = [
    { a: [...complete([100, 141, 153]), never(200), never(200)], b: complete([60, 80, 90, 103, 120]) },
    { a: [...complete([1000, 1500]), never(2000)], b: [...complete([700, 1100]), never(2000)] },
  ];
  const { p, sign, ratio, low, high } = compareTimes(strata, { test: "gehan" });
  assertEquals([p, sign], [permutationTest(strata.map(gehanScores)).p, 1]);
  assertEquals(p! < 0.05, low! > 1);
  assert(low! < ratio! && (high === null || ratio! < high));
  // Turned over, and by whole units.
  assertEquals(compareTimes(strata.map(({ a, b }) => ({ a: b, b: a })), { test: "gehan" }).sign, -1);
  const dealt = compareTimes(
    strata.map(({ a, b }) => ({ a: a.map((x, i) => ({ ...x, unit: `a${i}` })), b: b.map((x, i) => ({ ...x, unit: `b${i}` })) })),
    { test: "gehan" },
  );
  assertEquals([dealt.units, dealt.sign], [[5, 5], 1]);
});

Deno.test("times of one median, spread differently: the log-rank test finds a factor where Gehan's finds none", () => {
  // Symmetric on a logarithmic scale, one group with twice the spread.
  const spread = (by: number) => complete([-3, -2, -1, 0, 1, 2, 3].map((x) => 1000 * Math.exp(0.2 * by * x)));
  const pair = { a: spread(2), b: spread(1) }, gehan = compareTimes([pair], { test: "gehan" }), logRank = compareTimes([pair]);
  assertAlmostEquals(Math.log(gehan.ratio!), 0, FACTOR);
  assert(logRank.ratio! > 1.1, `${logRank.ratio}`);
});

Deno.test("the interval leaves out 1 where p is below its level, and only there", () => {
  let told = 0;
  for (let i = 0; i < 24; i++) {
    const draw = (k: number) => 100 + ((i + 1) * 7919 + k * k * 104729 + k * 31) % 400;
    const watch = (time: number) => time > 450 ? never(450) : { time, event: true };
    const strata = [0, 10].map((s) => ({
      a: [0, 1, 2, 3].map((k) => watch(draw(s + k) * (1 + (i % 5) / 3))),
      b: [5, 6, 7].map((k) => watch(draw(s + k))),
    }));
    const { p, low, high } = compareTimes(strata);
    assertEquals(p! < 0.05, (low ?? 0) > 1 || (high ?? Infinity) < 1, JSON.stringify({ p, low, high }));
    told += Number(p! < 0.05);
  }
  assert(told > 2 && told < 22, `${told}`);
});

Deno.test("a small and certain effect beside a wide range of times: the limit nearer to 1 isn't the estimate", () => {
  // Far apart as the strata are, a step of the search goes beyond the estimate.
  const strata = [100, 10_000].map((size) => ({
    a: complete([1.02, 1.03, 1.04, 1.06, 1.08].map((x) => size * x)),
    b: complete([0.98, 0.99, 1, 1.01, 1.025].map((x) => size * x)),
  }));
  for (const [some, way] of [[strata, 1], [strata.map(({ a, b }) => ({ a: b, b: a })), -1]] as const) {
    const { p, ratio, low, high } = compareTimes(some), [near, other] = way > 0 ? [low!, high!] : [high!, low!];
    assert(p! < 0.01 && (near - 1) * way > 0 && (ratio! - near) * way > 0.01 && (other - ratio!) * way > 0.01, `${low} ${ratio} ${high}`);
    const at = (by: number) => compareTimes(some.map(({ a, b }) => stretched({ a, b }, by))).p!;
    assert(at(near * 1.002 ** way) >= 0.05 && at(near / 1.002 ** way) < 0.05, `at ${near}`);
  }
});

Deno.test("a group without an event has a bound on one side; a group watched briefly tells no more than that", () => {
  const late = compareTimes([{ a: [1, 2, 3, 4, 5].map(() => never(3000)), b: complete([500, 520, 540, 560, 580]) }]);
  assertEquals([late.events, late.ratio, late.high, late.sign], [[0, 5], null, null, 1]);
  // Stretched so far that the first of them is watched no longer, nothing is left to tell.
  assert(late.low! > 5 && late.low! < 3000 / 500);
  // Unequal follow-up: the first group was stopped at 427, when none of the second had grokked either.
  const stopped = { a: [1, 2, 3, 4, 5].map(() => never(427)), b: complete([900, 950, 1000, 1100, 1200]) };
  const nothing = compareTimes([stopped]);
  assertEquals([nothing.p, nothing.events, nothing.watched], [null, [0, 0], [427, 427]]);
  const whole = { a: complete([10, 20, 30, 40]), b: complete([20, 30, 40, 50]) };
  assertEquals(compareTimes([whole, stopped]).p, compareTimes([whole]).p);
  assertEquals(compareTimes([whole, stopped]).watched, [50, 427]);
});

Deno.test("runs that would have been watched for unequal times, all with their event: no factor leaves any of them out", () => {
  const random = new Random(3, "resample");
  const draw = () => Array.from({ length: 10 }, (_, i) => ({ time: 300 + random.below(1800), event: true, until: i === 0 ? 2150 : 2800 }));
  const strata = [0, 1].map(() => ({ a: draw(), b: draw() }));
  const even = (until: number) => (each: Observation) => ({ ...each, until });
  const same = strata.map(({ a, b }) => ({ a: a.map(even(2150)), b: b.map(even(2150)) }));
  const { p, low, high, exact } = compareTimes(strata);
  assert(!exact && low! < 1 && high! > 1);
  assertEquals([p, low, high], [compareTimes(same).p, compareTimes(same).low, compareTimes(same).high]);
  assertThrows(
    () => permuter([[3, 3]])([{ a: [1, 2], b: [3, 4] }]),
    Error,
    "Cannot permute: the groups' sizes must be [[3,3]], current value is [[2,2]]",
  );
});

Deno.test("units are assigned as a whole: many runs of few units don't make a difference certain", () => {
  const group = (names: readonly string[], from: number) =>
    names.flatMap((unit, u) => [0, 1, 2, 3].map((k) => ({ time: from + 10 * u + k, event: true, unit })));
  const strata = [100, 200].map((from) => ({ a: group(["d", "e", "f"], 2 * from), b: group(["a", "b", "c"], from) }));
  const { p, least, exact, ratio, low, high, n } = compareTimes(strata);
  assertEquals([n, exact, p, least], [[24, 24], true, 0.1, 0.1]);
  assert(low === null && high === null && Math.abs(ratio! - 2) < 0.3, `${low} ${ratio} ${high}`);
  const alone = strata.map(({ a, b }) => ({
    a: a.map(({ time, event }) => ({ time, event })),
    b: b.map(({ time, event }) => ({ time, event })),
  }));
  assert(compareTimes(alone).p! < 0.001);
  const mixed = [{ a: strata[0].a, b: alone[0].b }], both = [{ a: strata[0].a, b: strata[0].a }];
  assertThrows(() => compareTimes(mixed), Error, "Cannot compare times: units must be of all observations or of none");
  assertThrows(() => compareTimes(both), Error, "Cannot compare times: a unit must be in one group only, current value is d");
});

Deno.test("equal times but for follow-up are told apart no more often than the level says", () => {
  // Both groups alike, the first watched for 300, the second for 3000.
  let told = 0;
  const trials = 100;
  for (let i = 0; i < trials; i++) {
    const draw = (k: number) => 100 * Math.exp(((i * 7919 + k * 104729 + i * k * 13) % 997) / 300);
    const within = (until: number, time: number) => time > until ? never(until) : { time, event: true };
    const pair = { a: [0, 1, 2, 3, 4].map((k) => within(300, draw(k))), b: [5, 6, 7, 8, 9].map((k) => within(3000, draw(k))) };
    told += Number((compareTimes([pair]).p ?? 1) < 0.05);
  }
  assert(told / trials < 0.05 + 3 * Math.sqrt(0.05 * 0.95 / trials), `${told} of ${trials}`);
});

Deno.test("strata are compared within themselves: what they differ in by themselves is no effect", () => {
  // In each stratum the first takes longer; the second stratum takes ten times as long, and there the groups are of other sizes.
  const strata = [
    { a: complete([36, 48, 60, 72]), b: complete([20, 30, 40, 50]) },
    { a: complete([360, 480]), b: complete([200, 300, 400, 500, 210, 310, 410, 510]) },
  ];
  const { ratio, n, sign } = compareTimes(strata);
  assertEquals([n, sign], [[6, 12], 1]);
  assert(ratio! > 1.2 && ratio! < 1.8, `${ratio}`);
  // Without the strata the first group would be the earlier one: fewer of its runs are in the slow stratum.
  assertEquals(compareTimes([{ a: strata.flatMap(({ a }) => a), b: strata.flatMap(({ b }) => b) }]).sign, -1);
});

Deno.test("strata without both groups say nothing; the more strata agree, the smaller p", () => {
  const stratum = { a: complete([4, 5, 6]), b: complete([1, 2, 3]) };
  const one = compareTimes([stratum, { a: complete([9]), b: [] }]);
  assertEquals([one.n, one.strata], [[3, 3], 1]);
  // The two most extreme of 20 arrangements; of 400.
  assertAlmostEquals(one.p!, 2 / 20, ROUNDING);
  assertAlmostEquals(compareTimes([stratum, stratum]).p!, 2 / 400, ROUNDING);
  // With three against three nothing is rejected at 5 %, so that nothing bounds the factor.
  assertEquals([one.low, one.high], [null, null]);
});

Deno.test("where nothing ever happened there is nothing to test; the same times differ by a factor of 1", () => {
  const { p, least, events, ratio, watched } = compareTimes([{ a: [never(50), never(50)], b: [never(50), never(80)] }]);
  assertEquals([p, least, events, ratio, watched], [null, null, [0, 0], null, [50, 50]]);
  const same = compareTimes([{ a: complete([1, 2, 3]), b: complete([1, 2, 3]) }]);
  assertEquals([same.p, same.sign], [1, 0]);
  assertAlmostEquals(same.ratio!, 1, 0.4);
});

Deno.test("there must be something to compare", () => {
  for (const strata of [[], [{ a: complete([1]), b: [] }]]) {
    assertThrows(() => compareTimes(strata), Error, "Cannot compare times: strata with both groups must be at least one");
  }
  assertThrows(() => compareTimes([{ a: complete([1]), b: complete([NaN]) }]), Error, "a time must be finite and not negative");
  assertThrows(() => compareTimes([{ a: complete([1]), b: complete([2]) }], { level: 95 }), Error, "level must lie between 0 and 1");
});

Deno.test("where only it has to be known whether p is at least so much, the answer is that of all draws", () => {
  const random = new Random(3, "resample"), test = permuter([[20, 20]], { draws: 2000 }), answers = new Set<boolean>();
  for (let shift = 0; shift < 1.5; shift += 0.1) {
    const scores = (shift: number) => Array.from({ length: 20 }, () => random.uniform() + shift);
    const strata = [{ a: scores(shift), b: scores(0) }], { p, exact } = test(strata), enough = test(strata, 0.05);
    assertEquals([exact, enough.p >= 0.05, enough.p <= p], [false, p >= 0.05, true], `shifted by ${shift}`);
    if (p < 0.05) assertEquals(enough.p, p);
    answers.add(p >= 0.05);
  }
  assertEquals(answers.size, 2);
});
