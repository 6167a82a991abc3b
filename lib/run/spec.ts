/**
 * What a run is: one frozen plain object. Everything else in the house is made from it.
 *
 * Legend, in TypeScript, WGSL and prose alike: R runs · B examples · T positions · V vocabulary · C classes · D d_model ·
 * H heads · K d_head · M d_mlp · L layers · P parameters a run. Indices are the lower-case letters; gradients prefix `d`.
 */
import { createHash } from "node:crypto";
import { elementCount, type OperationName, OPERATIONS, pairCount, trainCount } from "./operations.ts";

export interface ModelSpec {
  /** L, transformer blocks. */
  readonly layers: number;
  /** D, width of the residual stream. */
  readonly dModel: number;
  /** H, attention heads; d_head is D / H. */
  readonly heads: number;
  /** M, neurons of the feed-forward part. */
  readonly dMlp: number;
  /** Exact (erf) GELU, or ReLU. */
  readonly activation: "gelu" | "relu";
  /** LayerNorm after each residual sum, before each part, or nowhere; with one, a last one stands before the output head. */
  readonly norm: "post" | "pre" | "none";
  /** Which positions a position attends to: itself and those before it, or all. */
  readonly mask: "causal" | "none";
  /** What the output head reads: the last position, or the mean over all. */
  readonly pooling: "last" | "mean";
  /** Biases in attention, feed-forward part and output head. */
  readonly biases: boolean;
  /** The tokens of an example. */
  readonly tokens: "a op b =" | "a b =" | "a b";
  /** Rows of the position table; may exceed the tokens (the AI-Scientist template has an unused one, which counts as parameters). */
  readonly context: number;
  /** `pytorch`: the defaults of its modules; `normal`: weights N(0, initSigma²), biases 0. */
  readonly init: "pytorch" | "normal";
  /** σ of `init: "normal"`. */
  readonly initSigma: number;
  /** σ of the position table under `init: "pytorch"`. */
  readonly positionSigma: number;
}

export interface DataSpec {
  readonly operation: OperationName;
  /** The modulus p; not read by operations on permutations. */
  readonly prime: number;
  /** Share of all pairs that train; the rest validates. Which, is drawn from the seed. */
  readonly trainFraction: number;
  /** Examples of an update: all that train, or so many draws with replacement. */
  readonly batch: "full" | number;
}

/** AdamW: Loshchilov & Hutter, "Decoupled weight decay regularization" (ICLR 2019). */
export interface OptimSpec {
  readonly lr: number;
  readonly weightDecay: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  /** lr is scaled by min(update / warmup, 1), updates counted from 0: with warm-up, the first has lr 0. */
  readonly warmup: number;
  /** What decays: every parameter, or matrices and embeddings only. */
  readonly decay: "all" | "matrices";
  /**
   * `torch`: log-softmax as it is; `stable`: keeps digits that p_y − 1 loses in fp32, which changes the late phase of training; `float64`: in doubles
   * from the logits on, as published code does.
   */
  readonly loss: "torch" | "stable" | "float64";
}

/** How long a run lasts, which is not part of its identity, and how often it is looked at, which is: it decides what can be seen of it. */
export interface ScheduleSpec {
  /** Updates. */
  readonly steps: number;
  /** Updates between evaluations on the whole train and validation sets. */
  readonly evalEvery: number;
}

export interface RunSpec {
  readonly model: ModelSpec;
  readonly data: DataSpec;
  readonly optim: OptimSpec;
  readonly schedule: ScheduleSpec;
  readonly seed: number;
}

type Partially<T> = { readonly [K in keyof T]?: T[K] extends object ? Partial<T[K]> : T[K] };
/** A run as people write it: a preset's name, and what differs from it. */
export type RunInput = Partially<RunSpec> & { readonly preset?: PresetName };

