/** The operations around a network: which pairs are next, the loss, and what is counted at the end of a step, a chunk, an evaluation. */
import type { Batch, ByValue, PositionRows, View } from "./view.ts";

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
 * `metrics` = what `METRIC_WORDS` in evaluation.ts lists; sums and chunk start afresh, and at multiples of `eval_every` the batches' sums.
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
