/**
 * The attention log of every executor: an executor's weights are TensorFlow.js's on the same parameters and pairs, its summaries are those
 * of its own patterns, and no bit of training depends on it.
 */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { attentionProbe, type AttentionReading, keeper, summarise } from "../../lib/run/attention.ts";
import type { ExecutorEngine } from "../../lib/engine/executor_engine.ts";
import { layout } from "../../lib/run/layout.ts";
import { attentionOf } from "../../lib/reference/attention.ts";
import { tfjsEngine } from "../../lib/reference/trainer.ts";
import { type RunInput, type RunSpec, runSpec, sizes } from "../../lib/run/spec.ts";
import { train } from "../../lib/train/train.ts";
import type { Evaluation, Watched } from "../../lib/engine/engine.ts";
import { advance, EXECUTORS, testOn } from "./executors.ts";

/**
 * Both sides compute scores in fp32, in different orders, through up to three layers; scores here reach about 10, so they differ by some
 * 10 · 2⁻²² ≈ 2e-6, and a weight, whose slope in a score is at most 1/4, by less. A wrong formula or row is off by percents.
 */
const WEIGHT = 5e-6;
/** Means of at most 121 weights in [0, 1], summed in fp32; and the GPU's logarithm, right to 2⁻²¹ near 1, in the entropies. */
const SUMMARY = 2e-6;

const test = (name: string, fn: (engine: ExecutorEngine) => Promise<void>) => testOn(EXECUTORS, `attention log: ${name}`, fn);

const DECODER: RunInput = { model: { layers: 3, heads: 3, dModel: 12, dMlp: 20 } };
const ENCODER: RunInput = {
  model: { layers: 2, heads: 2, dModel: 12, dMlp: 20, norm: "pre", mask: "none", pooling: "mean", tokens: "a b" },
};
const BARE: RunInput = {
  model: { layers: 2, heads: 2, dModel: 8, dMlp: 8, norm: "none", biases: false, tokens: "a b =", init: "normal", initSigma: 0.5 },
};

const run = (seed: number, input: RunInput = {}): RunSpec =>
  runSpec({
    ...input,
    model: { layers: 2, heads: 2, dModel: 8, dMlp: 12, ...input.model },
    data: { prime: 11, batch: 16, ...input.data },
    optim: { lr: 0.02, warmup: 0, ...input.optim },
    schedule: { steps: 40, evalEvery: 4, ...input.schedule },
    seed,
  });

const ofRow = (evaluations: readonly Evaluation[], row: number) => evaluations.filter((e) => e.row === row);

const PARTS = ["mean", "variance", "entropy", "examples"] as const;
const largest = (a: Float32Array, b: Float32Array) => {
  assertEquals(a.length, b.length);
  return a.reduce((most, x, i) => Math.max(most, Number.isNaN(x) ? Infinity : Math.abs(x - b[i])), 0);
};

/** What must hold of a reading by itself: rows sum to 1, a causal mask hides exactly, and the summaries are those of the patterns. */
function isSound(spec: RunSpec, reading: AttentionReading): void {
  const { L, H, T } = sizes(spec), causal = spec.model.mask === "causal", W = L * H * T * T;
  assertEquals(reading.examples.length, reading.probe.full * W);
  for (const weights of [reading.mean, reading.examples]) {
    for (let row = 0; row < weights.length; row += T) {
      assertAlmostEquals(weights.subarray(row, row + T).reduce((sum, p) => sum + p), 1, SUMMARY);
    }
  }
  if (causal) {
    for (const weights of [reading.mean, reading.variance, reading.examples]) {
      weights.forEach((p, i) => i % T > Math.floor(i / T) % T && assertEquals(p, 0));
    }
  }
  if (reading.probe.full < reading.probe.a.length) return;
  const plain = summarise(spec, reading.examples, reading.probe.full);
  for (const part of PARTS) assert(largest(reading[part], plain[part]) < SUMMARY, `${part} is not that of the patterns`);
}

