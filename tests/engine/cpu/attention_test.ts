/** Attention and its gradient, with rows that examples share, and the summary of its patterns: against the plain loops. */
import * as op from "../../../lib/engine/cpu/operations/mod.ts";
import type { By } from "../../../lib/engine/op.ts";
import { assertNear, noise, replay } from "./machine.ts";
import { HYPER_WORDS } from "../../../lib/engine/hyper.ts";

const TOLERANCE = 3e-6;
const pair = (a: number, b: number) => (a | (b << 10)) >>> 0;

interface Case {
  readonly H: number;
  readonly K: number;
  readonly examples: number;
  readonly C: number;
  /** By position: whether examples share its rows. */
  readonly keys: readonly By[];
  readonly queries: readonly number[];
  readonly causal: boolean;
}

const CASES: Case[] = [
  { H: 1, K: 4, examples: 1, C: 1, keys: ["index"], queries: [0], causal: true },
  { H: 3, K: 4, examples: 5, C: 11, keys: ["index", "index"], queries: [0, 1], causal: false },
  { H: 2, K: 6, examples: 33, C: 7, keys: ["a", "a", "b", "index"], queries: [3], causal: true },
  { H: 2, K: 8, examples: 33, C: 7, keys: ["a", "b", "index"], queries: [1, 2], causal: false },
  { H: 4, K: 32, examples: 40, C: 13, keys: ["index", "a", "index", "index"], queries: [0, 2, 3], causal: true },
  { H: 1, K: 3, examples: 9, C: 3, keys: ["a", "b"], queries: [0, 1], causal: false },
];

for (const [number, { H, K, examples, C, keys, queries, causal }] of CASES.entries()) {
  Deno.test(`attention: ${H} heads of ${K}, keys by ${keys}, queries ${queries}, ${causal ? "causal" : "all"}`, () => {
    const k4 = Math.ceil(K / 4) * 4,
      HK = H * k4,
      batch = Uint32Array.from({ length: examples }, (_, i) => pair((7 * i) % C, (3 * i + 1) % C));
    let inputRows = 0;
    const rows = keys.map((by) => {
      const count = by === "index" ? examples : C, row = { by, base: inputRows, count };
      inputRows += count;
      return row;
    });
    const outputRows = examples * queries.length, positions = keys.flatMap((by, s) => (by === "index" ? [] : [s]));
    /** Values of heads of K, padded with zeros to a multiple of four. */
    const heads = (n: number, seed: number) => noise(n, seed).map((x, i) => (i % k4 < K ? 2 * x : 0));
    const buffers = {
      qkv: heads(inputRows * 3 * HK, number),
      dz: heads(outputRows * HK, number + 100),
      batch,
      pattern: outputRows * H * 4,
      z: outputRows * HK,
      dqkv: new Float32Array(inputRows * 3 * HK),
      partial: new Float32Array(Math.max(1, examples * positions.length * 3 * HK)),
    };
    const what: op.Attention = {
      weights: "softmax",
      H,
      K,
      inputRows,
      outputRows,
      qkv: "qkv",
      pattern: "pattern",
      batch: "batch",
      examples,
      count: examples,
      queries: queries.map((position, i) => ({ position, base: i * examples, keys: causal ? position + 1 : keys.length })),
      keys: rows,
    };
    const [pattern, z, dqkv, partial] = replay(buffers, [
      op.attention("z", what, "z"),
      op.attentionBackward("dqkv", what, { dz: "dz", dqkv: "dqkv", partial: "partial", positions }),
    ], ["pattern", "z", "dqkv", "partial"]);

    const expected = { pattern: new Float64Array(pattern.length), z: new Float64Array(z.length), d: new Float64Array(dqkv.length) };
    for (let i = 0; i < examples; i++) {
      const row = (s: number) => rows[s].base + (keys[s] === "index" ? i : keys[s] === "a" ? batch[i] & 1023 : batch[i] >> 10);
      const value = (s: number, part: number, h: number, k: number) => buffers.qkv[(row(s) * 3 + part) * HK + h * k4 + k];
      const add = (s: number, part: number, h: number, k: number, x: number) => expected.d[(row(s) * 3 + part) * HK + h * k4 + k] += x;
      const over = (f: (k: number) => number) => Array.from({ length: K }, (_, k) => f(k)).reduce((x, y) => x + y, 0);
      for (const [j, t] of queries.entries()) {
        const y = j * examples + i, seen = Array.from({ length: what.queries[j].keys }, (_, s) => s);
        for (let h = 0; h < H; h++) {
          const scores = seen.map((s) => over((k) => value(t, 0, h, k) * value(s, 1, h, k)) / Math.sqrt(K));
          const e = scores.map((s) => Math.exp(s - Math.max(...scores))), p = e.map((x) => x / e.reduce((a, b) => a + b, 0));
          const dz = (k: number) => buffers.dz[y * HK + h * k4 + k], g = seen.map((s) => over((k) => dz(k) * value(s, 2, h, k)));
          const mean = seen.reduce((sum, s) => sum + p[s] * g[s], 0);
          for (const s of seen) {
            expected.pattern[(y * H + h) * 4 + s] = p[s];
            const ds = p[s] * (g[s] - mean) / Math.sqrt(K);
            for (let k = 0; k < K; k++) {
              expected.z[y * HK + h * k4 + k] += p[s] * value(s, 2, h, k);
              add(t, 0, h, k, ds * value(s, 1, h, k));
              add(s, 1, h, k, ds * value(t, 0, h, k));
              add(s, 2, h, k, p[s] * dz(k));
            }
          }
        }
      }
    }
    assertNear(pattern, expected.pattern, TOLERANCE, "pattern");
    assertNear(z, expected.z, TOLERANCE, "z");
    // What a fold makes of the partial, added to what rows of their own got.
    const sum = Float64Array.from(dqkv);
    for (const [n, s] of positions.entries()) {
      for (let i = 0; i < examples; i++) {
        const row = rows[s].base + (keys[s] === "a" ? batch[i] & 1023 : batch[i] >> 10);
        for (let c = 0; c < 3 * HK; c++) sum[row * 3 * HK + c] += partial[(i * positions.length + n) * 3 * HK + c];
      }
    }
    assertNear(sum, expected.d, TOLERANCE, "dqkv");
  });
}

