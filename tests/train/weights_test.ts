/** Weights and checkpoints: what is written is read back bit for bit; files that are not what they should be end in one line. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { initialise, layout, read, write } from "../../lib/run/layout.ts";
import { type RunInput, type RunSpec, runSpec } from "../../lib/run/spec.ts";
import type { Snapshot } from "../../lib/engine/engine.ts";
import { loadCheckpoint, loadWeights, readCheckpoint, saveCheckpoint, saveWeights } from "../../lib/train/weights.ts";

/** Sizes that are no multiples of four: head 6, 11 classes, 13 tokens. */
const odd = runSpec({ model: { dModel: 18, heads: 3, dMlp: 10, layers: 2 }, data: { prime: 11 }, seed: 4_000_000_000 });

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The header and the data of a safetensors, read without the code under test. */
async function parts(path: string) {
  const file = await Deno.readFile(path);
  const size = Number(new DataView(file.buffer).getBigUint64(0, true));
  return { size, header: JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + size))), data: file.slice(8 + size) };
}

async function assemble(path: string, header: unknown, data: Uint8Array): Promise<void> {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const file = new Uint8Array(8 + json.length + data.length);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  file.set(data, 8 + json.length);
  await Deno.writeFile(path, file);
}

const bits = (floats: Float32Array) => new Uint32Array(floats.buffer, floats.byteOffset, floats.length);

/** Floats that are easily lost, in every place that isn't padding. */
function awkward(spec: RunSpec): Float32Array<ArrayBuffer> {
  const { length, tensors } = layout(spec);
  const flat = new Float32Array(length), values = [-0, 1e-45, 3.4e38, Infinity, -1e-38, 1 / 3, 7];
  for (const tensor of tensors) write(tensor, flat, read(tensor, flat).map((_, i) => values[i % values.length]));
  return flat;
}

Deno.test("weights: what is saved is loaded bit for bit, padding zero", () =>
  inFolder(async (folder) => {
    const path = `${folder}/made/on/the/way/w.safetensors`;
    for (const input of [{ model: odd.model, data: odd.data }, { preset: "one-layer", model: { dModel: 8, dMlp: 6 } }] as RunInput[]) {
      const spec = runSpec(input), flat = awkward(spec);
      await saveWeights(path, spec, flat);
      assertEquals(bits(await loadWeights(path, spec)), bits(flat));
    }
    assertEquals([...Deno.readDirSync(`${folder}/made/on/the/way`)].map(({ name }) => name), ["w.safetensors"]);
  }));

Deno.test("weights: files follow the format, with TransformerLens names and dims", () =>
  inFolder(async (folder) => {
    const path = `${folder}/w.safetensors`, flat = initialise(odd);
    await saveWeights(path, odd, flat);
    const { size, header, data } = await parts(path);
    assertEquals(size % 8, 0);
    assertEquals(runSpec(JSON.parse(header.__metadata__.spec)), odd);
    const { __metadata__: _, ...entries } = header as Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;
    const names = Object.keys(entries);
    assertEquals(names, names.toSorted());
    let end = 0;
    for (const { dtype, shape, data_offsets: [from, to] } of Object.values(entries)) {
      assertEquals([dtype, from, to], ["F32", end, end + 4 * shape.reduce((product, n) => product * n, 1)]);
      end = to;
    }
    assertEquals(end, data.length);
    const shapes = Object.fromEntries(names.map((name) => [name.replace("blocks.1.", ""), entries[name].shape]));
    const [D, H, K, M, V, C] = [18, 3, 6, 10, 13, 11];
    assertEquals([shapes["embed.W_E"], shapes["pos_embed.W_pos"], shapes["unembed.W_U"], shapes["unembed.b_U"]], [[V, D], [5, D], [D, C], [
      C,
    ]]);
    assertEquals([shapes["attn.W_Q"], shapes["attn.W_O"], shapes["attn.b_V"], shapes["attn.b_O"]], [[H, D, K], [H, K, D], [H, K], [D]]);
    assertEquals([shapes["mlp.W_in"], shapes["mlp.b_in"], shapes["mlp.W_out"], shapes["mlp.b_out"]], [[D, M], [M], [M, D], [D]]);
    assertEquals([shapes["ln1.w"], shapes["ln2.b"], shapes["ln_final.w"]], [[D], [D], [D]]);
    // Row-major: W_Q[h, d, k] is the float number (h · D + d) · K + k.
    const W_Q = layout(odd).tensors.find(({ name }) => name === "blocks.1.attn.W_Q")!;
    const at = entries["blocks.1.attn.W_Q"].data_offsets[0] + 4 * ((2 * D + 7) * K + 5);
    const expected = flat[W_Q.offset + 2 * W_Q.strides[0] + 7 * W_Q.strides[1] + 5 * W_Q.strides[2]];
    assertEquals(new DataView(data.buffer).getFloat32(at, true), expected);
  }));

