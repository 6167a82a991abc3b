/** Muon's own operations; its products are products. The formulas are in `engine/op/update.ts`. */
import { MOMENTUM, MUON_LR, ONE_MINUS_MOMENTUM, STEP, STEPS, WEIGHT_DECAY } from "./hyper";
import { at, fma, real, root, share, total, word } from "./simd";
import { rate } from "./update";

/**
 * Record: 0 hyper, 1 state, 2 grads, 3 m, from the matrix's first float on, 4 x, 5 rows, 6 columns, 7 bytes a row of the parameters, 8
 * eps. One thread does it. A run that has done its steps rests.
 */
export function muonStart(r: usize, arena: usize): void {
  let hyper = at(r, 0, arena), state = at(r, 1, arena), g = at(r, 2, arena), m = at(r, 3, arena), x = at(r, 4, arena);
  let rows = word(r, 5), bytes = <usize>word(r, 6) << 2, ld = <usize>word(r, 7);
  if (load<u32>(state, STEP) >= load<u32>(state, STEPS)) return;
  let momentum = v128.load32_splat(hyper, MOMENTUM), rest = v128.load32_splat(hyper, ONE_MINUS_MOMENTUM), sum = f32x4.splat(0), to = x;
  for (let i = 0; i < rows; i++) {
    for (let o = <usize>i * ld, end = o + bytes; o < end; o += 16, to += 16) {
      let d = f32x4.mul(rest, v128.load(g + o)), m1 = fma(momentum, v128.load(m + o), d), way = fma(momentum, m1, d);
      v128.store(m + o, m1);
      v128.store(to, way);
      sum = fma(way, way, sum);
    }
  }
  let scale = f32x4.splat(1 / (root(total(sum)) + real(r, 8)));
  for (let p = x; p < to; p += 16) v128.store(p, f32x4.mul(scale, v128.load(p)));
}

/** Record: 0 A, 1 A², 2 out, 3 n, 4 a, 5 b, 6 c. out = a I + b A + c A². */
export function muonPolynomial(r: usize, arena: usize, t: i32, nt: i32): void {
  let A = at(r, 0, arena), A2 = at(r, 1, arena), out = at(r, 2, arena), n = word(r, 3);
  let b = f32x4.splat(real(r, 5)), c = f32x4.splat(real(r, 6));
  let bytes = <usize>n << 2, end = share(n, t + 1, nt, 1);
  for (let i = share(n, t, nt, 1); i < end; i++) {
    let row = <usize>i * bytes, own = out + row + (<usize>i << 2);
    for (let o = row; o < row + bytes; o += 16) v128.store(out + o, fma(c, v128.load(A2 + o), f32x4.mul(b, v128.load(A + o))));
    store<f32>(own, load<f32>(own) + real(r, 4));
  }
}

/**
 * Record: 0 hyper, 1 state, 2 params, from the matrix's first float on, 3 x, 4 rows, 5 columns, 6 bytes a row of the parameters, 7 scale,
 * 8 whether it decays, 9 schedule. A run that has done its steps rests.
 */
export function muonEnd(r: usize, arena: usize, t: i32, nt: i32): void {
  let hyper = at(r, 0, arena), state = at(r, 1, arena), p = at(r, 2, arena), x = at(r, 3, arena), rows = word(r, 4);
  let bytes = <usize>word(r, 5) << 2, ld = <usize>word(r, 6), step = load<u32>(state, STEP);
  if (step >= load<u32>(state, STEPS)) return;
  let lr = rate(hyper, step, load<f32>(hyper, MUON_LR), word(r, 9)), decay: f32 = word(r, 8) ? load<f32>(hyper, WEIGHT_DECAY) : 0;
  let keep = f32x4.splat(1 - lr * decay), by = f32x4.splat(-lr * real(r, 7)), end = share(rows, t + 1, nt, 1);
  for (let i = share(rows, t, nt, 1); i < end; i++) {
    let row = p + <usize>i * ld, from = x + <usize>i * bytes;
    for (let o: usize = 0; o < bytes; o += 16) v128.store(row + o, fma(by, v128.load(from + o), f32x4.mul(v128.load(row + o), keep)));
  }
}
