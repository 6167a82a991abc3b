/** Every gradient of every engine of our own, tensor by tensor, against TensorFlow.js's automatic differentiation of the same model. */
import { assert, assertThrows } from "@std/assert";
import { cpuEngine } from "../../lib/engine/cpu/engine.ts";
import type { ExecutorEngine } from "../../lib/engine/executor_engine.ts";
import { BLOCKS, GPU_TILE, SOFTWARE_TILE } from "../../lib/engine/webgpu/kernels/gemm.ts";
import { webgpuEngine } from "../../lib/engine/webgpu/engine.ts";
import { initialise, layout, read } from "../../lib/run/layout.ts";
import { dataset } from "../../lib/run/operations.ts";
import { batchIndex } from "../../lib/run/random.ts";
import { gradients } from "../../lib/reference/trainer.ts";
import { type RunInput, type RunSpec, runSpec, sizes } from "../../lib/run/spec.ts";

/**
 * Both sides sum in fp32, in different orders, over some hundred terms: each element may differ by about √100 · 2⁻²⁴ of the largest
 * element of its tensor, times the few layers that rounding passes through. A wrong formula is off by percents.
 */
const TOLERANCE = 2e-5;

/** Sizes that break tiling: D 12, 3 heads of 4; p 11, so 11 classes and 121 pairs. */
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

/** The first tensor whose gradient differs, or null. */
function difference(spec: RunSpec, actual: Float32Array, expected: Float32Array): string | null {
  for (const tensor of layout(spec).tensors) {
    const a = read(tensor, actual), e = read(tensor, expected);
    const largest = e.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    const worst = e.reduce((most, x, i) => Math.max(most, Number.isNaN(a[i]) ? Infinity : Math.abs(a[i] - x)), 0);
    // A gradient that is zero in exact arithmetic (of b_K, say: softmax doesn't see it) is rounding noise on both sides.
    if (worst > TOLERANCE * Math.max(largest, 1e-2)) return `${tensor.name} differs by ${worst}, its largest gradient is ${largest}`;
  }
  return null;
}

/** One update of three runs, and the reference's gradient of each at its initial weights and batch. */
async function check(engine: ExecutorEngine, input: RunInput, spoil?: (gradient: Float32Array, spec: RunSpec) => void): Promise<void> {
  const specs = [3, 1, 2].map((seed) => runSpec({ ...input, seed }));
  const trainer = await engine.open(specs);
  for await (const _ of trainer.advance(1));
  for (const [row, spec] of specs.entries()) {
    const actual = await trainer.gradient(row);
    spoil?.(actual, spec);
    const { a, b, target } = dataset(spec.data, spec.seed);
    const { B, trainPairs } = sizes(spec);
    const at = Array.from({ length: B }, (_, i) => spec.data.batch === "full" ? i : batchIndex(spec.seed, 0, i, trainPairs));
    const pick = (values: Uint32Array) => at.map((i) => values[i]);
    const { flat } = await gradients(spec, initialise(spec), pick(a), pick(b), pick(target));
    const wrong = difference(spec, actual, flat);
    assert(wrong === null, `row ${row}: ${wrong}`);
  }
  trainer.dispose();
}

/** The engines that are checked, by name. */
const ENGINES: Record<string, () => Promise<ExecutorEngine>> = {
  webgpu: () => webgpuEngine(SOFTWARE_TILE),
  cpu: () => cpuEngine(2), // three runs: two whole, one shared by both threads
  /** The smallest block, which is compiled soonest; that others give the same bits, the tests of products say. */
  "webgpu, hardware tiles": () => webgpuEngine({ ...GPU_TILE, block: () => BLOCKS[0] }),
};
const started = new Map<string, Promise<ExecutorEngine>>();
const engineNamed = (name: string) => started.getOrInsertComputed(name, () => ENGINES[name]());

function gradientTest(name: string, input: RunInput, engines = ["webgpu", "cpu"]): void {
  for (const engine of engines) {
    Deno.test({
      name: `gradients on ${engine}: ${name}`,
      sanitizeResources: false,
      sanitizeOps: false,
      fn: async () => await check(await engineNamed(engine), merge(SMALL, input)),
    });
  }
}

// Every norm × mask × pooling × batch; the other options take turns, so that each meets several of these.
const TOKENS = ["a op b =", "a b =", "a b"] as const;
let turn = 0;
for (const norm of ["post", "pre", "none"] as const) {
  for (const mask of ["causal", "none"] as const) {
    for (const pooling of ["last", "mean"] as const) {
      for (const batch of [5, "full"] as const) {
        const tokens = TOKENS[turn % 3], activation = (["gelu", "relu"] as const)[(turn >> 1) % 2], biases = turn % 5 !== 2;
        const layers = 1 + (turn * 7) % 3,
          init = (["pytorch", "normal"] as const)[turn % 2],
          loss = (["torch", "stable"] as const)[(turn >> 2) % 2];
        turn++;
        gradientTest(
          `${norm}-norm, mask ${mask}, pool ${pooling}, batch ${batch}, [${tokens}], ${activation}, ${
            biases ? "" : "no "
          }biases, ${layers} layers, ${init}, ${loss} loss`,
          { model: { norm, mask, pooling, tokens, activation, biases, layers, init }, data: { batch }, optim: { loss } },
        );
      }
    }
  }
}
gradientTest("padding everywhere: D 18, 3 heads of 6, M 22", { model: { dModel: 18, dMlp: 22 }, data: { batch: "full" } });
gradientTest("padding everywhere, pre-norm, mean", {
  model: { dModel: 6, heads: 2, dMlp: 7, norm: "pre", mask: "none", pooling: "mean", tokens: "a b" },
});
gradientTest("permutations: 120 elements", { data: { operation: "permutation", trainFraction: 0.02, batch: "full" } });
gradientTest("an unused position", { model: { context: 9 } });
gradientTest("the loss in doubles", { optim: { loss: "float64" } }, ["cpu"]);
for (const preset of ["ai-scientist", "boundaries", "nanda"] as const) {
  const { model } = runSpec({ preset });
  const { layers, norm, mask, pooling, tokens, activation, biases, init } = model;
  const like = { layers, norm, mask, pooling, tokens, activation, biases, init };
  const engines = ["webgpu, hardware tiles", "cpu"];
  gradientTest(`like ${preset}`, { model: like, data: { batch: "full" } }, engines);
  gradientTest(`like ${preset}, more than one tile`, {
    model: { ...like, dModel: 72, heads: 2, dMlp: 100 },
    data: { batch: "full", prime: 13 },
  }, engines);
}

Deno.test({
  name: "gradients: a planted error is caught",
  sanitizeResources: false,
  sanitizeOps: false,
  fn: async () => {
    const engine = await engineNamed("cpu");
    for (const name of ["embed.W_E", "blocks.1.attn.W_O", "blocks.0.ln1.b", "unembed.b_U"]) {
      let error: unknown = null;
      try {
        await check(engine, SMALL, (gradient, spec) => {
          const tensor = layout(spec).tensors.find((tensor) => tensor.name === name)!;
          const largest = read(tensor, gradient).reduce((most, x) => Math.max(most, Math.abs(x)), 0);
          const at = gradient.findIndex((x, i) => i >= tensor.offset && Math.abs(x) === largest);
          gradient[at] *= 1.001;
        });
      } catch (thrown) {
        error = thrown;
      }
      assertThrows(
        () => {
          if (error) throw error;
        },
        Error,
        name,
      );
    }
  },
});