function snapshot(): Snapshot {
  const params = awkward(odd);
  const m = params.map((value) => value / 3), v = params.map((value) => value * value);
  return { spec: odd, step: 12_345, params, m, v, batchSums: Float32Array.of(1.25e-7, 3, 1536) };
}

Deno.test("weights: a checkpoint holds all of a run, and serves as weights", () =>
  inFolder(async (folder) => {
    const path = `${folder}/c.safetensors`, saved = snapshot();
    await saveCheckpoint(path, saved);
    const loaded = await loadCheckpoint(path);
    assertEquals({ ...loaded, spec: { ...loaded.spec } }, { ...saved, spec: { ...saved.spec } });
    assert(Object.isFrozen(loaded.spec));
    for (const part of ["params", "m", "v", "batchSums"] as const) assertEquals(bits(loaded[part]), bits(saved[part]), part);
    assertEquals(bits(await loadWeights(path, odd)), bits(saved.params));
    const { header } = await parts(path);
    assertEquals(header["adam.m.blocks.0.attn.W_Q"].shape, [3, 18, 6]);
    assertEquals(header.__metadata__.step, "12345");
  }));

Deno.test("weights: a checkpoint holds what the optimiser keeps beside its moments; one that lacks it is refused", () =>
  inFolder(async (folder) => {
    const path = `${folder}/c.safetensors`, optim = { gradFilter: "grokfast-ma", filterWindow: 2, heldNorm: "start" } as const;
    const spec = runSpec({ ...odd, optim }), P = layout(spec).length;
    const beside = { filter: Float32Array.from({ length: 3 * P }, (_, i) => 1 / (i + 3)), norm: Float32Array.of(1 / 3, 0, 0, 0) };
    const saved: Snapshot = { ...snapshot(), spec, beside };
    await saveCheckpoint(path, saved);
    const loaded = await loadCheckpoint(path);
    assertEquals(Object.keys(loaded.beside!), ["filter", "norm"]);
    for (const name of ["filter", "norm"] as const) assertEquals(bits(loaded.beside![name]), bits(beside[name]), name);
    assertEquals(bits(await loadWeights(path, odd)), bits(saved.params)); // as weights it serves a run with another optimiser
    await saveCheckpoint(path, { ...saved, beside: { filter: beside.filter } });
    await assertRejects(() => loadCheckpoint(path), Error, "optimiser.norm");
    await saveCheckpoint(path, { ...saved, beside: { ...beside, filter: beside.filter.slice(1) } });
    await assertRejects(() => loadCheckpoint(path), Error, "optimiser.filter");
    const { beside: _, ...plain } = saved;
    await saveCheckpoint(path, { ...plain, step: 0 });
    assertEquals((await loadCheckpoint(path)).beside, undefined);
  }));

