/** The forward pass as kernels. What stands here in words is the whole model; `backward.ts` walks it the other way. */
import { type Block, headColumns, type Layout, pad4 } from "../layout.ts";
import { type RunSpec, tokenNames } from "../spec.ts";
import { ACTIVATION } from "./kernels/activation.ts";
import { attention } from "./kernels/attention.ts";
import { type Embed, embed } from "./kernels/embed.ts";
import { type Epilogue, gemm, type Tile, type View } from "./kernels/gemm.ts";
import { type Kernel, name, read, write } from "./kernels/kernel.ts";
import { type Norm, norm } from "./kernels/norm.ts";
import { pool } from "./kernels/pool.ts";
import { type LayerRows, rowOf, sameRows, segmentAt, UNPACK } from "./rows.ts";

/** One pass through the model: for the batch of an update, or a chunk of an evaluation. */
export interface Pass {
  readonly spec: RunSpec;
  readonly layout: Layout;
  readonly tile: Tile;
  /** Examples of the pass. */
  readonly examples: number;
  readonly rows: readonly LayerRows[];
  /** The buffer of packed pairs. */
  readonly batch: string;
  /** The name of a layer's buffer, and of one after the last layer. */
  readonly at: (l: number, name: string) => string;
  readonly end: (name: string) => string;
  /** Makes sure that a buffer has so many floats a run, and gives its name. */
  readonly buffer: (name: string, floats: number) => string;
}

/** Rows × columns of an activation: `firstRow` of `allRows`, from `column`. */
export const activation = (buffer: string, allRows: number, stride: number, firstRow = 0, column = 0): View => ({
  buffer,
  offset: firstRow * stride + column,
  runStride: allRows * stride,
  stride,
  shape: "[R, rows, columns]",
});

/** A matrix of the parameters (or of their gradient), from a column. */
export const parameter = ({ layout }: Pass, block: Block, column = 0, buffer = "params"): View => ({
  buffer,
  offset: block.offset + column,
  runStride: layout.length,
  stride: block.stride,
  shape: "[R, P]",
});

export const embedding = ({ spec, layout, rows, examples }: Pass): Embed => ({
  sizes: layout.sizes,
  names: tokenNames(spec.model.tokens),
  rows: rows[0].input,
  examples,
  P: layout.length,
  W_E: layout.blocks.get("W_E")!,
  W_pos: layout.blocks.get("W_pos")!,
});

/** The LayerNorm of a name (`0.ln1`, `ln_final`) on a buffer's rows. */
export const layerNorm = (pass: Pass, name: string, rows: number, x: string, stats: string): Norm => ({
  rows,
  D: pass.layout.sizes.D,
  P: pass.layout.length,
  w: pass.layout.blocks.get(`${name}.w`)!,
  b: pass.layout.blocks.get(`${name}.b`)!,
  x,
  stats: pass.buffer(stats, 2 * rows),
});

/** Which part of the stacked queries, keys and values is computed for which input rows: not all rows are queries in the last layer. */
export function projections({ input, output }: LayerRows, columns: number) {
  const queries = output.segments.map(({ position }) => segmentAt(input, position));
  const first = queries[0].base, count = queries.reduce((sum, segment) => sum + segment.count, 0);
  if (count === input.count) return [{ firstRow: 0, rows: count, column: 0, width: 3 * columns }];
  return [
    { firstRow: 0, rows: input.count, column: columns, width: 2 * columns },
    { firstRow: first, rows: count, column: 0, width: columns },
  ];
}

/** WGSL: `fn input_row(r, row)`, the layer's input row that an output row's residual stream comes from. */
function inputRow({ input, output }: LayerRows, batch: string, examples: number): string {
  const lines = output.segments.map((segment) => {
    const own = rowOf(
      segmentAt(input, segment.position),
      segment.depends,
      `(row - ${segment.base}u)`,
      `${name(batch)}[r * ${examples}u + row - ${segment.base}u]`,
    );
    return `if (row >= ${segment.base}u) { own = ${own}; }`;
  });
  return `${UNPACK}
fn input_row(r: u32, row: u32) -> u32 {
  var own = 0u;
  ${lines.join("\n  ")}
  return own;
}`;
}

