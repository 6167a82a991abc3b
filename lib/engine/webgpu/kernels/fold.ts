/**
 * The gradient of a row that several rows were made from is the sum of theirs. A sum over the examples with one value of a goes
 * through `lists`, in ascending order, so its bits are always the same.
 */
import type { Depends, Rows, Segment } from "../../rows.ts";
import { LISTS } from "./batch.ts";
import { type Binding, elementwise, type Kernel, read, write } from "./kernel.ts";

/** Where a segment's gradient comes from: rows that depend on `depends`, read by `term(index)` in WGSL. */
export interface Source {
  readonly depends: Depends;
  readonly term: (index: string) => string;
  /** A WGSL condition on the column `c` (in vec4s) under which the source counts. */
  readonly only?: string;
}

/** out[row, c] = Σ of the row's sources, for the segments of `rows` that have any in `sources`; the others' rows are left as they are. */
export function fold(
  { label, rows, sources, columns, bindings, out, examples, C, scale = 1 }: {
    readonly label: string;
    readonly rows: Rows;
    readonly sources: (segment: Segment) => readonly Source[] | null;
    /** Floats a row. */
    readonly columns: number;
    readonly bindings: readonly Binding[];
    readonly out: string;
    readonly examples: number;
    readonly C: number;
    readonly scale?: number;
  },
): Kernel {
  const W = columns / 4;
  let lists = false;
  const sum = (segment: Segment, { depends, term, only }: Source) => {
    const guard = only ? `if (${only}) ` : "";
    if (depends === segment.depends) return `${guard}{ sum += ${term("v")}; }`;
    lists = true;
    const side = segment.depends === "a" ? "0u" : "1u";
    return `${guard}{ for (var k = list_start(r, ${side}, v); k < list_start(r, ${side}, v + 1u); k++) { let e = list_at(r, ${side}, k); sum += ${
      term("e")
    }; } }`;
  };
  const segments = rows.segments.flatMap((segment) => {
    const from = sources(segment);
    if (from === null) return [];
    return [`if (row >= ${segment.base}u && row < ${segment.base + segment.count}u) {
    let v = row - ${segment.base}u;
    ${from.map((source) => sum(segment, source)).join("\n    ")}
    out[r * ${rows.count * W}u + i] = sum${scale === 1 ? "" : ` * ${scale}`};
  }`];
  });
  return elementwise({
    label,
    count: rows.count * W,
    bindings: [...bindings, ...(lists ? [read.u32("lists", "[R, 2, C + 1 + B]")] : []), write.vec4f(out, "[R, rows, columns]", "out")],
    functions: lists ? LISTS(examples, C) : "",
    body: `
  let row = i / ${W}u;
  let c = i % ${W}u;
  var sum = vec4f(0.0);
  ${segments.join("\n  ")}`,
    bytes: 8 * rows.count * columns,
  });
}
