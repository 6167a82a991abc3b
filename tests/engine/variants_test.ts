/** What is looked at in variants of the model: attention, heads, embeddings, probes; and what is refused where there is none. */
import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { embedding, inside, outputHead } from "../../lib/analysis/network/weights.ts";
import { insideFigure } from "../../lib/figures/inside.ts";
import { checkExperiment } from "../../lib/lab/experiment.ts";
import { probe } from "../../lib/lab/probe.ts";
import { activations } from "../../lib/reference/activations.ts";
import { attentionOf } from "../../lib/reference/attention.ts";
import { tfjsEngine } from "../../lib/reference/trainer.ts";
import { type RunInput, type RunSpec, runSpec, sizes } from "../../lib/run/spec.ts";
import { advance, EXECUTORS, ofRow, testOn } from "./executors.ts";

const run = (model: RunInput["model"]): RunSpec =>
  runSpec({
    model: { layers: 1, dModel: 8, dMlp: 12, ...model },
    data: { prime: 7, batch: "full" },
    schedule: { steps: 4, evalEvery: 2 },
    seed: 3,
  });
const UNIFORM = run({ mixer: "uniform", heads: 2, layers: 2 }), WITHOUT = run({ mixer: "none" });
const SCALED = { mixer: "none", inputs: "one-hot", scaling: "mean-field", activation: "square", biases: false } as const;
const QUADRATIC = run({ ...SCALED, init: "normal", initSigma: 1 });

testOn(EXECUTORS, "variants: a uniform pattern is 1/n on each of the n positions seen, of every pair and at every step", async (engine) => {
  const attention = { pairs: 9, full: 4 }, trainer = await engine.open([UNIFORM], { attention });
  const { mean, variance, entropy, examples } = (await advance(trainer, 4)).at(-1)!.attention!, { T } = sizes(UNIFORM);
  const state = await trainer.snapshot(0), expected = await attentionOf(state, { ...attention, backend: "wasm" });
  trainer.dispose();
  for (const weights of [mean, examples, expected.mean, expected.examples]) {
    // Sums of nine equal numbers in fp32.
    weights.forEach((p, i) => assertAlmostEquals(p, i % T <= Math.floor(i / T) % T ? 1 / (Math.floor(i / T) % T + 1) : 0, 1e-6));
  }
  variance.forEach((x) => assertAlmostEquals(x, 0, 1e-12));
  // A GPU's logarithm is right to 2⁻²¹.
  entropy.forEach((x, i) => assertAlmostEquals(x, Math.log(i % T + 1), 1e-6));
});

testOn(EXECUTORS, "variants: a log of attention is refused where there is none", async (engine) => {
  const message = "Cannot watch attention: the model's mixer must be attention or uniform, current value is none";
  await assertRejects(() => engine.open([WITHOUT], { attention: {} }), Error, message);
  await assertRejects(async () => (await tfjsEngine("cpu")).open([WITHOUT], { attention: {} }), Error, message);
  const experiment = { name: "without", runs: [UNIFORM, WITHOUT], watch: { attention: {} } };
  assertThrows(() => checkExperiment(experiment), Error, "watch.attention must be left out where a run's model has none");
  checkExperiment({ ...experiment, watch: { weights: {} } });
});

testOn(EXECUTORS, "variants: activations are what every engine computes, and a probe reads them", async (engine) => {
  for (const spec of [WITHOUT, QUADRATIC, run({ tied: true }), UNIFORM]) {
    const trainer = await engine.open([spec]), { C, D, M } = sizes(spec), width = spec.model.mixer === "none" ? M : D;
    await advance(trainer, 4);
    const state = await trainer.snapshot(0), pairs = Array.from({ length: C * C }, (_, i) => i);
    const own = await trainer.logits(0, pairs.map((i) => Math.floor(i / C)), pairs.map((i) => i % C));
    trainer.dispose();
    const { logits, features, neurons } = await activations(spec, state.params, { backend: "cpu" });
    assertEquals([features.length, neurons.length], [C * C * width, C * C * M]);
    // Sums of some tens of numbers below 10 in fp32.
    logits.forEach((z, i) => assertAlmostEquals(z, own[i], 1e-5));
    const { readings: [reading] } = await probe(spec, [state], { backend: "cpu" });
    assertEquals([reading.step, reading.means.columns], [4, width]);
  }
});

testOn(EXECUTORS, "variants: a run has the same bits alone, where threads share it, and among others", async (engine) => {
  for (const model of [UNIFORM.model, WITHOUT.model, QUADRATIC.model, run({ tied: true, normKind: "rms" }).model]) {
    const specs = [1, 2, 3].map((seed) =>
      runSpec({ model, data: { prime: 7, batch: "full" }, schedule: { steps: 6, evalEvery: 3 }, seed })
    );
    const states = async (runs: readonly RunSpec[]) => {
      const trainer = await engine.open(runs), evaluations = await advance(trainer, 6);
      const found = await Promise.all(runs.map((_, row) => trainer.snapshot(row)));
      trainer.dispose();
      return found.map((snapshot, row) => ({ snapshot, metrics: ofRow(evaluations, row) }));
    };
    const together = await states(specs);
    for (const [row, spec] of specs.entries()) assertEquals(await states([spec]), [together[row]]);
  }
});

Deno.test("variants: head and embedding are found wherever the model has them", async () => {
  const trainerOf = async (spec: RunSpec) => await (await tfjsEngine("cpu")).open([spec]);
  for (const spec of [WITHOUT, QUADRATIC, run({ tied: true, tokens: "a op b =" })]) {
    const trainer = await trainerOf(spec), state = await trainer.snapshot(0), { C } = sizes(spec);
    trainer.dispose();
    const head = outputHead(spec, state.params), { logits, features } = await activations(spec, state.params, { backend: "cpu" });
    // Before training, biases and all: what the head makes of a pair's features, less that of pair 0, is the same of the logits.
    const scale = spec.model.scaling === "mean-field" ? 1 / sizes(spec).M : 1;
    const by = (pair: number, c: number) =>
      Array.from({ length: head.rows }, (_, d) => features[pair * head.rows + d] * head.values[d * C + c])
        .reduce((sum, x) => sum + x, 0) * scale;
    for (const c of [0, 3, C - 1]) assertAlmostEquals(logits[5 * C + c] - logits[c], by(5, c) - by(0, c), 1e-4);
    assertEquals(embedding(spec, state.params).rows, C);
    const { svg } = insideFigure(inside(state));
    assertEquals(svg.includes("neurons →"), spec.model.mixer === "none");
    assert(svg.includes("Output head W_U"));
  }
});
