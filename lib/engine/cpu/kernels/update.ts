/** Update rules that treat every number by itself, and the learning rate of an update. The formulas are in `engine/op/update.ts`. */
import { exp1 } from "./functions";
import {
  BETA1, BETA2, DECAY_VECTORS, EPS, LOG_BETA1, LOG_BETA2, LR, LR_STEPS, MOMENTUM, ONE_MINUS_BETA1, ONE_MINUS_BETA2,
  STEP, STEPS, WARMUP, WEIGHT_DECAY,
} from "./hyper";
import {
  RULE_ADAM, RULE_ADAMW, RULE_LION, RULE_SGD, RULE_SIGNSGD, SCHEDULE_CONSTANT, SCHEDULE_COSINE, SCHEDULE_LINEAR,
} from "./opcode";
import { at, fma, root, share, word } from "./simd";

/** 1 − exp(x) for x ≤ 0, without losing small x. */
function oneMinusExp(x: f32): f32 {
  if (x > -0.1) return -x * (1 + x / 2 * (1 + x / 3 * (1 + x / 4 * (1 + x / 5))));
  return 1 - exp1(x);
}

/** What a schedule multiplies the learning rate by, from 1 where warm-up ends to 0 at update `lr_steps`. */
function falling(hyper: usize, step: u32, schedule: i32): f32 {
  if (schedule != SCHEDULE_LINEAR && schedule != SCHEDULE_COSINE) unreachable();
  let warmup = load<u32>(hyper, WARMUP), x = min<f32>(<f32>(max(step, warmup) - warmup) / <f32>(load<u32>(hyper, LR_STEPS) - warmup), 1);
  if (x >= 1) return 0;
  if (schedule == SCHEDULE_LINEAR) return 1 - x;
  // sin(πy) for |y| ≤ ½ as its power series, whose next term is below 1e-9.
  let y: f32 = 0.5 - x, s = y * y;
  let sine = y * (<f32>3.14159265 + s * (<f32>-5.16771278 + s * (<f32>2.55016404 + s * (<f32>-0.599264529 + s * (<f32>0.0821458866
    + s * (<f32>-0.00737043094 + s * <f32>0.000466302806))))));
  return <f32>0.5 + <f32>0.5 * sine;
}

/** The learning rate of this update, from its base. */
export function rate(hyper: usize, step: u32, base: f32, schedule: i32): f32 {
  let lr = base, warmup = load<u32>(hyper, WARMUP);
  if (warmup > 0) lr *= min<f32>(<f32>step / <f32>warmup, 1);
  return schedule == SCHEDULE_CONSTANT ? lr : lr * falling(hyper, step, schedule);
}

/**
 * Record: 0 hyper, 1 state, 2 params, 3 grads, 4 m, 5 v, each from the first float on, 6 floats, 7 floats of matrices, which come first,
 * 8 whether anything decays, 9 rule, 10 schedule.
 */
export function update(r: usize, arena: usize, t: i32, nt: i32): void {
  let hyper = at(r, 0, arena), state = at(r, 1, arena), n = word(r, 6), matrices = word(r, 7), step = load<u32>(state, STEP);
  if (step >= load<u32>(state, STEPS)) return;
  let lr = rate(hyper, step, load<f32>(hyper, LR), word(r, 10)), decay: f32 = word(r, 8) ? load<f32>(hyper, WEIGHT_DECAY) : 0;
  let from = share(n, t, nt, 8), to = share(n, t + 1, nt, 8);
  stretch(r, arena, from, min(to, matrices), lr, decay);
  stretch(r, arena, max(from, matrices), to, lr, load<u32>(hyper, DECAY_VECTORS) ? decay : 0);
}

function stretch(r: usize, arena: usize, from: i32, to: i32, lr: f32, decay: f32): void {
  if (to <= from) return;
  switch (word(r, 9)) {
    case RULE_ADAMW: adamw(r, arena, from, to, lr, decay, 0); break;
    case RULE_ADAM: adamw(r, arena, from, to, lr, 0, decay); break;
    case RULE_SGD: sgd(r, arena, from, to, lr, decay); break;
    case RULE_LION: lion(r, arena, from, to, lr, decay); break;
    case RULE_SIGNSGD: signsgd(r, arena, from, to, lr, decay); break;
    default: unreachable();
  }
}

