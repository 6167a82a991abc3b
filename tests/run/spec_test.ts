/** The spec: presets to the letter, defaults, errors, identity; the layout's parameter counts and initial weights. */
import { assert, assertAlmostEquals, assertEquals, assertMatch, assertNotEquals, assertThrows } from "@std/assert";
import { grid } from "../../lib/run/grid.ts";
import { initialise, layout, parameterCount, read, write } from "../../lib/run/layout.ts";
import { PRESETS, type RunInput, runSpec, shapeKey, sizes, specHash, stableJson } from "../../lib/run/spec.ts";

Deno.test("spec: presets are the published settings", () => {
  const { "ai-scientist": scientist, boundaries, "tiny-live": live, "one-layer": small } = PRESETS;
  const optim = ({ lr, weightDecay, beta1, beta2, warmup }: typeof scientist.optim) => [lr, weightDecay, beta1, beta2, warmup];
  assertEquals(optim(scientist.optim), [1e-3, 0.5, 0.9, 0.98, 50]);
  assertEquals(optim(boundaries.optim), [1e-3, 1, 0.9, 0.98, 0]);
  assertEquals(optim(live.optim), [1e-3, 0.01, 0.9, 0.999, 0]);
  assertEquals(optim(small.optim), [1e-3, 1, 0.9, 0.98, 10]);
  for (const [name, { optim }] of Object.entries(PRESETS)) {
    assertEquals([optim.eps, optim.decay, optim.loss], [1e-8, "all", name === "tl-demo" ? "float64" : "torch"]);
  }
  const { operation, prime, trainFraction, batch } = scientist.data;
  assertEquals({ operation, prime, trainFraction, batch }, { operation: "x_plus_y", prime: 97, trainFraction: 0.5, batch: 512 });
  assertEquals(boundaries.data.batch, "full");
  assertEquals([live.data.trainFraction, live.data.batch, live.model.positionSigma], [0.3, 256, 0.02]);
  assertEquals([small.data.prime, small.data.trainFraction, small.data.batch], [113, 0.3, "full"]);
  assertEquals([small.model.layers, small.model.dMlp, small.model.activation, small.model.norm], [1, 512, "relu", "none"]);
  assertEquals([scientist, boundaries, live, small].map(({ model }) => `${model.norm} ${model.mask} ${model.pooling} [${model.tokens}]`), [
    "post causal last [a op b =]",
    "pre none mean [a b]",
    "pre none last [a b]",
    "none causal last [a b =]",
  ]);
  for (const preset of Object.keys(PRESETS) as (keyof typeof PRESETS)[]) assertEquals(runSpec({ preset }), PRESETS[preset]);
});

Deno.test("spec: what differs wins over the preset; d_mlp follows d_model, the context follows the tokens", () => {
  assertEquals(runSpec(), PRESETS["ai-scientist"]);
  const spec = runSpec({ preset: "one-layer", model: { dModel: 64, tokens: "a b" }, optim: { lr: 0.01 }, seed: 9 });
  assertEquals([spec.model.dMlp, spec.model.context, spec.model.heads, spec.optim.lr, spec.optim.warmup, spec.seed], [
    256,
    2,
    4,
    0.01,
    10,
    9,
  ]);
  assertEquals(runSpec({ model: { dModel: 64, dMlp: 100 } }).model.dMlp, 100);
  assertEquals(runSpec({ model: { tokens: "a b", context: 7 } }).model.context, 7);
});

Deno.test("spec: what a preset says of a field that what is given makes unread doesn't count, in a grid neither", () => {
  const cases: [RunInput, name: "biasesIn" | "initSigmas" | "finalNorm", value: unknown][] = [
    [{ preset: "nanda", model: { biases: false } }, "biasesIn", "all"],
    [{ preset: "nanda", model: { init: "linear" } }, "initSigmas", "none"],
    [{ preset: "power", model: { norm: "none" } }, "finalNorm", true],
    [{ preset: "power", model: { mixer: "none" } }, "finalNorm", true],
  ];
  for (const [input, name, value] of cases) {
    const spec = runSpec(input), said = PRESETS[input.preset!].model[name];
    assertEquals(spec.model[name], value);
    assertEquals(grid(input), [spec]);
    assertThrows(() => runSpec({ ...input, model: { ...input.model, [name]: said } }), Error, `${name} must be ${value} where`);
  }
});

