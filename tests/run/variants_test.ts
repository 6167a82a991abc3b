/** Variants of the model: what follows from them, what is refused, which parameters they have and how these start. */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { attentionProbe } from "../../lib/run/attention.ts";
import { isNeutral, PART_ENTRIES } from "../../lib/run/fields.ts";
import { grid, swept } from "../../lib/run/grid.ts";
import { initialise, layout, parameterCount, read } from "../../lib/run/layout.ts";
import { identity, type RunInput, runSpec, shapeKey, sizes } from "../../lib/run/spec.ts";

const SCALED = { mixer: "none", layers: 1, inputs: "one-hot", scaling: "mean-field", activation: "square", biases: false } as const;
const GROMOV = { ...SCALED, init: "normal", initSigma: 1, dMlp: 30 } as const;

Deno.test("variants: no attention is said in one word, and the fields that then say nothing follow", () => {
  const { model } = runSpec({ model: { mixer: "none" } }), { tokens, context, norm, mask, pooling, heads, inputs } = model;
  assertEquals([tokens, context, norm, mask, pooling, heads, inputs], ["a b", 2, "none", "none", "last", 1, "embedded"]);
  // What is stored of a run gives the run.
  for (const input of [{ mixer: "none" }, { mixer: "uniform", normKind: "rms", tied: true }, GROMOV] as const) {
    const spec = runSpec({ model: input });
    assertEquals(runSpec(JSON.parse(identity(spec))).model, spec.model);
  }
});

Deno.test("variants: a sweep over the mixer differs in the mixer alone; what is chosen freely beside it is said", () => {
  const runs = grid({ preset: "nanda", model: { mixer: ["attention", "uniform", "none"] }, seed: [0, 1] });
  assertEquals([...swept(runs).keys()], ["model.mixer", "seed"]);
  const free = ["post", "pre"].map((norm) => runSpec({ preset: "nanda", model: { norm: norm as "post" | "pre" } }));
  assertEquals([...swept([...free, runSpec({ preset: "nanda", model: { mixer: "none" } })]).keys()], ["model.norm", "model.mixer"]);
});

Deno.test("variants: at its neutral value none of them is in a run's identity or shape, at another each is", () => {
  const plain = runSpec();
  for (const name of ["normKind", "mixer", "inputs", "scaling", "tied"]) {
    assert(isNeutral(plain, PART_ENTRIES.find((entry) => entry.name === name)!), name);
  }
  const inputs: RunInput["model"][] = [{ normKind: "rms" }, { mixer: "uniform" }, { mixer: "none" }, { tied: true }, GROMOV];
  const specs = [plain, ...inputs.map((model) => runSpec({ model: model! }))];
  for (const nameOf of [identity, shapeKey]) assertEquals(new Set(specs.map(nameOf)).size, specs.length);
  assertMatch(shapeKey(specs[5]), / no attention one-hot inputs mean-field B512 C97$/);
});

Deno.test("variants: what makes no sense together is refused in one line that names both fields", () => {
  const cases: [RunInput["model"], string][] = [
    [{ mixer: "none", norm: "pre" }, 'norm must be none where mixer is none, current value is "pre"'],
    [{ mixer: "none", tokens: "a b =" }, 'tokens must be a b where mixer is none, current value is "a b ="'],
    [{ mixer: "none", pooling: "mean" }, 'pooling must be last where mixer is none, current value is "mean"'],
    [{ mixer: "none", mask: "causal" }, 'mask must be none where mixer is none, current value is "causal"'],
    [{ mixer: "none", heads: 4 }, "heads must be 1 where mixer is none, current value is 4"],
    [{ mixer: "none", context: 5 }, "context must be 2 where mixer is none, current value is 5"],
    [{ mixer: "none", tied: true }, "tied must be false where mixer is none, current value is true"],
    [{ norm: "none", normKind: "rms" }, 'normKind must be layer where norm is none, current value is "rms"'],
    [{ inputs: "one-hot" }, 'inputs must be embedded where mixer isn\'t none, current value is "one-hot"'],
    [{ ...GROMOV, activation: "relu" }, 'activation must be square where scaling is mean-field, current value is "relu"'],
    [{ ...GROMOV, layers: 2 }, "layers must be 1 where scaling is mean-field, current value is 2"],
    [{ ...GROMOV, biases: true }, "biases must be false where scaling is mean-field, current value is true"],
    [{ ...GROMOV, inputs: "embedded" }, 'inputs must be one-hot where scaling is mean-field, current value is "embedded"'],
    [{ scaling: "mean-field" }, 'mixer must be none where scaling is mean-field, current value is "attention"'],
  ];
  for (const [model, message] of cases) {
    const error = assertThrows(() => runSpec({ model: model! }), Error, message);
    assertMatch(error.message, /^Cannot use this run: [^\n]*$/);
  }
  assertThrows(
    () => attentionProbe(runSpec({ model: GROMOV })),
    Error,
    "Cannot watch attention: the model's mixer must be attention or uniform, current value is none",
  );
});

