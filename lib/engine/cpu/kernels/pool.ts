/** The mean over positions, which may share rows between examples. Its backward pass is a fold. */
import { rowOf } from "./embed";
import { at, real, share, word } from "./simd";

/**
 * Record: 0 x, 1 out, 2 batch, 3 bytes a row, 4 examples, 5 the factor 1 / T; then of each position: how the row is found, the first row.
 */
export function pool(r: usize, arena: usize, t: i32, nt: i32): void {
  let x = at(r, 0, arena), out = at(r, 1, arena), batch = at(r, 2, arena), bytes = <usize>word(r, 3), examples = word(r, 4);
  let factor = f32x4.splat(real(r, 5)), positions = (<usize>(load<i32>(r, 4) - 3) - 6) / 2;
  for (let i = share(examples, t, nt, 1), end = share(examples, t + 1, nt, 1); i < end; i++) {
    let to = out + <usize>i * bytes;
    for (let p: usize = 0; p < positions; p++) {
      let from = x + rowOf(word(r, 6 + 2 * p), word(r, 7 + 2 * p), i, batch) * bytes, last = p + 1 == positions;
      for (let o: usize = 0; o < bytes; o += 16) {
        let sum = p == 0 ? v128.load(from + o) : f32x4.add(v128.load(to + o), v128.load(from + o));
        v128.store(to + o, last ? f32x4.mul(sum, factor) : sum);
      }
    }
  }
}
