/**
 * Attention over at most four positions. A record is a group of query positions: an index (an example, or a value of a or b) and a head at
 * a time, all queries. The keys a query sees are the first ones: all of them, or those up to its own position.
 */
import { rowOf } from "./embed";
import { exp4 } from "./functions";
import { at, firstLanes, fma, fourTotals, lane0, lane1, lane2, lane3, largest, real, share, totals, word } from "./simd";

/*
 * Record: 0 H, 1 floats a head, 2 the factor 1/√K, 3 qkv [input rows, 3, H, K], 4 pattern [rows, H, 4], 5 z or dz [rows, H, K], 6 batch,
 * 7 queries, 8 keys, 9 indices; 10 dqkv, 11 partial [index, shared, 3, H, K] or 0, 12 shared positions;
 * then four queries: position, first output row, keys it sees; then four keys: how the row is found, first row, number in the partial or
 * −1.
 */
export const QUERY: usize = 13, KEY: usize = 25;

/** Forward: pattern = softmax(q · k / √K), z = pattern · v. */
export function attention(r: usize, arena: usize, t: i32, nt: i32, scratch: usize): void {
  let H = word(r, 0), K = <usize>word(r, 1) << 2, scale = f32x4.splat(real(r, 2)), qkv = at(r, 3, arena), pattern = at(r, 4, arena);
  let z = at(r, 5, arena), batch = at(r, 6, arena), queries = word(r, 7), keys = word(r, 8), n = word(r, 9), HK = <usize>H * K;
  for (let i = share(n, t, nt, 1), end = share(n, t + 1, nt, 1); i < end; i++) {
    for (let s: usize = 0; s < <usize>keys; s++) {
      store<usize>(scratch + (s << 2), qkv + rowOf(word(r, KEY + 3 * s), word(r, KEY + 3 * s + 1), i, batch) * 3 * HK);
    }
    for (let j: usize = 0; j < <usize>queries; j++) {
      let q = load<usize>(scratch + (<usize>word(r, QUERY + 3 * j) << 2)), y = <usize>(word(r, QUERY + 3 * j + 1) + i), seen = word(r, QUERY + 3 * j + 2);
      let x0 = load<usize>(scratch), x1 = seen > 1 ? load<usize>(scratch, 4) : x0;
      let x2 = seen > 2 ? load<usize>(scratch, 8) : x0, x3 = seen > 3 ? load<usize>(scratch, 12) : x0, visible = firstLanes(seen);
      for (let h = 0; h < H; h++) {
        let o = <usize>h * K, e = o + K, a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0, k = HK, v = 2 * HK;
        if (seen <= 2) {
          for (let c = o; c < e; c += 16) {
            let u = v128.load(q + c);
            a0 = fma(u, v128.load(x0 + k + c), a0); a1 = fma(u, v128.load(x1 + k + c), a1);
          }
        } else {
          for (let c = o; c < e; c += 16) {
            let u = v128.load(q + c);
            a0 = fma(u, v128.load(x0 + k + c), a0); a1 = fma(u, v128.load(x1 + k + c), a1);
            a2 = fma(u, v128.load(x2 + k + c), a2); a3 = fma(u, v128.load(x3 + k + c), a3);
          }
        }
        let s = v128.bitselect(f32x4.mul(fourTotals(a0, a1, a2, a3), scale), f32x4.splat(-1e30), visible);
        let x = v128.and(exp4(f32x4.sub(s, largest(s))), visible), p = f32x4.div(x, totals(x));
        v128.store(pattern + ((y * H + h) << 4), p);
        let p0 = lane0(p), p1 = lane1(p), p2 = lane2(p), p3 = lane3(p), out = z + y * HK;
        if (seen <= 2) {
          for (let c = o; c < e; c += 16) v128.store(out + c, fma(p1, v128.load(x1 + v + c), f32x4.mul(p0, v128.load(x0 + v + c))));
        } else {
          for (let c = o; c < e; c += 16) {
            let sum = fma(p1, v128.load(x1 + v + c), f32x4.mul(p0, v128.load(x0 + v + c)));
            v128.store(out + c, fma(p3, v128.load(x3 + v + c), fma(p2, v128.load(x2 + v + c), sum)));
          }
        }
      }
    }
  }
}

/**
 * Backward: dv = patternᵀ · dz, dscore = pattern ∘ (dz·v − Σ pattern ∘ dz·v) / √K, dq = dscore · k, dk = dscoreᵀ · q. The first query that
 * sees a key writes its dk and dv, the others add theirs. Rows that examples share get their part in the partial, which a fold sums.
 */
