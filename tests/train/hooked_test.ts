/**
 * Weights from and for TransformerLens: logits as its forward pass gives them (fixtures/hooked.py), round trips byte for byte, refusals by
 * name.
 */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { layout, read } from "../../lib/run/layout.ts";
import { type RunInput, type RunSpec, runSpec, sizes } from "../../lib/run/spec.ts";
import { activations } from "../../lib/reference/activations.ts";
import { hookedConfig, hookedFile, obstacle } from "../../lib/train/hooked.ts";
import { importWeights } from "../../lib/train/hooked_import.ts";
import { hookedInput } from "../../lib/train/hooked_spec.ts";
import { encode, readFile } from "../../lib/train/safetensors.ts";
import { saveWeights } from "../../lib/train/weights.ts";
import { CASES, weightsOf } from "../fixtures/hooked_cases.ts";

const FIXTURES = new URL("../fixtures/", import.meta.url).pathname;
const fixture: Record<string, { config: Record<string, unknown>; parameters: Record<string, number[]>; logits: number[] }> = JSON.parse(
  await Deno.readTextFile(`${FIXTURES}hooked.json`),
);

/** Absolute, of logits up to 11: TensorFlow.js computes in float32, and its erf is right to 2e-7. 2e-6 was seen. */
const LOGITS = 1e-5;

async function assertLogits(spec: RunSpec, params: Float32Array, expected: readonly number[], what: string): Promise<void> {
  const { logits } = await activations(spec, params);
  assertEquals(logits.length, expected.length, what);
  const error = Math.max(...expected.map((value, i) => Math.abs(value - logits[i])));
  assert(error <= LOGITS, `${what}: logits must be TransformerLens's up to ${LOGITS}, current difference is ${error}`);
}

