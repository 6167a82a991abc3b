/** The backward pass as kernels: `forward.ts` from its end to its beginning, each line's gradient in its place. */
import { headColumns, pad4 } from "../run/layout.ts";
import { sameRows, segmentAt } from "./rows.ts";
import { activation, embedding, layerNorm, parameter, type Pass, projections } from "./forward.ts";
import { ACTIVATION } from "./webgpu/kernels/activation.ts";
import { attentionBackward, type Partial, sharedPositions } from "./webgpu/kernels/attention.ts";
import { addParts, type Area, biasGradient, normGradient, whole } from "./webgpu/kernels/columns.ts";
import { embedBackward } from "./webgpu/kernels/embed.ts";
import { fold, type Source } from "./webgpu/kernels/fold.ts";
import { type Epilogue, product, type View } from "./webgpu/kernels/gemm.ts";
import { type Kernel, read } from "./webgpu/kernels/kernel.ts";
import { normBackward } from "./webgpu/kernels/norm.ts";
import { poolBackward } from "./webgpu/kernels/pool.ts";

export function backward(pass: Pass): Kernel[] {
  const { spec: { model }, layout, tile, sums, examples, rows, at, end, buffer, batch } = pass;
  const { blocks, sizes } = layout;
  const D = pad4(sizes.D), M = pad4(sizes.M), HK = headColumns(sizes), C = blocks.get("W_U")!.stride;
  const kernels: Kernel[] = [];
  const scratch = (floats: number) => buffer("partial", floats);

  /** dx = dy · Wᵀ, then what the epilogue makes of it. */
  const inputGradient = (label: string, m: number, n: number, k: number, dy: View, W: View, dx: View, epilogue?: Epilogue) =>
    kernels.push(...product({ label, m, n, k, a: dy, b: W, c: dx, form: "nt", tile, ...(epilogue ? { epilogue } : {}) }, scratch));
  /** dW = xᵀ · dy and db = Σ dy; the contraction runs over rows, cut into parts that are added in order. */
  const weightGradient = (name: string, column: number, x: Area, dy: Area, bias: string) => {
    const block = blocks.get(name)!;
    const view = (area: Area) => activation(area.buffer, area.allRows, area.stride, area.firstRow, area.column);
    const label = `d${name} = ${x.buffer}ᵀ · ${dy.buffer}`, c = parameter(pass, block, column, "grads");
    kernels.push(...product({ label, m: x.width, n: dy.width, k: x.rows, a: view(x), b: view(dy), c, form: "tn", tile }, scratch));
    if (model.biases) kernels.push(biasGradient(layout, sums, dy, blocks.get(bias)!.offset + column));
  };
  const normGradients = (name: string, rows: number, x: string, stats: string, dy: string, dx: string, add?: string) => {
    const norm = layerNorm(pass, name, rows, x, stats);
    kernels.push(normBackward(norm, dy, dx, add), normGradient(layout, sums, norm, dy));
  };

  // The output head.
  const last = rows.at(-1)!.output;
  const out = model.norm === "none" ? at(sizes.L, "resid_pre") : end("ln_final");
  const pooled = model.pooling === "mean" ? end("pooled") : out;
  const top = (name: string) => buffer(name, last.count * D);
  const dResid = (l: number) => `d.${l % 2}.resid`;
  weightGradient("W_U", 0, whole(pooled, examples, { stride: D }), whole("d.logits", examples, { stride: C }), "b_U");
  const dFinal = top(model.norm === "none" ? dResid(sizes.L) : "d.ln_final");
  const dPooled = model.pooling === "mean" ? buffer("d.pooled", examples * D) : dFinal;
  inputGradient(
    `${dPooled} = d.logits · W_Uᵀ`,
    examples,
    D,
    C,
    activation("d.logits", examples, C),
    parameter(pass, blocks.get("W_U")!),
    activation(dPooled, examples, D),
  );
  if (model.pooling === "mean") kernels.push(poolBackward(last, { examples, C: sizes.C, D, dy: dPooled, dx: dFinal }));
  if (model.norm !== "none") {
    normGradients("ln_final", last.count, at(sizes.L, "resid_pre"), end("stats_final"), dFinal, top(dResid(sizes.L)));
  }

  rows.map((layer, l) => ({ layer, l })).reverse().forEach(({ layer, l }) => {
    const X = layer.input.count, Y = layer.output.count;
    const matrix = (name: string, column = 0) => parameter(pass, blocks.get(`${l}.${name}`)!, column);
    const dY = (name: string) => buffer(`d.${name}`, Y * D);

    // The feed-forward part.
    let dSum = dResid(l + 1);
    if (model.norm === "post") normGradients(`${l}.ln2`, Y, at(l, "sum_post"), at(l, "stats2"), dSum, dSum = dY("sum_post"));
    const dPre = buffer("d.mlp_pre", Y * M), pre = at(l, "mlp_pre");
    inputGradient(`${dPre} = act'(${pre}) ∘ ${dSum} · W_outᵀ`, Y, M, D, activation(dSum, Y, D), matrix("W_out"), activation(dPre, Y, M), {
      bindings: [read.vec4f(pre, "[R, rows, M]", "pre")],
      functions: ACTIVATION[model.activation],
      store: (value, _row, _col4, _r, index) => `out[${index}] = ${value} * dact(pre[${index}]);`,
    });
    weightGradient(`${l}.W_out`, 0, whole(at(l, "mlp_post"), Y, { stride: M }), whole(dSum, Y, { stride: D }), `${l}.b_out`);
    const mlpIn = at(l, model.norm === "pre" ? "ln2" : "mid");
    weightGradient(`${l}.W_in`, 0, whole(mlpIn, Y, { stride: D }), whole(dPre, Y, { stride: M }), `${l}.b_in`);
    const dMid = dY("mid"), dMlpIn = model.norm === "pre" ? dY("ln") : dMid;
    inputGradient(
      `${dMlpIn} = ${dPre} · W_inᵀ`,
      Y,
      D,
      M,
      activation(dPre, Y, M),
      matrix("W_in"),
      activation(dMlpIn, Y, D),
      model.norm === "pre" ? undefined : {
        bindings: [read.vec4f(dSum, "[R, rows, D]", "around")],
        store: (value, _row, _col4, _r, index) => `out[${index}] = ${value} + around[${index}];`,
      },
    );
    if (model.norm === "pre") normGradients(`${l}.ln2`, Y, at(l, "mid"), at(l, "stats2"), dMlpIn, dMid, dSum);

    // Attention.
    let dAttended = dMid;
    if (model.norm === "post") normGradients(`${l}.ln1`, Y, at(l, "sum_mid"), at(l, "stats1"), dMid, dAttended = dY("sum_mid"));
    weightGradient(`${l}.W_O`, 0, whole(at(l, "z"), Y, { stride: HK }), whole(dAttended, Y, { stride: D }), `${l}.b_O`);
    const dz = buffer("d.z", Y * HK), dqkv = buffer("d.qkv", X * 3 * HK), qkv = at(l, "qkv"), pattern = at(l, "pattern");
    inputGradient(`${dz} = ${dAttended} · W_Oᵀ`, Y, HK, D, activation(dAttended, Y, D), matrix("W_O"), activation(dz, Y, HK));
    const partials = layer.groups.map((group): Partial => {
      const positions = sharedPositions(pass.spec, layer, group);
      const name = `d.shared_${group.depends}`;
      return { group, positions, buffer: positions.length === 0 ? name : buffer(name, group.count * positions.length * 3 * HK) };
    });
    for (const partial of partials) {
      kernels.push(attentionBackward(pass.spec, layer, partial.group, { batch, examples, qkv, pattern, dz, dqkv, partial }));
    }
    if (partials.some(({ positions }) => positions.length > 0)) kernels.push(foldShared(pass, l, partials, dqkv));

    const source = at(l, model.norm === "pre" ? "ln1" : "resid_pre");
    const fansOut = !sameRows(layer.input, layer.output), dNext = buffer(dResid(l), X * D);
    const dAround = fansOut ? buffer("d.around", X * D) : dAttended;
    const dSource = model.norm === "pre" ? buffer("d.ln", X * D) : dNext;
    if (fansOut) kernels.push(foldResidual(pass, l, dAttended, dAround));
    projections(layer, HK).forEach(({ firstRow, rows, column, width }, i) => {
      const dy: Area = { buffer: dqkv, allRows: X, firstRow, rows, stride: 3 * HK, column, width };
      weightGradient(
        `${l}.W_QKV`,
        column,
        { buffer: source, allRows: X, firstRow, rows, stride: D, column: 0, width: D },
        dy,
        `${l}.b_QKV`,
      );
      const plus = i > 0 ? "out" : model.norm === "pre" ? null : "around";
      inputGradient(
        `${dSource} = ${dqkv} · W_QKVᵀ`,
        rows,
        D,
        width,
        activation(dqkv, X, 3 * HK, firstRow, column),
        matrix("W_QKV", column),
        activation(dSource, X, D, firstRow),
        {
          bindings: plus === "around" ? [read.vec4f(dAround, "[R, input rows, D]", "around")] : [],
          store: (value, _row, _col4, _r, index) => `out[${index}] = ${value}${plus ? ` + ${plus}[${index}]` : ""};`,
        },
      );
    });
    if (model.norm === "pre") normGradients(`${l}.ln1`, X, at(l, "resid_pre"), at(l, "stats1"), dSource, dNext, dAround);
  });

  kernels.push(embedBackward(embedding(pass), dResid(0)));
  if (layout.length > layout.vectorsFrom) kernels.push(addParts(layout, sums));
  return kernels;
}

