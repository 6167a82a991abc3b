/** Limits on norms after an update. A run that has done its steps rests. */
import type { ClipRows, HoldNorm } from "../../op.ts";
import { inArea } from "./area.ts";
import { HYPER, hyper, STATE, state } from "./hyper.ts";
import { elementwise, type Kernel, read, TREE, write } from "./kernel.ts";

/** One thread for a row, or for four columns. */
export function clipRows({ label, P, area, along, params }: ClipRows): Kernel {
  const { rows, columns } = area, byRows = along === "rows";
  return elementwise({
    label,
    count: byRows ? rows : columns / 4,
    bindings: [hyper, state, write.vec4f(params, "[R, P]", "params")],
    constants: inArea(area, P),
    functions: `${HYPER}${STATE}`,
    body: `
  if (state[r].step >= state[r].steps) { return; }
  let first = r * u.P4 + u.first + i${byRows ? " * u.row" : ""};
  var squares = vec4f(0.0);
  for (var k = 0u; k < u.${byRows ? "columns" : "rows"}; k++) {
    let w = params[first + k${byRows ? "" : " * u.row"}];
    squares += w * w;
  }
  let norm = sqrt(${byRows ? "vec4f(squares.x + squares.y + squares.z + squares.w)" : "squares"});
  let most = vec4f(hyper[r].row_norm);
  if (all(norm <= most)) { return; }
  let scale = select(vec4f(1.0), most / norm, norm > most);
  for (var k = 0u; k < u.${byRows ? "columns" : "rows"}; k++) { params[first + k${byRows ? "" : " * u.row"}] *= scale; }`,
    flop: 3 * rows * columns,
    bytes: 8 * rows * columns,
  });
}

/** One workgroup for all parameters. */
export function holdNorm({ label, P, params, norm }: HoldNorm): Kernel {
  return {
    label,
    bindings: [state, read.vec4f(norm, "[R, (norm, 0, 0, 0)]", "norm"), write.vec4f(params, "[R, P]", "params")],
    code: `${STATE}${TREE("f32")}
@compute @workgroup_size(256) fn main(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3u) {
  let r = group.z;
  if (state[r].step >= state[r].steps) { return; }
  var mine = 0.0;
  for (var i = thread; i < u.P4; i += 256u) {
    let w = params[r * u.P4 + i];
    mine += dot(w, w);
  }
  let scale = norm[r].x / sqrt(tree_sum(thread, mine));
  for (var i = thread; i < u.P4; i += 256u) { params[r * u.P4 + i] *= scale; }
}`,
    constants: { P4: P / 4 },
    grid: [1, 1, 1],
    flop: 3 * P,
    bytes: 8 * P,
  };
}
