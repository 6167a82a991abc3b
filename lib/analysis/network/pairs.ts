/**
 * Fourier analysis of functions of a pair (a, b) of residues modulo p, N of them at once: logits, one per class, or neurons.
 * Values lie as [p², N], row a · p + b. h is the largest frequency, o the largest that has a sine: both are (p − 1) / 2 of an odd p; of an
 * even one, h = p / 2 is a cosine alone and o = h − 1. Pure.
 */
import { isAlone, largestFrequency, meanSquare } from "./fourier.ts";

/** The largest frequency that has a sine. */
const largestSine = (p: number) => (p - 1) >> 1;

/**
 * Where the power of functions of (a, b) lies in the plane of their frequencies, as shares of all that varies; the constant part is left
 * out.
 */
export interface PairSpectrum {
  readonly p: number;
  /**
   * [h + 1, p]: row k, column o + l holds the share at the waves e^{2πi(ka + lb) / p} and their conjugates, k = 0 … h, l = −o … h. What
   * depends on a + b alone lies at l = k, on a − b at l = −k, on a alone at l = 0, on b alone in row 0. In rows 0 and p / 2, a wave and its
   * conjugate have a place each. Frequencies l = −p / 2 and p / 2 are one. All shares sum to 1.
   */
  readonly shares: Float64Array;
}

/** The spectrum of N functions taken together. @throws Error where the values are not whole rows of p² pairs. */
export function pairSpectrum(values: ArrayLike<number>, p: number): PairSpectrum {
  const h = largestFrequency(p), o = largestSine(p), waves = wavesOf(p), shares = new Float64Array((h + 1) * p);
  eachBlock(values, p, (over, width) => {
    // One coefficient over b at a time: its course over a.
    const cos = new Float64Array(p * width), sin = new Float64Array(p * width), cosA = cos.slice(), sinA = sin.slice();
    for (let l = 0; l <= h; l++) {
      for (let a = 0; a < p; a++) {
        cos.set(over.subarray((a * p + l) * width, (a * p + l + 1) * width), a * width);
        if (!isAlone(l, p)) sin.set(over.subarray((a * p + h + l) * width, (a * p + h + l + 1) * width), a * width);
      }
      transform(cos, waves, width, cosA);
      if (!isAlone(l, p)) transform(sin, waves, width, sinA);
      for (let k = 0; k <= h; k++) {
        const aloneA = isAlone(k, p), aloneB = isAlone(l, p);
        for (let n = 0; n < width; n++) {
          // Amplitudes along cos ka cos lb and so on; the basis is orthonormal, so their squares are power.
          const cc = cosA[k * width + n], sc = aloneA ? 0 : cosA[(h + k) * width + n];
          const cs = aloneB ? 0 : sinA[k * width + n], ss = aloneA || aloneB ? 0 : sinA[(h + k) * width + n];
          if (aloneA || aloneB) {
            // A wave and its conjugate differ only where b has a sine; where a has none, each has a place.
            const apart = aloneA && !aloneB, power = (cc ** 2 + sc ** 2 + cs ** 2) / (apart ? 2 : 1);
            shares[k * p + o + l] += power;
            if (apart) shares[k * p + o - l] += power;
          } else {
            shares[k * p + o + l] += ((cc - ss) ** 2 + (sc + cs) ** 2) / 2;
            shares[k * p + o - l] += ((cc + ss) ** 2 + (sc - cs) ** 2) / 2;
          }
        }
      }
    }
  });
  const constant = shares[o];
  shares[o] = 0;
  const total = shares.reduce((sum, power) => sum + power, 0);
  return { p, shares: shares.map((power) => total > ROUNDING * constant ? power / total : 0) };
}

/** What single frequencies explain of each of N functions. */
export interface OwnFrequencies {
  /** The frequency that explains most of each, [N]; 0 for one that doesn't vary. */
  readonly frequency: Uint16Array;
  /** How much of its variance that is, [N]. */
  readonly explained: Float64Array;
}

