/** Matrices in the order that a product reads them: panels as wide as a tile, k rows each; columns beyond the matrix are zero. */
import { at, highHalves, lowHalves, mixedHalves, share, word, zipHigh, zipLow } from "./simd";
import { columnsOfTile } from "./tile";

/** Panels of n columns. */
@inline export function panelsOf(n: i32): i32 { return (n + columnsOfTile - 1) / columnsOfTile; }

/** Panels `from` to `to` of w[k, n]: out[panel][k][width]. Where `sums` is given, each row is added to it in turn, n floats. */
export function packPanels(w: usize, ld: usize, k: i32, n: i32, out: usize, from: i32, to: i32, sums: usize): void {
  let width = columnsOfTile, row = <usize>width << 2, panel = row * <usize>k;
  for (let p = 0; p < k; p += 4) {
    let count = min(4, k - p), src = w + <usize>p * ld, dst = out + <usize>from * panel + <usize>p * row;
    for (let j = from; j < to; j++) {
      for (let c = 0; c < width; c += 8) {
        let o = <usize>(j * width + c) << 2, to8 = dst + (<usize>c << 2);
        if (count == 4 && j * width + c + 8 <= n) fourRows(src + o, ld, to8, row, sums ? sums + o : 0);
        else fewRows(src + o, ld, to8, row, count, n - j * width - c, sums ? sums + o : 0);
      }
      dst += panel;
    }
  }
}

/** Eight columns of four rows. */
@inline function fourRows(src: usize, ld: usize, dst: usize, row: usize, sums: usize): void {
  let x0 = v128.load(src), y0 = v128.load(src, 16);
  src += ld;
  let x1 = v128.load(src), y1 = v128.load(src, 16);
  src += ld;
  let x2 = v128.load(src), y2 = v128.load(src, 16);
  src += ld;
  let x3 = v128.load(src), y3 = v128.load(src, 16);
  v128.store(dst, x0); v128.store(dst, y0, 16);
  dst += row;
  v128.store(dst, x1); v128.store(dst, y1, 16);
  dst += row;
  v128.store(dst, x2); v128.store(dst, y2, 16);
  dst += row;
  v128.store(dst, x3); v128.store(dst, y3, 16);
  if (!sums) return;
  let x = f32x4.add(f32x4.add(f32x4.add(f32x4.add(v128.load(sums), x0), x1), x2), x3);
  let y = f32x4.add(f32x4.add(f32x4.add(f32x4.add(v128.load(sums, 16), y0), y1), y2), y3);
  v128.store(sums, x); v128.store(sums, y, 16);
}

/** Up to eight columns, `left` at most, of `count` rows; zeros beyond. */
function fewRows(src: usize, ld: usize, dst: usize, row: usize, count: i32, left: i32, sums: usize): void {
  for (let i = 0; i < count; i++) {
    let x = left > 0 ? v128.load(src) : f32x4.splat(0), y = left > 4 ? v128.load(src, 16) : f32x4.splat(0);
    v128.store(dst, x); v128.store(dst, y, 16);
    if (sums && left > 0) v128.store(sums, f32x4.add(v128.load(sums), x));
    if (sums && left > 4) v128.store(sums, f32x4.add(v128.load(sums, 16), y), 16);
    src += ld; dst += row;
  }
}

/** Bytes from strip to strip of k rows: an odd number of cache lines, so that neighbours don't push each other out. */
@inline export function stripBytes(k: i32): usize { return (((<usize>k * 24 + 63) >> 6) | 1) << 6; }

/** Six rows of x[rows, k] as a strip [k][6]; rows beyond repeat the last one. k is a multiple of four. */
export function packStrip(x: usize, ld: usize, rows: i32, k: i32, out: usize): void {
  let x1 = rows > 1 ? x + ld : x, x2 = rows > 2 ? x1 + ld : x1, x3 = rows > 3 ? x2 + ld : x2;
  let x4 = rows > 4 ? x3 + ld : x3, x5 = rows > 5 ? x4 + ld : x4;
  for (let end = x + (<usize>k << 2); x < end; x += 16) {
    let a = v128.load(x), b = v128.load(x1), c = v128.load(x2), d = v128.load(x3), e = v128.load(x4), f = v128.load(x5);
    let ab = zipLow(a, b), cd = zipLow(c, d), ef = zipLow(e, f);
    v128.store(out, lowHalves(ab, cd)); v128.store(out, mixedHalves(ef, ab), 16); v128.store(out, highHalves(cd, ef), 32);
    ab = zipHigh(a, b); cd = zipHigh(c, d); ef = zipHigh(e, f);
    v128.store(out, lowHalves(ab, cd), 48); v128.store(out, mixedHalves(ef, ab), 64); v128.store(out, highHalves(cd, ef), 80);
    x1 += 16; x2 += 16; x3 += 16; x4 += 16; x5 += 16; out += 96;
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
