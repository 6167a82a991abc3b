/** The inner loops of all products: six rows of 8 columns, or of 16 where V8 packs pairs of vectors. Don't unroll k: it is slower. */
import { fma } from "./simd";

/**
 * c[6, 8] = (a · b + bias) + add, k in order, each product and sum rounded once. a is a packed strip [k, 6], b a packed panel [k, 8]; bias
 * is one row of 8; add has rows of `ldd` bytes.
 */
export function tile8(a: usize, b: usize, k: i32, c: usize, ldc: usize, bias: usize, add: usize, ldd: usize): void {
  let zero = f32x4.splat(0), x: v128;
  let c00 = zero, c01 = zero;
  let c10 = zero, c11 = zero;
  let c20 = zero, c21 = zero;
  let c30 = zero, c31 = zero;
  let c40 = zero, c41 = zero;
  let c50 = zero, c51 = zero;
  let end = b + (<usize>k) * 32;
  while (b < end) {
    let b0 = v128.load(b), b1 = v128.load(b, 16);
    x = v128.load32_splat(a); c00 = fma(x, b0, c00); c01 = fma(x, b1, c01);
    x = v128.load32_splat(a, 4); c10 = fma(x, b0, c10); c11 = fma(x, b1, c11);
    x = v128.load32_splat(a, 8); c20 = fma(x, b0, c20); c21 = fma(x, b1, c21);
    x = v128.load32_splat(a, 12); c30 = fma(x, b0, c30); c31 = fma(x, b1, c31);
    x = v128.load32_splat(a, 16); c40 = fma(x, b0, c40); c41 = fma(x, b1, c41);
    x = v128.load32_splat(a, 20); c50 = fma(x, b0, c50); c51 = fma(x, b1, c51);
    a += 24; b += 32;
  }
  let q0 = v128.load(bias), q1 = v128.load(bias, 16);
  c00 = f32x4.add(f32x4.add(c00, q0), v128.load(add)); c01 = f32x4.add(f32x4.add(c01, q1), v128.load(add, 16));
  v128.store(c, c00); v128.store(c, c01, 16);
  c += ldc; add += ldd;
  c10 = f32x4.add(f32x4.add(c10, q0), v128.load(add)); c11 = f32x4.add(f32x4.add(c11, q1), v128.load(add, 16));
  v128.store(c, c10); v128.store(c, c11, 16);
  c += ldc; add += ldd;
  c20 = f32x4.add(f32x4.add(c20, q0), v128.load(add)); c21 = f32x4.add(f32x4.add(c21, q1), v128.load(add, 16));
  v128.store(c, c20); v128.store(c, c21, 16);
  c += ldc; add += ldd;
  c30 = f32x4.add(f32x4.add(c30, q0), v128.load(add)); c31 = f32x4.add(f32x4.add(c31, q1), v128.load(add, 16));
  v128.store(c, c30); v128.store(c, c31, 16);
  c += ldc; add += ldd;
  c40 = f32x4.add(f32x4.add(c40, q0), v128.load(add)); c41 = f32x4.add(f32x4.add(c41, q1), v128.load(add, 16));
  v128.store(c, c40); v128.store(c, c41, 16);
  c += ldc; add += ldd;
  c50 = f32x4.add(f32x4.add(c50, q0), v128.load(add)); c51 = f32x4.add(f32x4.add(c51, q1), v128.load(add, 16));
  v128.store(c, c50); v128.store(c, c51, 16);
}

