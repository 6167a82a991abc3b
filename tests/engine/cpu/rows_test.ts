/** Batches, lists, and rows that are gathered, folded and pooled: against plain loops. */
import { assertEquals } from "@std/assert";
import { HYPER_WORDS } from "../../../lib/engine/hyper.ts";
import * as op from "../../../lib/engine/cpu/operations/mod.ts";
import type { By } from "../../../lib/engine/op.ts";
import type { Matrix } from "../../../lib/engine/cpu/records.ts";
import { batchIndex } from "../../../lib/run/random.ts";
import { assertNear, noise, replay } from "./machine.ts";

const whole = (buffer: string, stride: number, offset = 0): Matrix => ({ buffer, offset, stride });
const pair = (a: number, b: number, target: number) => (a | (b << 10) | (target << 20)) >>> 0;

/** B pairs of C elements; some values of a never come, the last one often. */
const pairs = (B: number, C: number) =>
  Uint32Array.from({ length: B }, (_, i) => pair(i % 3 === 0 ? C - 1 : (7 * i) % C, (5 * i + 1) % C, (i * i) % C));
const a = (p: number) => p & 1023, b = (p: number) => (p >> 10) & 1023;

Deno.test("the random stream of batches is TypeScript's, bit for bit; a full batch is all training pairs", () => {
  const seed = 0xdeadbeef, step = 70_001, all = pairs(121, 11), B = 37, train = 60;
  const buffers = (full: number) => {
    const hyper = new Uint32Array(HYPER_WORDS);
    hyper.set([full, seed, train, all.length], 12);
    return { hyper, state: Uint32Array.of(step, 80_000, 2, 10), pairs: all, batch: B, chunk: 50 };
  };
  const drawn = (full: number) =>
    replay(buffers(full), [op.sample("sample", { batch: "batch", examples: B, pairs: "pairs", pairWords: all.length })], ["batch"])[0];
  const words = (x: Float32Array<ArrayBuffer>) => [...new Uint32Array(x.buffer)];
  assertEquals(words(drawn(0)), Array.from({ length: B }, (_, i) => all[batchIndex(seed, step, i, train)]));
  assertEquals(words(drawn(1)), [...all.slice(0, B)]);
  const [chunk] = replay(buffers(0), [op.chunk("chunk", { batch: "chunk", examples: 50, pairs: "pairs", pairWords: all.length })], [
    "chunk",
  ]);
  assertEquals(words(chunk), Array.from({ length: 50 }, (_, i) => all[100 + i] ?? all[0]));
});

