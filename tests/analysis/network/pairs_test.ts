/** Fourier analysis over pairs: against sums over all waves written out, and on functions whose spectrum is known. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { ownFrequencies, pairSpectrum } from "../../../lib/analysis/network/pairs.ts";
import { shareAt } from "./share_at.ts";
import { Random } from "../../../lib/run/random.ts";

/** Sums of p² products in doubles. */
const EXACT = 1e-10;
const angle = (n: number, p: number) => 2 * Math.PI * n / p;

/** Values [p², N] of functions of a and b. */
const values = (p: number, functions: readonly ((a: number, b: number) => number)[]) =>
  Float64Array.from({ length: p * p * functions.length }, (_, at) => {
    const pair = Math.floor(at / functions.length);
    return functions[at % functions.length](Math.floor(pair / p), pair % p);
  });

Deno.test("the spectrum over pairs is the one of all sums written out", () => {
  // 35 functions: more than one block, and frequencies that aren't a multiple of four. Even moduli have one that is a cosine alone.
  for (const [p, N] of [[7, 35], [13, 3], [8, 35], [14, 3], [2, 2]]) {
    const random = new Random(p, "init"), x = Float64Array.from({ length: p * p * N }, () => random.normal());
    const power = (k: number, l: number) => {
      let all = 0;
      for (let n = 0; n < N; n++) {
        let re = 0, im = 0;
        for (let a = 0; a < p; a++) {
          for (let b = 0; b < p; b++) {
            re += x[(a * p + b) * N + n] * Math.cos(angle(k * a + l * b, p));
            im -= x[(a * p + b) * N + n] * Math.sin(angle(k * a + l * b, p));
          }
        }
        all += re ** 2 + im ** 2;
      }
      return all;
    };
    const h = Math.floor(p / 2), o = Math.floor((p - 1) / 2), spectrum = pairSpectrum(x, p);
    assertEquals(spectrum.shares.length, (h + 1) * p);
    let total = 0;
    for (let k = 0; k < p; k++) for (let l = 0; l < p; l++) if (k !== 0 || l !== 0) total += power(k, l);
    for (let k = 0; k <= h; k++) {
      for (let l = -o; l <= h; l++) {
        // A wave and its conjugate are one; in rows 0 and p / 2 both have a place.
        const expected = k === 0 && l === 0 ? 0 : (k === 0 || 2 * k === p ? 1 : 2) * power(k, l) / total;
        assertAlmostEquals(shareAt(spectrum, k, l), expected, EXACT, `p ${p}, k ${k}, l ${l}`);
      }
    }
    assertAlmostEquals(spectrum.shares.reduce((sum, share) => sum + share, 0), 1, EXACT);
  }
});

Deno.test("each function of a and b has its place: sums, differences, a alone, b alone, linear combinations", () => {
  const p = 31;
  const cases: [k: number, l: number, f: (a: number, b: number) => number][] = [
    [4, 4, (a, b) => Math.cos(angle(4 * (a + b), p) + 0.3)],
    [4, -4, (a, b) => Math.sin(angle(4 * (a - b), p))],
    [9, 0, (a) => 2 + Math.cos(angle(9 * a, p))],
    [6, 15, (a, b) => Math.cos(angle(3 * (2 * a + 5 * b), p))],
  ];
  for (const [k, l, f] of cases) assertAlmostEquals(shareAt(pairSpectrum(values(p, [f]), p), k, l), 1, EXACT);
  const b = pairSpectrum(values(p, [(_, b) => Math.cos(angle(5 * b, p) - 1)]), p);
  assertEquals([shareAt(b, 0, 5), shareAt(b, 0, -5)].map((share) => Math.round(1e9 * share) / 1e9), [0.5, 0.5]);
  // Squares of amplitudes, over several functions.
  const mixed = pairSpectrum(values(p, [(a, b) => 3 * Math.cos(angle(2 * (a + b), p)), (a) => Math.cos(angle(2 * a, p))]), p);
  assertAlmostEquals(shareAt(mixed, 2, 2), 0.9, EXACT);
  assertAlmostEquals(shareAt(mixed, 2, 0), 0.1, EXACT);
});

Deno.test("a neuron of one frequency is told by it; of two, by the stronger; a constant by none", () => {
  const p = 31;
  const own = ownFrequencies(
    values(p, [
      (a, b) => 1 + Math.cos(angle(7 * a, p)) + 2 * Math.sin(angle(7 * b, p)) + 3 * Math.cos(angle(7 * a, p)) * Math.sin(angle(7 * b, p)),
      (a, b) => 2 * Math.cos(angle(3 * (a + b), p)) + Math.cos(angle(11 * (a - b), p)),
      // A product of two frequencies belongs to neither.
      (a, b) => Math.cos(angle(3 * a, p)) * Math.cos(angle(5 * b, p)) + Math.cos(angle(5 * a, p)),
      () => 0.1,
    ]),
    p,
  );
  assertEquals([...own.frequency], [7, 3, 5, 0]);
  [1, 0.8, 2 / 3, 0].forEach((share, n) => assertAlmostEquals(own.explained[n], share, EXACT));
});

Deno.test("the highest frequency of an even modulus has a cosine alone, in its own place", () => {
  const p = 12, sign = (n: number) => n % 2 === 0 ? 1 : -1;
  for (
    const [k, l, f] of [
      [6, 6, (a: number, b: number) => 3 + 2 * sign(a + b)],
      [6, 0, (a: number) => sign(a)],
      [0, 6, (_: number, b: number) => sign(b)],
      [2, 6, (a: number, b: number) => Math.sin(angle(2 * a, p)) * sign(b)],
    ] as const
  ) assertAlmostEquals(shareAt(pairSpectrum(values(p, [f]), p), k, l), 1, EXACT, `${k}, ${l}`);
  assertEquals(shareAt(pairSpectrum(values(p, [(a, b) => sign(a + b)]), p), 6, -6), 1);
  const own = ownFrequencies(
    values(p, [(a, b) => 1 + sign(a) + 2 * sign(a) * sign(b), (a, b) => sign(a) + 3 * Math.cos(angle(5 * b, p))]),
    p,
  );
  assertEquals([...own.frequency], [6, 5]);
  [1, 9 / 11].forEach((share, n) => assertAlmostEquals(own.explained[n], share, EXACT));
});

Deno.test("noise has no frequency of its own, and a spectrum without a peak", () => {
  const p = 31, random = new Random(5, "init"), noise = Float32Array.from({ length: p * p * 40 }, () => random.normal());
  // Eight of p² − 1 directions, and the best of fifteen such: a share of a hundredth, never a tenth.
  assert(Math.max(...ownFrequencies(noise, p).explained) < 0.05);
  // Of 480 cells with 80 degrees of freedom each: none is twice what it should be.
  assert(Math.max(...pairSpectrum(noise, p).shares) < 2 / 480);
});

Deno.test("nothing that varies: all shares are 0; a part of a table is refused", () => {
  assertEquals(Math.max(...pairSpectrum(new Float32Array(3 * 49).fill(0.1), 7).shares), 0);
  assertEquals([...ownFrequencies(new Float32Array(2 * 49), 7).frequency], [0, 0]);
  assertThrows(() => ownFrequencies(new Float32Array(50), 7), Error, "there must be rows of 7² values, current value is 50");
});
