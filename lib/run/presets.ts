/** The settings of published work, to the letter as far as a run can say them; what it can't say stands beside the preset. */
import { type EarlierSpec, PART_ENTRIES, PARTS, type RunSpec } from "./fields.ts";

const AI_SCIENTIST: EarlierSpec = {
  model: {
    layers: 2,
    dModel: 128,
    heads: 4,
    dMlp: 512,
    activation: "gelu",
    norm: "post",
    mask: "causal",
    pooling: "last",
    biases: true,
    tokens: "a op b =",
    context: 5,
    init: "pytorch",
    initSigma: 0.02,
    positionSigma: 1,
  },
  data: { operation: "x_plus_y", prime: 97, trainFraction: 0.5, batch: 512 },
  optim: { lr: 1e-3, weightDecay: 0.5, beta1: 0.9, beta2: 0.98, eps: 1e-8, warmup: 50, decay: "all", loss: "torch" },
  schedule: { steps: 7500, evalEvery: 10 },
  seed: 0,
};

/**
 * One thing differs from what was published: attention there is made of plain Linear modules, `init: "linear"`. Runs were recorded before
 * that was seen, so it stays as it is: W_Q, W_K and W_V begin 1.22 times as large as there, and attention's biases at 0. Networks grok
 * later by it, by 6 % of the steps modulo 47 and 17 % modulo 23 (the experiment `attention_start`, notebook 05).
 */
const BOUNDARIES: EarlierSpec = {
  model: { ...AI_SCIENTIST.model, norm: "pre", mask: "none", pooling: "mean", tokens: "a b", context: 2 },
  data: { ...AI_SCIENTIST.data, batch: "full" },
  optim: { ...AI_SCIENTIST.optim, weightDecay: 1, warmup: 0 },
  schedule: { steps: 50_000, evalEvery: 10 },
  seed: 42,
};

/** Both layers begin with the same weights there, as PyTorch's `TransformerEncoder` copies its layer; here each is drawn. */
const TINY_LIVE: EarlierSpec = {
  model: { ...BOUNDARIES.model, pooling: "last", positionSigma: 0.02 },
  data: { ...AI_SCIENTIST.data, trainFraction: 0.3, batch: 256 },
  optim: { ...AI_SCIENTIST.optim, weightDecay: 0.01, beta2: 0.999, warmup: 0 },
  schedule: { steps: 20_000, evalEvery: 100 },
  seed: 0,
};

const ONE_LAYER: EarlierSpec = {
  model: {
    ...AI_SCIENTIST.model,
    layers: 1,
    activation: "relu",
    norm: "none",
    biases: false,
    tokens: "a b =",
    context: 3,
    init: "normal",
    initSigma: 1 / Math.sqrt(128),
  },
  data: { operation: "x_plus_y", prime: 113, trainFraction: 0.3, batch: "full" },
  optim: { ...AI_SCIENTIST.optim, weightDecay: 1, warmup: 10 },
  schedule: { steps: 25_000, evalEvery: 100 },
  seed: 0,
};

/**
 * Nanda et al. (2023), from the code published with the paper (progress-measures-paper, transformers.py). Every weight N(0, 1 / d_model),
 * W_U N(0, 1 / d_vocab); biases in the MLP alone, 0 at first; the token `=` is a class as well; log-softmax in fp32, whatever its function
 * is called.
 */
const NANDA: EarlierSpec = {
  ...ONE_LAYER,
  model: {
    ...ONE_LAYER.model,
    biases: true,
    biasesIn: "mlp",
    initSigmas: `unembed=${1 / Math.sqrt(114)}`,
    extraClasses: 1,
  },
  schedule: { steps: 50_000, evalEvery: 100 },
};

/**
 * The demonstration of TransformerLens (demos/Grokking_Demo.ipynb), for readers of which it is the grokking transformer: weights
 * N(0, (0.8 / √d_model)²), all biases there, 0 and frozen, log-softmax in float64, no warm-up.
 */
const TL_DEMO: EarlierSpec = {
  ...ONE_LAYER,
  model: { ...ONE_LAYER.model, biases: true, initSigma: 0.8 / Math.sqrt(128) },
  optim: { ...ONE_LAYER.optim, warmup: 0, loss: "float64", frozen: "biases" },
};

/**
 * Power et al. (2022), from their code (openai/grok) with the paper's weight decay 1 (the code's default is 0), on division, its first
 * figure. Against `ai-scientist`: ReLU, no biases, no last LayerNorm, sinusoidal positions that are not trained, plain Linear modules in
 * attention, a class for each of the 239 tokens of its vocabulary, ten updates of warm-up, weight decay 1, the share of pairs rounded.
 *
 * Three things of that code a run can't say. An example there is `<eos> a op b = c <eos>`: here the first token is missing, so that
 * positions count from 0 at a, and the loss is that of c alone, not its mean with that of the last token. Rows of W_E that no example of
 * this operation reads are missing, which only decay. And batches there are the parts of a shuffled training set, the last of them smaller;
 * here they are draws.
 */
const POWER: EarlierSpec = {
  ...AI_SCIENTIST,
  model: {
    ...AI_SCIENTIST.model,
    activation: "relu",
    biases: false,
    context: 4,
    init: "linear",
    positionInit: "sinusoidal",
    extraClasses: 239 - 97,
    finalNorm: false,
  },
  data: { ...AI_SCIENTIST.data, operation: "x_div_y", rounding: "nearest" },
  optim: { ...AI_SCIENTIST.optim, weightDecay: 1, warmup: 10, frozen: "pos" },
  schedule: { steps: 100_000, evalEvery: 100 },
};

/** With the fields that came later, at their neutral values; frozen. */
export function complete(spec: EarlierSpec, entries = PART_ENTRIES): RunSpec {
  const parts = PARTS.map((part) => {
    const later = entries.filter((entry) => entry.part === part && entry.field.neutral !== undefined);
    return [part, Object.freeze({ ...spec[part], ...absent(spec[part], later) })];
  });
  // The table gives the types, and `entries` every field that the type has.
  return Object.freeze({ ...Object.fromEntries(parts), seed: spec.seed }) as unknown as RunSpec;
}

const absent = (given: object, later: typeof PART_ENTRIES) =>
  Object.fromEntries(later.filter(({ name }) => !Object.hasOwn(given, name)).map(({ name, field }) => [name, field.neutral]));

/**
 * `ai-scientist`: the AI-Scientist grokking template. `boundaries`: the map of d_model / p against weight decay. `tiny-live`: the live
 * notebook. `one-layer`: the lessons' own, near the next two: no biases, as many classes as answers, log-softmax in fp32. `nanda`: Nanda et
 * al., "Progress measures for grokking via mechanistic interpretability" (ICLR 2023). `tl-demo`: TransformerLens's demonstration of it.
 * `power`: Power et al., "Grokking: Generalization beyond overfitting on small algorithmic datasets" (2022).
 */
export const PRESETS = {
  "ai-scientist": complete(AI_SCIENTIST),
  boundaries: complete(BOUNDARIES),
  "tiny-live": complete(TINY_LIVE),
  "one-layer": complete(ONE_LAYER),
  nanda: complete(NANDA),
  "tl-demo": complete(TL_DEMO),
  power: complete(POWER),
} as const;
export type PresetName = keyof typeof PRESETS;
