/** Every gradient of every executor, tensor by tensor, against TensorFlow.js's automatic differentiation of the same model. */
import { assert, assertRejects } from "@std/assert";
import type { ExecutorEngine } from "../../lib/engine/executor_engine.ts";
import type { Op } from "../../lib/engine/op.ts";
import { initialise, layout, read } from "../../lib/run/layout.ts";
import { dataset } from "../../lib/run/operations.ts";
import { batchIndex } from "../../lib/run/random.ts";
import { gradients } from "../../lib/reference/trainer.ts";
import { type RunInput, type RunSpec, runSpec, sizes } from "../../lib/run/spec.ts";
import { KERNELS, type Named, spoiled, testOn } from "./executors.ts";

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
  try {
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
  } finally {
    trainer.dispose();
  }
}

const ALL = KERNELS.filter(({ all }) => all);
const gradientTest = (name: string, input: RunInput, executors: readonly Named[] = ALL) =>
  testOn(executors, `gradients: ${name}`, (engine) => check(engine, merge(SMALL, input)));

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
for (const batch of [5, "full"] as const) {
  gradientTest(`biases in the MLP alone, a class that is no answer, batch ${batch}`, {
    model: { norm: "none", tokens: "a b =", biasesIn: "mlp", extraClasses: 1 },
    data: { batch },
  });
  gradientTest(`no LayerNorm before the head, three classes more, batch ${batch}`, {
    model: { finalNorm: false, biases: false, extraClasses: 3, init: "linear", positionInit: "sinusoidal" },
    data: { batch },
  });
}
gradientTest("pre-norm, none before the head, mean", {
  model: { norm: "pre", finalNorm: false, pooling: "mean" },
  data: { batch: "full" },
});
gradientTest("the loss in doubles", { optim: { loss: "float64" } }, KERNELS.filter(({ name }) => name === "cpu"));

for (const loss of ["stablemax", "mse"] as const) {
  gradientTest(`${loss} loss`, { optim: { loss } });
  gradientTest(`${loss} loss, full batch of 13 classes, no norm`, {
    model: { norm: "none", biases: false, tokens: "a b", init: "normal" },
    data: { prime: 13, batch: "full" },
    optim: { loss, temperature: 0.3 },
  }, KERNELS);
  gradientTest(`${loss} loss of 12 classes, which need no padding`, { data: { prime: 12 }, optim: { loss, temperature: 7 } });
}
for (const loss of ["torch", "stable"] as const) {
  gradientTest(`${loss} loss of logits divided by 2.5`, { optim: { loss, temperature: 2.5 } });
  gradientTest(`${loss} loss of logits divided by 0.4, full batch`, { data: { batch: "full" }, optim: { loss, temperature: 0.4 } });
}
gradientTest(
  "the loss in doubles of logits divided by 0.4",
  { optim: { loss: "float64", temperature: 0.4 } },
  KERNELS.filter(({ name }) => name === "cpu"),
);
gradientTest("label noise, mirrored split", { data: { labelNoise: 0.4, split: "mirrored", batch: "full" } });
gradientTest("S3, whose mirrored split has any noise", {
  data: { operation: "permutation_s3", labelNoise: 0.5, noiseLabels: "any", split: "mirrored" },
});

// The smallest sizes there are: one by one, and all at once.
for (const norm of ["post", "pre", "none"] as const) {
  gradientTest(`d_mlp 1, ${norm}-norm`, { model: { dMlp: 1, norm } }, KERNELS);
  gradientTest(`d_model 1, ${norm}-norm`, { model: { dModel: 1, heads: 1, norm } }, KERNELS);
}
gradientTest("d_head 1", { model: { dModel: 3, heads: 3 } });
gradientTest("d_model 2 and d_mlp 3", { model: { dModel: 2, heads: 2, dMlp: 3 }, data: { batch: "full" } });
gradientTest("batch 1", { data: { batch: 1 } });
gradientTest("modulus 2", { data: { prime: 2, batch: "full" } });
gradientTest("modulus 3, more examples than elements", { data: { prime: 3, batch: 7 }, model: { tokens: "a b" } });
for (const tokens of TOKENS) {
  const model = { layers: 1, dModel: 1, heads: 1, dMlp: 1, norm: "none", tokens } as const;
  gradientTest(`every size as small as it can be, [${tokens}]`, { model, data: { prime: 2, batch: 1 } }, KERNELS);
}

