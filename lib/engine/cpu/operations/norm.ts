/** Records of LayerNorm. */
import { pad4 } from "../../../run/layout.ts";
import { ADD_PARTS, NORM, NORM_BACKWARD, NORM_PARTS } from "../kernels/opcode.ts";
import { type Matrix, reads, readsMatrix, type Record, writes, writesMatrix } from "../records.ts";

export interface Norm {
  readonly rows: number;
  readonly D: number;
  readonly x: Matrix;
  /** [rows, (mean, 1/σ)] */
  readonly stats: string;
  readonly w: Matrix;
}

/** out = (x − mean) / σ ∘ w + b. */
export function norm(label: string, { rows, D, x, stats, w }: Norm, b: Matrix, out: Matrix): Record {
  const width = pad4(D);
  return {
    label,
    opcode: NORM,
    args: [
      readsMatrix(x, rows, width),
      writesMatrix(out, rows, width),
      writes(stats, 0, 2 * rows),
      readsMatrix(w, 1, width),
      readsMatrix(b, 1, width),
      D,
      rows,
    ],
    flop: 8 * rows * D,
    bytes: 8 * rows * D,
  };
}

/** Words of the parts of a LayerNorm's gradient. */
export const normPartWords = (D: number) => NORM_PARTS * 2 * pad4(D);

/** dx of a LayerNorm, plus `add`; and the parts of dw and db, which `normGradients` adds. */
export function normBackward(
  label: string,
  { rows, D, x, stats, w }: Norm,
  { dy, dx, add, parts }: { readonly dy: Matrix; readonly dx: Matrix; readonly add?: Matrix | undefined; readonly parts: string },
): Record {
  const width = pad4(D);
  return {
    label,
    opcode: NORM_BACKWARD,
    args: [
      readsMatrix(x, rows, width),
      reads(stats, 0, 2 * rows),
      readsMatrix(dy, rows, width),
      readsMatrix(w, 1, width),
      writesMatrix(dx, rows, width),
      add ? readsMatrix(add, rows, width) : null,
      writes(parts, 0, normPartWords(D)),
      D,
      rows,
    ],
    flop: 19 * rows * D,
    bytes: 16 * rows * D,
  };
}

/** dw and db of a LayerNorm from their parts. */
export function normGradients(label: string, D: number, parts: string, dw: Matrix, db: Matrix): Record[] {
  const width = pad4(D);
  return [dw, db].map((out, i) => ({
    label,
    opcode: ADD_PARTS,
    args: [reads(parts, i * width, normPartWords(D) - width), 8 * width, NORM_PARTS, writesMatrix(out, 1, width), width],
    flop: NORM_PARTS * width,
    bytes: 4 * NORM_PARTS * width,
  }));
}
