/** Records of products: panels, what follows a product, gradients of weights, and sums of columns. */
import {
  AFTER_FACTOR,
  AFTER_GELU,
  AFTER_GELU_SLOPE,
  AFTER_NOTHING,
  AFTER_RELU,
  AFTER_RELU_SLOPE,
  AFTER_SQUARE,
  AFTER_SQUARE_SLOPE,
  COLUMN_SUMS,
  PACK,
  PACK_TRANSPOSED,
  PRODUCT,
  ROWS_OF_A_BLOCK,
  ROWS_OF_A_SUM,
  SCRATCH_HEAD,
  WEIGHT_GRADIENT,
  WIDEST,
} from "../kernels/opcode.ts";
import type { ActivationName } from "../../op.ts";
import { type Matrix, reads, readsMatrix, type Record, writes, writesMatrix } from "../records.ts";

/** Words of a matrix [k, n] in panels of the widest tile. */
export const panelWords = (k: number, n: number) => k * WIDEST * Math.ceil(n / WIDEST);

/** Bytes of a strip of six columns, at most. */
const stripBytes = (k: number) => 24 * k + 128;

/** The panels of w[k, n], or of the transpose of w[n, k]. */
export const pack = (label: string, w: Matrix, k: number, n: number, transposed: boolean, panels: string): Record => ({
  label,
  opcode: transposed ? PACK_TRANSPOSED : PACK,
  args: [transposed ? readsMatrix(w, n, k) : readsMatrix(w, k, n), 4 * w.stride, k, n, writes(panels, 0, panelWords(k, n))],
  flop: 0,
  bytes: 8 * k * n,
});

/** What follows a product, on its own rows. */
export type After =
  | { readonly does: ActivationName; readonly out: Matrix; readonly derivative: boolean }
  | { readonly does: "factor"; readonly by: Matrix }
  /** The slope of an activation at `by`, as a factor. */
  | { readonly does: `${ActivationName} slope`; readonly by: Matrix };

export const AFTER = {
  gelu: AFTER_GELU,
  relu: AFTER_RELU,
  factor: AFTER_FACTOR,
  "gelu slope": AFTER_GELU_SLOPE,
  "relu slope": AFTER_RELU_SLOPE,
  square: AFTER_SQUARE,
  "square slope": AFTER_SQUARE_SLOPE,
};

/** c = (a · b + bias) + add, b in panels; then what follows. `add` may be c itself. */
export function product(
  label: string,
  { m, n, k, a, panels, c, bias, add, after }: {
    readonly m: number;
    readonly n: number;
    readonly k: number;
    readonly a: Matrix;
    readonly panels: string;
    readonly c: Matrix;
    readonly bias?: Matrix | undefined;
    readonly add?: Matrix | undefined;
    readonly after?: After | undefined;
  },
): Record {
  const other = after === undefined ? null : "by" in after ? after.by : after.out;
  return {
    label,
    opcode: PRODUCT,
    args: [
      readsMatrix(a, m, k),
      4 * a.stride,
      reads(panels, 0, panelWords(k, n)),
      writesMatrix(c, m, n),
      4 * c.stride,
      m,
      n,
      k,
      bias ? readsMatrix(bias, 1, n) : null,
      add ? readsMatrix(add, m, n) : null,
      4 * (add?.stride ?? 0),
      after === undefined ? AFTER_NOTHING : AFTER[after.does],
      other === null ? null : after && "by" in after ? readsMatrix(other, m, n) : writesMatrix(other, m, n),
      4 * (other?.stride ?? 0),
      after !== undefined && "derivative" in after && after.derivative ? 1 : 0,
    ],
    scratch: SCRATCH_HEAD + stripBytes(k) * ROWS_OF_A_BLOCK / 6,
    flop: 2 * m * n * k,
    bytes: 4 * (m * k + k * n + m * n),
  };
}

/** dW[m, n] = xᵀ · dy over the rows, and db = Σ dy where wanted. */
export function weightGradient(
  label: string,
  { rows, m, n, x, dy, dW, db }: {
    readonly rows: number;
    readonly m: number;
    readonly n: number;
    readonly x: Matrix;
    readonly dy: Matrix;
    readonly dW: Matrix;
    readonly db?: Matrix | undefined;
  },
): Record {
  const k = Math.min(rows, ROWS_OF_A_SUM);
  return {
    label,
    opcode: WEIGHT_GRADIENT,
    args: [
      readsMatrix(x, rows, m),
      4 * x.stride,
      readsMatrix(dy, rows, n),
      4 * dy.stride,
      rows,
      writesMatrix(dW, m, n),
      4 * dW.stride,
      m,
      n,
      db ? writesMatrix(db, 1, n) : null,
    ],
    scratch: SCRATCH_HEAD + 4 * n + 64 + stripBytes(k) * Math.ceil(m / 6) + 4 * panelWords(k, n),
    flop: 2 * rows * m * n,
    bytes: 4 * (rows * (m + n) + m * n),
  };
}

/** out = Σ_rows x. */
export const columnSums = (label: string, x: Matrix, rows: number, out: Matrix, columns: number): Record => ({
  label,
  opcode: COLUMN_SUMS,
  args: [readsMatrix(x, rows, columns), 4 * x.stride, rows, writesMatrix(out, 1, columns), columns],
  flop: rows * columns,
  bytes: 4 * rows * columns,
});