/** dqkv of rows that examples share: the sum over the groups of queries, and in them over the index. */
function foldShared({ layout: { sizes }, rows, examples }: Pass, l: number, partials: readonly Partial[], dqkv: string): Kernel {
  const HK4 = headColumns(sizes) / 4;
  const using = partials.filter(({ positions }) => positions.length > 0);
  return fold({
    label: `${dqkv} = sums over examples, shared rows`,
    rows: rows[l].input,
    sources: ({ position, depends }) =>
      depends === "ab"
        ? null
        : using.filter(({ positions }) => positions.includes(position)).map(({ buffer, group, positions }): Source => ({
          depends: group.depends,
          term: (e) =>
            `${buffer.split(".")[1]}[((r * ${group.count}u + ${e}) * ${positions.length}u + ${positions.indexOf(position)}u) * ${
              3 * HK4
            }u + c]`,
          ...(group.queries.some((query) => query.position === position) ? {} : { only: `c >= ${HK4}u` }),
        })),
    columns: 12 * HK4,
    bindings: using.map(({ buffer }) => read.vec4f(buffer, "[R, index, shared, 3, H, K]")),
    out: dqkv,
    examples,
    C: sizes.C,
  });
}

/** The gradient that goes around the attention, from a layer's output rows to its input rows; zero where a position is no query. */
function foldResidual({ layout: { sizes }, rows, examples }: Pass, l: number, from: string, out: string): Kernel {
  const { input, output } = rows[l];
  const D = pad4(sizes.D);
  return fold({
    label: `${out} = ${from} by input row`,
    rows: input,
    sources: ({ position }) => {
      const query = segmentAt(output, position);
      if (!query) return [];
      return [{ depends: query.depends, term: (e) => `dy[(r * ${output.count}u + ${query.base}u + ${e}) * ${D / 4}u + c]` }];
    },
    columns: D,
    bindings: [read.vec4f(from, "[R, rows, D]", "dy")],
    out,
    examples,
    C: sizes.C,
  });
}