for (
  const [name, input, pairs] of [
    ["decoder, causal, post-norm, [a op b =], a row an example", DECODER, 9],
    ["decoder, rows shared between examples", DECODER, 121],
    ["encoder, bidirectional, pre-norm, [a b]", ENCODER, 9],
    ["encoder, rows shared between examples", ENCODER, 50],
    ["without norms and biases, [a b =]", BARE, 30],
  ] as const
) {
  test(`weights are those of TensorFlow.js, ${name}`, async (engine) => {
    const specs = [run(1, input), run(2, input)], attention = { pairs, full: pairs };
    const trainer = await engine.open(specs, { attention });
    const evaluations = await advance(trainer, 20);
    for (const [row, spec] of specs.entries()) {
      const [first, last] = [0, -1].map((at) => ofRow(evaluations, row).at(at)!.attention!), state = await trainer.snapshot(row);
      const expected = await attentionOf(state, { ...attention, backend: "wasm" });
      assertEquals([first.step, last.step, expected.step], [0, 20, 20]);
      assertEquals(last.probe, expected.probe);
      assertEquals(last.probe, attentionProbe(spec, attention));
      for (const part of PARTS) {
        assert(largest(last[part], expected[part]) < WEIGHT, `${part} differs by ${largest(last[part], expected[part])}`);
      }
      isSound(spec, last);
      isSound(spec, expected);
      // The weights depend on the pair and on training, or little of a wrong row would be seen; and a hundredth of one parameter is.
      assert(Math.max(...last.variance) > 1e-3 && largest(last.mean, first.mean) > 1e-2);
      const { offset } = layout(spec).tensors.find(({ name }) => name === "blocks.0.attn.W_K")!;
      const params = state.params.with(offset, 1.01 * state.params[offset]);
      assert(largest(last.examples, (await attentionOf({ ...state, params }, { ...attention, backend: "wasm" })).examples) > WEIGHT);
    }
    trainer.dispose();
  });
}

test("runs of one shape with different numbers of pairs, fewer than the probe set asks for", async (engine) => {
  const data = { prime: 5 }, specs = [run(1, { data }), run(1, { data: { ...data, operation: "x_div_y" } })];
  const trainer = await engine.open(specs, { attention: { pairs: 64, full: 64 } });
  const evaluations = await advance(trainer, 4);
  for (const [row, pairs] of [25, 20].entries()) {
    const spec = specs[row];
    const reading = ofRow(evaluations, row).at(-1)!.attention!;
    assertEquals([reading.probe.a.length, reading.probe.full], [pairs, pairs]);
    isSound(spec, reading);
    const { examples } = await attentionOf(await trainer.snapshot(row), { full: 64, backend: "wasm" });
    assert(largest(reading.examples, examples) < WEIGHT);
  }
  trainer.dispose();
});

test("by default 64 pairs and 8 patterns, at step 0 and every evaluation; a look in between says the same", async (engine) => {
  const spec = run(3), trainer = await engine.open([spec], { attention: {} });
  const evaluations = await advance(trainer, 10);
  assertEquals(evaluations.map(({ metrics, attention }) => [metrics.step, attention!.step]), [[0, 0], [4, 4], [8, 8]]);
  const [{ attention }] = await trainer.evaluate();
  assertEquals([attention!.step, attention!.probe.a.length, attention!.probe.full], [10, 64, 8]);
  assertEquals(attention, (await trainer.evaluate())[0].attention);
  const { L, H, T } = sizes(spec), W = L * H * T * T;
  assertEquals(PARTS.map((part) => attention![part].length), [W, W, W / T, 8 * W]);
  isSound(spec, attention!);
  trainer.dispose();
});

