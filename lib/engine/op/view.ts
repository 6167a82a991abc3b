/** Where the operands of operations lie: matrices in buffers, and which row belongs to which index. */

/** A matrix of f32: rows of `stride` words from word `offset` of a run's part of a buffer. All numbers are multiples of four. */
export interface View {
  readonly buffer: string;
  readonly offset: number;
  readonly stride: number;
  /**
   * Words that this use has of a run's part: all rows of the activation, or P. Where uses take turns, the buffer itself may be larger; an
   * executor may place runs by the words of a use, so what is written is read by uses of as many.
   */
  readonly words: number;
}

/** How an index finds a row: by itself, or by a or b of its example's pair. */
export type By = "index" | "a" | "b";

/** `count` rows from `base`; the row of index i is `base + i`, `base + a[i]` or `base + b[i]`. */
export interface RowsBy {
  readonly by: By;
  readonly base: number;
  readonly count: number;
}

/** The rows of one position of the sequence. */
export interface PositionRows extends RowsBy {
  readonly position: number;
}

/** The batch that pairs are read from, u32[examples]: `rows.ts` says how a pair is packed. */
export interface Batch {
  readonly batch: string;
  readonly examples: number;
}

/**
 * For rows of C, the rows of another matrix: row `first + i` stands at the row that `to` gives for i. The segments cover all rows, in
 * order.
 */
export interface RowMap extends Batch {
  readonly segments: readonly { readonly first: number; readonly count: number; readonly to: RowsBy }[];
}

/** Examples by a (side 0) and by b (side 1), as `lists` leaves them: u32[2, C + 1 + B], starts and then examples in ascending order. */
export interface ByValue {
  readonly lists: string;
  readonly B: number;
  /** Values of a and of b: the elements, without extra classes. */
  readonly C: number;
}
