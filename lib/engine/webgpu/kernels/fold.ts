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
  /** Sources are rows of their own, or a part of longer rows that several sources share. */
  const inRows = ({ x }: FoldSource) => x.stride === width;
  const source = (it: FoldSource): Source => {
    const { x: { buffer, offset, stride }, by, from = 0 } = it, all = rowsOf(it.x), n = stride / width;
    const only = from > 0 ? { only: `c >= ${from / 4}u` } : {};
    if (inRows(it)) return { by, term: (e) => `dy[(r * ${all}u + ${offset / width}u + ${e}) * ${width / 4}u + c]`, ...only };
    return { by, term: (e) => `${name(buffer)}[((r * ${all}u + ${e}) * ${n}u + ${offset / width}u) * ${width / 4}u + c]`, ...only };
  };
  const bindings = new Map(segments.flatMap(({ sources }) =>
    sources.map((it) => [
      it.x.buffer,
      inRows(it) ? read.vec4f(it.x.buffer, "[R, rows, D]", "dy") : read.vec4f(it.x.buffer, "[R, index, shared, 3, H, K]"),
    ])
  ));
  return foldInto({
    label,
    segments: segments.map(({ first, count, sources }) => ({ first, count, sources: sources.map(source) })),
    ...{ width, bindings: [...bindings.values()], out, lists, B, C },
  });
}
