/** The mean over positions, where positions may share rows between examples; and back. */
import type { Pool, PoolBackward } from "../../op.ts";
import { foldInto } from "./fold.ts";
import { elementwise, type Kernel, name, read, rowsOf, whole, write } from "./kernel.ts";
import { rowOf, UNPACK } from "./pair.ts";

/** out[example] = mean over positions of x[its row] */
export function pool({ label, batch, examples, positions, width, x, out }: Pool): Kernel {
  const D4 = width / 4;
  const terms = positions.map((rows) => `x[(r * ${rowsOf(x)}u + ${rowOf(rows, "e", "pair")}) * ${D4}u + d4]`);
  return elementwise({
    label,
    count: examples * D4,
    bindings: [read.u32(batch, "[R, B]"), read.vec4f(whole(x), "[R, rows, D]", "x"), write.vec4f(whole(out), "[R, B, D]", "out")],
    functions: UNPACK,
    body: `
  let e = i / ${D4}u;
  let d4 = i % ${D4}u;
  let pair = ${name(batch)}[r * ${examples}u + e];
  out[(r * ${examples}u + e) * ${D4}u + d4] = (${terms.join(" + ")}) * ${1 / positions.length};`,
    flop: examples * width * positions.length,
    bytes: 4 * examples * width * (positions.length + 1),
  });
}

/** dx[row] = Σ over its examples of dy / T */
export function poolBackward({ label, positions, width, lists, B, C, dy, dx }: PoolBackward): Kernel {
  const source = { term: (e: string) => `dy[(r * ${B}u + ${e}) * ${width / 4}u + c]` };
  return foldInto({
    label,
    segments: positions.map(({ by, base, count }) => ({ first: base, count, sources: [{ ...source, by }] })),
    width,
    bindings: [read.vec4f(whole(dy), "[R, B, D]", "dy")],
    out: dx,
    ...{ lists, B, C },
    scale: 1 / positions.length,
  });
}
