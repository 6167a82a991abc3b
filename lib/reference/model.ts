/**
 * A run's model written once in TensorFlow.js: from named parameters to logits, and the two losses. Gradients are TensorFlow.js's own.
 *
 * It computes every position and takes no short cut; every executor is tested against it.
 */
import * as tf from "@tensorflow/tfjs";
import type { Layout, Tensor } from "../run/layout.ts";
import { type ModelSpec, type RunSpec, sizes, tokenNames } from "../run/spec.ts";

/** Added to the variance of a LayerNorm, or to the mean square of an RMSNorm, before its root; as in PyTorch's LayerNorm. */
const NORM_EPS = 1e-5;
/** Added to the scores of positions that the mask hides; their weight is exactly 0 after the softmax. */
const HIDDEN = -1e9;

/** Parameters by their TransformerLens names, in the dims that `layout` gives. */
export type Parameters = Readonly<Record<string, tf.Tensor>>;

/**
 * The named parameters in flat f32[P], as differentiable views: the gradient with respect to `flat` comes out flat, its padding zero.
 */
export function views(flat: tf.Tensor1D, { blocks, tensors }: Layout): Parameters {
  const all = [...blocks.values()];
  const parts = tf.split(flat, all.map(({ rows, stride }) => rows * stride));
  return Object.fromEntries(tensors.map((tensor) => {
    const at = all.findLastIndex(({ offset }) => offset <= tensor.offset);
    return [tensor.name, view(parts[at] as tf.Tensor1D, tensor, tensor.offset - all[at].offset)];
  }));
}

/**
 * One tensor of a block: peels off its axes from the widest stride to the narrowest, then puts them into their order. Of two with the same
 * stride, one counts a single thing (the head of values alone): it comes last.
 */
function view(block: tf.Tensor1D, { dims, strides }: Tensor, offset: number): tf.Tensor {
  const axes = dims.map((_, axis) => axis).sort((i, j) => strides[j] - strides[i] || dims[j] - dims[i]);
  let x: tf.Tensor = block;
  for (const axis of axes) {
    const outer = x.shape.slice(0, -1), stride = strides[axis];
    x = x.reshape([...outer, x.shape.at(-1)! / stride, stride]);
    x = x.slice([...outer.map(() => 0), Math.floor(offset / stride), 0], [...outer, dims[axis], stride]);
    offset %= stride;
  }
  return x.reshape(axes.map((axis) => dims[axis])).transpose(dims.map((_, axis) => axes.indexOf(axis)));
}

/** The tokens of pairs (a, b), [B, T] row-major. */
export function tokens(spec: RunSpec, a: ArrayLike<number>, b: ArrayLike<number>): Int32Array {
  const { firstElement, op, equals } = sizes(spec);
  const names = tokenNames(spec.model.tokens);
  const token = { a: (i: number) => firstElement + a[i], b: (i: number) => firstElement + b[i], op: () => op, "=": () => equals };
  return Int32Array.from({ length: a.length * names.length }, (_, at) => token[names[at % names.length]](Math.floor(at / names.length)));
}

export interface Forward {
  /** [B, C] */
  readonly logits: tf.Tensor2D;
  /** What the output head reads, [B, D], or without attention [B, M]. */
  readonly features: tf.Tensor2D;
  /** The neurons of each layer after the activation function, [B, T, M], or without attention [B, 1, M]. */
  readonly neurons: readonly tf.Tensor3D[];
  /** Attention weights of each layer that has any, [B, H, T query, T key]. */
  readonly patterns: readonly tf.Tensor4D[];
}

// tfjs's erf is right to 2e-7 on every backend.
const ACTIVATION: Readonly<Record<ModelSpec["activation"], (x: tf.Tensor) => tf.Tensor>> = {
  gelu: (x) => x.mul(0.5).mul(x.div(Math.SQRT2).erf().add(1)),
  relu: (x) => x.relu(),
  square: (x) => x.square(),
};

/** The forward pass for pairs (a, b). Call it inside `tf.tidy`. */
export function forward(spec: RunSpec, parameters: Parameters, a: ArrayLike<number>, b: ArrayLike<number>): Forward {
  return (spec.model.mixer === "none" ? mlp : transformer)(spec, parameters, a, b);
}

