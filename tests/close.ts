/** Numbers that are the same but for rounding. */
import { assertAlmostEquals, assertEquals } from "@std/assert";

/** A few operations in doubles; the way there and back through a logarithm. */
export const EXACT = 1e-9;

export function close(actual: ArrayLike<number>, expected: readonly number[], tolerance = EXACT): void {
  assertEquals(actual.length, expected.length);
  expected.forEach((x, i) => assertAlmostEquals(actual[i], x, tolerance, `at ${i}: ${actual[i]} for ${x}`));
}
