/** The end of an evaluation. */
import { METRIC_STRIDE, METRIC_WORDS, type MetricWord } from "../../evaluation.ts";
import type { EndOfEvaluation } from "../../op.ts";
import { HYPER, hyper, STATE, writesState } from "./hyper.ts";
import { type Kernel, read, TREE, write } from "./kernel.ts";

/** WGSL of each four words of `metrics`. */
const FOURS: readonly { readonly words: readonly MetricWord[]; readonly value: string }[] = [
  { words: ["trainLoss", "trainAcc", "valLoss", "valAcc"], value: "sums[r] / vec4f(train, train, validation, validation)" },
  { words: ["weightNorm", "gradNorm", "batchLoss", "batchAcc"], value: "vec4f(norms, batch_sums[r].xy / batch_sums[r].z)" },
];

/** @throws Error where these aren't the words that are read. */
function writes(label: string): string {
  const fours = Array.from({ length: METRIC_STRIDE / 4 }, (_, i) => METRIC_WORDS.slice(4 * i, 4 * i + 4));
  const written = FOURS.map(({ words }) => words.join(", ")).join("; "), must = fours.map((words) => words.join(", ")).join("; ");
  if (written !== must) throw new Error(`Cannot lower "${label}": its kernel must write ${must}, current value is ${written}`);
  const place = (i: number) => `${FOURS.length}u * r${i > 0 ? ` + ${i}u` : ""}`;
  return FOURS.map(({ value }, i) => `metrics[${place(i)}] = ${value};`).join("\n    ");
}

/**
 * The end of an evaluation: means of the whole sets, norms of parameters and gradient, means of the batches since the last one. The sums
 * of batches start afresh at multiples of `eval_every` alone: a look in between leaves the run as it is, and a run that ends there may go
 * on later.
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
      write.vec4f(metrics, `[R, (${METRIC_WORDS.join(", ")})]`, "metrics"),
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
    ${writes(label)}
    sums[r] = vec4f(0.0);
    if (state[r].step % state[r].eval_every == 0u) { batch_sums[r] = vec4f(0.0); }
    state[r].chunk = 0u;
  }
}`,
    constants: { P4: P / 4 },
    grid: [1, 1, 1],
    flop: 4 * P,
    bytes: 8 * P,
  };
}