for (const batch of [16, "full"] as const) {
  test(`training has the same bits with it and without, batch ${batch}`, async (engine) => {
    const specs = [1, 2].map((seed) => run(seed, { data: { batch } }));
    const results = [];
    for (const watched of [{}, { attention: { pairs: 30 } }, { attention: { pairs: 121, full: 121 } }] as Watched[]) {
      const trainer = await engine.open(specs, watched);
      const evaluations = await advance(trainer, 22);
      results.push({ metrics: evaluations.map(({ metrics }) => metrics), states: [await trainer.snapshot(0), await trainer.snapshot(1)] });
      assertEquals(evaluations.every(({ attention }) => (attention !== undefined) === (watched.attention !== undefined)), true);
      trainer.dispose();
    }
    assertEquals(results[1], results[0]);
    assertEquals(results[2], results[0]);
  });
}

test("a run's readings have the same bits alone, among others, in another row, and taken up again", async (engine) => {
  const watched = { attention: { pairs: 20, full: 4 } }, specs = [1, 2, 3].map((seed) => run(seed));
  const alone = async (spec: RunSpec) => {
    const trainer = await engine.open([spec], watched), evaluations = await advance(trainer, 20);
    trainer.dispose();
    return evaluations.map(({ attention }) => attention!);
  };
  const trainer = await engine.open(specs, watched);
  const first = await advance(trainer, 7);
  trainer.drop(0); // the run in row 2 moves on the GPU
  const second = await advance(trainer, 6);
  trainer.place(0, run(9));
  const kept = await trainer.snapshot(2);
  const third = await advance(trainer, 7);
  const readings = (row: number) => [first, second, third].flatMap((part) => ofRow(part, row)).map(({ attention }) => attention!);
  for (const row of [1, 2]) assertEquals(readings(row), await alone(specs[row]));
  assertEquals(readings(0), [...(await alone(specs[0])).slice(0, 2), ...(await alone(run(9))).slice(0, 2)]);
  trainer.dispose();

  const resumed = await engine.open([run(7), kept], watched);
  assertEquals(ofRow(await advance(resumed, 7), 1).map(({ attention }) => attention), readings(2).filter(({ step }) => step > kept.step));
  resumed.dispose();
});

Deno.test("attention log: TensorFlow.js's own log is that of its parameters, and changes no bit of training either", async () => {
  const reference = await tfjsEngine("wasm"), spec = run(5), attention = { pairs: 12, full: 3 };
  const trainer = await reference.open([spec, run(6)], { attention }), plain = await reference.open([spec]);
  const evaluations = await advance(trainer, 6), without = await advance(plain, 6);
  assertEquals(ofRow(evaluations, 0).map(({ metrics }) => metrics), without.map(({ metrics }) => metrics));
  assertEquals(await trainer.snapshot(0), await plain.snapshot(0));
  const [{ attention: reading }] = await trainer.evaluate();
  assertEquals(reading, await attentionOf(await trainer.snapshot(0), { ...attention, backend: "wasm" }));
  isSound(spec, reading!);
  assertEquals(without[0].attention, undefined);
  for (const each of [trainer, plain]) each.dispose();
});

test("train hands on what the keeper chooses, from the native engine", async (engine) => {
  const attention = { pairs: 10, full: 2, perDecade: 4, move: 0.1 }, steps: number[] = [];
  const [{ metrics }] = await train([run(4)], {
    engine,
    attention,
    onProgress: (news) => {
      for (const { attention: reading, metrics } of news) {
        if (!reading) continue;
        assertEquals(reading.step, metrics.step);
        steps.push(reading.step);
      }
    },
  });
  assertEquals(steps, metrics.filter(keeper(attention)).map(({ step }) => step));
  assert(steps.length >= 3 && steps.length < metrics.length);
});

test("memory and cost count it", (engine) => {
  const spec = run(1), attention = { pairs: 64, full: 8 }, plain = engine.cost(spec), watched = engine.cost(spec, { attention });
  assert(watched.bytes > plain.bytes && watched.flop > plain.flop);
  assert(engine.rowsThatFit(spec, { attention }) <= engine.rowsThatFit(spec));
  return Promise.resolve();
});
