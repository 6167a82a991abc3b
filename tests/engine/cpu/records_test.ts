/** What is checked before a list is replayed, where barriers stand, and that the committed module is what its sources compile to. */
import { assertEquals, assertThrows } from "@std/assert";
import { compile, WASM } from "../../../lib/engine/cpu/build.ts";
import * as op from "../../../lib/engine/cpu/operations/mod.ts";
import { barriers, check, type Matrix } from "../../../lib/engine/cpu/records.ts";
import { Machine } from "./machine.ts";

const matrix = (buffer: string, stride: number, offset = 0): Matrix => ({ buffer, offset, stride });

Deno.test("a record that reaches beyond a buffer is refused before anything runs, by its name and the buffer's", () => {
  const sizes = new Map([["x", 24], ["out", 24]]);
  const sums = (rows: number, columns: number, offset: number) =>
    op.columnSums("sums of x", matrix("x", 8, offset), rows, matrix("out", 8), columns);
  check([sums(3, 8, 0)], sizes);
  assertThrows(
    () => check([sums(3, 8, 4)], sizes),
    Error,
    'Cannot lower "sums of x": its words of x must lie within 0 to 23, current value is 4 to 27',
  );
  assertThrows(() => check([sums(4, 8, 0)], sizes), Error, "x must lie within 0 to 23, current value is 0 to 31");
  assertThrows(() => check([sums(0, 4, 0)], sizes), Error, "x must lie within");
  assertThrows(() => check([sums(3, 8, 0)], new Map([["x", 24]])), Error, "its words of out must lie within");
  assertThrows(() => new Machine({ x: 24, out: 4 }).replay([sums(3, 8, 0)], 1), Error, "its words of out");
});

Deno.test("barriers stand where one record needs what another since the last barrier has written, or overwrites what it reads", () => {
  const sum = (from: string, to: string, offset = 0) => op.columnSums(`${to} = ${from}`, matrix(from, 4), 1, matrix(to, 4, offset), 4);
  assertEquals(barriers([sum("a", "b"), sum("a", "c"), sum("b", "d")]), [true, false, true]);
  assertEquals(barriers([sum("a", "b"), sum("c", "a")]), [true, true], "overwrites");
  assertEquals(barriers([sum("a", "b"), sum("c", "b", 4), sum("d", "b", 4)]), [true, false, true], "another part of a buffer");
  assertEquals(barriers([sum("a", "b"), sum("b", "c"), sum("a", "d"), sum("a", "b")]), [true, true, false, true]);
});

Deno.test("the committed module is what its sources compile to", async () => {
  assertEquals(await compile(), Deno.readFileSync(WASM), "compile again: deno run -A lib/engine/cpu/build.ts");
});
