/**
 * Gradients of vectors (biases, LayerNorm) are sums over rows. Every one is cut into the same parts of its rows, one thread for four
 * columns of a part; the parts of all vectors lie together in `vector_sums` and are added by one kernel at the end.
 */
import type { Layout } from "../../../run/layout.ts";
import type { View } from "../../op.ts";
import { lines, range } from "./gemm/view.ts";
import { elementwise, type Kernel, read, rowsOf, write } from "./kernel.ts";

/** Threads that share a sum over a row. */
export type Lanes = 1 | 32;

/** How sums over rows are taken, and over a row. */
export interface Sums {
  /** Parts that the rows are cut into. */
  readonly parts: number;
  /** Rows that a thread fetches before it adds them, one after the other as ever: so it waits for memory once for all of them. */
  readonly atOnce: 1 | 8;
  readonly lanes: Lanes;
}

/** For sums over so many rows at most: a card has threads to spare, and each fetch takes it long. */
export const sumsOf = (kind: "software" | "gpu", rows: number): Sums =>
  kind === "software"
    ? { parts: 16, atOnce: 1, lanes: 1 }
    : { parts: Math.min(128, Math.max(16, 8 * Math.ceil(rows / 512))), atOnce: 8, lanes: 32 };

/** Floats of `vector_sums` a run. */
export const vectorSumFloats = ({ length, vectorsFrom }: Layout, { parts }: Sums) => parts * (length - vectorsFrom);

/** Of `vector_sums`. */
export const partsShape = "[R, part, vectors]";

/** WGSL: from where `index` stands to `end`, fetches and adds; what is fetched n-th at once is told apart by `n`. */
function inOrder({ atOnce }: Sums, index: string, end: string, fetch: (n: number, index: string) => string, add: (n: number) => string) {
  const single = `for (; ${index} < ${end}; ${index}++) { ${fetch(0, index)} ${add(0)} }`, each = range(atOnce);
  if (atOnce === 1) return single;
  return `for (; ${index} + ${atOnce - 1}u < ${end}; ${index} += ${atOnce}u) {
${lines(each, (n) => `    ${fetch(n, `(${index} + ${n}u)`)}`)}
    ${each.map(add).join(" ")}
  }
  ${single}`;
}

/** WGSL: the rows of this thread's part; `k` is the vec4 column, `s` the part, a row counts within the area. */
export const partOfRows = (sums: Sums, before: string, fetch: (n: number, row: string) => string, add: (n: number) => string) => `
  let s = i / u.W4;
  let k = i % u.W4;
  ${before}
  let part = (u.rows + ${sums.parts - 1}u) / ${sums.parts}u;
  let end = min((s + 1u) * part, u.rows);
  var row = s * part;
  ${inOrder(sums, "row", "end", fetch, add)}`;

/** WGSL: where this thread leaves its sum, among the vectors by a constant. */
export const target = ({ parts }: Sums, constant: string) => `vector_sums[(r * ${parts}u + s) * u.vectors + u.${constant} + k]`;

/** Vec4s of all vectors, and where one of them lies among them. */
export const vectors = ({ length, vectorsFrom }: Layout) => (length - vectorsFrom) / 4;
export const among = ({ vectorsFrom }: Layout, offset: number) => (offset - vectorsFrom) / 4;

/** db = Σ_rows dy over `rows` × `width` of a view, into a vector of the gradient. */
export function biasGradient(layout: Layout, sums: Sums, dy: View, rows: number, width: number, db: View): Kernel {
  const { buffer, offset, stride } = dy;
  return elementwise({
    label: `bias gradient = sums of ${buffer}`,
    count: (width / 4) * sums.parts,
    bindings: [read.vec4f(buffer, "[R, rows, columns]", "dy"), write.vec4f("vector_sums", partsShape)],
    constants: {
      W4: width / 4,
      rows,
      all_rows: rowsOf(dy),
      first_row: Math.floor(offset / stride),
      stride: stride / 4,
      column: (offset % stride) / 4,
      vectors: vectors(layout),
      bias: among(layout, db.offset),
    },
    body: `${
      partOfRows(
        sums,
        "var sum = vec4f(0.0);",
        (n, row) => `let d${n} = dy[(r * u.all_rows + u.first_row + ${row}) * u.stride + u.column + k];`,
        (n) => `sum += d${n};`,
      )
    }
  ${target(sums, "bias")} = sum;`,
    flop: rows * width,
    bytes: 4 * rows * width,
  });
}

/** grads of all vectors = their parts, added in order. */
export function addParts(layout: Layout, sums: Sums): Kernel {
  const count = vectors(layout), { parts } = sums;
  const fetch = (n: number, s: string) => `let p${n} = vector_sums[(r * ${parts}u + ${s}) * u.count + i];`;
  return elementwise({
    label: "vector gradients = Σ parts",
    count,
    bindings: [read.vec4f("vector_sums", partsShape), write.vec4f("grads", "[R, P]")],
    constants: { P4: layout.length / 4, vectors_from: layout.vectorsFrom / 4 },
    body: `
  var sum = vec4f(0.0);
  var s = 0u;
  ${inOrder(sums, "s", `${parts}u`, fetch, (n) => `sum += p${n};`)}
  grads[r * u.P4 + u.vectors_from + i] = sum;`,
    flop: parts * count * 4,
    bytes: 4 * (parts + 1) * count * 4,
  });
}
