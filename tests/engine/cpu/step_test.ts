import { check } from "../../../lib/engine/cpu/records.ts";
import { CpuQueue } from "../../../lib/engine/cpu/queue.ts";
import { Threads } from "../../../lib/engine/cpu/threads.ts";
import { hyperWords } from "../../../lib/engine/webgpu/kernels/hyper.ts";
import { pack } from "../../../lib/engine/rows.ts";
import { initialise, layout, read } from "../../../lib/run/layout.ts";
import { dataset } from "../../../lib/run/operations.ts";
import { batchIndex } from "../../../lib/run/random.ts";
import { gradients } from "../../../lib/reference/trainer.ts";
import { type RunInput, type RunSpec, runSpec, sizes } from "../../../lib/run/spec.ts";
import { step } from "./step.ts";
import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";

export async function open(specs: RunSpec[], threads: Threads) {
  const plan = step(specs[0]);
  for (const list of Object.values(plan.lists)) check(list, plan.buffers);
  const queue = (await CpuQueue.open(plan, specs.length, threads))!;
  specs.forEach((spec, row) => {
    const P = plan.layout.length, data = dataset(spec.data, spec.seed);
    queue.write("params", row * P, initialise(spec));
    queue.write("hyper", row * 16, hyperWords(spec));
    queue.write("state", row * 4, Uint32Array.of(0, spec.schedule.steps, 0, spec.schedule.evalEvery));
    queue.write("pairs", row * plan.pairWords, Uint32Array.from(data.a, (_, i) => pack(data.a[i], data.b[i], data.target[i])));
  });
  return { plan, queue };
}
const SMALL: RunInput = {
  model: { layers: 2, dModel: 12, heads: 3, dMlp: 20, initSigma: 0.3 },
  data: { prime: 11, trainFraction: 0.5, batch: 5 },
  schedule: { steps: 10, evalEvery: 10 },
};
const merge = (...inputs: RunInput[]): RunInput => ({
  model: Object.assign({}, ...inputs.map(({ model }) => model)),
  data: Object.assign({}, ...inputs.map(({ data }) => data)),
  optim: Object.assign({}, ...inputs.map(({ optim }) => optim)),
  schedule: Object.assign({}, ...inputs.map(({ schedule }) => schedule)),
});
function difference(spec: RunSpec, actual: Float32Array, expected: Float32Array): string | null {
  for (const tensor of layout(spec).tensors) {
    const a = read(tensor, actual), e = read(tensor, expected);
    const largest = e.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    const worst = e.reduce((most, x, i) => Math.max(most, Number.isNaN(a[i]) ? Infinity : Math.abs(a[i] - x)), 0);
    if (worst > 2e-5 * Math.max(largest, 1e-2)) return `${tensor.name} differs by ${worst}, its largest gradient is ${largest}`;
  }
  return null;
}
const threads = await Threads.start(2);
async function checkGradients(input: RunInput) {
  const specs = [3, 1, 2].map((seed) => runSpec({ ...input, seed }));
  const { plan, queue } = await open(specs, threads);
  queue.run("batch", 1, 3);
  queue.run("step", 1, 3);
  const P = plan.layout.length;
  const [all] = await queue.read([{ buffer: "grads", word: 0, words: 3 * P }]);
  for (const [row, spec] of specs.entries()) {
    const { a, b, target } = dataset(spec.data, spec.seed);
    const { B, trainPairs } = sizes(spec);
    const at = Array.from({ length: B }, (_, i) => spec.data.batch === "full" ? i : batchIndex(spec.seed, 0, i, trainPairs));
    const pick = (values: Uint32Array) => at.map((i) => values[i]);
    const { flat } = await gradients(spec, initialise(spec), pick(a), pick(b), pick(target));
    const wrong = difference(spec, all.slice(row * P, (row + 1) * P), flat);
    assert(wrong === null, `row ${row}: ${wrong}`);
  }
  queue.dispose();
}
const TOKENS = ["a op b =", "a b =", "a b"] as const;
let turn = 0;
const test = (name: string, input: RunInput) => Deno.test({ name, sanitizeOps: false, sanitizeResources: false, fn: () => checkGradients(merge(SMALL, input)) });
for (const norm of ["post", "pre", "none"] as const) for (const mask of ["causal", "none"] as const) for (const pooling of ["last", "mean"] as const) for (const batch of [5, "full"] as const) {
  const tokens = TOKENS[turn % 3], activation = (["gelu", "relu"] as const)[(turn >> 1) % 2], biases = turn % 5 !== 2;
  const layers = 1 + (turn * 7) % 3, init = (["pytorch", "normal"] as const)[turn % 2], loss = (["torch", "stable"] as const)[(turn >> 2) % 2];
  turn++;
  test(`${norm} ${mask} ${pooling} ${batch} ${tokens} ${activation} ${biases} ${layers} ${init} ${loss}`, { model: { norm, mask, pooling, tokens, activation, biases, layers, init }, data: { batch }, optim: { loss } });
}
test("padding everywhere: D 18, 3 heads of 6, M 22", { model: { dModel: 18, dMlp: 22 }, data: { batch: "full" } });
test("padding everywhere, pre-norm, mean", { model: { dModel: 6, heads: 2, dMlp: 7, norm: "pre", mask: "none", pooling: "mean", tokens: "a b" } });
test("permutations: 120 elements", { data: { operation: "permutation", trainFraction: 0.02, batch: "full" } });
test("an unused position", { model: { context: 9 } });
Deno.test({ name: "golden", sanitizeOps: false, sanitizeResources: false, fn: async () => {
  for (const preset of ["ai-scientist", "boundaries", "nanda", "tiny-live"] as const) {
    const hashes: string[] = [];
    for (const count of [1, 2, 4]) {
      const t = await Threads.start(count), spec = runSpec({ preset, data: { prime: 23 } }), { plan, queue } = await open([spec, { ...spec, seed: 7 }, { ...spec, seed: 9 }], t);
      for (let i = 0; i < 30; i++) { queue.run("batch", 1, 3); queue.run("step", 1, 3); }
      queue.run("chunk", plan.chunks, 3); queue.run("endOfEvaluation", 1, 3);
      const [w, metrics] = await queue.read([{ buffer: "params", word: 0, words: 3 * plan.layout.length }, { buffer: "metrics", word: 0, words: 24 }]);
      hashes.push(createHash("sha256").update(new Uint8Array(w.buffer)).update(new Uint8Array(metrics.buffer)).digest("hex").slice(0, 16));
      if (count === 1) console.log(preset, [...metrics.slice(0, 8)].map((x) => x.toFixed(4)).join(" "));
      await t.close();
    }
    console.log(hashes);
    assertEquals(new Set(hashes).size, 1);
  }
} });
