/** Effect sizes, permutation tests, rates and corrections: against published examples, enumeration, and the definitions. */
import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
// @ts-types="@types/d3-array"
import { median } from "d3-array";
import {
  bootstrap,
  type BootstrapOptions,
  meanDifference,
  meanPrediction,
  stratifiedDelta,
  superiorityInterval,
} from "../../../lib/analysis/statistics/compare.ts";
import { logRank } from "../../../lib/analysis/statistics/logrank.ts";
import { corrected, decides, differs, holm } from "../../../lib/analysis/statistics/multiple.ts";
import { gehanScores, logRankPermuted, logRankScores, permutationTest } from "../../../lib/analysis/statistics/permutation.ts";
import { complete, horizonOf, type Observation, type ObservedPair, order, watchedAlike } from "../../../lib/analysis/statistics/sample.ts";

/** "6 6+": an event at 6, and a time censored there. */
const observe = (times: string): Observation[] => times.split(" ").map((t) => ({ time: parseFloat(t), event: !t.endsWith("+") }));

/** Freireich et al. (1963), the example of Gehan (1965). */
const FREIREICH: ObservedPair = {
  a: observe("6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+"),
  b: observe("1 1 2 2 3 4 4 5 5 8 8 8 8 11 11 12 12 15 17 22 23"),
};

/** Permeability of the chorioamnion at term and at 12 to 26 weeks; Hollander & Wolfe (1973, p. 69), the example of R's `wilcox.test`. */
const TERM = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46];
const EARLY = [1.15, 0.88, 0.90, 0.74, 1.21];

const close = (actual: readonly (number | null)[], expected: readonly number[], tolerance: number) => {
  assertEquals(actual.length, expected.length);
  actual.forEach((x, i) => assertAlmostEquals(x!, expected[i], tolerance, `at ${i}: ${x} for ${expected[i]}`));
};
const digits = (n: number) => 0.5 * 10 ** -n;
const EXACT = 1e-12;
const sum = (values: readonly number[]) => values.reduce((total, x) => total + x, 0);
/** All ways to choose k of the places 0 … n − 1. */
const subsets = (n: number, k: number, from = 0): number[][] =>
  k === 0 ? [[]] : Array.from({ length: Math.max(0, n - k + 1 - from) }, (_, i) => from + i)
    .flatMap((first) => subsets(n, k - 1, first + 1).map((rest) => [first, ...rest]));

const cliffsDelta = (a: readonly Observation[], b: readonly Observation[]) => stratifiedDelta([{ a, b }]);
const bootstrapMedian = (values: readonly number[], options: BootstrapOptions = {}) =>
  bootstrap([values.length], ([places]) => median(places, (i) => values[i])!, options);

Deno.test("compare: which of two comes later, as far as censoring lets it be known", () => {
  const [five, fivePlus, seven, sevenPlus] = observe("5 5+ 7 7+");
  assertEquals([order(seven, five), order(five, seven), order(five, five)], [1, -1, 0]);
  assertEquals([order(fivePlus, five), order(five, fivePlus)], [1, -1]); // at one time the event comes first
  assertEquals([order(sevenPlus, five), order(fivePlus, seven), order(fivePlus, sevenPlus)], [1, 0, 0]);
});

Deno.test("compare: Cliff's delta from its pairs; Gehan's 271 of 441 for Freireich's, 40 pairs undecided", () => {
  const plain = cliffsDelta(complete([1, 2, 2]), complete([2, 3]));
  close([plain.delta, plain.superiority, plain.undecided], [-4 / 6, 1 / 6, 0], EXACT);
  const { delta, superiority, undecided, low, high } = cliffsDelta(FREIREICH.a, FREIREICH.b);
  close([delta, superiority, undecided], [271 / 441, (1 + 271 / 441) / 2, 40 / 441], EXACT);
  assert(low > 0 && low < delta && high > delta && high < 1);
  const turned = cliffsDelta(FREIREICH.b, FREIREICH.a);
  close([turned.delta, turned.undecided], [-delta, undecided], EXACT);
});

