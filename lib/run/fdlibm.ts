/**
 * The natural logarithm and the cosine with the same bits on every machine: those of `Math` may differ from one JavaScript engine and one
 * processor to the next, and initial weights are drawn with them. Both come from fdlibm 5.3 (https://www.netlib.org/fdlibm: e_log.c,
 * e_rem_pio2.c, k_cos.c, k_sin.c), for the arguments that are needed here; errors stay below 1 ulp. Its notice:
 *
 * Copyright (C) 1993 by Sun Microsystems, Inc. All rights reserved.
 * Developed at SunSoft, a Sun Microsystems, Inc. business.
 * Permission to use, copy, modify, and distribute this software is freely granted, provided that this notice is preserved.
 */

const value = new Float64Array(1), words = new Uint32Array(value.buffer);
/** Where the word with sign and exponent stands. */
const HIGH = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 1 : 0;

const highWord = (x: number): number => {
  value[0] = x;
  return words[HIGH] | 0;
};
const withHighWord = (x: number, high: number): number => {
  value[0] = x;
  words[HIGH] = high;
  return value[0];
};

const LN2_HIGH = 6.93147180369123816490e-01, LN2_LOW = 1.90821492927058770002e-10;
const L1 = 6.666666666666735130e-01, L2 = 3.999999999940941908e-01, L3 = 2.857142874366239149e-01, L4 = 2.222219843214978396e-01;
const L5 = 1.818357216161805012e-01, L6 = 1.531383769920937332e-01, L7 = 1.479819860511658591e-01;

/** The natural logarithm of 0, which is −∞, or of a normal number above it. */
export function log(x: number): number {
  if (x === 0) return -Infinity;
  let high = highWord(x), k = (high >> 20) - 1023;
  high &= 0x000fffff;
  let i = (high + 0x95f64) & 0x100000;
  const f = withHighWord(x, high | (i ^ 0x3ff00000)) - 1; // x is scaled to √2/2 … √2
  k += i >> 20;
  if ((0x000fffff & (2 + high)) < 3) { // |f| < 2⁻²⁰
    if (f === 0) return k === 0 ? 0 : k * LN2_HIGH + k * LN2_LOW;
    const R = f * f * (0.5 - 0.33333333333333333 * f);
    return k === 0 ? f - R : k * LN2_HIGH - ((R - k * LN2_LOW) - f);
  }
  const s = f / (2 + f), z = s * s, w = z * z;
  i = high - 0x6147a;
  const j = 0x6b851 - high;
  const R = z * (L1 + w * (L3 + w * (L5 + w * L7))) + w * (L2 + w * (L4 + w * L6));
  if ((i | j) > 0) {
    const half = 0.5 * f * f;
    return k === 0 ? f - (half - s * (half + R)) : k * LN2_HIGH - ((half - (s * (half + R) + k * LN2_LOW)) - f);
  }
  return k === 0 ? f - s * (f - R) : k * LN2_HIGH - ((s * (f - R) - k * LN2_LOW) - f);
}

const C1 = 4.16666666666666019037e-02, C2 = -1.38888888888741095749e-03, C3 = 2.48015872894767294178e-05;
const C4 = -2.75573143513906633035e-07, C5 = 2.08757232129817482790e-09, C6 = -1.13596475577881948265e-11;
const S1 = -1.66666666666666324348e-01, S2 = 8.33333333332248946124e-03, S3 = -1.98412698298579493134e-04;
const S4 = 2.75573137070700676789e-06, S5 = -2.50507602534068634195e-08, S6 = 1.58969099521155010221e-10;

/** The cosine of x + y for |x| ≤ π/4, y being the tail of x. */
function cosine(x: number, y: number): number {
  const high = highWord(x) & 0x7fffffff;
  if (high < 0x3e400000) return 1; // |x| < 2⁻²⁷
  const z = x * x, r = z * (C1 + z * (C2 + z * (C3 + z * (C4 + z * (C5 + z * C6)))));
  if (high < 0x3fd33333) return 1 - (0.5 * z - (z * r - x * y)); // |x| < 0.3
  // A quarter of |x|, so that 1 less it is exact.
  const q = high > 0x3fe90000 ? 0.28125 : withHighWord(0, high - 0x00200000);
  return (1 - q) - ((0.5 * z - q) - (z * r - x * y));
}

/** The sine of x + y for |x| ≤ π/4, y being the tail of x. */
function sine(x: number, y: number): number {
  if ((highWord(x) & 0x7fffffff) < 0x3e400000) return x;
  const z = x * x, v = z * x, r = S2 + z * (S3 + z * (S4 + z * (S5 + z * S6)));
  return x - ((z * (0.5 * y - v * r) - y) - v * S1);
}

/** π/2 in three parts of 33 bits each, and what each leaves. */
const PIO2 = [1.57079632673412561417e+00, 6.07710050630396597660e-11, 2.02226624871116645580e-21] as const;
const TAIL = [6.07710050650619224932e-11, 2.02226624879595063154e-21, 8.47842766036889956997e-32] as const;
const INVERSE_PIO2 = 6.36619772367581382433e-01;

/** The cosine of a number from 0 to 20. */
export function cos(x: number): number {
  if (highWord(x) <= 0x3fe921fb) return cosine(x, 0); // |x| ≤ π/4
  const n = Math.floor(x * INVERSE_PIO2 + 0.5), exponent = highWord(x) >> 20;
  let r = x - n * PIO2[0], w = n * TAIL[0], y = r - w;
  // As many parts of π/2 as it takes where x is near to a multiple of it.
  for (const [part, bits] of [[1, 16], [2, 49]] as const) {
    if (exponent - ((highWord(y) >> 20) & 0x7ff) <= bits) break;
    const t = r;
    w = n * PIO2[part];
    r = t - w;
    w = n * TAIL[part] - ((t - r) - w);
    y = r - w;
  }
  const tail = (r - y) - w;
  switch (n & 3) {
    case 0:
      return cosine(y, tail);
    case 1:
      return -sine(y, tail);
    case 2:
      return -cosine(y, tail);
    default:
      return sine(y, tail);
  }
}
