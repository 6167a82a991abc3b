/** The operations of a network's layers, forward and backward: products, norms, attention, MLPs of pairs. */
import type { ModelSpec } from "../../run/spec.ts";
import type { Batch, ByValue, PositionRows, RowMap, View } from "./view.ts";

export type ActivationName = ModelSpec["activation"];

/** What becomes of each element of a product, in this order. */
export interface Epilogue {
  /** A row that is added to every row. */
  readonly bias?: View;
  /** A matrix that is added, by `rows` where its rows aren't those of C. It may be C itself: then the product is added to what is there. */
  readonly add?: { readonly from: View; readonly rows?: RowMap };
  /** `out`, of the same shape, gets the function of the sum. C keeps the sum, or what `derivative` needs of it; nothing else reads it. */
  readonly activation?: { readonly name: ActivationName; readonly out: View };
  /** The product is multiplied by the function's derivative at what `activation` kept in `pre`, of the same shape. */
  readonly derivative?: { readonly name: ActivationName; readonly pre: View };
}

/** C[m, n] = A · B over k: "nn" is x · W, "nt" is dy · Wᵀ, "tn" is xᵀ · dy, which takes no epilogue. */
export interface Product extends Epilogue {
  readonly op: "product";
  readonly label: string;
  readonly form: "nn" | "nt" | "tn";
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly a: View;
  readonly b: View;
  readonly c: View;
  /** Of "nt": how many columns there are, where B goes on behind its row for the last one; those that pad C become zero. */
  readonly columns?: number;
  /** Of "tn": the gradient of the bias, a row that gets the sums of B's rows; complete before an `update`, or where the list ends. */
  readonly sums?: View;
}

/**
 * out = (x − mean) / σ · w + b for each of so many rows; `stats` keeps (mean, 1/σ), f32[rows, 2]. Eps is `NORM_EPS`, as in PyTorch's
 * LayerNorm. Without b it is RMSNorm: nothing is subtracted, σ = √(mean of x² + eps), and the mean that is kept is 0.
 */
export interface Norm {
  readonly op: "norm";
  readonly label: string;
  readonly rows: number;
  /** Columns that count; those up to the stride are padding. */
  readonly D: number;
  readonly x: View;
  readonly w: View;
  readonly b: View | null;
  readonly stats: string;
  readonly out: View;
}
export const NORM_EPS = 1e-5;

/**
 * dx = (g − mean(g) − x̂ · mean(g · x̂)) / σ with g = dy · w, plus `add`; dw = Σ_rows dy · x̂, db = Σ_rows dy, as complete as `sums`.
 * Without db it is RMSNorm's: no mean(g) is subtracted.
 */
export interface NormBackward {
  readonly op: "normBackward";
  readonly label: string;
  readonly rows: number;
  readonly D: number;
  readonly x: View;
  readonly w: View;
  readonly stats: string;
  readonly dy: View;
  readonly dx: View;
  readonly add?: View;
  readonly dw: View;
  readonly db: View | null;
}

/** What both directions of attention share: the queries of one group (`rows.ts`), and the rows they meet. */
interface Attends extends Batch {
  readonly label: string;
  /** `uniform`: a query's weights are all the same, and there are values alone. */
  readonly weights: "softmax" | "uniform";
  readonly H: number;
  readonly K: number;
  /** What an index counts: examples ("ab"), values of a, or values of b; and how many. Only "ab" reads the batch. */
  readonly over: "a" | "b" | "ab";
  readonly count: number;
  /** Row `base + i` is the query of index i; it sees these positions. At most four. */
  readonly queries: readonly { readonly position: number; readonly base: number; readonly sees: readonly number[] }[];
  /** The positions that any of the queries sees, ascending. */
  readonly keys: readonly PositionRows[];
  /** [input rows, (query, key, value), H, K padded to a multiple of four]; of uniform weights [input rows, H, K]. */
  readonly qkv: View;
  /** f32[output rows, H, 4]: the weights of a query; those of positions it doesn't see are zero. */
  readonly pattern: string;
}

/** pattern = softmax(q · k / √K) over the positions seen; z = pattern · v, [output rows, H, K padded]. */
export interface Attention extends Attends {
  readonly op: "attention";
  readonly z: View;
  /** Rows of `pattern` and z. */
  readonly rows: number;
}

/**
 * dv = patternᵀ · dz, ds = pattern ∘ (dz · v − Σ pattern ∘ dz · v) / √K, dq = ds · k, dk = dsᵀ · q. Rows of an index's own get theirs in
 * `dqkv`. Rows that several indices or groups share get terms in `shared`, [index, position, 3, H, K], which a fold adds; of a position
 * that isn't queried, dq is zero there. Of uniform weights there is dv alone.
 */
export interface AttentionBackward extends Attends {
  readonly op: "attentionBackward";
  readonly rows: number;
  readonly dz: View;
  readonly dqkv: View;
  readonly shared: { readonly positions: readonly number[]; readonly out: View } | null;
}

/**
 * What an MLP computes of pairs from tables of a and b: row a[i] of x, and row `second + b[i]`. pre[i] = factor · (their sum) + bias, out =
 * activation(pre).
 */
export interface Pairs extends Batch {
  readonly op: "pairs";
  readonly label: string;
  readonly width: number;
  readonly x: View;
  readonly second: number;
  readonly factor: number;
  readonly bias?: View;
  readonly activation: ActivationName;
  readonly pre: View;
  readonly out: View;
}

/** dx[v] = factor · Σ dy over the examples with a = v, dx[second + v] the same of b; other rows are left alone. */
export interface PairsBackward extends ByValue {
  readonly op: "pairsBackward";
  readonly label: string;
  readonly width: number;
  readonly dy: View;
  readonly dx: View;
  readonly second: number;
  readonly factor: number;
}

/** The gradient of a bias whose product has none of its own to sum it: out = Σ_rows x, as complete as the `sums` of a product. */
export interface Sums {
  readonly op: "sums";
  readonly label: string;
  readonly rows: number;
  readonly width: number;
  readonly x: View;
  readonly out: View;
}
