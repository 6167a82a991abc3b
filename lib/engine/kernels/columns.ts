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
const parts = (before: string, body: string) => `
  let s = i / u.W4;
  let k = i % u.W4;
  ${before}
  let part = (u.rows + ${PARTS - 1}u) / ${PARTS}u;
  for (var row = s * part; row < min((s + 1u) * part, u.rows); row++) {
    ${body}
  }`;

const target = (constant: string) => `vector_sums[(r * ${PARTS}u + s) * u.vectors + u.${constant} + k]`;

/** Vec4s of all vectors, and where one of them lies among them. */
const vectors = ({ length, vectorsFrom }: Layout) => (length - vectorsFrom) / 4;
const among = ({ vectorsFrom }: Layout, offset: number) => (offset - vectorsFrom) / 4;

/** db = Σ_rows dy, into the vector whose column 0 lies at `offset` of the parameters. */
export function biasGradient(layout: Layout, dy: Area, offset: number): Kernel {
  const { buffer, allRows, firstRow, rows, stride, column, width } = dy;
  return elementwise({
    label: `bias gradient = sums of ${buffer}`,
    count: (width / 4) * PARTS,
    bindings: [read.vec4f(buffer, "[R, rows, columns]", "dy"), write.vec4f("vector_sums", shape)],
    constants: {
      W4: width / 4,
      rows,
      all_rows: allRows,
      first_row: firstRow,
      stride: stride / 4,
      column: column / 4,
      vectors: vectors(layout),
      bias: among(layout, offset),
    },
    body: `${parts("var sum = vec4f(0.0);", "sum += dy[(r * u.all_rows + u.first_row + row) * u.stride + u.column + k];")}
  ${target("bias")} = sum;`,
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
    constants: { W4: D4, rows, vectors: vectors(layout), w: among(layout, w.offset), b: among(layout, b.offset) },
    body: `${
      parts(
        "var dw = vec4f(0.0);\n  var db = vec4f(0.0);",
        `let at = r * u.rows + row;
    let g = dy[at * u.W4 + k];
    dw += g * (x[at * u.W4 + k] - stats[at].x) * stats[at].y;
    db += g;`,
      )
    }
  ${target("w")} = dw;
  ${target("b")} = db;`,
    flop: 5 * rows * D4 * 4,
    bytes: 32 * rows * D4,
  });
}

/** grads of all vectors = their parts, added in order. */
export function addParts(layout: Layout): Kernel {
  const count = vectors(layout);
  return elementwise({
    label: "vector gradients = Σ parts",
    count,
    bindings: [read.vec4f("vector_sums", shape), write.vec4f("grads", "[R, P]")],
    constants: { P4: layout.length / 4, vectors_from: layout.vectorsFrom / 4 },
    body: `
  var sum = vec4f(0.0);
  for (var s = 0u; s < ${PARTS}u; s++) { sum += vector_sums[(r * ${PARTS}u + s) * u.count + i]; }
  grads[r * u.P4 + u.vectors_from + i] = sum;`,
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
