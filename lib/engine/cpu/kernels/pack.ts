/** Matrices in the order that a product reads them: panels as wide as a tile, k rows each; columns beyond the matrix are zero. */
import { at, highHalves, lowHalves, share, word, zipHigh, zipLow } from "./simd";
import { columnsOfTile } from "./tile";

/** Panels of n columns. */
@inline export function panelsOf(n: i32): i32 { return (n + columnsOfTile - 1) / columnsOfTile; }

/** Rows that are packed into all panels before the next ones: what a few rows touch stays in the first cache. No bit depends on it. */
const ROWS_AT_ONCE: i32 = 8;

/** Panels `from` to `to` of w[k, n]: out[panel][k][width]. Where `sums` is given, each row is added to it in turn, n floats. */
export function packPanels(w: usize, ld: usize, k: i32, n: i32, out: usize, from: i32, to: i32, sums: usize): void {
  let width = columnsOfTile, row = <usize>width << 2, panel = row * <usize>k, zero = f32x4.splat(0);
  for (let p = 0; p < k; p += ROWS_AT_ONCE) {
    let count = min(ROWS_AT_ONCE, k - p), rows = w + <usize>p * ld, to8 = out + <usize>p * row;
    for (let j = from * width; j < to * width; j += 8) {
      let o = <usize>j << 2, src = rows + o, dst = to8 + <usize>(j / width) * panel + (<usize>(j % width) << 2), left = n - j;
      let s0 = zero, s1 = zero;
      if (sums && left > 0) s0 = v128.load(sums + o);
      if (sums && left > 4) s1 = v128.load(sums + o, 16);
      if (left >= 8) {
        for (let i = 0; i < count; i++) {
          let x = v128.load(src), y = v128.load(src, 16);
          s0 = f32x4.add(s0, x); s1 = f32x4.add(s1, y);
          v128.store(dst, x); v128.store(dst, y, 16);
          src += ld; dst += row;
        }
      } else {
        for (let i = 0; i < count; i++) {
          let x = left > 0 ? v128.load(src) : zero;
          s0 = f32x4.add(s0, x);
          v128.store(dst, x); v128.store(dst, zero, 16);
          src += ld; dst += row;
        }
      }
      if (sums && left > 0) v128.store(sums + o, s0);
      if (sums && left > 4) v128.store(sums + o, s1, 16);
    }
  }
}

/** The same of the transpose of w[n, k]; k is a multiple of four. */
export function packTransposedPanels(w: usize, ld: usize, k: i32, n: i32, out: usize, from: i32, to: i32): void {
  let width = columnsOfTile, ldo = <usize>width << 2, zero = f32x4.splat(0);
  for (let j = from * width; j < to * width; j += 4) {
    let dst = out + ((<usize>(j / width) * k * width + (j % width)) << 2), src = w + <usize>j * ld, left = n - j;
    if (left <= 0) {
      for (let p = 0; p < k; p++) { v128.store(dst, zero); dst += ldo; }
      continue;
    }
    for (let p = 0; p < k; p += 4) {
      let a = v128.load(src), b = left > 1 ? v128.load(src + ld) : zero;
      let c = left > 2 ? v128.load(src + 2 * ld) : zero, d = left > 3 ? v128.load(src + 3 * ld) : zero;
      let ab0 = zipLow(a, b), ab1 = zipHigh(a, b), cd0 = zipLow(c, d), cd1 = zipHigh(c, d);
      v128.store(dst, lowHalves(ab0, cd0)); dst += ldo;
      v128.store(dst, highHalves(ab0, cd0)); dst += ldo;
      v128.store(dst, lowHalves(ab1, cd1)); dst += ldo;
      v128.store(dst, highHalves(ab1, cd1)); dst += ldo;
      src += 16;
    }
  }
}

/** Record: w, bytes a row, k, n, out; of w[k, n], or of the transpose of w[n, k]. */
export function pack(r: usize, arena: usize, t: i32, nt: i32, transposed: bool): void {
  let w = at(r, 0, arena), ld = <usize>word(r, 1), k = word(r, 2), n = word(r, 3), out = at(r, 4, arena);
  let panels = panelsOf(n), from = share(panels, t, nt, 1), to = share(panels, t + 1, nt, 1);
  if (transposed) packTransposedPanels(w, ld, k, n, out, from, to);
  else packPanels(w, ld, k, n, out, from, to, 0);
}
