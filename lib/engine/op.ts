/**
 * What a step can do, as plain data: operations on named buffers, with sizes as numbers. No device, no tile, no scratch: an executor turns
 * them into its own kernels.
 *
 * Invariants: an operation is written for one run, and every run has its own part of each buffer. A list is done in order. Nothing outside
 * the views named as results is written. Padding (columns beyond a matrix's own, rows beyond its own) is zero in parameters and
 * activations, and stays zero.
 *
 * Legend as in `run/spec.ts`: B examples · T positions · V vocabulary · C classes · D d_model · H heads · K d_head · M d_mlp · P parameters
 * a run.
 */
import type { Layout } from "../run/layout.ts";
import type { Attention, AttentionBackward, Norm, NormBackward, Pairs, PairsBackward, Product, Sums } from "./op/layers.ts";
import type { AttentionSummary, Chunk, EndOfChunk, EndOfEvaluation, EndOfStep, Lists, Loss, NoisyRight, Sample } from "./op/loop.ts";
import type { Embed, EmbedBackward, Fold, Pool, PoolBackward } from "./op/rows.ts";
import type { UpdateOp } from "./op/update.ts";
import type { PositionRows, View } from "./op/view.ts";

export type * from "./op/layers.ts";
export type * from "./op/loop.ts";
export type * from "./op/rows.ts";
export type * from "./op/update.ts";
export type * from "./op/view.ts";
export { NORM_EPS } from "./op/layers.ts";

export type Op =
  | Product
  | Norm
  | NormBackward
  | Attention
  | AttentionBackward
  | Embed
  | EmbedBackward
  | Pairs
  | PairsBackward
  | Sums
  | Fold
  | Pool
  | PoolBackward
  | Loss
  | UpdateOp
  | Sample
  | Chunk
  | Lists
  | EndOfStep
  | NoisyRight
  | EndOfChunk
  | EndOfEvaluation
  | AttentionSummary;

/**
 * The lists of a plan. `batch`: draws a batch and sorts it; where every run's batch is the full one, once is enough. `step`: an update,
 * given the batch. An evaluation: `elements`, what depends on one element, then `chunk`, `chunks` times, then `endOfEvaluation`. `forward`:
 * alone, after `elements`, for pairs that the host wrote into `eval.batch`. `attention`: the attention log of an evaluation; empty where it
 * isn't watched.
 */
export type ListName = "batch" | "step" | "elements" | "chunk" | "forward" | "endOfEvaluation" | "attention";

export interface Plan {
  readonly layout: Layout;
  /** Words of four bytes of a run's part, by buffer; those that nothing writes at first are zero. */
  readonly buffers: ReadonlyMap<string, number>;
  readonly lists: Readonly<Record<ListName, readonly Op[]>>;
  /** Buffers that hold a run's state and move with it when it changes its place; the others are made anew where they are read. */
  readonly state: readonly string[];
  /** Pairs of a chunk, and chunks that cover the whole set. */
  readonly chunkPairs: number;
  readonly chunks: number;
  /** Words of a row of pairs: every pair there could be. */
  readonly pairWords: number;
  /** Where labels are noisy: the buffer of a word for a run, what `noisyRight` sums over an evaluation. */
  readonly noisy?: string;
  /** Where attention is watched: N and S, at most, for a run of an operation with fewer pairs has fewer; and words of a run's summary. */
  readonly attention?: { readonly N: number; readonly S: number; readonly words: number };
  /** Where the list `forward` leaves what a probe looks at; a model without attention has no such places. */
  readonly inside?: Inside;
}

/** What the output head reads, a row for each example; and the last layer's neurons, at the rows of every position that is pooled. */
export interface Inside {
  readonly features: View;
  readonly neurons: View;
  readonly positions: readonly PositionRows[];
}