const rows = [0, 10, 20].map((step) => {
  const exact = { trainLoss: 1 / 3 + step, trainAcc: 0.1, valLoss: 1e-300, valAcc: 1, weightNorm: Math.PI * 1e10, gradNorm: step };
  return { step, ...exact, batchLoss: step === 0 ? NaN : 1.5, batchAcc: 0.25, noisyAcc: NaN };
});

Deno.test("weights: a checkpoint holds the run's evaluations, every number in full", () =>
  inFolder(async (folder) => {
    const path = `${folder}/c.safetensors`, saved = { ...snapshot(), step: 25 };
    await saveCheckpoint(path, saved, rows);
    const { state, metrics } = await readCheckpoint(path);
    assertEquals(metrics, rows);
    assertEquals(bits(state.params), bits(saved.params));
    assertEquals(bits(await loadWeights(path, odd)), bits(saved.params));
    const { header } = await parts(path);
    assertEquals([header["metrics.step"].dtype, header["metrics.step"].shape], ["F64", [3]]);
    assertEquals((await readCheckpoint(path)).trainedOn, []);
    await saveCheckpoint(path, saved, rows, ["one", "two, with a driver"]);
    assertEquals((await readCheckpoint(path)).trainedOn, ["one", "two, with a driver"]);
    await saveCheckpoint(path, saved, []);
    assertEquals((await readCheckpoint(path)).metrics, []);
    await saveCheckpoint(path, saved);
    assertEquals((await readCheckpoint(path)).metrics, null);
  }));

Deno.test("weights: evaluations that can't be are refused in one line", () =>
  inFolder(async (folder) => {
    const path = `${folder}/c.safetensors`;
    for (
      const [change, says] of [
        [{ step: 10 }, "steps of its evaluations must be whole, grow, and end by 25, current value is 10"],
        [{ step: 26 }, "end by 25, current value is 26"],
        [{ step: 20.5 }, "current value is 20.5"],
        [{ trainLoss: NaN }, "losses must be finite, as that of step 20"],
        [{ valLoss: Infinity }, "losses must be finite"],
        [{ valAcc: 1.01 }, "accuracies must be from 0 to 1, as that of step 20"],
        [{ trainAcc: NaN }, "accuracies must be from 0 to 1"],
      ] as const
    ) {
      await saveCheckpoint(path, { ...snapshot(), step: 25 }, [...rows.slice(0, 2), { ...rows[2], ...change }]);
      await assertRejects(() => readCheckpoint(path), Error, says);
    }
  }));

Deno.test("weights: files that are no whole safetensors are refused in one line", () =>
  inFolder(async (folder) => {
    const path = `${folder}/w.safetensors`;
    await saveWeights(path, odd, initialise(odd));
    const whole = await Deno.readFile(path), { header, data } = await parts(path);
    const refused = async (message: string) => {
      const error = await assertRejects(() => loadWeights(path, odd), Error, message);
      assertMatch(error.message, /^Cannot load [^\n]*w\.safetensors: [^\n]*$/);
    };
    for (const [bytes, message] of [[0, "at least 8 bytes, current value is 0"], [100, "header must end within its 100 bytes"]] as const) {
      await Deno.writeFile(path, whole.subarray(0, bytes));
      await refused(message);
    }
    await Deno.writeFile(path, whole.subarray(0, whole.length - 4));
    await refused("its tensors must fill its");
    await assemble(path, header, new Uint8Array([...data, 0]));
    await refused("its tensors must fill its");
    await Deno.writeFile(path, new Uint8Array(64).fill(255));
    await refused("header must end within");
    await assemble(path, "{ not JSON", data);
    await refused("its header must be JSON, current value is");
    await assemble(path, [], data);
    await refused("its header must be an object");
    const changed = (entry: unknown) => assemble(path, { ...header, "embed.W_E": entry }, data);
    const { dtype, shape, data_offsets: [from, to] } = header["embed.W_E"];
    await changed({ dtype, shape });
    await refused("embed.W_E must have dtype, shape and data_offsets");
    await changed({ dtype, shape, data_offsets: [from, to - 4] });
    await refused("embed.W_E F32 [13,18] must have 936 bytes, current value is 932");
    await changed({ dtype, shape, data_offsets: [from - 4, to - 4] });
    await refused("its tensors must fill its");
    await Deno.remove(path);
    await refused("No such file");
  }));

