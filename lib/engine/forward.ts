/** The forward pass as operations. This is the whole model; `backward.ts` is the same in reverse. */
import { tokenNames } from "../run/spec.ts";
import { layerNorm } from "./norms.ts";
import type { Attention, EmbedSegment, Inside, Op, PositionRows, Product, RowMap, View } from "./op.ts";
import type { Part, Pass } from "./pass.ts";
import { common, type Group, type LayerRows, rowsBy, sameRows, segmentAt, visible } from "./rows.ts";

/** From the pairs to their logits, the pass's share of the rows; or no further than the attention patterns of the last layer. */
export function forward(pass: Pass, to: "logits" | "patterns" = "logits"): Op[] {
  const ops: Op[] = embed(pass), last = pass.rows.length - 1;
  for (const l of pass.rows.keys()) {
    if (to === "patterns" && l === last) return [...ops, ...normBefore(pass, pass.part(l, "attention")), ...attend(pass, l)];
    ops.push(...part(pass, l, "attention", attention), ...part(pass, l, "mlp", mlp));
  }
  return [...ops, ...head(pass)].filter(hasRows);
}
const hasRows = (op: Op) => (op.op === "product" ? op.m > 0 : op.op === "norm" ? op.rows > 0 : true);

/** A sublayer in the residual stream: `f` reads `source` and leaves x + what it computes in `sum`. Where norms stand, is said here. */
function part(pass: Pass, l: number, name: Part["name"], f: (pass: Pass, part: Part) => Op[]): Op[] {
  const it = pass.part(l, name);
  const after = pass.spec.model.norm === "post" ? [layerNorm(pass, it.ln, it.after, it.sum, it.stats, it.y)] : [];
  return [...normBefore(pass, it), ...f(pass, it), ...after];
}
const normBefore = (pass: Pass, { ln, before, x, stats, source }: Part): Op[] =>
  pass.spec.model.norm === "pre" ? [layerNorm(pass, ln, before, x, stats, source)] : [];

/** x + attention(source) · W_O + b_O. Where rows are shared below and not above, the residual stream fans out. */
function attention(pass: Pass, { l, before, after, x, sum }: Part): Op[] {
  const { rows, width: { D, HK } } = pass, m = pass.span(after).count, z = pass.computed(pass.at(l, "z"), after, HK);
  const found = { from: pass.activation(x.buffer, before.count, D), rows: inputRows(pass, rows[l]) };
  const add = sameRows(before, after) ? { from: x } : found, label = `${sum.buffer} = ${x.buffer} + ${z.buffer} · W_O`;
  return [...attend(pass, l), linear(pass, { label, m, n: D, k: HK, x: z, W: [l, "O"], c: sum }, { add })];
}

/** Queries, keys and values, then the patterns and z of every group of queries. */
function attend(pass: Pass, l: number): Op[] {
  const { rows, projected, width: { D, QKV } } = pass, layer = rows[l], X = layer.input.count, { source } = pass.part(l, "attention");
  const qkv = pass.activation(pass.at(l, "qkv"), X, QKV), label = `${qkv.buffer} = ${source.buffer} · W_${projected}`;
  const computed = pass.span(layer.input);
  const products = projections(pass, layer).map(({ firstRow, rows, column, width: n }) => {
    const { first, count: m } = common(computed, { first: firstRow, count: rows });
    const x = pass.activation(source.buffer, X, D, first), c = pass.activation(qkv.buffer, X, QKV, first, column);
    return linear(pass, { label, m, n, k: D, x, W: [l, projected], column, c });
  });
  return [...products, ...layer.groups.filter(({ depends }) => pass.computes(depends)).map((group) => attentionOf(pass, l, group))];
}

