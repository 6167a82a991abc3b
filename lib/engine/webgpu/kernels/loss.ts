/** Cross-entropy and accuracy of each example, the gradient of the logits, and their sums. */
import type { EndOfChunk, EndOfStep, Loss } from "../../op.ts";
import { HYPER, hyper, STATE, writesState } from "./hyper.ts";
import { elementwise, type Kernel, read, TREE, whole, write } from "./kernel.ts";
import { UNPACK } from "./pair.ts";

/**
 * WGSL: log(1 + x) of an x ≥ 0 to the last digits, small ones too. Near 1 a driver's log may be wrong by 2⁻²¹, whatever its argument, so
 * there it is 2 artanh(x / (2 + x)) as a series, whose next term would be below half a digit.
 */
export const LOG1P = `
fn log1p(x: f32) -> f32 {
  let s = x / (2.0 + x);
  let q = s * s;
  let series = 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q / 9.0))));
  return select(log(1.0 + x), series, x < 0.5);
}`;

/**
 * loss = −log softmax(z)_y. `torch`: (max + log Σ exp(z − max)) − z_y, gradient p − 1_y. `stable`: log1p(Σ_{j≠y} exp(z_j − z_y)), the
 * label's gradient −Σ_{j≠y} p_j: digits that p_y − 1 loses once p_y is nearly 1. The run chooses between them.
 */
export function loss({ label, batch, examples, C, logits, stats, dlogits }: Loss): Kernel {
  const inside = C % 4 === 0 ? "" : `let inside = vec4<bool>(${[0, 1, 2, 3].map((j) => `4u * c + ${j}u < u.C`).join(", ")});`;
  const z = (fill: string) => C % 4 === 0 ? "logits[at + c]" : `select(vec4f(${fill}), logits[at + c], inside)`;
  return elementwise({
    label,
    count: examples,
    bindings: [
      hyper,
      read.u32(batch, "[R, B]", "batch"),
      read.vec4f(whole(logits), "[R, B, C]", "logits"),
      write.vec2f(stats, "[R, B, (loss, right)]", "stats"),
      ...(dlogits ? [write.vec4f(whole(dlogits), "[R, B, C]", "dlogits")] : []),
    ],
    constants: { C, C4: logits.stride / 4 },
    functions: HYPER + UNPACK + LOG1P,
    body: `
  let y = target_of(batch[r * u.count + i]);
  let at = (r * u.count + i) * u.C4;
  var best = -3.4e38;
  var answer = 0u;
  for (var c = 0u; c < u.C4; c++) {
    ${inside}
    let z = ${z("-3.4e38")};
    ${[..."xyzw"].map((at, j) => `if (z.${at} > best) { best = z.${at}; answer = 4u * c + ${j}u; }`).join(" ")}
  }
  let z_y = logits[at + y / 4u][y % 4u];
  var others = vec4f(0.0);
  for (var c = 0u; c < u.C4; c++) {
    ${inside}
    let label = 4u * vec4u(c) + vec4u(0u, 1u, 2u, 3u) == vec4u(y);
    others += select(exp(${z("-3.4e38")} - best), vec4f(0.0), label);
  }
  let rest = others.x + others.y + others.z + others.w;
  let total = rest + exp(z_y - best);
  let stable = hyper[r].stable_loss == 1u;
  // With the label far below the best, Σ exp(z_j − z_y) overflows, and there the plain form has all its digits.
  let plain = (best + log(total)) - z_y;
  let value = select(plain, log1p(rest / exp(z_y - best)), stable && best - z_y < 60.0);
  stats[r * u.count + i] = vec2f(value, select(0.0, 1.0, answer == y));${
      dlogits
        ? `
  let p_y = exp(z_y - best) / total;
  let d_y = select(p_y - 1.0, -rest / total, stable);
  for (var c = 0u; c < u.C4; c++) {
    ${inside}
    let label = 4u * vec4u(c) + vec4u(0u, 1u, 2u, 3u) == vec4u(y);
    dlogits[at + c] = select(exp(${z("-3.4e38")} - best) / total, vec4f(d_y), label) / f32(u.count);
  }`
        : ""
    }`,
    flop: 8 * examples * C,
    bytes: (dlogits ? 8 : 4) * examples * C,
  });
}

/** After an update: adds the batch's loss and right answers to the sums in flight, and counts the step. */
export function endOfStep({ label, examples: B, stats, sums }: EndOfStep): Kernel {
  return {
    label,
    bindings: [
      writesState,
      read.vec2f(stats, "[R, B, (loss, right)]", "stats"),
      write.vec4f(sums, "[R, (loss, right, examples, 0)]", "batch_sums"),
    ],
    code: `${STATE}${TREE("vec2f")}
@compute @workgroup_size(256) fn main(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3u) {
  let r = group.z;
  var mine = vec2f(0.0);
  for (var i = thread; i < u.B; i += 256u) { mine += stats[r * u.B + i]; }
  let sum = tree_sum(thread, mine);
  if (thread == 0u && state[r].step < state[r].steps) {
    batch_sums[r] += vec4f(sum, f32(u.B), 0.0);
    state[r].step += 1u;
  }
}`,
    constants: { B },
    grid: [1, 1, 1],
    flop: 2 * B,
    bytes: 8 * B,
  };
}

/**
 * After a chunk of an evaluation: adds its pairs to the sums of the training and of the validation set, and goes to the next chunk.
 * @throws Error where a block of pairs has several chunks.
 */
export function endOfChunk({ label, examples: E, stats, block, kept, sums }: EndOfChunk): Kernel {
  if (kept) throw new Error(`Cannot lower "${label}": a chunk must have the ${block} pairs that are summed at once, current value is ${E}`);
  return {
    label,
    bindings: [
      hyper,
      writesState,
      read.vec2f(stats, "[R, E, (loss, right)]", "stats"),
      write.vec4f(sums, "[R, (train loss, train right, val loss, val right)]", "sums"),
    ],
    code: `${HYPER}${STATE}${TREE("vec4f")}
@compute @workgroup_size(256) fn main(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3u) {
  let r = group.z;
  let first = state[r].chunk * u.E;
  var mine = vec4f(0.0);
  for (var i = thread; i < u.E && first + i < hyper[r].pairs; i += 256u) {
    let s = stats[r * u.E + i];
    mine += select(vec4f(0.0, 0.0, s), vec4f(s, 0.0, 0.0), first + i < hyper[r].train_pairs);
  }
  let sum = tree_sum(thread, mine);
  if (thread == 0u) {
    sums[r] += sum;
    state[r].chunk += 1u;
  }
}`,
    constants: { E },
    grid: [1, 1, 1],
    flop: 2 * E,
    bytes: 8 * E,
  };
}
