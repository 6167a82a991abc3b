/** The presets that others' code defines, line by line; and what the fields that they need do to sizes and initial weights. */
import { createHash } from "node:crypto";
import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { groupOf } from "../../lib/run/groups.ts";
import { initialise, layout, read } from "../../lib/run/layout.ts";
import { dataset } from "../../lib/run/operations.ts";
import { sinusoids } from "../../lib/run/sinusoids.ts";
import { PRESETS, type RunSpec, runSpec, sizes } from "../../lib/run/spec.ts";

/** Root mean square of each tensor's initial weights, by name. */
function spreads(spec: RunSpec): Map<string, number> {
  const flat = initialise(spec);
  return new Map(
    layout(spec).tensors.map((tensor) => {
      const values = read(tensor, flat);
      return [tensor.name, Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length)];
    }),
  );
}
/** Relative: of 384 normal draws, in the smallest table here, the root mean square has a standard error of 3.6 %. */
const SPREAD = 0.15;

Deno.test("presets: nanda is the paper's code, tl-demo TransformerLens's demonstration, line by line", () => {
  const { nanda, "tl-demo": demo } = PRESETS;
  for (const { model, data, optim } of [nanda, demo]) {
    assertEquals([data.operation, data.prime, data.trainFraction, data.rounding, data.batch], ["x_plus_y", 113, 0.3, "down", "full"]);
    assertEquals([model.layers, model.dModel, model.heads, model.dMlp, model.activation, model.norm], [1, 128, 4, 512, "relu", "none"]);
    assertEquals([model.mask, model.pooling, model.tokens, model.context], ["causal", "last", "a b =", 3]);
    assertEquals([optim.lr, optim.weightDecay, optim.beta1, optim.beta2, optim.eps, optim.decay], [1e-3, 1, 0.9, 0.98, 1e-8, "all"]);
  }
  assertEquals([sizes(nanda).V, sizes(nanda).C, sizes(nanda).equals, sizes(nanda).trainPairs], [114, 114, 113, 3830]);
  assertEquals([sizes(demo).V, sizes(demo).C], [114, 113]);
  assertEquals([nanda.optim.warmup, nanda.optim.loss, nanda.optim.frozen, nanda.schedule.steps], [10, "torch", "none", 50_000]);
  assertEquals([demo.optim.warmup, demo.optim.loss, demo.optim.frozen, demo.schedule.steps], [0, "float64", "biases", 25_000]);
  const biases = (spec: RunSpec) => layout(spec).tensors.map(({ name }) => name).filter((name) => groupOf(name) === "biases");
  assertEquals(biases(nanda), ["blocks.0.mlp.b_in", "blocks.0.mlp.b_out"]);
  assertEquals(biases(demo).map((name) => name.split(".").at(-1)), ["b_Q", "b_K", "b_V", "b_O", "b_in", "b_out", "b_U"]);
  for (const [spec, sigma, head] of [[nanda, 128 ** -0.5, 114 ** -0.5], [demo, 0.8 * 128 ** -0.5, 0.8 * 128 ** -0.5]] as const) {
    for (const [name, spread] of spreads(spec)) {
      const expected = groupOf(name) === "biases" ? 0 : name === "unembed.W_U" ? head : sigma;
      assertAlmostEquals(spread, expected, SPREAD * expected, name);
    }
  }
  // 4 % apart, so that 14,592 draws, with a standard error of 0.6 %, tell them.
  assertAlmostEquals(spreads(nanda).get("unembed.W_U")!, 114 ** -0.5, 0.02 * 114 ** -0.5);
});

