/** dW = xᵀ · dy and, from the same pass over dy, db = Σ dy. The sum runs over rows, in stretches of a fixed length that are added in order. */
import { ROWS_OF_A_SUM, SCRATCH_HEAD } from "./opcode";
import { packPanels, panelsOf } from "./pack";
import { at, share, word } from "./simd";
import { columnsOfTile, tile } from "./tile";

/** Strips `from` to `to`, six columns each, of x[rows, m]: out[strip][row][6], zero beyond m. */
function packStrips(x: usize, ld: usize, rows: i32, m: i32, out: usize, from: i32, to: i32): void {
  for (let s = from; s < to; s++) {
    let src = x + (<usize>(6 * s) << 2), dst = out + <usize>(s - from) * <usize>rows * 24, width = min(6, m - 6 * s);
    for (let p = 0; p < rows; p++) {
      if (width == 6) {
        v128.store(dst, v128.load(src));
        store<u64>(dst, load<u64>(src, 16), 16);
      } else {
        for (let i = 0; i < 6; i++) store<f32>(dst + (<usize>i << 2), i < width ? load<f32>(src + (<usize>i << 2)) : 0);
      }
      src += ld; dst += 24;
    }
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
  let xs = scratch + SCRATCH_HEAD, ys = (xs + <usize>(s1 - s0) * <usize>min(rows, ROWS_OF_A_SUM) * 24 + 15) & ~15;
  for (let from = 0; from < rows; from += ROWS_OF_A_SUM) {
    let k = min(ROWS_OF_A_SUM, rows - from), panel = <usize>(k * width) << 2;
    packStrips(x + <usize>from * ldx, ldx, k, m, xs, s0, s1);
    packPanels(dy + <usize>from * ldy, ldy, k, n, ys - <usize>p0 * panel, p0, p1, db, from > 0);
    for (let j = p0; j < p1; j++) {
      let a = xs, b = ys + <usize>(j - p0) * panel, column = dW + (<usize>(j * width) << 2);
      for (let s = s0; s < s1; s++) {
        let c = column + <usize>(6 * s) * ldw;
        tile(a, 4, 24, m - 6 * s, b, n - j * width, k, c, ldw, 0, from > 0 ? c : 0, ldw, scratch);
        a += <usize>k * 24;
      }
    }
  }
}
