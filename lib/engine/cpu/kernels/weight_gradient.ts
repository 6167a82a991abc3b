/**
 * dW = xᵀ · dy and, from the same pass over dy, db = Σ dy. The sum runs over rows, in stretches of a fixed length that are added in order.
 */
import { ROWS_OF_A_SUM, SCRATCH_HEAD } from "./opcode";
import { packPanels, panelsOf, stripBytes } from "./pack";
import { at, lowHalves, share, word } from "./simd";
import { columnsOfTile, tile } from "./tile";

/** Rows that are packed into all strips before the next ones: what a few rows touch stays in the first cache. No bit depends on it. */
const ROWS_AT_ONCE: i32 = 8;

/** Strips `from` to `to`, six columns each, of x[rows, m]: out[strip][row][6], zero beyond m. */
function packStrips(x: usize, ld: usize, rows: i32, m: i32, out: usize, from: i32, to: i32): void {
  let bytes = stripBytes(rows), whole = min(to, m / 6);
  for (let p = 0; p < rows; p += ROWS_AT_ONCE) {
    let count = <usize>min(ROWS_AT_ONCE, rows - p), src = x + <usize>p * ld + (<usize>(6 * from) << 2), dst = out + <usize>p * 24;
    for (let s = from; s < whole; s++) {
      let u = src, v = dst, i: usize = 0;
      for (; i + 1 < count; i += 2) {
        let a = v128.load(u), b = v128.load64_zero(u, 16);
        u += ld;
        let c = v128.load(u), d = v128.load(u, 8);
        u += ld;
        v128.store(v, a); v128.store(v, lowHalves(b, c), 16); v128.store(v, d, 32);
        v += 48;
      }
      if (i < count) { v128.store(v, v128.load(u)); store<u64>(v, load<u64>(u, 16), 16); }
      src += 24; dst += bytes;
    }
    if (whole >= to) continue;
    for (let i: usize = 0; i < count; i++) {
      for (let j = 0; j < 6; j++) {
        let o = <usize>j << 2;
        store<f32>(dst + i * 24 + o, 6 * whole + j < m ? load<f32>(src + i * ld + o) : 0);
      }
    }
  }
}

/** db = sums, or db += sums, in columns `from` to `to`. */
function addSums(db: usize, sums: usize, from: i32, to: i32, add: bool): void {
  for (let o = <usize>from << 2; o < <usize>to << 2; o += 16) {
    let x = v128.load(sums + o);
    v128.store(db + o, add ? f32x4.add(v128.load(db + o), x) : x);
  }
}

/**
 * Record: 0 x, 1 bytes a row; 2 dy, 3 bytes a row; 4 rows; 5 dW, 6 bytes a row; 7 m, columns of x; 8 n, columns of dy; 9 db or 0.
 * Threads share the longer side of dW.
 */
export function weightGradient(r: usize, arena: usize, t: i32, nt: i32, scratch: usize): void {
  let x = at(r, 0, arena), ldx = <usize>word(r, 1), dy = at(r, 2, arena), ldy = <usize>word(r, 3), rows = word(r, 4);
  let dW = at(r, 5, arena), ldw = <usize>word(r, 6), m = word(r, 7), n = word(r, 8), db = at(r, 9, arena);
  let width = columnsOfTile, strips = (m + 5) / 6, panels = panelsOf(n), byPanels = n >= m;
  let s0 = byPanels ? 0 : share(strips, t, nt, 1), s1 = byPanels ? strips : share(strips, t + 1, nt, 1);
  let p0 = byPanels ? share(panels, t, nt, 1) : 0, p1 = byPanels ? share(panels, t + 1, nt, 1) : panels;
  if (s0 >= s1 || p0 >= p1) return;
  if (s0 > 0) db = 0; // shared by strips, the first one sums
  let sums = scratch + SCRATCH_HEAD, xs = (sums + (<usize>n << 2) + 63) & ~63, ys = xs + <usize>(s1 - s0) * stripBytes(min(rows, ROWS_OF_A_SUM));
  for (let from = 0; from < rows; from += ROWS_OF_A_SUM) {
    let k = min(ROWS_OF_A_SUM, rows - from), panel = <usize>(k * width) << 2, strip = stripBytes(k);
    packStrips(x + <usize>from * ldx, ldx, k, m, xs, s0, s1);
    if (db) memory.fill(sums, 0, <usize>n << 2);
    packPanels(dy + <usize>from * ldy, ldy, k, n, ys - <usize>p0 * panel, p0, p1, db ? sums : 0);
    if (db) addSums(db, sums, p0 * width, min(p1 * width, n), from > 0);
    for (let j = p0; j < p1; j++) {
      let a = xs, b = ys + <usize>(j - p0) * panel, column = dW + (<usize>(j * width) << 2);
      for (let s = s0; s < s1; s++) {
        let c = column + <usize>(6 * s) * ldw;
        tile(a, m - 6 * s, b, n - j * width, k, c, ldw, 0, from > 0 ? c : 0, ldw, scratch);
        a += strip;
      }
    }
  }
}
