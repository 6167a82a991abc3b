/** LayerNorm and RMSNorm over the first D floats of a row, and back. The floats that pad a row to a multiple of four stay zero. */
import { NORM_PARTS } from "./opcode";
import { at, firstLanes, fma, root, share, total, word } from "./simd";

/** As in PyTorch. */
const EPS: f32 = 1e-5;

/** The last vector of a row: which of its lanes are data. */
@inline function lastLanes(D: i32): v128 { return firstLanes(((D - 1) & 3) + 1); }

/** Rows whose means and σ are found before the first is scaled, so that no row waits for another's square root. No bit depends on it. */
const ROWS_AT_ONCE: i32 = 16;

/** Record: 0 x, 1 out, 2 stats [rows, (mean, 1/σ)], 3 w, 4 b, 5 D, 6 rows. out = (x − mean) / σ ∘ w + b; without b, out = x / σ ∘ w. */
export function norm(r: usize, arena: usize, t: i32, nt: i32): void {
  let D = word(r, 5), rows = word(r, 6), bytes = <usize>((D + 3) & ~3) << 2, to = share(rows, t + 1, nt, 1);
  for (let from = share(rows, t, nt, 1); from < to; from += ROWS_AT_ONCE) {
    let count = min(ROWS_AT_ONCE, to - from), x = at(r, 0, arena) + <usize>from * bytes, stats = at(r, 2, arena) + (<usize>from << 3);
    let b = at(r, 4, arena);
    findStats(x, stats, D, count, b != 0);
    scale(x, stats, at(r, 3, arena), b, at(r, 1, arena) + <usize>from * bytes, bytes, count);
  }
}

/** stats = mean and 1/σ of each row of x[rows, D]; not centred, the mean is 0 and σ the root mean square. */
function findStats(x: usize, stats: usize, D: i32, rows: i32, centred: bool): void {
  let bytes = <usize>((D + 3) & ~3) << 2, last = bytes - 16, mask = lastLanes(D);
  for (let i = 0; i < rows; i++) {
    let s0 = f32x4.splat(0), s1 = s0, o: usize = 0;
    for (; o + 16 < bytes; o += 32) { s0 = f32x4.add(s0, v128.load(x + o)); s1 = f32x4.add(s1, v128.load(x + o, 16)); }
    if (o < bytes) s0 = f32x4.add(s0, v128.load(x + o));
    let mean: f32 = centred ? total(f32x4.add(s0, s1)) / <f32>D : 0, m = f32x4.splat(mean);
    s0 = f32x4.splat(0); s1 = s0;
    for (o = 0; o + 16 < last; o += 32) {
      let u = f32x4.sub(v128.load(x + o), m), v = f32x4.sub(v128.load(x + o, 16), m);
      s0 = fma(u, u, s0); s1 = fma(v, v, s1);
    }
    for (; o < bytes; o += 16) {
      let u = f32x4.sub(v128.load(x + o), m);
      if (o == last) u = v128.and(u, mask);
      s0 = fma(u, u, s0);
    }
    store<f32>(stats, mean); store<f32>(stats, 1 / root(total(f32x4.add(s0, s1)) / <f32>D + EPS), 4);
    stats += 8; x += bytes;
  }
}

/** out = (x − mean) / σ ∘ w + b for each row; without b, out = x / σ ∘ w. */
function scale(x: usize, stats: usize, w: usize, b: usize, out: usize, bytes: usize, rows: i32): void {
  for (let i = 0; i < rows; i++) {
    let m = v128.load32_splat(stats), v = v128.load32_splat(stats, 4);
    if (b) {
      for (let o: usize = 0; o < bytes; o += 16) {
        let u = f32x4.mul(f32x4.sub(v128.load(x + o), m), v);
        v128.store(out + o, fma(u, v128.load(w + o), v128.load(b + o)));
      }
    } else {
      for (let o: usize = 0; o < bytes; o += 16) v128.store(out + o, f32x4.mul(f32x4.mul(v128.load(x + o), v), v128.load(w + o)));
    }
    stats += 8; x += bytes; out += bytes;
  }
}

/**
 * Record: 0 x, 1 stats, 2 dy, 3 w, 4 dx, 5 add or 0, 6 parts [NORM_PARTS, (dw, db), bytes a row], 7 D, 8 rows, 9 whether there is a b.
 * dx = (g − mean(g) − x̂ · mean(g ∘ x̂)) / σ + add, with g = dy ∘ w; each part has the sums of dy ∘ x̂ and of dy over its rows. Without b,
 * no mean(g) is subtracted.
 */
export function normBackward(r: usize, arena: usize, t: i32, nt: i32): void {
  let rows = word(r, 8), length = (rows + NORM_PARTS - 1) / NORM_PARTS, bytes = <usize>((word(r, 7) + 3) & ~3) << 2;
  for (let p = share(NORM_PARTS, t, nt, 1), end = share(NORM_PARTS, t + 1, nt, 1); p < end; p++) {
    let sums = at(r, 6, arena) + <usize>p * 2 * bytes;
    memory.fill(sums, 0, 2 * bytes);
    backwardOfPart(r, arena, sums, min(rows, p * length), min(rows, (p + 1) * length));
  }
}

function backwardOfPart(r: usize, arena: usize, sums: usize, from: i32, to: i32): void {
  let D = word(r, 7), bytes = <usize>((D + 3) & ~3) << 2, mask = lastLanes(D), w = at(r, 3, arena), add = at(r, 5, arena);
  let start = <usize>from * bytes, x = at(r, 0, arena) + start, dy = at(r, 2, arena) + start, dx = at(r, 4, arena) + start;
  let stats = at(r, 1, arena) + (<usize>from << 3), shifted = word(r, 9) != 0;
  if (add) add += start;
  for (let i = from; i < to; i++) {
    let m = v128.load32_splat(stats), v = v128.load32_splat(stats, 4), g = f32x4.splat(0), gx = g;
    for (let o: usize = 0; o < bytes; o += 16) {
      let d = v128.load(dy + o), n = f32x4.mul(f32x4.sub(v128.load(x + o), m), v), u = f32x4.mul(d, v128.load(w + o)), q = sums + o;
      g = f32x4.add(g, u);
      gx = fma(u, n, gx);
      v128.store(q, fma(d, n, v128.load(q)));
      v128.store(q + bytes, f32x4.add(d, v128.load(q + bytes)));
    }
    let gMean = f32x4.splat(shifted ? total(g) / <f32>D : 0), gxMean = f32x4.splat(total(gx) / <f32>D);
    for (let o: usize = 0; o < bytes; o += 16) {
      let n = f32x4.mul(f32x4.sub(v128.load(x + o), m), v), u = f32x4.sub(f32x4.mul(v128.load(dy + o), v128.load(w + o)), gMean);
      u = f32x4.mul(f32x4.sub(u, f32x4.mul(n, gxMean)), v);
      if (o + 16 == bytes) u = v128.and(u, mask);
      if (add) u = f32x4.add(u, v128.load(add + o));
      v128.store(dx + o, u);
    }
    stats += 8; x += bytes; dy += bytes; dx += bytes;
    if (add) add += bytes;
  }
}
