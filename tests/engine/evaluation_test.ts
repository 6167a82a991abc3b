/**
 * What an evaluation records has the same bits whether rows are shared among pairs or every pair has its own, and however long its chunks
 * are.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Metrics } from "../../lib/engine/engine.ts";
import { evaluationsOf, METRIC_STRIDE, METRIC_WORDS } from "../../lib/engine/evaluation.ts";
import type { ExecutorEngine } from "../../lib/engine/executor_engine.ts";
import { forward } from "../../lib/engine/forward.ts";
import type { Plan } from "../../lib/engine/op.ts";
import { Pass } from "../../lib/engine/pass.ts";
import { BLOCK, plan } from "../../lib/engine/plan.ts";
import { layerRows, spanOf } from "../../lib/engine/rows.ts";
import { RowTrainer } from "../../lib/engine/trainer.ts";
import { METRIC_NAMES } from "../../lib/run/metrics.ts";
import { type PresetName, PRESETS, type RunInput, type RunSpec, runSpec } from "../../lib/run/spec.ts";
import { advance, EXECUTORS, testOn } from "./executors.ts";

/** The plan with evaluations in which every row belongs to a pair. */
function unshared(spec: RunSpec, made: Plan): Plan {
  const buffers = new Map(made.buffers), { layout, chunkPairs: examples, lists } = made;
  const buffer = (name: string, words: number) => {
    buffers.set(name, Math.max(words, buffers.get(name) ?? 0));
    return name;
  };
  const rows = layerRows(spec, examples, "pooled", 0);
  const ops = forward(new Pass({ spec, layout, examples, rows, batch: "eval.batch", prefix: "eval.", buffer }));
  const chunk = [lists.chunk[0], ...ops, ...lists.chunk.slice(-2)]; // the pairs, and what is made of the logits
  assertEquals(chunk.map(({ op }) => op).filter((op) => op === "chunk" || op === "loss" || op === "endOfChunk").length, 3);
  return { ...made, buffers, lists: { ...lists, elements: [], chunk, forward: ops } };
}

/** Metrics of two runs after some updates, twice, and logits of the second. */
async function recorded({ executor }: ExecutorEngine, specs: readonly RunSpec[], made: Plan): Promise<[Metrics[], Float32Array]> {
  const lowered = await executor.lower(made, specs.length), queue = (await executor.open(lowered, specs.length))!;
  const trainer = new RowTrainer(executor, lowered, queue, specs);
  try {
    const metrics = (await advance(trainer, specs[0].schedule.steps)).map(({ metrics }) => metrics);
    assertEquals(metrics.length, 3 * specs.length);
    assert(metrics.every(({ valLoss }) => valLoss > 0), "losses are numbers");
    const elements = Array.from({ length: made.layout.sizes.elements }, (_, i) => i);
    return [metrics, await trainer.logits(1, elements, elements.toReversed())];
  } finally {
    trainer.dispose();
  }
}

/**
 * Presets at sizes that break tiles, and elements that are no numbers; runs of fewer pairs than their shape has, and of more than a block.
 */
const CASES: Readonly<Record<string, RunInput>> = {
  ...Object.fromEntries((Object.keys(PRESETS) as PresetName[]).map((preset) => [preset, { preset, data: { prime: 19 } }])),
  "mean over positions that see the first ones": { model: { pooling: "mean", norm: "pre" }, data: { operation: "x_div_y" } },
  "permutations, three layers": { model: { layers: 3, dModel: 6, heads: 1, dMlp: 9 }, data: { operation: "permutation" } },
  "more than a block": { model: { layers: 1 }, data: { prime: 53, operation: "x_div_y" } },
};

/** What is tried on every executor; the rest where a case takes no second. */
const EVERYWHERE = ["ai-scientist", "boundaries", "mean over positions that see the first ones", "more than a block"];

for (const [name, input] of Object.entries(CASES)) {
  testOn(
    EXECUTORS.filter((executor) => executor.name === "cpu" || EVERYWHERE.includes(name)),
    `evaluation: ${name}: the same bits with shared rows, and in chunks of any length`,
    async (engine) => {
      const specs = [1, 2].map((seed) =>
        runSpec({
          ...input,
          model: { dModel: 18, heads: 3, dMlp: 22, ...input.model },
          data: { prime: 23, batch: 7, ...input.data },
          optim: { loss: "torch" }, // which every executor has
          schedule: { steps: 4, evalEvery: 2 },
          seed,
        })
      );
      const [spec] = specs, own = await recorded(engine, specs, unshared(spec, plan(spec)));
      const { chunk } = engine.executor.limits, chunks = chunk === BLOCK ? [BLOCK] : [BLOCK, chunk, 64, 16];
      for (const pairs of chunks) assertEquals(await recorded(engine, specs, plan(spec, {}, pairs)), own, `chunks of ${pairs}`);
    },
  );
}

Deno.test("evaluation: every metric is a word that kernels write, found where they write it, or is made of what else is known", () => {
  const spec = runSpec({ data: { labelNoise: 0.5 } }), due = { row: 0, slot: 1, step: 7, hasGradient: true, spec, probe: undefined };
  const words = Float32Array.from({ length: 2 * METRIC_STRIDE }, (_, at) => at), noisy = Float32Array.of(0, 0);
  const [{ metrics }] = evaluationsOf([due], [words, noisy], { noisy: "eval.noisy" });
  const written = Object.fromEntries(METRIC_WORDS.map((name, at) => [name, METRIC_STRIDE + at]));
  assertEquals({ ...metrics }, { step: 7, ...written, noisyAcc: 0 } as unknown as Metrics);
  const missing = METRIC_NAMES.filter((name) => !Object.hasOwn(metrics, name));
  assertEquals(missing, [], `METRIC_WORDS must have ${missing}, with what writes it in both engines, or evaluationsOf must make it`);
});

Deno.test("evaluation: nothing that depends on one element is computed for every chunk", () => {
  const made = plan(runSpec({ preset: "ai-scientist" }), {}, 256), { elements: C } = made.layout.sizes;
  const rows = (list: "elements" | "chunk") => made.lists[list].flatMap((op) => op.op === "product" ? [op.m] : []);
  // Queries, keys and values of four positions; of layer 0 then two that depend on a, and their keys and values.
  assertEquals(rows("elements"), [4 * C, 2 * C, 2 * C, 2 * C, 2 * C]);
  assertEquals(rows("chunk"), [512, 512, 512, 512, 256, 256, 256, 256, 256]);
});

Deno.test("evaluation: chunks that don't make a block, and rows of elements behind those of pairs, are refused", () => {
  const spec = runSpec({ preset: "nanda" });
  assertThrows(() => plan(spec, {}, 48), Error, "Cannot plan: pairs of a chunk must be a part of 2048, current value is 48");
  const [{ output }] = layerRows(runSpec({ preset: "ai-scientist" }), 512);
  const segments = output.segments.map((segment, i, { length }) => ({ ...segment, depends: output.segments[length - 1 - i].depends }));
  assertThrows(() => spanOf({ ...output, segments }, "pairs"), Error, "those of elements must come first, current value is ab,a");
});
