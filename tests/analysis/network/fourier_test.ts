/** Fourier analysis on matrices whose answer is known. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { type Matrix, plane, powerSpectrum, strongest } from "../../../lib/analysis/network/fourier.ts";
import { Random } from "../../../lib/run/random.ts";

const P = 31;
/** Sums of some 31 products in doubles. */
const EXACT = 1e-12;

/** Rows a = 0 … p − 1, columns as given by functions of a. */
const matrix = (columns: readonly ((a: number) => number)[], p = P): Matrix => ({
  rows: p,
  columns: columns.length,
  values: Array.from({ length: p }, (_, a) => columns.map((column) => column(a))).flat(),
});
const wave = (k: number, phase = 0, size = 1) => (a: number) => size * Math.cos(2 * Math.PI * k * a / P + phase);

Deno.test("a single wave has all the power at its frequency, whatever its phase and its constant part", () => {
  const spectrum = powerSpectrum(matrix([wave(5, 0.3), (a) => 7 + wave(5, 1.2)(a)]));
  assertEquals(spectrum.length, 15);
  spectrum.forEach((power, i) => assertAlmostEquals(power, i + 1 === 5 ? 1 : 0, EXACT));
});

Deno.test("powers are shares that go with the squares of the amplitudes", () => {
  const spectrum = powerSpectrum(matrix([wave(2, 0, 3), wave(11, 0.4, 1), (a) => wave(2, 2, 1)(a) + wave(7, 1, 2)(a)]));
  const total = 9 + 1 + 1 + 4;
  for (const [k, power] of [[2, 10], [11, 1], [7, 4], [3, 0]]) assertAlmostEquals(spectrum[k - 1], power / total, EXACT);
  assertEquals(strongest(spectrum, 2), [2, 7]);
});

Deno.test("nothing that varies has no power, and noise has it everywhere", () => {
  assertEquals([...powerSpectrum(matrix([() => 4, () => -1]))], Array(15).fill(0));
  const random = new Random(1, "init");
  const noise = powerSpectrum(matrix(Array.from({ length: 64 }, () => () => random.normal())));
  // Chi-squared with 128 degrees of freedom each: a share of 1 / 15, give or take an eighth.
  assert(noise.every((power) => power > 0.5 / 15 && power < 1.6 / 15), noise.join(" "));
});

Deno.test("a circle is found in any two directions, turned by 2πk / p at each step, and what is orthogonal to it left out", () => {
  const [k, radius] = [4, 2.5];
  const along = [0.6, 0, 0.8, 0], across = [0, 1, 0, 0], aside = [-0.8, 0, 0.6, 0];
  const columns = along.map((_, d) => (a: number) =>
    along[d] * wave(k, 0, radius)(a) + across[d] * wave(k, -Math.PI / 2, radius)(a) + aside[d] * wave(9, 0, 5)(a) + 3
  );
  const points = plane(matrix(columns), k);
  for (const { x, y } of points) assertAlmostEquals(Math.hypot(x, y), radius, EXACT * 100);
  const angle = (a: number) => Math.atan2(points[a % P].y, points[a % P].x);
  for (let a = 0; a < P; a++) {
    const turn = angle(a + 1) - angle(a) - 2 * Math.PI * k / P;
    assertAlmostEquals(Math.cos(turn), 1, EXACT);
  }
});

Deno.test("a wave along one direction alone is a line, not a circle", () => {
  const points = plane(matrix([wave(3), wave(3, 0, 2)]), 3);
  assert(points.every(({ y }) => Math.abs(y) < 1e-6));
  assertAlmostEquals(Math.max(...points.map(({ x }) => Math.abs(x))), Math.sqrt(5), 1e-9);
});

Deno.test("an even number of rows: the highest frequency is a cosine alone, and its wave of amplitude 1 has twice the power", () => {
  const p = 12, columns = [(a: number) => a % 2 === 0 ? 1 : -1, (a: number) => Math.cos(2 * Math.PI * 5 * a / p + 0.7)];
  const power = powerSpectrum({
    rows: p,
    columns: 2,
    values: Array.from({ length: 2 * p }, (_, at) => columns[at % 2](Math.floor(at / 2))),
  });
  assertEquals(power.length, 6);
  [0, 0, 0, 0, 1 / 3, 2 / 3].forEach((share, i) => assertAlmostEquals(power[i], share, EXACT));
});