/** A neuron is told by one frequency where that explains so much of its variance (Nanda et al. 2023, section 4.3). */
export const ONE_FREQUENCY = 0.85;

/**
 * For each function the frequency k whose polynomial of degree two in the waves of a and b explains most of its variance: the eight
 * products of {1, cos ka, sin ka} and {1, cos kb, sin kb} other than 1, or three where there is no sine. So Nanda et al. (2023) tell
 * neurons.
 */
export function ownFrequencies(values: ArrayLike<number>, p: number): OwnFrequencies {
  const h = largestFrequency(p), N = values.length / (p * p);
  const frequency = new Uint16Array(N), explained = new Float64Array(N);
  const { cos, sin } = wavesOf(p), constant = 1 / Math.sqrt(p);
  eachBlock(values, p, (over, width, first) => {
    const [along, alongCos, alongSin] = [0, 1, 2].map(() => new Float64Array(width));
    /** Takes one coefficient over b along the constant, the cosine and the sine of frequency k of a. */
    const project = (coefficient: number, k: number) => {
      for (const sum of [along, alongCos, alongSin]) sum.fill(0);
      const scale = scaleOf(k, p), sine = isAlone(k, p) ? 0 : 1;
      for (let a = 0; a < p; a++) {
        const from = (a * p + coefficient) * width, c = scale * cos[k * a % p], s = sine * sin[k * a % p];
        for (let n = 0; n < width; n++) {
          const x = over[from + n];
          along[n] += constant * x;
          alongCos[n] += c * x;
          alongSin[n] += s * x;
        }
      }
    };
    const all = new Float64Array(width), power = new Float64Array(width);
    for (let at = 0; at < over.length; at++) all[at % width] += over[at] ** 2;
    project(0, 0);
    // What rounding leaves of a constant is no variance.
    const variance = all.map((sum, n) => sum - along[n] ** 2 > ROUNDING * sum ? sum - along[n] ** 2 : 0);
    for (let k = 1; k <= h; k++) {
      power.fill(0);
      for (const coefficient of isAlone(k, p) ? [0, k] : [0, k, h + k]) {
        project(coefficient, k);
        for (let n = 0; n < width; n++) power[n] += (coefficient > 0 ? along[n] ** 2 : 0) + alongCos[n] ** 2 + alongSin[n] ** 2;
      }
      for (let n = 0; n < width; n++) {
        if (variance[n] === 0 || power[n] / variance[n] <= explained[first + n]) continue;
        explained[first + n] = power[n] / variance[n];
        frequency[first + n] = k;
      }
    }
  });
  return { frequency, explained };
}

/**
 * Key frequencies by the paper's rule: every frequency that explains most of some function, those of the most functions first, of equals
 * the lower. A network with few of them, most of whose neurons follow one each, computes with all of these, however small a share of the
 * logits a frequency holds. (The code of the paper, `calculate_key_freqs`, leaves out the largest frequency; here it counts.)
 */
export function neuronFrequencies({ frequency }: Pick<OwnFrequencies, "frequency">): number[] {
  const functions = new Map<number, number>();
  for (const k of frequency) if (k > 0) functions.set(k, (functions.get(k) ?? 0) + 1);
  return [...functions].sort(([k, n], [l, m]) => m - n || k - l).map(([k]) => k);
}

/** Power below so much of the constant part's is what f32 leaves of nothing. */
const ROUNDING = 1e-12;

/** Functions that are transformed together: few enough for the cache. */
const BLOCK = 32;

/**
 * Calls `work` with the coefficients over b, [p (a), p (coefficient), width], of some functions at a time, of which the first is number
 * `first`.
 */
