/** Loss and accuracy of each example, the gradient of the logits, and their sums. */
import type { EndOfChunk, EndOfStep, Loss, NoisyRight } from "../../op.ts";
import { HYPER, hyper, STATE, state, writesState } from "./hyper.ts";
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

/** WGSL: StableMax's weight of a logit, and the slope of that. */
const STABLEMAX = `
fn weight(z: vec4f) -> vec4f { return select(1.0 / (1.0 - z), z + 1.0, z >= vec4f(0.0)); }
fn slope(z: vec4f) -> vec4f { let w = weight(z); return select(w * w, vec4f(1.0), z >= vec4f(0.0)); }`;

/**
 * What a kind of loss computes once the largest logit is known. WGSL sees u, r, i, y, at, best, answer, z_y, and `scale` where it is
 * scaled.
 */
interface Kind {
  readonly functions: string;
  /** Whether it reads the run's numbers in any case. */
  readonly reads: boolean;
  /**
   * `value`, the loss of the example. `each` is a loop over c with `inside` and `label`, `z` a vector of logits with what stands in for
   * padding.
   */
  readonly value: (each: (body: string) => string, z: (fill: string) => string) => string;
  /** What `dlogits[at + c]` becomes in a loop, before its division by the number of examples; and what comes before the loop. */
  readonly before: string;
  readonly gradient: (z: (fill: string) => string) => string;
}

const KINDS: Readonly<Record<Loss["kind"], Kind>> = {
  /**
   * −log softmax(z)_y. `torch`: (max + log Σ exp(z − max)) − z_y, gradient p − 1_y. `stable`: log1p(Σ_{j≠y} exp(z_j − z_y)), the label's
   * gradient −Σ_{j≠y} p_j: digits that p_y − 1 loses once p_y is nearly 1. The run chooses between them.
   */
  "cross-entropy": {
    functions: LOG1P,
    reads: true,
    value: (each, z) => `
  var others = vec4f(0.0);${each(`others += select(exp(${z("-3.4e38")} - best), vec4f(0.0), label);`)}
  let rest = others.x + others.y + others.z + others.w;
  let total = rest + exp(z_y - best);
  let stable = hyper[r].stable_loss == 1u;
  // With the label far below the best, Σ exp(z_j − z_y) overflows, and there the plain form has all its digits.
  let plain = (best + log(total)) - z_y;
  let value = select(plain, log1p(rest / exp(z_y - best)), stable && best - z_y < 60.0);`,
    before: `
  let p_y = exp(z_y - best) / total;
  let d_y = select(p_y - 1.0, -rest / total, stable);`,
    gradient: (z) => `select(exp(${z("-3.4e38")} - best) / total, vec4f(d_y), label)`,
  },
  /** log(Σ_j w_j / w_y) with w = s(z); gradient s'(z) / Σ_j w_j, of the label −s'(z_y) Σ_{j≠y} w_j / (w_y Σ_j w_j). */
  stablemax: {
    functions: LOG1P + STABLEMAX,
    reads: false,
    value: (each, z) => `
  var others = vec4f(0.0);${each(`others += select(weight(${z("-3.4e38")}), vec4f(0.0), label);`)}
  let rest = others.x + others.y + others.z + others.w;
  let w_y = weight(vec4f(z_y)).x;
  let value = log1p(rest / w_y);`,
    before: `
  let total = rest + w_y;
  let d_y = -slope(vec4f(z_y)).x * (rest / total) / w_y;`,
    gradient: (z) => `select(slope(${z("-3.4e38")}) / total, vec4f(d_y), label)`,
  },
  /** Σ_c (z_c − 1_{c = y})² / C. */
  mse: {
    functions: "",
    reads: false,
    value: (each, z) => `
  var squares = vec4f(0.0);${each(`let e = ${z("0.0")} - select(vec4f(0.0), vec4f(1.0), label); squares += e * e;`)}
  let value = (squares.x + squares.y + squares.z + squares.w) / f32(u.C);`,
    before: "",
    gradient: (z) => `(${z("0.0")} - select(vec4f(0.0), vec4f(1.0), label)) * (2.0 / f32(u.C))`,
  },
};

/** The loss of each example, whether its answer is right, and the gradient of the logits. */
export function loss({ label, kind, scaled, batch, examples, C, logits, stats, dlogits }: Loss): Kernel {
  const { functions, reads, value, before, gradient } = KINDS[kind], by = scaled ? " * scale" : "";
  const inside = C % 4 === 0 ? "" : `let inside = vec4<bool>(${[0, 1, 2, 3].map((j) => `4u * c + ${j}u < u.C`).join(", ")});`;
  const z = (fill: string) => C % 4 === 0 ? `logits[at + c]${by}` : `select(vec4f(${fill}), logits[at + c]${by}, inside)`;
  const loop = (body: string) => `
  for (var c = 0u; c < u.C4; c++) {
    ${inside}
    ${body}
  }`;
  const each = (body: string) => loop(`let label = 4u * vec4u(c) + vec4u(0u, 1u, 2u, 3u) == vec4u(y);\n    ${body}`);
  return elementwise({
    label,
    count: examples,
    bindings: [
      ...(reads || scaled ? [hyper] : []),
      read.u32(batch, "[R, B]", "batch"),
      read.vec4f(whole(logits), "[R, B, C]", "logits"),
      write.vec2f(stats, "[R, B, (loss, right)]", "stats"),
      ...(dlogits ? [write.vec4f(whole(dlogits), "[R, B, C]", "dlogits")] : []),
    ],
    constants: { C, C4: logits.stride / 4 },
    functions: (reads || scaled ? HYPER : "") + UNPACK + functions,
    body: `
  let y = target_of(batch[r * u.count + i]);
  let at = (r * u.count + i) * u.C4;${scaled ? "\n  let scale = hyper[r].logit_scale;" : ""}
  var best = -3.4e38;
  var answer = 0u;${
      loop(`let z = ${z("-3.4e38")};
    ${[..."xyzw"].map((at, j) => `if (z.${at} > best) { best = z.${at}; answer = 4u * c + ${j}u; }`).join(" ")}`)
    }
  let z_y = logits[at + y / 4u][y % 4u]${by};${value(each, z)}
  stats[r * u.count + i] = vec2f(value, select(0.0, 1.0, answer == y));${
      dlogits ? before + each(`dlogits[at + c] = ${gradient(z)}${by} / f32(u.count);`) : ""
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

/**
 * After a chunk of an evaluation: adds its right answers among the pairs with noisy labels, which are the first; the first chunk begins
 * anew.
 */
export function noisyRight({ label, examples: E, stats, sum }: NoisyRight): Kernel {
  return {
    label,
    bindings: [hyper, state, read.vec2f(stats, "[R, E, (loss, right)]", "stats"), write.f32(sum, "[R]", "sum")],
    code: `${HYPER}${STATE}${TREE("f32")}
@compute @workgroup_size(256) fn main(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3u) {
  let r = group.z;
  let first = state[r].chunk * u.E;
  var mine = 0.0;
  for (var i = thread; i < u.E && first + i < hyper[r].noisy_pairs; i += 256u) { mine += stats[r * u.E + i].y; }
  let right = tree_sum(thread, mine);
  if (thread == 0u) { sum[r] = select(sum[r], 0.0, first == 0u) + right; }
}`,
    constants: { E },
    grid: [1, 1, 1],
    flop: E,
    bytes: 8 * E,
  };
}
