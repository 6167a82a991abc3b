/**
 * From a run's model to its parameters: named tensors, each a strided view into one flat `f32[P]`.
 *
 * The flat order serves the kernels: matrices first (so that "decay on matrices" is one comparison), rows and columns padded
 * to multiples of four (so that all loads are `vec4f`), W_Q W_K W_V side by side as one matrix [D, 3·H·K]. Padding is zero, its
 * gradient is zero, and it stays zero. The names, dimensions and order of axes are TransformerLens's.
 */
import { Random } from "./random.ts";
import { sigmaOf } from "./sigmas.ts";
import { sinusoids } from "./sinusoids.ts";
import { type RunSpec, type Sizes, sizes } from "./spec.ts";

export interface Tensor {
  readonly name: string;
  /** e.g. [H, D, K] */
  readonly dims: readonly number[];
  /** Floats from one index to the next, per axis, in the flat parameters. */
  readonly strides: readonly number[];
  /** Floats from the run's first parameter. */
  readonly offset: number;
}

/** A matrix as the kernels see it: `rows` × `stride` floats at `offset`; a vector has one row. */
export interface Block {
  readonly offset: number;
  readonly rows: number;
  readonly stride: number;
}

export interface Layout {
  readonly sizes: Sizes;
  /** P, floats per run, padding included. */
  readonly length: number;
  /** Where matrices end and biases and LayerNorms begin. */
  readonly vectorsFrom: number;
  readonly tensors: readonly Tensor[];
  /** By name: `W_E`, `W_pos`, `W_U`, `b_U`, `ln_final.w`, … and per layer `0.W_QKV`, `0.b_QKV`, `0.W_O`, `0.W_in`, `0.ln1.w`, … */
  readonly blocks: ReadonlyMap<string, Block>;
}

/** The next multiple of four. */
export const pad4 = (n: number) => Math.ceil(n / 4) * 4;

/** Columns of the stacked queries, keys or values: every head padded to a multiple of four. */
export const headColumns = ({ H, K }: Sizes) => H * pad4(K);

export function layout(spec: RunSpec): Layout {
  const size = sizes(spec);
  const { L, D, H, K, M, V, C } = size;
  const { norm, biases, biasesIn, finalNorm, context } = spec.model, everywhere = biases && biasesIn === "all";
  const k = pad4(K), qkv = headColumns(size);
  const tensors: Tensor[] = [];
  const blocks = new Map<string, Block>();
  let length = 0;

  /** Lays out a block of rows, padding included, and the named tensors in it, whose offsets count from the block's start. */
  const block = (name: string, rows: number, columns: number, views: readonly Tensor[]) => {
    const offset = length, stride = pad4(columns);
    blocks.set(name, { offset, rows, stride });
    tensors.push(...views.map((view) => ({ ...view, offset: view.offset + offset })));
    length += rows * stride;
  };
  /** Products read and write whole groups of four rows, of a matrix with one row too. */
  const matrix = (name: string, tensor: string, rows: number, columns: number) =>
    block(name, pad4(rows), columns, [{ name: tensor, dims: [rows, columns], strides: [pad4(columns), 1], offset: 0 }]);
  const vector = (name: string, tensor: string, n: number) => block(name, 1, n, [{ name: tensor, dims: [n], strides: [1], offset: 0 }]);
  const layers = Array.from({ length: L }, (_, l) => l);

  matrix("W_E", "embed.W_E", V, D);
  matrix("W_pos", "pos_embed.W_pos", context, D);
  for (const l of layers) {
    const views = ["W_Q", "W_K", "W_V"].map((name, i) => ({
      name: `blocks.${l}.attn.${name}`,
      dims: [H, D, K],
      strides: [k, 3 * qkv, 1],
      offset: i * qkv,
    }));
    block(`${l}.W_QKV`, pad4(D), 3 * qkv, views);
    block(`${l}.W_O`, qkv, D, [{ name: `blocks.${l}.attn.W_O`, dims: [H, K, D], strides: [k * pad4(D), pad4(D), 1], offset: 0 }]);
    matrix(`${l}.W_in`, `blocks.${l}.mlp.W_in`, D, M);
    matrix(`${l}.W_out`, `blocks.${l}.mlp.W_out`, M, D);
  }
  matrix("W_U", "unembed.W_U", D, C);

  const vectorsFrom = length;
  for (const l of layers) {
    if (norm !== "none") {
      for (const name of ["ln1.w", "ln1.b", "ln2.w", "ln2.b"]) vector(`${l}.${name}`, `blocks.${l}.${name}`, D);
    }
    if (everywhere) {
      const views = ["b_Q", "b_K", "b_V"].map((name, i) => ({
        name: `blocks.${l}.attn.${name}`,
        dims: [H, K],
        strides: [k, 1],
        offset: i * qkv,
      }));
      block(`${l}.b_QKV`, 1, 3 * qkv, views);
      vector(`${l}.b_O`, `blocks.${l}.attn.b_O`, D);
    }
    if (biases) {
      vector(`${l}.b_in`, `blocks.${l}.mlp.b_in`, M);
      vector(`${l}.b_out`, `blocks.${l}.mlp.b_out`, D);
    }
  }
  if (norm !== "none" && finalNorm) {
    vector("ln_final.w", "ln_final.w", D);
    vector("ln_final.b", "ln_final.b", D);
  }
  if (everywhere) vector("b_U", "unembed.b_U", C);
  return { sizes: size, length, vectorsFrom, tensors, blocks };
}