Deno.test("compare: plain samples of one stratum have Newcombe's interval, which holds where they don't overlap", () => {
  const pair = { a: complete([4, 5, 6]), b: complete([1, 2, 3]) },
    { delta, low, high } = stratifiedDelta([pair]),
    apart = superiorityInterval(1, 3, 3);
  assertEquals([delta, low, high], [1, 2 * apart.low - 1, 1]);
  assert(apart.low > 0.3 && apart.low < 0.6 && apart.high === 1);
  // At its limits the variance of Hanley & McNeil (1982), both sizes replaced by their mean, just explains the distance.
  const z = 1.959963984540054, n = 10, m = 20;
  const { low: from, high: to } = superiorityInterval(0.8, n, m);
  for (const t of [from, to]) {
    const q1 = t / (2 - t), q2 = 2 * t * t / (1 + t), more = (n + m) / 2 - 1;
    close([(0.8 - t) ** 2], [z * z * (t * (1 - t) + more * (q1 - t * t) + more * (q2 - t * t)) / (n * m)], EXACT);
  }
  assert(from < 0.8 && to > 0.8);
  // One pair is one trial: Wilson's (1927) interval of 1 of 1, from 1 / (1 + z²) on.
  close(Object.values(superiorityInterval(1, 1, 1)), [1 / (1 + z * z), 1], EXACT);
});

Deno.test("compare: the bootstrap of a median follows Efron's exact distribution, and repeats from its seed", () => {
  // P(median* ≤ x₍ₖ₎) = P(Bin(9, k/9) ≥ 5) (Efron 1979): 0.0014, 0.0304, 0.1448 for k = 1, 2, 3. So 2.5 % lies at x₍₂₎, 10 % at x₍₃₎.
  const values = [52, 104, 146, 10, 51, 30, 40, 27, 46]; // days that the control mice of Efron & Tibshirani (1993) lived
  const sorted = values.toSorted((x, y) => x - y);
  assertEquals(bootstrapMedian(values), { low: sorted[1], high: sorted[7] });
  assertEquals(bootstrapMedian(values, { level: 0.8 }), { low: sorted[2], high: sorted[6] });

  const first = (seed: number) => bootstrap([40], ([places]) => sum([...places]), { resamples: 100, seed });
  assertEquals(first(3), first(3));
  assertNotEquals(first(3), first(4));
  assertEquals(bootstrapMedian([5]), { low: null, high: null });
});

Deno.test("permutation: all arrangements, p as counted one by one and as R's exact rank-sum test has it", () => {
  const { p, exact, arrangements, statistic } = permutationTest([gehanScores({ a: complete(TERM), b: complete(EARLY) })]);
  assertEquals([exact, arrangements, statistic], [true, 3003, 20]); // W = 35 of 50 pairs: 35 − 15
  close([p], [2 * 0.1272], digits(3)); // wilcox.test(x, y, alternative = "g") prints p-value = 0.1272

  const pooled = [3, 1, 4, 1, 5, 9, 2], mean = 3 * sum(pooled) / 7, seen = Math.abs(sum(pooled.slice(0, 3)) - mean);
  const far = subsets(7, 3).filter((places) => Math.abs(sum(places.map((i) => pooled[i])) - mean) >= seen - EXACT).length;
  close([permutationTest([{ a: pooled.slice(0, 3), b: pooled.slice(3) }]).p], [far / 35], EXACT);
  // Sums that only rounding tells apart are the same: 0.1 + 0 is as far below the average, 0.4, as 0.3 + 0.4 is above it.
  assertEquals(permutationTest([{ a: [0.1, 0], b: [0.3, 0.4, 0.2] }]).p, 2 / 10);
  // The most extreme of 252 arrangements, and its mirror image.
  close([permutationTest([{ a: [1, 2, 3, 4, 5], b: [6, 7, 8, 9, 10] }]).p], [2 / 252], EXACT);
});