/** The same for 16 columns. */
export function tile16(a: usize, b: usize, k: i32, c: usize, ldc: usize, bias: usize, add: usize, ldd: usize): void {
  let zero = f32x4.splat(0), x: v128;
  let c00 = zero, c01 = zero, c02 = zero, c03 = zero;
  let c10 = zero, c11 = zero, c12 = zero, c13 = zero;
  let c20 = zero, c21 = zero, c22 = zero, c23 = zero;
  let c30 = zero, c31 = zero, c32 = zero, c33 = zero;
  let c40 = zero, c41 = zero, c42 = zero, c43 = zero;
  let c50 = zero, c51 = zero, c52 = zero, c53 = zero;
  let end = b + (<usize>k) * 64;
  while (b < end) {
    let b0 = v128.load(b), b1 = v128.load(b, 16), b2 = v128.load(b, 32), b3 = v128.load(b, 48);
    x = v128.load32_splat(a); c00 = fma(x, b0, c00); c01 = fma(x, b1, c01); c02 = fma(x, b2, c02); c03 = fma(x, b3, c03);
    x = v128.load32_splat(a, 4); c10 = fma(x, b0, c10); c11 = fma(x, b1, c11); c12 = fma(x, b2, c12); c13 = fma(x, b3, c13);
    x = v128.load32_splat(a, 8); c20 = fma(x, b0, c20); c21 = fma(x, b1, c21); c22 = fma(x, b2, c22); c23 = fma(x, b3, c23);
    x = v128.load32_splat(a, 12); c30 = fma(x, b0, c30); c31 = fma(x, b1, c31); c32 = fma(x, b2, c32); c33 = fma(x, b3, c33);
    x = v128.load32_splat(a, 16); c40 = fma(x, b0, c40); c41 = fma(x, b1, c41); c42 = fma(x, b2, c42); c43 = fma(x, b3, c43);
    x = v128.load32_splat(a, 20); c50 = fma(x, b0, c50); c51 = fma(x, b1, c51); c52 = fma(x, b2, c52); c53 = fma(x, b3, c53);
    a += 24; b += 64;
  }
  let q0 = v128.load(bias), q1 = v128.load(bias, 16), q2 = v128.load(bias, 32), q3 = v128.load(bias, 48);
  c00 = f32x4.add(f32x4.add(c00, q0), v128.load(add)); c01 = f32x4.add(f32x4.add(c01, q1), v128.load(add, 16));
  c02 = f32x4.add(f32x4.add(c02, q2), v128.load(add, 32)); c03 = f32x4.add(f32x4.add(c03, q3), v128.load(add, 48));
  v128.store(c, c00); v128.store(c, c01, 16); v128.store(c, c02, 32); v128.store(c, c03, 48);
  c += ldc; add += ldd;
  c10 = f32x4.add(f32x4.add(c10, q0), v128.load(add)); c11 = f32x4.add(f32x4.add(c11, q1), v128.load(add, 16));
  c12 = f32x4.add(f32x4.add(c12, q2), v128.load(add, 32)); c13 = f32x4.add(f32x4.add(c13, q3), v128.load(add, 48));
  v128.store(c, c10); v128.store(c, c11, 16); v128.store(c, c12, 32); v128.store(c, c13, 48);
  c += ldc; add += ldd;
  c20 = f32x4.add(f32x4.add(c20, q0), v128.load(add)); c21 = f32x4.add(f32x4.add(c21, q1), v128.load(add, 16));
  c22 = f32x4.add(f32x4.add(c22, q2), v128.load(add, 32)); c23 = f32x4.add(f32x4.add(c23, q3), v128.load(add, 48));
  v128.store(c, c20); v128.store(c, c21, 16); v128.store(c, c22, 32); v128.store(c, c23, 48);
  c += ldc; add += ldd;
  c30 = f32x4.add(f32x4.add(c30, q0), v128.load(add)); c31 = f32x4.add(f32x4.add(c31, q1), v128.load(add, 16));
  c32 = f32x4.add(f32x4.add(c32, q2), v128.load(add, 32)); c33 = f32x4.add(f32x4.add(c33, q3), v128.load(add, 48));
  v128.store(c, c30); v128.store(c, c31, 16); v128.store(c, c32, 32); v128.store(c, c33, 48);
  c += ldc; add += ldd;
  c40 = f32x4.add(f32x4.add(c40, q0), v128.load(add)); c41 = f32x4.add(f32x4.add(c41, q1), v128.load(add, 16));
  c42 = f32x4.add(f32x4.add(c42, q2), v128.load(add, 32)); c43 = f32x4.add(f32x4.add(c43, q3), v128.load(add, 48));
  v128.store(c, c40); v128.store(c, c41, 16); v128.store(c, c42, 32); v128.store(c, c43, 48);
  c += ldc; add += ldd;
  c50 = f32x4.add(f32x4.add(c50, q0), v128.load(add)); c51 = f32x4.add(f32x4.add(c51, q1), v128.load(add, 16));
  c52 = f32x4.add(f32x4.add(c52, q2), v128.load(add, 32)); c53 = f32x4.add(f32x4.add(c53, q3), v128.load(add, 48));
  v128.store(c, c50); v128.store(c, c51, 16); v128.store(c, c52, 32); v128.store(c, c53, 48);
}

/** Columns of a tile: 8 or 16, whichever is faster here. No bit depends on it. */
export let columnsOfTile: i32 = 8;
export function setTile(columns: i32): void { columnsOfTile = columns; }

/** A row of zeros, for a product without bias or without anything added. */
export const ZEROS: usize = memory.data(64, 16);

/** One tile: c gets `rows` × `columns` of it, through `scratch` where that is less than a whole one. bias, add: 0 for none. */
export function tile(
  a: usize, rows: i32, b: usize, columns: i32, k: i32, c: usize, ldc: usize, bias: usize, add: usize, ldd: usize, scratch: usize,
): void {
  let width = columnsOfTile;
  if (!bias) bias = ZEROS;
  if (!add) { add = ZEROS; ldd = 0; }
  if (rows >= 6 && columns >= width) {
    if (width == 8) tile8(a, b, k, c, ldc, bias, add, ldd);
    else tile16(a, b, k, c, ldc, bias, add, ldd);
    return;
  }
  let row = <usize>width << 2, n = <usize>min(columns, width) << 2;
  if (width == 8) tile8(a, b, k, scratch, row, ZEROS, ZEROS, 0);
  else tile16(a, b, k, scratch, row, ZEROS, ZEROS, 0);
  for (let i = 0; i < min(rows, 6); i++) {
    for (let o: usize = 0; o < n; o += 16) {
      let q = bias == ZEROS ? f32x4.splat(0) : v128.load(bias + o), d = ldd == 0 ? f32x4.splat(0) : v128.load(add + o);
      v128.store(c + o, f32x4.add(f32x4.add(v128.load(scratch + o), q), d));
    }
    scratch += row; c += ldc; add += ldd;
  }
}
