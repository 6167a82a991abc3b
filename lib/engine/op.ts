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
import type { ModelSpec } from "../run/spec.ts";
import type { UpdateOp } from "./update.ts";
import type { Batch, By, ByValue, PositionRows, RowMap, View } from "./view.ts";

export type * from "./update.ts";
export type * from "./view.ts";

export type ActivationName = ModelSpec["activation"];

/** What becomes of each element of a product, in this order. */
export interface Epilogue {
  /** A row that is added to every row. */
  readonly bias?: View;
  /** A matrix that is added, by `rows` where its rows aren't those of C. It may be C itself: then the product is added to what is there. */
  readonly add?: { readonly from: View; readonly rows?: RowMap };
  /** `out`, of the same shape, gets the function of the sum. C keeps the sum, or what `derivative` needs of it; nothing else reads it. */
  readonly activation?: { readonly name: ActivationName; readonly out: View };
  /** The product is multiplied by the function's derivative at what `activation` kept in `pre`, of the same shape. */
  readonly derivative?: { readonly name: ActivationName; readonly pre: View };
}

/** C[m, n] = A · B over k: "nn" is x · W, "nt" is dy · Wᵀ, "tn" is xᵀ · dy, which takes no epilogue. */
export interface Product extends Epilogue {
  readonly op: "product";
  readonly label: string;
  readonly form: "nn" | "nt" | "tn";
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly a: View;
  readonly b: View;
  readonly c: View;
  /** Of "nt": how many columns there are, where B goes on behind its row for the last one; those that pad C become zero. */
  readonly columns?: number;
  /** Of "tn": the gradient of the bias, a row that gets the sums of B's rows; complete before an `update`, or where the list ends. */
  readonly sums?: View;
}

/**
 * out = (x − mean) / σ · w + b for each of so many rows; `stats` keeps (mean, 1/σ), f32[rows, 2]. Eps is `NORM_EPS`, as in PyTorch's
 * LayerNorm. Without b it is RMSNorm: nothing is subtracted, σ = √(mean of x² + eps), and the mean that is kept is 0.
 */
export interface Norm {
  readonly op: "norm";
  readonly label: string;
  readonly rows: number;
  /** Columns that count; those up to the stride are padding. */
  readonly D: number;
  readonly x: View;
  readonly w: View;
  readonly b: View | null;
  readonly stats: string;
  readonly out: View;
}
export const NORM_EPS = 1e-5;

/**
 * dx = (g − mean(g) − x̂ · mean(g · x̂)) / σ with g = dy · w, plus `add`; dw = Σ_rows dy · x̂, db = Σ_rows dy, as complete as `sums`.
 * Without db it is RMSNorm's: no mean(g) is subtracted.
 */
export interface NormBackward {
  readonly op: "normBackward";
  readonly label: string;
  readonly rows: number;
  readonly D: number;
  readonly x: View;
  readonly w: View;
  readonly stats: string;
  readonly dy: View;
  readonly dx: View;
  readonly add?: View;
  readonly dw: View;
  readonly db: View | null;
}

/** What both directions of attention share: the queries of one group (`rows.ts`), and the rows they meet. */
interface Attends extends Batch {
  readonly label: string;
  /** `uniform`: a query's weights are all the same, and there are values alone. */
  readonly weights: "softmax" | "uniform";
  readonly H: number;
  readonly K: number;
  /** What an index counts: examples ("ab"), values of a, or values of b; and how many. Only "ab" reads the batch. */
  readonly over: "a" | "b" | "ab";
  readonly count: number;
  /** Row `base + i` is the query of index i; it sees these positions. At most four. */
  readonly queries: readonly { readonly position: number; readonly base: number; readonly sees: readonly number[] }[];
  /** The positions that any of the queries sees, ascending. */
  readonly keys: readonly PositionRows[];
  /** [input rows, (query, key, value), H, K padded to a multiple of four]; of uniform weights [input rows, H, K]. */
  readonly qkv: View;
  /** f32[output rows, H, 4]: the weights of a query; those of positions it doesn't see are zero. */
  readonly pattern: string;
}

/** pattern = softmax(q · k / √K) over the positions seen; z = pattern · v, [output rows, H, K padded]. */
export interface Attention extends Attends {
  readonly op: "attention";
  readonly z: View;
  /** Rows of `pattern` and z. */
  readonly rows: number;
}

/**
 * dv = patternᵀ · dz, ds = pattern ∘ (dz · v − Σ pattern ∘ dz · v) / √K, dq = ds · k, dk = dsᵀ · q. Rows of an index's own get theirs in
 * `dqkv`. Rows that several indices or groups share get terms in `shared`, [index, position, 3, H, K], which a fold adds; of a position
 * that isn't queried, dq is zero there. Of uniform weights there is dv alone.
 */
