/** Attention cut into patterns, and their names, on weights made for it. */
import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import {
  choosingQueries,
  namePattern,
  namePatterns,
  normalisedEntropy,
  rowsOf,
  visibleKeys,
} from "../../../lib/analysis/attention/patterns.ts";

const TOKENS = ["a", "op", "b", "="], DECODER = { tokens: TOKENS, mask: "causal" } as const;

Deno.test("patterns: the rows that were asked for, of every layer, head and query", () => {
  const sizes = { L: 2, H: 3, T: 2 };
  // Each weight is its own place: layer, head, query, key as digits.
  const weights = Float32Array.from(
    { length: 24 },
    (_, at) => 1000 * (at / 12 | 0) + 100 * ((at / 4 | 0) % 3) + 10 * ((at / 2 | 0) % 2) + at % 2,
  );
  assertEquals([...rowsOf(weights, sizes)], [...weights].map(Number));
  assertEquals([...rowsOf(weights, sizes, { layer: 1, head: 2 })], [1200, 1201, 1210, 1211]);
  assertEquals([...rowsOf(weights, sizes, { head: 1, queries: [1] })], [110, 111, 1110, 1111]);
  assertEquals([...rowsOf(weights, sizes, { layer: 0, head: 0, queries: [1, 0] })], [10, 11, 0, 1]);
  const message = (f: () => unknown) => assertThrows(f, Error).message;
  assertEquals(
    message(() => rowsOf(weights, { L: 2, H: 2, T: 2 })),
    "Cannot select attention: the number of weights must be 2·2·2·2, current value is 24",
  );
  assertEquals(
    message(() => rowsOf(weights, sizes, { head: 3 })),
    "Cannot select attention: head must be a whole number below 3, current value is 3",
  );
});

Deno.test("patterns: a causal query sees itself and what comes before; the first has no choice", () => {
  assertEquals([visibleKeys(2, 4, "causal"), visibleKeys(2, 4, "none")], [3, 4]);
  assertEquals([choosingQueries(4, "causal"), choosingQueries(2, "none"), choosingQueries(1, "none")], [[1, 2, 3], [0, 1], []]);
  assertEquals([normalisedEntropy([1, 0, 0, 0], 1), normalisedEntropy([0.5, 0.5, 0, 0], 2), normalisedEntropy([0, 1, 0], 3)], [null, 1, 0]);
  assertAlmostEquals(normalisedEntropy([0.5, 0.5, 0, 0], 4)!, 0.5);
});

Deno.test("patterns: names by the stated rule, at both sides of each of its limits", () => {
  const name = (...weights: number[]) => namePattern(weights, DECODER);
  assertEquals([name(0.25, 0.25, 0.25, 0.25), name(0.4, 0.2, 0.2, 0.2)], ["uniform", "uniform"]); // entropy 96 % of 2 bits
  assertEquals([name(0.9, 0.1, 0, 0), name(0.05, 0, 0.95, 0), name(0, 0, 0, 1)], ["to a", "to b", "to itself"]);
  assertEquals([name(0.67, 0.33, 0, 0), name(0.66, 0.34, 0, 0)], ["to a", "to a and op"]);
  assertEquals([name(0.5, 0, 0.5, 0), name(0.41, 0.1, 0.4, 0.09), name(0.38, 0.11, 0.4, 0.11)], [
    "to both operands",
    "to both operands",
    "mixed",
  ]);
  assertEquals([name(0.6, 0, 0.3, 0.1), name(0.6, 0.05, 0.29, 0.06)], ["to both operands", "mostly to a"]); // half as much, and less
  assertEquals(name(0, 0.5, 0, 0.5), "to op and itself");
});

Deno.test("patterns: several queries are named together where they agree, and each where they don't", () => {
  const eye = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1], queries = [0, 1, 2, 3];
  assertEquals(namePattern(eye, { ...DECODER, queries }), "to itself");
  assertEquals(namePattern([...eye.slice(8, 12), 0.5, 0, 0.5, 0], { ...DECODER, queries: [2, 3] }), "b: to itself, =: to both operands");
  // Uniform over what the query sees: two of four.
  assertEquals(namePattern([0.5, 0.5, 0, 0], { ...DECODER, queries: [1] }), "uniform");
  assertEquals(namePattern([0.5, 0.5, 0, 0], { tokens: TOKENS, mask: "none", queries: [1] }), "to a and itself");
  assertEquals(namePattern([0.1, 0.9, 0.9, 0.1], { tokens: ["a", "b"], mask: "none", queries: [0, 1] }), "a: to b, b: to a");
  assertEquals(namePatterns([[0.9, 0.1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0]], DECODER), ["to a (1)", "to b", "to a (2)"]);
  const both = [[0.5, 0, 0.4, 0.1], [0.4, 0, 0.5, 0.1]];
  assertEquals(namePatterns(both, DECODER), ["to both operands, more to a", "to both operands, more to b"]);
  assertEquals(namePatterns([...both, [0.45, 0, 0.44, 0.11]], DECODER), [1, 2, 3].map((i) => `to both operands (${i})`));
  // Of several queries each has a row of its own.
  const rows = both.map((row) => [...row, ...row]);
  assertEquals(namePatterns(rows, { ...DECODER, queries: [2, 3] }), ["to both operands (1)", "to both operands (2)"]);
  assertEquals(
    assertThrows(() => namePattern(eye, DECODER), Error).message,
    "Cannot name a pattern: its rows must be 1, one a query, current value is 4",
  );
});