Deno.test("spec: a run is frozen, and the preset behind it untouched", () => {
  const spec = runSpec({ seed: 3 }) as { seed: number; model: { layers: number } };
  assertThrows(() => spec.seed = 4, TypeError);
  assertThrows(() => spec.model.layers = 4, TypeError);
  assertEquals(runSpec().seed, 0);
});

Deno.test("spec: what cannot be ends in one line with the field, its value and what it must be", () => {
  const cases: [unknown, string][] = [
    [
      { preset: "resnet" },
      'preset must be one of ai-scientist, boundaries, tiny-live, one-layer, nanda, tl-demo, power, current value is "resnet"',
    ],
    [{ data: { operation: "x_pow_y" } }, "operation must be one of x_plus_y, x_minus_y, x_div_y"],
    [{ data: { operation: "x_div_y", prime: 96 } }, "prime must be a prime number for x_div_y, current value is 96"],
    [{ data: { prime: 1 } }, "prime must be a whole number from 2 to 1021, current value is 1"],
    [{ data: { prime: 1031 } }, "prime must be a whole number from 2 to 1021"],
    [
      { data: { trainFraction: 0.0001 } },
      "trainFraction must be such that train and validation sets get at least one of the 9409 pairs each",
    ],
    [{ data: { trainFraction: 1 } }, "trainFraction must be between 0 and 1, current value is 1"],
    [{ data: { batch: 0 } }, 'batch (where it is not "full") must be a whole number from 1'],
    [{ data: { batch: "half" } }, 'current value is "half"'],
    [{ model: { dModel: 130 } }, "dModel must be divisible by heads (4), current value is 130"],
    [{ model: { layers: 1.5 } }, "layers must be a whole number from 1 to 64, current value is 1.5"],
    [{ model: { activation: "tanh" } }, 'activation must be one of gelu, relu, square, current value is "tanh"'],
    [{ model: { context: 3 } }, "context must be a whole number from 4 to 64, current value is 3"],
    [{ model: { biases: 1 } }, "biases must be true or false, current value is 1"],
    [{ model: { biases: false, biasesIn: "mlp" } }, 'biasesIn must be all where biases is false, current value is "mlp"'],
    [{ model: { norm: "none", finalNorm: false } }, "finalNorm must be true where norm is none"],
    [{ model: { initSigmas: "mlp=0.1" } }, 'initSigmas must be none where init is pytorch, current value is "mlp=0.1"'],
    [{ model: { extraClasses: -1 } }, "extraClasses must be a whole number from 0 to 1024, current value is -1"],
    [{ optim: { frozen: "all" } }, 'frozen must be such that some group is trained, current value is "all"'],
    [{ optim: { frozen: "mlp+embed" } }, "frozen must be all, none, or some of embed+pos+attn"],
    [{ optim: { lr: NaN } }, "lr must be 0 or above, current value is NaN"],
    [{ optim: { beta2: 1 } }, "beta2 must be at least 0 and below 1, current value is 1"],
    [{ optim: { weightDecay: -1 } }, "weightDecay must be 0 or above, current value is -1"],
    [{ optim: { learningRate: 1 } }, "a field of optim must be one of lr, weightDecay, beta1"],
    [{ sed: 1 }, "a field of run must be one of model, data, optim, schedule, seed"],
    [{ seed: -1 }, "seed must be a whole number from 0 to 4294967295, current value is -1"],
    [{ schedule: { evalEvery: 0 } }, "evalEvery must be a whole number from 1"],
  ];
  for (const [input, message] of cases) {
    const { message: actual } = assertThrows(() => runSpec(input as RunInput), Error, message);
    assertMatch(actual, /^Cannot use this run: [^\n]*$/);
  }
  assertEquals(runSpec({ data: { prime: 96 } }).data.prime, 96); // addition needs no prime
});

