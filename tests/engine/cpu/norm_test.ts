/** LayerNorm and its gradient against the plain loops in doubles. */
import { norm, normBackward, normPartWords } from "../../../lib/engine/cpu/operations/mod.ts";
import type { Matrix } from "../../../lib/engine/cpu/records.ts";
import { assertNear, noise, replay } from "./machine.ts";

/** Rounding over a row of some hundred elements, and over some hundred rows. */
const TOLERANCE = 3e-6;

const whole = (buffer: string, stride: number): Matrix => ({ buffer, offset: 0, stride });

for (const [rows, D] of [[1, 1], [3, 4], [5, 6], [17, 12], [97, 7], [40, 36], [300, 128]]) {
  Deno.test(`LayerNorm of [${rows}, ${D}], and back`, () => {
    const width = Math.ceil(D / 4) * 4;
    /** Rows of D values, padded with zeros. */
    const padded = (n: number, seed: number, from = 0) => {
      const values = noise(n * D, seed), out = new Float32Array(n * width);
      for (let i = 0; i < n; i++) for (let d = 0; d < D; d++) out[i * width + d] = values[i * D + d] + from;
      return out;
    };
    const n = rows * width;
    const buffers = {
      x: padded(rows, 1, 0.5),
      w: padded(1, 2, 1),
      b: padded(1, 3),
      dy: padded(rows, 4),
      add: padded(rows, 5),
      out: n,
      stats: 2 * rows,
      dx: n,
      both: n,
      parts: normPartWords(D),
      dw: width,
      db: width,
    };
    const view = (name: string) => ({ ...whole(name, width), words: n });
    const what = { rows, D, x: view("x"), stats: "stats", w: view("w") }, gradients = { dy: view("dy"), dw: view("dw"), db: view("db") };
    const [out, dx, both, dw, db] = replay(buffers, [
      norm({ label: "out", ...what, b: view("b"), out: view("out") }),
      ...normBackward({ label: "dx", ...what, ...gradients, dx: view("dx") }, "parts"),
      ...normBackward({ label: "both", ...what, ...gradients, dx: view("both"), add: view("add") }, "parts"),
    ], ["out", "dx", "both", "dw", "db"]);

    const expected = { out: new Float64Array(n), dx: new Float64Array(n), dw: new Float64Array(width), db: new Float64Array(width) };
    const mean = (f: (d: number) => number) => Array.from({ length: D }, (_, d) => f(d)).reduce((a, b) => a + b, 0) / D;
    for (let i = 0; i < rows; i++) {
      const at = i * width, m = mean((d) => buffers.x[at + d]), sigma = Math.sqrt(mean((d) => (buffers.x[at + d] - m) ** 2) + 1e-5);
      const hat = (d: number) => (buffers.x[at + d] - m) / sigma, g = (d: number) => buffers.dy[at + d] * buffers.w[d];
      const gMean = mean(g), gxMean = mean((d) => g(d) * hat(d));
      for (let d = 0; d < D; d++) {
        expected.out[at + d] = hat(d) * buffers.w[d] + buffers.b[d];
        expected.dx[at + d] = (g(d) - gMean - hat(d) * gxMean) / sigma;
        expected.dw[d] += buffers.dy[at + d] * hat(d);
        expected.db[d] += buffers.dy[at + d];
      }
    }
    assertNear(out, expected.out, TOLERANCE, "out");
    // Where D is 1, the gradient is nothing but rounding.
    if (D > 1) assertNear(dx, expected.dx, TOLERANCE, "dx");
    if (D > 1) assertNear(both, expected.dx.map((x, i) => x + buffers.add[i]), TOLERANCE, "dx + add");
    assertNear(dw, expected.dw, TOLERANCE, "dw");
    assertNear(db, expected.db, TOLERANCE, "db");
  });
}