Deno.test("presets: power is openai/grok's decoder on division, line by line", () => {
  const { power } = PRESETS, { model, data, optim } = power;
  assertEquals([model.layers, model.dModel, model.heads, model.dMlp, model.activation], [2, 128, 4, 512, "relu"]);
  assertEquals([model.norm, model.finalNorm, model.mask, model.pooling, model.biases], ["post", false, "causal", "last", false]);
  assertEquals([data.operation, data.prime, data.trainFraction, data.rounding, data.batch], ["x_div_y", 97, 0.5, "nearest", 512]);
  assertEquals([optim.lr, optim.weightDecay, optim.beta1, optim.beta2, optim.warmup, optim.frozen], [1e-3, 1, 0.9, 0.98, 10, "pos"]);
  // Two special tokens, 20 operators, 97 numbers and 120 permutations.
  assertEquals([sizes(power).C, sizes(power).elements], [2 + 20 + 97 + 120, 97]);
  assertEquals(
    layout(power).tensors.map(({ name }) => name).filter((name) => groupOf(name) === "biases" || name.startsWith("ln_final")),
    [],
  );
  const uniform = (fanIn: number) => Math.sqrt(1 / 3 / fanIn), found = spreads(power);
  for (const name of ["W_Q", "W_K", "W_V", "W_O"]) {
    assertAlmostEquals(found.get(`blocks.1.attn.${name}`)!, uniform(128), 0.02 * uniform(128));
  }
  assertAlmostEquals(found.get("blocks.1.mlp.W_out")!, uniform(512), 0.02 * uniform(512));
  assertAlmostEquals(found.get("embed.W_E")!, 1, 0.05);
});

Deno.test("presets: a sinusoidal position table holds sines and cosines, with the same bits everywhere", () => {
  for (const [context, dModel] of [[4, 128], [64, 6], [5, 3]]) {
    const spec = runSpec({ model: { context, dModel, heads: 1, positionInit: "sinusoidal" } });
    const W_pos = read(layout(spec).tensors.find(({ name }) => name === "pos_embed.W_pos")!, initialise(spec));
    W_pos.forEach((value, at) => {
      const row = Math.floor(at / dModel), column = at % dModel, angle = row / 10000 ** ((column - column % 2) / dModel);
      assertAlmostEquals(value, column % 2 ? Math.cos(angle) : Math.sin(angle), 6e-8);
    });
  }
  assertEquals(createHash("sha256").update(new Uint8Array(sinusoids(64, 128).buffer)).digest("hex").slice(0, 16), "271b9b31dbc2f141");
});

Deno.test("presets: the number of training pairs is rounded down or to the nearest, halves to the even", () => {
  const train = (trainFraction: number, rounding: "down" | "nearest", prime = 97) =>
    sizes(runSpec({ data: { trainFraction, rounding, prime } })).trainPairs;
  assertEquals([train(0.3, "down"), train(0.3, "nearest")], [2822, 2823]);
  assertEquals([train(0.5, "nearest", 97), train(0.5, "nearest", 11), train(0.5, "nearest", 7)], [4704, 60, 24]);
  assertEquals([train(0.25, "nearest", 5), train(0.3, "nearest", 5), train(0.1, "nearest", 5)], [6, 8, 2]);
  const { trainCount } = dataset(runSpec({ data: { operation: "x_plus_y", prime: 97, trainFraction: 0.3, rounding: "nearest" } }).data, 0);
  assertEquals(trainCount, 2823);
});

Deno.test("presets: sigma by tensor, a tensor's own before its group's", () => {
  const spec = runSpec({ preset: "one-layer", model: { initSigmas: "pos=0+mlp=0.5+W_out=0.01" } }), found = spreads(spec);
  const expected = { "pos_embed.W_pos": 0, "blocks.0.mlp.W_in": 0.5, "blocks.0.mlp.W_out": 0.01, "embed.W_E": spec.model.initSigma };
  for (const [name, sigma] of Object.entries(expected)) assertAlmostEquals(found.get(name)!, sigma, SPREAD * sigma, name);
  for (
    const initSigmas of [
      "",
      "mlp",
      "mlp=",
      "mlp=1+pos=1",
      "mlp=1+mlp=2",
      "mlp=-1",
      "mlp=1e-50",
      "mlp=0.10",
      "norms=1",
      "b_in=1",
      "mlp=1=2",
      "None",
    ]
  ) {
    assertThrows(() => runSpec({ preset: "one-layer", model: { initSigmas } }), Error, "initSigmas must be none, or NAME=σ");
  }
});
