/** Noise of a series, told from its jumps and its drift. */
import { assertAlmostEquals, assertThrows } from "@std/assert";
import { noiseOf } from "../../../lib/analysis/statistics/noise.ts";
import { Random } from "../../../lib/run/random.ts";

/** Sums of a few hundred values, relative. */
const EXACT = 1e-9;

Deno.test("noise is told from jumps and from drift", () => {
  const random = new Random(1, "init"), plain = Array.from({ length: 400 }, () => 0.3 * random.normal());
  // Its own error is about 7 % for 400 values.
  assertAlmostEquals(noiseOf(plain), 0.3, 0.06);
  assertAlmostEquals(noiseOf(plain.map((x, i) => x + 0.5 * i)), noiseOf(plain), EXACT);
  assertAlmostEquals(noiseOf(plain.map((x, i) => x + (i > 150 ? 100 : 0))), noiseOf(plain), 0.01);
  assertThrows(() => noiseOf([1, 2]), Error, "Cannot estimate noise: the number of values must be at least 3, current value is 2");
  assertThrows(() => noiseOf([1, 2, NaN]), Error, "a value must be finite, current value is NaN");
});