export interface AttentionBackward extends Attends {
  readonly op: "attentionBackward";
  readonly rows: number;
  readonly dz: View;
  readonly dqkv: View;
  readonly shared: { readonly positions: readonly number[]; readonly out: View } | null;
}

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
 * What an MLP computes of pairs from tables of a and b: row a[i] of x, and row `second + b[i]`. pre[i] = factor · (their sum) + bias, out =
 * activation(pre).
 */
export interface Pairs extends Batch {
  readonly op: "pairs";
  readonly label: string;
  readonly width: number;
  readonly x: View;
  readonly second: number;
  readonly factor: number;
  readonly bias?: View;
  readonly activation: ActivationName;
  readonly pre: View;
  readonly out: View;
}

/** dx[v] = factor · Σ dy over the examples with a = v, dx[second + v] the same of b; other rows are left alone. */
export interface PairsBackward extends ByValue {
  readonly op: "pairsBackward";
  readonly label: string;
  readonly width: number;
  readonly dy: View;
  readonly dx: View;
  readonly second: number;
  readonly factor: number;
}

/** The gradient of a bias whose product has none of its own to sum it: out = Σ_rows x, as complete as the `sums` of a product. */
export interface Sums {
  readonly op: "sums";
  readonly label: string;
  readonly rows: number;
  readonly width: number;
  readonly x: View;
  readonly out: View;
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

/**
 * The loss of each example and whether its answer is right, f32[B, 2]; where given, dlogits = the gradient of the mean. `optim.loss` in
 * `run/fields.ts` has the formulas; which of the cross-entropies it is, says the run's `stable_loss`.
 */
export interface Loss extends Batch {
  readonly op: "loss";
  readonly label: string;
  readonly kind: "cross-entropy" | "stablemax" | "mse";
  /** Whether the logits are first multiplied by the run's `logit_scale`. */
  readonly scaled: boolean;
  readonly C: number;
  readonly logits: View;
  readonly stats: string;
  readonly dlogits?: View;
}

/** batch = the next draws from the training pairs, or pair i where the run's batch is all of them. */
export interface Sample extends Batch {
  readonly op: "sample";
  readonly label: string;
  /** u32[pairs] */
  readonly pairs: string;
  readonly pairWords: number;
}

/** batch = the next pairs of the whole set, by the chunk that `state` counts; past the end, pair 0 stands in. */
export interface Chunk extends Batch {
  readonly op: "chunk";
  readonly label: string;
  readonly pairs: string;
  readonly pairWords: number;
}

/** The examples of a batch by their values. */
export interface Lists extends ByValue {
  readonly op: "lists";
  readonly label: string;
  readonly batch: string;
}

/** batch_sums += (Σ loss, Σ right, B, 0) and state.step += 1, unless the run has done its steps. */
export interface EndOfStep {
  readonly op: "endOfStep";
  readonly label: string;
  readonly examples: number;
  readonly stats: string;
  readonly sums: string;
}

/**
 * sums += (train loss, train right, val loss, val right) of the chunk's pairs and state.chunk += 1. Pairs are summed in blocks of so many,
 * however long a chunk is: where a block has several, their stats are kept in `kept`, f32[block, 2], and its last one, or the set's, sums.
 */
export interface EndOfChunk {
  readonly op: "endOfChunk";
  readonly label: string;
  readonly examples: number;
  readonly stats: string;
  readonly block: number;
  readonly kept?: string;
  readonly sums: string;
}

/** sum = right answers among the pairs with noisy labels, as far as the evaluation has come; it stands before `endOfChunk`. */
export interface NoisyRight {
  readonly op: "noisyRight";
  readonly label: string;
  readonly examples: number;
  readonly stats: string;
  readonly sum: string;
}

/**
 * `metrics` = what `METRICS` in evaluation.ts lists; sums and chunk start afresh, and where the schedule has an evaluation at this step,
 * the batches' sums.
 */
export interface EndOfEvaluation {
  readonly op: "endOfEvaluation";
  readonly label: string;
  readonly P: number;
  readonly params: string;
  readonly grads: string;
  readonly batchSums: string;
  readonly sums: string;
  readonly metrics: string;
}

/**
 * What the attention log keeps of a layer's patterns over N pairs, fewer where the run has fewer: f32[L, H, T, (mean, variance, entropy),
 * 4], then the patterns of the first S, f32[S, L, H, T, 4].
 */
export interface AttentionSummary {
  readonly op: "attentionSummary";
  readonly label: string;
  /** u32[N] */
  readonly batch: string;
  readonly pattern: string;
  /** Rows of `pattern`. */
  readonly rows: number;
  readonly positions: readonly PositionRows[];
  readonly layer: number;
  readonly N: number;
  readonly S: number;
  readonly H: number;
  readonly T: number;
  /** L · H · T */
  readonly queries: number;
  readonly out: string;
}

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
