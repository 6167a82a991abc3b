/**
 * Fourier analysis of what depends on a residue a = 0 … p − 1: the embedding, above all. A network that adds modulo p comes to hold each
 * number as points on a few circles, cos(2πka / p) and sin(2πka / p) for a handful of frequencies k (Nanda et al., "Progress measures for
 * grokking via mechanistic interpretability", ICLR 2023).
 */

/**
 * The largest frequency h of functions of a residue modulo p: k = 1 … h are all there are. Of an even p, h = p / 2 is the one frequency
 * that has a cosine, (−1)^a, and no sine.
 */
export const largestFrequency = (p: number): number => p >> 1;

/** Whether the waves of frequency k modulo p are a cosine alone: 0, which is the constant, and p / 2. */
export const isAlone = (k: number, p: number): boolean => k === 0 || 2 * k === p;

/** The mean square of cos(2πka / p) over the residues a, k from 1. */
export const meanSquare = (k: number, p: number): number => isAlone(k, p) ? 1 : 1 / 2;

/** A matrix, row-major f32[rows, columns]. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly values: ArrayLike<number>;
}

/**
 * The parts of each column that go with cos and with sin of frequency k, both unit vectors over the rows: two vectors of `columns` numbers.
 * Where there is no sine, its part is 0.
 */
function components({ rows: p, columns, values }: Matrix, k: number): { readonly cos: Float64Array; readonly sin: Float64Array } {
  const cos = new Float64Array(columns), sin = new Float64Array(columns);
  const scale = 1 / Math.sqrt(p * meanSquare(k, p)), sine = isAlone(k, p) ? 0 : scale;
  for (let a = 0; a < p; a++) {
    // k · a modulo p first: the angle stays small and exact.
    const angle = 2 * Math.PI * (k * a % p) / p, c = scale * Math.cos(angle), s = sine * Math.sin(angle);
    for (let d = 0; d < columns; d++) {
      cos[d] += c * values[a * columns + d];
      sin[d] += s * values[a * columns + d];
    }
  }
  return { cos, sin };
}

/**
 * The power of each frequency k = 1 … h in a matrix whose rows are the residues, as a share of all that varies over them; the constant part
 * is left out. Shares sum to 1; all are 0 where nothing varies.
 */
export function powerSpectrum(matrix: Matrix): Float64Array {
  const powers = Float64Array.from({ length: largestFrequency(matrix.rows) }, (_, i) => {
    const { cos, sin } = components(matrix, i + 1);
    return squares(cos) + squares(sin);
  });
  const total = powers.reduce((sum, power) => sum + power, 0);
  // What is left of a constant by rounding is no power.
  const all = Array.from(matrix.values).reduce((sum, x) => sum + x * x, 0);
  return powers.map((power) => total > 1e-20 * all ? power / total : 0);
}

/** The frequencies with the most power, the strongest first. */
export function strongest(spectrum: ArrayLike<number>, n: number): number[] {
  return Array.from(spectrum, (power, i) => ({ power, k: i + 1 })).sort((a, b) => b.power - a.power).slice(0, n).map(({ k }) => k);
}

/**
 * Each row as a point in the plane that frequency k spans: its coordinates along the two orthonormal directions nearest to the columns' cos
 * and sin parts. Where the rows hold the frequency as a circle, the points lie on one, and a number's place on it turns by 2πk / p with
 * each step.
 */
export function plane(matrix: Matrix, k: number): { readonly x: number; readonly y: number }[] {
  const { cos, sin } = components(matrix, k);
  const [u, v] = orthonormal(cos, sin);
  const { rows, columns, values } = matrix;
  const means = Array.from({ length: columns }, (_, d) => {
    let sum = 0;
    for (let a = 0; a < rows; a++) sum += values[a * columns + d];
    return sum / rows;
  });
  return Array.from({ length: rows }, (_, a) => {
    let x = 0, y = 0;
    for (let d = 0; d < columns; d++) {
      const value = values[a * columns + d] - means[d];
      x += value * u[d];
      y += value * v[d];
    }
    return { x, y };
  });
}

const squares = (vector: Float64Array) => vector.reduce((sum, x) => sum + x * x, 0);
const product = (a: Float64Array, b: Float64Array) => a.reduce((sum, x, i) => sum + x * b[i], 0);

/**
 * The orthonormal pair in the plane of two vectors that lies nearest to them (the polar factor, by symmetric orthogonalisation: Löwdin
 * 1950), so that neither is preferred. Parallel vectors span no plane: then the second is zero.
 */
function orthonormal(a: Float64Array, b: Float64Array): readonly [Float64Array, Float64Array] {
  const aa = product(a, a), ab = product(a, b), bb = product(b, b);
  const root = Math.sqrt(Math.max(0, aa * bb - ab * ab)), trace = Math.sqrt(aa + bb + 2 * root);
  if (aa + bb === 0) return [a, b];
  if (root <= 1e-12 * (aa + bb)) {
    const [longer, norm] = aa >= bb ? [a, Math.sqrt(aa)] : [b, Math.sqrt(bb)];
    return [longer.map((x) => x / norm), longer.map(() => 0)];
  }
  // G^(−1/2) of the Gram matrix G, in closed form for two by two.
  const scale = 1 / (root * trace), p = scale * (bb + root), q = -scale * ab, r = scale * (aa + root);
  return [a.map((x, i) => p * x + q * b[i]), a.map((x, i) => q * x + r * b[i])];
}