Deno.test("the summary of attention: mean, variance, entropy, the first patterns; fewer pairs than N where a run has fewer", () => {
  const H = 2, T = 3, C = 5, N = 20, S = 3, L = 2, l = 1, queries = L * H * T;
  const batch = Uint32Array.from({ length: N }, (_, i) => pair((7 * i) % C, (3 * i) % C));
  const positions = [{ by: "a", base: 0, count: C }, { by: "b", base: C, count: C }, { by: "index", base: 2 * C, count: N }] as const;
  const rows = 2 * C + N, words = (3 + S) * 4 * queries;
  const pattern = noise(rows * H * 4, 5).map((x, i) => (i % 4 === 3 ? 0 : i % 8 === 0 ? 0 : Math.abs(x)));
  for (const pairs of [1000, 13]) {
    const hyper = new Uint32Array(HYPER_WORDS).fill(pairs, 15, 16);
    const buffers = { hyper, batch, pattern, out: new Float32Array(words) };
    const [out] = replay(buffers, [
      op.attentionSummary("out", { batch: "batch", pattern: "pattern", rows, out: "out", words, l, N, S, H, queries, positions }),
    ], ["out"]);
    const n = Math.min(N, pairs), expected = new Float64Array(words);
    for (let h = 0; h < H; h++) {
      for (let t = 0; t < T; t++) {
        const row = (i: number) => positions[t].base + (t === 0 ? batch[i] & 1023 : t === 1 ? batch[i] >> 10 : i);
        const weights = Array.from({ length: n }, (_, i) => [0, 1, 2, 3].map((s) => pattern[(row(i) * H + h) * 4 + s]));
        const query = (l * H + h) * T + t, mean = [0, 1, 2, 3].map((s) => weights.reduce((sum, w) => sum + w[s], 0) / n);
        for (let s = 0; s < 4; s++) {
          expected[12 * query + s] = mean[s];
          expected[12 * query + 4 + s] = weights.reduce((sum, w) => sum + (w[s] - mean[s]) ** 2, 0) / n;
          for (let i = 0; i < S; i++) expected[12 * queries + (i * queries + query) * 4 + s] = weights[i][s];
        }
        expected[12 * query + 8] = weights.flat().reduce((sum, p) => sum - (p > 0 ? p * Math.log(p) : 0), 0) / n;
      }
    }
    assertNear(out, expected, TOLERANCE, `${pairs} pairs`);
  }
});