const volume = (dims: readonly number[]) => dims.reduce((product, n) => product * n, 1);

/** Parameters of a model, padding left out. */
export function parameterCount(spec: RunSpec): number {
  const { V } = sizes(spec), known = COUNTS.get(spec.model)?.get(V);
  if (known !== undefined) return known;
  const count = layout(spec).tensors.reduce((sum, { dims }) => sum + volume(dims), 0);
  if (Object.isFrozen(spec.model)) COUNTS.set(spec.model, (COUNTS.get(spec.model) ?? new Map()).set(V, count));
  return count;
}
/** By model and vocabulary: a large grid asks for the same ones again and again. */
const COUNTS = new WeakMap<object, Map<number, number>>();

/** Visits a tensor's elements in row-major order of its dims: `visit(index in the tensor, index in the flat parameters)`. */
function visit({ dims, strides, offset }: Tensor, visitor: (at: number, flat: number) => void): void {
  let at = 0;
  const walk = (axis: number, flat: number): void => {
    if (axis === dims.length) return visitor(at++, flat);
    for (let i = 0; i < dims[axis]; i++) walk(axis + 1, flat + i * strides[axis]);
  };
  walk(0, offset);
}

/** A copy of one tensor out of flat parameters (or gradients, or moments), row-major. */
export function read(tensor: Tensor, flat: Float32Array): Float32Array<ArrayBuffer> {
  const values = new Float32Array(volume(tensor.dims));
  visit(tensor, (at, from) => values[at] = flat[from]);
  return values;
}

/** Writes one tensor, row-major, into flat parameters. */
export function write(tensor: Tensor, flat: Float32Array, values: ArrayLike<number>): void {
  visit(tensor, (at, to) => flat[to] = values[at]);
}

/**
 * The initial parameters of a run, f32[P], from its seed's `init` stream, tensor after tensor.
 * `pytorch`: embeddings N(0, 1); W_Q, W_K, W_V Xavier-uniform over the stacked [3D, D] matrix, biases 0; W_O U(±1/√D), bias 0; every
 * other weight and bias U(±1/√fan_in); LayerNorm 1 and 0. `linear`: the same, but W_Q, W_K, W_V, W_O and their biases too U(±1/√D).
 * `normal`: all weights N(0, σ²), biases 0, LayerNorm 1 and 0. A sinusoidal position table is not drawn.
 */
export function initialise(spec: RunSpec): Float32Array<ArrayBuffer> {
  const { length, tensors, sizes: { D, M } } = layout(spec);
  const { init, initSigma, initSigmas, positionInit, positionSigma, context } = spec.model;
  const flat = new Float32Array(length);
  const random = new Random(spec.seed, "init");
  const normal = (sigma: number) => () => sigma * random.normal();
  const uniform = (bound: number) => () => bound * (2 * random.uniform() - 1);
  const constant = (value: number) => () => value;
  const inOrder = (values: Float64Array, at = 0) => () => values[at++];

  const draw = (name: string): () => number => {
    const last = name.split(".").at(-1)!;
    if (last === "w") return constant(1);
    if (last === "b" || init !== "linear" && ["b_Q", "b_K", "b_V", "b_O"].includes(last)) return constant(0);
    if (last === "W_pos" && positionInit === "sinusoidal") return inOrder(sinusoids(context, D));
    if (init === "normal") return last.startsWith("b_") ? constant(0) : normal(sigmaOf(initSigmas, name) ?? initSigma);
    if (last === "W_E") return normal(1);
    if (last === "W_pos") return normal(positionSigma);
    if (init === "pytorch" && ["W_Q", "W_K", "W_V"].includes(last)) return uniform(Math.sqrt(6 / (4 * D)));
    const fanIn = last === "W_out" || last === "b_out" ? M : D;
    return uniform(1 / Math.sqrt(fanIn));
  };
  for (const tensor of tensors) {
    const next = draw(tensor.name);
    visit(tensor, (_, to) => flat[to] = next());
  }
  return flat;
}
