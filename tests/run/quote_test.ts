/** Values in errors: one line, cut, harmless to a terminal, and still what they are. */
import { assertEquals, assertMatch } from "@std/assert";
import { inOneLine, quote } from "../../lib/run/quote.ts";

Deno.test("quote: values as people write them", () => {
  const cases: [unknown, string][] = [
    ["x", '"x"'],
    ["", '""'],
    [5, "5"],
    [1e-50, "1e-50"],
    [Infinity, "Infinity"],
    [NaN, "NaN"],
    [true, "true"],
    [null, "null"],
    [undefined, "none"],
    [[1, "a", Infinity], '[1,"a","Infinity"]'],
    [{ a: [] }, '{"a":[]}'],
    [Object.assign(Object.create(null), { a: 1 }), '{"a":1}'],
    [new Set([1, 2]), "a Set"],
    [new Map(), "a Map"],
    [new Float32Array(2), "a Float32Array"],
    [() => 1, "a function"],
    [12n, "12n"],
    [Symbol("s"), "Symbol(s)"],
  ];
  for (const [value, text] of cases) assertEquals(quote(value), text);
  const itself: Record<string, unknown> = {};
  itself.me = itself;
  assertEquals(quote(itself), "an Object");
});

Deno.test("quote: nothing that ends a line, steers a terminal or turns the reading order gets through", () => {
  assertEquals(quote("a\nb\x1b[31mc\x07"), '"a\\nb\\u001b[31mc\\u0007"');
  assertEquals(quote("\x9b2J\u2028\u202egnp\u200b\ufeff\x7f"), '"\\u009b2J\\u2028\\u202egnp\\u200b\\ufeff\\u007f"');
  assertEquals(quote({ "k\u2029": "\u{e0041}" }), '{"k\\u2029":"\\u{e0041}"}');
  assertEquals(inOneLine("line 1\r\nline\t2 \x1b]0;title\x07"), "line 1\\r\\nline\\t2 \\u001b]0;title\\u0007");
  assertEquals(inOneLine("p = 31, ±10 % β₁ “x” 漢字 👍"), "p = 31, ±10 % β₁ “x” 漢字 👍");
});

Deno.test("quote: what is long is cut, never inside a character, and its length is said", () => {
  assertEquals(quote("a".repeat(1_200_000)), `"${"a".repeat(80)}…" (1,200,000 characters)`);
  assertMatch(quote(Array.from({ length: 1000 }, (_, i) => i)), /^\[0,1,2,.{70,75}… \(3,891 characters\)$/);
  assertEquals(quote("👍".repeat(10), 5), '"👍👍…" (20 characters)');
  assertEquals(inOneLine("abcdef", 3), "abc… (6 characters)");
});
