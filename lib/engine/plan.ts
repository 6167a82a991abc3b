/**
 * From a run's shape to the lists of operations that are done again and again: an update, and an evaluation.
 * Names of buffers: `0.mid` belongs to layer 0, `eval.mid` to evaluations, `d.…` are gradients, which layers use in turn.
 */
import { type AttentionOptions, attentionSizes, probeSizes } from "../run/attention.ts";
import { besideWords } from "../run/beside.ts";
import { type Layout, layout as layoutOf } from "../run/layout.ts";
import type { OptimSpec, RunSpec } from "../run/spec.ts";
import { backward as transformerBackward } from "./backward.ts";
import type { Watched } from "./engine.ts";
import { METRIC_STRIDE } from "./evaluation.ts";
import { forward as transformerForward, insideViews, positionRows } from "./forward.ts";
import { HYPER_WORDS, STATE_WORDS } from "./hyper.ts";
import * as mlp from "./mlp.ts";
import type { ListName, Loss, Op, Plan } from "./op.ts";
import { optimise } from "./optimise.ts";
import { Pass } from "./pass.ts";
import { layerRows } from "./rows.ts";

/** Buffers that hold a run's state, with those of `besideWords`. */
const STATE = ["params", "m", "v", "grads", "hyper", "state", "pairs", "batch_sums", "attention.batch"];

/** The passes of a model, forward as far as to the logits. */
const forward = (pass: Pass): Op[] => pass.spec.model.mixer === "none" ? mlp.forward(pass) : transformerForward(pass);
const backward = (pass: Pass): Op[] => pass.spec.model.mixer === "none" ? mlp.backward(pass) : transformerBackward(pass);

/** Pairs of an evaluation whose losses are summed at once. */
export const BLOCK = 2048;

/** @param chunk pairs of a chunk of an evaluation, at most; a part of `BLOCK`. No bit depends on it. */
export function plan(spec: RunSpec, { attention }: Watched = {}, chunk = BLOCK): Plan {
  if (BLOCK % chunk !== 0) throw new Error(`Cannot plan: pairs of a chunk must be a part of ${BLOCK}, current value is ${chunk}`);
  const layout = layoutOf(spec);
  const { length: P, sizes: { B, elements: C } } = layout;
  const pairWords = C * C, chunkPairs = Math.min(chunk, 8 * Math.ceil(pairWords / 8));
  const chunks = Math.ceil(pairWords / chunkPairs);
  const buffers = new Map<string, number>();
  /** A buffer that several operations use in turn is as large as the largest use. */
  const buffer = (name: string, words: number) => {
    buffers.set(name, Math.max(words, buffers.get(name) ?? 0));
    return name;
  };

  reserve(buffer, layout, pairWords, chunkPairs);
  const training = new Pass({ spec, layout, examples: B, rows: layerRows(spec, B), batch: "batch", prefix: "", buffer });
  const evaluation = new Pass({
    ...{ spec, layout, examples: chunkPairs, rows: layerRows(spec, chunkPairs, "pooled", pairWords) },
    ...{ batch: "eval.batch", prefix: "eval.", buffer },
  });
  const elements = evaluation.with({ share: "elements" }), pairs = evaluation.with({ share: "pairs" });
  const noisy = spec.data.labelNoise > 0, watched = attention && attentionLog(evaluation, attention, pairWords);
  const lists: Record<ListName, readonly Op[]> = {
    batch: [
      { op: "sample", label: "batch = draws from the training pairs", batch: "batch", examples: B, pairs: "pairs", pairWords },
      { op: "lists", label: "lists = examples by a and by b", batch: "batch", lists: "lists", B, C },
    ],
    step: [
      ...forward(training),
      loss(training, "d.logits"),
      ...backward(training),
      ...optimise(training),
      { op: "endOfStep", label: "batch_sums += stats; step += 1", examples: B, stats: "stats", sums: "batch_sums" },
    ],
    elements: forward(elements),
    chunk: [
      {
        op: "chunk",
        label: "eval.batch = the next pairs of the whole set",
        batch: "eval.batch",
        examples: chunkPairs,
        pairs: "pairs",
        pairWords,
      },
      ...forward(pairs),
      loss(pairs),
      ...noisy ? [noisyRight(chunkPairs, buffer("eval.noisy", 1))] : [],
      {
        op: "endOfChunk",
        label: "eval.sums += eval.stats; chunk += 1",
        ...{ examples: chunkPairs, stats: "eval.stats", block: BLOCK, sums: "eval.sums" },
        ...chunks > 1 && chunkPairs < BLOCK && { kept: buffer("eval.kept", 2 * BLOCK) },
      },
    ],
    forward: forward(pairs),
    endOfEvaluation: [{
      op: "endOfEvaluation",
      label: "metrics = means and norms",
      ...{ P, params: "params", grads: "grads", batchSums: "batch_sums", sums: "eval.sums", metrics: "metrics" },
    }],
    attention: watched?.ops ?? [],
  };
  return {
    ...{ layout, buffers, lists, pairWords, chunkPairs, chunks },
    state: [...STATE.filter((name) => buffers.has(name)), ...besideWords(spec, P).keys()],
    ...spec.model.mixer !== "none" && { inside: insideViews(evaluation) },
    ...watched && { attention: watched.sizes },
    ...noisy && { noisy: "eval.noisy" },
  };
}

