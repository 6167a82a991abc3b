/** Activations of all pairs: by hand where the weights allow it, and against what both engines say of a whole set. */
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { linearTask, scores } from "../../lib/analysis/network/progress.ts";
import { outputHead } from "../../lib/analysis/network/weights.ts";
import { cpuEngine } from "../../lib/engine/cpu/engine.ts";
import { initialise, layout, read, write } from "../../lib/run/layout.ts";
import { probe } from "../../lib/lab/probe.ts";
import { activations } from "../../lib/reference/activations.ts";
import { tfjsEngine } from "../../lib/reference/trainer.ts";
import { type RunInput, runSpec } from "../../lib/run/spec.ts";
import type { Engine } from "../../lib/engine/engine.ts";

/** f32, a softmax of f32 logits of size 10, and an erf right to 2e-7. */
const SINGLE = 1e-5;
/** One kernel sums in another order than the other. */
const ENGINES = 2e-4;

const SMALL: RunInput = { model: { layers: 2, dModel: 12, heads: 2 }, data: { prime: 7, trainFraction: 0.5 } };

/** Parameters of a run with some tensors set to what `put` gives for their indices. */
function weights(input: RunInput, put: Readonly<Record<string, (row: number, column: number) => number>>) {
  const spec = runSpec(input), params = initialise(spec), { tensors } = layout(spec);
  for (const [name, value] of Object.entries(put)) {
    const tensor = tensors.find((each) => each.name === name)!, columns = tensor.dims.at(-1)!;
    write(tensor, params, read(tensor, params).map((_, at) => value(Math.floor(at / columns), at % columns)));
  }
  return { spec, params };
}

Deno.test("activations: without attention and feed-forward part, the head reads embeddings", async () => {
  const zero = () => 0, off = { "blocks.0.attn.W_O": zero, "blocks.0.mlp.W_out": zero, "pos_embed.W_pos": zero };
  const model = { layers: 1, dModel: 4, heads: 1, dMlp: 4, norm: "none", biases: false, activation: "relu" } as const;
  for (const pooling of ["mean", "last"] as const) {
    const { spec, params } = weights({ model: { ...model, pooling, tokens: "a b" }, data: { prime: 7, trainFraction: 0.5 } }, {
      ...off,
      "embed.W_E": (a, d) => d === 0 ? a : d === 1 ? 1 : 0,
      "blocks.0.mlp.W_in": (d, m) => d === 0 ? 1 : d === 1 ? -m : 0, // x − m
      "unembed.W_U": (d, c) => d === 0 ? c : d === 1 ? -1 : 0, // cx − 1
    });
    const { logits, features, neurons } = await activations(spec, params);
    assertEquals([logits.length, features.length, neurons.length], [7 ** 3, 49 * 4, 49 * 4]);
    for (let pair = 0; pair < 49; pair++) {
      const a = Math.floor(pair / 7), b = pair % 7, at = (f: (x: number) => number) => pooling === "mean" ? (f(a) + f(b)) / 2 : f(b);
      for (let i = 0; i < 4; i++) {
        assertAlmostEquals(features[4 * pair + i], [at((x) => x), 1, 0, 0][i], SINGLE);
        // The mean of what the neurons say, not what they say of the mean.
        assertAlmostEquals(neurons[4 * pair + i], at((x) => Math.max(0, x - i)), SINGLE);
      }
      for (let c = 0; c < 7; c++) assertAlmostEquals(logits[7 * pair + c], c * at((x) => x) - 1, 10 * SINGLE);
    }
  }
});

/** What a trainer says of its whole sets after some updates, and what the activations of its state say. */
async function agree(engine: Engine, input: RunInput, tolerance: number) {
  const spec = runSpec({ ...input, schedule: { steps: 6, evalEvery: 6 }, seed: 5 }), trainer = await engine.open([spec]);
  try {
    for await (const _ of trainer.advance(6));
    const [{ metrics }] = await trainer.evaluate(), snapshot = await trainer.snapshot(0);
    const task = linearTask(spec), { logits } = await activations(spec, snapshot.params), whole = scores(logits, task);
    for (const field of ["trainLoss", "valLoss"] as const) assertAlmostEquals(whole[field], metrics[field], tolerance * metrics[field]);
    for (const field of ["trainAcc", "valAcc"] as const) assertAlmostEquals(whole[field], metrics[field], SINGLE);
    const { weightNorm, weightNorms } = (await probe(spec, [snapshot])).readings[0];
    assertAlmostEquals(weightNorm, metrics.weightNorm, tolerance * metrics.weightNorm);
    assertEquals([...weightNorms.keys()], layout(spec).tensors.map(({ name }) => name));
    const pairs = Array.from({ length: 49 }, (_, pair) => pair);
    const seen = await trainer.logits(0, pairs.map((pair) => Math.floor(pair / 7)), pairs.map((pair) => pair % 7));
    const largest = Math.max(...seen.map(Math.abs));
    seen.forEach((logit, at) => assertAlmostEquals(logits[at], logit, tolerance * largest));
  } finally {
    trainer.dispose();
  }
}

const PRESETS: RunInput[] = [
  { ...SMALL, data: { ...SMALL.data, operation: "x_minus_y", batch: 9 } },
  { ...SMALL, preset: "boundaries" },
  { ...SMALL, preset: "one-layer" },
  { ...SMALL, optim: { loss: "mse", temperature: 2 } },
];

