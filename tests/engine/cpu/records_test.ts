/**
 * What is checked before a list is replayed, where barriers stand, that kernels trap on what they have no case for, and that the committed
 * module is what its sources compile to.
 */
import { assertEquals, assertThrows } from "@std/assert";
import { compile, WASM } from "../../../lib/engine/cpu/build.ts";
import * as op from "../../../lib/engine/cpu/operations/mod.ts";
import { HYPER, HYPER_WORDS } from "../../../lib/engine/hyper.ts";
import { barriers, check, type Matrix, type Record } from "../../../lib/engine/cpu/records.ts";
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

/** Records of kernels that do one of several things, and the argument that says which. */
const CHOICES: Readonly<{ [what: string]: { readonly record: Record; readonly argument: number } }> = (() => {
  const end = { label: "update", P: 8, first: 0, words: 8, vectorsFrom: 8, decays: true, params: "x", grads: "y" } as const;
  const update = op.update({ ...end, kind: "adamw", schedule: "linear", moments: ["z", "u"] });
  const filter = op.gradientFilter({ label: "filter", kind: "ema", P: 8, window: 0, grads: "x", kept: "y", out: "z" });
  const loss = { kind: "mse", scaled: false, batch: "batch", logits: "x", stats: "y", examples: 2, C: 4 } as const;
  const view = (buffer: string) => ({ ...matrix(buffer, 4), words: 8 });
  const to = { batch: "batch", examples: 2, width: 4, pre: view("y"), out: view("z") };
  const pairs = op.pairs({ label: "pairs", ...to, x: view("x"), second: 1, factor: 1, activation: "gelu" }, 1);
  const after = { does: "relu", out: matrix("z", 4), derivative: false } as const;
  const product = op.product("product", { m: 2, n: 4, k: 4, a: matrix("x", 4), panels: "panels", c: matrix("y", 4), after });
  return {
    "update rule": { record: update, argument: 9 },
    schedule: { record: update, argument: 10 },
    "gradient filter": { record: filter, argument: 7 },
    "kind of loss": { record: op.loss("loss", loss), argument: 7 },
    "activation of pairs": { record: pairs, argument: 8 },
    "activation after a product": { record: product, argument: 11 },
  };
})();

Deno.test("a kernel traps on a rule, a schedule, a filter, a loss and an activation that it has no case for", () => {
  const hyper = new Uint32Array(HYPER_WORDS), ones = () => new Float32Array(16).fill(1);
  hyper[HYPER.findIndex(({ name }) => name === "lr_steps")] = 9;
  const buffers = { hyper, state: Uint32Array.of(1, 9, 0, 5), batch: new Uint32Array(4), panels: new Float32Array(64) };
  const replay = (record: Record) => new Machine({ ...buffers, x: ones(), y: ones(), z: ones(), u: ones() }).replay([record], 1);
  for (const { record, argument } of Object.values(CHOICES)) {
    replay(record);
    const args = record.args.map((value, i) => i === argument ? 99 : value);
    assertThrows(() => replay({ ...record, args }), WebAssembly.RuntimeError, "unreachable");
  }
  // Which cross-entropy it is, a number of the run says.
  hyper[HYPER.findIndex(({ name }) => name === "stable_loss")] = 99;
  const loss = { kind: "cross-entropy", scaled: false, batch: "batch", logits: "x", stats: "y", examples: 2, C: 4 } as const;
  assertThrows(() => replay(op.loss("loss", loss)), WebAssembly.RuntimeError, "unreachable");
});

Deno.test("the committed module is what its sources compile to", async () => {
  assertEquals(await compile(), Deno.readFileSync(WASM), "compile again: deno run -A lib/engine/cpu/build.ts");
});
