/**
 * The gradient of a row that several rows were made from is the sum of theirs. A sum over the examples with one value of a goes
 * through `lists`, in ascending order, so its bits are always the same.
 */
import type { By, ByValue, Fold, FoldSource, View } from "../../op.ts";
import { LISTS } from "./batch.ts";
import { type Binding, elementwise, type Kernel, name, read, rowsOf, whole, write } from "./kernel.ts";

/** A source in WGSL. */
interface Source {
  readonly by: By;
  /** What row `index` of the source is at column `c`, in vec4s. */
  readonly term: (index: string) => string;
  /** A condition on `c` under which the source counts. */
  readonly only?: string;
}

interface Into extends ByValue {
  readonly label: string;
  readonly segments: readonly { readonly first: number; readonly count: number; readonly sources: readonly Source[] }[];
  readonly width: number;
  readonly bindings: readonly Binding[];
  readonly out: View;
  readonly scale?: number;
}

/** out[row, c] = scale · Σ of the row's sources, for the rows of the segments; the others are left as they are. */
export function foldInto({ label, segments, width, bindings, out, lists, B, C, scale = 1 }: Into): Kernel {
  const W = width / 4, rows = rowsOf(out), byValue = segments.some(({ sources }) => sources.some(({ by }) => by !== "index"));
  const sum = ({ by, term, only }: Source) => {
    const guard = only ? `if (${only}) ` : "";
    if (by === "index") return `${guard}{ sum += ${term("v")}; }`;
    const side = by === "a" ? "0u" : "1u";
    return `${guard}{ for (var k = list_start(r, ${side}, v); k < list_start(r, ${side}, v + 1u); k++) { let e = list_at(r, ${side}, k); sum += ${
      term("e")
    }; } }`;
  };
  const each = segments.map(({ first, count, sources }) =>
    `if (row >= ${first}u && row < ${first + count}u) {
    let v = row - ${first}u;
    ${sources.map(sum).join("\n    ")}
    out[r * ${rows * W}u + i] = sum${scale === 1 ? "" : ` * ${scale}`};
  }`
  );
  return elementwise({
    label,
    count: rows * W,
    bindings: [
      ...bindings,
      ...(byValue ? [read.u32(lists, "[R, 2, C + 1 + B]", "lists")] : []),
      write.vec4f(whole(out), "[R, rows, columns]", "out"),
    ],
    functions: byValue ? LISTS(B, C) : "",
    body: `
  let row = i / ${W}u;
  let c = i % ${W}u;
  var sum = vec4f(0.0);
  ${each.join("\n  ")}`,
    bytes: 8 * rows * width,
  });
}

/** out = sums of rows, by segment. */
export function fold({ label, segments, width, lists, B, C, out }: Fold): Kernel {
  const all = segments.flatMap(({ sources }) => sources), buffers = [...new Set(all.map(({ x }) => x.buffer))];
  // One matrix of rows as wide, or several in which a row has a part for each of the positions that share it.
  const single = buffers.length === 1 && all.every(({ x }) => x.stride === width);
  const source = ({ x, by, from = 0 }: FoldSource): Source => {
    const { buffer, offset, stride } = x, rows = rowsOf(x), parts = stride / width, at = offset / width;
    const row = (e: string) => single ? `(r * ${rows}u + ${at}u + ${e})` : `((r * ${rows}u + ${e}) * ${parts}u + ${at}u)`;
    const term = (e: string) => `${single ? "dy" : name(buffer)}[${row(e)} * ${width / 4}u + c]`;
    return { by, term, ...from > 0 ? { only: `c >= ${from / 4}u` } : {} };
  };
  return foldInto({
    label,
    segments: segments.map(({ first, count, sources }) => ({ first, count, sources: sources.map(source) })),
    bindings: buffers.map((buffer) => read.vec4f(buffer, "[R, rows, columns]", single ? "dy" : name(buffer))),
    ...{ width, out, lists, B, C },
  });
}
