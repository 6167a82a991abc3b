/**
 * From a run's model to its parameters: named tensors, each a strided view into one flat `f32[P]`.
 *
 * The flat order serves the kernels: matrices first (so that "decay on matrices" is one comparison), rows and columns padded
 * to multiples of four (so that all loads are `vec4f`), W_Q W_K W_V side by side as one matrix [D, 3·H·K]. Padding is zero, its
 * gradient is zero, and it stays zero. The names, dimensions and order of axes are TransformerLens's.
 */
import { type Group, groupOf } from "./groups.ts";
import { Random } from "./random.ts";
import { sigmaOf } from "./sigmas.ts";
import { sinusoids } from "./sinusoids.ts";
import { type ModelSpec, type RunSpec, type Sizes, sizes } from "./spec.ts";
import { takenIn, takenTensors, takes } from "./taken.ts";

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
  /**
   * By name: `W_E`, `W_pos`, `W_U`, `b_U`, `ln_final.w`, … and per layer `0.W_QKV` (of uniform attention `0.W_V`), `0.b_QKV`, `0.W_O`,
   * `0.W_in`, `0.ln1.w`, …
   */
  readonly blocks: ReadonlyMap<string, Block>;
}

/** The next multiple of four. */
export const pad4 = (n: number) => Math.ceil(n / 4) * 4;

/** Columns of the stacked queries, keys or values: every head padded to a multiple of four. */
export const headColumns = ({ H, K }: Sizes) => H * pad4(K);

/** What attention projects its input to, side by side in one matrix; uniform weights need values alone. */
export const projections = ({ mixer }: ModelSpec) => mixer === "attention" ? ["Q", "K", "V"] : ["V"];

/** Width of what the output head reads: the residual stream's, or without one that of the hidden layer. */
export const headWidth = ({ model: { mixer, dModel, dMlp } }: RunSpec) => mixer === "none" ? dMlp : dModel;

/** Numbers of an element that an MLP reads: its embedding, or which of p it is. Its W_in has so many rows for a, and then for b. */
export const inputWidth = ({ inputs }: ModelSpec, { D, elements }: Sizes) => inputs === "one-hot" ? elements : D;

/** Puts blocks one after the other. */
class Blocks {
  readonly tensors: Tensor[] = [];
  readonly blocks = new Map<string, Block>();
  length = 0;

  /** Lays out a block of rows, padding included, and the named tensors in it, whose offsets count from the block's start. */
  block(name: string, rows: number, columns: number, views: readonly Tensor[]): void {
    const offset = this.length, stride = pad4(columns);
    this.blocks.set(name, { offset, rows, stride });
    this.tensors.push(...views.map((view) => ({ ...view, offset: view.offset + offset })));
    this.length += rows * stride;
  }

  /** Products read and write whole groups of four rows, of a matrix with one row too. */
  matrix(name: string, tensor: string, rows: number, columns: number): void {
    this.block(name, pad4(rows), columns, [{ name: tensor, dims: [rows, columns], strides: [pad4(columns), 1], offset: 0 }]);
  }

  vector(name: string, tensor: string, n: number): void {
    this.block(name, 1, n, [{ name: tensor, dims: [n], strides: [1], offset: 0 }]);
  }

  /** `dims` of each head, one tensor for each of `names`, side by side in a row of the block. */
  heads(name: string, rows: number, dims: readonly number[], names: readonly string[], { H, K }: Sizes): void {
    const k = pad4(K), width = names.length * H * k;
    const views = names.map((name, i) => ({
      name,
      dims: [H, ...dims],
      strides: [k, ...dims.length > 1 ? [width] : [], 1],
      offset: i * H * k,
    }));
    this.block(name, rows, width, views);
  }
}

export function layout(spec: RunSpec): Layout {
  const sizesOf = sizes(spec), laid = new Blocks();
  const vectorsFrom = spec.model.mixer === "none" ? layMlp(laid, spec, sizesOf) : layTransformer(laid, spec, sizesOf);
  const { length, tensors, blocks } = laid;
  return { sizes: sizesOf, length, vectorsFrom, tensors, blocks };
}

const hasAllBiases = ({ biases, biasesIn }: ModelSpec) => biases && biasesIn === "all";
const layersOf = ({ L }: Sizes) => Array.from({ length: L }, (_, l) => l);

/** Lays out an MLP: hidden layers on the inputs of a and b. @returns where its vectors begin. */
function layMlp(laid: Blocks, { model }: RunSpec, size: Sizes): number {
  const { D, M, V, C } = size, n = inputWidth(model, size);
  if (model.inputs === "embedded") laid.matrix("W_E", "embed.W_E", V, D);
  for (const l of layersOf(size)) {
    const name = `blocks.${l}.mlp.W_in`;
    // Of a and of b, each in whole groups of four rows.
    if (l === 0) laid.block("0.W_in", 2 * pad4(n), M, [{ name, dims: [2, n, M], strides: [pad4(n) * pad4(M), pad4(M), 1], offset: 0 }]);
    else laid.matrix(`${l}.W_in`, name, M, M);
  }
  laid.matrix("W_U", "unembed.W_U", M, C);
  const vectorsFrom = laid.length;
  if (model.biases) { for (const l of layersOf(size)) laid.vector(`${l}.b_in`, `blocks.${l}.mlp.b_in`, M); }
  if (hasAllBiases(model)) laid.vector("b_U", "unembed.b_U", C);
  return vectorsFrom;
}

