/**
 * From a run's shape to the flat lists of kernels that are encoded again and again: an update, and an evaluation.
 * Names of buffers: `0.mid` belongs to layer 0, `eval.mid` to evaluations, `d.…` are gradients, which layers use in turn.
 */
import { type AttentionOptions, probeSizes } from "../run/attention.ts";
import { type Layout, layout as layoutOf } from "../run/layout.ts";
import type { RunSpec } from "../run/spec.ts";
import type { Watched } from "./engine.ts";
import { backward } from "./backward.ts";
import { forward, type Pass } from "./forward.ts";
import { adamw, endOfEvaluation } from "./webgpu/kernels/adamw.ts";
import { attentionSummary, summaryWords } from "./webgpu/kernels/attention_summary.ts";
import { chunk, lists, listWords, sample } from "./webgpu/kernels/batch.ts";
import { sumsOf, vectorSumFloats } from "./webgpu/kernels/columns.ts";
import type { Tile } from "./webgpu/kernels/gemm.ts";
import { HYPER_WORDS, STATE_WORDS } from "./webgpu/kernels/hyper.ts";
import type { Kernel } from "./webgpu/kernels/kernel.ts";
import { endOfChunk, endOfStep, loss } from "./webgpu/kernels/loss.ts";
import { layerRows } from "./rows.ts";

export interface Plan {
  readonly layout: Layout;
  /** Words of four bytes a run, by buffer. */
  readonly buffers: ReadonlyMap<string, number>;
  /** Draws the batch and sorts it; where every row's batch is the full one, once is enough. */
  readonly batch: readonly Kernel[];
  /** One update, given the batch. */
  readonly step: readonly Kernel[];
  /** One chunk of an evaluation: its pairs, forward, sums. */
  readonly chunk: readonly Kernel[];
  /** Forward alone, for pairs that the host wrote into `eval.batch`. */
  readonly forward: readonly Kernel[];
  /** Chunks that cover the whole set. */
  readonly chunks: number;
  /** Pairs of a chunk. */
  readonly chunkPairs: number;
  /** What ends an evaluation: means and norms into `metrics`. */
  readonly endOfEvaluation: readonly Kernel[];
  /** Words of a row of pairs: every pair there could be. */
  readonly pairWords: number;
  /** The attention log of an evaluation, from `attention.batch` to `attention`; absent where it isn't watched. */
  readonly attention?: AttentionPlan;
}

export interface AttentionPlan {
  readonly kernels: readonly Kernel[];
  /** N and S, at most: a run of an operation with fewer pairs has fewer. */
  readonly N: number;
  readonly S: number;
  /** Words of a run's summary. */
  readonly words: number;
}

/** Buffers that hold a run's state: they move with it when its row changes. The others are scratch, or made anew every step. */
export const STATE_BUFFERS = ["params", "m", "v", "grads", "hyper", "state", "pairs", "batch_sums", "attention.batch"] as const;

/** Floats of `metrics` a run. */
export const METRIC_WORDS = 8;

/** Pairs of a chunk of an evaluation, at most. */
const CHUNK = 2048;

export function plan(spec: RunSpec, tile: Tile, { attention }: Watched = {}): Plan {
  const layout = layoutOf(spec);
  const { length: P, vectorsFrom, sizes: { B, C } } = layout;
  const pairWords = C * C;
  const chunkPairs = Math.min(CHUNK, 8 * Math.ceil(pairWords / 8));
  const buffers = new Map<string, number>();
  /** A buffer that several kernels use in turn is as large as the largest use. */
  const buffer = (name: string, words: number) => {
    buffers.set(name, Math.max(words, buffers.get(name) ?? 0));
    return name;
  };

  for (const name of ["params", "grads", "m", "v"]) buffer(name, P);
  buffer("hyper", HYPER_WORDS);
  buffer("state", STATE_WORDS);
  buffer("pairs", pairWords);
  buffer("batch", B);
  buffer("lists", listWords(B, C));
  buffer("stats", 2 * B);
  buffer("batch_sums", 4);
  buffer("eval.batch", chunkPairs);
  buffer("eval.stats", 2 * chunkPairs);
  buffer("eval.sums", 4);
  buffer("metrics", METRIC_WORDS);

  const rows = layerRows(spec, B),
    sums = sumsOf(tile.kind, Math.max(...rows.map(({ input, output }) => Math.max(input.count, output.count))));
  buffer("vector_sums", Math.max(4, vectorSumFloats(layout, sums)));
  const pass = (examples: number, prefix: "" | "eval."): Pass => ({
    spec,
    layout,
    tile,
    sums,
    examples,
    rows: layerRows(spec, examples),
    batch: `${prefix}batch`,
    at: (l, name) => (prefix === "" ? `${l}.${name}` : name === "resid_pre" ? `eval.${l % 2}.${name}` : `eval.${name}`),
    end: (name) => `${prefix}${name}`,
    buffer,
  });
  const training = pass(B, ""), evaluation = pass(chunkPairs, "eval.");
  const evaluate = forward(evaluation);
  return {
    layout,
    buffers,
    batch: [sample(B, pairWords), lists(B, C)],
    step: [
      ...forward(training),
      loss(B, C, { batch: "batch", logits: "logits", stats: "stats", dlogits: buffer("d.logits", B * layout.blocks.get("W_U")!.stride) }),
      ...backward(training),
      adamw({ P, vectorsFrom }),
      endOfStep(B),
    ],
    chunk: [
      chunk(chunkPairs, pairWords),
      ...evaluate,
      loss(chunkPairs, C, { batch: "eval.batch", logits: "eval.logits", stats: "eval.stats" }),
      endOfChunk(chunkPairs),
    ],
    forward: evaluate,
    chunks: Math.ceil(pairWords / chunkPairs),
    chunkPairs,
    endOfEvaluation: [endOfEvaluation(P)],
    pairWords,
    ...attention && { attention: attentionPlan(evaluation, attention, pairWords) },
  };
}

/**
 * The probe set through the model, as far as the patterns of the last layer, with every position a query; then their summaries. It borrows the
 * buffers of an evaluation, which is over, and each layer keeps its pattern.
 */
function attentionPlan(evaluation: Pass, options: AttentionOptions, pairs: number): AttentionPlan {
  const { spec, buffer } = evaluation, { N, S } = probeSizes(options, pairs), words = summaryWords(spec, S);
  const patternOf = (l: number) => `attention.${l}.pattern`;
  const pass: Pass = {
    ...evaluation,
    examples: N,
    rows: layerRows(spec, N, "all"),
    batch: buffer("attention.batch", N),
    at: (l, name) => (name === "pattern" ? patternOf(l) : evaluation.at(l, name)),
  };
  const out = buffer("attention", words);
  const summaries = pass.rows.map((layer, l) => attentionSummary(spec, layer, l, { pattern: patternOf(l), batch: pass.batch, out, N, S }));
  return { kernels: [...forward(pass, "patterns"), ...summaries], N, S, words };
}
