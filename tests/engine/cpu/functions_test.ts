/** The kernels' own exp, log, log1p and erf against doubles, in units in the last place, over their whole range. */
import { assert, assertEquals } from "@std/assert";
import { doubles, floats, FREE, kernels } from "./machine.ts";

const N = 100_000;

/** f of single-precision arguments, by function number. */
function single(which: number, x: Float32Array): Float32Array {
  floats.set(x, FREE / 4);
  kernels.applyFunction(which, FREE, FREE + 4 * N, x.length);
  return floats.slice(FREE / 4 + N, FREE / 4 + N + x.length);
}
function double(which: number, x: Float64Array): Float64Array {
  doubles.set(x, FREE / 8);
  kernels.applyFunction(which, FREE, FREE + 8 * N, x.length);
  return doubles.slice(FREE / 8 + N, FREE / 8 + N + x.length);
}

const grid = (from: number, to: number) => Float32Array.from({ length: N }, (_, i) => from + (to - from) * i / (N - 1));
const logarithmic = (from: number, to: number) => Float32Array.from(grid(Math.log(from), Math.log(to)), Math.exp);

/** The distance from a float to the next. */
const ulp = (x: number) => 2 ** (Math.max(Math.floor(Math.log2(Math.abs(x))), -126) - 23);

/** Fails where f(x) differs from what was computed by more than so many units in the last place. */
function assertWithin(most: number, actual: ArrayLike<number>, x: ArrayLike<number>, f: (x: number) => number, unit = ulp): void {
  let worst = 0, at = 0;
  for (let i = 0; i < x.length; i++) {
    const expected = f(x[i]), error = Math.abs(actual[i] - expected) / unit(expected);
    if (!(error <= worst)) [worst, at] = [error, i];
  }
  assert(
    worst < most,
    `of ${x[at]}: must be ${f(x[at])} within ${most} units in the last place, current value is ${actual[at]}, ${worst} away`,
  );
}

/** erf by its series, and by a continued fraction of erfc where the series loses digits. */
function erf(x: number): number {
  const z = Math.abs(x);
  if (z < 2.5) {
    let sum = 0, term = x;
    for (let k = 0; k < 100; k++) {
      sum += term / (2 * k + 1);
      term *= -x * x / (k + 1);
    }
    return 2 / Math.sqrt(Math.PI) * sum;
  }
  let fraction = z;
  for (let k = 200; k > 0; k--) fraction = z + k / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-z * z) / Math.sqrt(Math.PI) / fraction);
}

Deno.test("exp: within 1.4 units in the last place from the smallest normal result to 88; 0 below; what is no number stays none", () => {
  const x = grid(-87.33, 88);
  assertWithin(1.4, single(0, x), x, Math.exp);
  const near = grid(-1e-3, 1e-3);
  assertWithin(1.4, single(0, near), near, Math.exp);
  assertEquals([...single(0, Float32Array.of(-87.4, -200, -1e30, -Infinity, 0))], [0, 0, 0, 0, 1]);
  assert(Number.isNaN(single(0, Float32Array.of(NaN))[0]));
});

Deno.test("log: within 1.1 units in the last place of every normal number", () => {
  for (const x of [logarithmic(1.2e-38, 3.4e38), grid(0.5, 2), grid(0.99, 1.01)]) assertWithin(1.1, single(1, x), x, Math.log);
  assert(Number.isNaN(single(1, Float32Array.of(NaN))[0]));
});

Deno.test("erf: within 6 units in the last place; ±1 from 4 on", () => {
  for (const x of [grid(-4, 4), grid(-1e-2, 1e-2), logarithmic(1e-30, 4)]) assertWithin(6, single(2, x), x, erf);
  assertEquals([...single(2, Float32Array.of(-Infinity, -5, 0, 5, Infinity))], [-1, -1, 0, 1, 1]);
});

Deno.test("log1p: within 3 units in the last place, small numbers too", () => {
  for (const x of [logarithmic(1e-30, 1e30), grid(0, 1)]) assertWithin(3, single(3, x), x, Math.log1p);
});

Deno.test("exp and log of doubles: within 3 units in the last place of Math's", () => {
  const ulp64 = (x: number) => 2 ** (Math.floor(Math.log2(Math.abs(x))) - 52);
  const x = Float64Array.from({ length: N }, (_, i) => -708 + 1417 * i / N), y = x.map(Math.exp);
  assertWithin(3, double(4, x), x, Math.exp, ulp64);
  assertWithin(3, double(5, y), y, Math.log, ulp64);
  assertEquals([...double(4, Float64Array.of(-800, -Infinity, 0))], [0, 0, 1]);
  assert(Number.isNaN(double(4, Float64Array.of(NaN))[0]) && Number.isNaN(double(5, Float64Array.of(NaN))[0]));
});