/** Hidden layers on what a and b are, side by side: their embeddings, or one-hot vectors. */
function mlp(spec: RunSpec, parameters: Parameters, a: ArrayLike<number>, b: ArrayLike<number>): Forward {
  const { L, M, elements } = sizes(spec), { activation, inputs, scaling } = spec.model, B = a.length, neurons: tf.Tensor3D[] = [];
  const [one, other] = [a, b].map((values) => {
    const oneHot = tf.oneHot(tf.tensor1d(Int32Array.from(values), "int32"), elements).cast("float32");
    return inputs === "one-hot" ? oneHot : tf.matMul(oneHot, parameters["embed.W_E"]);
  });
  let x = tf.concat([one, other], 1);
  for (let l = 0; l < L; l++) {
    let pre: tf.Tensor = tf.matMul(x, parameters[`blocks.${l}.mlp.W_in`].reshape([x.shape[1]!, M]));
    if (`blocks.${l}.mlp.b_in` in parameters) pre = pre.add(parameters[`blocks.${l}.mlp.b_in`]);
    if (scaling === "mean-field") pre = pre.div(Math.sqrt(2 * elements));
    x = ACTIVATION[activation](pre);
    neurons.push(x.reshape([B, 1, M]));
  }
  let logits: tf.Tensor = tf.matMul(x, parameters["unembed.W_U"] as tf.Tensor2D);
  if ("unembed.b_U" in parameters) logits = logits.add(parameters["unembed.b_U"]);
  if (scaling === "mean-field") logits = logits.div(M);
  return { logits: logits as tf.Tensor2D, features: x as tf.Tensor2D, neurons, patterns: [] };
}

function transformer(spec: RunSpec, parameters: Parameters, a: ArrayLike<number>, b: ArrayLike<number>): Forward {
  const { L, D, H, K, M, T, V, C, firstElement } = sizes(spec);
  const { norm, normKind, mixer, tied, mask, activation } = spec.model;
  const B = a.length;
  const patterns: tf.Tensor4D[] = [], neurons: tf.Tensor3D[] = [];

  const linear = (x: tf.Tensor, weight: tf.Tensor, bias: string) => {
    const y = tf.matMul(x.reshape([-1, weight.shape[0]]), weight as tf.Tensor2D);
    return bias in parameters ? y.add(parameters[bias].reshape([-1])) : y;
  };
  const layerNorm = (x: tf.Tensor, name: string) => {
    const centred = normKind === "rms" ? x : x.sub(x.mean(-1, true));
    const variance = centred.square().mean(-1, true), scaled = centred.mul(variance.add(NORM_EPS).rsqrt()).mul(parameters[`${name}.w`]);
    return normKind === "rms" ? scaled : scaled.add(parameters[`${name}.b`]);
  };
  const hidden = tf.tensor2d(Array.from({ length: T * T }, (_, i) => mask === "causal" && i % T > Math.floor(i / T) ? HIDDEN : 0), [T, T]);

  const attention = (x: tf.Tensor, at: string) => {
    const project = (name: string) => {
      const weight = parameters[`${at}.W_${name}`].transpose([1, 0, 2]).reshape([D, H * K]);
      return linear(x, weight, `${at}.b_${name}`).reshape([B, T, H, K]).transpose([0, 2, 1, 3]);
    };
    const scores = mixer === "uniform" ? tf.zeros([B, H, T, T]) : tf.matMul(project("Q"), project("K"), false, true).div(Math.sqrt(K));
    const pattern = tf.softmax(scores.add(hidden)) as tf.Tensor4D;
    patterns.push(pattern);
    const z = tf.matMul(pattern, project("V")).transpose([0, 2, 1, 3]);
    return linear(z, parameters[`${at}.W_O`].reshape([H * K, D]), `${at}.b_O`).reshape([B, T, D]);
  };
  const feedForward = (x: tf.Tensor, at: string) => {
    neurons.push(ACTIVATION[activation](linear(x, parameters[`${at}.W_in`], `${at}.b_in`)).reshape([B, T, M]));
    return linear(neurons.at(-1)!, parameters[`${at}.W_out`], `${at}.b_out`).reshape([B, T, D]);
  };

  // A product with one-hot rows rather than a gather: its gradient is a product too, with a fixed order of sums on every backend.
  const oneHot = tf.oneHot(tf.tensor1d(tokens(spec, a, b), "int32"), V).cast("float32");
  let x: tf.Tensor = tf.matMul(oneHot, parameters["embed.W_E"] as tf.Tensor2D).reshape([B, T, D]);
  x = x.add(parameters["pos_embed.W_pos"].slice([0, 0], [T, D]));
  for (let l = 0; l < L; l++) {
    const part = (name: string, f: (x: tf.Tensor, at: string) => tf.Tensor, ln: string) => {
      const y = f(norm === "pre" ? layerNorm(x, ln) : x, name).add(x);
      return norm === "post" ? layerNorm(y, ln) : y;
    };
    x = part(`blocks.${l}.attn`, attention, `blocks.${l}.ln1`);
    x = part(`blocks.${l}.mlp`, feedForward, `blocks.${l}.ln2`);
  }
  if ("ln_final.w" in parameters) x = layerNorm(x, "ln_final");
  const features = pool(spec, x as tf.Tensor3D);
  const head = tied ? parameters["embed.W_E"].slice([firstElement, 0], [C, D]).transpose() : parameters["unembed.W_U"];
  const logits = linear(features, head, "unembed.b_U").reshape([B, C]) as tf.Tensor2D;
  return { logits, features, neurons, patterns };
}

