/** What becomes of the gradient before an update. The formulas are in `engine/op/update.ts`. */
import { FILTER_ALPHA, FILTER_LAMBDA, ONE_MINUS_FILTER_ALPHA, STEP, STEPS } from "./hyper";
import { FILTER_EMA, FILTER_MA } from "./opcode";
import { at, fma, root, share, total, word } from "./simd";

/**
 * Record: 0 hyper, 1 state, 2 grads, 3 kept, 4 filtered, 5 P, 6 window, 7 which filter. A run that has done its steps keeps what it has.
 */
export function gradientFilter(r: usize, arena: usize, t: i32, nt: i32): void {
  let state = at(r, 1, arena), P = word(r, 5), step = load<u32>(state, STEP);
  if (step >= load<u32>(state, STEPS)) return;
  let from = <usize>share(P, t, nt, 8) << 2, to = <usize>share(P, t + 1, nt, 8) << 2;
  switch (word(r, 7)) {
    case FILTER_EMA: decaying(r, arena, step, from, to); break;
    case FILTER_MA: moving(r, arena, step, from, to); break;
    default: unreachable();
  }
}

function decaying(r: usize, arena: usize, step: u32, from: usize, to: usize): void {
  let hyper = at(r, 0, arena), g = at(r, 2, arena), kept = at(r, 3, arena), out = at(r, 4, arena);
  let alpha = v128.load32_splat(hyper, FILTER_ALPHA), rest = v128.load32_splat(hyper, ONE_MINUS_FILTER_ALPHA);
  let lambda = v128.load32_splat(hyper, FILTER_LAMBDA);
  for (let o = from; o < to; o += 16) {
    let d = v128.load(g + o), average = step > 0 ? fma(alpha, v128.load(kept + o), f32x4.mul(rest, d)) : d;
    v128.store(kept + o, average);
    v128.store(out + o, fma(lambda, average, d));
  }
}

function moving(r: usize, arena: usize, step: u32, from: usize, to: usize): void {
  let hyper = at(r, 0, arena), g = at(r, 2, arena), kept = at(r, 3, arena), out = at(r, 4, arena), window = <u32>word(r, 6);
  let part = <usize>word(r, 5) << 2, s = step % window, sum = kept + <usize>window * part, own = kept + <usize>s * part;
  let whole = step + 1 >= window;
  let share = f32x4.splat(whole ? load<f32>(hyper, FILTER_LAMBDA) / <f32>window : 0);
  for (let o = from; o < to; o += 16) {
    let d = v128.load(g + o), now = s > 0 ? f32x4.add(d, v128.load(sum + o)) : d;
    v128.store(sum + o, now);
    v128.store(own + o, d);
    if (s + 1 < window) {
      if (step >= window) now = f32x4.add(now, v128.load(own + part + o));
    } else {
      let later = f32x4.splat(0);
      for (let n = window, p = sum - part + o; n > 0; n--, p -= part) { later = f32x4.add(later, v128.load(p)); v128.store(p, later); }
    }
    v128.store(out + o, fma(share, now, d));
  }
}

/**
 * Record: 0 params, 1 grads, 2 filtered, each from the tensor's first float on, 3 rows, 4 columns, 5 bytes a row, 6 which of the run's
 * threads does it, counted round.
 */
export function orthogonalGradient(r: usize, arena: usize, t: i32, nt: i32): void {
  if (word(r, 6) % nt != t) return;
  let p = at(r, 0, arena), g = at(r, 1, arena), out = at(r, 2, arena), rows = word(r, 3);
  let bytes = <usize>word(r, 4) << 2, ld = <usize>word(r, 5);
  let size = f32x4.splat(0), along = size, length = size, left = size;
  for (let i = 0; i < rows; i++) {
    for (let o = <usize>i * ld, end = o + bytes; o < end; o += 16) {
      let w = v128.load(p + o), d = v128.load(g + o);
      size = fma(w, w, size); along = fma(w, d, along); length = fma(d, d, length);
    }
  }
  let part = f32x4.splat(-total(along) / (total(size) + <f32>1e-30));
  for (let i = 0; i < rows; i++) {
    for (let o = <usize>i * ld, end = o + bytes; o < end; o += 16) {
      let d = fma(part, v128.load(p + o), v128.load(g + o));
      v128.store(out + o, d);
      left = fma(d, d, left);
    }
  }
  let scale = f32x4.splat(root(total(length)) / (root(total(left)) + <f32>1e-30));
  for (let i = 0; i < rows; i++) {
    for (let o = <usize>i * ld, end = o + bytes; o < end; o += 16) v128.store(out + o, f32x4.mul(scale, v128.load(out + o)));
  }
}
