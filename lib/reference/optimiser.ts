/**
 * Updates once more in TensorFlow.js, tensor by tensor and in the words of their papers: what executors are compared with. Every function
 * is called inside `tf.tidy`.
 */
import * as tf from "@tensorflow/tfjs";
import { besideWords } from "../run/beside.ts";
import { groupOf, groupsIn } from "../run/groups.ts";
import { type Layout, read } from "../run/layout.ts";
import type { RunSpec } from "../run/spec.ts";

type Optim = RunSpec["optim"];

/** What an update changes: f32[P] each, and what `beside.ts` names, flat. */
export interface Trained {
  readonly params: tf.Tensor1D;
  readonly m: tf.Tensor1D;
  readonly v: tf.Tensor1D;
  readonly beside: Readonly<Record<string, tf.Tensor1D>>;
}

/** Takes flat f32[P] apart into tensors in row-major order, and puts them together again, padding zero. */
class Parts {
  readonly #layout: Layout;
  readonly #from: readonly Int32Array[];
  readonly #to: Int32Array;

  constructor(layout: Layout) {
    const positions = Float32Array.from({ length: layout.length }, (_, i) => i); // exact below 2²⁴
    this.#layout = layout;
    this.#from = layout.tensors.map((tensor) => Int32Array.from(read(tensor, positions)));
    const all = this.#from.flatMap((each) => [...each]);
    this.#to = new Int32Array(layout.length).fill(all.length);
    all.forEach((to, i) => this.#to[to] = i);
  }

  apart(flat: tf.Tensor1D): tf.Tensor[] {
    return this.#layout.tensors.map(({ dims }, i) => tf.gather(flat, tf.tensor1d(this.#from[i], "int32")).reshape([...dims]));
  }

  together(tensors: readonly tf.Tensor[]): tf.Tensor1D {
    return tf.gather(
      tf.concat([...tensors.map((tensor) => tensor.flatten()), tf.zeros([1])]),
      tf.tensor1d(this.#to, "int32"),
    ) as tf.Tensor1D;
  }
}

const KNOWN = new WeakMap<Layout, Parts>();
const partsOf = (layout: Layout): Parts => KNOWN.getOrInsertComputed(layout, () => new Parts(layout));

/** The state after update `step` (from 0) by a gradient f32[P]. */
export function update({ optim }: RunSpec, layout: Layout, step: number, before: Trained, gradient: tf.Tensor1D): Trained {
  const parts = partsOf(layout), names = layout.tensors.map(({ name }) => name);
  const { gradient: filtered, beside } = filter(optim, layout, step, before, gradient);
  const [params, m, v, g] = [before.params, before.m, before.v, filtered].map((flat) => parts.apart(flat));
  const isFrozen = (i: number) => groupsIn(optim.frozen).includes(groupOf(names[i]));
  const after = names.map((name, i): Updated => {
    const before = { w: params[i], m: m[i], v: v[i] };
    return isFrozen(i) ? before : updated(optim, name, step, { ...before, g: g[i] });
  });
  const clipped = after.map(({ w }, i) => optim.rowNorm === 0 || isFrozen(i) ? w : shortened(names[i], w, optim.rowNorm));
  const next = parts.together(clipped);
  return {
    params: optim.heldNorm === 0 ? next : next.mul(beside.norm.slice(0, 1).div(next.norm())),
    m: parts.together(after.map(({ m }) => m)),
    v: parts.together(after.map(({ v }) => v)),
    beside,
  };
}

/** The learning rate of an update, by its base. */
function rate({ warmup, lrSchedule, lrSteps }: Optim, step: number, base: number): number {
  const grown = warmup === 0 ? base : base * Math.min(step / warmup, 1);
  const progress = Math.min(1, Math.max(0, step - warmup) / (lrSteps - warmup));
  return lrSchedule === "constant" ? grown : grown * (lrSchedule === "linear" ? 1 - progress : (1 + Math.cos(Math.PI * progress)) / 2);
}

interface One {
  readonly w: tf.Tensor;
  readonly m: tf.Tensor;
  readonly v: tf.Tensor;
  readonly g: tf.Tensor;
}
type Updated = Omit<One, "g">;

/** One tensor after an update by its gradient. */
function updated(optim: Optim, name: string, step: number, { w, m, v, g }: One): Updated {
  const { rule, beta1, beta2, momentum, weightDecay, decay, decayGroups } = optim, group = groupOf(name);
  const isVector = group === "norms" || group === "biases";
  const lambda = groupsIn(decayGroups).includes(group) && !(decay === "matrices" && isVector) ? weightDecay : 0;
  if (rule === "muon" && (group === "attn" || group === "mlp")) return muon(optim, name, step, lambda, { w, m, v, g });
  const lr = rate(optim, step, optim.lr), decayed = w.mul(1 - lr * lambda);
  switch (rule) {
    case "adamw":
    case "muon":
      return adam(optim, step, lr, { w: decayed, m, v, g });
    case "adam":
      return adam(optim, step, lr, { w, m, v, g: g.add(w.mul(lambda)) });
    case "sgd": {
      const next = m.mul(momentum).add(g).add(w.mul(lambda));
      return { w: w.sub(next.mul(lr)), m: next, v };
    }
    case "signsgd":
      return { w: decayed.sub(sign(g).mul(lr)), m, v };
    case "lion": {
      const way = sign(m.mul(beta1).add(g.mul(1 - beta1)));
      return { w: decayed.sub(way.mul(lr)), m: m.mul(beta2).add(g.mul(1 - beta2)), v };
    }
  }
}

/** −1, 0 or 1. The wasm backend's own takes small numbers for 0. */
const sign = (x: tf.Tensor) => x.greater(0).cast("float32").sub(x.less(0).cast("float32"));

/** As PyTorch does it: bias correction on both moments, eps added to the corrected root. */
function adam({ beta1, beta2, eps }: Optim, step: number, lr: number, { w, m, v, g }: One): Updated {
  const nextM = m.mul(beta1).add(g.mul(1 - beta1)), nextV = v.mul(beta2).add(g.square().mul(1 - beta2));
  const correction1 = 1 - beta1 ** (step + 1), correction2 = 1 - beta2 ** (step + 1);
  const way = nextM.div(nextV.sqrt().div(Math.sqrt(correction2)).add(eps));
  return { w: w.sub(way.mul(lr / correction1)), m: nextM, v: nextV };
}

/** Muon, as the code published with it: on the matrix [outputs, inputs], as PyTorch has it, heads side by side. */
function muon(optim: Optim, name: string, step: number, lambda: number, { w, m, v, g }: One): Updated {
  const { momentum } = optim, last = name.split(".").at(-1)!;
  const nextM = m.mul(momentum).add(g.mul(1 - momentum)), way = g.mul(1 - momentum).add(nextM.mul(momentum));
  // [H, D, K] → [H · K, D]; [H, K, D] → [D, H · K]; of a and of b, [2, in, out] → [out, 2 · in]; [in, out] → [out, in].
  const [H, first, second] = w.shape, isInput = last === "W_Q" || last === "W_K" || last === "W_V";
  const matrix = isInput ? way.transpose([0, 2, 1]).reshape([H * second, first]) : way.reshape([-1, w.shape.at(-1)!]).transpose();
  const X = orthogonal(matrix as tf.Tensor2D), [outputs, inputs] = X.shape;
  const back = isInput ? X.reshape([H, second, first]).transpose([0, 2, 1]) : X.transpose().reshape(w.shape);
  const lr = rate(optim, step, optim.muonLr);
  return { w: w.mul(1 - lr * lambda).sub(back.mul(lr * Math.sqrt(Math.max(1, outputs / inputs)))), m: nextM, v };
}

/** Five rounds of Jordan's Newton–Schulz iteration. */
function orthogonal(G: tf.Tensor2D): tf.Tensor2D {
  const [a, b, c] = [3.4445, -4.775, 2.0315], isTall = G.shape[0] > G.shape[1];
  let X = (isTall ? G.transpose() : G).div(G.norm().add(1e-7)) as tf.Tensor2D;
  for (let round = 0; round < 5; round++) {
    const A = tf.matMul(X, X, false, true), B = A.mul(b).add(tf.matMul(A, A).mul(c)) as tf.Tensor2D;
    X = X.mul(a).add(tf.matMul(B, X)) as tf.Tensor2D;
  }
  return isTall ? X.transpose() : X;
}

/** What becomes of the gradient, and what is kept for the next update. */
function filter(optim: Optim, layout: Layout, step: number, { params, beside }: Trained, gradient: tf.Tensor1D) {
  const { gradFilter, filterAlpha, filterLambda, filterWindow } = optim;
  const kept = { ...beside };
  switch (gradFilter) {
    case "none":
      return { gradient, beside: kept };
    case "orthogonal":
      return { gradient: orthogonalTo(layout, params, gradient), beside: kept };
    case "grokfast-ema":
      kept.filter = step === 0 ? gradient : beside.filter.mul(filterAlpha).add(gradient.mul(1 - filterAlpha));
      return { gradient: gradient.add(kept.filter.mul(filterLambda)) as tf.Tensor1D, beside: kept };
    case "grokfast-ma": {
      const { average, filter } = moving(beside.filter, gradient, step, filterWindow);
      kept.filter = filter;
      return { gradient: (step + 1 < filterWindow ? gradient : gradient.add(average.mul(filterLambda))) as tf.Tensor1D, beside: kept };
    }
  }
}

/** The mean over the window, from the sums that `GradientFilter` in `engine/op/update.ts` keeps, and these with one gradient more. */
function moving(flat: tf.Tensor1D, gradient: tf.Tensor1D, step: number, window: number) {
  const parts = flat.reshape([window + 1, gradient.size]).unstack() as tf.Tensor1D[], s = step % window;
  parts[window] = s === 0 ? gradient : parts[window].add(gradient);
  parts[s] = gradient;
  const sum = s + 1 < window ? parts[window].add(parts[s + 1]) : parts[window];
  if (s + 1 === window) { for (let n = window - 2; n >= 0; n--) parts[n] = parts[n].add(parts[n + 1]); }
  return { average: sum.div(window), filter: tf.concat(parts) as tf.Tensor1D };
}

/** ⊥Grad, as the code published with it: orthogonal to each tensor's weights, as long as it was. */
function orthogonalTo(layout: Layout, params: tf.Tensor1D, gradient: tf.Tensor1D): tf.Tensor1D {
  const parts = partsOf(layout), weights = parts.apart(params);
  return parts.together(
    parts.apart(gradient).map((g, i) => {
      const w = weights[i], d = g.sub(w.mul(w.mul(g).sum().div(w.square().sum().add(1e-30))));
      return d.mul(g.norm().div(d.norm().add(1e-30)));
    }),
  );
}

/** A tensor none of whose rows is longer: vectors of an embedding, else the weights that lead into a unit, of each head by itself. */
function shortened(name: string, w: tf.Tensor, most: number): tf.Tensor {
  const group = groupOf(name);
  if (group === "norms" || group === "biases") return w;
  // W_O leads from all heads into a unit of the residual stream, an MLP's first W_in from a and from b; W_Q, W_K and W_V into heads.
  const isOfHeads = /W_[QKV]$/.test(name),
    axes = group === "embed" || group === "pos" || isOfHeads ? [1] : Array.from({ length: w.rank - 1 }, (_, i) => i);
  const norms = w.square().sum(axes, true).sqrt();
  return w.mul(tf.minimum(1, tf.scalar(most).div(tf.maximum(norms, 1e-30))));
}

/** Bytes a run of what an optimiser keeps beside its moments. */
export const besideBytes = (spec: RunSpec, P: number) => 4 * besideWords(spec, P).values().reduce((sum, words) => sum + words, 0);
