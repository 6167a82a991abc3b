/**
 * LayerNorm or RMSNorm as operations, in both directions. `name` is that of its parameters; `stats` the buffer that keeps mean and 1/σ of
 * each row.
 */
import type { Norm, NormBackward, View } from "./op.ts";
import type { Pass } from "./pass.ts";
import type { Rows } from "./rows.ts";

/** out = LN(x), of those among `all` rows that the pass computes. */
export function layerNorm(pass: Pass, name: string, all: Rows, x: View, stats: string, out: View): Norm {
  const rows = pass.span(all).count, w = pass.parameter(`${name}.w`), b = shift(pass, name);
  const label = `${out.buffer} = LN(${x.buffer})`;
  return { op: "norm", label, rows, D: pass.layout.sizes.D, x, w, b, stats: pass.buffer(stats, 2 * rows), out };
}

/** dx = the gradient of LN at x, plus `add`; and the gradients of its parameters. */
export function normBackward(pass: Pass, name: string, x: View, stats: string, dy: View, dx: View, add?: View): NormBackward {
  const rows = x.words / x.stride, w = pass.parameter(`${name}.w`);
  const dw = pass.parameter(`${name}.w`, 0, "grads"), db = shift(pass, name, "grads");
  const label = `${dx.buffer} = dLN(${dy.buffer})${add ? ` + ${add.buffer}` : ""}`;
  return { op: "normBackward", label, rows, D: pass.layout.sizes.D, x, w, stats, dy, dx, ...add && { add }, dw, db };
}

/** RMSNorm has none. */
const shift = (pass: Pass, name: string, buffer: "params" | "grads" = "params"): View | null =>
  pass.layout.blocks.has(`${name}.b`) ? pass.parameter(`${name}.b`, 0, buffer) : null;
