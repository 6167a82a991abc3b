/** The operations: counts as published, answers that obey their algebra, splits drawn from the seed. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { dataset, elementCount, type OperationName, OPERATIONS, pairCount } from "../../lib/run/operations.ts";

/** answer(a, b) of an operation. */
function table(operation: OperationName, prime = 97): (a: number, b: number) => number {
  const { a, b, target } = dataset({ operation, prime, trainFraction: 0.5 }, 0);
  const answers = new Map(Array.from(target, (y, i) => [a[i] * 1024 + b[i], y]));
  return (a, b) => answers.get(a * 1024 + b)!;
}
const range = (n: number) => Array.from({ length: n }, (_, i) => i);

Deno.test("operations: pairs and splits are as many as published", () => {
  const published = { x_plus_y: [9409, 4704], x_minus_y: [9409, 4704], x_div_y: [9312, 4656], permutation: [14400, 7200] } as const;
  for (const [operation, [pairs, train]] of Object.entries(published)) {
    const data = dataset({ operation: operation as OperationName, prime: 97, trainFraction: 0.5 }, 1);
    assertEquals([data.a.length, data.b.length, data.target.length, data.trainCount], [pairs, pairs, pairs, train]);
  }
  assertEquals(dataset({ operation: "x_plus_y", prime: 113, trainFraction: 0.3 }, 1).trainCount, 3830);
  assertEquals(dataset({ operation: "x_plus_y", prime: 10, trainFraction: 0.29 }, 1).trainCount, 29); // 0.29 · 100 is 28.999… in floats
});

Deno.test("operations: every pair stands once, every answer is a class", () => {
  for (const operation of Object.keys(OPERATIONS) as OperationName[]) {
    const n = elementCount(operation, 13);
    const { a, b, target } = dataset({ operation, prime: 13, trainFraction: 0.4 }, 2);
    assertEquals(new Set(Array.from(a, (x, i) => x * n + b[i])).size, pairCount(operation, 13), operation);
    assert(target.every((y) => y < n) && a.every((x) => x < n) && b.every((y) => y < n), operation);
  }
});

Deno.test("operations: the polynomials, by hand", () => {
  const at = (operation: OperationName, a: number, b: number) => table(operation)(a, b);
  assertEquals(at("x_plus_y", 96, 5), 4);
  assertEquals(at("x_minus_y", 3, 5), 95);
  assertEquals(at("x_mul_y", 50, 2), 3);
  assertEquals(at("x2_plus_y2", 10, 3), 12);
  assertEquals(at("x2_plus_xy_plus_y2", 10, 3), 42);
  assertEquals(at("x3_plus_xy", 5, 2), 38);
  assertEquals(at("x3_plus_xy2_plus_y", 5, 2), 50);
  assertEquals(at("x3_plus_xy2_plus_y", 96, 96), 94); // −1 −1 −1
});

Deno.test("operations: division undoes multiplication and leaves out zero", () => {
  for (const prime of [5, 97, 229]) {
    const divide = table("x_div_y", prime);
    for (const y of [1, 2, 3, prime - 1]) for (const x of range(prime)) assertEquals((divide(x, y) * y) % prime, x);
    assertEquals(divide(1, 0), undefined);
  }
});

Deno.test("operations: permutations form the group S5", () => {
  const times = table("permutation"), n = 120;
  assertEquals(range(n).filter((e) => range(n).every((x) => times(e, x) === x && times(x, e) === x)), [0]);
  for (const x of range(n)) {
    assertEquals(new Set(range(n).map((y) => times(x, y))).size, n); // a Latin square: cancellation
    assertEquals(range(n).filter((y) => times(x, y) === 0 && times(y, x) === 0).length, 1);
  }
  for (const x of range(n)) for (const y of range(n)) assert(times(times(x, y), 77) === times(x, times(y, 77)));
  assert(range(n).some((x) => times(x, 1) !== times(1, x)));
  // Elements of S5 by order: 1, 25, 20, 30, 24, 20.
  const orders = new Array(7).fill(0);
  for (const x of range(n)) {
    let order = 1;
    for (let y = x; y !== 0; y = times(y, x)) order++;
    orders[order]++;
  }
  assertEquals(orders, [0, 1, 25, 20, 30, 24, 20]);
  // The first moves nothing, the second swaps the last two: after [1,0,2,3,4], whose number is 24, that gives [1,0,2,4,3].
  assertEquals(times(24, 1), 25);

  const aba = table("permutation_aba"), conjugate = table("permutation_aba_inverse");
  const inverse = range(n).map((x) => range(n).find((y) => times(x, y) === 0)!);
  for (const [a, b] of [[3, 50], [119, 7], [64, 64], [0, 9]]) {
    assertEquals(aba(a, b), times(times(a, b), a));
    assertEquals(conjugate(a, b), times(times(a, b), inverse[a]));
  }
});

Deno.test("operations: splits and random labels come from the seed alone", () => {
  const data = { operation: "random", prime: 31, trainFraction: 0.5 } as const;
  assertEquals(dataset(data, 3), dataset(data, 3));
  const sorted = (seed: number) => {
    const { a, b, target } = dataset(data, seed);
    return Array.from(target, (y, i) => [a[i] * 31 + b[i], y]).sort(([x], [y]) => x - y).map(([, y]) => y);
  };
  assertNotEquals(dataset(data, 3).a, dataset(data, 4).a);
  assertNotEquals(sorted(3), sorted(4));
  assertEquals(new Set(sorted(3)).size, 31);
  const halves = [0.3, 0.7].map((trainFraction) => dataset({ ...data, trainFraction }, 3));
  assertEquals(halves[0].a, halves[1].a); // more training data is the same order, cut later
});
