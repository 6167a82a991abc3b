/**
 * Every operation of a plan by itself: each executor leaves in every buffer what plain loops in doubles leave there, and nothing elsewhere.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { ExecutorEngine } from "../../lib/engine/executor_engine.ts";
import { HYPER, hyperWords, stateWords } from "../../lib/engine/hyper.ts";
import type { ListName, Op, Plan, Product } from "../../lib/engine/op.ts";
import { plan } from "../../lib/engine/plan.ts";
import { readsGradient } from "../../lib/engine/op/update.ts";
import { pack } from "../../lib/engine/rows.ts";
import { attentionProbe } from "../../lib/run/attention.ts";
import { besideAtStart } from "../../lib/run/beside.ts";
import { initialise, write } from "../../lib/run/layout.ts";
import { dataset } from "../../lib/run/operations.ts";
import { Random } from "../../lib/run/random.ts";
import { type RunInput, type RunSpec, runSpec } from "../../lib/run/spec.ts";
import { KERNELS, spoiled, testOn } from "./executors.ts";
import { type Memory, PERFORM, perform } from "./interpreter.ts";

/**
 * Of the largest word that the operation changes in a buffer. Sums of at most 121 terms in fp32 in some order: each off by about √121 ·
 * 2⁻²⁴ = 7e-7 of what is added, and what is added is at most some times as large as the sum's largest.
 */
const TOLERANCE = 1e-5;

const WATCHED = { attention: { pairs: 20, full: 4 } };
const WHOLE = /(^|\.)(batch|pairs|lists|state)$/;

/** A run's buffers before its first update, with moments as they might be later. */
function memoryOf(spec: RunSpec, { buffers, attention }: Plan): Memory {
  const memory: Record<string, Float64Array> = {};
  for (const [name, words] of buffers) memory[name] = new Float64Array(words);
  const { a, b, target } = dataset(spec.data, spec.seed), random = new Random(spec.seed, "resample");
  memory.params.set(initialise(spec));
  memory.m.set(memory.params.map((x) => Math.fround(0.1 * x)));
  memory.v.set(memory.params.map((x) => Math.fround(x * x * random.uniform())));
  for (const [name, values] of Object.entries(besideAtStart(spec, initialise(spec)) ?? {})) memory[name].set(values);
  const words = hyperWords(spec), floats = new Float32Array(words.buffer);
  memory.hyper.set(HYPER.map(({ type }, i) => (type === "f32" ? floats : words)[i]));
  memory.state.set(stateWords(spec, 3));
  memory.pairs.set(Array.from(a, (_, i) => pack(a[i], b[i], target[i])));
  if (!attention) return memory;
  const probe = attentionProbe(spec, { pairs: attention.N, full: attention.S });
  memory["attention.batch"].set(Array.from(probe.a, (a, i) => pack(a, probe.b[i], 0)));
  return memory;
}

/** A buffer in the words of a device, and back. */
function encode(name: string, values: Float64Array): Uint32Array<ArrayBuffer> {
  if (WHOLE.test(name)) return Uint32Array.from(values);
  const words = new Uint32Array(values.length), floats = new Float32Array(words.buffer);
  if (name === "hyper") HYPER.forEach(({ type }, i) => (type === "f32" ? floats : words)[i] = values[i]);
  else floats.set(values);
  return words;
}
function decode(name: string, floats: Float32Array<ArrayBuffer>): Float64Array {
  const words = new Uint32Array(floats.buffer, floats.byteOffset, floats.length);
  if (WHOLE.test(name)) return Float64Array.from(words);
  return name === "hyper" ? Float64Array.from(HYPER, ({ type }, i) => (type === "f32" ? floats : words)[i]) : Float64Array.from(floats);
}

/** What an executor makes of some operations. */
async function carriedOut({ executor }: ExecutorEngine, made: Plan, ops: readonly Op[], memory: Memory): Promise<Memory> {
  const names = [...made.buffers.keys()];
  const none: Record<ListName, readonly Op[]> = {
    batch: [],
    step: [],
    elements: [],
    chunk: [],
    forward: [],
    endOfEvaluation: [],
    attention: [],
  };
  const queue = (await executor.open(await executor.lower({ ...made, lists: { ...none, step: ops } }, 1), 1))!;
  try {
    for (const name of names) queue.write(name, 0, encode(name, memory[name]));
    queue.run("step", 1, 1);
    const words = await queue.read(names.map((buffer) => ({ buffer, word: 0, words: memory[buffer].length })));
    return Object.fromEntries(names.map((name, i) => [name, decode(name, words[i])]));
  } finally {
    queue.dispose();
  }
}

