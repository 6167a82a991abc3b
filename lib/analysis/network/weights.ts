/** Named weights out of flat parameters, as matrices that can be looked at. */
import { layout, read } from "../../run/layout.ts";
import { type RunSpec, sizes } from "../../run/spec.ts";
import type { Snapshot } from "../../run/snapshot.ts";
import type { Matrix } from "./fourier.ts";

/** The weights of one network at one step, as far as they are looked at. */
export interface Inside {
  readonly seed: number;
  readonly step: number;
  /** Of the elements, [elements, D]. */
  readonly embedding: Matrix;
  /** The output head, [D, elements]. */
  readonly head: Matrix;
}

/** What can be looked at in a state. */
export const inside = ({ spec, step, params }: Pick<Snapshot, "spec" | "step" | "params">): Inside => ({
  seed: spec.seed,
  step,
  embedding: embedding(spec, params),
  head: outputHead(spec, params),
});

/** A tensor by its name, row-major in its own dims. @throws Error where the model has none of this name. */
function tensor(spec: RunSpec, params: Float32Array, name: string): Float32Array {
  const { tensors } = layout(spec);
  const found = tensors.find((each) => each.name === name);
  if (!found) throw new Error(`Cannot read ${name}: it must be one of ${tensors.map((each) => each.name).join(", ")}`);
  return read(found, params);
}

/** The embedding of the elements, [elements, D]: W_E without the tokens `op` and `=`. */
export function embedding(spec: RunSpec, params: Float32Array): Matrix {
  const { D, elements, firstElement } = sizes(spec), values = tensor(spec, params, "embed.W_E");
  return { rows: elements, columns: D, values: values.subarray(firstElement * D, (firstElement + elements) * D) };
}

/** The output head, [D, elements]: one column per answer, without extra classes. */
export function outputHead(spec: RunSpec, params: Float32Array): Matrix {
  const { D, C, elements } = sizes(spec), W_U = tensor(spec, params, "unembed.W_U");
  const values = Float32Array.from({ length: D * elements }, (_, at) => W_U[Math.floor(at / elements) * C + at % elements]);
  return { rows: D, columns: elements, values };
}

/** The Euclidean norm of each tensor, by name, in the layout's order. */
export function weightNorms(spec: RunSpec, params: Float32Array): ReadonlyMap<string, number> {
  const norm = (values: Float32Array) => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));
  return new Map(layout(spec).tensors.map((each) => [each.name, norm(read(each, params))]));
}
