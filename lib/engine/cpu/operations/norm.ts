/** Records of LayerNorm and RMSNorm. */
import { pad4 } from "../../../run/layout.ts";
import type { Norm, NormBackward } from "../../op.ts";
import { ADD_PARTS, NORM, NORM_BACKWARD, NORM_PARTS } from "../kernels/opcode.ts";
import { reads, readsMatrix, type Record, writes, writesMatrix } from "../records.ts";

/** out = (x − mean) / σ ∘ w + b; without b, out = x / σ ∘ w. */
export function norm({ label, rows, D, x, stats, w, b, out }: Omit<Norm, "op">): Record {
  const width = pad4(D);
  return {
    label,
    opcode: NORM,
    args: [
      readsMatrix(x, rows, width),
      writesMatrix(out, rows, width),
      writes(stats, 0, 2 * rows),
      readsMatrix(w, 1, width),
      b && readsMatrix(b, 1, width),
      D,
      rows,
    ],
    flop: 8 * rows * D,
    bytes: 8 * rows * D,
  };
}

/** Words of the parts of a LayerNorm's gradient. */
export const normPartWords = (D: number) => NORM_PARTS * 2 * pad4(D);

/** dx of a LayerNorm, plus `add`, and the parts of dw and db in the buffer `parts`; then dw and db from those. */
export function normBackward({ label, rows, D, x, stats, w, dy, dx, add, dw, db }: Omit<NormBackward, "op">, parts: string): Record[] {
  const width = pad4(D);
  const gradients = (db ? [dw, db] : [dw]).map((out, i) => ({
    label: `${label}, gradients of w and b`,
    opcode: ADD_PARTS,
    args: [reads(parts, i * width, normPartWords(D) - width), 8 * width, NORM_PARTS, writesMatrix(out, 1, width), width],
    flop: NORM_PARTS * width,
    bytes: 4 * NORM_PARTS * width,
  }));
  const args = [
    readsMatrix(x, rows, width),
    reads(stats, 0, 2 * rows),
    readsMatrix(dy, rows, width),
    readsMatrix(w, 1, width),
    writesMatrix(dx, rows, width),
    add ? readsMatrix(add, rows, width) : null,
    writes(parts, 0, normPartWords(D)),
    D,
    rows,
    db ? 1 : 0,
  ];
  return [{ label, opcode: NORM_BACKWARD, args, flop: 19 * rows * D, bytes: 16 * rows * D }, ...gradients];
}
