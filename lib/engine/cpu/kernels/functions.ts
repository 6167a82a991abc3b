/**
 * exp, log, erf and log1p from the engine's own polynomials, so that results depend on no library. Constants are loaded from a table: a
 * literal in a loop costs more. The coefficients of exp and log are those of the Cephes library (S. L. Moshier), those of erf XLA's and
 * Eigen's.
 */
import { fma } from "./simd";

const EXP = memory.data<f32>([
  -87.33654, 1.44269504, 12582912, -0.693359375, 2.12194440e-4,
  1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1, 1,
], 16);
const BIAS = memory.data<i32>([127], 16);

/** exp of x ≤ 88, to 1.4 units in the last place; results below the smallest normal number are 0. */
@inline export function exp4(value: v128): v128 {
  let lowest = v128.load32_splat(EXP, 0), shift = v128.load32_splat(EXP, 8);
  let x = f32x4.pmax(value, lowest);
  // x = n ln 2 + r, ln 2 in two parts; adding 1.5 · 2²³ rounds n to a whole number and leaves it in the lowest bits.
  let t = fma(x, v128.load32_splat(EXP, 4), shift), n = f32x4.sub(t, shift);
  let r = fma(n, v128.load32_splat(EXP, 16), fma(n, v128.load32_splat(EXP, 12), x));
  let p = fma(r, v128.load32_splat(EXP, 20), v128.load32_splat(EXP, 24));
  p = fma(p, r, v128.load32_splat(EXP, 28));
  p = fma(p, r, v128.load32_splat(EXP, 32));
  p = fma(p, r, v128.load32_splat(EXP, 36));
  p = fma(p, r, v128.load32_splat(EXP, 40));
  p = fma(p, f32x4.mul(r, r), f32x4.add(r, v128.load32_splat(EXP, 44)));
  let scale = i32x4.shl(i32x4.add(t, v128.load32_splat(BIAS, 0)), 23);
  return v128.andnot(f32x4.mul(p, scale), f32x4.lt(value, lowest));
}

const LOG = memory.data<f32>([
  0.70710678, 1, -0.5, -2.12194440e-4, 0.693359375,
  7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1, 2.0000714765e-1,
  -2.4999993993e-1, 3.3333331174e-1,
], 16);
const PARTS = memory.data<i32>([0x007fffff, 0x3f000000, 126], 16);

/** log of a normal positive number, to 1.1 units in the last place. */
@inline export function log4(x: v128): v128 {
  // x = 2ᵉ m, m from √½ to √2.
  let m = v128.or(v128.and(x, v128.load32_splat(PARTS, 0)), v128.load32_splat(PARTS, 4));
  let small = f32x4.lt(m, v128.load32_splat(LOG, 0)), one = v128.load32_splat(LOG, 4);
  let e = f32x4.convert_i32x4_s(i32x4.sub(i32x4.shr_s(x, 23), v128.load32_splat(PARTS, 8)));
  e = f32x4.sub(e, v128.and(one, small));
  m = f32x4.sub(f32x4.add(m, v128.and(m, small)), one);
  let z = f32x4.mul(m, m);
  let y = fma(v128.load32_splat(LOG, 20), m, v128.load32_splat(LOG, 24));
  y = fma(y, m, v128.load32_splat(LOG, 28)); y = fma(y, m, v128.load32_splat(LOG, 32));
  y = fma(y, m, v128.load32_splat(LOG, 36)); y = fma(y, m, v128.load32_splat(LOG, 40));
  y = fma(y, m, v128.load32_splat(LOG, 44)); y = fma(y, m, v128.load32_splat(LOG, 48));
  y = fma(y, m, v128.load32_splat(LOG, 52));
  y = f32x4.mul(f32x4.mul(y, m), z);
  y = fma(e, v128.load32_splat(LOG, 12), y);
  y = fma(z, v128.load32_splat(LOG, 8), y);
  y = fma(e, v128.load32_splat(LOG, 16), f32x4.add(m, y));
  return f32x4.add(y, f32x4.sub(x, x)); // a number that is none stays none
}
export function exp1(x: f32): f32 { return f32x4.extract_lane(exp4(f32x4.splat(x)), 0); }
export function log1(x: f32): f32 { return f32x4.extract_lane(log4(f32x4.splat(x)), 0); }

