/** The optimiser, and the norms that an evaluation reports. */
import type { EndOfEvaluation, Update } from "../../op.ts";
import { HYPER, hyper, STATE, state, writesState } from "./hyper.ts";
import { elementwise, type Kernel, read, TREE, write } from "./kernel.ts";

/** AdamW as in PyTorch: decay first, then −lr · m̂ / (√v̂ + eps). A run that has done its steps rests. */
export function adamw({ label, P, first, words, vectorsFrom, params, grads, moments: [m, v] }: Update): Kernel {
  const whole = words === P;
  return elementwise({
    label,
    count: words / 4,
    bindings: [
      hyper,
      state,
      read.vec4f(grads, "[R, P]", "grads"),
      write.vec4f(params, "[R, P]", "params"),
      write.vec4f(m, "[R, P]", "m"),
      write.vec4f(v, "[R, P]", "v"),
    ],
    constants: { matrices: Math.max(0, vectorsFrom - first) / 4, ...whole ? {} : { P4: P / 4, first: first / 4 } },
    functions: `${HYPER}${STATE}
/** 1 − exp(x) for x ≤ 0, without losing small x. */
fn one_minus_exp(x: f32) -> f32 {
  let series = -x * (1.0 + x / 2.0 * (1.0 + x / 3.0 * (1.0 + x / 4.0 * (1.0 + x / 5.0))));
  return select(1.0 - exp(x), series, x > -0.1);
}`,
    body: `
  let h = hyper[r];
  let step = state[r].step;
  if (step >= state[r].steps) { return; }
  let lr = h.lr * select(1.0, min(f32(step) / f32(h.warmup), 1.0), h.warmup > 0u);
  let correction1 = one_minus_exp(f32(step + 1u) * h.log_beta1);
  let correction2 = sqrt(one_minus_exp(f32(step + 1u) * h.log_beta2));
  let decay = select(0.0, h.weight_decay, i < u.matrices || h.decay_vectors == 1u);
  let at = ${whole ? "r * u.count + i" : "r * u.P4 + u.first + i"};
  let g = grads[at];
  let m1 = h.beta1 * m[at] + h.one_minus_beta1 * g;
  let v1 = h.beta2 * v[at] + h.one_minus_beta2 * g * g;
  m[at] = m1;
  v[at] = v1;
  params[at] = params[at] * (1.0 - lr * decay) - lr / correction1 * m1 / (sqrt(v1) / correction2 + h.eps);`,
    flop: 16 * words,
    bytes: 28 * words,
  });
}

/**
 * The end of an evaluation: means of the whole sets, norms of parameters and gradient, means of the batches since the last one. Where
 * the run's schedule has an evaluation here, the sums of batches start afresh; a look in between leaves the run as it is.
 */
export function endOfEvaluation({ label, P, params, grads, batchSums, sums, metrics }: EndOfEvaluation): Kernel {
  return {
    label,
    bindings: [
      hyper,
      writesState,
      read.vec4f(params, "[R, P]", "params"),
      read.vec4f(grads, "[R, P]", "grads"),
      write.vec4f(batchSums, "[R, (loss, right, examples, 0)]", "batch_sums"),
      write.vec4f(sums, "[R, (train loss, train right, val loss, val right)]", "sums"),
      write.vec4f(metrics, "[R, 2, (train loss, train acc, val loss, val acc), (|params|, |gradient|, batch loss, batch acc)]", "metrics"),
    ],
    code: `${HYPER}${STATE}${TREE("vec2f")}
@compute @workgroup_size(256) fn main(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3u) {
  let r = group.z;
  var mine = vec2f(0.0);
  for (var i = thread; i < u.P4; i += 256u) {
    let w = params[r * u.P4 + i];
    let g = grads[r * u.P4 + i];
    mine += vec2f(dot(w, w), dot(g, g));
  }
  let norms = sqrt(tree_sum(thread, mine));
  if (thread == 0u) {
    let train = f32(hyper[r].train_pairs);
    let validation = f32(hyper[r].pairs - hyper[r].train_pairs);
    metrics[2u * r] = sums[r] / vec4f(train, train, validation, validation);
    metrics[2u * r + 1u] = vec4f(norms, batch_sums[r].xy / batch_sums[r].z);
    sums[r] = vec4f(0.0);
    let s = state[r];
    if (s.step % s.eval_every == 0u || s.step == s.steps) { batch_sums[r] = vec4f(0.0); }
    state[r].chunk = 0u;
  }
}`,
    constants: { P4: P / 4 },
    grid: [1, 1, 1],
    flop: 4 * P,
    bytes: 8 * P,
  };
}
