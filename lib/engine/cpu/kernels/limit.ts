/** Limits on norms after an update. A run that has done its steps rests. */
import { length } from "./evaluation";
import { ROW_NORM, STEP, STEPS } from "./hyper";
import { at, fma, root, share, total, word } from "./simd";

/**
 * Record: 0 hyper, 1 state, 2 params, from the tensor's first float on, 3 rows, 4 columns, 5 bytes a row, 6 whether rows are clipped,
 * else columns.
 */
export function clipRows(r: usize, arena: usize, t: i32, nt: i32): void {
  let state = at(r, 1, arena), p = at(r, 2, arena), rows = word(r, 3), columns = word(r, 4), ld = <usize>word(r, 5);
  if (load<u32>(state, STEP) >= load<u32>(state, STEPS)) return;
  let most = load<f32>(at(r, 0, arena), ROW_NORM), bytes = <usize>columns << 2;
  if (word(r, 6)) {
    let end = share(rows, t + 1, nt, 1);
    for (let i = share(rows, t, nt, 1); i < end; i++) {
      let row = p + <usize>i * ld, sum = f32x4.splat(0);
      for (let o: usize = 0; o < bytes; o += 16) { let w = v128.load(row + o); sum = fma(w, w, sum); }
      let norm = root(total(sum));
      if (norm > most) scaleBy(row, bytes, f32x4.splat(most / norm));
    }
    return;
  }
  let end = <usize>share(columns, t + 1, nt, 4) << 2;
  for (let o = <usize>share(columns, t, nt, 4) << 2; o < end; o += 16) {
    let sum = f32x4.splat(0), limit = f32x4.splat(most), column = p + o;
    for (let i = 0; i < rows; i++, column += ld) { let w = v128.load(column); sum = fma(w, w, sum); }
    let norm = f32x4.sqrt(sum), long = f32x4.gt(norm, limit);
    if (!v128.any_true(long)) continue;
    let scale = v128.bitselect(f32x4.div(limit, norm), f32x4.splat(1), long);
    column = p + o;
    for (let i = 0; i < rows; i++, column += ld) v128.store(column, f32x4.mul(scale, v128.load(column)));
  }
}

@inline function scaleBy(x: usize, bytes: usize, scale: v128): void {
  for (let end = x + bytes; x < end; x += 16) v128.store(x, f32x4.mul(scale, v128.load(x)));
}

/** Record: 0 state, 1 params, 2 norm, 3 P. One thread does it. */
export function holdNorm(r: usize, arena: usize): void {
  let state = at(r, 0, arena), p = at(r, 1, arena), P = word(r, 3);
  if (load<u32>(state, STEP) >= load<u32>(state, STEPS)) return;
  scaleBy(p, <usize>P << 2, f32x4.splat(load<f32>(at(r, 2, arena)) / length(p, P)));
}
