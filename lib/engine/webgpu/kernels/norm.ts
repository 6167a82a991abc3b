/**
 * LayerNorm and RMSNorm over D, with one thread or 32 threads per row; and their backward pass. Padding columns hold zeros and don't count
 * in mean and variance.
 */
import type { Layout } from "../../../run/layout.ts";
import { type Norm, NORM_EPS, type NormBackward, type View } from "../../op.ts";
import { among, type Lanes, partOfRows, partsShape, type Sums, target, vectors } from "./columns.ts";
import { AXIS, elementwise, type Kernel, read, rowsOf, TREE, whole, write } from "./kernel.ts";

/** What the code reads of a norm: vec4s a row, D, where scale and shift lie. */
const constants = ({ rows, D, w }: Norm | NormBackward, b: View | null) => ({
  ...{ rows, D, D4: w.stride / 4, P4: w.words / 4, w: w.offset / 4, ...b && { b: b.offset / 4 } },
});

/** The columns of vec4 number `k` that are data, as a factor; "1.0" unless D leaves some out in the last. */
const mask = (D: number, k: string) =>
  D % 4 === 0 ? "1.0" : `select(vec4f(1.0), vec4f(${[0, 1, 2, 3].map((c) => (c < D % 4 ? "1.0" : "0.0")).join(", ")}), ${k} == u.D / 4u)`;

/**
 * A kernel for each row: `body` sees `i`, the row, and `r`, is run by every lane, and takes sums over them by `total(lane, …)`. On a card,
 * which waits for each step of a lane's loop, 32 lanes share a row; on a processor, where a barrier costs more than it gives, there is one.
 */
function perRow(rows: number, lanes: Lanes, { body, ...kernel }: Omit<Parameters<typeof elementwise>[0], "count" | "functions">): Kernel {
  if (lanes === 1) {
    const functions = "fn total(lane: u32, mine: f32) -> f32 { return mine; }";
    return elementwise({ ...kernel, count: rows, functions, body: `  let lane = 0u;${body}` });
  }
  const code = `${TREE("f32", lanes)}
fn total(lane: u32, mine: f32) -> f32 {
  workgroupBarrier();
  return tree_sum(lane, mine);
}
@compute @workgroup_size(${lanes}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let r = group.z;
  let i = group.x + group.y * ${AXIS}u;
  if (i >= u.rows) { return; }
${body}
}`;
  return { flop: 0, bytes: 0, ...kernel, code, grid: [Math.min(rows, AXIS), Math.ceil(rows / AXIS), 1] };
}

/** out = (x − mean) / σ · w + b, per row; without b, out = x / σ · w. */
export function norm(op: Norm, lanes: Lanes): Kernel {
  const { label, rows, D, x, w, b, out, stats } = op;
  if (out.offset !== x.offset || out.words !== x.words) throw new Error(`Cannot lower "${label}": its result must lie as x does`);
  return perRow(rows, lanes, {
    label,
    bindings: [
      read.vec4f(x.buffer, "[R, all rows, D]", "x"),
      read.vec4f(w.buffer, "[R, P]", "params"),
      write.vec4f(out.buffer, "[R, all rows, D]", "out"),
      write.vec2f(stats, "[R, rows, (mean, 1/σ)]", "stats"),
    ],
    constants: { ...constants(op, b), all: rowsOf(x), first: x.offset / x.stride },
    body: `
  let at = (r * u.all + u.first + i) * u.D4;${
      b
        ? `
  var sum = vec4f(0.0);
  for (var k = lane; k < u.D4; k += ${lanes}u) { sum += x[at + k]; }
  let mean = total(lane, sum.x + sum.y + sum.z + sum.w) / f32(u.D);`
        : `
  let mean = 0.0;`
    }
  var squares = vec4f(0.0);
  for (var k = lane; k < u.D4; k += ${lanes}u) { let c = (x[at + k] - mean) * ${mask(D, "k")}; squares += c * c; }
  let rstd = 1.0 / sqrt(total(lane, squares.x + squares.y + squares.z + squares.w) / f32(u.D) + ${NORM_EPS});
  let p = r * u.P4;
  for (var k = lane; k < u.D4; k += ${lanes}u) {
    out[at + k] = (x[at + k] - mean) * rstd * params[p + u.w + k]${b ? " + params[p + u.b + k]" : ""};
  }
  if (lane == 0u) { stats[r * u.rows + i] = vec2f(mean, rstd); }`,
    flop: 8 * rows * D,
    bytes: 8 * rows * D,
  });
}

