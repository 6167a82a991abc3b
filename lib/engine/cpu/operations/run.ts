/** Records of a run's course: batches, loss, sums and metrics. */
import { METRIC_STRIDE } from "../../evaluation.ts";
import { HYPER_WORDS, STATE_WORDS } from "../../hyper.ts";
import type { ByValue, EndOfChunk, EndOfEvaluation, Loss, Sample } from "../../op.ts";
import { pad4 } from "../../../run/layout.ts";
import {
  CHUNK,
  END_OF_CHUNK,
  END_OF_EVALUATION,
  END_OF_STEP,
  LISTS,
  LOSS,
  LOSS_CROSS_ENTROPY,
  LOSS_MSE,
  LOSS_STABLEMAX,
  NOISY_RIGHT,
  REST,
  SAMPLE,
} from "../kernels/opcode.ts";
import { reads, type Record, writes } from "../records.ts";

/** What a batch is drawn from. */
type Draw = Pick<Sample, "batch" | "examples" | "pairs" | "pairWords">;

export const hyper = reads("hyper", 0, HYPER_WORDS);
export const state = reads("state", 0, STATE_WORDS);

/** Ends the list for a run that has done its steps. */
export const rest = (): Record => ({ label: "the end, where no steps are left", opcode: REST, args: [state], flop: 0, bytes: 0 });

/** batch = the next draws from the training pairs. */
export const sample = (label: string, { batch, examples, pairs, pairWords }: Draw): Record => ({
  label,
  opcode: SAMPLE,
  args: [hyper, state, reads(pairs, 0, pairWords), writes(batch, 0, examples), examples],
  flop: 0,
  bytes: 8 * examples,
});

/** The next pairs of the whole set. */
export const chunk = (label: string, { batch, examples, pairs, pairWords }: Draw): Record => ({
  label,
  opcode: CHUNK,
  args: [hyper, state, reads(pairs, 0, pairWords), writes(batch, 0, examples), examples],
  flop: 0,
  bytes: 8 * examples,
});

/** Words of one side of `lists`. */
export const listSide = (B: number, C: number) => C + 1 + B;

/** lists = the examples by a and by b. */
export const lists = (label: string, batch: string, { lists, B, C }: ByValue): Record => ({
  label,
  opcode: LISTS,
  args: [reads(batch, 0, B), writes(lists, 0, 2 * listSide(B, C)), B, C],
  flop: 0,
  bytes: 16 * B,
});

const LOSS_KIND = { "cross-entropy": LOSS_CROSS_ENTROPY, stablemax: LOSS_STABLEMAX, mse: LOSS_MSE } as const;

/** stats = loss and right of each example; dlogits their gradient, where given. */
export function loss(
  label: string,
  { kind, scaled, batch, logits, stats, dlogits, examples, C }: {
    readonly kind: Loss["kind"];
    readonly scaled: boolean;
    readonly batch: string;
    readonly logits: string;
    readonly stats: string;
    readonly dlogits?: string | undefined;
    readonly examples: number;
    readonly C: number;
  },
): Record {
  const words = examples * pad4(C);
  return {
    label,
    opcode: LOSS,
    args: [
      hyper,
      reads(batch, 0, examples),
      writes(logits, 0, words),
      writes(stats, 0, 2 * examples),
      dlogits === undefined ? null : writes(dlogits, 0, words),
      examples,
      C,
      LOSS_KIND[kind],
      Number(scaled),
    ],
    flop: 8 * examples * C,
    bytes: (dlogits === undefined ? 4 : 8) * examples * C,
  };
}

/** What sums are made of, and where they are kept. */
export interface Sums {
  readonly examples: number;
  readonly stats: string;
  readonly sums: string;
}

/** sums += stats; step += 1. */
export const endOfStep = (label: string, { examples, stats, sums }: Sums): Record => ({
  label,
  opcode: END_OF_STEP,
  args: [writes("state", 0, STATE_WORDS), reads(stats, 0, 2 * examples), writes(sums, 0, 4), examples],
  flop: 2 * examples,
  bytes: 8 * examples,
});

/** sums += stats of the chunk, or of the block that it completes; chunk += 1. */
export const endOfChunk = (label: string, { examples, stats, block, kept, sums }: Sums & Pick<EndOfChunk, "block" | "kept">): Record => ({
  label,
  opcode: END_OF_CHUNK,
  args: [
    hyper,
    writes("state", 0, STATE_WORDS),
    reads(stats, 0, 2 * examples),
    writes(sums, 0, 4),
    examples,
    kept ? writes(kept, 0, 2 * block) : null,
    block,
  ],
  flop: 2 * examples,
  bytes: 8 * examples,
});

/** sum += right answers of the chunk by noisy labels. */
export const noisyRight = (label: string, { examples, stats, sums }: Sums): Record => ({
  label,
  opcode: NOISY_RIGHT,
  args: [hyper, state, reads(stats, 0, 2 * examples), writes(sums, 0, 1), examples],
  flop: examples,
  bytes: 8 * examples,
});

/** metrics = means and norms. */
export const endOfEvaluation = ({ label, P, params, grads, batchSums, sums, metrics }: Omit<EndOfEvaluation, "op">): Record => ({
  label,
  opcode: END_OF_EVALUATION,
  args: [
    hyper,
    writes("state", 0, STATE_WORDS),
    reads(params, 0, P),
    reads(grads, 0, P),
    writes(batchSums, 0, 4),
    writes(sums, 0, 4),
    writes(metrics, 0, METRIC_STRIDE),
    P,
  ],
  flop: 4 * P,
  bytes: 8 * P,
});
