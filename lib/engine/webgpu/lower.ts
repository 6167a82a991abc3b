/** From operations to kernels: WGSL, tiles, splits and scratch are decided here. Plain data, before a device exists. */
import type { ListName, Op, Plan } from "../op.ts";
import { readsGradient } from "../op/update.ts";
import { endOfEvaluation } from "./kernels/evaluation.ts";
import { attention, attentionBackward } from "./kernels/attention.ts";
import { attentionSummary } from "./kernels/attention_summary.ts";
import { chunk, lists, sample } from "./kernels/batch.ts";
import { addParts, biasGradient, type Sums, sumsOf, vectorSumFloats } from "./kernels/columns.ts";
import { embed, embedBackward } from "./kernels/embed.ts";
import { gradientFilter, orthogonalGradient } from "./kernels/filter.ts";
import { fold } from "./kernels/fold.ts";
import type { Tile } from "./kernels/gemm.ts";
import type { Kernel } from "./kernels/kernel.ts";
import { endOfChunk, endOfStep, loss, noisyRight } from "./kernels/loss.ts";
import { clipRows, holdNorm } from "./kernels/limit.ts";
import { muonEnd, muonPolynomial, muonStart } from "./kernels/muon.ts";
import { norm, normBackward, normGradient } from "./kernels/norm.ts";
import { pairs, pairsBackward } from "./kernels/pairs.ts";
import { pool, poolBackward } from "./kernels/pool.ts";
import { product } from "./kernels/product.ts";
import { update } from "./kernels/update.ts";
import { uniformAttention, uniformAttentionBackward } from "./kernels/uniform_attention.ts";

/** Kernels by list, and words per run by buffer, scratch included. */
export interface Kernels {
  readonly buffers: ReadonlyMap<string, number>;
  readonly lists: Readonly<Record<ListName, readonly Kernel[]>>;
}

interface Context {
  readonly layout: Plan["layout"];
  readonly tile: Tile;
  readonly sums: Sums;
  /** Makes sure that a buffer of partial sums has so many words, and gives its name. */
  readonly scratch: (words: number) => string;
}

type Lower = { readonly [Name in Op["op"]]: (op: Extract<Op, { op: Name }>, context: Context) => readonly Kernel[] };

/** Each operation's kernels. Those of vectors' gradients leave parts, which `addParts` adds once all are there. */
const LOWER: Lower = {
  product: (op, { layout, tile, sums, scratch }) => [
    ...product(op, tile, scratch),
    ...(op.sums ? [biasGradient(layout, sums, op.b, op.k, op.n, op.sums)] : []),
  ],
  norm: (op, { sums }) => [norm(op, sums.lanes)],
  normBackward: (op, { layout, sums }) => [normBackward(op, sums.lanes), normGradient(layout, sums, op)],
  attention: (op) => [op.weights === "uniform" ? uniformAttention(op) : attention(op)],
  attentionBackward: (op) => [op.weights === "uniform" ? uniformAttentionBackward(op) : attentionBackward(op)],
  embed: (op) => [embed(op)],
  embedBackward: (op) => [embedBackward(op)],
  fold: (op) => [fold(op)],
  pairs: (op) => [pairs(op)],
  pairsBackward: (op) => [pairsBackward(op)],
  sums: ({ x, rows, width, out }, { layout, sums }) => [biasGradient(layout, sums, x, rows, width, out)],
  pool: (op) => [pool(op)],
  poolBackward: (op) => [poolBackward(op)],
  loss: (op) => [loss(op)],
  update: (op) => [update(op)],
  gradientFilter: (op) => [gradientFilter(op)],
  orthogonalGradient: (op) => [orthogonalGradient(op)],
  muonStart: (op) => [muonStart(op)],
  muonPolynomial: (op) => [muonPolynomial(op)],
  muonEnd: (op) => [muonEnd(op)],
  clipRows: (op) => [clipRows(op)],
  holdNorm: (op) => [holdNorm(op)],
  sample: (op) => [sample(op)],
  chunk: (op) => [chunk(op)],
  lists: (op) => [lists(op)],
  endOfStep: (op) => [endOfStep(op)],
  noisyRight: (op) => [noisyRight(op)],
  endOfChunk: (op) => [endOfChunk(op)],
  endOfEvaluation: (op) => [endOfEvaluation(op)],
  attentionSummary: (op) => [attentionSummary(op)],
};
// The table has the function of exactly this kind of operation.
const kernelsOf = (op: Op, context: Context) => (LOWER[op.op] as (op: Op, context: Context) => readonly Kernel[])(op, context);

const leavesParts = (op: Op) => op.op === "normBackward" || op.op === "sums" || (op.op === "product" && op.sums !== undefined);

/** A plan's kernels for a tile. No bit of a run depends on how many train at once. */
export function lower({ layout, buffers: planned, lists }: Plan, tile: Tile): Kernels {
  const buffers = new Map(planned);
  const scratch = (name: string) => (words: number) => {
    buffers.set(name, Math.max(words, buffers.get(name) ?? 0));
    return name;
  };
  const rows = Math.max(...lists.step.flatMap((op) => (op.op === "product" && op.form === "nn" ? [op.m] : [])));
  const context = { layout, tile, sums: sumsOf(tile.kind, rows), scratch: scratch("partial") };
  scratch("vector_sums")(Math.max(4, vectorSumFloats(layout, context.sums)));
  const list = (ops: readonly Op[]) => {
    const kernels: Kernel[] = [];
    let parts = false;
    const complete = () => {
      if (parts) kernels.push(addParts(layout, context.sums));
      parts = false;
    };
    for (const op of ops) {
      if (readsGradient(op)) complete();
      kernels.push(...kernelsOf(op, context));
      parts ||= leavesParts(op);
    }
    complete();
    return kernels;
  };
  const { batch, step, elements, chunk, forward, endOfEvaluation, attention } = lists;
  return {
    buffers,
    lists: {
      ...{ batch: list(batch), step: list(step), elements: list(elements), chunk: list(chunk), forward: list(forward) },
      ...{ endOfEvaluation: list(endOfEvaluation), attention: list(attention) },
    },
  };
}
