/** Named weights out of flat parameters, as matrices that can be looked at. */
import { headWidth, layout, read } from "../../run/layout.ts";
import { type RunSpec, sizes } from "../../run/spec.ts";
import type { Snapshot } from "../../run/snapshot.ts";
import type { Matrix } from "./fourier.ts";

/** The weights of one network at one step, as far as they are looked at. */
export interface Inside {
  readonly seed: number;
  readonly step: number;
  /** Of the elements, [elements, D]; of one-hot inputs what the first layer makes of a, [elements, M]. */
  readonly embedding: Matrix;
  /** The output head, [D, elements], or [M, elements] where it reads neurons. */
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
 * The embedding of the elements, [elements, D]: W_E without the tokens `op` and `=`. One-hot inputs have none: then it is a's half of the
 * first layer, [elements, M], of which an element puts its row into the neurons.
 */
export function embedding(spec: RunSpec, params: Float32Array): Matrix {
  const { D, M, elements, firstElement } = sizes(spec), isOneHot = spec.model.inputs === "one-hot", columns = isOneHot ? M : D;
  const values = tensor(spec, params, isOneHot ? "blocks.0.mlp.W_in" : "embed.W_E");
  return { rows: elements, columns, values: values.subarray(firstElement * columns, (firstElement + elements) * columns) };
}

/**
 * The output head, [D, elements], or [M, elements] where it reads neurons: one column per answer, without extra classes. A tied one is the
 * embedding, turned.
 */
export function outputHead(spec: RunSpec, params: Float32Array): Matrix {
  const { C, elements } = sizes(spec), rows = headWidth(spec), { tied } = spec.model;
  const W = tied ? embedding(spec, params).values : tensor(spec, params, "unembed.W_U");
  const at = (row: number, answer: number) => tied ? answer * rows + row : row * C + answer;
  const values = Float32Array.from({ length: rows * elements }, (_, i) => W[at(Math.floor(i / elements), i % elements)]);
  return { rows, columns: elements, values };
}

/** The Euclidean norm of each tensor, by name, in the layout's order. */
export function weightNorms(spec: RunSpec, params: Float32Array): ReadonlyMap<string, number> {
  const norm = (values: Float32Array) => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));
  return new Map(layout(spec).tensors.map((each) => [each.name, norm(read(each, params))]));
}
