/** The settings of the published work, exact. */
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

const BOUNDARIES: EarlierSpec = {
  model: { ...AI_SCIENTIST.model, norm: "pre", mask: "none", pooling: "mean", tokens: "a b", context: 2 },
  data: { ...AI_SCIENTIST.data, batch: "full" },
  optim: { ...AI_SCIENTIST.optim, weightDecay: 1, warmup: 0 },
  schedule: { steps: 50_000, evalEvery: 10 },
  seed: 42,
};

const TINY_LIVE: EarlierSpec = {
  model: { ...BOUNDARIES.model, pooling: "last", positionSigma: 0.02 },
  data: { ...AI_SCIENTIST.data, trainFraction: 0.3, batch: 256 },
  optim: { ...AI_SCIENTIST.optim, weightDecay: 0.01, beta2: 0.999, warmup: 0 },
  schedule: { steps: 20_000, evalEvery: 100 },
  seed: 0,
};

const NANDA: EarlierSpec = {
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
 * notebook.
 * `nanda`: Nanda et al., "Progress measures for grokking via mechanistic interpretability" (ICLR 2023).
 */
export const PRESETS = {
  "ai-scientist": complete(AI_SCIENTIST),
  boundaries: complete(BOUNDARIES),
  "tiny-live": complete(TINY_LIVE),
  nanda: complete(NANDA),
} as const;
export type PresetName = keyof typeof PRESETS;
