/** Products, weight gradients and what follows them, against the plain loops, at sizes that break tiling. */
import { columnSums, pack, panelWords, product, weightGradient } from "../../../lib/engine/cpu/operations/mod.ts";
import type { Matrix } from "../../../lib/engine/cpu/records.ts";
import { assertNear, noise, replay } from "./machine.ts";

/** Sums of some hundred terms in fp32: √n · 2⁻²⁴ of the largest, times a little. */
const TOLERANCE = 3e-6;

const matrix = (buffer: string, stride: number, offset = 0): Matrix => ({ buffer, offset, stride });
type Entry = (i: number, j: number) => number;
const at = (x: Float32Array, { stride, offset }: Matrix): Entry => (i, j) => x[offset + i * stride + j];

/** c[i, j] = Σ_k a(i, k) · b(k, j), then `finish`. */
function plain(m: number, n: number, k: number, a: Entry, b: Entry, finish: (sum: number, i: number, j: number) => number): Float64Array {
  const c = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let p = 0; p < k; p++) sum += a(i, p) * b(p, j);
      c[i * n + j] = finish(sum, i, j);
    }
  }
  return c;
}

/** The m × n part of a buffer that a matrix means. */
const part = (x: Float32Array, view: Matrix, m: number, n: number) =>
  Float32Array.from({ length: m * n }, (_, at) => x[view.offset + Math.floor(at / n) * view.stride + at % n]);

const SIZES = [[1, 4, 4], [3, 12, 8], [5, 20, 12], [6, 8, 16], [7, 100, 4], [50, 28, 132], [97, 16, 20], [13, 36, 64]];

for (const [m, n, k] of SIZES) {
  Deno.test(`product: c[${m}, ${n}] over ${k}, of w and of its transpose, with bias and addition`, () => {
    const a = matrix("a", k + 4, 8), c = matrix("c", n + 4, 4), bias = matrix("bias", n, 4), add = matrix("add", n + 8);
    for (const transposed of [false, true]) {
      const w = transposed ? matrix("w", k + 8, 4) : matrix("w", n + 4, 8);
      const buffers = {
        a: noise(8 + m * a.stride, 1),
        w: noise(16 + (transposed ? n : k) * w.stride, 2),
        bias: noise(4 + n, 3),
        add: noise(m * add.stride, 4),
        c: 4 + m * c.stride,
        panels: panelWords(k, n),
      };
      const b: Entry = transposed ? (p, j) => at(buffers.w, w)(j, p) : at(buffers.w, w);
      for (const more of [{}, { bias }, { add }, { bias, add }]) {
        const list = [pack("panels", w, k, n, transposed, "panels"), product("c", { m, n, k, a, panels: "panels", c, ...more })];
        const [found] = replay(buffers, list, ["c"]);
        const expected = plain(
          m,
          n,
          k,
          at(buffers.a, a),
          b,
          (sum, i, j) => sum + ("bias" in more ? buffers.bias[4 + j] : 0) + ("add" in more ? at(buffers.add, add)(i, j) : 0),
        );
        assertNear(part(found, c, m, n), expected, TOLERANCE, `${Object.keys(more)}`);
      }
    }
  });
}

/** Φ(x) by its series. */
function below(x: number): number {
  if (Math.abs(x) > 7) return x < 0 ? 0 : 1;
  let sum = x, term = x;
  for (let k = 1; k < 120; k++) sum += term *= x * x / (2 * k + 1);
  return 0.5 + sum * Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
}
const density = (x: number) => Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
const ACTIVATIONS = {
  gelu: [(x: number) => x * below(x), (x: number) => below(x) + x * density(x)],
  relu: [(x: number) => Math.max(x, 0), (x: number) => (x > 0 ? 1 : 0)],
} as const;

for (const [m, n, k] of [[1, 4, 4], [5, 12, 8], [50, 28, 12], [97, 1028, 4]]) {
  for (const does of ["gelu", "relu"] as const) {
    Deno.test(`product: ${does} of c[${m}, ${n}], its derivative, and the product with that`, () => {
      const a = matrix("a", k), w = matrix("w", n), c = matrix("c", n + 4), out = matrix("out", n);
      const buffers = {
        a: noise(m * k, 1),
        w: noise(k * n, 2).map((x) => 2 * x),
        c: m * c.stride,
        out: m * n,
        d: m * n,
        panels: panelWords(k, n),
      };
      const [act, slope] = ACTIVATIONS[does];
      for (const derivative of [true, false]) {
        const list = [
          pack("panels", w, k, n, false, "panels"),
          product("c", { m, n, k, a, panels: "panels", c, after: { does, out, derivative } }),
          product("d", { m, n, k, a, panels: "panels", c: matrix("d", n), after: { does: "factor", by: c } }),
        ];
        const [kept, post, d] = replay(buffers, list, ["c", "out", "d"]);
        const pre = plain(m, n, k, at(buffers.a, a), at(buffers.w, w), (sum) => sum);
        assertNear(post, pre.map(act), TOLERANCE, "activation");
        // ReLU's derivative jumps at 0, where rounding decides; there no entry lies.
        assertNear(part(kept, c, m, n), derivative ? pre.map(slope) : pre, TOLERANCE, "what is kept");
        assertNear(d, pre.map((x) => derivative ? x * slope(x) : x * x), TOLERANCE, "factor");
        if (derivative) continue;
        const [e] = replay(buffers, [
          ...list.slice(0, 2),
          product("e", { m, n, k, a, panels: "panels", c: matrix("d", n), after: { does: `${does} slope`, by: c } }),
        ], ["d"]);
        assertNear(e, pre.map((x) => x * slope(x)), TOLERANCE, "slope as a factor");
      }
    });
  }
}

for (const [rows, m, n] of [[1, 4, 4], [3, 12, 8], [5, 8, 20], [97, 36, 12], [512, 8, 4], [513, 4, 12], [1100, 20, 36]]) {
  Deno.test(`weight gradient: [${m}, ${n}] over ${rows} rows, with the bias's`, () => {
    const x = matrix("x", m + 4, 4), dy = matrix("dy", n + 8, 4), dW = matrix("dW", n + 4, 8), db = matrix("db", n, 4);
    const buffers = {
      x: noise(4 + rows * x.stride, 1),
      dy: noise(4 + rows * dy.stride, 2),
      dW: 8 + m * dW.stride,
      db: 4 + n,
      sums: n,
    };
    const [gradient, bias, sums] = replay(buffers, [
      weightGradient("dW", { rows, m, n, x, dy, dW, db }),
      columnSums("sums", dy, rows, matrix("sums", n), n),
    ], ["dW", "db", "sums"]);
    const entry = at(buffers.x, x);
    assertNear(
      part(gradient, dW, m, n),
      plain(m, n, rows, (i, p) => entry(p, i), at(buffers.dy, dy), (sum) => sum),
      TOLERANCE,
      "dW",
    );
    const expected = plain(1, n, rows, () => 1, at(buffers.dy, dy), (sum) => sum);
    assertNear(part(bias, db, 1, n), expected, TOLERANCE, "db");
    assertNear(sums, expected, TOLERANCE, "column sums");
  });
}