/** Lays out a transformer. @returns where its vectors begin. */
function layTransformer(laid: Blocks, { model }: RunSpec, size: Sizes): number {
  const { D, H, K, M, V, C } = size, { norm, normKind, finalNorm, biases, context, tied } = model;
  const k = pad4(K), parts = projections(model);
  const stacked = (l: number, letter: "W" | "b") => parts.map((part) => `blocks.${l}.attn.${letter}_${part}`);

  laid.matrix("W_E", "embed.W_E", V, D);
  laid.matrix("W_pos", "pos_embed.W_pos", context, D);
  for (const l of layersOf(size)) {
    laid.heads(`${l}.W_${parts.join("")}`, pad4(D), [D, K], stacked(l, "W"), size);
    const strides = [k * pad4(D), pad4(D), 1];
    laid.block(`${l}.W_O`, headColumns(size), D, [{ name: `blocks.${l}.attn.W_O`, dims: [H, K, D], strides, offset: 0 }]);
    laid.matrix(`${l}.W_in`, `blocks.${l}.mlp.W_in`, D, M);
    laid.matrix(`${l}.W_out`, `blocks.${l}.mlp.W_out`, M, D);
  }
  if (!tied) laid.matrix("W_U", "unembed.W_U", D, C);

  const vectorsFrom = laid.length, ofNorm = normKind === "rms" ? ["w"] : ["w", "b"];
  for (const l of layersOf(size)) {
    if (norm !== "none") {
      for (const ln of ["ln1", "ln2"]) for (const part of ofNorm) laid.vector(`${l}.${ln}.${part}`, `blocks.${l}.${ln}.${part}`, D);
    }
    if (hasAllBiases(model)) {
      laid.heads(`${l}.b_${parts.join("")}`, 1, [K], stacked(l, "b"), size);
      laid.vector(`${l}.b_O`, `blocks.${l}.attn.b_O`, D);
    }
    if (biases) {
      laid.vector(`${l}.b_in`, `blocks.${l}.mlp.b_in`, M);
      laid.vector(`${l}.b_out`, `blocks.${l}.mlp.b_out`, D);
    }
  }
  if (norm !== "none" && finalNorm) { for (const part of ofNorm) laid.vector(`ln_final.${part}`, `ln_final.${part}`, D); }
  if (hasAllBiases(model)) laid.vector("b_U", "unembed.b_U", C);
  return vectorsFrom;
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
 * `normal`: all weights N(0, σ²), biases 0, LayerNorm 1 and 0. A sinusoidal position table is not drawn. Of uniform attention, W_V starts
 * as it does among queries and keys. Then all but biases and LayerNorms is multiplied by `initScale`, but no sinusoidal table. Last, what
 * `taken` names takes the place of what was drawn, so that the rest is what the seed gives without it.
 * @throws Error in one line where what is taken over isn't at hand, or has other tensors than this model in these groups.
 */
export function initialise(spec: RunSpec): Float32Array<ArrayBuffer> {
  const { length, tensors, sizes } = layout(spec), { D, M } = sizes;
  const { init, initSigma, initSigmas, positionInit, positionSigma, initScale, context, mixer } = spec.model;
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
    if (mixer === "none") return uniform(1 / Math.sqrt(/^blocks\.0\./.test(name) ? 2 * inputWidth(spec.model, sizes) : M));
    const fanIn = last === "W_out" || last === "b_out" ? M : D;
    return uniform(1 / Math.sqrt(fanIn));
  };
  const isScaled = (group: Group) => group !== "norms" && group !== "biases" && !(group === "pos" && positionInit === "sinusoidal");
  for (const tensor of tensors) {
    const next = draw(tensor.name), scale = isScaled(groupOf(tensor.name)) ? initScale : 1;
    visit(tensor, (_, to) => flat[to] = scale * next());
  }
  if (spec.model.taken !== "none") putTaken(spec.model.taken, tensors, flat);
  return flat;
}

/** Writes taken tensors over what was drawn. */
function putTaken(taken: string, tensors: readonly Tensor[], flat: Float32Array): void {
  const theirs = takenTensors(taken), groups = takes(taken), left = new Set(theirs.keys());
  const says = (dims?: readonly number[]) => dims ? `[${dims.join(", ")}]` : "none";
  const fail = (name: string, own?: readonly number[]) => {
    const { hash, step } = takenIn(taken)!;
    throw new Error(
      `Cannot take ${name} over from run ${hash}@${step}: its size must be ${says(own)} as in this model, ` +
        `current value is ${says(theirs.get(name)?.dims)}`,
    );
  };
  for (const tensor of tensors) {
    if (!groups.has(groupOf(tensor.name))) continue;
    const found = theirs.get(tensor.name);
    if (!found || found.dims.join() !== tensor.dims.join()) fail(tensor.name, tensor.dims);
    write(tensor, flat, found!.values);
    left.delete(tensor.name);
  }
  for (const name of left) fail(name);
}