Deno.test("spec: tokens and sizes of the three layouts", () => {
  const of = (tokens: "a op b =" | "a b =" | "a b", operation: "x_plus_y" | "permutation" = "x_plus_y") => {
    const { T, V, C, firstElement, op, equals } = sizes(runSpec({ model: { tokens }, data: { operation } }));
    return { T, V, C, firstElement, op, equals };
  };
  assertEquals(of("a op b ="), { T: 4, V: 99, C: 97, firstElement: 2, op: 0, equals: 1 });
  assertEquals(of("a op b =", "permutation"), { T: 4, V: 122, C: 120, firstElement: 2, op: 0, equals: 1 });
  const { op: _, ...three } = of("a b =");
  assertEquals(three, { T: 3, V: 98, C: 97, firstElement: 0, equals: 97 });
  assertEquals([of("a b").T, of("a b").V], [2, 97]);
});

Deno.test("spec: the shape key holds what decides the shape, and nothing else", () => {
  const key = (input: RunInput) => shapeKey(runSpec(input));
  const same: RunInput[] = [
    { seed: 5 },
    { optim: { lr: 1, weightDecay: 2, beta1: 0, beta2: 0.5, eps: 1, warmup: 3, decay: "matrices", loss: "stable" } },
    { data: { operation: "x_div_y", trainFraction: 0.3 } },
    { model: { init: "normal", initSigma: 1, positionSigma: 0 } },
    { schedule: { steps: 1 } },
  ];
  for (const input of same) assertEquals(key(input), key({}), stableJson(input));
  const model = [{ layers: 1 }, { dModel: 64 }, { heads: 2 }, { dMlp: 9 }, { activation: "relu" }, { norm: "pre" }, {
    mask: "none",
  }] as const;
  const more = [{ pooling: "mean" }, { biases: false }, { tokens: "a b =" }, { context: 6 }] as const;
  const different: RunInput[] = [...[...model, ...more].map((model) => ({ model })), { data: { prime: 31 } }, { data: { batch: 64 } }];
  assertEquals(new Set([key({}), ...different.map(key)]).size, different.length + 1);
});

Deno.test("spec: the hash tells runs apart, whatever the order of their fields or the length of their training", () => {
  const hash = (input: RunInput) => specHash(runSpec(input));
  const base = hash({});
  assertMatch(base, /^[0-9a-f]{16}$/);
  // Stands in saved results: changing it orphans them.
  assertEquals(base, "1201e101ec0ce406");
  assertEquals(specHash(runSpec(JSON.parse(stableJson(runSpec())))), base);
  assertEquals(hash({ schedule: { steps: 5 } }), base);
  for (
    const input of [{ seed: 1 }, { optim: { lr: 2e-3 } }, { data: { batch: 511 } }, { model: { layers: 1 } }, {
      schedule: { evalEvery: 1 },
    }]
  ) {
    assertNotEquals(hash(input), base);
  }
});

Deno.test("layout: parameter counts are the published ones", () => {
  const count = (layers: number, dModel: number, operation: "x_plus_y" | "permutation") =>
    parameterCount(runSpec({ model: { layers, dModel }, data: { operation } }));
  const published = [[2, 128, 422_625, 428_536], [1, 128, 224_353, 230_264], [2, 256, 1_631_585, 1_643_384]];
  for (const [layers, d, mod, s5] of published) {
    assertEquals([count(layers, d, "x_plus_y"), count(layers, d, "permutation")], [mod, s5], `${layers} × ${d}`);
  }
  assertEquals([count(4, 64, "x_plus_y"), count(4, 128, "x_plus_y")], [213_025, 819_169]);
  // No LayerNorm and no biases: (114 + 3) · 128 + 4 · 128 · 128 + 2 · 128 · 512 + 128 · 113
  assertEquals(parameterCount(runSpec({ preset: "one-layer" })), 226_048);
});