const AI_SCIENTIST: RunSpec = {
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

const BOUNDARIES: RunSpec = {
  model: { ...AI_SCIENTIST.model, norm: "pre", mask: "none", pooling: "mean", tokens: "a b", context: 2 },
  data: { ...AI_SCIENTIST.data, batch: "full" },
  optim: { ...AI_SCIENTIST.optim, weightDecay: 1, warmup: 0 },
  schedule: { steps: 50_000, evalEvery: 10 },
  seed: 42,
};

const TINY_LIVE: RunSpec = {
  model: { ...BOUNDARIES.model, pooling: "last", positionSigma: 0.02 },
  data: { ...AI_SCIENTIST.data, trainFraction: 0.3, batch: 256 },
  optim: { ...AI_SCIENTIST.optim, weightDecay: 0.01, beta2: 0.999, warmup: 0 },
  schedule: { steps: 20_000, evalEvery: 100 },
  seed: 0,
};

const NANDA: RunSpec = {
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
 * The settings of the published work, exact.
 * `ai-scientist`: the AI-Scientist grokking template. `boundaries`: the map of d_model / p against weight decay. `tiny-live`: the live notebook.
 * `nanda`: Nanda et al., "Progress measures for grokking via mechanistic interpretability" (ICLR 2023).
 */
export const PRESETS = { "ai-scientist": AI_SCIENTIST, boundaries: BOUNDARIES, "tiny-live": TINY_LIVE, nanda: NANDA } as const;
export type PresetName = keyof typeof PRESETS;

/** The values that a field of words may have. */
export const CHOICES = {
  model: {
    activation: ["gelu", "relu"],
    norm: ["post", "pre", "none"],
    mask: ["causal", "none"],
    pooling: ["last", "mean"],
    tokens: ["a op b =", "a b =", "a b"],
    init: ["pytorch", "normal"],
  },
  data: { operation: Object.keys(OPERATIONS) },
  optim: { decay: ["all", "matrices"], loss: ["torch", "stable", "float64"] },
} as const;

/** The largest modulus: a, b and the answer of a pair share 32 bits on the GPU. */
const LARGEST_PRIME = 1021;

/**
 * A checked, frozen run from a preset (default `ai-scientist`) and what differs from it.
 * Where d_mlp is not given but d_model is, d_mlp is 4 · d_model; where tokens are given but the context isn't, the context is their number.
 * @throws Error that names the field, its value and what it must be.
 */
export function runSpec(input: RunInput = {}): RunSpec {
  const preset = PRESETS[input.preset ?? "ai-scientist"];
  if (!preset) fail("preset", input.preset, `one of ${Object.keys(PRESETS).join(", ")}`);
  const { model = {}, data = {}, optim = {}, schedule = {} } = input;
  const spec = {
    model: {
      ...preset.model,
      ...(model.dModel === undefined ? {} : { dMlp: 4 * model.dModel }),
      ...(model.tokens === undefined ? {} : { context: tokenNames(model.tokens).length }),
      ...model,
    },
    data: { ...preset.data, ...data },
    optim: { ...preset.optim, ...optim },
    schedule: { ...preset.schedule, ...schedule },
    seed: input.seed ?? preset.seed,
  };
  unknown("run", input, { ...spec, preset: 0 });
  for (const part of ["model", "data", "optim", "schedule"] as const) unknown(part, spec[part], preset[part]);
  validate(spec);
  for (const part of Object.values(spec)) Object.freeze(part);
  return Object.freeze(spec);
}

/** The tokens of an example, by name: `a`, `b`, `op`, `=`. */
export const tokenNames = (tokens: ModelSpec["tokens"]) => tokens.split(" ") as ("a" | "b" | "op" | "=")[];

/** Sizes that follow from a run, by the letters of the legend. */
export interface Sizes {
  readonly L: number;
  readonly D: number;
  readonly H: number;
  readonly K: number;
  readonly M: number;
  readonly T: number;
  readonly V: number;
  readonly C: number;
  /** Examples of an update. */
  readonly B: number;
  /** All pairs of the operation. */
  readonly pairs: number;
  /** How many of them train. */
  readonly trainPairs: number;
  /** The token of element 0; the others follow it. */
  readonly firstElement: number;
  /** The token of `op` and of `=`, where the layout has them. */
  readonly op: number;
  readonly equals: number;
}

/** The sizes of a run. In `[a, op, b, =]`, op and = are tokens 0 and 1 as in the template; in `[a, b, =]`, = comes last. */
export function sizes(spec: RunSpec): Sizes {
  const { model, data } = spec;
  const C = elementCount(data.operation, data.prime);
  const names = tokenNames(model.tokens);
  const pairs = pairCount(data.operation, data.prime);
  const trainPairs = trainCount(data.trainFraction, pairs);
  const firstElement = names.includes("op") ? 2 : 0;
  return {
    L: model.layers,
    D: model.dModel,
    H: model.heads,
    K: model.dModel / model.heads,
    M: model.dMlp,
    T: names.length,
    V: C + names.filter((name) => name === "op" || name === "=").length,
    C,
    B: data.batch === "full" ? trainPairs : data.batch,
    pairs,
    trainPairs,
    firstElement,
    op: 0,
    equals: firstElement === 0 ? C : 1,
  };
}

/** Runs with the same shape key can train in the same dispatches: same model, examples an update and number of elements. */
export function shapeKey(spec: RunSpec): string {
  const { layers, dModel, heads, dMlp, activation, norm, mask, pooling, biases, tokens, context } = spec.model;
  const { B, C } = sizes(spec);
  const words = [`${norm}-norm`, `mask ${mask}`, `pool ${pooling}`, biases ? "biases" : "no biases", `[${tokens}]`];
  return `L${layers} D${dModel} H${heads} M${dMlp} ${activation} ${words.join(" ")} context ${context} B${B} C${C}`;
}

/** All that makes a run what it is: everything but the number of its steps, as JSON with sorted keys. */
export function identity({ schedule: { evalEvery }, ...rest }: RunSpec): string {
  return stableJson({ ...rest, schedule: { evalEvery } });
}

/** The identity in short: 16 hexadecimal digits of its SHA-256. A run that goes on for more steps keeps its hash. */
export const specHash = (spec: RunSpec): string => createHash("sha256").update(identity(spec)).digest("hex").slice(0, 16);

/** JSON with sorted keys: equal objects, equal text. */
export function stableJson(value: unknown): string {
  return JSON.stringify(
    value,
    (_, inner) =>
      inner && typeof inner === "object" && !Array.isArray(inner)
        ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
        : inner,
  );
}

function fail(name: string, value: unknown, requirement: string): never {
  throw new Error(`Cannot use this run: ${name} must be ${requirement}, current value is ${JSON.stringify(value) ?? value}`);
}

function unknown(part: string, given: object, known: object): void {
  for (const key of Object.keys(given)) if (!(key in known)) fail(`a field of ${part}`, key, `one of ${Object.keys(known).join(", ")}`);
}

function validate(spec: RunSpec): void {
  for (const [part, fields] of Object.entries(CHOICES)) {
    for (const [field, values] of Object.entries(fields)) {
      const value = (spec as unknown as Record<string, Record<string, string>>)[part][field];
      if (!values.includes(value as never)) fail(field, value, `one of ${values.join(", ")}`);
    }
  }
  const { model, data, optim, schedule, seed } = spec;
  const whole = (name: string, value: unknown, least: number, most = 2 ** 31) => {
    if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
      fail(name, value, `a whole number from ${least} to ${most}`);
    }
  };
  const real = (name: string, value: unknown, ok: (x: number) => boolean, requirement: string) => {
    if (typeof value !== "number" || !Number.isFinite(value) || !ok(value)) fail(name, value, requirement);
  };
  whole("layers", model.layers, 1, 64);
  whole("dModel", model.dModel, 1, 8192);
  whole("heads", model.heads, 1, 256);
  whole("dMlp", model.dMlp, 1, 65536);
  if (model.dModel % model.heads !== 0) fail("dModel", model.dModel, `divisible by heads (${model.heads})`);
  if (typeof model.biases !== "boolean") fail("biases", model.biases, "true or false");
  whole("context", model.context, tokenNames(model.tokens).length, 64);
  real("initSigma", model.initSigma, (x) => x > 0, "above 0");
  real("positionSigma", model.positionSigma, (x) => x >= 0, "0 or above");

  whole("prime", data.prime, 2, LARGEST_PRIME);
  const operation = OPERATIONS[data.operation];
  if ("divides" in operation && !isPrime(data.prime)) fail("prime", data.prime, `a prime number for ${data.operation}`);
  real("trainFraction", data.trainFraction, (x) => x > 0 && x < 1, "between 0 and 1");
  const { pairs, trainPairs } = sizes(spec);
  if (trainPairs < 1 || trainPairs >= pairs) {
    fail("trainFraction", data.trainFraction, `such that train and validation sets get at least one of the ${pairs} pairs each`);
  }
  if (data.batch !== "full") whole('batch (where it is not "full")', data.batch, 1, 65535);

  real("lr", optim.lr, (x) => x >= 0, "0 or above");
  real("weightDecay", optim.weightDecay, (x) => x >= 0, "0 or above");
  real("beta1", optim.beta1, (x) => x >= 0 && x < 1, "at least 0 and below 1");
  real("beta2", optim.beta2, (x) => x >= 0 && x < 1, "at least 0 and below 1");
  real("eps", optim.eps, (x) => x > 0, "above 0");
  whole("warmup", optim.warmup, 0);
  whole("steps", schedule.steps, 0);
  whole("evalEvery", schedule.evalEvery, 1);
  whole("seed", seed, 0, 2 ** 32 - 1);
}

function isPrime(n: number): boolean {
  for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return false;
  return n > 1;
}