Deno.test("permutation: strata are dealt each on its own, one without both groups adds nothing", () => {
  const strata = [{ a: [1, 2], b: [5, 3] }, { a: [10, 40, 30], b: [20, 60] }];
  const average = 11 / 2 + 160 * 3 / 5, seen = Math.abs(sum(strata.flatMap(({ a }) => a)) - average);
  const sums = strata.map(({ a, b }) => subsets(a.length + b.length, a.length).map((places) => sum(places.map((i) => [...a, ...b][i]))));
  const all = sums[0].flatMap((x) => sums[1].map((y) => Math.abs(x + y - average)));
  const { p, exact, arrangements } = permutationTest([...strata, { a: [1e6], b: [] }]);
  assertEquals([exact, arrangements], [true, 60]);
  close([p], [all.filter((x) => x >= seen - EXACT).length / 60], EXACT);
});

Deno.test("permutation: scores sum to Gehan's statistic and to the log-rank test's observed minus expected", () => {
  const gehan = gehanScores(FREIREICH), all = [...gehan.a, ...gehan.b];
  assertEquals([sum(gehan.a), sum(all)], [271, 0]);
  // coin's logrank_test(type = "Gehan-Breslow") prints Z = 3.6071: the statistic over its deviation among permutations.
  close([271 / Math.sqrt(21 * 21 * sum(all.map((u) => u * u)) / (42 * 41))], [3.6071], digits(4));
  const { observed, expected } = logRank([FREIREICH.a, FREIREICH.b]);
  const scores = logRankScores(FREIREICH);
  close([sum(scores.a), sum(scores.b)], [observed[0] - expected[0], observed[1] - expected[1]], EXACT * 100);

  const five = { a: observe("700 900 1200 1500 7500+"), b: observe("2100 3000 7500+ 7500+ 7500+") };
  const more = logRank([five.a, five.b]), { statistic } = permutationTest([scores, logRankScores(five)], { draws: 100 });
  close([statistic], [observed[0] - expected[0] + more.observed[0] - more.expected[0]], EXACT * 100);
});

Deno.test("permutation: drawn where there are too many ways, near the exact p, and repeatable", () => {
  const draws = 2000, pair = { a: TERM, b: EARLY };
  const exact = permutationTest([pair]), drawn = permutationTest([pair], { enumerate: 3002, draws, seed: 1 });
  assertEquals([exact.exact, drawn.exact, drawn.statistic], [true, false, exact.statistic]);
  assertAlmostEquals(drawn.p, exact.p, 5 * Math.sqrt(exact.p * (1 - exact.p) / draws)); // five standard errors
  assertEquals(permutationTest([pair], { enumerate: 0, draws, seed: 1 }), drawn);
  const never = permutationTest([logRankScores(FREIREICH)], { draws: 100 });
  assertEquals(never.p, 1 / 101); // no draw of a hundred comes near p = 0.00004, and p isn't 0 for that
});

Deno.test("permutation: several groups: all three events in one of five groups of five, counted by hand", () => {
  const never = (n: number) => observe(new Array(n).fill("1500+").join(" "));
  const groups = [[...observe("700 900 1200"), ...never(2)], never(5), never(5), never(5), never(5)];
  // The group can be any of five, its three any of ten, out of 2300 ways to place them; χ² with four degrees of freedom says 0.0043.
  const exact = 50 / 2300, three = 3 * Math.sqrt(exact * (1 - exact) / 2000);
  assertAlmostEquals(logRankPermuted(groups).p, exact, three);
  assertAlmostEquals(logRank(groups).p, 0.0043, 1e-4);
  const [a, b] = [FREIREICH.a.slice(0, 6), FREIREICH.b.slice(0, 5)];
  assertEquals(logRankPermuted([a, b]), permutationTest([logRankScores({ a, b })]));
});