/** The product whose sum an activation function got, where an operation takes that function's derivative. */
function activationOf(made: Plan, op: Op): Product[] {
  if (op.op !== "product" || !op.derivative) return [];
  const { buffer } = op.derivative.pre;
  return made.lists.step.filter((each): each is Product =>
    each.op === "product" && each.activation !== undefined && each.c.buffer === buffer
  );
}

/**
 * Gradients of vectors that aren't the operation's are left out: an executor may put all of them together where a list ends. So is what a
 * product keeps for its activation's derivative, which is up to the executor: it makes that itself.
 * @throws Error that names the operation and the buffer where an executor and the plain loops differ.
 */
async function matches(engine: ExecutorEngine, made: Plan, op: Op, memory: Memory): Promise<void> {
  const first = activationOf(made, op), actual = await carriedOut(engine, made, [...first, op], memory);
  const own = [...first, op].flatMap((each) => each.op === "product" && each.activation ? [each.c.buffer] : []);
  const left = [...own, ...first.map(({ activation }) => activation!.out.buffer)]; // it is chosen by having one
  const before = Object.fromEntries(Object.entries(memory).map(([name, values]) => [name, values.slice()]));
  perform(op, memory);
  for (const [name, expected] of Object.entries(memory)) {
    if (left.includes(name)) continue;
    const wrong = firstWrong(actual[name], expected, before[name], name === "grads" ? made.layout.vectorsFrom : Infinity);
    assert(wrong < 0, `${op.label}: word ${wrong} of ${name} must be ${expected[wrong]}, it is ${actual[name][wrong]}`);
  }
  // The next operation begins with what a device can hold.
  for (const [name, values] of Object.entries(memory)) if (!WHOLE.test(name) && name !== "hyper") values.set(new Float32Array(values));
}

/**
 * The first word that an executor has wrong, -1 where none is. From the word `free` on only those count that the operation changes. Loops
 * without functions of their own: buffers have many words, and every operation compares all of them.
 */
function firstWrong(actual: Float64Array, expected: Float64Array, before: Float64Array, free: number): number {
  let largest = 0;
  for (let i = 0; i < expected.length; i++) if (expected[i] !== before[i]) largest = Math.max(largest, Math.abs(expected[i]));
  for (let i = 0; i < expected.length; i++) {
    if (actual[i] === expected[i] || (i >= free && expected[i] === before[i])) continue;
    if (!(Math.abs(actual[i] - expected[i]) <= TOLERANCE * largest || Object.is(actual[i], expected[i]))) return i;
  }
  return -1;
}

