/** The operations: counts as published, answers that obey their algebra, splits drawn from the seed. */
import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { dataset as datasetOf, elementCount, type OperationName, OPERATIONS, pairCount, trainCount } from "../../lib/run/operations.ts";
import { runSpec } from "../../lib/run/spec.ts";

type Data = Parameters<typeof datasetOf>[0];
const PLAIN = { rounding: "down", split: "random", labelNoise: 0, noiseLabels: "wrong" } as const;
/** The dataset of a run with a random split and no label noise, unless they are given. */
const dataset = (data: Pick<Data, "operation" | "prime" | "trainFraction"> & Partial<Data>, seed: number) =>
  datasetOf({ ...PLAIN, ...data }, seed);

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

/**
 * Every operation's formula, and its answers to some pairs, as they follow from the formula by hand: mod 97, or by the numbers of
 * permutations in lexicographic order. `a · b` does b first. Random labels follow from none.
 */
const BY_HAND: Readonly<Record<string, { readonly formula: string; readonly answers: readonly (readonly [number, number, number])[] }>> = {
  x_plus_y: { formula: "x + y", answers: [[96, 5, 4], [20, 30, 50], [96, 96, 95]] },
  x_minus_y: { formula: "x − y", answers: [[3, 5, 95], [5, 3, 2], [0, 96, 1]] },
  // 2 · 49 and 3 · 65 are 1 more than multiples of 97.
  x_div_y: { formula: "x / y", answers: [[1, 2, 49], [2, 3, 33], [96, 1, 96], [0, 5, 0]] },
  x_mul_y: { formula: "x · y", answers: [[50, 2, 3], [96, 96, 1], [7, 8, 56]] },
  x2_plus_y2: { formula: "x² + y²", answers: [[10, 3, 12], [2, 5, 29], [5, 2, 29]] },
  x2_plus_xy_plus_y2: { formula: "x² + xy + y²", answers: [[10, 3, 42], [2, 5, 39]] },
  x3_plus_xy: { formula: "x³ + xy", answers: [[5, 2, 38], [2, 5, 18]] },
  x3_plus_xy2_plus_y: { formula: "x³ + xy² + y", answers: [[5, 2, 50], [96, 96, 94], [2, 5, 63]] }, // −1 −1 −1
  // [0,1,2,4,3] swaps the last two, [1,0,2,3,4] the first two, [0,2,1,3,4] those between, [1,2,0,3,4] has number 30.
  permutation: { formula: "a · b in S5", answers: [[24, 1, 25], [1, 24, 25], [6, 24, 48], [24, 6, 30], [0, 77, 77]] },
  permutation_aba: { formula: "a · b · a in S5", answers: [[24, 1, 1], [6, 24, 54], [30, 6, 6]] },
  permutation_aba_inverse: { formula: "a · b · a⁻¹ in S5", answers: [[24, 1, 1], [6, 24, 54], [30, 6, 54]] },
  random: { formula: "random labels", answers: [] },
  x2_plus_xy_plus_y2_plus_x: { formula: "x² + xy + y² + x", answers: [[10, 3, 52], [2, 5, 41]] }, // 139 + 10
  x2_plus_y: { formula: "x² + y", answers: [[10, 3, 6], [3, 10, 19]] },
  x3_plus_y: { formula: "x³ + y", answers: [[5, 2, 30], [2, 5, 13]] },
  x_div_y_or_x_minus_y: { formula: "x / y if y is odd, else x − y", answers: [[2, 3, 33], [3, 0, 3], [3, 4, 96], [96, 96, 0]] },
  x_plus_y_or_x_mul_y: { formula: "x + y if x is even, else x · y", answers: [[96, 5, 4], [5, 20, 3]] },
  x_plus_y_or_x_minus_y: { formula: "x + y if x is even, else x − y", answers: [[96, 5, 4], [5, 20, 82]] },
  // Of [0,2,1] and [1,0,2]: the second first, 0 → 1 → 2, 1 → 0 → 0, 2 → 2 → 1, which is [2,0,1], the fifth.
  permutation_s3: { formula: "a · b in S3", answers: [[1, 2, 4], [2, 1, 3], [3, 4, 0]] },
  permutation_s4: { formula: "a · b in S4", answers: [[6, 1, 7], [1, 6, 7], [2, 6, 12], [6, 2, 8]] },
};

Deno.test("operations: answers are those that follow from the formula by hand, and each has some", () => {
  for (const name of Object.keys(OPERATIONS) as OperationName[]) {
    const entry = BY_HAND[name], { formula } = OPERATIONS[name];
    assert(
      entry && (entry.answers.length > 1 || name === "random"),
      `BY_HAND must have ${name} with two answers or more that you worked out yourself: ` +
        `${name}: { formula: "${formula}", answers: [[a, b, answer], …] }`,
    );
    assertEquals(entry.formula, formula, `${name}: BY_HAND must have its formula, and answers by it`);
    const at = table(name);
    for (const [a, b, answer] of entry.answers) assertEquals(at(a, b), answer, `${name}: ${formula} of ${a} and ${b}`);
  }
  assertEquals(Object.keys(BY_HAND).filter((name) => !Object.hasOwn(OPERATIONS, name)), [], "entries of no operation");
});

