/** Operations between rows: from tokens to rows, from rows to the examples that share them, and their gradients. */
import type { Batch, By, ByValue, PositionRows, View } from "./view.ts";

/** The token of a position's rows: row `base` of W_E, or for elements `base + i`, `base + a[i]`, `base + b[i]`. */
export interface Token {
  readonly by: By | "constant";
  readonly base: number;
}

/** Rows of the residual stream before layer 0: those of one position. Row `first + i` has index i. */
export interface EmbedSegment {
  readonly first: number;
  readonly count: number;
  readonly position: number;
  readonly token: Token;
}

/** out[row] = W_E[token] + W_pos[position] */
export interface Embed extends Batch {
  readonly op: "embed";
  readonly label: string;
  readonly segments: readonly EmbedSegment[];
  readonly W_E: View;
  readonly W_pos: View;
  readonly out: View;
}

/**
 * dW_E[token] and dW_pos[position] = sums of the rows of dx that used them; `V` tokens, `T` positions, elements from token `firstElement`.
 */
export interface EmbedBackward extends ByValue {
  readonly op: "embedBackward";
  readonly label: string;
  readonly segments: readonly EmbedSegment[];
  readonly V: number;
  readonly T: number;
  readonly firstElement: number;
  readonly dx: View;
  readonly dW_E: View;
  readonly dW_pos: View;
  /** Row v is added to the gradient of element v: what tied embeddings get as the output head. */
  readonly head?: View;
}

/**
 * Terms of a row: row i of x for "index"; for "a" and "b" the sum of the rows of x, one an example, whose example has value i. Rows of C
 * values.
 */
export interface FoldSource {
  readonly by: By;
  readonly x: View;
  /** The first column that counts; those before it add nothing. */
  readonly from?: number;
}

/**
 * out[first + i] = Σ of the sources of i, in their order, over `width` columns; zero without any. Rows outside the segments are left alone.
 */
export interface Fold extends ByValue {
  readonly op: "fold";
  readonly label: string;
  readonly segments: readonly { readonly first: number; readonly count: number; readonly sources: readonly FoldSource[] }[];
  readonly width: number;
  readonly out: View;
}

/** out[example] = the mean over positions of x at the example's row there. */
export interface Pool extends Batch {
  readonly op: "pool";
  readonly label: string;
  readonly positions: readonly PositionRows[];
  readonly width: number;
  readonly x: View;
  readonly out: View;
}

/** dx[row] = Σ over the row's examples of dy / T. */
export interface PoolBackward extends ByValue {
  readonly op: "poolBackward";
  readonly label: string;
  readonly positions: readonly PositionRows[];
  readonly width: number;
  readonly dy: View;
  readonly dx: View;
}
