/** Words of a record, shares of a thread, and vectors of four floats. */
import { HEADER } from "./opcode";

/** Argument i of a record. */
@inline export function word(r: usize, i: usize): i32 { return load<i32>(r + ((i + HEADER) << 2)); }
@inline export function real(r: usize, i: usize): f32 { return load<f32>(r + ((i + HEADER) << 2)); }
/** Argument i as an address in the run's arena, or 0. */
@inline export function at(r: usize, i: usize, arena: usize): usize {
  let offset = <usize>load<u32>(r + ((i + HEADER) << 2));
  return offset ? arena + offset : 0;
}

/** Where the share of thread t of nt begins among n things that come in groups of q. */
@inline export function share(n: i32, t: i32, nt: i32, q: i32): i32 { return min(n, ((n + q - 1) / q) * t / nt * q); }

/** a · b + c, rounded once where the processor can: on x86-64 with FMA3 and on ARM64. */
@inline export function fma(a: v128, b: v128, c: v128): v128 { return f32x4.relaxed_madd(a, b, c); }

/**
 * The square root of one number by the instruction for vectors. V8 writes the one for a number in an encoding that waits for hundreds of
 * cycles where 256-bit vectors were used before.
 */
@inline export function root(x: f32): f32 { return f32x4.extract_lane(f32x4.sqrt(f32x4.splat(x)), 0); }

/** The sum of four lanes: (0 + 2) + (1 + 3). */
@inline export function total(v: v128): f32 {
  let t = f32x4.add(v, swapHalves(v));
  return f32x4.extract_lane(t, 0) + f32x4.extract_lane(t, 1);
}
@inline export function swapHalves(v: v128): v128 { return i8x16.shuffle(v, v, 8,9,10,11,12,13,14,15,0,1,2,3,4,5,6,7); }
@inline export function swapPairs(v: v128): v128 { return i8x16.shuffle(v, v, 4,5,6,7,0,1,2,3,12,13,14,15,8,9,10,11); }
/** The sum of four lanes, in each of them. */
@inline export function totals(v: v128): v128 { let t = f32x4.add(v, swapHalves(v)); return f32x4.add(t, swapPairs(t)); }
@inline export function largest(v: v128): v128 { let t = f32x4.max(v, swapHalves(v)); return f32x4.max(t, swapPairs(t)); }

@inline export function lane0(v: v128): v128 { return i8x16.shuffle(v, v, 0,1,2,3,0,1,2,3,0,1,2,3,0,1,2,3); }
@inline export function lane1(v: v128): v128 { return i8x16.shuffle(v, v, 4,5,6,7,4,5,6,7,4,5,6,7,4,5,6,7); }
@inline export function lane2(v: v128): v128 { return i8x16.shuffle(v, v, 8,9,10,11,8,9,10,11,8,9,10,11,8,9,10,11); }
@inline export function lane3(v: v128): v128 { return i8x16.shuffle(v, v, 12,13,14,15,12,13,14,15,12,13,14,15,12,13,14,15); }

/** The even and odd pairs of two vectors' lanes, the first half of a 4 × 4 transpose: (a0 b0 a1 b1) and (a2 b2 a3 b3). */
@inline export function zipLow(a: v128, b: v128): v128 { return i8x16.shuffle(a, b, 0,1,2,3,16,17,18,19,4,5,6,7,20,21,22,23); }
@inline export function zipHigh(a: v128, b: v128): v128 { return i8x16.shuffle(a, b, 8,9,10,11,24,25,26,27,12,13,14,15,28,29,30,31); }
@inline export function lowHalves(a: v128, b: v128): v128 { return i8x16.shuffle(a, b, 0,1,2,3,4,5,6,7,16,17,18,19,20,21,22,23); }
@inline export function highHalves(a: v128, b: v128): v128 { return i8x16.shuffle(a, b, 8,9,10,11,12,13,14,15,24,25,26,27,28,29,30,31); }
@inline export function mixedHalves(a: v128, b: v128): v128 { return i8x16.shuffle(a, b, 0,1,2,3,4,5,6,7,24,25,26,27,28,29,30,31); }

/** The sums of four vectors' lanes, one a lane. */
@inline export function fourTotals(a: v128, b: v128, c: v128, d: v128): v128 {
  let ab = f32x4.add(zipLow(a, b), zipHigh(a, b)), cd = f32x4.add(zipLow(c, d), zipHigh(c, d));
  return f32x4.add(lowHalves(ab, cd), highHalves(ab, cd));
}

/** All bits of the first n lanes. */
@inline export function firstLanes(n: i32): v128 { return i32x4.gt_s(i32x4.splat(n), i32x4(0, 1, 2, 3)); }

const UNFUSED = memory.data<f32>([1.000244140625, -1.00048828125], 16);
/** Whether `fma` rounds once here: (1 + 2⁻¹²)² − (1 + 2⁻¹¹) is 2⁻²⁴ then, and 0 where the product is rounded first. */
export function fuses(): bool {
  let x = v128.load32_splat(UNFUSED, 0);
  return f32x4.extract_lane(fma(x, x, v128.load32_splat(UNFUSED, 4)), 0) != 0;
}