/** x + act(source · W_in + b_in) · W_out + b_out; `mlp_pre` keeps what the activation function gets. */
function mlp(pass: Pass, { l, after, x, source, sum }: Part): Op[] {
  const { spec, width: { D, M } } = pass, m = pass.span(after).count;
  const pre = pass.computed(pass.at(l, "mlp_pre"), after, M), post = pass.computed(pass.at(l, "mlp_post"), after, M);
  const activation = { name: spec.model.activation, out: post };
  return [
    linear(pass, { label: `${post.buffer} = act(${source.buffer} · W_in)`, m, n: M, k: D, x: source, W: [l, "in"], c: pre }, {
      activation,
    }),
    linear(pass, { label: `${sum.buffer} = ${x.buffer} + ${post.buffer} · W_out`, m, n: D, k: M, x: post, W: [l, "out"], c: sum }, {
      add: { from: x },
    }),
  ];
}

/** What the output head reads, and the way there: the last norm, and the mean over positions. */
export function headViews(pass: Pass): { resid: View; final: View; pooled: View; logits: View } {
  const { spec: { model }, rows, examples, width: { D, C } } = pass, last = rows.at(-1)!.output;
  const resid = pass.computed(pass.at(rows.length, "resid_pre"), last, D);
  const final = !pass.finalNorm ? resid : pass.computed(pass.end("ln_final"), last, D);
  const pooled = model.pooling === "mean" ? pass.activation(pass.end("pooled"), examples, D) : final;
  return { resid, final, pooled, logits: pass.activation(pass.end("logits"), examples, C) };
}

/** What a probe reads when the pass is done. */
export function insideViews(pass: Pass): Inside {
  const { rows, width: { M } } = pass, last = rows.at(-1)!;
  const neurons = pass.activation(pass.at(rows.length - 1, "mlp_post"), last.output.count, M);
  return { features: headViews(pass).pooled, neurons, positions: positionRows(last) };
}

function head(pass: Pass): Op[] {
  const { spec: { model }, rows, examples, batch, width: { D, C } } = pass, { resid, final, pooled, logits } = headViews(pass);
  const last = rows.at(-1)!, norm = () => layerNorm(pass, "ln_final", last.output, resid, pass.end("stats_final"), final);
  const ops: Op[] = !pass.finalNorm ? [] : [norm()];
  if (!pass.computes("ab")) return ops;
  if (model.pooling === "mean") {
    const label = `${pooled.buffer} = mean over positions of ${final.buffer}`, x = pass.activation(final.buffer, last.output.count, D);
    ops.push({ op: "pool", label, batch, examples, positions: positionRows(last), width: D, x, out: pooled });
  }
  if (!model.tied) {
    return [
      ...ops,
      linear(pass, { label: `logits = ${pooled.buffer} · W_U`, m: examples, n: C, k: D, x: pooled, W: [null, "U"], c: logits }),
    ];
  }
  const label = `logits = ${pooled.buffer} · W_Eᵀ`, columns = pass.layout.sizes.C;
  const sizes = { m: examples, n: C, k: D, columns };
  return [...ops, { op: "product", label, form: "nt", ...sizes, a: pooled, b: answers(pass), c: logits, ...pass.bias("b_U") }];
}

/** The answers' rows of W_E, which are the output head where it is tied; others may follow them. */
export function answers(pass: Pass): View {
  const W_E = pass.parameter("W_E");
  return { ...W_E, offset: W_E.offset + pass.layout.sizes.firstElement * W_E.stride };
}

export interface Linear {
  readonly label: string;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly x: View;
  /** Layer and name of the weight, `W_in` say, and of its bias, `b_in`; from a column. */
  readonly W: readonly [l: number | null, name: string];
  readonly column?: number;
  readonly c: View;
}

/** c = x · W + b, then what else is to become of it. */
export function linear(
  pass: Pass,
  { label, m, n, k, x, W: [l, name], column = 0, c }: Linear,
  epilogue: Pick<Product, "add" | "activation"> = {},
): Product {
  const at = l === null ? "" : `${l}.`, b = pass.parameter(`${at}W_${name}`, column);
  return { op: "product", label, form: "nn", m, n, k, a: x, b, c, ...pass.bias(`${at}b_${name}`, column), ...epilogue };
}