export function forward(pass: Pass): Kernel[] {
  const { spec: { model }, layout: { length: P, blocks, sizes }, tile, examples, rows, at, end, buffer, batch } = pass;
  const D = pad4(sizes.D), M = pad4(sizes.M), HK = headColumns(sizes);
  const bias = (name: string, column = 0) =>
    model.biases
      ? (col4: string, r: string) => ` + params[${r} * ${P / 4}u + ${(blocks.get(name)!.offset + column) / 4}u + ${col4}]`
      : () => "";
  const index = (rows: number, stride: number) => (r: string, row: string, col4: string) =>
    `(${r} * ${rows}u + ${row}) * ${stride / 4}u + ${col4}`;
  const kernels: Kernel[] = [];
  /** out = x · W + …: `plus` is what is added to the product, `store` what becomes of it. */
  const linear = (label: string, m: number, n: number, k: number, a: View, W: View, c: View, epilogue: Epilogue) =>
    kernels.push(gemm({ label, m, n, k, a, b: W, c, form: "nn", epilogue, tile }));

  kernels.push(embed(embedding(pass), batch, buffer(at(0, "resid_pre"), rows[0].input.count * D)));

  rows.forEach((layer, l) => {
    const X = layer.input.count, Y = layer.output.count;
    const layerBuffer = (name: string, floats: number) => buffer(at(l, name), floats);
    const matrix = (name: string, column = 0) => parameter(pass, blocks.get(`${l}.${name}`)!, column);
    const resid = at(l, "resid_pre");

    let source = resid;
    if (model.norm === "pre") {
      source = layerBuffer("ln1", X * D);
      kernels.push(norm(layerNorm(pass, `${l}.ln1`, X, resid, at(l, "stats1")), source));
    }
    const qkv = layerBuffer("qkv", X * 3 * HK);
    for (const { firstRow, rows, column, width } of projections(layer, HK)) {
      const c = activation(qkv, X, 3 * HK, firstRow, column);
      const add = bias(`${l}.b_QKV`, column);
      linear(`${qkv} = ${source} · W_QKV`, rows, width, D, activation(source, X, D, firstRow), matrix("W_QKV", column), c, {
        store: (value, row, col4, r, at) => `${at} = ${value}${add(col4, r)};`,
      });
    }
    const pattern = layerBuffer("pattern", Y * sizes.H * 4), z = layerBuffer("z", Y * HK);
    for (const group of layer.groups) kernels.push(attention(pass.spec, layer, group, { batch, examples, qkv, pattern, z }));

    // The residual stream goes around the attention; where rows are shared below and not above, it fans out.
    const mid = layerBuffer("mid", Y * D), attended = model.norm === "post" ? layerBuffer("sum_mid", Y * D) : mid;
    const direct = sameRows(layer.input, layer.output);
    const addO = bias(`${l}.b_O`);
    linear(`${attended} = ${resid} + ${z} · W_O`, Y, D, HK, activation(z, Y, HK), matrix("W_O"), activation(attended, Y, D), {
      bindings: [read.vec4f(resid, "[R, input rows, D]", "resid"), ...(direct ? [] : [read.u32(batch, "[R, B]")])],
      functions: direct ? "" : inputRow(layer, batch, examples),
      store: (value, row, col4, r, at) =>
        `${at} = ${value}${addO(col4, r)} + resid[${index(X, D)(r, direct ? row : `input_row(${r}, ${row})`, col4)}];`,
    });
    if (model.norm === "post") kernels.push(norm(layerNorm(pass, `${l}.ln1`, Y, attended, at(l, "stats1")), mid));

    let mlpIn = mid;
    if (model.norm === "pre") {
      mlpIn = layerBuffer("ln2", Y * D);
      kernels.push(norm(layerNorm(pass, `${l}.ln2`, Y, mid, at(l, "stats2")), mlpIn));
    }
    const pre = layerBuffer("mlp_pre", Y * M), post = layerBuffer("mlp_post", Y * M);
    const addIn = bias(`${l}.b_in`);
    linear(`${post} = act(${mlpIn} · W_in)`, Y, M, D, activation(mlpIn, Y, D), matrix("W_in"), activation(pre, Y, M), {
      bindings: [write.vec4f(post, "[R, rows, M]", "post")],
      functions: ACTIVATION[model.activation],
      store: (value, row, col4, r, at) =>
        `let pre_act = ${value}${addIn(col4, r)}; ${at} = pre_act; post[${index(Y, M)(r, row, col4)}] = act(pre_act);`,
    });
    const next = buffer(at(l + 1, "resid_pre"), Y * D), summed = model.norm === "post" ? layerBuffer("sum_post", Y * D) : next;
    const addOut = bias(`${l}.b_out`);
    linear(`${summed} = ${mid} + ${post} · W_out`, Y, D, M, activation(post, Y, M), matrix("W_out"), activation(summed, Y, D), {
      bindings: [read.vec4f(mid, "[R, rows, D]", "mid")],
      store: (value, row, col4, r, at) => `${at} = ${value}${addOut(col4, r)} + mid[${index(Y, D)(r, row, col4)}];`,
    });
    if (model.norm === "post") kernels.push(norm(layerNorm(pass, `${l}.ln2`, Y, summed, at(l, "stats2")), next));
  });

  const last = rows.at(-1)!.output;
  let out = at(sizes.L, "resid_pre");
  if (model.norm !== "none") {
    const final = buffer(end("ln_final"), last.count * D);
    kernels.push(norm(layerNorm(pass, "ln_final", last.count, out, end("stats_final")), final));
    out = final;
  }
  if (model.pooling === "mean") kernels.push(pool(last, { batch, examples, D, x: out, out: buffer(end("pooled"), examples * D) }));
  const pooled = model.pooling === "mean" ? end("pooled") : out;
  const addU = bias("b_U");
  const W_U = blocks.get("W_U")!;
  const logits = buffer(end("logits"), examples * W_U.stride);
  linear(
    `${logits} = ${pooled} · W_U`,
    examples,
    W_U.stride,
    D,
    activation(pooled, examples, D),
    parameter(pass, W_U),
    activation(logits, examples, W_U.stride),
    {
      store: (value, _row, col4, r, at) => `${at} = ${value}${addU(col4, r)};`,
    },
  );
  return kernels;
}
