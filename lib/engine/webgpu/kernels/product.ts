/** A product of the plan as kernels: the epilogue in WGSL, and the parts that a tile cuts a long contraction into. */
import type { Product, RowMap, View as Matrix } from "../../op.ts";
import { ACTIVATION } from "./activation.ts";
import { type Epilogue, type Gemm, gemm, sumSplits, type Tile, type View } from "./gemm.ts";
import { type Kernel, read, rowsOf, write } from "./kernel.ts";
import { UNPACK, within } from "./pair.ts";

const viewOf = ({ buffer, offset, stride, words }: Matrix): View => ({
  ...{ buffer, offset, stride, runStride: words },
  shape: buffer === "params" || buffer === "grads" ? "[R, P]" : "[R, rows, columns]",
});

/**
 * One kernel, or two where the tile cuts the contraction: partial sums into a buffer that `scratch` provides, then their sum, with the
 * epilogue.
 */
export function product(op: Product, tile: Tile, scratch: (words: number) => string): Kernel[] {
  const { label, form, m, n, k, a, b, c } = op, splits = tile.splits(op), sizes = { form, m, n, k };
  const epilogue = isPlain(op) ? {} : { epilogue: epilogueOf(op) };
  const options: Gemm = { label, ...sizes, a: viewOf(a), b: viewOf(b), c: viewOf(c), tile };
  if (splits === 1) return [gemm({ ...options, ...epilogue })];
  const partial: View = { buffer: scratch(splits * m * n), offset: 0, runStride: splits * m * n, stride: n, shape: "[R, split, m, n]" };
  return [
    gemm({ ...options, label: `${label}, parts`, c: partial, splits }),
    sumSplits({ label: `${label}, sum of parts`, m, n, splits, partial, c: options.c, ...epilogue }),
  ];
}

const isPlain = ({ bias, add, activation, derivative, columns }: Product) => !bias && !add && !activation && !derivative && !columns;

/** What becomes of each vec4f `value` of C, as WGSL. */
function epilogueOf(op: Product): Epilogue {
  const { form, c, bias, add, activation, derivative, columns } = op;
  for (const other of [activation?.out, derivative?.pre, add?.rows ? undefined : add?.from]) if (other) sameShape(op, other);
  const inPlace = add?.from.buffer === c.buffer,
    added = form === "nn" ? "resid" : "around",
    map = add?.rows && inputRow(add.from, add.rows);
  const f = activation ?? derivative;
  const addend = (row: string, col4: string, r: string, index: string) => {
    if (!add) return "";
    if (map) return ` + ${added}[(${r} * u.input_rows + input_row(${r}, ${row})) * u.c_row + ${col4}]`;
    return ` + ${inPlace ? "out" : added}[${index}]`;
  };
  return {
    bindings: [
      ...(bias ? [read.vec4f(bias.buffer, "[R, P]", "params")] : []),
      ...(add && !inPlace ? [read.vec4f(add.from.buffer, "[R, rows, columns]", added)] : []),
      ...(add?.rows ? [read.u32(add.rows.batch, "[R, B]", "batch")] : []),
      ...(activation ? [write.vec4f(activation.out.buffer, "[R, rows, columns]", "post")] : []),
      ...(derivative ? [read.vec4f(derivative.pre.buffer, "[R, rows, columns]", "pre")] : []),
    ],
    functions: `${map?.functions ?? ""}${f ? ACTIVATION[f.name] : ""}`,
    constants: { ...map?.constants, ...bias && { P4: bias.words / 4, bias: bias.offset / 4 }, ...columns && { columns } },
    store: (all, row, col4, r, index) => {
      const value = columns ? `select(vec4f(), ${all}, 4u * vec4u(${col4}) + vec4u(0u, 1u, 2u, 3u) < vec4u(u.columns))` : all;
      const biased = bias ? `(${value} + params[${r} * u.P4 + u.bias + ${col4}])` : value;
      const sum = `${biased}${addend(row, col4, r, index)}`;
      if (activation) return `let pre = ${sum}; out[${index}] = pre; post[${index}] = act(pre);`;
      return derivative ? `out[${index}] = ${add ? `(${sum})` : sum} * dact(pre[${index}]);` : `out[${index}] = ${sum};`;
    },
  };
}

/** @throws Error where a matrix isn't addressed as C is. */
function sameShape({ label, c }: Product, other: Matrix): void {
  if (other.offset === c.offset && other.stride === c.stride && other.words === c.words) return;
  throw new Error(`Cannot lower ${label}: ${other.buffer} must lie as ${c.buffer} does, current values are ${JSON.stringify([other, c])}`);
}

/** The row of `from` that belongs to a row of C, as `fn input_row(r, row)` in WGSL, and the constants it reads. */
function inputRow(from: Matrix, { examples, segments }: RowMap): Required<Pick<Epilogue, "functions" | "constants">> {
  const lines = segments.map(({ to }, i) => {
    const own = `row - u.from_${i}`;
    return `if (row >= u.from_${i}) { at = u.to_${i} + ${within(to, own, `batch[r * u.examples + ${own}]`)}; }`;
  });
  const bases = segments.flatMap(({ first, to }, i) => [[`from_${i}`, first], [`to_${i}`, to.base]]);
  return {
    functions: `${UNPACK}
fn input_row(r: u32, row: u32) -> u32 {
  var at = 0u;
  ${lines.join("\n  ")}
  return at;
}`,
    constants: { examples, input_rows: rowsOf(from), ...Object.fromEntries(bases) },
  };
}