Deno.test("activations: loss, accuracy and norm are those of the reference engine", async () => {
  const engine = await tfjsEngine("wasm");
  for (const input of PRESETS) await agree(engine, input, SINGLE);
});

Deno.test({
  name: "activations: loss, accuracy and norm are those of the processor engine",
  sanitizeResources: false,
  sanitizeOps: false,
  fn: async () => {
    const engine = await cpuEngine(1);
    await agree(engine, { ...SMALL, preset: "boundaries", model: { ...SMALL.model, layers: 1 } }, ENGINES);
  },
});

Deno.test("activations: a class that is no answer is left out of the logits and of the head", async () => {
  const spec = runSpec({
    preset: "nanda",
    model: { dModel: 8, heads: 2, dMlp: 6 },
    data: { prime: 7 },
    schedule: { steps: 3, evalEvery: 3 },
  });
  const trainer = await (await tfjsEngine("wasm")).open([spec]), pairs = Array.from({ length: 49 }, (_, pair) => pair);
  try {
    for await (const _ of trainer.advance(3));
    const { params } = await trainer.snapshot(0),
      { logits, features } = await activations(spec, params),
      { values } = outputHead(spec, params);
    const seen = await trainer.logits(0, pairs.map((pair) => Math.floor(pair / 7)), pairs.map((pair) => pair % 7));
    assertEquals([seen.length, logits.length, values.length], [49 * 8, 49 * 7, 8 * 7]);
    for (let pair = 0; pair < 49; pair++) {
      for (let c = 0; c < 7; c++) {
        assertEquals(logits[7 * pair + c], seen[8 * pair + c]);
        let logit = 0;
        for (let d = 0; d < 8; d++) logit += features[8 * pair + d] * values[7 * d + c];
        assertAlmostEquals(logit, logits[7 * pair + c], SINGLE);
      }
    }
  } finally {
    trainer.dispose();
  }
});

Deno.test("activations: more pairs than one pass takes, of any layer; what can't be is said", async () => {
  const { spec, params } = weights({ model: { layers: 2, dModel: 4, heads: 1, dMlp: 4 }, data: { prime: 47 } }, {});
  const last = await activations(spec, params), first = await activations(spec, params, { layer: 0 });
  assertEquals(last.logits, first.logits);
  assert(last.neurons.some((x, i) => x !== first.neurons[i]));
  // Each pass writes its own rows: no row is left zero.
  for (let pair = 0; pair < 47 * 47; pair++) assert(last.features.subarray(4 * pair, 4 * pair + 4).some((x) => x !== 0), String(pair));
  await assertRejects(() => activations(spec, params, { layer: 2 }), Error, "layer must be a whole number from 0 to 1, current value is 2");
  await assertRejects(() => activations(spec, params.slice(1)), Error, `the parameters must be ${params.length} floats, current value is`);
});

Deno.test("probe: all is measured by the last checkpoint's key frequencies, whatever the order", async () => {
  const spec = runSpec({ ...SMALL, preset: "one-layer" });
  const states = [0, 3, 9].map((step) => ({ step, params: initialise({ ...spec, seed: step }) }));
  let loaded = 0;
  const stored = states.map(({ step, params }) => ({ step, load: () => (loaded++, Promise.resolve(params)) }));
  const { keys, readings } = await probe(spec, [stored[2], stored[0], states[1]]);
  assertEquals([loaded, readings.map(({ step }) => step)], [2, [0, 3, 9]]);
  assertEquals(keys, readings[2].keys);
  const alone = (await probe(spec, [states[0]])).readings[0];
  assertEquals(alone.logits, readings[0].logits);
  const byAll = (reading: typeof alone) => reading.explained;
  assertEquals(byAll(readings[0]) === byAll(alone), alone.keys.toString() === keys.toString());
  await assertRejects(() => probe(spec, []), Error, "it must have at least one checkpoint, there is none");
  await assertRejects(() => probe(runSpec({ data: { operation: "permutation" } }), states), Error, "must be x_plus_y or x_minus_y");
});

Deno.test("activations: an engine's own are those of TensorFlow.js, for every pooling, mask and norm", async () => {
  const engine = await cpuEngine(2);
  try {
    for (const pooling of ["last", "mean"] as const) {
      for (const [norm, mask, tokens] of [["post", "causal", "a op b ="], ["pre", "none", "a b"], ["none", "causal", "a b ="]] as const) {
        const model = { ...SMALL.model, norm, mask, tokens, pooling, dMlp: 22, initSigma: 0.3 };
        const spec = runSpec({ ...SMALL, model, data: { prime: 47 } }), params = initialise(spec);
        const trainer = await engine.open([spec]), [own, other] = [await trainer.activations(), await activations(spec, params)];
        trainer.dispose();
        for (const name of ["logits", "features", "neurons"] as const) {
          const largest = other[name].reduce((most, x) => Math.max(most, Math.abs(x)), 0);
          const apart = own[name].reduce((most, x, i) => Math.max(most, Math.abs(x - other[name][i])), 0);
          assertEquals(own[name].length, other[name].length);
          assert(apart <= ENGINES * largest, `${name}, ${norm}, ${pooling}: ${apart} of ${largest}`);
        }
      }
    }
    const two = await engine.open([runSpec({ ...SMALL, seed: 1 }), runSpec({ ...SMALL, seed: 2 })]);
    await assertRejects(() => two.activations(), Error, "must hold one run, it holds 2");
    two.dispose();
  } finally {
    await engine.close();
  }
});