/** Its rows depend all on one element, or all on the pair. */
function embed(pass: Pass): Op[] {
  const { rows, batch, examples, width: { D } } = pass, out = pass.activation(pass.at(0, "resid_pre"), rows[0].input.count, D);
  const label = `${out.buffer} = W_E[token] + W_pos[position]`, W_E = pass.parameter("W_E"), W_pos = pass.parameter("W_pos");
  if (pass.span(rows[0].input).count === 0) return [];
  return [{ op: "embed", label, batch, examples, segments: embedded(pass), W_E, W_pos, out }];
}

/**
 * Which tokens the rows of layer 0 hold. A row of an example finds its element by the example's pair; of shared rows there is one per
 * value.
 */
export function embedded({ spec, rows, layout: { sizes: { op, equals, firstElement } } }: Pass): EmbedSegment[] {
  const names = tokenNames(spec.model.tokens);
  return rows[0].input.segments.map(({ position, depends, base: first, count }) => {
    const what = names[position];
    if (what === "op" || what === "=") return { first, count, position, token: { by: "constant", base: what === "op" ? op : equals } };
    return { first, count, position, token: { by: depends === "ab" ? what : "index", base: firstElement } };
  });
}

/** Which part of the stacked queries, keys and values is computed for which input rows: not all rows are queries in the last layer. */
export function projections({ width: { HK: columns, QKV } }: Pass, { input, output }: LayerRows) {
  const queries = output.segments.map(({ position }) => segmentAt(input, position));
  const first = queries[0].base, count = queries.reduce((sum, segment) => sum + segment.count, 0);
  if (count === input.count || QKV === columns) return [{ firstRow: 0, rows: input.count, column: 0, width: QKV }];
  return [
    { firstRow: 0, rows: input.count, column: columns, width: 2 * columns },
    { firstRow: first, rows: count, column: 0, width: columns },
  ];
}

/** The queries of a group and the rows they meet, as both directions of attention take them. */
export function attends(pass: Pass, l: number, group: Group) {
  const { spec, rows, batch, examples, layout: { sizes: { H, K } }, width: { QKV } } = pass, { input, output } = rows[l];
  const weights = spec.model.mixer === "uniform" ? "uniform" as const : "softmax" as const;
  const queries = group.queries.map(({ position, base }) => ({ position, base, sees: visible(spec, position) }));
  const seen = [...new Set(queries.flatMap(({ sees }) => sees))].sort();
  const qkv = pass.activation(pass.at(l, "qkv"), input.count, QKV), pattern = pass.buffer(pass.at(l, "pattern"), output.count * H * 4);
  const keys = seen.map((position): PositionRows => rowsBy(segmentAt(input, position), group.depends));
  return { batch, examples, weights, H, K, over: group.depends, count: group.count, queries, keys, qkv, pattern, rows: output.count };
}

function attentionOf(pass: Pass, l: number, group: Group): Attention {
  const it = attends(pass, l, group), z = pass.activation(pass.at(l, "z"), it.rows, pass.width.HK);
  return { op: "attention", label: `${z.buffer} = softmax(q·k)·v, positions ${group.queries.map(({ position }) => position)}`, ...it, z };
}

/** The rows of every position that a layer puts out, from an example. */
export const positionRows = ({ output }: LayerRows): PositionRows[] => output.segments.map((segment) => rowsBy(segment, "ab"));

/** The input row that an output row's residual stream comes from. */
function inputRows(pass: Pass, { input, output }: LayerRows): RowMap {
  const { batch, examples } = pass, { first } = pass.span(output);
  const segments = output.segments.filter(({ depends }) => pass.computes(depends)).map(({ position, depends, base, count }) => ({
    first: base - first,
    count,
    to: rowsBy(segmentAt(input, position), depends),
  }));
  return { batch, examples, segments };
}