/** `decay` apart from the gradient, `l2` added to it; at least one of them is 0. */
function adamw(r: usize, arena: usize, from: i32, to: i32, lr: f32, decay: f32, l2: f32): void {
  let hyper = at(r, 0, arena), next = <f32>(load<u32>(at(r, 1, arena), STEP) + 1);
  let p = at(r, 2, arena), g = at(r, 3, arena), m = at(r, 4, arena), v = at(r, 5, arena);
  let beta1 = v128.load32_splat(hyper, BETA1), rest1 = v128.load32_splat(hyper, ONE_MINUS_BETA1), eps = v128.load32_splat(hyper, EPS);
  let beta2 = v128.load32_splat(hyper, BETA2), rest2 = v128.load32_splat(hyper, ONE_MINUS_BETA2);
  let keep = f32x4.splat(1 - lr * decay), rate = f32x4.splat(-lr / oneMinusExp(next * load<f32>(hyper, LOG_BETA1)));
  let scale = f32x4.splat(1 / root(oneMinusExp(next * load<f32>(hyper, LOG_BETA2)))), pull = f32x4.splat(l2);
  let end = <usize>to << 2;
  for (let o = <usize>from << 2; o < end; o += 16) {
    let d = v128.load(g + o);
    if (l2 != 0) d = fma(pull, v128.load(p + o), d);
    let m1 = fma(beta1, v128.load(m + o), f32x4.mul(rest1, d));
    let v1 = fma(beta2, v128.load(v + o), f32x4.mul(f32x4.mul(rest2, d), d));
    v128.store(m + o, m1); v128.store(v + o, v1);
    let q = f32x4.div(m1, fma(f32x4.sqrt(v1), scale, eps));
    v128.store(p + o, fma(rate, q, f32x4.mul(v128.load(p + o), keep)));
  }
}

function sgd(r: usize, arena: usize, from: i32, to: i32, lr: f32, l2: f32): void {
  let p = at(r, 2, arena), g = at(r, 3, arena), m = at(r, 4, arena), momentum = v128.load32_splat(at(r, 0, arena), MOMENTUM);
  let pull = f32x4.splat(l2), rate = f32x4.splat(-lr), end = <usize>to << 2;
  for (let o = <usize>from << 2; o < end; o += 16) {
    let w = v128.load(p + o), m1 = fma(momentum, v128.load(m + o), fma(pull, w, v128.load(g + o)));
    v128.store(m + o, m1);
    v128.store(p + o, fma(rate, m1, w));
  }
}

/** −1, 0 or 1 in each lane. */
@inline function sign(x: v128): v128 {
  let zero = f32x4.splat(0), one = f32x4.splat(1);
  return f32x4.sub(v128.and(one, f32x4.gt(x, zero)), v128.and(one, f32x4.lt(x, zero)));
}

function signsgd(r: usize, arena: usize, from: i32, to: i32, lr: f32, decay: f32): void {
  let p = at(r, 2, arena), g = at(r, 3, arena), keep = f32x4.splat(1 - lr * decay), rate = f32x4.splat(-lr), end = <usize>to << 2;
  for (let o = <usize>from << 2; o < end; o += 16) {
    v128.store(p + o, fma(rate, sign(v128.load(g + o)), f32x4.mul(v128.load(p + o), keep)));
  }
}

function lion(r: usize, arena: usize, from: i32, to: i32, lr: f32, decay: f32): void {
  let hyper = at(r, 0, arena), p = at(r, 2, arena), g = at(r, 3, arena), m = at(r, 4, arena), end = <usize>to << 2;
  let beta1 = v128.load32_splat(hyper, BETA1), rest1 = v128.load32_splat(hyper, ONE_MINUS_BETA1);
  let beta2 = v128.load32_splat(hyper, BETA2), rest2 = v128.load32_splat(hyper, ONE_MINUS_BETA2);
  let keep = f32x4.splat(1 - lr * decay), rate = f32x4.splat(-lr);
  for (let o = <usize>from << 2; o < end; o += 16) {
    let d = v128.load(g + o), old = v128.load(m + o), way = sign(fma(beta1, old, f32x4.mul(rest1, d)));
    v128.store(m + o, fma(beta2, old, f32x4.mul(rest2, d)));
    v128.store(p + o, fma(rate, way, f32x4.mul(v128.load(p + o), keep)));
  }
}