/** One vector per example, [B, T, N] → [B, N], as the output head reads the positions: the last one, or their mean. */
export function pool({ model: { pooling } }: RunSpec, x: tf.Tensor3D): tf.Tensor2D {
  const [B, T, N] = x.shape;
  return pooling === "mean" ? x.mean<tf.Tensor2D>(1) : x.slice([0, T - 1, 0], [B, 1, N]).reshape([B, N]);
}

/** The loss of each example, [B]; `target` int32[B]. `optim.loss` in `run/fields.ts` has the formulas. */
export function losses(kind: RunSpec["optim"]["loss"], unscaled: tf.Tensor2D, target: tf.Tensor1D, temperature = 1): tf.Tensor1D {
  const logits = temperature === 1 ? unscaled : unscaled.mul<tf.Tensor2D>(Math.fround(1 / temperature));
  if (kind === "float64") return doubleLosses(logits, target);
  const right = tf.oneHot(target, logits.shape[1]).cast("float32");
  if (kind === "mse") return logits.sub(right).square().mean(1);
  if (kind === "stablemax") {
    // 1 / (1 − z) has a pole at 1, where it isn't taken, but its infinite slope times 0 would be no number.
    const weights = tf.where(logits.greaterEqual(0), logits.add(1), tf.sub(1, logits.minimum(0)).reciprocal());
    const rest = weights.mul(tf.sub(1, right)).sum<tf.Tensor1D>(1);
    return log1p(rest.div(weights.mul(right).sum(1))) as tf.Tensor1D;
  }
  if (kind === "torch") return tf.logSoftmax(logits).mul(right).sum<tf.Tensor1D>(1).neg();
  // log(1 + Σ_{j≠y} e^{d_j}) with d_j = z_j − z_y, shifted by s = max(0, d) so that nothing overflows: s + log(e^{−s} + Σ e^{d_j − s}).
  const d = logits.sub(logits.mul(right).sum(1, true));
  const s = constant(d.max(1, true)); // d_y = 0, so this is never below 0
  const others = d.sub(s).exp().mul(tf.sub(1, right)).sum(1, true);
  return s.add(log1p(others.add(s.neg().expm1()))).squeeze([1]);
}

/**
 * Cross-entropy in doubles from the logits on, [B], which TensorFlow.js has not: in TypeScript, with its gradient p − 1_y, rounded at the
 * end. Backends that compute elsewhere can't give the logits at once.
 */
const doubleLosses = (logits: tf.Tensor2D, target: tf.Tensor1D): tf.Tensor1D =>
  tf.customGrad((x) => {
    const [B, C] = logits.shape, z = (x as tf.Tensor).dataSync(), y = target.dataSync();
    const values = new Float32Array(B), slopes = new Float32Array(B * C);
    for (let i = 0; i < B; i++) {
      const row = Array.from(z.slice(i * C, (i + 1) * C)), best = Math.max(...row), e = row.map((value) => Math.exp(value - best));
      const total = e.reduce((sum, value) => sum + value, 0);
      values[i] = best + Math.log(total) - row[y[i]];
      e.forEach((value, c) => slopes[i * C + c] = value / total - (c === y[i] ? 1 : 0));
    }
    return { value: tf.tensor1d(values), gradFunc: (dy: tf.Tensor) => tf.tensor2d(slopes, [B, C]).mul(dy.expandDims(1)) };
  })(logits) as tf.Tensor1D;

/** 1 for each example whose largest logit is the right one, else 0; [B]. */
export const rightAnswers = (logits: tf.Tensor2D, target: tf.Tensor1D) => logits.argMax(1).equal(target).cast("float32");

/** `x`, through which no gradient flows. */
const constant = tf.customGrad((x) => ({ value: (x as tf.Tensor).clone(), gradFunc: (dy: tf.Tensor) => tf.zerosLike(dy) }));

/**
 * log(1 + x) to the last digits; tfjs's own is log of the rounded sum on wasm and webgpu. Kahan's way: what 1 + x lost, log(u) / (u − 1)
 * gives back.
 */
const log1p = tf.customGrad((x, save) => {
  const value = x as tf.Tensor, u = value.add(1);
  (save as tf.GradSaveFunc)([u]);
  const ratio = tf.where(u.equal(1), tf.onesLike(u), u.log().div(tf.where(u.equal(1), tf.onesLike(u), u.sub(1))));
  return { value: value.mul(ratio), gradFunc: (dy: tf.Tensor, [u]: tf.Tensor[]) => dy.div(u) };
});
