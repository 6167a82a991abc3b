/** The optimiser. */
import { exp1 } from "./functions";
import { BETA1, BETA2, DECAY_VECTORS, EPS, LOG_BETA1, LOG_BETA2, LR, ONE_MINUS_BETA1, ONE_MINUS_BETA2, STEP, STEPS, WARMUP, WEIGHT_DECAY } from "./hyper";
import { at, fma, share, word } from "./simd";

/** 1 − exp(x) for x ≤ 0, without losing small x. */
function oneMinusExp(x: f32): f32 {
  if (x > -0.1) return -x * (1 + x / 2 * (1 + x / 3 * (1 + x / 4 * (1 + x / 5))));
  return 1 - exp1(x);
}

/**
 * Record: 0 hyper, 1 state, 2 params, 3 grads, 4 m, 5 v, 6 P, 7 floats of matrices, which come first.
 * AdamW as in PyTorch: decay first, then −lr · m̂ / (√v̂ + eps).
 */
export function adamw(r: usize, arena: usize, t: i32, nt: i32): void {
  let hyper = at(r, 0, arena), state = at(r, 1, arena), P = word(r, 6), matrices = word(r, 7), step = load<u32>(state, STEP);
  if (step >= load<u32>(state, STEPS)) return;
  let lr = load<f32>(hyper, LR), warmup = load<u32>(hyper, WARMUP), decay = load<f32>(hyper, WEIGHT_DECAY);
  if (warmup > 0) lr *= min<f32>(<f32>step / <f32>warmup, 1);
  let from = share(P, t, nt, 8), to = share(P, t + 1, nt, 8);
  update(r, arena, from, min(to, matrices), lr, decay);
  update(r, arena, max(from, matrices), to, lr, load<u32>(hyper, DECAY_VECTORS) ? decay : 0);
}

function update(r: usize, arena: usize, from: i32, to: i32, lr: f32, decay: f32): void {
  let hyper = at(r, 0, arena), next = <f32>(load<u32>(at(r, 1, arena), STEP) + 1);
  let p = at(r, 2, arena), g = at(r, 3, arena), m = at(r, 4, arena), v = at(r, 5, arena);
  let beta1 = v128.load32_splat(hyper, BETA1), rest1 = v128.load32_splat(hyper, ONE_MINUS_BETA1), eps = v128.load32_splat(hyper, EPS);
  let beta2 = v128.load32_splat(hyper, BETA2), rest2 = v128.load32_splat(hyper, ONE_MINUS_BETA2);
  let keep = f32x4.splat(1 - lr * decay), rate = f32x4.splat(-lr / oneMinusExp(next * load<f32>(hyper, LOG_BETA1)));
  let scale = f32x4.splat(1 / sqrt<f32>(oneMinusExp(next * load<f32>(hyper, LOG_BETA2))));
  let end = <usize>max(from, to) << 2;
  for (let o = <usize>from << 2; o < end; o += 16) {
    let d = v128.load(g + o), m1 = fma(beta1, v128.load(m + o), f32x4.mul(rest1, d));
    let v1 = fma(beta2, v128.load(v + o), f32x4.mul(f32x4.mul(rest2, d), d));
    v128.store(m + o, m1); v128.store(v + o, v1);
    let q = f32x4.div(m1, fma(f32x4.sqrt(v1), scale, eps));
    v128.store(p + o, fma(rate, q, f32x4.mul(v128.load(p + o), keep)));
  }
}
