/** resid_pre of layer 0: token embedding plus position embedding; and back. Token and value of a row follow from its segment. */
import type { Embed, EmbedBackward, EmbedSegment } from "../../op.ts";
import { LISTS } from "./batch.ts";
import { elementwise, type Kernel, read, rowsOf, whole, write } from "./kernel.ts";
import { UNPACK, within } from "./pair.ts";

/** out[row] = W_E[token(row)] + W_pos[position(row)] */
export function embed({ label, segments, batch, examples, W_E, W_pos, out }: Embed): Kernel {
  const D4 = W_E.stride / 4, rows = rowsOf(out);
  const token = ({ token: { by, base } }: EmbedSegment) =>
    by === "constant" ? `${base}u` : `${base}u + ${within({ by }, "at", `batch[r * ${examples}u + at]`)}`;
  const find = segments.map((segment) =>
    `if (row >= ${segment.first}u) { let at = row - ${segment.first}u; position = ${segment.position}u; token = ${token(segment)}; }`
  );
  return elementwise({
    label,
    count: rows * D4,
    bindings: [
      read.vec4f(W_E.buffer, "[R, P]", "params"),
      read.u32(batch, "[R, B]", "batch"),
      write.vec4f(whole(out), "[R, rows, D]", "out"),
    ],
    functions: UNPACK,
    body: `
  let row = i / ${D4}u;
  let d4 = i % ${D4}u;
  var token = 0u;
  var position = 0u;
  ${find.join("\n  ")}
  let p = r * ${W_E.words / 4}u + d4;
  out[r * ${rows * D4}u + i] = params[p + ${W_E.offset / 4}u + token * ${D4}u] + params[p + ${W_pos.offset / 4}u + position * ${D4}u];`,
    bytes: 16 * rows * D4,
  });
}

/** dW_E[token] and dW_pos[position] = sums of the rows of d_resid_pre that used them, and of `head`'s row of an element. */
export function embedBackward({ label, segments, V, T, firstElement, lists, B, C, dx, dW_E, dW_pos, head }: EmbedBackward): Kernel {
  const D4 = dW_E.stride / 4, rows = rowsOf(dx);
  const at = (row: string) => `dx[(r * u.rows + ${row}) * u.D4 + d4]`;
  const element = ({ first, token: { by } }: EmbedSegment) => {
    if (by === "index") return `sum += ${at(`(${first}u + v)`)};`;
    const side = by === "a" ? "0u" : "1u", row = `${first}u + list_at(r, ${side}, k)`;
    return `for (var k = list_start(r, ${side}, v); k < list_start(r, ${side}, v + 1u); k++) { sum += ${at(row)}; }`;
  };
  const elements = segments.filter(({ token }) => token.by !== "constant").map(element);
  // A position and a constant token are used by the same rows: all of a segment.
  const runs = segments.map(({ first, count, position, token: { by, base } }) =>
    `if (row == ${V + position}u${by === "constant" ? ` || row == ${base}u` : ""}) { first = ${first}u; end = ${first + count}u; }`
  );
  return elementwise({
    label,
    count: (V + T) * D4,
    bindings: [
      read.vec4f(whole(dx), "[R, rows, D]", "dx"),
      read.u32(lists, "[R, 2, C + 1 + B]", "lists"),
      ...(head ? [read.vec4f(whole(head), "[R, C, D]", "head")] : []),
      write.vec4f(dW_E.buffer, "[R, P]", "grads"),
    ],
    constants: { rows, D4, P4: dW_E.words / 4, W_E: dW_E.offset / 4, W_pos: dW_pos.offset / 4 },
    functions: LISTS(B, C),
    body: `
  let row = i / u.D4;
  let d4 = i % u.D4;
  var sum = vec4f(0.0);
  let v = row - ${firstElement}u;
  if (row >= ${firstElement}u && v < ${C}u) {
    ${[...elements, ...head ? [`sum += head[(r * ${rowsOf(head)}u + v) * u.D4 + d4];`] : []].join("\n    ")}
  }
  var first = 0u;
  var end = 0u;
  ${runs.join("\n  ")}
  for (var k = first; k < end; k++) { sum += ${at("k")}; }
  let target_row = select(u.W_pos + (row - ${V}u) * u.D4, u.W_E + row * u.D4, row < ${V}u);
  grads[r * u.P4 + target_row + d4] = sum;`,
    bytes: 16 * (rows + V) * D4,
  });
}