Deno.test("compare: where the mean of further values would lie", () => {
  // By hand: n 4, mean 5, s² 20/3, t(0.975, 3) = 3.182446 (R's qt); m 1 is R's predict(lm(x ~ 1), interval = "prediction").
  const { mean, low, high } = meanPrediction([2, 4, 6, 8], 1);
  assertEquals(mean, 5);
  assertAlmostEquals(high! - 5, 3.182446305 * Math.sqrt(20 / 3) * Math.sqrt(1.25), 1e-6);
  assertAlmostEquals(5 - low!, high! - 5, 1e-12);
  // With ever more further values it is the interval of the mean itself.
  assertAlmostEquals(meanPrediction([2, 4, 6, 8], 1e12).high! - 5, 3.182446305 * Math.sqrt(20 / 3) / 2, 1e-5);
  assertEquals(meanPrediction([3, 3], 3), { mean: 3, low: null, high: null });
  assertThrows(() => meanPrediction([1], 3), Error, "Cannot predict a mean: values must be at least 2, current value is 1");
  assertThrows(() => meanPrediction([1, 2], 0), Error, "m must be a whole number from 1 on, current value is 0");
});

Deno.test("permutation: the smallest p that scores allow, against all ways to deal them", () => {
  const decks = [
    [{ a: [1, 2, 3], b: [4, 5, 6, 7] }],
    [{ a: [1, 1, 2], b: [2, 2, 3, 3] }],
    [{ a: [0, 0, 0], b: [0, 0, 5] }],
    [{ a: [1, 2], b: [5, 3] }, { a: [10, 40, 30], b: [20, 60] }],
    [{ a: [1, 1], b: [1, 1] }],
  ];
  for (const strata of decks) {
    // Each deal's own p, the smallest of them.
    const average = sum(strata.map(({ a, b }) => sum([...a, ...b]) * a.length / (a.length + b.length)));
    const sums = strata.map(({ a, b }) => subsets(a.length + b.length, a.length).map((places) => sum(places.map((i) => [...a, ...b][i]))))
      .reduce((all, here) => all.flatMap((x) => here.map((y) => x + y)), [0]).map((x) => Math.abs(x - average));
    const least = Math.min(...sums.map((x) => sums.filter((y) => y >= x - EXACT).length / sums.length));
    assertAlmostEquals(permutationTest(strata).least, least, EXACT, JSON.stringify(strata));
  }
  // One event among ten runs: whichever group has it, p is 1. All five of one group before all of the other: 2 of 252.
  const [early] = observe("700"), never = observe("3000+ 3000+ 3000+ 3000+ 3000+");
  assertEquals(permutationTest([logRankScores({ a: [early, ...never.slice(1)], b: never })]).least, 1);
  close([permutationTest([gehanScores({ a: complete([1, 9, 3, 7, 5]), b: complete([2, 4, 6, 8, 10]) })]).least], [2 / 252], EXACT);
  // Drawn, it is no smaller than one of the draws; of five groups of five, dealt in 25!/(5!⁵·5!) ways that differ.
  assertEquals(permutationTest([{ a: TERM, b: EARLY }], { enumerate: 0, draws: 100 }).least, 1 / 101);
  const trios = ["1 2", "3 4", "5 6"].map(observe);
  close([logRankPermuted(trios).least], [6 * 8 / 720], EXACT);
});

Deno.test("watched alike: what came after the earliest censoring of any is censored there", () => {
  const samples = [observe("100 427+ 900"), observe("300 427 3000+")];
  assertEquals(horizonOf(samples), 427);
  assertEquals(watchedAlike(samples), [observe("100 427+ 427+"), observe("300 427 427+")]);
  assertEquals(watchedAlike([observe("1 2"), observe("3")]), [observe("1 2"), observe("3")]);
  // Where it is known how long each run would have been watched, those stopped early are left out, whatever became of them: 4 runs for
  // 3000.
  const until = (text: string, ...ends: number[]) => observe(text).map((each, i) => ({ ...each, until: ends[i] }));
  const known = [until("100 427+ 900", 427, 427, 3000), until("300 2500 3000+", 3000, 3000, 3000)];
  assertEquals(horizonOf(known), 3000);
  assertEquals(watchedAlike(known), [until("900", 3000), until("300 2500 3000+", 3000, 3000, 3000)]);
  // Each sample keeps a run; and one that grokked before it was stopped is no whole one.
  assertEquals(horizonOf([until("427+ 400", 427, 427), until("300 3000+", 3000, 3000)]), 427);
  assertEquals(horizonOf([until("100 200", 427, 427), until("300 900", 3000, 3000)]), 427);
  assertEquals(horizonOf([until("100 200", 3000, 3000), until("300 900", 3000, 3000)]), Infinity);
});

