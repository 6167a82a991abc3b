/** Paired tests and effects: against Fisher's own count, R's examples, enumeration, and the definitions. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { pseudomedian, rankBiserial, signFlipTest } from "../../../lib/analysis/statistics/paired.ts";

/** A few additions in doubles. */
const EXACT = 1e-12;
const sum = (values: readonly number[]) => values.reduce((total, x) => total + x, 0);

/** Darwin's maize: crossed minus self-fertilised, in eighths of an inch; Fisher, "The Design of Experiments" (1935), chapter III. */
const MAIZE = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48];
/** Hamilton depression scores before and after; Hollander & Wolfe (1973, p. 29), the example of R's `wilcox.test`. */
const BEFORE = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30], AFTER = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29];
const FALL = BEFORE.map((x, i) => x - AFTER[i]);

Deno.test("paired: Fisher's count of Darwin's maize, 863 of 32768 as large, as many as small", () => {
  assertEquals(signFlipTest(MAIZE), { statistic: 314, p: 2 * 863 / 32768, least: 2 / 32768, exact: true, arrangements: 32768 });
});

Deno.test("paired: the least p of few runs, whatever the numbers", () => {
  assertEquals([5, 6, 10].map((n) => signFlipTest(Array.from({ length: n }, (_, i) => i + 1)).p), [2 / 32, 2 / 64, 2 / 1024]);
  // Said beside each p, whatever it is: two of all signs, each zero doubles them; of vectors that are no multiples of each other as well.
  const leasts = [[1, -2, 3, -4, 5, 6], [1, -2, 0, 0, 3], [[1, 0], [0, -1], [1, 1]]].map((differences) => signFlipTest(differences).least);
  assertEquals(leasts, [2 / 64, 8 / 32, 2 / 8]);
  assertEquals(signFlipTest([1, -2, 3, -4, 5, 6], { enumerate: 0, draws: 200 }).least, 2 / 64);
  assertEquals([signFlipTest([0, 0, 0]).p, signFlipTest([7]).p], [1, 1]);
  // Sums that only rounding tells apart are the same: 0.1 + 0.2 − 0.3.
  assertEquals(signFlipTest([0.1, 0.2, -0.3]).p, 1);
});

Deno.test("paired: vectors are flipped whole", () => {
  const rows = [[3, -1], [2, 0.5], [1, -2], [2.5, -0.5]], seen = Math.hypot(8.5, -3);
  // One by one, the signs as digits.
  const lengths = Array.from({ length: 16 }, (_, signs) => {
    const at = (d: number) => sum(rows.map((row, i) => (signs >> i) % 2 ? -row[d] : row[d]));
    return Math.hypot(at(0), at(1));
  });
  const { statistic, p } = signFlipTest(rows);
  assertAlmostEquals(statistic, seen, EXACT);
  assertEquals(p, lengths.filter((x) => x >= seen - EXACT).length / 16);
  assertEquals(signFlipTest(MAIZE.map((x) => [x])), signFlipTest(MAIZE)); // one dimension, the same test
  assertEquals(signFlipTest(MAIZE.map((x) => [x, 2 * x])).p, signFlipTest(MAIZE).p);
});

Deno.test("paired: drawn where there are too many signs, near the exact p, and repeatable", () => {
  const draws = 4000, exact = signFlipTest(MAIZE), drawn = signFlipTest(MAIZE, { enumerate: 32767, draws, seed: 2 });
  assertEquals([drawn.exact, drawn.statistic, drawn.arrangements], [false, 314, 32768]);
  assertAlmostEquals(drawn.p, exact.p, 5 * Math.sqrt(exact.p * (1 - exact.p) / draws)); // five standard errors
  assertEquals(signFlipTest(MAIZE, { enumerate: 0, draws, seed: 2 }), drawn);
});

