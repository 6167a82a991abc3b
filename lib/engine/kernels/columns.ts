/**
 * Gradients of vectors (biases, LayerNorm) are sums over rows. Every one is cut into the same few parts of its rows, one thread for four
 * columns of a part; the parts of all vectors lie together in `vector_sums` and are added by one kernel at the end.
 */
import type { Block, Layout } from "../../layout.ts";
import { elementwise, type Kernel, read, write } from "./kernel.ts";
import type { Norm } from "./norm.ts";

/** Parts that the rows of a sum are cut into. */
const PARTS = 16;

/** Floats of `vector_sums` a run. */
export const vectorSumFloats = ({ length, vectorsFrom }: Layout) => PARTS * (length - vectorsFrom);

/** A matrix of gradients, or a part of one: `rows` from `firstRow` of a buffer with `allRows`, `width` columns from `column`. */
export interface Area {
  readonly buffer: string;
  readonly allRows: number;
  readonly firstRow: number;
  readonly rows: number;
  /** Floats a row. */
  readonly stride: number;
  readonly column: number;
  readonly width: number;
}

const shape = "[R, part, vectors]";

/** WGSL: runs `body` over the rows of this thread's part; `k` is the vec4 column, `s` the part, `row` the row within the area. */
const parts = (rows: number, W4: number, before: string, body: string) => `
  let s = i / ${W4}u;
  let k = i % ${W4}u;
  ${before}
  for (var row = s * ${Math.ceil(rows / PARTS)}u; row < min((s + 1u) * ${Math.ceil(rows / PARTS)}u, ${rows}u); row++) {
    ${body}
  }`;

const target = ({ length, vectorsFrom }: Layout, offset: number) =>
  `vector_sums[(r * ${PARTS}u + s) * ${(length - vectorsFrom) / 4}u + ${(offset - vectorsFrom) / 4}u + k]`;

/** db = Σ_rows dy, into the vector whose column 0 lies at `offset` of the parameters. */
export function biasGradient(layout: Layout, dy: Area, offset: number): Kernel {
  const { buffer, allRows, firstRow, rows, stride, column, width } = dy;
  return elementwise({
    label: `bias gradient = sums of ${buffer}`,
    count: (width / 4) * PARTS,
    bindings: [read.vec4f(buffer, "[R, rows, columns]", "dy"), write.vec4f("vector_sums", shape)],
    body: `${
      parts(
        rows,
        width / 4,
        "var sum = vec4f(0.0);",
        `sum += dy[(r * ${allRows}u + ${firstRow}u + row) * ${stride / 4}u + ${column / 4}u + k];`,
      )
    }
  ${target(layout, offset)} = sum;`,
    flop: rows * width,
    bytes: 4 * rows * width,
  });
}

/** dw = Σ_rows dy · x̂ and db = Σ_rows dy of a LayerNorm. */
export function normGradient(layout: Layout, { rows, w, b, x, stats }: Norm, dy: string): Kernel {
  const D4 = w.stride / 4;
  return elementwise({
    label: `LN gradient = sums of ${dy}`,
    count: D4 * PARTS,
    bindings: [
      read.vec4f(x, "[R, rows, D]", "x"),
      read.vec2f(stats, "[R, rows, (mean, 1/σ)]", "stats"),
      read.vec4f(dy, "[R, rows, D]", "dy"),
      write.vec4f("vector_sums", shape),
    ],
    body: `${
      parts(
        rows,
        D4,
        "var dw = vec4f(0.0);\n  var db = vec4f(0.0);",
        `let at = r * ${rows}u + row;
    let g = dy[at * ${D4}u + k];
    dw += g * (x[at * ${D4}u + k] - stats[at].x) * stats[at].y;
    db += g;`,
      )
    }
  ${target(layout, w.offset)} = dw;
  ${target(layout, b.offset)} = db;`,
    flop: 5 * rows * D4 * 4,
    bytes: 32 * rows * D4,
  });
}

/** grads of all vectors = their parts, added in order. */
export function addParts(layout: Layout): Kernel {
  const count = (layout.length - layout.vectorsFrom) / 4;
  return elementwise({
    label: "vector gradients = Σ parts",
    count,
    bindings: [read.vec4f("vector_sums", shape), write.vec4f("grads", "[R, P]")],
    body: `
  var sum = vec4f(0.0);
  for (var s = 0u; s < ${PARTS}u; s++) { sum += vector_sums[(r * ${PARTS}u + s) * ${count}u + i]; }
  grads[r * ${layout.length / 4}u + ${layout.vectorsFrom / 4}u + i] = sum;`,
    flop: PARTS * count * 4,
    bytes: 4 * (PARTS + 1) * count * 4,
  });
}

/** The whole of a matrix as an area. */
export const whole = (buffer: string, rows: number, { stride }: Pick<Block, "stride">): Area => ({
  buffer,
  allRows: rows,
  firstRow: 0,
  rows,
  stride,
  column: 0,
  width: stride,
});
