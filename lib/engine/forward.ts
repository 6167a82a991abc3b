/** The forward pass as kernels. What stands here in words is the whole model; `backward.ts` walks it the other way. */
import { type Block, headColumns, type Layout, pad4 } from "../run/layout.ts";
import { type RunSpec, tokenNames } from "../run/spec.ts";
import { ACTIVATION } from "./webgpu/kernels/activation.ts";
import { attention } from "./webgpu/kernels/attention.ts";
import type { Sums } from "./webgpu/kernels/columns.ts";
import { type Embed, embed } from "./webgpu/kernels/embed.ts";
import { type Epilogue, product, type Tile, type View } from "./webgpu/kernels/gemm.ts";
import { type Kernel, read, write } from "./webgpu/kernels/kernel.ts";
import { type Norm, norm } from "./webgpu/kernels/norm.ts";
import { pool } from "./webgpu/kernels/pool.ts";
import { type LayerRows, sameRows, segmentAt, UNPACK } from "./rows.ts";

/** One pass through the model: for the batch of an update, or a chunk of an evaluation. */
export interface Pass {
  readonly spec: RunSpec;
  readonly layout: Layout;
  readonly tile: Tile;
  readonly sums: Sums;
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
  lanes: pass.sums.lanes,
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

/** The input row that an output row's residual stream comes from, as `fn input_row(r, row)` in WGSL, and the constants it reads. */
function inputRow({ input, output }: LayerRows, examples: number): Required<Pick<Epilogue, "functions" | "constants">> {
  const lines = output.segments.map(({ position, depends }, i) => {
    const own = `row - u.from_${i}`, pair = `batch[r * u.examples + ${own}]`;
    const to = segmentAt(input, position).depends;
    return `if (row >= u.from_${i}) { at = u.to_${i} + ${depends === to ? own : `${to}_of(${pair})`}; }`;
  });
  const bases = output.segments.flatMap(({ position, base }, i) => [[`from_${i}`, base], [`to_${i}`, segmentAt(input, position).base]]);
  return {
    functions: `${UNPACK}
fn input_row(r: u32, row: u32) -> u32 {
  var at = 0u;
  ${lines.join("\n  ")}
  return at;
}`,
    constants: { examples, input_rows: input.count, ...Object.fromEntries(bases) },
  };
}

/** From the pairs to their logits; or no further than the attention patterns of the last layer. */
export function forward(pass: Pass, to: "logits" | "patterns" = "logits"): Kernel[] {
  const { spec: { model }, layout, tile, examples, rows, at, end, buffer, batch } = pass;
  const { blocks, sizes } = layout;
  const D = pad4(sizes.D), M = pad4(sizes.M), HK = headColumns(sizes);
  /** An epilogue that adds the bias, where there is one, and does `store` with the sum. */
  const biased = (name: string, column: number, { bindings = [], constants = {}, store, ...rest }: Epilogue): Epilogue => {
    const block = blocks.get(name);
    if (!block) return { bindings, constants, store, ...rest };
    return {
      ...rest,
      bindings: [read.vec4f("params", "[R, P]"), ...bindings],
      constants: { ...constants, P4: layout.length / 4, bias: (block.offset + column) / 4 },
      store: (value, row, col4, r, index) => store(`(${value} + params[${r} * u.P4 + u.bias + ${col4}])`, row, col4, r, index),
    };
  };
  const plain: Epilogue = { store: (value, _row, _col4, _r, index) => `out[${index}] = ${value};` };
  const kernels: Kernel[] = [];
  /** c = a · W, then what the epilogue makes of it. */
  const linear = (label: string, m: number, n: number, k: number, a: View, W: View, c: View, epilogue: Epilogue) =>
    kernels.push(...product({ label, m, n, k, a, b: W, c, form: "nn", epilogue, tile }, (floats) => buffer("partial", floats)));

  kernels.push(embed(embedding(pass), batch, buffer(at(0, "resid_pre"), rows[0].input.count * D)));

  for (const [l, layer] of rows.entries()) {
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
      const W = matrix("W_QKV", column);
      linear(`${qkv} = ${source} · W_QKV`, rows, width, D, activation(source, X, D, firstRow), W, c, biased(`${l}.b_QKV`, column, plain));
    }
    const pattern = layerBuffer("pattern", Y * sizes.H * 4), z = layerBuffer("z", Y * HK);
    for (const group of layer.groups) kernels.push(attention(pass.spec, layer, group, { batch, examples, qkv, pattern, z }));
    if (to === "patterns" && l === rows.length - 1) return kernels;

    // The residual stream goes around the attention; where rows are shared below and not above, it fans out.
    const mid = layerBuffer("mid", Y * D), attended = model.norm === "post" ? layerBuffer("sum_mid", Y * D) : mid;
    const direct = sameRows(layer.input, layer.output);
    const around: Epilogue = direct ? { store: (value, _row, _col4, _r, index) => `out[${index}] = ${value} + resid[${index}];` } : {
      ...inputRow(layer, examples),
      store: (value, row, col4, r, index) =>
        `out[${index}] = ${value} + resid[(${r} * u.input_rows + input_row(${r}, ${row})) * u.c_row + ${col4}];`,
    };
    linear(
      `${attended} = ${resid} + ${z} · W_O`,
      Y,
      D,
      HK,
      activation(z, Y, HK),
      matrix("W_O"),
      activation(attended, Y, D),
      biased(`${l}.b_O`, 0, {
        ...around,
        bindings: [read.vec4f(resid, "[R, input rows, D]", "resid"), ...(direct ? [] : [read.u32(batch, "[R, B]", "batch")])],
      }),
    );
    if (model.norm === "post") kernels.push(norm(layerNorm(pass, `${l}.ln1`, Y, attended, at(l, "stats1")), mid));

    let mlpIn = mid;
    if (model.norm === "pre") {
      mlpIn = layerBuffer("ln2", Y * D);
      kernels.push(norm(layerNorm(pass, `${l}.ln2`, Y, mid, at(l, "stats2")), mlpIn));
    }
    const pre = layerBuffer("mlp_pre", Y * M), post = layerBuffer("mlp_post", Y * M);
    linear(
      `${post} = act(${mlpIn} · W_in)`,
      Y,
      M,
      D,
      activation(mlpIn, Y, D),
      matrix("W_in"),
      activation(pre, Y, M),
      biased(`${l}.b_in`, 0, {
        bindings: [write.vec4f(post, "[R, rows, M]", "post")],
        functions: ACTIVATION[model.activation],
        store: (value, _row, _col4, _r, index) => `let pre = ${value}; out[${index}] = pre; post[${index}] = act(pre);`,
      }),
    );
    const next = buffer(at(l + 1, "resid_pre"), Y * D), summed = model.norm === "post" ? layerBuffer("sum_post", Y * D) : next;
    linear(
      `${summed} = ${mid} + ${post} · W_out`,
      Y,
      D,
      M,
      activation(post, Y, M),
      matrix("W_out"),
      activation(summed, Y, D),
      biased(`${l}.b_out`, 0, {
        bindings: [read.vec4f(mid, "[R, rows, D]", "resid")],
        store: (value, _row, _col4, _r, index) => `out[${index}] = ${value} + resid[${index}];`,
      }),
    );
    if (model.norm === "post") kernels.push(norm(layerNorm(pass, `${l}.ln2`, Y, summed, at(l, "stats2")), next));
  }

  const last = rows.at(-1)!.output;
  let out = at(sizes.L, "resid_pre");
  if (model.norm !== "none") {
    const final = buffer(end("ln_final"), last.count * D);
    kernels.push(norm(layerNorm(pass, "ln_final", last.count, out, end("stats_final")), final));
    out = final;
  }
  if (model.pooling === "mean") kernels.push(pool(last, { batch, examples, D, x: out, out: buffer(end("pooled"), examples * D) }));
  const pooled = model.pooling === "mean" ? end("pooled") : out;
  const W_U = blocks.get("W_U")!, C = W_U.stride;
  const logits = activation(buffer(end("logits"), examples * C), examples, C);
  linear(
    `logits = ${pooled} · W_U`,
    examples,
    C,
    D,
    activation(pooled, examples, D),
    parameter(pass, W_U),
    logits,
    biased("b_U", 0, plain),
  );
  return kernels;
}