export function attentionBackward(r: usize, arena: usize, t: i32, nt: i32, scratch: usize): void {
  let H = word(r, 0), K = <usize>word(r, 1) << 2, scale = f32x4.splat(real(r, 2)), qkv = at(r, 3, arena), pattern = at(r, 4, arena);
  let dz = at(r, 5, arena), batch = at(r, 6, arena), queries = word(r, 7), keys = word(r, 8), n = word(r, 9), HK = <usize>H * K;
  let dqkv = at(r, 10, arena), partial = at(r, 11, arena), shared = <usize>word(r, 12), outs = scratch + 16;
  for (let i = share(n, t, nt, 1), end = share(n, t + 1, nt, 1); i < end; i++) {
    for (let s: usize = 0; s < <usize>keys; s++) {
      let row = rowOf(word(r, KEY + 3 * s), word(r, KEY + 3 * s + 1), i, batch), number = word(r, KEY + 3 * s + 2);
      store<usize>(scratch + (s << 2), qkv + row * 3 * HK);
      store<usize>(outs + (s << 2), number >= 0 ? partial + (<usize>i * shared + <usize>number) * 3 * HK : dqkv + row * 3 * HK);
    }
    for (let h = 0; h < H; h++) {
      let o = <usize>h * K, e = o + K, written = 0;
      for (let j: usize = 0; j < <usize>queries; j++) {
        let position = <usize>word(r, QUERY + 3 * j) << 2, y = <usize>(word(r, QUERY + 3 * j + 1) + i), seen = word(r, QUERY + 3 * j + 2);
        let q = load<usize>(scratch + position), dq = load<usize>(outs + position), d = dz + y * HK;
        let x0 = load<usize>(scratch), x1 = seen > 1 ? load<usize>(scratch, 4) : x0;
        let x2 = seen > 2 ? load<usize>(scratch, 8) : x0, x3 = seen > 3 ? load<usize>(scratch, 12) : x0, v = 2 * HK;
        let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0;
        if (seen <= 2) {
          for (let c = o; c < e; c += 16) {
            let u = v128.load(d + c);
            a0 = fma(u, v128.load(x0 + v + c), a0); a1 = fma(u, v128.load(x1 + v + c), a1);
          }
        } else {
          for (let c = o; c < e; c += 16) {
            let u = v128.load(d + c);
            a0 = fma(u, v128.load(x0 + v + c), a0); a1 = fma(u, v128.load(x1 + v + c), a1);
            a2 = fma(u, v128.load(x2 + v + c), a2); a3 = fma(u, v128.load(x3 + v + c), a3);
          }
        }
        let g = fourTotals(a0, a1, a2, a3), p = v128.load(pattern + ((y * H + h) << 4));
        let ds = f32x4.mul(f32x4.mul(p, f32x4.sub(g, totals(f32x4.mul(p, g)))), scale);
        let d0 = lane0(ds), d1 = lane1(ds), d2 = lane2(ds), d3 = lane3(ds), k = HK;
        if (seen <= 2) {
          for (let c = o; c < e; c += 16) v128.store(dq + c, fma(d1, v128.load(x1 + k + c), f32x4.mul(d0, v128.load(x0 + k + c))));
        } else {
          for (let c = o; c < e; c += 16) {
            let sum = fma(d1, v128.load(x1 + k + c), f32x4.mul(d0, v128.load(x0 + k + c)));
            v128.store(dq + c, fma(d3, v128.load(x3 + k + c), fma(d2, v128.load(x2 + k + c), sum)));
          }
        }
        for (let s = 0; s < seen; s++) {
          let out = load<usize>(outs + (<usize>s << 2)) + HK;
          let w = s == 0 ? d0 : s == 1 ? d1 : s == 2 ? d2 : d3, weight = s == 0 ? lane0(p) : s == 1 ? lane1(p) : s == 2 ? lane2(p) : lane3(p);
          if (s < written) {
            for (let c = o; c < e; c += 16) {
              v128.store(out + c, fma(w, v128.load(q + c), v128.load(out + c)));
              v128.store(out + HK + c, fma(weight, v128.load(d + c), v128.load(out + HK + c)));
            }
          } else {
            for (let c = o; c < e; c += 16) {
              v128.store(out + c, f32x4.mul(w, v128.load(q + c)));
              v128.store(out + HK + c, f32x4.mul(weight, v128.load(d + c)));
            }
          }
        }
        written = max(written, seen);
      }
    }
  }
}