Deno.test("operations: those that depend on which number is even", () => {
  const mixed = table("x_div_y_or_x_minus_y"), divide = table("x_div_y");
  for (const [x, y] of [[3, 1], [50, 7], [96, 95], [0, 3]]) assertEquals(mixed(x, y), divide(x, y));
  assertEquals([mixed(3, 0), mixed(3, 4), mixed(96, 96)], [3, 96, 0]);
  assertThrows(
    () => runSpec({ data: { operation: "x_div_y_or_x_minus_y", prime: 96 } }),
    Error,
    "prime must be a prime number for x_div_y_or_x_minus_y, current value is 96",
  );
  const times = table("x_plus_y_or_x_mul_y"), minus = table("x_plus_y_or_x_minus_y");
  assertEquals([times(96, 5), times(5, 20), minus(96, 5), minus(5, 20)], [4, 3, 4, 82]);
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

Deno.test("operations: S3 and S4 are groups of 6 and 24 elements, of which as many are swaps of two things", () => {
  for (const [operation, n, involutions] of [["permutation_s3", 6, 3], ["permutation_s4", 24, 9]] as const) {
    const times = table(operation);
    assertEquals([elementCount(operation, 97), pairCount(operation, 97)], [n, n * n]);
    assertEquals(range(n).filter((e) => range(n).every((x) => times(e, x) === x && times(x, e) === x)), [0]);
    for (const x of range(n)) {
      assertEquals(new Set(range(n).map((y) => times(x, y))).size, n);
      for (const y of range(n)) assert(times(times(x, y), n - 1) === times(x, times(y, n - 1)));
    }
    assertEquals(range(n).filter((x) => x > 0 && times(x, x) === 0).length, involutions);
  }
});

Deno.test("operations: a mirrored split has mirror images on one side, and as many pairs as a random one, to the pair", () => {
  const operations = ["x_plus_y", "x_div_y", "permutation_s3"] as const;
  for (const operation of operations) {
    for (const prime of [2, 3, 5, 7]) {
      const pairs = pairCount(operation, prime);
      // Every number of training pairs that there can be.
      for (let train = 1; train < pairs; train++) {
        const trainFraction = (train + 0.5) / pairs,
          { a, b, ...data } = dataset({ operation, prime, trainFraction, split: "mirrored" }, train);
        assertEquals([data.trainCount, trainCount(trainFraction, pairs)], [train, train]);
        const side = new Map(Array.from(a, (x, i) => [`${x} ${b[i]}`, i < train]));
        assertEquals(side.size, pairs);
        for (const [i, x] of a.entries()) assertEquals(side.get(`${b[i]} ${x}`) ?? i < train, i < train, `${operation} ${prime} ${train}`);
      }
    }
  }
  const data = { operation: "x_plus_y", prime: 31, trainFraction: 0.4 } as const, mirrored = { ...data, split: "mirrored" } as const;
  const crossing = ({ a, b, trainCount }: ReturnType<typeof dataset>) => {
    const side = new Map(Array.from(a, (x, i) => [x * 31 + b[i], i < trainCount]));
    return a.filter((x, i) => side.get(b[i] * 31 + x) !== i < trainCount).length;
  };
  assertEquals(crossing(dataset(mirrored, 1)), 0);
  assert(crossing(dataset(data, 1)) > 300); // of 930 pairs of two different numbers, about 2 · 0.4 · 0.6 of them
  assertEquals(dataset(mirrored, 1), dataset(mirrored, 1));
  assertNotEquals(dataset(mirrored, 1).a, dataset(mirrored, 2).a);
  const { a, b, target } = dataset(mirrored, 1);
  target.forEach((y, i) => assertEquals(y, (a[i] + b[i]) % 31));
});

Deno.test("operations: label noise changes the labels of a share of the training pairs, the same ones for the same seed", () => {
  const data = { operation: "x_plus_y", prime: 31, trainFraction: 0.5 } as const, clean = dataset(data, 1);
  assertEquals([clean.noisy, clean.target], [0, clean.answer]);
  for (const split of ["random", "mirrored"] as const) {
    const [little, much, all] = [0.1, 0.4, 1].map((labelNoise) => dataset({ ...data, split, labelNoise }, 1));
    assertEquals([little.noisy, much.noisy, all.noisy], [48, 192, 480]); // of 480
    for (const noisy of [little, much, all]) {
      assertEquals([noisy.answer, noisy.trainCount], [little.answer, 480]);
      noisy.target.forEach((y, i) => assertEquals(y !== noisy.answer[i], i < noisy.noisy));
    }
    assertEquals(much.target.subarray(0, 48), little.target.subarray(0, 48)); // more noise has the labels of less
    assertEquals(new Set(all.target.subarray(0, 480)).size, 31);
  }
  const any = dataset({ ...data, labelNoise: 1, noiseLabels: "any" }, 1);
  const right = any.target.subarray(0, 480).filter((y, i) => y === any.answer[i]).length;
  assert(right > 3 && right < 35, `${right} of 480 by chance, 15.5 on average`); // ± 3 standard deviations of 3.9 and some more
  assertNotEquals(dataset({ ...data, labelNoise: 0.4 }, 2).target, dataset({ ...data, labelNoise: 0.4 }, 1).target);
});

Deno.test("operations: noise that there can't be is refused", () => {
  const refused = (data: Partial<Data>, says: string) => assertThrows(() => runSpec({ data: { prime: 5, ...data } }), Error, says);
  refused({ labelNoise: 1.1 }, "labelNoise must be from 0 to 1, current value is 1.1");
  refused({ labelNoise: -0.1 }, "labelNoise must be from 0 to 1, current value is -0.1");
  refused({ labelNoise: 0.05 }, "labelNoise must be 0, or such that at least one of the 12 pairs that train gets a noisy label");
  refused({ labelNoise: 0.5, operation: "random" }, "labelNoise must be 0 where operation is random: all its labels are");
  refused({ noiseLabels: "any" }, "noiseLabels must be wrong where labelNoise is 0: there are none, current value is");
  runSpec({ data: { labelNoise: 1, noiseLabels: "any" } });
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