const MODELS: Readonly<Record<string, RunInput>> = {
  "decoder, post-norm, rows of their own": { model: { dModel: 18, heads: 3, dMlp: 10 }, data: { batch: 5 } },
  "decoder, post-norm, shared rows": { data: { batch: "full" }, optim: { loss: "stable", decay: "matrices" } },
  "encoder, pre-norm, mean, shared rows": {
    model: { norm: "pre", mask: "none", pooling: "mean", tokens: "a b", activation: "relu" },
    data: { batch: "full", labelNoise: 0.3, split: "mirrored" },
  },
  "without norms and biases, one class more, some tensors frozen": {
    model: { norm: "none", biases: false, tokens: "a b =", extraClasses: 1 },
    data: { batch: "full" },
    optim: { warmup: 0, frozen: "embed+attn", loss: "stablemax", temperature: 2 },
  },
  "RMSNorm, uniform attention, tied, shared rows": {
    model: { normKind: "rms", norm: "pre", mixer: "uniform", tied: true, tokens: "a b =", activation: "square" },
    data: { batch: "full" },
  },
  "MLP on embeddings": { model: { mixer: "none", heads: 1, dModel: 10, dMlp: 18 }, data: { batch: "full" } },
  "quadratic MLP on one-hot vectors": {
    model: { mixer: "none", heads: 1, layers: 1, inputs: "one-hot", scaling: "mean-field", activation: "square", biases: false },
    data: { batch: 5 },
  },
  "every size as small as it can be": {
    model: { layers: 1, dModel: 1, heads: 1, dMlp: 1, norm: "pre", tokens: "a b" },
    data: { prime: 2, batch: 1, labelNoise: 0.5 },
    optim: { loss: "mse" },
  },
};
/** Of these only what comes after the gradient, which is noise. */
const UPDATES: Readonly<Record<string, RunInput>> = {
  "Muon, a schedule, decay on some groups, Grokfast's average": {
    model: { layers: 1, dMlp: 10 },
    optim: { rule: "muon", lrSchedule: "cosine", lrSteps: 70, decayGroups: "attn+biases", gradFilter: "grokfast-ema" },
  },
  "Lion, gradients orthogonal to weights, norms limited": {
    model: { layers: 1, norm: "pre" },
    optim: { rule: "lion", lrSchedule: "linear", lrSteps: 60, gradFilter: "orthogonal", heldNorm: "start", rowNorm: 0.9 },
  },
  "SGD with momentum, Grokfast's moving average": {
    model: { layers: 1, biases: false },
    optim: { rule: "sgd", momentum: 0.9, gradFilter: "grokfast-ma", filterWindow: 4 },
  },
  "the sign of the gradient": { model: { layers: 1 }, optim: { rule: "signsgd", warmup: 0 } },
  "Adam with L2": { model: { layers: 1 }, optim: { rule: "adam" } },
};
/** Operations of Muon that are like others, which are compared. */
const ALIKE = /W_K|W_V|W_O|Schulz [345]/;

const specOf = (input: RunInput) =>
  runSpec({
    ...input,
    model: { layers: 2, dModel: 12, heads: 3, dMlp: 20, ...input.model },
    data: { prime: 11, trainFraction: 0.5, ...input.data },
    schedule: { steps: 10, evalEvery: 2 },
    seed: 1,
  });
const ORDER: readonly ListName[] = ["batch", "step", "elements", "chunk", "endOfEvaluation", "attention"];

const seen = new Set<string>();
for (const [name, input] of Object.entries(MODELS)) {
  testOn(KERNELS, `operations: ${name}`, async (engine) => {
    const spec = specOf(input), made = plan(spec, spec.model.mixer === "none" ? {} : WATCHED), memory = memoryOf(spec, made);
    for (const op of ORDER.flatMap((list) => made.lists[list])) {
      seen.add(op.op);
      await matches(engine, made, op, memory);
    }
  });
}

for (const [name, input] of Object.entries(UPDATES)) {
  testOn(KERNELS, `operations: ${name}`, async (engine) => {
    const spec = specOf(input), made = plan(spec, WATCHED), memory = memoryOf(spec, made), random = new Random(1, "resample");
    const { lists: { step }, layout: { tensors } } = made;
    for (const tensor of tensors) {
      const size = tensor.dims.reduce((product, n) => product * n), flat = new Float32Array(memory.grads);
      write(tensor, flat, Array.from({ length: size }, () => 0.1 * random.normal()));
      memory.grads.set(flat);
    }
    const ops = step.slice(step.findIndex(readsGradient)).filter(({ label }) => !ALIKE.test(label));
    // The last update of a round of the moving average, the first of the next, and one after the run's last, which changes nothing.
    for (const done of spec.optim.rule === "muon" ? [3] : [3, 4, 10]) {
      memory.state[0] = done;
      for (const op of ops) {
        if (done === 10 && op.op === "orthogonalGradient") continue; // what it fills nobody reads then
        seen.add(op.op);
        await matches(engine, made, op, memory);
      }
    }
  });
}

Deno.test("operations: there is none that no model above has", () => assertEquals([...seen].sort(), Object.keys(PERFORM).sort()));

testOn(KERNELS.filter(({ all }) => all), "operations: a mistake in one is seen, by its label", async (engine) => {
  const spec = specOf(MODELS["decoder, post-norm, shared rows"]), made = plan(spec, WATCHED);
  const wrong = spoiled(engine, (op) => op.op === "norm" ? { ...op, D: op.D - 1 } : op), memory = memoryOf(spec, made);
  const all = async () => {
    for (const op of [...made.lists.batch, ...made.lists.step]) await matches(wrong, made, op, memory);
  };
  await assertRejects(all, Error, "0.mid = LN(0.sum_mid): word 0 of 0.mid must be");
});
