/** Attention whose weights are all the same. Records are those of attention, with values alone in place of queries, keys and values. */
import { KEY, QUERY } from "./attention";
import { rowOf } from "./embed";
import { at, firstLanes, word, share } from "./simd";

/** Forward: pattern = 1 / n for each of the n positions seen, z = pattern · v. */
export function uniformAttention(r: usize, arena: usize, t: i32, nt: i32): void {
  let H = word(r, 0), v = at(r, 3, arena), pattern = at(r, 4, arena), z = at(r, 5, arena), batch = at(r, 6, arena);
  let queries = word(r, 7), n = word(r, 9), bytes = <usize>H * (<usize>word(r, 1) << 2);
  for (let i = share(n, t, nt, 1), end = share(n, t + 1, nt, 1); i < end; i++) {
    for (let j: usize = 0; j < <usize>queries; j++) {
      let y = <usize>(word(r, QUERY + 3 * j + 1) + i), seen = word(r, QUERY + 3 * j + 2);
      let out = z + y * bytes, weight = f32x4.splat(1 / <f32>seen);
      for (let h = 0; h < H; h++) v128.store(pattern + ((y * H + h) << 4), v128.and(weight, firstLanes(seen)));
      for (let s: usize = 0; s < <usize>seen; s++) {
        let x = v + rowOf(word(r, KEY + 3 * s), word(r, KEY + 3 * s + 1), i, batch) * bytes, last = s + 1 == <usize>seen;
        for (let o: usize = 0; o < bytes; o += 16) {
          let sum = s == 0 ? v128.load(x + o) : f32x4.add(v128.load(out + o), v128.load(x + o));
          v128.store(out + o, last ? f32x4.mul(sum, weight) : sum);
        }
      }
    }
  }
}

/**
 * Backward: dv = patternᵀ · dz. The first query that sees a position writes its row, the others add theirs. Rows that examples share get
 * their part in the partial, which a fold sums.
 */
export function uniformAttentionBackward(r: usize, arena: usize, t: i32, nt: i32): void {
  let dz = at(r, 5, arena), batch = at(r, 6, arena), queries = word(r, 7), n = word(r, 9);
  let dv = at(r, 10, arena), partial = at(r, 11, arena), bytes = <usize>word(r, 0) * (<usize>word(r, 1) << 2), shared = <usize>word(r, 12);
  for (let i = share(n, t, nt, 1), end = share(n, t + 1, nt, 1); i < end; i++) {
    let written: usize = 0;
    for (let j: usize = 0; j < <usize>queries; j++) {
      let seen = <usize>word(r, QUERY + 3 * j + 2), d = dz + <usize>(word(r, QUERY + 3 * j + 1) + i) * bytes;
      let weight = f32x4.splat(1 / <f32>seen);
      for (let s: usize = 0; s < seen; s++) {
        let number = word(r, KEY + 3 * s + 2), out = number >= 0
          ? partial + (<usize>i * shared + <usize>number) * bytes
          : dv + rowOf(word(r, KEY + 3 * s), word(r, KEY + 3 * s + 1), i, batch) * bytes;
        for (let o: usize = 0; o < bytes; o += 16) {
          let term = f32x4.mul(weight, v128.load(d + o));
          v128.store(out + o, s < written ? f32x4.add(v128.load(out + o), term) : term);
        }
      }
      written = max(written, seen);
    }
  }
}
