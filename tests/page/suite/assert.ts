/** Stands in for `node:assert/strict` in a browser, as far as `@std/assert` uses it. */

export class AssertionError extends Error {}

const fail = (message: string | undefined, otherwise: string): never => {
  throw new AssertionError(message ?? otherwise);
};

/** Whether two values are deeply equal: numbers by `Object.is`, objects of one prototype by their own keys. */
function equal(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (a instanceof Map && b instanceof Map) return equal([...a], [...b]);
  const keys = Object.keys(a);
  const of = (key: string) => [a, b].map((value) => (value as Record<string, unknown>)[key]);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && equal(of(key)[0], of(key)[1]));
}

export default {
  ok: (condition: unknown, message?: string): void => void (condition || fail(message, "It must be true")),
  deepStrictEqual: (a: unknown, b: unknown, message?: string): void =>
    void (equal(a, b) || fail(message, `${JSON.stringify(a)} must equal ${JSON.stringify(b)}`)),
  notDeepStrictEqual: (a: unknown, b: unknown, message?: string): void =>
    void (!equal(a, b) || fail(message, `It must not equal ${JSON.stringify(b)}`)),
  match: (text: string, pattern: RegExp, message?: string): void =>
    void (pattern.test(text) || fail(message, `${text} must match ${pattern}`)),
};
