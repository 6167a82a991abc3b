/** The mean over positions, where positions may share rows between examples; and back. */
import { rowOf, type Rows, UNPACK } from "../../rows.ts";
import { fold } from "./fold.ts";
import { elementwise, type Kernel, name, read, write } from "./kernel.ts";

/** out[example] = mean over positions of x[its row] */
export function pool(
  rows: Rows,
  { batch, examples, D, x, out }: {
    readonly batch: string;
    readonly examples: number;
    readonly D: number;
    readonly x: string;
    readonly out: string;
  },
): Kernel {
  const D4 = D / 4;
  const terms = rows.segments.map((segment) => `x[(r * ${rows.count}u + ${rowOf(segment, "ab", "e", "pair")}) * ${D4}u + d4]`);
  return elementwise({
    label: `${out} = mean over positions of ${x}`,
    count: examples * D4,
    bindings: [read.u32(batch, "[R, B]"), read.vec4f(x, "[R, rows, D]", "x"), write.vec4f(out, "[R, B, D]", "out")],
    functions: UNPACK,
    body: `
  let e = i / ${D4}u;
  let d4 = i % ${D4}u;
  let pair = ${name(batch)}[r * ${examples}u + e];
  out[(r * ${examples}u + e) * ${D4}u + d4] = (${terms.join(" + ")}) * ${1 / rows.segments.length};`,
    flop: examples * D * rows.segments.length,
    bytes: 4 * examples * D * (rows.segments.length + 1),
  });
}

/** dx[row] = Σ over its examples of dy / T */
export const poolBackward = (
  rows: Rows,
  { examples, C, D, dy, dx }: {
    readonly examples: number;
    readonly C: number;
    readonly D: number;
    readonly dy: string;
    readonly dx: string;
  },
): Kernel =>
  fold({
    label: `${dx} = spread of ${dy} over positions`,
    rows,
    sources: () => [{ depends: "ab", term: (e) => `dy[(r * ${examples}u + ${e}) * ${D / 4}u + c]` }],
    columns: D,
    bindings: [read.vec4f(dy, "[R, B, D]", "dy")],
    out: dx,
    examples,
    C,
    scale: 1 / rows.segments.length,
  });
