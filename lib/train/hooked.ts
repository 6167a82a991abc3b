/**
 * Weights for TransformerLens (https://github.com/TransformerLensOrg/TransformerLens, `HookedTransformer`): the state dict, whose names
 * and shapes are those of `layout`, and the `HookedTransformerConfig` with which it computes the same logits. The way back:
 * `hooked_import.ts`.
 */
import { isNeutral, PART_ENTRIES, valueAt } from "../run/fields.ts";
import { type RunSpec, type Sizes, sizes, stableJson } from "../run/spec.ts";
import { encode } from "./safetensors.ts";
import { named } from "./weights.ts";

/** How TransformerLens calls what a field of the model says; an activation that isn't here it has not. */
export const ACTIVATIONS: Readonly<Record<string, string>> = { gelu: "gelu", relu: "relu" };
export const DIRECTIONS: Readonly<Record<string, string>> = { causal: "causal", none: "bidirectional" };
/** By `normKind`. */
export const NORMS: Readonly<Record<string, string>> = { layer: "LN", rms: "RMS" };

/** Added to the variance of a LayerNorm, or the mean square of an RMSNorm, before its root, in every engine. */
export const EPS = 1e-5;

/** The sizes of a model's tensors, but for the rows of its position table. */
export type ModelSizes = Pick<Sizes, "L" | "D" | "H" | "K" | "M" | "V" | "C">;

/** What of the sizes of a model a `HookedTransformerConfig` says, by its names. */
export const configSizes = ({ L, D, H, K, M, V, C }: ModelSizes, context: number) => ({
  n_layers: L,
  d_model: D,
  n_heads: H,
  d_head: K,
  d_mlp: M,
  n_ctx: context,
  d_vocab: V,
  d_vocab_out: C,
});

/** Of the fields that came later, those with which a model stays one that TransformerLens has. */
const HELD: readonly string[] = ["biasesIn", "initSigmas", "positionInit", "extraClasses", "initScale", "normKind", "taken"];

/** Why TransformerLens doesn't give a model's logits, and whether it reads its weights all the same. */
export interface Obstacle {
  readonly why: string;
  readonly reads: boolean;
}

/**
 * What stands between a model and TransformerLens; `null` where it gives the model's logits. A model that reads the mean over its
 * positions is no such case: its output head is linear, so its logits are the mean of TransformerLens's.
 */
export function obstacle(spec: RunSpec): Obstacle | null {
  const { norm, activation } = spec.model;
  const entry = PART_ENTRIES.find((entry) =>
    entry.part === "model" && entry.field.neutral !== undefined && !HELD.includes(entry.name) && !isNeutral(spec, entry)
  );
  if (entry) {
    const { name, field: { neutral } } = entry;
    return { why: `${name} must be ${neutral}, current value is ${valueAt(spec, entry)}: TransformerLens has no such model`, reads: false };
  }
  if (!Object.hasOwn(ACTIVATIONS, activation)) {
    const known = Object.keys(ACTIVATIONS).join(" or ");
    return { why: `activation must be ${known}, current value is ${activation}: TransformerLens has no such model`, reads: false };
  }
  if (norm !== "post") return null;
  return {
    why: "norm must be pre or none, current value is post: TransformerLens reads it as pre-norm and gives other logits",
    reads: true,
  };
}

/** How the logits of an answer [B, C] follow from TransformerLens's [B, T, C], in Python. */
export const answerOf = ({ model: { pooling } }: RunSpec): string => pooling === "last" ? "model(tokens)[:, -1]" : "model(tokens).mean(1)";

/** The `HookedTransformerConfig` of a model, as an object for JSON. */
export function hookedConfig(spec: RunSpec): Readonly<Record<string, string | number | null>> {
  const { model } = spec;
  return {
    ...configSizes(sizes(spec), model.context),
    act_fn: ACTIVATIONS[model.activation] ?? null,
    normalization_type: model.norm === "none" ? null : NORMS[model.normKind],
    eps: EPS,
    attention_dir: DIRECTIONS[model.mask],
    positional_embedding_type: "standard",
  };
}

/** The biases that every `HookedTransformer` has, with their dims. */
export const biasesOf = ({ L, D, H, K, M, C }: ModelSizes): ReadonlyMap<string, readonly number[]> =>
  new Map([
    ...Array.from({ length: L }, (_, l) => {
      const attention = ["b_Q", "b_K", "b_V"].map((name) => [`attn.${name}`, [H, K]] as const);
      const all = [...attention, ["attn.b_O", [D]] as const, ["mlp.b_in", [M]] as const, ["mlp.b_out", [D]] as const];
      return all.map(([name, dims]) => [`blocks.${l}.${name}`, dims] as const);
    }).flat(),
    ["unembed.b_U", [C]],
  ]);

/**
 * The bytes of a state dict: the parameters f32[P] by their names, zeros for biases that the model has not, and the spec in the metadata.
 * Buffers, which a `HookedTransformer` has of its own, are left out.
 */
export function hookedFile(spec: RunSpec, flat: Float32Array): Uint8Array {
  const own = named(spec, flat, ""), names = new Set(own.map(({ name }) => name));
  const zeros = [...biasesOf(sizes(spec))].filter(([name]) => !names.has(name)).map(([name, shape]) => {
    return { name, shape, values: new Float32Array(shape.reduce((product, n) => product * n, 1)) };
  });
  return encode({ metadata: { spec: stableJson(spec) }, tensors: [...own, ...zeros] });
}
