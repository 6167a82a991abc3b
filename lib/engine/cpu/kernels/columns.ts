/** Sums of columns. Threads share the columns, never a sum. */
import { at, share, word } from "./simd";

/** Record: 0 x, 1 bytes a row, 2 rows, 3 out, 4 columns. out = Σ_rows x, one row after the other. */
export function columnSums(r: usize, arena: usize, t: i32, nt: i32): void {
  let x = at(r, 0, arena), ld = <usize>word(r, 1), rows = word(r, 2), out = at(r, 3, arena), n = word(r, 4);
  let end = <usize>share(n, t + 1, nt, 16) << 2;
  for (let o = <usize>share(n, t, nt, 16) << 2; o < end; o += 64) {
    let p = x + o, a = f32x4.splat(0), b = a, c = a, d = a, q = out + o;
    if (o + 64 <= end) {
      for (let i = 0; i < rows; i++) {
        a = f32x4.add(a, v128.load(p)); b = f32x4.add(b, v128.load(p, 16)); c = f32x4.add(c, v128.load(p, 32)); d = f32x4.add(d, v128.load(p, 48));
        p += ld;
      }
      v128.store(q, a); v128.store(q, b, 16); v128.store(q, c, 32); v128.store(q, d, 48);
    } else {
      for (let e = o; e < end; e += 16) {
        a = f32x4.splat(0); p = x + e;
        for (let i = 0; i < rows; i++) { a = f32x4.add(a, v128.load(p)); p += ld; }
        v128.store(out + e, a);
      }
    }
  }
}

/** Record: 0 parts, 1 bytes from one to the next, 2 how many, 3 out, 4 floats. out = Σ parts, in order. */
export function addParts(r: usize, arena: usize, t: i32, nt: i32): void {
  let x = at(r, 0, arena), step = <usize>word(r, 1), parts = word(r, 2), out = at(r, 3, arena), n = word(r, 4);
  let end = <usize>share(n, t + 1, nt, 4) << 2;
  for (let o = <usize>share(n, t, nt, 4) << 2; o < end; o += 16) {
    let sum = f32x4.splat(0), p = x + o;
    for (let i = 0; i < parts; i++) { sum = f32x4.add(sum, v128.load(p)); p += step; }
    v128.store(out + o, sum);
  }
}