Deno.test("layout: tensors don't overlap, and what no tensor holds is padding that stays zero", () => {
  const small: RunInput[] = [{ model: { dModel: 1, heads: 1, dMlp: 1 }, data: { prime: 2, batch: 1 } }, { model: { dMlp: 1 } }];
  for (
    const input of [...small, { model: { dModel: 18, heads: 3, dMlp: 10 }, data: { prime: 11 } }, { preset: "one-layer" }] as RunInput[]
  ) {
    const spec = runSpec(input), { length, tensors, vectorsFrom, blocks } = layout(spec);
    // Products read and write matrices in groups of four rows.
    for (const { offset, rows, stride } of blocks.values()) {
      assert(stride % 4 === 0 && (offset >= vectorsFrom ? rows === 1 : rows % 4 === 0));
    }
    const covered = new Float32Array(length);
    for (const tensor of tensors) {
      const seen = new Float32Array(length);
      write(tensor, seen, read(tensor, covered).fill(1));
      seen.forEach((one, i) => covered[i] += one);
      assertEquals(tensor.offset >= vectorsFrom, !tensor.name.includes(".W_"), tensor.name);
    }
    assert(covered.every((times) => times <= 1));
    assertEquals(covered.reduce((sum, times) => sum + times), parameterCount(spec));
    assert(initialise(spec).every((value, i) => covered[i] === 1 || value === 0));
  }
});

/** Five standard errors of a standard deviation estimated from n draws. */
const fiveSigma = (sigma: number, n: number) => (5 * sigma) / Math.sqrt(2 * n);

Deno.test("layout: initial weights are spread as PyTorch spreads them", () => {
  const spec = runSpec(), flat = initialise(spec), D = 128, M = 512;
  const tensors = new Map(layout(spec).tensors.map((tensor) => [tensor.name, read(tensor, flat)]));
  const uniform = (bound: number) => bound / Math.sqrt(3);
  const expected: Record<string, number> = {
    "embed.W_E": 1,
    "pos_embed.W_pos": 1,
    "blocks.0.attn.W_Q": uniform(Math.sqrt(6 / (4 * D))),
    "blocks.1.attn.W_V": uniform(Math.sqrt(6 / (4 * D))),
    "blocks.0.attn.W_O": uniform(1 / Math.sqrt(D)),
    "blocks.0.mlp.W_in": uniform(1 / Math.sqrt(D)),
    "blocks.0.mlp.W_out": uniform(1 / Math.sqrt(M)),
    "blocks.1.mlp.b_out": uniform(1 / Math.sqrt(M)),
    "unembed.W_U": uniform(1 / Math.sqrt(D)),
  };
  for (const [name, sigma] of Object.entries(expected)) {
    const values = tensors.get(name)!;
    assertAlmostEquals(Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length), sigma, fiveSigma(sigma, values.length), name);
  }
  for (const name of ["attn.b_Q", "attn.b_K", "attn.b_V", "attn.b_O", "ln1.b"]) {
    assert(tensors.get(`blocks.0.${name}`)!.every((x) => x === 0));
  }
  for (const name of ["blocks.0.ln1.w", "blocks.1.ln2.w", "ln_final.w"]) assert(tensors.get(name)!.every((x) => x === 1), name);
  assertNotEquals(initialise(runSpec({ seed: 1 })), flat);
  assertEquals(initialise(runSpec({ seed: 0, data: { operation: "x_div_y" } })), flat);

  const normal = runSpec({ preset: "one-layer" }), W = initialise(normal);
  const mean = W.reduce((sum, x) => sum + x * x, 0) / parameterCount(normal);
  assertAlmostEquals(Math.sqrt(mean), 1 / Math.sqrt(128), fiveSigma(1 / Math.sqrt(128), parameterCount(normal)));
});