// Variants of the model, each with several of the other options.
const PADDED = { dModel: 18, dMlp: 22 } as const, WITHOUT = { mixer: "none", heads: 1 } as const;
const QUADRATIC = {
  ...WITHOUT,
  ...{ layers: 1, inputs: "one-hot", scaling: "mean-field", activation: "square", biases: false, init: "normal", initSigma: 1 } as const,
};
const VARIANTS: Readonly<Record<string, RunInput>> = {
  "RMSNorm, post-norm, padding": { model: { normKind: "rms", ...PADDED } },
  "RMSNorm, pre-norm, mean": { model: { normKind: "rms", norm: "pre", pooling: "mean", mask: "none" }, data: { batch: "full" } },
  "uniform attention, causal, rows of their own": { model: { mixer: "uniform" } },
  "uniform attention, causal, mean, shared rows": {
    model: { mixer: "uniform", pooling: "mean", norm: "pre", layers: 3, ...PADDED },
    data: { batch: "full" },
  },
  "uniform attention, one head, no mask, no biases": {
    model: { mixer: "uniform", heads: 1, mask: "none", norm: "none", biases: false, tokens: "a b =" },
    data: { batch: "full" },
  },
  "tied, [a op b =]": { model: { tied: true } },
  "tied, [a b =], shared rows, padding": { model: { tied: true, tokens: "a b =", ...PADDED }, data: { batch: "full" } },
  "tied, [a b], no biases, mean, 5 classes": {
    model: { tied: true, tokens: "a b", biases: false, pooling: "mean" },
    data: { batch: "full", prime: 5 },
  },
  "x² in a transformer": { model: { activation: "square" } },
  "MLP, GELU, 1 hidden layer": { model: { ...WITHOUT, layers: 1 } },
  "MLP, ReLU, 3 hidden layers, full batch": {
    model: { ...WITHOUT, layers: 3, activation: "relu", init: "normal" },
    data: { batch: "full" },
  },
  "MLP, no biases, padding": { model: { ...WITHOUT, ...PADDED, layers: 2, biases: false }, data: { batch: "full" } },
  "MLP, one-hot inputs": { model: { ...WITHOUT, layers: 2, inputs: "one-hot", activation: "relu" } },
  "MLP, one-hot inputs, padding, full batch": { model: { ...WITHOUT, ...PADDED, layers: 1, inputs: "one-hot" }, data: { batch: "full" } },
  "quadratic MLP": { model: QUADRATIC },
  "quadratic MLP, full batch, 5 classes": { model: { ...QUADRATIC, dMlp: 9 }, data: { batch: "full", prime: 5 } },
  "all that goes together": { model: { normKind: "rms", mixer: "uniform", tied: true, activation: "square", norm: "pre" } },
};
const ON_CARDS = /together|shared rows, padding|no biases, padding|one-hot inputs, padding/;
for (const [name, input] of Object.entries(VARIANTS)) gradientTest(name, input, ON_CARDS.test(name) ? KERNELS : ALL);
for (
  const model of [{ ...WITHOUT, inputs: "embedded" }, { ...WITHOUT, inputs: "one-hot" }, {
    mixer: "uniform",
    normKind: "rms",
    tied: true,
  }] as const
) {
  const small = { ...model, layers: 1, dModel: 1, heads: 1, dMlp: 1, tokens: "a b" } as const;
  gradientTest(`every size as small as it can be, ${Object.values(model)}`, { model: small, data: { prime: 2, batch: 1 } }, KERNELS);
}