for (const [B, C] of [[1, 1], [5, 11], [64, 7], [300, 97]]) {
  Deno.test(`lists of ${B} examples by ${C} values; folds through them; pooled and gathered rows`, () => {
    const batch = pairs(B, C), D = 12, W = 3 * D, n = C + B + B, byValue = { lists: "lists", B, C };
    const buffers = {
      batch,
      lists: 2 * op.listSide(B, C),
      x: noise(n * D, 1),
      wide: noise(B * W, 2),
      own: noise(C * W, 3),
      folded: C * W,
      zero: 5 * D,
      scaled: B * D,
      pooled: B * D,
      gathered: B * D,
    };
    const rows = { a: { by: "a", base: 0, count: C }, own: { by: "index", base: C, count: B } } as const;
    const [lists, folded, zero, scaled, pooled, gathered] = replay(buffers, [
      op.lists("lists", "batch", byValue),
      op.fold("folded", {
        out: whole("folded", W),
        rows: C,
        width: W,
        sources: [
          { x: whole("own", W), by: "index", rows: C },
          { x: whole("wide", W), by: "a", rows: B, first: D },
          { x: whole("wide", W), by: "b", rows: B },
        ],
      }, byValue),
      op.fold("zero", { out: whole("zero", D), rows: 5, width: D, sources: [] }, byValue),
      op.fold("scaled", {
        out: whole("scaled", D),
        rows: B,
        width: D,
        sources: [{ x: whole("wide", W, D), by: "index", rows: B }],
        factor: 0.25,
      }, byValue),
      op.pool("pooled", {
        x: whole("x", D),
        rows: n,
        out: whole("pooled", D),
        batch: "batch",
        examples: B,
        width: D,
        positions: [rows.a, rows.own, { by: "b", base: 0, count: C }, { by: "index", base: C + B, count: B }],
      }),
      op.gather("gathered", {
        out: whole("gathered", D),
        x: whole("x", D),
        batch: "batch",
        examples: B,
        from: { by: "b", base: 0, count: C },
        width: D,
        rows: B,
      }),
    ], ["lists", "folded", "zero", "scaled", "pooled", "gathered"]);

    const all = [...batch].map((p, i) => ({ p, i }));
    const side = (of: (p: number) => number) => {
      const examples = Array.from({ length: C }, (_, v) => all.filter(({ p }) => of(p) === v).map(({ i }) => i));
      const starts = examples.map((_, v) => examples.slice(0, v).flat().length);
      return { examples, words: [...starts, B, ...examples.flat()] };
    };
    const byA = side(a), byB = side(b);
    assertEquals([...new Uint32Array(lists.buffer)], [...byA.words, ...byB.words]);

    const sum = (values: number[]) => values.reduce((x, y) => x + y, 0);
    assertNear(
      folded,
      Float64Array.from({ length: C * W }, (_, at) => {
        const v = Math.floor(at / W), c = at % W, of = (examples: number[]) => sum(examples.map((e) => buffers.wide[e * W + c]));
        return buffers.own[at] + (c >= D ? of(byA.examples[v]) : 0) + of(byB.examples[v]);
      }),
      2e-6,
      "folded",
    );
    assertEquals([...zero], Array(5 * D).fill(0));
    assertEquals([...scaled], Array.from({ length: B * D }, (_, at) => buffers.wide[Math.floor(at / D) * W + D + at % D] / 4));
    const x = (row: number, d: number) => buffers.x[row * D + d];
    assertNear(
      pooled,
      Float64Array.from({ length: B * D }, (_, at) => {
        const i = Math.floor(at / D), d = at % D;
        return (x(a(batch[i]), d) + x(C + i, d) + x(b(batch[i]), d) + x(C + B + i, d)) / 4;
      }),
      1e-6,
      "pooled",
    );
    assertEquals([...gathered], Array.from({ length: B * D }, (_, at) => x(b(batch[Math.floor(at / D)]), at % D)));
  });
}

Deno.test("embedding: W_E[token] + W_pos[position], of a value, of an example's element, of a constant token", () => {
  const B = 9, C = 5, D = 8, batch = pairs(B, C), first = 2;
  const buffers = { batch, params: noise((first + C + 3) * D, 1), out: (B + C + 2 * B) * D };
  const W_E = whole("params", D), W_pos = (first + C) * D;
  const make = (base: number, position: number, by: By, constant: number | null, rows: number) =>
    op.embed("embed", {
      out: whole("out", D, base * D),
      W_E,
      position: whole("params", D, W_pos + position * D),
      batch: "batch",
      examples: B,
      token: constant === null ? { by, base: first, count: C } : { by: "index", base: constant, count: 1 },
      constant: constant !== null,
      rows,
    });
  const [out] = replay(buffers, [
    make(0, 0, "b", null, B),
    make(B, 1, "index", null, C),
    make(B + C, 2, "index", 1, B),
    make(2 * B + C, 0, "a", null, B),
  ], ["out"]);
  const row = (token: number, position: number) =>
    Array.from({ length: D }, (_, d) => Math.fround(buffers.params[token * D + d] + buffers.params[W_pos + position * D + d]));
  assertEquals([...out], [
    ...[...batch].flatMap((p) => row(first + b(p), 0)),
    ...Array.from({ length: C }, (_, v) => row(first + v, 1)).flat(),
    ...[...batch].flatMap(() => row(1, 2)),
    ...[...batch].flatMap((p) => row(first + a(p), 0)),
  ]);
});