/** The buffers that don't belong to a layer. */
function reserve(
  buffer: (name: string, words: number) => string,
  { length: P, sizes: { B, elements: C } }: Layout,
  pairs: number,
  chunk: number,
): void {
  for (const name of ["params", "grads", "m", "v"]) buffer(name, P);
  buffer("hyper", HYPER_WORDS);
  buffer("state", STATE_WORDS);
  buffer("pairs", pairs);
  buffer("batch", B);
  buffer("lists", 2 * (C + 1 + B));
  buffer("batch_sums", 4);
  buffer("eval.batch", chunk);
  buffer("eval.sums", 4);
  buffer("metrics", METRIC_STRIDE);
}

/** What kernels are made for. Cross-entropies are one kind: which of them it is, is a number of the run. */
const LOSS_KINDS: Readonly<Record<OptimSpec["loss"], Loss["kind"]>> = {
  ...{ torch: "cross-entropy", stable: "cross-entropy", float64: "cross-entropy" },
  ...{ stablemax: "stablemax", mse: "mse" },
};

/** Loss and answers of a pass, and in training the gradient of its logits. */
function loss(pass: Pass, gradient?: string): Op {
  const { batch, examples, layout: { sizes: { C } }, spec: { optim }, width: { C: stride } } = pass;
  const stats = pass.buffer(pass.end("stats"), 2 * examples), logits = pass.activation(pass.end("logits"), examples, stride);
  const kind = LOSS_KINDS[optim.loss];
  return {
    op: "loss",
    label: `${stats}${gradient ? ", d" : ""} = ${kind} of ${logits.buffer}`,
    ...{ kind, scaled: optim.temperature !== 1 },
    ...{ batch, examples, C, logits, stats },
    ...gradient && { dlogits: pass.activation(gradient, examples, stride) },
  };
}

const noisyRight = (examples: number, sum: string): Op => ({
  op: "noisyRight",
  label: `${sum} += right answers by noisy labels`,
  ...{ examples, stats: "eval.stats", sum },
});

/**
 * The probe set through the model, as far as the patterns of the last layer, with every position as a query; then their summaries. It uses
 * the buffers of an evaluation, which is over by then; each layer keeps its pattern.
 */
function attentionLog(evaluation: Pass, options: AttentionOptions, pairs: number) {
  const { spec, buffer } = evaluation, { N, S } = probeSizes(options, pairs), { H, T, queries } = attentionSizes(spec);
  const words = (3 + S) * 4 * queries, out = buffer("attention", words);
  const pass = evaluation.with({ examples: N, rows: layerRows(spec, N, "all"), batch: buffer("attention.batch", N), keepPatterns: true });
  const summaries = pass.rows.map((layerOf, layer): Op => {
    const pattern = pass.at(layer, "pattern"), positions = positionRows(layerOf);
    const label = `${out} = mean, variance, entropy of ${pattern}`;
    return {
      op: "attentionSummary",
      label,
      batch: pass.batch,
      pattern,
      rows: layerOf.output.count,
      positions,
      layer,
      N,
      S,
      H,
      T,
      queries,
      out,
    };
  });
  return { ops: [...transformerForward(pass, "patterns"), ...summaries], sizes: { N, S, words } };
}