const OTHERS = KERNELS.filter(({ all }) => !all);
for (const preset of ["ai-scientist", "boundaries", "one-layer"] as const) {
  const { layers, norm, mask, pooling, tokens, activation, biases, init } = runSpec({ preset }).model;
  const like = { layers, norm, mask, pooling, tokens, activation, biases, init };
  gradientTest(`like ${preset}`, { model: like, data: { batch: "full" } }, OTHERS);
  const large = { ...like, dModel: 72, heads: 2, dMlp: 100 };
  gradientTest(`like ${preset}, more than one tile`, { model: large, data: { batch: "full", prime: 13 } }, OTHERS);
}

for (const name of ["embed.W_E", "blocks.1.attn.W_O", "blocks.0.ln1.b", "unembed.b_U"]) {
  testOn(ALL, `gradients: an error planted in ${name} is caught`, async (engine) => {
    const plant = (gradient: Float32Array, spec: RunSpec) => {
      const tensor = layout(spec).tensors.find((tensor) => tensor.name === name)!;
      const largest = read(tensor, gradient).reduce((most, x) => Math.max(most, Math.abs(x)), 0);
      const at = gradient.findIndex((x, i) => i >= tensor.offset && Math.abs(x) === largest);
      gradient[at] *= 1.001;
    };
    await assertRejects(() => check(engine, SMALL, plant), Error, name);
  });
}

/** Mistakes that a plan could hold, by the tensor where the comparison must see them first. */
const MISTAKES: readonly { readonly what: string; readonly input?: RunInput; readonly change: (op: Op) => Op }[] = [
  {
    what: "the activation's derivative left out",
    change: (op) => {
      if (op.op !== "product" || !op.derivative) return op;
      const { derivative: _, ...rest } = op;
      return rest;
    },
  },
  {
    what: "the residual stream left out of a gradient",
    change: (op) => {
      if (op.op !== "product" || op.form !== "nt" || !op.add) return op;
      const { add: _, ...rest } = op;
      return rest;
    },
  },
  {
    what: "a norm's mean over one column too many",
    input: { model: { dModel: 18 } },
    change: (op) => op.op === "normBackward" ? { ...op, D: op.D + 1 } : op,
  },
  { what: "scores scaled by another head's width", change: (op) => op.op === "attentionBackward" ? { ...op, K: op.K - 1 } : op },
  {
    what: "a term left out of a fold",
    input: { data: { batch: "full" } },
    change: (op) => op.op === "fold" ? { ...op, segments: op.segments.map((each) => ({ ...each, sources: each.sources.slice(1) })) } : op,
  },
  {
    what: "the head's part left out of a tied embedding's gradient",
    input: { model: { tied: true } },
    change: (op) => {
      if (op.op !== "embedBackward") return op;
      const { head: _, ...rest } = op;
      return rest;
    },
  },
  {
    what: "an MLP's scaling left out of a gradient",
    input: { model: QUADRATIC },
    change: (op) => op.op === "pairsBackward" ? { ...op, factor: 1 } : op,
  },
  {
    what: "the temperature left out",
    input: { optim: { temperature: 1.01 } },
    change: (op) => op.op === "loss" ? { ...op, scaled: false } : op,
  },
  {
    what: "another loss",
    input: { optim: { loss: "mse" } },
    change: (op) => op.op === "loss" ? { ...op, kind: "stablemax" } : op,
  },
  {
    what: "a bias without its gradient",
    change: (op) => {
      if (op.op !== "product" || !op.sums) return op;
      const { sums: _, ...rest } = op;
      return rest;
    },
  },
];
for (const { what, input = {}, change } of MISTAKES) {
  testOn(ALL, `gradients: a planted mistake is caught, ${what}`, async (engine) => {
    await assertRejects(() => check(spoiled(engine, change), merge(SMALL, input)), Error, "differs by");
  });
}
