/** Named weights out of flat parameters, as matrices that can be looked at. */
import { headWidth, layout, read } from "../../run/layout.ts";
import { type RunSpec, sizes } from "../../run/spec.ts";
import type { Snapshot } from "../../run/snapshot.ts";
import type { Matrix } from "./fourier.ts";

/** The weights of one network at one step, as far as they are looked at. */
export interface Inside {
  readonly seed: number;
  readonly step: number;
  /** Of the elements 0 … C − 1, [C, D]; of one-hot inputs what the first layer makes of a, [C, M]. */
  readonly embedding: Matrix;
  /** The output head, [D, C], or [M, C] where it reads neurons. */
  readonly head: Matrix;
  /** What the head reads: directions of the residual stream, or neurons. */
  readonly reads: "residual stream" | "neurons";
}

/** What can be looked at in a state. */
export const inside = ({ spec, step, params }: Pick<Snapshot, "spec" | "step" | "params">): Inside => ({
  seed: spec.seed,
  step,
  embedding: embedding(spec, params),
  head: outputHead(spec, params),
  reads: spec.model.mixer === "none" ? "neurons" : "residual stream",
});

/** A tensor by its name, row-major in its own dims. @throws Error where the model has none of this name. */
function tensor(spec: RunSpec, params: Float32Array, name: string): Float32Array {
  const { tensors } = layout(spec);
  const found = tensors.find((each) => each.name === name);
  if (!found) throw new Error(`Cannot read ${name}: it must be one of ${tensors.map((each) => each.name).join(", ")}`);
  return read(found, params);
}

/**
 * The embedding of the elements 0 … C − 1, [C, D]: W_E without the tokens `op` and `=`. One-hot inputs have none: then it is a's half of
 * the first layer, [C, M], of which an element puts its row into the neurons.
 */
export function embedding(spec: RunSpec, params: Float32Array): Matrix {
  const { D, C, M, firstElement } = sizes(spec);
  if (spec.model.inputs === "one-hot") {
    return { rows: C, columns: M, values: tensor(spec, params, "blocks.0.mlp.W_in").subarray(0, C * M) };
  }
  return { rows: C, columns: D, values: tensor(spec, params, "embed.W_E").subarray(firstElement * D, (firstElement + C) * D) };
}

/** The output head, [D, C], or [M, C] where it reads neurons: one column per answer. A tied one is the embedding, turned. */
export function outputHead(spec: RunSpec, params: Float32Array): Matrix {
  const { C } = sizes(spec), rows = headWidth(spec);
  if (!spec.model.tied) return { rows, columns: C, values: tensor(spec, params, "unembed.W_U") };
  const { values } = embedding(spec, params);
  return { rows, columns: C, values: Float32Array.from(values, (_, i) => values[(i % C) * rows + Math.floor(i / C)]) };
}

/** The Euclidean norm of each tensor, by name, in the layout's order. */
export function weightNorms(spec: RunSpec, params: Float32Array): ReadonlyMap<string, number> {
  const norm = (values: Float32Array) => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));
  return new Map(layout(spec).tensors.map((each) => [each.name, norm(read(each, params))]));
}
