/**
 * How a network lays out the answers before its output head: the mean feature vector of each answer, how alike they are, and how far that
 * likeness is a matter of the distance (i − j) mod p alone, as it is where the answers lie on circles. Pure.
 */
import type { Matrix } from "./fourier.ts";

/**
 * The mean of the features [pairs, D] over the pairs that have each answer, [C, D]; zero for an answer that none has. `answers`: [pairs].
 */
export function classMeans(features: ArrayLike<number>, answers: ArrayLike<number>, classes: number): Matrix {
  const pairs = answers.length, columns = features.length / pairs;
  const values = new Float64Array(classes * columns), counts = new Float64Array(classes);
  for (let pair = 0; pair < pairs; pair++) {
    const row = answers[pair] * columns, from = pair * columns;
    counts[answers[pair]]++;
    for (let d = 0; d < columns; d++) values[row + d] += features[from + d];
  }
  return { rows: classes, columns, values: values.map((sum, at) => sum / Math.max(1, counts[Math.floor(at / columns)])) };
}

export interface CosineOptions {
  /**
   * Whether the mean of all rows is taken off first. Default: true. What all rows share (a bias, ReLU's being positive) says nothing of
   * their layout, and would make every two of them alike.
   */
  readonly centred?: boolean;
}

/** The cosine of the angle between every two rows, [rows, rows], from −1 to 1; 0 where one of them is zero. */
export function cosineSimilarity({ rows, columns, values }: Matrix, { centred = true }: CosineOptions = {}): Matrix {
  const mean = new Float64Array(columns), unit = Float64Array.from(values);
  let all = 0;
  for (let at = 0; at < unit.length; at++) {
    all += unit[at] ** 2;
    if (centred) mean[at % columns] += unit[at] / rows;
  }
  for (let i = 0; i < rows; i++) {
    const row = unit.subarray(i * columns, (i + 1) * columns);
    row.forEach((value, d) => row[d] = value - mean[d]);
    const squares = row.reduce((sum, x) => sum + x * x, 0);
    // What rounding leaves of rows that are all the same has no direction.
    const length = squares > ROUNDING * all / rows ? Math.sqrt(squares) : Infinity;
    row.forEach((value, d) => row[d] = value / length);
  }
  const cosines = new Float64Array(rows * rows);
  for (let i = 0; i < rows; i++) {
    for (let j = i; j < rows; j++) {
      let sum = 0;
      for (let d = 0; d < columns; d++) sum += unit[i * columns + d] * unit[j * columns + d];
      cosines[i * rows + j] = cosines[j * rows + i] = Math.max(-1, Math.min(1, sum));
    }
  }
  return { rows, columns: rows, values: cosines };
}

/** Squares below so much of the mean are rounding: features are f32. */
const ROUNDING = 1e-12;

/** How far a p × p matrix is circulant, that is, a function of (i − j) mod p. */
export interface Circulant {
  /** The mean of the entries at each distance (i − j) mod p, [p]. */
  readonly profile: Float64Array;
  /**
   * The share of the variance of the entries off the diagonal that their distance explains: 1 where the matrix is circulant, about 1 / p
   * for a symmetric one without structure, 0 where nothing varies.
   */
  readonly share: number;
}

/** How far a matrix is circulant. The diagonal doesn't count: of a cosine matrix it is 1 in any case. */
export function circulant({ rows: p, values }: Matrix): Circulant {
  const profile = new Float64Array(p);
  for (let i = 0; i < p; i++) for (let j = 0; j < p; j++) profile[(i - j + p) % p] += values[i * p + j] / p;
  const mean = profile.subarray(1).reduce((sum, x) => sum + x, 0) / (p - 1);
  let all = 0, within = 0, size = 0;
  for (let i = 0; i < p; i++) {
    for (let j = 0; j < p; j++) {
      if (i === j) continue;
      const value = values[i * p + j];
      all += (value - mean) ** 2;
      within += (value - profile[(i - j + p) % p]) ** 2;
      size += value ** 2;
    }
  }
  return { profile, share: all > 1e-20 * size ? Math.max(0, 1 - within / all) : 0 };
}
