/**
 * Operations that make parameters of gradients, as data: filters of the gradient, update rules, and what limits norms. Where they change
 * a run's state (all but products and what fills scratch) they rest once the run has done its steps.
 *
 * lr below is the learning rate times warm-up and schedule, λ the weight decay where the parameter decays, else 0, g the gradient, θ a
 * parameter.
 */
import type { Area } from "../../run/areas.ts";
import type { OptimSpec } from "../../run/spec.ts";

/** After warm-up, 1; or from 1 to 0 at `lr_steps`, where it stays: half a cosine, or a line. As Hugging Face's schedules with warm-up. */
export type Schedule = OptimSpec["lrSchedule"];

/**
 * Rules that treat every number by itself, and the moments that they keep.
 *
 * - `adamw`: AdamW as in PyTorch: θ(1 − lr λ) − lr · m̂ / (√v̂ + eps). Loshchilov & Hutter, "Decoupled weight decay regularization" (ICLR
 *   2019).
 * - `adam`: the same with g + λ θ for g and no other decay, as PyTorch's Adam. Kingma & Ba, "Adam" (ICLR 2015).
 * - `sgd`: m = momentum · m + g + λ θ, then θ − lr m, as PyTorch's SGD without dampening and Nesterov.
 * - `signsgd`: θ(1 − lr λ) − lr sign(g). Bernstein et al., "signSGD" (ICML 2018).
 * - `lion`: θ(1 − lr λ) − lr sign(β₁ m + (1 − β₁) g), then m = β₂ m + (1 − β₂) g. Chen et al., "Symbolic discovery of optimization
 *   algorithms" (NeurIPS 2023).
 */
export const MOMENTS = { adamw: ["m", "v"], adam: ["m", "v"], sgd: ["m"], signsgd: [], lion: ["m"] } as const;
export type UpdateRule = keyof typeof MOMENTS;

/**
 * params and moments, words `first` to `first + words − 1`, after an update by `grads`. The run's numbers come from `hyper`, its step
 * from `state`.
 */
export interface Update {
  readonly op: "update";
  readonly label: string;
  readonly kind: UpdateRule;
  readonly schedule: Schedule;
  /** Words of a run's part of each buffer. */
  readonly P: number;
  readonly first: number;
  readonly words: number;
  /** Words before this one are matrices; those from it are vectors. */
  readonly vectorsFrom: number;
  /** Whether matrices among the words decay, and vectors where the run says that those do. */
  readonly decays: boolean;
  readonly params: string;
  readonly grads: string;
  readonly moments: readonly string[];
}

/**
 * Grokfast: out = g + λ · average. Lee et al., "Grokfast" (arXiv 2405.20233), as in the code published with it. `ema`: the average a is g
 * at the first update, then α a + (1 − α) g; `kept` is a, f32[P]. `ma`: the mean of the last `window` gradients; before there are as
 * many, out = g.
 *
 * `ma` takes each sum from sums of at most `window` terms, so that large gradients of long ago leave no rounding behind. With s = step
 * mod window, `kept`, f32[window + 1, P], holds in its last part the sum of the gradients since s was 0, in part i < s those gradients,
 * and in part i ≥ s the sum of the gradients of the round before from i on. When s is window − 1, all parts become such sums.
 */
export interface GradientFilter {
  readonly op: "gradientFilter";
  readonly label: string;
  readonly kind: "ema" | "ma";
  readonly P: number;
  /** Of `ma`; else 0. */
  readonly window: number;
  readonly grads: string;
  readonly kept: string;
  readonly out: string;
}

/**
 * ⊥Grad of one tensor w: d = g − (w · g) / (w · w) w, then out = d · |g| / |d|; 1e-30 is added to w · w and to |d|. Prieto et al.,
 * "Grokking at the edge of numerical stability" (arXiv 2501.04697); scaling back to |g| is in the code published with it.
 */
export interface OrthogonalGradient {
  readonly op: "orthogonalGradient";
  readonly label: string;
  readonly P: number;
  readonly area: Area;
  readonly params: string;
  readonly grads: string;
  readonly out: string;
}

/**
 * Muon (Keller Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024, and the code published with it), for a
 * matrix: m = μ m + (1 − μ) g, u = (1 − μ) g + μ m (Nesterov), out = X = u / (|u| + 1e-7). Then five times X = (a I + b A + c A²) X with
 * A = X Xᵀ, or X (a I + b A + c A²) with A = Xᵀ X where that is smaller, which brings all singular values near 1; then `MuonEnd`.
 */
export interface MuonStart {
  readonly op: "muonStart";
  readonly label: string;
  readonly P: number;
  readonly area: Area;
  readonly grads: string;
  readonly moment: string;
  /** [rows, columns] of the area. */
  readonly out: string;
}
/** a, b and c, and how often. */
export const NEWTON_SCHULZ = { a: 3.4445, b: -4.775, c: 2.0315, times: 5 } as const;
export const MUON_EPS = 1e-7;

/** out = a I + b A + c A², all [n, n]. */
export interface MuonPolynomial {
  readonly op: "muonPolynomial";
  readonly label: string;
  readonly n: number;
  readonly A: string;
  readonly A2: string;
  readonly out: string;
}

/** θ(1 − lr λ) − lr · scale · X, lr being Muon's; scale is √max(1, outputs / inputs). */
export interface MuonEnd {
  readonly op: "muonEnd";
  readonly label: string;
  readonly schedule: Schedule;
  readonly P: number;
  readonly area: Area;
  readonly scale: number;
  readonly decays: boolean;
  readonly X: string;
  readonly params: string;
}

/** Rows of a tensor (or its columns, where each leads into a unit) that are longer than the run's `row_norm` are scaled down to it. */
export interface ClipRows {
  readonly op: "clipRows";
  readonly label: string;
  readonly P: number;
  readonly area: Area;
  readonly along: "rows" | "columns";
  readonly params: string;
}

/** params = params · norm / |params|, where the first word of `norm` is the norm that is held. */
export interface HoldNorm {
  readonly op: "holdNorm";
  readonly label: string;
  readonly P: number;
  readonly params: string;
  readonly norm: string;
}

export type UpdateOp = Update | GradientFilter | OrthogonalGradient | MuonStart | MuonPolynomial | MuonEnd | ClipRows | HoldNorm;

/** Those that read the whole gradient of a tensor, which must be complete by then. */
export const readsGradient = (op: { readonly op: string }) =>
  ["update", "gradientFilter", "orthogonalGradient", "muonStart"].includes(op.op);
