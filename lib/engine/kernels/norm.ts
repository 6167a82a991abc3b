/** LayerNorm over D, one thread a row; and back. Padding columns hold zeros and stay out of mean and variance. */
import type { Block } from "../../layout.ts";
import { elementwise, type Kernel, read, write } from "./kernel.ts";

/** As in PyTorch. */
const EPS = 1e-5;

export interface Norm {
  readonly rows: number;
  readonly D: number;
  /** Floats from run to run in `params`. */
  readonly P: number;
  readonly w: Block;
  readonly b: Block;
  /** Buffers: what is normalised, and its mean and 1/σ a row. */
  readonly x: string;
  readonly stats: string;
}

/** What the code reads of a norm: vec4s a row, D, where scale and shift lie. */
const constants = ({ rows, D, P, w, b }: Norm) => ({ rows, D, D4: w.stride / 4, P4: P / 4, w: w.offset / 4, b: b.offset / 4 });

/** The columns of vec4 number `k` that are data, as a factor; "1.0" unless D leaves some out in the last. */
const mask = (D: number, k: string) =>
  D % 4 === 0 ? "1.0" : `select(vec4f(1.0), vec4f(${[0, 1, 2, 3].map((c) => (c < D % 4 ? "1.0" : "0.0")).join(", ")}), ${k} == u.D / 4u)`;

/** out = (x − mean) / σ · w + b, per row. */
export function norm(norm: Norm, out: string): Kernel {
  const { rows, D, x, stats } = norm;
  return elementwise({
    label: `${out} = LN(${x})`,
    count: rows,
    bindings: [
      read.vec4f(x, "[R, rows, D]", "x"),
      read.vec4f("params", "[R, P]"),
      write.vec4f(out, "[R, rows, D]", "out"),
      write.vec2f(stats, "[R, rows, (mean, 1/σ)]", "stats"),
    ],
    constants: constants(norm),
    body: `
  let at = (r * u.rows + i) * u.D4;
  var sum = vec4f(0.0);
  for (var k = 0u; k < u.D4; k++) { sum += x[at + k]; }
  let mean = (sum.x + sum.y + sum.z + sum.w) / f32(u.D);
  var squares = vec4f(0.0);
  for (var k = 0u; k < u.D4; k++) { let c = (x[at + k] - mean) * ${mask(D, "k")}; squares += c * c; }
  let rstd = 1.0 / sqrt((squares.x + squares.y + squares.z + squares.w) / f32(u.D) + ${EPS});
  let p = r * u.P4;
  for (var k = 0u; k < u.D4; k++) {
    out[at + k] = (x[at + k] - mean) * rstd * params[p + u.w + k] + params[p + u.b + k];
  }
  stats[r * u.rows + i] = vec2f(mean, rstd);`,
    flop: 8 * rows * D,
    bytes: 8 * rows * D,
  });
}

/** dx = (g − mean(g) − x̂ · mean(g · x̂)) / σ with g = dy · w, plus `add` where the residual stream goes around the norm. */
export function normBackward(norm: Norm, dy: string, dx: string, add?: string): Kernel {
  const { rows, D, x, stats } = norm;
  return elementwise({
    label: `${dx} = dLN(${dy})${add ? ` + ${add}` : ""}`,
    count: rows,
    bindings: [
      read.vec4f(x, "[R, rows, D]", "x"),
      read.vec2f(stats, "[R, rows, (mean, 1/σ)]", "stats"),
      read.vec4f(dy, "[R, rows, D]", "dy"),
      read.vec4f("params", "[R, P]"),
      ...(add ? [read.vec4f(add, "[R, rows, D]", "residual")] : []),
      write.vec4f(dx, "[R, rows, D]", "dx"),
    ],
    constants: constants(norm),
    body: `
  let at = (r * u.rows + i) * u.D4;
  let mean = stats[r * u.rows + i].x;
  let rstd = stats[r * u.rows + i].y;
  let w = r * u.P4 + u.w;
  var g_sum = vec4f(0.0);
  var gx_sum = vec4f(0.0);
  for (var k = 0u; k < u.D4; k++) {
    let g = dy[at + k] * params[w + k];
    g_sum += g;
    gx_sum += g * (x[at + k] - mean) * rstd;
  }
  let g_mean = (g_sum.x + g_sum.y + g_sum.z + g_sum.w) / f32(u.D);
  let gx_mean = (gx_sum.x + gx_sum.y + gx_sum.z + gx_sum.w) / f32(u.D);
  for (var k = 0u; k < u.D4; k++) {
    let g = dy[at + k] * params[w + k];
    dx[at + k] = (g - g_mean - (x[at + k] - mean) * rstd * gx_mean) * rstd * ${mask(D, "k")}${add ? " + residual[at + k]" : ""};
  }`,
    flop: 14 * rows * D,
    bytes: 16 * rows * D,
  });
}
