/** Exact GELU, ReLU and x² on n floats (a multiple of four), with their derivatives. Two vectors a turn, which V8 can pair. */
import { erf4, exp4 } from "./functions";
import { fma } from "./simd";

const GELU = memory.data<f32>([0.70710678, 0.5, -0.5, 0.39894228], 16);
/** Floats that go through the three loops of GELU at once. */
const STRETCH: i32 = 1024;

/** Φ(x), the share of a normal distribution below x. */
@inline function below(x: v128): v128 {
  let half = v128.load32_splat(GELU, 4);
  return fma(erf4(f32x4.mul(x, v128.load32_splat(GELU, 0))), half, half);
}
/** Φ(x) + x φ(x). */
@inline function slope(x: v128, phi: v128): v128 {
  let e = exp4(f32x4.mul(f32x4.mul(x, x), v128.load32_splat(GELU, 8)));
  return fma(f32x4.mul(x, v128.load32_splat(GELU, 12)), e, phi);
}

/** y = x Φ(x). */
export function gelu(x: usize, y: usize, n: i32): void {
  let end = x + (<usize>n << 2), d = y - x;
  for (; x + 16 < end; x += 32) {
    let a = v128.load(x), b = v128.load(x, 16), p = f32x4.mul(a, below(a)), q = f32x4.mul(b, below(b));
    v128.store(x + d, p); v128.store(x + d, q, 16);
  }
  if (x < end) { let a = v128.load(x); v128.store(x + d, f32x4.mul(a, below(a))); }
}

/** y = x Φ(x), then x = its derivative. In three loops, each with one output, through `scratch`. */
export function geluWithDerivative(x: usize, y: usize, n: i32, scratch: usize): void {
  for (let i = 0; i < n; i += STRETCH) {
    let bytes = <usize>min(STRETCH, n - i) << 2, end = x + bytes, d = scratch - x, e = y - x, p = x;
    for (; p + 16 < end; p += 32) {
      let a = below(v128.load(p)), b = below(v128.load(p, 16));
      v128.store(p + d, a); v128.store(p + d, b, 16);
    }
    if (p < end) v128.store(p + d, below(v128.load(p)));
    for (p = x; p + 16 < end; p += 32) {
      let a = f32x4.mul(v128.load(p), v128.load(p + d)), b = f32x4.mul(v128.load(p, 16), v128.load(p + d, 16));
      v128.store(p + e, a); v128.store(p + e, b, 16);
    }
    if (p < end) v128.store(p + e, f32x4.mul(v128.load(p), v128.load(p + d)));
    for (p = x; p + 16 < end; p += 32) {
      let a = slope(v128.load(p), v128.load(p + d)), b = slope(v128.load(p, 16), v128.load(p + d, 16));
      v128.store(p, a); v128.store(p, b, 16);
    }
    if (p < end) v128.store(p, slope(v128.load(p), v128.load(p + d)));
    x += bytes; y += bytes;
  }
}

/** y = y ∘ the derivative at x. */
export function multiplyGeluSlope(x: usize, y: usize, n: i32): void {
  let end = x + (<usize>n << 2), d = y - x;
  for (; x + 16 < end; x += 32) {
    let a = v128.load(x), b = v128.load(x, 16);
    let p = f32x4.mul(v128.load(x + d), slope(a, below(a))), q = f32x4.mul(v128.load(x + d, 16), slope(b, below(b)));
    v128.store(x + d, p); v128.store(x + d, q, 16);
  }
  if (x < end) { let a = v128.load(x); v128.store(x + d, f32x4.mul(v128.load(x + d), slope(a, below(a)))); }
}
export function multiplyReluSlope(x: usize, y: usize, n: i32): void {
  let zero = f32x4.splat(0);
  for (let end = x + (<usize>n << 2), d = y - x; x < end; x += 16) {
    v128.store(x + d, v128.and(v128.load(x + d), f32x4.gt(v128.load(x), zero)));
  }
}

const ONE = memory.data<f32>([1], 16);

/** y = max(x, 0). */
export function relu(x: usize, y: usize, n: i32): void {
  let zero = f32x4.splat(0);
  for (let end = x + (<usize>n << 2), d = y - x; x < end; x += 16) v128.store(x + d, f32x4.max(v128.load(x), zero));
}
/** y = max(x, 0), then x = 1 where it is above 0, else 0. */
export function reluWithDerivative(x: usize, y: usize, n: i32): void {
  let zero = f32x4.splat(0), one = v128.load32_splat(ONE, 0);
  for (let end = x + (<usize>n << 2), d = y - x; x < end; x += 16) {
    let a = v128.load(x);
    v128.store(x + d, f32x4.max(a, zero));
    v128.store(x, v128.and(one, f32x4.gt(a, zero)));
  }
}

/** y = x². */
export function square(x: usize, y: usize, n: i32): void {
  for (let end = x + (<usize>n << 2), d = y - x; x < end; x += 16) v128.store(x + d, f32x4.mul(v128.load(x), v128.load(x)));
}
/** y = x², then x = 2x. */
export function squareWithDerivative(x: usize, y: usize, n: i32): void {
  for (let end = x + (<usize>n << 2), d = y - x; x < end; x += 16) {
    let a = v128.load(x);
    v128.store(x + d, f32x4.mul(a, a));
    v128.store(x, f32x4.add(a, a));
  }
}
/** y = y ∘ 2x. */
export function multiplySquareSlope(x: usize, y: usize, n: i32): void {
  for (let end = x + (<usize>n << 2), d = y - x; x < end; x += 16) {
    let a = v128.load(x);
    v128.store(x + d, f32x4.mul(v128.load(x + d), f32x4.add(a, a)));
  }
}