async function inFolder(test: (path: (name: string) => string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await test((name) => `${folder}/${name}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A state dict as TransformerLens would save it, which has no metadata: `change` may take, add and replace tensors. */
type Content = Parameters<typeof encode>[0];
type Named = Map<string, Content["tensors"][number]>;
async function foreign(path: string, spec: RunSpec, change: (tensors: Named) => void = () => {}): Promise<void> {
  await Deno.writeFile(path, hookedFile(spec, weightsOf(spec)));
  const { tensors } = await readFile(path);
  const own: Named = new Map(
    [...tensors].map(([name, { shape, bytes }]) => [name, { name, shape, values: new Float32Array(bytes.slice().buffer) }]),
  );
  change(own);
  await Deno.writeFile(path, encode({ metadata: {}, tensors: [...own.values()] }));
}

Deno.test("hooked: the fixture is of every network that TransformerLens can hold (python3 tests/fixtures/hooked.py)", () => {
  assertEquals(Object.keys(fixture).sort(), [...CASES.keys()].sort());
  for (const [name, spec] of CASES) assertEquals(hookedConfig(spec), fixture[name].config, name);
});

for (const [name, spec] of CASES) {
  Deno.test(`hooked: ${name} has TransformerLens's logits, and goes out, in and out again as the same bytes`, () =>
    inFolder(async (path) => {
      const params = weightsOf(spec), file = path("a.safetensors");
      await assertLogits(spec, params, fixture[name].logits, name);
      await Deno.writeFile(file, hookedFile(spec, params));
      const { tensors } = await readFile(file), shapes = [...tensors].map(([name, { shape }]) => [name, shape]);
      assertEquals(Object.fromEntries(shapes), fixture[name].parameters);
      const { input } = await hookedInput(file, {}), again = runSpec(input), back = await importWeights(file, again);
      assertEquals(again, spec);
      assertEquals(back.notes, []);
      assertEquals(new Uint32Array(back.params.buffer), new Uint32Array(params.buffer));
      assertEquals(hookedFile(again, back.params), await Deno.readFile(file));
    }));
}

Deno.test("hooked: a state dict with folded LayerNorm and buffers, its config beside it, gives a run with the same logits", async () => {
  const file = `${FIXTURES}hooked-folded.safetensors`, whole = CASES.get("causal-pre")!;
  const { input, notes } = await hookedInput(file, { data: { operation: "x_plus_y" }, model: { tokens: "a op b =", pooling: "last" } });
  assertEquals(notes, []);
  const spec = runSpec(input);
  const { layers, dModel, heads, dMlp, activation, norm, mask, biases, context } = spec.model;
  assertEquals(
    { layers, dModel, heads, dMlp, activation, norm, mask, biases, context, prime: spec.data.prime },
    { layers: 2, dModel: 8, heads: 2, dMlp: 10, activation: "relu", norm: "pre", mask: "causal", biases: true, context: 7, prime: 5 },
  );
  const imported = await importWeights(file, spec);
  assertMatch(imported.notes.join("\n"), /^.*hooked-folded.safetensors has no weights of norms, .* scales begin at 1, shifts at 0$/);
  await assertLogits(spec, imported.params, fixture["causal-pre"].logits, "folded");
  // What was folded is another model's weights, not the old ones.
  assert(imported.params.some((x, i) => Math.abs(x - weightsOf(whole)[i]) > 0.1));
});

Deno.test("hooked: zero biases are taken where the model has none, and zeros are written for them", () =>
  inFolder(async (path) => {
    const spec = CASES.get("no-biases")!, file = path("a.safetensors"), { L, H, K, C } = sizes(spec);
    await foreign(file, spec);
    const { tensors } = await readFile(file);
    assertEquals([...tensors.keys()].filter((name) => /\.b_/.test(name)).length, 6 * L + 1);
    assertEquals([tensors.get("blocks.0.attn.b_Q")!.shape, tensors.get("unembed.b_U")!.shape], [[H, K], [C]]);
    const { params, notes } = await importWeights(file, spec);
    assertEquals([params, notes], [weightsOf(spec), []]);
    await foreign(file, spec, (tensors) => tensors.get("blocks.1.mlp.b_out")!.values[3] = 1e-45);
    await assertRejects(() => importWeights(file, spec), Error, "it holds blocks.1.mlp.b_out, which this model doesn't have");
  }));

Deno.test("hooked: float16, bfloat16 and float64 are read as float32, and a line says so", () =>
  inFolder(async (path) => {
    const spec = CASES.get("no-biases")!, file = path("a.safetensors"), name = "embed.W_E", [V, D] = [5, 8];
    await foreign(file, spec);
    const old = await Deno.readFile(file), header = 8 + Number(new DataView(old.buffer).getBigUint64(0, true));
    const entries = JSON.parse(new TextDecoder().decode(old.subarray(8, header))), [from, to] = entries[name].data_offsets;
    const bytes = (values: ArrayLike<number>, put: (view: DataView, at: number, value: number) => void, size: number) => {
      const view = new DataView(new ArrayBuffer(values.length * size));
      Array.from(values).forEach((value, i) => put(view, i * size, value));
      return new Uint8Array(view.buffer);
    };
    /** By the format's own bits: of float16 and bfloat16 the numbers 1, −2 and the smallest that is no subnormal one. */
    const cases: [string, number, number[], number[], RegExp][] = [
      ["F16", 2, [0x3c00, 0xc000, 0x0400, 0x0001], [1, -2, 2 ** -14, 2 ** -24], /1 tensor of F16 read as float32$/],
      ["BF16", 2, [0x3f80, 0xc000, 0x0080, 0x0001], [1, -2, 2 ** -126, 2 ** -133], /1 tensor of BF16 read as float32$/],
      ["F64", 8, [0.1, -1e-50, 1 / 3, 2], [Math.fround(0.1), -0, Math.fround(1 / 3), 2], /1 tensor of F64 rounded to float32$/],
    ];
    for (const [dtype, size, some, expected, says] of cases) {
      const all = Array.from({ length: V * D }, (_, i) => some[i % some.length]);
      const put = size === 2
        ? (view: DataView, at: number, bits: number) => view.setUint16(at, bits, true)
        : (view: DataView, at: number, value: number) => view.setFloat64(at, value, true);
      const data = bytes(all, put, size), grown = data.length - (to - from);
      const moved = Object.fromEntries(
        Object.entries<{ data_offsets: [number, number] }>(entries).filter(([key]) => key !== "__metadata__").map(([key, entry]) => {
          const [begin, end] = entry.data_offsets, shift = begin > from ? grown : 0;
          return [
            key,
            key === name
              ? { dtype, shape: [V, D], data_offsets: [from, to + grown] }
              : { ...entry, data_offsets: [begin + shift, end + shift] },
          ];
        }),
      );
      const text = new TextEncoder().encode(JSON.stringify(moved)), length = new DataView(new ArrayBuffer(8));
      length.setBigUint64(0, BigInt(text.length), true);
      const parts = [new Uint8Array(length.buffer), text, old.subarray(header, header + from), data, old.subarray(header + to)];
      await Deno.writeFile(file, await new Blob(parts).bytes());
      const { params, notes } = await importWeights(file, spec);
      const W_E = layout(spec).tensors.find((tensor) => tensor.name === name)!;
      assertEquals([...read(W_E, params).subarray(0, 4)], expected, dtype);
      assertEquals(notes.length, 1);
      assertMatch(notes[0], says);
    }
  }));

const ALL: RunInput = {
  data: { operation: "x_plus_y" },
  model: { tokens: "a b", activation: "gelu", norm: "pre", mask: "none", pooling: "last" },
};

Deno.test("hooked: shapes tell the sizes, the tokens where they can, and whether biases are used", () =>
  inFolder(async (path) => {
    const file = path("a.safetensors"), small = { model: { dModel: 8, heads: 2, dMlp: 12 }, data: { prime: 7, trainFraction: 0.5 } };
    for (const preset of ["one-layer", "nanda", "tl-demo", "boundaries"] as const) {
      const spec = runSpec({ ...small, preset });
      await foreign(file, spec);
      const { data, model } = runSpec((await hookedInput(file, { preset })).input);
      assertEquals({ data: data.prime, model }, { data: 7, model: spec.model }, preset);
    }
    // Trained with biases that are all zero still, or without any.
    const flat = runSpec({ ...small, preset: "one-layer" });
    const { notes, input } = await hookedInput(file, ALL);
    assertEquals([notes, input.model?.biases], [[], true]);
    await foreign(file, flat);
    const unused = await hookedInput(file, { ...ALL, model: { ...ALL.model, tokens: "a b =", norm: "none" } });
    assertMatch(unused.notes.join(), /^all biases in .* are zero, so the model has none; --biases true trains them$/);
    assertEquals(unused.input.model?.biases, false);
    const used = await hookedInput(file, { preset: "one-layer", model: { biases: true } });
    assertEquals([used.notes, used.input.model?.biases, (await importWeights(file, runSpec(used.input))).notes], [[], true, []]);
    // RMSNorm has no shift; folded, its tensors say nothing of it, and a config does.
    const rms = CASES.get("rms-pre")!;
    await foreign(file, rms);
    assertEquals(runSpec((await hookedInput(file, { ...ALL, model: { ...ALL.model, pooling: "mean" } })).input).model.normKind, "rms");
    await foreign(file, rms, (tensors) => [...tensors.keys()].filter((name) => /ln/.test(name)).forEach((name) => tensors.delete(name)));
    await Deno.writeTextFile(path("a.json"), JSON.stringify({ ...hookedConfig(rms), normalization_type: "RMSPre" }));
    const bare = runSpec((await hookedInput(file, ALL)).input), scales = layout(bare).tensors.filter(({ name }) => /ln/.test(name));
    const { params } = await importWeights(file, bare);
    assertEquals([bare.model.normKind, scales.length], ["rms", 5]);
    for (const scale of scales) assertEquals([...read(scale, params)], Array(8).fill(1), scale.name);
    await Deno.remove(path("a.json"));
    // All of the preset's, frozen as they are; and those that are used, in the feed-forward part alone. `=` is a class here as well.
    assertEquals((await hookedInput(file, { preset: "tl-demo" })).input.model?.biasesIn, "all");
    await foreign(file, runSpec({ ...small, preset: "nanda" }));
    const paper = await hookedInput(file, { ...ALL, model: { ...ALL.model, tokens: "a b =", norm: "none" } });
    const { biases, biasesIn, extraClasses } = paper.input.model!;
    assertEquals([biases, biasesIn, extraClasses, paper.notes], [true, "mlp", 1, []]);
  }));

Deno.test("hooked: what isn't told, or told otherwise, is refused in one line", () =>
  inFolder(async (path) => {
    const file = path("a.safetensors"), json = path("a.json"), spec = CASES.get("boundaries")!;
    const refused = async (given: RunInput, message: RegExp) => {
      const error = await assertRejects(async () => runSpec((await hookedInput(file, given)).input), Error);
      assertMatch(error.message, message);
      assertMatch(error.message, /^Cannot [^\n]*$/);
    };
    await foreign(file, spec);
    await refused({}, /there is no --operation, --activation, --mask, --pooling; a preset says it too/);
    await refused({ ...ALL, model: { ...ALL.model, layers: 3 } }, /layers must be 2 as in its tensors, current value is 3$/);
    await refused({ ...ALL, model: { ...ALL.model, norm: "post" } }, /norm must be "pre" as in its tensors, current value is "post"$/);
    await refused({ ...ALL, data: { operation: "x_plus_y", prime: 11 } }, /prime must be 5 as in its tensors, current value is 11$/);
    await refused({ preset: "none" as "nanda" }, /preset must be one of/);

    const config = { ...hookedConfig(spec) };
    const beside = (change: Record<string, unknown>) => Deno.writeTextFile(json, JSON.stringify({ ...config, ...change }));
    const few: RunInput = { data: ALL.data!, model: { pooling: "mean" } };
    await beside({});
    assertEquals(runSpec((await hookedInput(file, few)).input).model.mask, "none");
    // As TransformerLens completes it.
    await beside({ attn_scale: 2, n_heads: -1, n_params: 1056, device: "cuda", seed: null, n_key_value_heads: null });
    assertEquals(runSpec((await hookedInput(file, few)).input).model.activation, "gelu");
    await refused(
      { ...few, model: { ...few.model, activation: "relu" } },
      /activation must be "gelu" as in .*a.json, current value is "relu"/,
    );
    for (
      const [change, says] of [
        [{ d_model: 16 }, /a.json: d_model must be 8, current value is 16/],
        [{ n_layers: undefined }, /n_layers must be 2, current value is none/],
        [{ act_fn: "gelu_new" }, /act_fn must be "gelu" or "relu", current value is "gelu_new"/],
        [{ normalization_type: "BN" }, /normalization_type must be "LN" or "LNPre" or "RMS" or "RMSPre" or null, current value is "BN"/],
        [
          { normalization_type: "RMS" },
          /normKind must be "rms" as in .*a.json, current value is "layer"/,
        ],
        [{ normalization_type: null }, /norm must be "none" as in .*a.json, current value is "pre"/],
        [{ gated_mlp: true }, /gated_mlp must be false, current value is true/],
        [{ positional_embedding_type: "rotary" }, /positional_embedding_type must be "standard"/],
        [{ eps: 1e-6 }, /eps must be 0.00001, current value is 0.000001/],
        [{ attn_scale: 1 }, /attn_scale must be -1 or 2, current value is 1/],
      ] as const
    ) {
      await beside(change);
      await refused(few, says);
    }
    await Deno.writeTextFile(json, "[1]");
    await refused(few, /Cannot load .*a.json: it must be a HookedTransformerConfig as JSON, current value is \[1\]/);
    await Deno.writeTextFile(json, "{");
    await refused(few, /Cannot load .*a.json: it must be a HookedTransformerConfig as JSON \(/);
    await Deno.remove(json);

    const without = (name: string) => foreign(file, spec, (tensors) => void tensors.delete(name));
    await without("blocks.0.attn.W_Q");
    await refused(ALL, /it must hold blocks.0.attn.W_Q \[H,D,K\], current value is none/);
    await foreign(file, spec, (tensors) => {
      const { name, values } = tensors.get("blocks.0.attn.W_Q")!;
      tensors.set(name, { name, shape: [1, 16, 4], values });
    });
    await refused(ALL, /heads times d_head must be d_model \(8\), current value is 1 times 4/);
    await saveWeights(file, spec, weightsOf(spec));
    const { optim } = runSpec((await hookedInput(file, { optim: { lr: 0.5 } }, { optim: { rule: "muon" } })).input);
    assertEquals([optim.lr, optim.momentum, optim.muonLr], [0.5, 0.95, 0.02]);
    await refused({ preset: "boundaries" }, /there must be no preset, its spec is in the file; current value is "boundaries"/);
  }));

Deno.test("hooked: tensors that no model has, and some LayerNorms without the others, are refused by name", () =>
  inFolder(async (path) => {
    const file = path("a.safetensors"), spec = CASES.get("boundaries")!;
    const refused = (change: (tensors: Named) => void, message: string) =>
      foreign(file, spec, change).then(() => assertRejects(() => importWeights(file, spec), Error, message));
    const add = (name: string) => (tensors: Named) => void tensors.set(name, { name, shape: [1], values: new Float32Array(1) });
    await refused(add("blocks.0.mlp.W_gate"), "it holds blocks.0.mlp.W_gate, which this model doesn't have");
    await refused(add("blocks.7.attn.b_Q"), "it holds blocks.7.attn.b_Q");
    await refused((tensors) => void tensors.delete("blocks.1.ln2.b"), "it must hold blocks.1.ln2.b [8], which is missing");
    await foreign(file, spec, (tensors) => {
      add("blocks.0.attn.IGNORE")(tensors);
      tensors.set("mask", { name: "blocks.0.attn.mask", shape: [0, 0], values: new Float32Array(0) });
    });
    assertEquals((await importWeights(file, spec)).params, weightsOf(spec));
    // What this project trains after the sum isn't TransformerLens's pre-norm, and says so.
    assertMatch(obstacle(runSpec())!.why, /^norm must be pre or none, current value is post: /);
    const bare = runSpec({ model: { ...spec.model, finalNorm: false }, data: spec.data });
    assertEquals([obstacle(bare)?.reads, obstacle(runSpec())?.reads, obstacle(spec)], [false, true, null]);
    assertMatch(obstacle(bare)!.why, /^finalNorm must be true, current value is false: /);
    const post = runSpec({ model: { ...spec.model, norm: "post" }, data: spec.data });
    await foreign(file, spec, (tensors) => [...tensors.keys()].filter((name) => /ln/.test(name)).forEach((name) => tensors.delete(name)));
    await assertRejects(() => importWeights(file, post), Error, "it must hold blocks.0.ln1.w [8], which is missing");
  }));
