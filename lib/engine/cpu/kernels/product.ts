/** c = a · b, b packed, and what follows on the same rows while they lie in the cache. */
import {
  gelu, geluWithDerivative, multiplyGeluSlope, multiplyReluSlope, multiplySquareSlope, relu, reluWithDerivative, square,
  squareWithDerivative,
} from "./activation";
import {
  AFTER_FACTOR, AFTER_GELU, AFTER_GELU_SLOPE, AFTER_NOTHING, AFTER_RELU, AFTER_RELU_SLOPE, AFTER_SQUARE, AFTER_SQUARE_SLOPE,
  ROWS_OF_A_BLOCK, SCRATCH_HEAD,
} from "./opcode";
import { packStrip, stripBytes } from "./pack";
import { at, share, word } from "./simd";
import { columnsOfTile, tile } from "./tile";

/** x = x ∘ y. */
function multiply(x: usize, y: usize, n: i32): void {
  let end = x + (<usize>n << 2), d = y - x;
  for (; x + 16 < end; x += 32) {
    let a = f32x4.mul(v128.load(x), v128.load(x + d)), b = f32x4.mul(v128.load(x, 16), v128.load(x + d, 16));
    v128.store(x, a); v128.store(x, b, 16);
  }
  if (x < end) v128.store(x, f32x4.mul(v128.load(x), v128.load(x + d)));
}

/**
 * Record: 0 a, 1 bytes a row; 2 panels of b; 3 c, 4 bytes a row; 5 rows, 6 columns, 7 k; 8 bias or 0; 9 add or 0, 10 bytes a row;
 * 11 what follows; 12 its buffer, 13 bytes a row; 14 whether the derivative of an activation is kept, in c.
 * c = (a · b + bias) + add. Then an activation: buffer = act(c), and c = act'(c) where kept; or a factor: c = c ∘ buffer, c ∘ act'(buffer).
 */
export function product(r: usize, arena: usize, t: i32, nt: i32, scratch: usize): void {
  let a = at(r, 0, arena), lda = <usize>word(r, 1), b = at(r, 2, arena), c = at(r, 3, arena), ldc = <usize>word(r, 4);
  let m = word(r, 5), n = word(r, 6), k = word(r, 7), bias = at(r, 8, arena), add = at(r, 9, arena), ldd = <usize>word(r, 10);
  let after = word(r, 11), other = at(r, 12, arena), ldw = <usize>word(r, 13), derivative = word(r, 14) != 0;
  let width = columnsOfTile, panel = <usize>(width * k) << 2, strips = scratch + SCRATCH_HEAD, strip = stripBytes(k);
  let end = share(m, t + 1, nt, 6);
  for (let from = share(m, t, nt, 6); from < end; from += ROWS_OF_A_BLOCK) {
    let to = min(from + ROWS_OF_A_BLOCK, end), bp = b;
    for (let i = from, s = strips; i < to; i += 6, s += strip) packStrip(a + <usize>i * lda, lda, to - i, k, s);
    for (let j = 0; j < n; j += width) {
      let o = <usize>j << 2, q = bias ? bias + o : 0;
      for (let i = from, s = strips; i < to; i += 6, s += strip) {
        let row = <usize>i;
        tile(s, to - i, bp, n - j, k, c + row * ldc + o, ldc, q, add ? add + row * ldd + o : 0, ldd, scratch);
      }
      bp += panel;
    }
    if (after == AFTER_NOTHING) continue;
    for (let i = from; i < to; i++) {
      let x = c + <usize>i * ldc, y = other + <usize>i * ldw;
      if (after == AFTER_FACTOR) multiply(x, y, n);
      else if (after == AFTER_GELU) { if (derivative) geluWithDerivative(x, y, n, scratch); else gelu(x, y, n); }
      else if (after == AFTER_RELU) { if (derivative) reluWithDerivative(x, y, n); else relu(x, y, n); }
      else if (after == AFTER_GELU_SLOPE) multiplyGeluSlope(y, x, n);
      else if (after == AFTER_RELU_SLOPE) multiplyReluSlope(y, x, n);
      else if (after == AFTER_SQUARE) { if (derivative) squareWithDerivative(x, y, n); else square(x, y, n); }
      else if (after == AFTER_SQUARE_SLOPE) multiplySquareSlope(y, x, n);
      else unreachable();
    }
  }
}
