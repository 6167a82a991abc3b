/** resid_pre of layer 0: token embedding plus position embedding; and back. Token and value of a row follow from its segment. */
import type { Block } from "../../../run/layout.ts";
import { type Sizes, tokenNames } from "../../../run/spec.ts";
import { rowOf, type Rows, type Segment, UNPACK } from "../../rows.ts";
import { LISTS } from "./batch.ts";
import { elementwise, type Kernel, read, write } from "./kernel.ts";

export interface Embed {
  readonly sizes: Sizes;
  readonly names: ReturnType<typeof tokenNames>;
  readonly rows: Rows;
  /** Examples: B, or E in an evaluation. */
  readonly examples: number;
  /** Floats a run in `params` and `grads`. */
  readonly P: number;
  readonly W_E: Block;
  readonly W_pos: Block;
}

/** out[row] = W_E[token(row)] + W_pos[position(row)] */
export function embed(e: Embed, batch: string, out: string): Kernel {
  const { rows, sizes: { firstElement, op, equals }, W_E, W_pos, P, names, examples } = e;
  const D4 = W_E.stride / 4;
  const token = (segment: Segment) => {
    const what = names[segment.position];
    if (what === "op" || what === "=") return `${what === "op" ? op : equals}u`;
    return `${firstElement}u + ${segment.depends === "ab" ? `${what}_of(batch[r * ${examples}u + at])` : "at"}`;
  };
  const find = rows.segments.map((segment) =>
    `if (row >= ${segment.base}u) { let at = row - ${segment.base}u; position = ${segment.position}u; token = ${token(segment)}; }`
  );
  return elementwise({
    label: `${out} = W_E[token] + W_pos[position]`,
    count: rows.count * D4,
    bindings: [read.vec4f("params", "[R, P]"), read.u32(batch, "[R, B]", "batch"), write.vec4f(out, "[R, rows, D]", "out")],
    functions: UNPACK,
    body: `
  let row = i / ${D4}u;
  let d4 = i % ${D4}u;
  var token = 0u;
  var position = 0u;
  ${find.join("\n  ")}
  let p = r * ${P / 4}u + d4;
  out[r * ${rows.count * D4}u + i] = params[p + ${W_E.offset / 4}u + token * ${D4}u] + params[p + ${
      W_pos.offset / 4
    }u + position * ${D4}u];`,
    bytes: 16 * rows.count * D4,
  });
}

/** dW_E[token] and dW_pos[position] = sums of the rows of d_resid_pre that used them. */
export function embedBackward(e: Embed, dIn: string): Kernel {
  const { rows, sizes: { V, C, T, firstElement, op, equals }, W_E, W_pos, P, names, examples } = e;
  const D4 = W_E.stride / 4;
  const at = (row: string) => `dx[(r * u.rows + ${row}) * u.D4 + d4]`;
  const element = (segment: Segment) => {
    const what = names[segment.position];
    if (segment.depends !== "ab") return `sum += ${at(rowOf(segment, segment.depends, "v", ""))};`;
    const side = what === "a" ? "0u" : "1u", row = `${segment.base}u + list_at(r, ${side}, k)`;
    return `for (var k = list_start(r, ${side}, v); k < list_start(r, ${side}, v + 1u); k++) { sum += ${at(row)}; }`;
  };
  const elements = rows.segments.filter(({ position }) => ["a", "b"].includes(names[position])).map(element);
  // A position and a constant token are used by the same rows: all of a segment.
  const runs = rows.segments.map((segment) => {
    const what = names[segment.position];
    const token = what === "a" || what === "b" ? "" : ` || row == ${what === "op" ? op : equals}u`;
    return `if (row == ${V + segment.position}u${token}) { first = ${segment.base}u; end = ${segment.base + segment.count}u; }`;
  });
  return elementwise({
    label: `dW_E, dW_pos = sums of ${dIn}`,
    count: (V + T) * D4,
    bindings: [read.vec4f(dIn, "[R, rows, D]", "dx"), read.u32("lists", "[R, 2, C + 1 + B]"), write.vec4f("grads", "[R, P]")],
    constants: { rows: rows.count, D4, P4: P / 4, W_E: W_E.offset / 4, W_pos: W_pos.offset / 4 },
    functions: LISTS(examples, C),
    body: `
  let row = i / u.D4;
  let d4 = i % u.D4;
  var sum = vec4f(0.0);
  let v = row - ${firstElement}u;
  if (row >= ${firstElement}u && v < ${C}u) {
    ${elements.join("\n    ")}
  }
  var first = 0u;
  var end = 0u;
  ${runs.join("\n  ")}
  for (var k = first; k < end; k++) { sum += ${at("k")}; }
  let target_row = select(u.W_pos + (row - ${V}u) * u.D4, u.W_E + row * u.D4, row < ${V}u);
  grads[r * u.P4 + target_row + d4] = sum;`,
    bytes: 16 * (rows.count + V) * D4,
  });
}
