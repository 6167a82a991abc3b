/**
 * Weights from TransformerLens: a `HookedTransformer`'s state dict saved as safetensors. Names and shapes are those of `layout`; a state
 * dict has buffers besides, and biases whether or not they are used. The spec of a run that begins with one: `hooked_spec.ts`.
 */
import { layout } from "../run/layout.ts";
import { type RunSpec, sizes } from "../run/spec.ts";
import { biasesOf, type ModelSizes } from "./hooked.ts";
import { readFile, type Stored, widened } from "./safetensors.ts";
import { flatten, mustBeOf } from "./weights.ts";

export type Tensors = ReadonlyMap<string, Stored>;

/** What a state dict has beside parameters. */
const isBuffer = (name: string) => /^blocks\.\d+\.attn\.(mask|IGNORE)$/.test(name);
export const isNorm = (name: string) => /^(blocks\.\d+\.ln[12]|ln_final)\.[wb]$/.test(name);

/**
 * Flat parameters f32[P] for a run's model, from weights, a checkpoint, or a state dict of TransformerLens: its buffers are skipped, so
 * are biases that the model has not where they are zero; other types of floats become float32; where norms are folded, their weights are
 * 1 and 0.
 * @returns with them, a line about what isn't in the file as it is in the parameters.
 * @throws Error in one line where the file is not there, not safetensors, or doesn't hold just this model's tensors.
 */
export async function importWeights(path: string, spec: RunSpec): Promise<{ params: Float32Array<ArrayBuffer>; notes: string[] }> {
  const { tensors } = await readFile(path), { zero } = biasesIn(path, tensors, sizes(spec));
  mustBeOf(path, tensors, spec, (name) => isBuffer(name) || zero.has(name));
  const folded = spec.model.norm === "pre" && !tensors.keys().some(isNorm);
  const params = flatten(path, tensors, spec, "", (path, stored, name, dims) => {
    if (!folded || !isNorm(name)) return widened(path, stored, name, dims);
    return new Float32Array(dims[0]).fill(name.endsWith(".w") ? 1 : 0);
  });
  const notes = folded ? [`${path} has no weights of norms, as where they are folded: scales begin at 1, shifts at 0`] : [];
  return { params, notes: [...conversions(path, tensors, spec), ...notes] };
}

/** The biases of a state dict by what they hold. @throws Error in one line where one has other dims than in a model of these sizes. */
export function biasesIn(path: string, tensors: Tensors, sizes: ModelSizes): Record<"zero" | "other", Set<string>> {
  const found = { zero: new Set<string>(), other: new Set<string>() };
  for (const [name, dims] of biasesOf(sizes)) {
    if (tensors.has(name)) found[widened(path, tensors, name, dims).every((x) => x === 0) ? "zero" : "other"].add(name);
  }
  return found;
}

function conversions(path: string, tensors: Tensors, spec: RunSpec): string[] {
  const types = Map.groupBy(layout(spec).tensors, ({ name }) => tensors.get(name)?.dtype ?? "F32");
  return [...types].filter(([type]) => type !== "F32").map(([type, { length }]) =>
    `${path}: ${length === 1 ? "1 tensor" : `${length} tensors`} of ${type} ${type === "F64" ? "rounded to" : "read as"} float32`
  );
}

/** The sizes of the model that a state dict is of; tokens make no shape. @throws Error in one line where its tensors don't tell. */
export function sizesIn(
  path: string,
  tensors: Tensors,
): ModelSizes & { readonly context: number } {
  const shape = (name: string, dims: string) => {
    const { shape } = tensors.get(name) ?? {};
    if (shape?.length === dims.split(",").length) return shape;
    throw new Error(`Cannot derive a run from ${path}: it must hold ${name} [${dims}], current value is ${shape ? `[${shape}]` : "none"}`);
  };
  const [V, D] = shape("embed.W_E", "V,D"), [context] = shape("pos_embed.W_pos", "n_ctx,D"), [H, , K] = shape("blocks.0.attn.W_Q", "H,D,K");
  const [, M] = shape("blocks.0.mlp.W_in", "D,M"), [, C] = shape("unembed.W_U", "D,C");
  if (H * K !== D) {
    throw new Error(`Cannot derive a run from ${path}: heads times d_head must be d_model (${D}), current value is ${H} times ${K}`);
  }
  const layers = tensors.keys().map((name) => Number(name.match(/^blocks\.(\d{1,2})\./)?.[1] ?? 0));
  return { L: Math.max(...layers) + 1, D, H, K, M, V, C, context };
}