/** log(1 + x) of x ≥ 0 to the last digits, small ones too: near 0 it is 2 artanh(x / (2 + x)) as a series. */
export function log1p(x: f32): f32 {
  if (x >= 0.5) return log1(1 + x);
  let s: f32 = x / (2 + x), q = s * s;
  return 2 * s * (1 + q * (<f32>(1.0 / 3) + q * (<f32>(1.0 / 5) + q * (<f32>(1.0 / 7) + q * <f32>(1.0 / 9)))));
}

const ERF = memory.data<f32>([
  4, -4,
  -2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05, -7.34990630326855e-04,
  -2.95459980854025e-03, -1.60960333262415e-02,
  -1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03, -7.37332916720468e-03, -1.42647390514189e-02,
], 16);

/** erf as x · P(x²) / Q(x²) on |x| ≤ 4, an odd rational minimax approximation; outside it is ±1. To 6 units in the last place. */
@inline export function erf4(value: v128): v128 {
  let x = f32x4.pmax(f32x4.pmin(value, v128.load32_splat(ERF, 0)), v128.load32_splat(ERF, 4));
  let s = f32x4.mul(x, x);
  let p = fma(v128.load32_splat(ERF, 8), s, v128.load32_splat(ERF, 12));
  p = fma(p, s, v128.load32_splat(ERF, 16)); p = fma(p, s, v128.load32_splat(ERF, 20));
  p = fma(p, s, v128.load32_splat(ERF, 24)); p = fma(p, s, v128.load32_splat(ERF, 28));
  p = fma(p, s, v128.load32_splat(ERF, 32));
  let q = fma(v128.load32_splat(ERF, 36), s, v128.load32_splat(ERF, 40));
  q = fma(q, s, v128.load32_splat(ERF, 44)); q = fma(q, s, v128.load32_splat(ERF, 48));
  q = fma(q, s, v128.load32_splat(ERF, 52));
  return f32x4.div(f32x4.mul(x, p), q);
}

/** exp of a double x ≤ 709, by a rational approximation; results below the smallest normal number are 0. */
export function exp64(x: f64): f64 {
  if (!(x >= -708.3)) return x == x ? 0 : x;
  let n = nearest(x * 1.4426950408889634), r = x - n * 6.93145751953125e-1 - n * 1.42860682030941723212e-6, z = r * r;
  let p = r * ((1.26177193074810590878e-4 * z + 3.02994407707441961300e-2) * z + 9.99999999999999999910e-1);
  let q = ((3.00198505138664455042e-6 * z + 2.52448340349684104192e-3) * z + 2.27265548208155028766e-1) * z + 2;
  return (1 + 2 * (p / (q - p))) * reinterpret<f64>((<i64>n + 1023) << 52);
}

/** log of a normal positive double. */
export function log64(x: f64): f64 {
  if (!(x < Infinity)) return x;
  let bits = reinterpret<i64>(x), e = <f64>((bits >> 52) - 1022);
  let m = reinterpret<f64>((bits & 0x000fffffffffffff) | 0x3fe0000000000000);
  if (m < 0.7071067811865476) { e -= 1; m = m + m - 1; } else m -= 1;
  let z = m * m;
  let p = ((((1.01875663804580931796e-4 * m + 4.97494994976747001425e-1) * m + 4.70579119878721725854) * m + 1.44989225341610930846e1) * m
    + 1.79368678507819816313e1) * m + 7.70838733755885391666;
  let q = ((((m + 1.12873587189167450590e1) * m + 4.52279145837532221105e1) * m + 8.29875266912776603211e1) * m
    + 7.11544750618563894466e1) * m + 2.31251620126765340583e1;
  let y = m * (z * p / q) - e * 2.121944400546905827679e-4 - 0.5 * z;
  return m + y + e * 0.693359375;
}

/** out = f(x) of n floats (or doubles), for the tests of their errors: 0 exp, 1 log, 2 erf, 3 log1p; 4 exp64, 5 log64. */
export function applyFunction(which: i32, x: usize, out: usize, n: i32): void {
  for (let i = 0; i < n; i++) {
    if (which >= 4) {
      let p = x + (<usize>i << 3), q = out + (<usize>i << 3), v = load<f64>(p);
      store<f64>(q, which == 4 ? exp64(v) : log64(v));
      continue;
    }
    let q = out + (<usize>i << 2), v = load<f32>(x + (<usize>i << 2)), s = f32x4.splat(v);
    store<f32>(q, which == 3 ? log1p(v) : f32x4.extract_lane(which == 0 ? exp4(s) : which == 1 ? log4(s) : erf4(s), 0));
  }
}