Deno.test("weights: a file of another model is refused in one line with what differs", () =>
  inFolder(async (folder) => {
    const path = `${folder}/w.safetensors`;
    const refused = async (spec: RunSpec, message: string) => {
      const error = await assertRejects(() => loadWeights(path, spec), Error, message);
      assertMatch(error.message, /^Cannot load [^\n]*$/);
    };
    await saveWeights(path, odd, initialise(odd));
    const other = (model: RunInput["model"], prime = 11) => runSpec({ model: { ...odd.model, ...model }, data: { prime } });
    await refused(other({ layers: 1 }), "it holds blocks.1.attn.W_K, which this model doesn't have");
    await refused(other({ layers: 3 }), "it must hold blocks.2.attn.W_Q [3,18,6], which is missing");
    await refused(other({ heads: 2 }), "blocks.0.attn.W_Q must be F32 [2,18,9], current value is F32 [3,18,6]");
    await refused(other({ biases: false }), "it holds blocks.0.attn.b_K");
    await refused(other({}, 13), "embed.W_E must be F32 [15,18], current value is F32 [13,18]");
    const { header, data } = await parts(path);
    await assemble(path, { ...header, "embed.W_E": { ...header["embed.W_E"], dtype: "I32" } }, data);
    await refused(odd, "embed.W_E must be F32 [13,18], current value is I32 [13,18]");
  }));

Deno.test("weights: what is no checkpoint is refused in one line", () =>
  inFolder(async (folder) => {
    const path = `${folder}/c.safetensors`;
    const refused = async (message: string) => {
      const error = await assertRejects(() => loadCheckpoint(path), Error, message);
      assertMatch(error.message, /^Cannot load [^\n]*$/);
    };
    await saveWeights(path, odd, initialise(odd));
    await refused("metadata must have its step, current value is none");
    await saveCheckpoint(path, snapshot());
    const { header, data } = await parts(path);
    const metadata = header.__metadata__;
    await assemble(path, { ...header, __metadata__: { ...metadata, step: "-1" } }, data);
    await refused('its step, current value is "-1"');
    await assemble(path, { ...header, __metadata__: { step: "1" } }, data);
    await refused("metadata must have its spec as JSON");
    await assemble(path, { ...header, __metadata__: { ...metadata, spec: metadata.spec.replace('"heads":3', '"heads":4') } }, data);
    await refused("dModel must be divisible by heads (4), current value is 18");
    for (const trained_on of ["cpu", '"cpu"', "[1]"]) {
      await assemble(path, { ...header, __metadata__: { ...metadata, trained_on } }, data);
      await refused("trained_on in a checkpoint's metadata must be a JSON array of texts, current value is ");
    }
    const renamed = JSON.parse(JSON.stringify(header).replace("adam.v.embed.W_E", "adam.w.embed.W_E"));
    await assemble(path, renamed, data);
    await refused("it must hold adam.v.embed.W_E [13,18], which is missing");
  }));

Deno.test("weights: a file that can't be written leaves the old one and no other", () =>
  inFolder(async (folder) => {
    const path = `${folder}/folder.safetensors`;
    await Deno.mkdir(path);
    const error = await assertRejects(() => saveWeights(path, odd, initialise(odd)), Error, `Cannot write ${path}`);
    assertMatch(error.message, /^[^\n]*$/);
    await assertRejects(() => saveWeights(`${path}/../missing\0/w`, odd, initialise(odd)), Error, "Cannot write");
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["folder.safetensors"]);
  }));
