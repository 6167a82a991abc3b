/** Representations whose layout is known: circles, a simplex, noise. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { type Matrix, powerSpectrum } from "../../../lib/analysis/network/fourier.ts";
import { circulant, classMeans, cosineSimilarity } from "../../../lib/analysis/network/representations.ts";
import { Random } from "../../../lib/run/random.ts";

const P = 31;
/** Sums of some hundred products in doubles. */
const EXACT = 1e-10;
const angle = (n: number) => 2 * Math.PI * n / P;

const matrix = (rows: number, columns: number, value: (i: number, d: number) => number): Matrix => ({
  rows,
  columns,
  values: Array.from({ length: rows * columns }, (_, at) => value(Math.floor(at / columns), at % columns)),
});
/** The answers on circles of these frequencies and radii, two columns a circle, around a common point. */
const circles = (...of: [k: number, radius: number][]) =>
  matrix(P, 2 * of.length, (i, d) => {
    const [k, radius] = of[d >> 1];
    return 5 + radius * (d % 2 === 0 ? Math.cos : Math.sin)(angle(k * i));
  });

Deno.test("class means: the mean over the pairs with each answer", () => {
  const means = classMeans([1, 10, 2, 20, 3, 30, 5, 50], [2, 0, 2, 0], 4);
  assertEquals([means.rows, means.columns, Array.from(means.values)], [4, 2, [3.5, 35, 0, 0, 2, 20, 0, 0]]);
});

Deno.test("answers on a circle: the cosine of two is that of their angle; all of it depends on their distance", () => {
  for (const k of [1, 4, 15]) {
    const similarity = cosineSimilarity(circles([k, 2]));
    for (let i = 0; i < P; i++) {
      for (let j = 0; j < P; j++) assertAlmostEquals(similarity.values[i * P + j], Math.cos(angle(k * (i - j))), EXACT);
    }
    const { share, profile } = circulant(similarity);
    assertAlmostEquals(share, 1, EXACT);
    profile.forEach((value, d) => assertAlmostEquals(value, Math.cos(angle(k * d)), EXACT));
  }
  // Several circles count by their squares.
  const two = circles([3, 3], [7, 4]), similarity = cosineSimilarity(two);
  assertAlmostEquals(similarity.values[P + 3], (9 * Math.cos(angle(3 * -2)) + 16 * Math.cos(angle(7 * -2))) / 25, EXACT);
  const power = powerSpectrum(two);
  assertAlmostEquals(power[2], 9 / 25, EXACT);
  assertAlmostEquals(power[6], 16 / 25, EXACT);
});

Deno.test("what all share counts only where it is asked for", () => {
  const rows = matrix(2, 2, (i, d) => [[10, 1], [10, -1]][i][d]);
  assertAlmostEquals(cosineSimilarity(rows).values[1], -1, EXACT);
  assertAlmostEquals(cosineSimilarity(rows, { centred: false }).values[1], 99 / 101, EXACT);
  assertEquals(Array.from(cosineSimilarity(matrix(2, 2, () => 0.1)).values), [0, 0, 0, 0]);
});

Deno.test("noise: distances explain one in p, the spectrum is flat; a permuted circle is no circulant", () => {
  const shares = Array.from({ length: 20 }, (_, seed) => {
    const random = new Random(seed, "init");
    return circulant(cosineSimilarity(matrix(P, 64, () => random.normal()))).share;
  });
  const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
  // (p − 3) / 2 of the p(p − 1) / 2 − 1 degrees of freedom: 14 / 464. Twenty means scatter by a tenth of it.
  assertAlmostEquals(mean, 14 / 464, 0.012);
  const random = new Random(1, "init"), flat = powerSpectrum(matrix(P, 64, () => random.normal()));
  assert(flat.every((power) => power > 0.5 / 15 && power < 1.6 / 15), flat.join(" "));
  const order = new Random(2, "split").permutation(P);
  const { share } = circulant(cosineSimilarity(matrix(P, 2, (i, d) => (d === 0 ? Math.cos : Math.sin)(angle(order[i])))));
  assert(share < 0.15, String(share));
});

Deno.test("half circle, half noise: the share is what the distances explain", () => {
  const random = new Random(4, "init"), profile = (d: number) => Math.cos(angle(2 * d));
  const noise = new Float64Array(P * P);
  for (let i = 0; i < P; i++) for (let j = 0; j < i; j++) noise[i * P + j] = noise[j * P + i] = Math.SQRT1_2 * random.normal();
  const { share } = circulant(matrix(P, P, (i, j) => profile(i - j) + (i === j ? 100 : noise[i * P + j])));
  // Variances of 1 / 2 each; 465 values of noise scatter by a few hundredths.
  assertAlmostEquals(share, 0.5, 0.06);
  assertEquals(circulant(matrix(5, 5, () => 3)).share, 0);
});
