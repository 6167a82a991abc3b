/**
 * The fixed position table of Vaswani et al., "Attention is all you need" (NIPS 2017, section 3.5), by additions and multiplications alone,
 * so that its bits are the same on every machine.
 */

/** e^x for x from −10 to 0. */
function exp(x: number): number {
  const part = x / 256;
  let sum = 1, term = 1;
  for (let n = 1; n <= 12; n++) sum += term *= part / n;
  for (let i = 0; i < 8; i++) sum *= sum;
  return sum;
}

/** Cosine and sine of an angle from 0 to 1. */
function turn(angle: number): readonly [cos: number, sin: number] {
  let cos = 0, sin = 0, term = 1;
  for (let n = 0; n <= 20; n += 2) {
    cos += term;
    sin += term *= angle / (n + 1);
    term *= -angle / (n + 2);
  }
  return [cos, sin];
}

const LN_10000 = 9.210340371976184;

/** f64[rows, D], row-major: column 2i of row t is sin(t / 10000^(2i / D)), column 2i + 1 the cosine of the same. */
export function sinusoids(rows: number, D: number): Float64Array {
  const table = new Float64Array(rows * D);
  for (let i = 0; i < D; i += 2) {
    const [c, s] = turn(exp(-LN_10000 * i / D));
    let cos = 1, sin = 0;
    for (let t = 0; t < rows; t++) {
      table[t * D + i] = sin;
      if (i + 1 < D) table[t * D + i + 1] = cos;
      [cos, sin] = [cos * c - sin * s, sin * c + cos * s];
    }
  }
  return table;
}
