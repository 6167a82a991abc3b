/** The first hidden layer of an MLP, from a row of a's table and a row of b's. Its backward pass is two folds. */
import { gelu, relu, square } from "./activation";
import { rowOf } from "./embed";
import { AFTER_GELU, AFTER_RELU, AFTER_SQUARE, BY_A, BY_B } from "./opcode";
import { at, real, share, word } from "./simd";

/**
 * Record: 0 x, 1 bytes a row, 2 the first row of b's table, 3 batch, 4 examples, 5 floats of a row, a multiple of four; 6 the factor,
 * 7 bias or 0, 8 the activation, 9 pre, 10 out. pre[i] = factor · (x[a[i]] + x[second + b[i]]) + bias, out = act(pre).
 */
export function pairs(r: usize, arena: usize, t: i32, nt: i32): void {
  let x = at(r, 0, arena), ldx = <usize>word(r, 1), second = word(r, 2), batch = at(r, 3, arena), examples = word(r, 4), n = word(r, 5);
  let bytes = <usize>n << 2, factor = f32x4.splat(real(r, 6)), bias = at(r, 7, arena), activation = word(r, 8);
  for (let i = share(examples, t, nt, 1), end = share(examples, t + 1, nt, 1); i < end; i++) {
    let one = x + rowOf(BY_A, 0, i, batch) * ldx, other = x + rowOf(BY_B, second, i, batch) * ldx;
    let pre = at(r, 9, arena) + <usize>i * bytes, out = at(r, 10, arena) + <usize>i * bytes;
    for (let o: usize = 0; o < bytes; o += 16) {
      let sum = f32x4.mul(f32x4.add(v128.load(one + o), v128.load(other + o)), factor);
      v128.store(pre + o, bias ? f32x4.add(sum, v128.load(bias + o)) : sum);
    }
    if (activation == AFTER_GELU) gelu(pre, out, n);
    else if (activation == AFTER_RELU) relu(pre, out, n);
    else if (activation == AFTER_SQUARE) square(pre, out, n);
    else unreachable();
  }
}