/** Names and dims of a model with two layers of width 8 for 7 elements. */
const tensorsOf = (model: RunInput["model"]) => {
  const spec = runSpec({ model: { layers: 2, dModel: 8, dMlp: 20, ...model }, data: { prime: 7 } });
  return new Map(layout(spec).tensors.map(({ name, dims }) => [name, dims.join()]));
};

Deno.test("variants: tensors have TransformerLens's names, and there are none that the model doesn't use", () => {
  const plain = tensorsOf({}), without = (drop: RegExp) => [...plain].filter(([name]) => !drop.test(name));
  assertEquals([...tensorsOf({ normKind: "rms" })], without(/ln.*\.b$/));
  assertEquals([...tensorsOf({ mixer: "uniform" })], without(/[Wb]_[QK]$/));
  assertEquals([...tensorsOf({ tied: true })], without(/W_U$/));
  assertEquals(Object.fromEntries(tensorsOf({ mixer: "none" })), {
    "embed.W_E": "7,8",
    ...{ "blocks.0.mlp.W_in": "2,8,20", "blocks.1.mlp.W_in": "20,20", "unembed.W_U": "20,7" },
    ...{ "blocks.0.mlp.b_in": "20", "blocks.1.mlp.b_in": "20", "unembed.b_U": "7" },
  });
  assertEquals(Object.fromEntries(tensorsOf(GROMOV)), { "blocks.0.mlp.W_in": "2,7,30", "unembed.W_U": "30,7" });
  // 2pN + Np, as in Gromov's paper, whatever d_model.
  for (const dModel of [3, 128]) assertEquals(parameterCount(runSpec({ model: { ...GROMOV, dModel }, data: { prime: 7 } })), 3 * 7 * 30);
});

Deno.test("variants: weights of hidden layers start within ±1/√fan_in, as in PyTorch's Linear; no two parameters share a place", () => {
  for (const inputs of ["embedded", "one-hot"] as const) {
    const spec = runSpec({ model: { mixer: "none", inputs, dModel: 10, dMlp: 30 }, data: { prime: 7 } });
    const { tensors, length } = layout(spec), flat = initialise(spec), { C, D, M } = sizes(spec);
    const reads = { "blocks.0.mlp": 2 * (inputs === "one-hot" ? C : D), "blocks.1.mlp": M, unembed: M };
    const uses = new Uint8Array(length);
    for (const tensor of tensors) {
      read(tensor, Float32Array.from({ length }, (_, i) => i)).forEach((at) => uses[at]++);
      const fan = Object.entries(reads).find(([name]) => tensor.name.startsWith(name))?.[1];
      if (fan === undefined) continue;
      const most = Math.max(...read(tensor, flat).map(Math.abs));
      // Of 7 numbers or more, one lies in the outer half, except once in 128 seeds.
      assert(most <= 1 / Math.sqrt(fan) && most > 0.5 / Math.sqrt(fan), `${inputs}: ${tensor.name} reaches ${most}`);
    }
    assert(uses.every((count) => count <= 1));
    flat.forEach((x, i) => uses[i] === 0 && assertEquals(x, 0));
  }
});
