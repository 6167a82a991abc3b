/** What differs between runs of one shape: 16 words a run on the GPU. And where a run is: its step. */
import { type RunSpec, sizes } from "../../../run/spec.ts";

/** Words of `hyper` and of `state` a run. */
export const HYPER_WORDS = 16;
export const STATE_WORDS = 4;

/**
 * WGSL of both. 1 − β and ln β come from the processor's doubles: 1 − 0.999 in fp32 has lost four digits, and the first updates would
 * show it.
 */
export const HYPER = `
struct Hyper {
  lr: f32, weight_decay: f32, eps: f32, warmup: u32,
  beta1: f32, one_minus_beta1: f32, log_beta1: f32, beta2: f32,
  one_minus_beta2: f32, log_beta2: f32, decay_vectors: u32, stable_loss: u32,
  full_batch: u32, seed: u32, train_pairs: u32, pairs: u32,
}`;
/** `steps` is where the run ends; `chunk` counts the pieces of an evaluation; `eval_every` says which steps have one. */
export const STATE = `
struct State { step: u32, steps: u32, chunk: u32, eval_every: u32 }`;

/** The words of a run's `Hyper`. */
export function hyperWords(spec: RunSpec): ArrayBuffer {
  const { optim, data, seed } = spec;
  const { trainPairs, pairs } = sizes(spec);
  const buffer = new ArrayBuffer(4 * HYPER_WORDS);
  const f32 = new Float32Array(buffer), u32 = new Uint32Array(buffer);
  f32.set([optim.lr, optim.weightDecay, optim.eps]);
  u32[3] = optim.warmup;
  f32.set([optim.beta1, 1 - optim.beta1, Math.log(optim.beta1), optim.beta2, 1 - optim.beta2, Math.log(optim.beta2)], 4);
  u32.set([
    optim.decay === "all" ? 1 : 0,
    optim.loss === "stable" ? 1 : 0,
    data.batch === "full" ? 1 : 0,
    seed,
    trainPairs,
    pairs,
  ], 10);
  return buffer;
}