function eachBlock(values: ArrayLike<number>, p: number, work: (over: Float64Array, width: number, first: number) => void): void {
  const N = values.length / (p * p), waves = wavesOf(p);
  if (!Number.isInteger(N)) throw new Error(`Cannot analyse pairs: there must be rows of ${p}² values, current value is ${values.length}`);
  for (let first = 0; first < N; first += BLOCK) {
    const width = Math.min(BLOCK, N - first), over = new Float64Array(p * p * width);
    const rows = new Float64Array(p * width);
    for (let a = 0; a < p; a++) {
      for (let b = 0; b < p; b++) {
        const from = (a * p + b) * N + first;
        for (let n = 0; n < width; n++) rows[b * width + n] = values[from + n];
      }
      transform(rows, waves, width, over.subarray(a * p * width, (a + 1) * p * width));
    }
    work(over, width, first);
  }
}

interface Waves {
  readonly cos: Float64Array;
  readonly sin: Float64Array;
}

/** What `wavesOf` has to be multiplied by at frequency k for a cosine of length 1. */
const scaleOf = (k: number, p: number) => Math.sqrt(1 / 2 / meanSquare(k, p));

/** Cosines and sines of 2πj / p, j = 0 … p − 1, scaled so that the waves have length 1 where there are both. */
function wavesOf(p: number): Waves {
  const at = (f: (angle: number) => number) => Float64Array.from({ length: p }, (_, j) => Math.sqrt(2 / p) * f(2 * Math.PI * j / p));
  return { cos: at(Math.cos), sin: at(Math.sin) };
}

/**
 * Coefficients of p rows of `width` values in the orthonormal real Fourier basis: row 0 the constant, k = 1 … h the cosines, h + k the
 * sines up to o. Rows j and p − j are folded first, which halves the work; and four rows are taken at a time.
 */
function transform(rows: Float64Array, { cos, sin }: Waves, width: number, into: Float64Array): void {
  const p = cos.length, h = largestFrequency(p), o = largestSine(p);
  const even = new Float64Array(o * width), odd = new Float64Array(o * width);
  // Of an even p, the row in the middle is folded with none: no sine is there either.
  const middle = h > o ? rows.subarray(h * width, (h + 1) * width) : null;
  for (let j = 1; j <= o; j++) {
    for (let n = 0; n < width; n++) {
      const x = rows[j * width + n], y = rows[(p - j) * width + n];
      even[(j - 1) * width + n] = x + y;
      odd[(j - 1) * width + n] = x - y;
    }
  }
  for (let n = 0; n < width; n++) {
    let sum = rows[n] + (middle?.[n] ?? 0);
    for (let j = 0; j < o; j++) sum += even[j * width + n];
    into[n] = sum / Math.sqrt(p);
  }
  for (let k = 1; k <= h; k++) {
    const cosines = into.subarray(k * width, (k + 1) * width), scale = scaleOf(k, p);
    for (let n = 0; n < width; n++) cosines[n] = cos[0] * rows[n] + (middle ? cos[k * h % p] * middle[n] : 0); // row 0 has no sine
    combine(even, cos, k, width, cosines);
    if (scale !== 1) cosines.forEach((x, n) => cosines[n] = scale * x);
    if (k > o) continue;
    const sines = into.subarray((h + k) * width, (h + k + 1) * width).fill(0);
    combine(odd, sin, k, width, sines);
  }
}

/** Adds Σ_j wave[kj mod p] · folded[j − 1], j = 1 … o, to `into`, [width]. */
function combine(folded: Float64Array, wave: Float64Array, k: number, width: number, into: Float64Array): void {
  const p = wave.length, o = largestSine(p);
  let j = 0;
  for (; j + 4 <= o; j += 4) {
    const [w0, w1, w2, w3] = [wave[k * (j + 1) % p], wave[k * (j + 2) % p], wave[k * (j + 3) % p], wave[k * (j + 4) % p]];
    const from0 = j * width, from1 = from0 + width, from2 = from1 + width, from3 = from2 + width;
    for (let n = 0; n < width; n++) {
      into[n] += w0 * folded[from0 + n] + w1 * folded[from1 + n] + w2 * folded[from2 + n] + w3 * folded[from3 + n];
    }
  }
  for (; j < o; j++) {
    const w = wave[k * (j + 1) % p];
    for (let n = 0; n < width; n++) into[n] += w * folded[j * width + n];
  }
}
