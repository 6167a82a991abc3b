/** What becomes of the gradient before an update. The formulas are in `engine/op/update.ts`. */
import type { GradientFilter, OrthogonalGradient } from "../../op.ts";
import { IN_AREA, inArea } from "./area.ts";
import { HYPER, hyper, STATE, state } from "./hyper.ts";
import { elementwise, type Kernel, read, TREE, write } from "./kernel.ts";

const EMA = `
  let at = r * u.count + i;
  let g = grads[at];
  var average = g;
  if (step > 0u) { average = h.filter_alpha * kept[at] + h.one_minus_filter_alpha * g; }
  kept[at] = average;
  filtered[at] = g + h.filter_lambda * average;`;

/** `part(n)` is where part n of what is kept has this thread's numbers; the last part is the sum of the round. */
const MA = `
  let at = r * u.count + i;
  let g = grads[at];
  let s = step % u.window;
  let first = r * (u.window + 1u) * u.count + i;
  let sum = first + u.window * u.count;
  var total = g;
  if (s > 0u) { total += kept[sum]; }
  kept[sum] = total;
  kept[first + s * u.count] = g;
  if (s + 1u < u.window) {
    if (step >= u.window) { total += kept[first + (s + 1u) * u.count]; }
  } else {
    var later = vec4f(0.0);
    for (var n = u.window; n > 0u; n--) {
      later += kept[first + (n - 1u) * u.count];
      kept[first + (n - 1u) * u.count] = later;
    }
  }
  filtered[at] = g + select(0.0, h.filter_lambda / f32(u.window), step + 1u >= u.window) * total;`;

/** What each filter keeps a run, and how many bytes a word of the gradient moves. */
const FILTERS: Readonly<Record<GradientFilter["kind"], { kept: string; windowed: boolean; body: string; bytes: number }>> = {
  ema: { kept: "[R, P]", windowed: false, body: EMA, bytes: 16 },
  ma: { kept: "[R, window + 1, P]", windowed: true, body: MA, bytes: 28 },
};

/** A run that has done its steps keeps what it has. */
export function gradientFilter({ label, kind, P, window, grads, kept, out }: GradientFilter): Kernel {
  const filter = FILTERS[kind];
  return elementwise({
    label,
    count: P / 4,
    bindings: [
      hyper,
      state,
      read.vec4f(grads, "[R, P]", "grads"),
      write.vec4f(kept, filter.kept, "kept"),
      write.vec4f(out, "[R, P]", "filtered"),
    ],
    constants: filter.windowed ? { window } : {},
    functions: `${HYPER}${STATE}`,
    body: `
  let h = hyper[r];
  let step = state[r].step;
  if (step >= state[r].steps) { return; }${filter.body}`,
    flop: 5 * P,
    bytes: filter.bytes * P,
  });
}

/** One workgroup for the tensor: three times over it, for its products, for the length that is left, and for the result. */
export function orthogonalGradient({ label, P, area, params, grads, out }: OrthogonalGradient): Kernel {
  const { rows, columns } = area;
  return {
    label,
    bindings: [read.vec4f(params, "[R, P]", "params"), read.vec4f(grads, "[R, P]", "grads"), write.vec4f(out, "[R, P]", "filtered")],
    code: `${IN_AREA}${TREE("vec4f")}
@compute @workgroup_size(256) fn main(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3u) {
  let r = group.z;
  let count = u.rows * u.columns;
  var mine = vec4f(0.0);
  for (var i = thread; i < count; i += 256u) {
    let w = params[in_area(r, i)];
    let g = grads[in_area(r, i)];
    mine += vec4f(dot(w, w), dot(w, g), dot(g, g), 0.0);
  }
  let sums = tree_sum(thread, mine);
  let along = sums.y / (sums.x + 1e-30);
  workgroupBarrier();
  var left = 0.0;
  for (var i = thread; i < count; i += 256u) {
    let d = grads[in_area(r, i)] - along * params[in_area(r, i)];
    left += dot(d, d);
  }
  let scale = sqrt(sums.z) / (sqrt(tree_sum(thread, vec4f(left)).x) + 1e-30);
  for (var i = thread; i < count; i += 256u) {
    filtered[in_area(r, i)] = (grads[in_area(r, i)] - along * params[in_area(r, i)]) * scale;
  }
}`,
    constants: inArea(area, P),
    grid: [1, 1, 1],
    flop: 13 * rows * columns,
    bytes: 12 * rows * columns,
  };
}
