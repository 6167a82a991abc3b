/** Muon's own operations; its products are products. The formulas are in `engine/op/update.ts`. */
import type { MuonEnd, MuonPolynomial, MuonStart } from "../../op.ts";
import { MUON_EPS, NEWTON_SCHULZ } from "../../op/update.ts";
import { IN_AREA, inArea } from "./area.ts";
import { HYPER, hyper, STATE, state } from "./hyper.ts";
import { elementwise, type Kernel, read, TREE, write } from "./kernel.ts";
import { rate } from "./update.ts";

/** One workgroup for the matrix; each thread scales what it has written. A run that has done its steps rests. */
export function muonStart({ label, P, area, grads, moment, out }: MuonStart): Kernel {
  const { rows, columns } = area;
  return {
    label,
    bindings: [
      hyper,
      state,
      read.vec4f(grads, "[R, P]", "grads"),
      write.vec4f(moment, "[R, P]", "m"),
      write.vec4f(out, "[R, rows, columns]", "x"),
    ],
    code: `${HYPER}${STATE}${IN_AREA}${TREE("f32")}
@compute @workgroup_size(256) fn main(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3u) {
  let r = group.z;
  let h = hyper[r];
  if (state[r].step >= state[r].steps) { return; }
  let count = u.rows * u.columns;
  var mine = 0.0;
  for (var i = thread; i < count; i += 256u) {
    let at = in_area(r, i);
    let g = h.one_minus_momentum * grads[at];
    let m1 = h.momentum * m[at] + g;
    let direction = h.momentum * m1 + g;
    m[at] = m1;
    x[r * count + i] = direction;
    mine += dot(direction, direction);
  }
  let scale = 1.0 / (sqrt(tree_sum(thread, mine)) + ${MUON_EPS});
  for (var i = thread; i < count; i += 256u) { x[r * count + i] *= scale; }
}`,
    constants: inArea(area, P),
    grid: [1, 1, 1],
    flop: 8 * rows * columns,
    bytes: 16 * rows * columns,
  };
}

export function muonPolynomial({ label, n, A, A2, out }: MuonPolynomial): Kernel {
  const { a, b, c } = NEWTON_SCHULZ;
  return elementwise({
    label,
    count: n * n / 4,
    bindings: [read.vec4f(A, "[R, n, n]", "a"), read.vec4f(A2, "[R, n, n]", "a2"), write.vec4f(out, "[R, n, n]", "b")],
    constants: { n4: n / 4 },
    body: `
  let at = r * u.count + i;
  let diagonal = vec4u(i / u.n4) == 4u * vec4u(i % u.n4) + vec4u(0u, 1u, 2u, 3u);
  b[at] = select(vec4f(0.0), vec4f(${a}), diagonal) + (${b} * a[at] + ${c} * a2[at]);`,
    flop: 4 * n * n,
    bytes: 12 * n * n,
  });
}

/** A run that has done its steps rests. */
export function muonEnd({ label, schedule, P, area, scale, decays, X, params }: MuonEnd): Kernel {
  const { lr, functions } = rate(schedule, "muon_lr"), { rows, columns } = area;
  return elementwise({
    label,
    count: rows * columns / 4,
    bindings: [hyper, state, read.vec4f(X, "[R, rows, columns]", "x"), write.vec4f(params, "[R, P]", "params")],
    constants: inArea(area, P),
    functions: `${HYPER}${STATE}${functions}${IN_AREA}`,
    body: `
  let h = hyper[r];
  let step = state[r].step;
  if (step >= state[r].steps) { return; }
  ${lr}
  let at = in_area(r, i);
  params[at] = params[at]${decays ? " * (1.0 - lr * h.weight_decay)" : ""} - lr * ${scale.toPrecision(9)} * x[r * u.count + i];`,
    flop: 4 * rows * columns,
    bytes: 12 * rows * columns,
  });
}
