/**
 * The part of jsr:@std/assert that the tests use, on node:assert/strict, for places where JSR can't be reached. With the line
 * `"links"` deleted from deno.json, the same specifier resolves to the published package.
 */
// `message!`: newer types of Node, which npm packages bring along, want a text or nothing, and undefined is nothing.
import strict from "node:assert/strict";

export { AssertionError } from "node:assert/strict";

/** Fails unless `condition` is truthy. */
export function assert(condition: unknown, message?: string): asserts condition {
  strict.ok(condition, message!);
}

/** Fails unless both are deeply equal. */
export function assertEquals<T>(actual: T, expected: T, message?: string): void {
  strict.deepStrictEqual(actual, expected, message!);
}

/** Fails if both are deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, message?: string): void {
  strict.notDeepStrictEqual(actual, expected, message!);
}

/** Fails unless the text matches. */
export function assertMatch(actual: string, expected: RegExp, message?: string): void {
  strict.match(actual, expected, message!);
}

/** Fails unless the text contains the other. */
export function assertStringIncludes(actual: string, expected: string, message?: string): void {
  strict.ok(actual.includes(expected), message ?? `Expected ${JSON.stringify(actual)} to contain ${JSON.stringify(expected)}`);
}

/** Fails unless |actual − expected| ≤ tolerance (default: a 10⁻⁷ part of what is expected). */
export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance: number = Math.abs(expected * 1e-7),
  message?: string,
): void {
  strict.ok(
    Object.is(actual, expected) || Math.abs(actual - expected) <= tolerance,
    message ?? `Expected ${actual} to be within ${tolerance} of ${expected}`,
  );
}

// deno-lint-ignore no-explicit-any
type ErrorClass<E> = abstract new (...args: any[]) => E;

function check<E extends Error>(error: unknown, Class?: ErrorClass<E>, includes?: string): E {
  if (Class) strict.ok(error instanceof Class, `Expected a ${Class.name}, got ${error}`);
  const thrown = error as E;
  if (includes) {
    strict.ok(thrown.message.includes(includes), `Expected ${JSON.stringify(thrown.message)} to contain ${JSON.stringify(includes)}`);
  }
  return thrown;
}

/** Fails unless `fn` throws; returns what it threw. */
export function assertThrows<E extends Error = Error>(fn: () => unknown, Class?: ErrorClass<E>, includes?: string): E {
  try {
    fn();
  } catch (error) {
    return check(error, Class, includes);
  }
  throw new strict.AssertionError({ message: "Expected the function to throw" });
}

/** Fails unless `fn` rejects; returns what it rejected with. */
export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  Class?: ErrorClass<E>,
  includes?: string,
): Promise<E> {
  try {
    await fn();
  } catch (error) {
    return check(error, Class, includes);
  }
  throw new strict.AssertionError({ message: "Expected the function to reject" });
}
