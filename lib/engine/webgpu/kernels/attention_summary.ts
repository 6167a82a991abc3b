/** What the attention log keeps of a probe set's patterns: mean, variance, mean entropy, and a few patterns in full. */
import type { AttentionSummary } from "../../op.ts";
import { HYPER, hyper } from "./hyper.ts";
import { type Kernel, read, TREE, write } from "./kernel.ts";
import { rowOf, UNPACK } from "./pair.ts";

const THREADS = 64;

/** The summary of one layer, one workgroup per head and query. Runs with fewer pairs than N have a smaller probe set. */
export function attentionSummary(op: AttentionSummary): Kernel {
  const { label, batch, pattern, rows: count, positions, layer: l, N, S, H, T, queries, out } = op;
  const rows = positions.map((each) => `if (t == ${each.position}u) { row = ${rowOf(each, "i", "pair")}; }`);
  return {
    label,
    bindings: [
      hyper,
      read.u32(batch, "[R, N]", "batch"),
      read.vec4f(pattern, "[R, rows, H, key]", "pattern"),
      write.vec4f(out, "[R, ([L, H, T, (mean, variance, entropy)], [S, L, H, T]), key]", "out"),
    ],
    constants: { l, N, S, H, T, queries, rows: count },
    code: `${HYPER}${UNPACK}${TREE("mat2x4f", THREADS)}
fn weights(r: u32, h: u32, t: u32, i: u32) -> vec4f {
  let pair = batch[r * u.N + i];
  var row = 0u;
  ${rows.join("\n  ")}
  return pattern[(r * u.rows + row) * u.H + h];
}
@compute @workgroup_size(${THREADS}) fn main(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3u) {
  let h = group.x;
  let t = group.y;
  let r = group.z;
  let n = min(u.N, hyper[r].pairs);
  let query = (u.l * u.H + h) * u.T + t;
  let run = r * u.queries * (3u + u.S);
  var sums = mat2x4f();
  for (var i = thread; i < n; i += ${THREADS}u) {
    let p = weights(r, h, t, i);
    sums += mat2x4f(p, -p * log(max(p, vec4f(1e-30))));
    if (i < u.S) { out[run + u.queries * (3u + i) + query] = p; }
  }
  let total = tree_sum(thread, sums);
  let mean = total[0] / f32(n);
  workgroupBarrier();
  // Of the deviations themselves: a mean of squares less the squared mean would have lost their digits.
  var squares = mat2x4f();
  for (var i = thread; i < n; i += ${THREADS}u) {
    let d = weights(r, h, t, i) - mean;
    squares[0] += d * d;
  }
  let deviation = tree_sum(thread, squares);
  if (thread == 0u) {
    out[run + 3u * query] = mean;
    out[run + 3u * query + 1u] = deviation[0] / f32(n);
    out[run + 3u * query + 2u] = vec4f(dot(total[1], vec4f(1.0)) / f32(n), 0.0, 0.0, 0.0);
  }
}`,
    grid: [H, T, 1],
    flop: 16 * N * H * T,
    bytes: 32 * N * H * T,
  };
}
