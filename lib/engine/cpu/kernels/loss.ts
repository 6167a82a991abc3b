/** Cross-entropy and accuracy of each example, and the gradient of the logits. */
import { exp1, exp4, exp64, log1, log1p, log64 } from "./functions";
import { STABLE_LOSS } from "./hyper";
import { at, fma, largest, share, total, word } from "./simd";

/** Values of a run's `STABLE_LOSS` word. */
const STABLE: u32 = 1, FLOAT64: u32 = 2;

/**
 * Record: 0 hyper, 1 batch, 2 logits, 3 stats [examples, (loss, right)], 4 dlogits or 0, 5 examples, 6 C. Rows have C padded to a multiple
 * of four with zeros; for the time of the sum those logits are −∞.
 * `torch`: (max + log Σ exp(z − max)) − z_y, gradient p − 1_y. `stable`: log1p(Σ_{j≠y} exp(z_j − z_y)), the label's gradient −Σ_{j≠y} p_j.
 * `float64`: as `torch`, with doubles from the logits on; the gradient is rounded at the end.
 */
export function loss(r: usize, arena: usize, t: i32, nt: i32): void {
  let kind = load<u32>(at(r, 0, arena), STABLE_LOSS), batch = at(r, 1, arena), dlogits = at(r, 4, arena), n = word(r, 5), C = word(r, 6);
  let bytes = <usize>((C + 3) & ~3) << 2, end = share(n, t + 1, nt, 1);
  for (let i = share(n, t, nt, 1); i < end; i++) {
    let z = at(r, 2, arena) + <usize>i * bytes, d = dlogits ? dlogits + <usize>i * bytes : 0, stats = at(r, 3, arena) + (<usize>i << 3);
    let y = <i32>(load<u32>(batch + (<usize>i << 2)) >> 20);
    fillFrom(z, C, -Infinity);
    let m = v128.load(z);
    for (let o: usize = 16; o < bytes; o += 16) m = f32x4.max(m, v128.load(z + o));
    m = largest(m);
    let best = f32x4.extract_lane(m, 0), zy = load<f32>(z + (<usize>y << 2));
    store<f32>(stats, kind == FLOAT64 ? example64(z, d, y, best, C, n) : example(z, d, y, m, bytes, n, kind == STABLE));
    store<f32>(stats, zy == best && isFirst(z, y, best) ? 1 : 0, 4);
    fillFrom(z, C, 0);
  }
}

/** Sets what pads a row of C to a multiple of four. */
@inline function fillFrom(z: usize, C: i32, value: f32): void {
  for (let c = C; c < ((C + 3) & ~3); c++) store<f32>(z + (<usize>c << 2), value);
}

/** Whether none before y is as large: of equals the first is the answer. */
function isFirst(z: usize, y: i32, best: f32): bool {
  for (let c = 0; c < y; c++) if (load<f32>(z + (<usize>c << 2)) == best) return false;
  return true;
}

function example(z: usize, d: usize, y: i32, m: v128, bytes: usize, n: i32, stable: bool): f32 {
  let label = z + (<usize>y << 2), zy = load<f32>(label), best = f32x4.extract_lane(m, 0), s0 = f32x4.splat(0), s1 = s0, o: usize = 0;
  store<f32>(label, -Infinity); // the sum leaves the label out
  for (; o + 16 < bytes; o += 32) {
    let u = exp4(f32x4.sub(v128.load(z + o), m)), v = exp4(f32x4.sub(v128.load(z + o, 16), m));
    s0 = f32x4.add(s0, u); s1 = f32x4.add(s1, v);
    if (d) { v128.store(d + o, u); v128.store(d + o, v, 16); }
  }
  if (o < bytes) {
    let u = exp4(f32x4.sub(v128.load(z + o), m));
    s0 = f32x4.add(s0, u);
    if (d) v128.store(d + o, u);
  }
  store<f32>(label, zy);
  let rest = total(f32x4.add(s0, s1)), ey = exp1(zy - best), all = rest + ey;
  if (d) {
    let scale = f32x4.splat(1 / (all * <f32>n));
    for (o = 0; o < bytes; o += 16) v128.store(d + o, f32x4.mul(v128.load(d + o), scale));
    store<f32>(d + (<usize>y << 2), (stable ? -rest / all : ey / all - 1) / <f32>n);
  }
  // With the label far below the best, Σ exp(z_j − z_y) overflows, and there the plain form has all its digits.
  return stable && best - zy < 60 ? log1p(rest / ey) : best + log1(all) - zy;
}

function example64(z: usize, d: usize, y: i32, best: f32, C: i32, n: i32): f32 {
  let top = <f64>best, sum: f64 = 0, zy = <f64>load<f32>(z + (<usize>y << 2));
  for (let c = 0; c < C; c++) sum += exp64(<f64>load<f32>(z + (<usize>c << 2)) - top);
  if (d) {
    for (let c = 0; c < ((C + 3) & ~3); c++) {
      let o = <usize>c << 2, p = c < C ? exp64(<f64>load<f32>(z + o) - top) / sum : 0;
      store<f32>(d + o, <f32>((c == y ? p - 1 : p) / <f64>n));
    }
  }
  return <f32>(top + log64(sum) - zy);
}