/**
 * dx = (g − mean(g) − x̂ · mean(g · x̂)) / σ with g = dy · w, plus `add` where the residual stream goes around the norm. Without db,
 * no mean(g) is subtracted.
 */
export function normBackward(op: NormBackward, lanes: Lanes): Kernel {
  const { label, rows, D, x, w, stats, dy, dx, add, db } = op;
  return perRow(rows, lanes, {
    label,
    bindings: [
      read.vec4f(whole(x), "[R, rows, D]", "x"),
      read.vec2f(stats, "[R, rows, (mean, 1/σ)]", "stats"),
      read.vec4f(whole(dy), "[R, rows, D]", "dy"),
      read.vec4f(w.buffer, "[R, P]", "params"),
      ...(add ? [read.vec4f(whole(add), "[R, rows, D]", "residual")] : []),
      write.vec4f(whole(dx), "[R, rows, D]", "dx"),
    ],
    constants: constants(op, db),
    body: `
  let at = (r * u.rows + i) * u.D4;
  let mean = stats[r * u.rows + i].x;
  let rstd = stats[r * u.rows + i].y;
  let w = r * u.P4 + u.w;
  var g_sum = vec4f(0.0);
  var gx_sum = vec4f(0.0);
  for (var k = lane; k < u.D4; k += ${lanes}u) {
    let g = dy[at + k] * params[w + k];
    g_sum += g;
    gx_sum += g * (x[at + k] - mean) * rstd;
  }
  let g_mean = ${db ? "total(lane, g_sum.x + g_sum.y + g_sum.z + g_sum.w) / f32(u.D)" : "0.0"};
  let gx_mean = total(lane, gx_sum.x + gx_sum.y + gx_sum.z + gx_sum.w) / f32(u.D);
  for (var k = lane; k < u.D4; k += ${lanes}u) {
    let g = dy[at + k] * params[w + k];
    dx[at + k] = (g - g_mean - (x[at + k] - mean) * rstd * gx_mean) * rstd * ${mask(D, "k")}${add ? " + residual[at + k]" : ""};
  }`,
    flop: 14 * rows * D,
    bytes: 16 * rows * D,
  });
}

/** dw = Σ_rows dy · x̂ and, where there is one, db = Σ_rows dy. */
export function normGradient(layout: Layout, sums: Sums, { rows, x, stats, dy, dw, db }: NormBackward): Kernel {
  const D4 = dw.stride / 4;
  return elementwise({
    label: `LN gradient = sums of ${dy.buffer}`,
    count: D4 * sums.parts,
    bindings: [
      read.vec4f(whole(x), "[R, rows, D]", "x"),
      read.vec2f(stats, "[R, rows, (mean, 1/σ)]", "stats"),
      read.vec4f(whole(dy), "[R, rows, D]", "dy"),
      write.vec4f("vector_sums", partsShape),
    ],
    constants: { W4: D4, rows, vectors: vectors(layout), w: among(layout, dw.offset), ...db && { b: among(layout, db.offset) } },
    body: `${
      partOfRows(
        sums,
        `var dw = vec4f(0.0);${db ? "\n  var db = vec4f(0.0);" : ""}`,
        (n, row) => {
          const at = `r * u.rows + ${row}`;
          return `let g${n} = dy[(${at}) * u.W4 + k]; let x${n} = x[(${at}) * u.W4 + k]; let t${n} = stats[${at}];`;
        },
        (n) => `dw += g${n} * (x${n} - t${n}.x) * t${n}.y;${db ? ` db += g${n};` : ""}`,
      )
    }
  ${target(sums, "w")} = dw;${db ? `\n  ${target(sums, "b")} = db;` : ""}`,
    flop: 5 * rows * D4 * 4,
    bytes: 32 * rows * D4,
  });
}
