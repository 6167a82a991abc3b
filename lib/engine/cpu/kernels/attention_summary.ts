/** What the attention log keeps of a probe set's patterns: mean, variance, mean entropy, and a few patterns in full. */
import { PAIRS } from "./hyper";
import { rowOf } from "./embed";
import { log4 } from "./functions";
import { at, share, total, word } from "./simd";

const SMALLEST = memory.data<f32>([1e-30], 16);

/**
 * Record: 0 hyper, 1 batch [N], 2 pattern [rows, H, 4], 3 out, 4 l, 5 N, 6 S, 7 H, 8 T, 9 queries of all layers; then of each position: how
 * the row is found, the first row. out: of each query (mean, variance, entropy), four floats each; then S patterns of all queries.
 */
export function attentionSummary(r: usize, arena: usize, t: i32, nt: i32): void {
  let batch = at(r, 1, arena), out = at(r, 3, arena), l = word(r, 4), S = word(r, 6), H = word(r, 7), T = word(r, 8), queries = word(r, 9);
  let n = min(word(r, 5), load<i32>(at(r, 0, arena), PAIRS)), smallest = v128.load32_splat(SMALLEST), count = f32x4.splat(<f32>n);
  for (let q = share(H * T, t, nt, 1), end = share(H * T, t + 1, nt, 1); q < end; q++) {
    let h = q / T, position = <usize>(q % T), query = <usize>((l * H + h) * T + q % T);
    let pattern = at(r, 2, arena) + (<usize>h << 4), by = word(r, 10 + 2 * position), base = word(r, 11 + 2 * position);
    let sum = f32x4.splat(0), entropy = sum, squares = sum;
    for (let i = 0; i < n; i++) {
      let p = v128.load(pattern + ((rowOf(by, base, i, batch) * H) << 4));
      sum = f32x4.add(sum, p);
      entropy = f32x4.sub(entropy, f32x4.mul(p, log4(f32x4.max(p, smallest))));
      if (i < S) v128.store(out + ((<usize>queries * <usize>(3 + i) + query) << 4), p);
    }
    let mean = f32x4.div(sum, count);
    // Of the deviations themselves: a mean of squares less the squared mean would have lost their digits.
    for (let i = 0; i < n; i++) {
      let d = f32x4.sub(v128.load(pattern + ((rowOf(by, base, i, batch) * H) << 4)), mean);
      squares = f32x4.add(squares, f32x4.mul(d, d));
    }
    let to = out + 48 * query;
    v128.store(to, mean); v128.store(to, f32x4.div(squares, count), 16);
    v128.store(to, f32x4(total(entropy) / <f32>n, 0, 0, 0), 32);
  }
}