Deno.test("multiple: Holm's correction, over the rows that have a p, with the smallest that it could be", () => {
  close(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02], EXACT);
  close(holm([0.5, 0.6, 0.7]), [1, 1, 1], EXACT);
  assertEquals(holm([]), []);
  // 15 comparisons of Neuhaus et al., in Benjamini & Hochberg (1995): at 5 % Holm's correction rejects three.
  // deno-fmt-ignore
  const ps = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1];
  assertEquals(holm(ps).filter((p) => p <= 0.05).length, 3);

  const rows = corrected([{ p: 0.03, least: 0.008 }, { p: null, least: null }, { p: 0.2, least: 0.1 }, { p: 0.008, least: 0.008 }]);
  close(rows.map(({ holm }) => holm ?? -1), [0.06, -1, 0.2, 0.024], EXACT);
  close(rows.map(({ floor }) => floor ?? -1), [0.024, -1, 0.1, 0.024], EXACT);
  assertEquals([rows.map(differs), rows.map(decides)], [[false, false, false, true], [true, false, false, true]]);
  // Whatever the p-values are, none is below its floor.
  for (let i = 0; i < 200; i++) {
    const drawn = Array.from(
      { length: 5 },
      (_, k) => ({ p: Math.min(1, 0.004 * (1 + k) + ((i * 7919 + k * 104729) % 1000) / 1000), least: 0.004 * (1 + k) }),
    );
    assert(corrected(drawn).every(({ holm, floor }) => holm! >= floor! - EXACT));
  }
});

Deno.test("compare: what can't be compared says so", () => {
  const message = (f: () => unknown, text: string) => assertEquals(assertThrows(f, Error).message, text);
  message(
    () => cliffsDelta([], complete([1])),
    "Cannot compare two samples: a sample must hold at least one observation, current value is 0",
  );
  message(
    () => bootstrapMedian([1], { resamples: 10 }),
    "Cannot bootstrap: resamples must be a whole number from 100 on, current value is 10",
  );
  message(() => bootstrap([2], () => NaN), "Cannot bootstrap: the statistic of a resample must be finite, current value is NaN … NaN");
  message(
    () => superiorityInterval(1.1, 2, 2),
    "Cannot compute an interval: the probability of superiority must lie within 0 and 1, current value is 1.1",
  );
  message(() => permutationTest([{ a: [1], b: [] }]), "Cannot permute: strata with both groups must be at least one, current value is 0");
  message(() => permutationTest([{ a: [1], b: [Infinity] }]), "Cannot permute: a score must be finite, current value is Infinity");
  message(() => holm([0.5, NaN]), "Cannot adjust p-values: p must lie within 0 and 1, current value is NaN");
});

Deno.test("the difference of two means: Welch's interval, as SciPy has it", () => {
  const { difference, low, high } = meanDifference([2, 4, 6, 8], [1, 1.5, 2.5]);
  assertAlmostEquals(difference, 10 / 3, 1e-12);
  // SciPy's ttest_ind with equal_var=False: 3.665986 degrees of freedom, of which t(0.975) is 2.879113.
  assertAlmostEquals(low!, -0.5944258355, 1e-6);
  assertAlmostEquals(high!, 7.2610925022, 1e-6);
  assertEquals(meanDifference([3, 3], [1, 1]), { difference: 2, low: null, high: null });
  assertThrows(
    () => meanDifference([1], [1, 2]),
    Error,
    "Cannot compare means: values of each side must be at least 2, current value is 1",
  );
});
