/** The loss and accuracy of each example, and the gradient of the logits. */
import { exp1, exp4, exp64, log1, log1p, log64 } from "./functions";
import { LOGIT_SCALE, STABLE_LOSS } from "./hyper";
import { LOSS_CROSS_ENTROPY, LOSS_MSE, LOSS_STABLEMAX } from "./opcode";
import { at, fma, largest, share, total, word } from "./simd";

/** Values of a run's `STABLE_LOSS` word. */
const PLAIN: u32 = 0, STABLE: u32 = 1, FLOAT64: u32 = 2;

/**
 * Record: 0 hyper, 1 batch, 2 logits, 3 stats [examples, (loss, right)], 4 dlogits or 0, 5 examples, 6 C, 7 kind of loss, 8 whether it
 * takes the logits times the run's `LOGIT_SCALE`. Rows have C padded to a multiple of four with zeros; for the time of the sum those
 * logits are −∞.
 * `torch`: (max + log Σ exp(z − max)) − z_y, gradient p − 1_y. `stable`: log1p(Σ_{j≠y} exp(z_j − z_y)), the label's gradient −Σ_{j≠y} p_j.
 * `float64`: as `torch`, with doubles from the logits on; the gradient is rounded at the end.
 */
export function loss(r: usize, arena: usize, t: i32, nt: i32): void {
  let hyper = at(r, 0, arena), batch = at(r, 1, arena), dlogits = at(r, 4, arena), n = word(r, 5), C = word(r, 6), kind = word(r, 7);
  let digits = load<u32>(hyper, STABLE_LOSS), scale: f32 = word(r, 8) ? load<f32>(hyper, LOGIT_SCALE) : 1;
  let bytes = <usize>((C + 3) & ~3) << 2, end = share(n, t + 1, nt, 1);
  for (let i = share(n, t, nt, 1); i < end; i++) {
    let z = at(r, 2, arena) + <usize>i * bytes, d = dlogits ? dlogits + <usize>i * bytes : 0, stats = at(r, 3, arena) + (<usize>i << 3);
    let y = <i32>(load<u32>(batch + (<usize>i << 2)) >> 20);
    fillFrom(z, C, -Infinity);
    let m = v128.load(z);
    for (let o: usize = 16; o < bytes; o += 16) m = f32x4.max(m, v128.load(z + o));
    m = largest(m);
    let best = f32x4.extract_lane(m, 0), zy = load<f32>(z + (<usize>y << 2));
    store<f32>(stats, zy == best && isFirst(z, y, best) ? 1 : 0, 4);
    if (kind == LOSS_STABLEMAX) store<f32>(stats, stablemax(z, d, y, bytes, n, scale));
    else if (kind == LOSS_MSE) store<f32>(stats, squared(z, d, y, bytes, C, n, scale));
    else if (kind != LOSS_CROSS_ENTROPY) unreachable();
    else if (digits == FLOAT64) store<f32>(stats, example64(z, d, y, best, C, n, scale));
    else if (digits != STABLE && digits != PLAIN) unreachable();
    else store<f32>(stats, example(z, d, y, m, bytes, n, digits == STABLE, scale));
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

function example(z: usize, d: usize, y: i32, m: v128, bytes: usize, n: i32, stable: bool, scale: f32): f32 {
  let label = z + (<usize>y << 2), zy = load<f32>(label), best = f32x4.extract_lane(m, 0), s0 = f32x4.splat(0), s1 = s0, by = f32x4.splat(scale), o: usize = 0;
  store<f32>(label, -Infinity); // the sum leaves the label out
  for (; o + 16 < bytes; o += 32) {
    let u = exp4(f32x4.mul(f32x4.sub(v128.load(z + o), m), by)), v = exp4(f32x4.mul(f32x4.sub(v128.load(z + o, 16), m), by));
    s0 = f32x4.add(s0, u); s1 = f32x4.add(s1, v);
    if (d) { v128.store(d + o, u); v128.store(d + o, v, 16); }
  }
  if (o < bytes) {
    let u = exp4(f32x4.mul(f32x4.sub(v128.load(z + o), m), by));
    s0 = f32x4.add(s0, u);
    if (d) v128.store(d + o, u);
  }
  store<f32>(label, zy);
  let rest = total(f32x4.add(s0, s1)), ey = exp1((zy - best) * scale), all = rest + ey;
  if (d) {
    let part = f32x4.splat(scale / (all * <f32>n));
    for (o = 0; o < bytes; o += 16) v128.store(d + o, f32x4.mul(v128.load(d + o), part));
    store<f32>(d + (<usize>y << 2), (stable ? -rest / all : ey / all - 1) * scale / <f32>n);
  }
  // With the label far below the best, Σ exp(z_j − z_y) overflows, and there the plain form has all its digits.
  return stable && (best - zy) * scale < 60 ? log1p(rest / ey) : best * scale + log1(all) - zy * scale;
}

function example64(z: usize, d: usize, y: i32, best: f32, C: i32, n: i32, scale: f32): f32 {
  let by = <f64>scale, top = by * <f64>best, sum: f64 = 0, zy = by * <f64>load<f32>(z + (<usize>y << 2));
  for (let c = 0; c < C; c++) sum += exp64(by * <f64>load<f32>(z + (<usize>c << 2)) - top);
  if (d) {
    for (let c = 0; c < ((C + 3) & ~3); c++) {
      let o = <usize>c << 2, p = c < C ? exp64(by * <f64>load<f32>(z + o) - top) / sum : 0;
      store<f32>(d + o, <f32>((c == y ? p - 1 : p) * by / <f64>n));
    }
  }
  return <f32>(top + log64(sum) - zy);
}

/** StableMax's weight of a logit: z + 1 from 0 on, 1 / (1 − z) below, 0 at −∞. */
@inline function weight4(z: v128): v128 {
  let one = f32x4.splat(1);
  return v128.bitselect(f32x4.add(z, one), f32x4.div(one, f32x4.sub(one, z)), f32x4.ge(z, f32x4.splat(0)));
}
/** The slope of that, from the weight. */
@inline function slope4(z: v128, weight: v128): v128 {
  return v128.bitselect(f32x4.splat(1), f32x4.mul(weight, weight), f32x4.ge(z, f32x4.splat(0)));
}

/** log(Σ_j w_j / w_y); gradient s'(z) / Σ_j w_j, of the label −s'(z_y) Σ_{j≠y} w_j / (w_y Σ_j w_j). */
function stablemax(z: usize, d: usize, y: i32, bytes: usize, n: i32, scale: f32): f32 {
  let label = z + (<usize>y << 2), zy = load<f32>(label), sum = f32x4.splat(0), by = f32x4.splat(scale);
  store<f32>(label, -Infinity); // the sum leaves the label out
  for (let o: usize = 0; o < bytes; o += 16) {
    let x = f32x4.mul(v128.load(z + o), by), w = weight4(x);
    sum = f32x4.add(sum, w);
    if (d) v128.store(d + o, slope4(x, w));
  }
  store<f32>(label, zy);
  let x = f32x4.splat(zy * scale), w = weight4(x), rest = total(sum), wy = f32x4.extract_lane(w, 0), all = rest + wy;
  if (d) {
    let part = f32x4.splat(scale / (all * <f32>n));
    for (let o: usize = 0; o < bytes; o += 16) v128.store(d + o, f32x4.mul(v128.load(d + o), part));
    store<f32>(d + (<usize>y << 2), -f32x4.extract_lane(slope4(x, w), 0) * (rest / all) / wy * scale / <f32>n);
  }
  return log1p(rest / wy);
}

/** Σ_c (z_c − 1_{c = y})² / C. */
function squared(z: usize, d: usize, y: i32, bytes: usize, C: i32, n: i32, scale: f32): f32 {
  let label = z + (<usize>y << 2), zy = load<f32>(label), sum = f32x4.splat(0), by = f32x4.splat(scale);
  let slope: f32 = 2 * scale / (<f32>C * <f32>n), part = f32x4.splat(slope), error = zy * scale - 1;
  fillFrom(z, C, 0);
  store<f32>(label, 0); // its square is added at the end
  for (let o: usize = 0; o < bytes; o += 16) {
    let x = f32x4.mul(v128.load(z + o), by);
    sum = fma(x, x, sum);
    if (d) v128.store(d + o, f32x4.mul(x, part));
  }
  store<f32>(label, zy);
  if (d) store<f32>(d + (<usize>y << 2), error * slope);
  return (total(sum) + error * error) / <f32>C;
}