Deno.test("paired: the pseudomedian and its interval, R's example and the test it inverts", () => {
  // wilcox.test(x, y, paired = TRUE, conf.int = TRUE): pseudomedian 0.46, 95 percent confidence interval 0.010 0.786.
  const { shift, low, high } = pseudomedian(FALL);
  [shift, low!, high!].forEach((x, i) => assertAlmostEquals(x, [0.46, 0.010, 0.786][i], EXACT));
  // A shift just inside the limits isn't rejected by the exact signed-rank test at 5 %, one just outside is.
  const ranks = (by: number) => {
    const moved = FALL.map((x) => x - by), sizes = moved.map(Math.abs).sort((x, y) => x - y);
    return moved.map((x) => Math.sign(x) * (sizes.indexOf(Math.abs(x)) + 1));
  };
  const p = (by: number) => signFlipTest(ranks(by)).p;
  assert(p(low! + 1e-6) > 0.05 && p(low! - 1e-6) <= 0.05);
  assert(p(high! - 1e-6) > 0.05 && p(high! + 1e-6) <= 0.05);
  // 95 % needs six runs; all that is left then is the whole range.
  assertEquals(pseudomedian([1, 2, 3, 4, 5]), { shift: 3, low: null, high: null });
  assertEquals(pseudomedian([1, 2, 3, 4, 5], 0.9), { shift: 3, low: 1, high: 5 });
  assertEquals(pseudomedian([1, 2, 3, 4, 5, 6]), { shift: 3.5, low: 1, high: 6 });
});

Deno.test("paired: from fifty on the signed-rank sum is normal", () => {
  // V = 637.5 ± 1.96·103.6 of 1275 means: the 434th from either end.
  const many = Array.from({ length: 50 }, (_, i) => i),
    means = many.flatMap((x, i) => many.slice(i).map((y) => (x + y) / 2)).sort((x, y) => x - y);
  const turn = Math.round(637.5 - 1.959963984540054 * Math.sqrt(50 * 51 * 101 / 24));
  assertEquals(turn, 434);
  assertEquals(pseudomedian(many), { shift: 24.5, low: means[433], high: means[1275 - 434] });
});

Deno.test("paired: rank-biserial from its ranks: V = 40 of 45 in R's example", () => {
  assertAlmostEquals(rankBiserial(FALL), (40 - 5) / 45, EXACT);
  assertEquals([rankBiserial([1, 2, 3]), rankBiserial([-1, -5]), rankBiserial([0, 0]), rankBiserial([2, -2, 0])], [1, -1, 0, 0]);
});

Deno.test("paired: what can't be compared says so", () => {
  const message = (f: () => unknown, text: string) => assertEquals(assertThrows(f, Error).message, text);
  message(() => signFlipTest([]), "Cannot flip signs: the number of differences must be at least 1, current value is 0");
  message(() => signFlipTest([1, NaN]), "Cannot flip signs: a difference must be finite, current value is NaN");
  message(
    () => signFlipTest([[1, 2], [1]]),
    "Cannot flip signs: a difference's length must be 2 as the first's, and not 0, current value is 1",
  );
});

Deno.test("paired: an interval doesn't hang on the numbers asked about before", () => {
  // R's qsignrank(0.025, n): the place of the lower limit among the ordered means. None for 5 and 4.
  const outside = (n: number) => Math.round(pseudomedian(Array.from({ length: n }, (_, i) => 2 ** i)).low ?? -1);
  const alone = [5, 11, 8, 15, 4, 9].map((n) => [n, outside(n)]);
  const means = (n: number) =>
    Array.from({ length: n }, (_, i) => Array.from({ length: n - i }, (_, j) => (2 ** i + 2 ** (i + j)) / 2)).flat().sort((a, b) => a - b);
  assertEquals(
    alone,
    [[5, 0], [11, 11], [8, 4], [15, 26], [4, 0], [9, 6]].map(([n, turn]) => [n, turn === 0 ? -1 : Math.round(means(n)[turn - 1])]),
  );
});
