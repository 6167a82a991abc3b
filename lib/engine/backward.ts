/** The backward pass as operations: `forward.ts` from its end to its beginning, each line's gradient in its place. */
import { answers, attends, embedded, headViews, positionRows, projections } from "./forward.ts";
import { normBackward } from "./norms.ts";
import type { AttentionBackward, Fold, FoldSource, Op, Product, View } from "./op.ts";
import type { Part, Pass } from "./pass.ts";
import { type Group, sameRows, segmentAt } from "./rows.ts";

export function backward(pass: Pass): Op[] {
  const ops = head(pass);
  for (const l of [...pass.rows.keys()].reverse()) ops.push(...part(pass, l, "mlp", mlp), ...part(pass, l, "attention", attention));
  return [...ops, embed(pass)];
}

/** The gradients around a sublayer. */
interface Gradients {
  /** Of x + f, which is also f's. */
  readonly dSum: View;
  /** Of what f reads. */
  readonly dSource: View;
  /** What comes to x around f, by x's rows. */
  readonly around: View;
  /** Added to what f's gradient gives for its source: `around`, unless a norm stands between source and x and adds it there. */
  readonly add: { add?: { from: View } };
}

/** The gradient of the residual stream before layer l; neighbours take turns. */
const dResid = (pass: Pass, l: number): View => {
  const rows = l < pass.rows.length ? pass.rows[l].input : pass.rows[l - 1].output;
  return pass.activation(`d.${l % 2}.resid`, rows.count, pass.width.D);
};

/** A sublayer in the residual stream: from the gradient of y to that of x. Where norms stand, is said here. */
function part(pass: Pass, l: number, name: Part["name"], f: (pass: Pass, part: Part, gradients: Gradients) => Op[]): Op[] {
  const it = pass.part(l, name), { input, output } = pass.rows[l], { norm } = pass.spec.model, { D } = pass.width;
  const dMid = pass.activation("d.mid", output.count, D), isAttention = name === "attention";
  const [dy, dx] = isAttention ? [dMid, dResid(pass, l)] : [dResid(pass, l + 1), dMid], X = dx.words / D;
  const dSum = norm === "post" ? pass.activation(isAttention ? "d.sum_mid" : "d.sum_post", output.count, D) : dy;
  const dSource = norm === "pre" ? pass.activation("d.ln", X, D) : dx;
  const around = isAttention && !sameRows(input, output) ? pass.activation("d.around", X, D) : dSum;
  const gradients = { dSum, dSource, around, add: norm === "pre" ? {} : { add: { from: around } } };
  return [
    ...(norm === "post" ? [normBackward(pass, it.ln, it.sum, it.stats, dy, dSum)] : []),
    ...f(pass, it, gradients),
    ...(norm === "pre" ? [normBackward(pass, it.ln, it.x, it.stats, dSource, dx, around)] : []),
  ];
}

function mlp(pass: Pass, { l, source }: Part, { dSum, dSource, add }: Gradients): Op[] {
  const { rows, spec, width: { D, M } } = pass, m = rows[l].output.count;
  const pre = pass.activation(pass.at(l, "mlp_pre"), m, M), post = pass.activation(pass.at(l, "mlp_post"), m, M);
  const dPre = pass.activation("d.mlp_pre", m, M), derivative = { name: spec.model.activation, pre };
  const label = `${dPre.buffer} = act'(${pre.buffer}) ∘ ${dSum.buffer} · W_outᵀ`;
  return [
    inputGradient(pass, { label, m, n: M, k: D, dy: dSum, W: `${l}.W_out`, dx: dPre }, { derivative }),
    weightGradient(pass, { rows: m, m: M, n: D, x: post, dy: dSum, of: [l, "out"] }),
    weightGradient(pass, { rows: m, m: D, n: M, x: source, dy: dPre, of: [l, "in"] }),
    inputGradient(pass, { label: `${dSource.buffer} = ${dPre.buffer} · W_inᵀ`, m, n: D, k: M, dy: dPre, W: `${l}.W_in`, dx: dSource }, add),
  ];
}

function attention(pass: Pass, { l, source }: Part, { dSum, dSource, around, add }: Gradients): Op[] {
  const { rows, projected, width: { D, HK, QKV } } = pass, layer = rows[l], X = layer.input.count, m = layer.output.count;
  const z = pass.activation(pass.at(l, "z"), m, HK), dz = pass.activation("d.z", m, HK), dqkv = pass.activation("d.qkv", X, QKV);
  const groups = layer.groups.map((group) => attentionBackward(pass, l, group, dz, dqkv));
  const ops: Op[] = [
    weightGradient(pass, { rows: m, m: HK, n: D, x: z, dy: dSum, of: [l, "O"] }),
    inputGradient(pass, { label: `${dz.buffer} = ${dSum.buffer} · W_Oᵀ`, m, n: HK, k: D, dy: dSum, W: `${l}.W_O`, dx: dz }),
    ...groups,
  ];
  if (groups.some(({ shared }) => shared)) ops.push(foldShared(pass, l, groups, dqkv));
  if (!sameRows(layer.input, layer.output)) ops.push(foldResidual(pass, l, dSum, around));
  projections(pass, layer).forEach(({ firstRow, rows: count, column, width }, i) => {
    const dy = pass.activation(dqkv.buffer, X, QKV, firstRow, column), dx = pass.activation(dSource.buffer, X, D, firstRow);
    const x = pass.activation(source.buffer, X, D, firstRow), label = `${dx.buffer} = ${dy.buffer} · W_${projected}ᵀ`;
    ops.push(
      weightGradient(pass, { rows: count, m: D, n: width, x, dy, of: [l, projected], column }),
      inputGradient(
        pass,
        { label, m: count, n: D, k: width, dy, W: `${l}.W_${projected}`, column, dx },
        i > 0 ? { add: { from: dx } } : add,
      ),
    );
  });
  return ops;
}

function head(pass: Pass): Op[] {
  const { spec: { model }, rows, examples, layout: { sizes: { L, elements: C, B } }, width } = pass, { D } = width, last = rows.at(-1)!;
  const { resid, pooled } = headViews(pass), dLogits = pass.activation("d.logits", examples, width.C);
  const dOut = dResid(pass, L), dFinal = !pass.finalNorm ? dOut : pass.activation("d.ln_final", last.output.count, D);
  const dPooled = model.pooling === "mean" ? pass.activation("d.pooled", examples, D) : dFinal;
  const label = `${dPooled.buffer} = d.logits · W_Uᵀ`;
  const ops: Op[] = model.tied ? tiedHead(pass, pooled, dLogits, dPooled) : [
    weightGradient(pass, { rows: examples, m: D, n: width.C, x: pooled, dy: dLogits, of: [null, "U"] }),
    inputGradient(pass, { label, m: examples, n: D, k: width.C, dy: dLogits, W: "W_U", dx: dPooled }),
  ];
  if (model.pooling === "mean") {
    const label = `${dFinal.buffer} = spread of ${dPooled.buffer} over positions`, positions = positionRows(last);
    ops.push({ op: "poolBackward", label, positions, width: D, lists: "lists", B, C, dy: dPooled, dx: dFinal });
  }
  if (pass.finalNorm) ops.push(normBackward(pass, "ln_final", resid, pass.end("stats_final"), dFinal, dOut));
  return ops;
}

/** The gradient of the answers' rows of W_E as the output head, which `embed` adds to theirs; and that of what the head reads. */
function tiedHead(pass: Pass, x: View, dy: View, dx: View): Op[] {
  const { examples, width: { C, D } } = pass, c = headGradient(pass), label = `${c.buffer} = ${dy.buffer}ᵀ · ${x.buffer}`;
  return [
    { op: "product", label, form: "tn", m: C, n: D, k: examples, a: dy, b: x, c },
    ...biasGradient(pass, "b_U", dy, examples, C),
    { op: "product", label: `${dx.buffer} = ${dy.buffer} · W_E`, form: "nn", m: examples, n: D, k: C, a: dy, b: answers(pass), c: dx },
  ];
}
const headGradient = (pass: Pass): View => pass.activation("d.head", pass.width.C, pass.width.D);

function embed(pass: Pass): Op {
  const { layout: { sizes: { V, T, elements: C, B, firstElement } } } = pass, dx = dResid(pass, 0);
  const sums = { dW_E: pass.parameter("W_E", 0, "grads"), dW_pos: pass.parameter("W_pos", 0, "grads") };
  const head = pass.spec.model.tied ? { head: headGradient(pass) } : {};
  const label = `dW_E, dW_pos = sums of ${dx.buffer}`;
  return { op: "embedBackward", label, segments: embedded(pass), V, T, firstElement, lists: "lists", B, C, dx, ...sums, ...head };
}

/** db = Σ dy, where there are biases and no gradient of a weight sums it. */
export function biasGradient(pass: Pass, name: string, x: View, rows: number, width: number): Op[] {
  if (!pass.layout.blocks.has(name)) return [];
  return [{ op: "sums", label: `d${name} = sums of ${x.buffer}`, rows, width, x, out: pass.parameter(name, 0, "grads") }];
}

export interface InputGradient {
  readonly label: string;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly dy: View;
  readonly W: string;
  readonly column?: number;
  readonly dx: View;
}

/** dx = dy · Wᵀ, then what else is to become of it. */
export function inputGradient(
  pass: Pass,
  { label, m, n, k, dy, W, column = 0, dx }: InputGradient,
  epilogue: Pick<Product, "add" | "derivative"> = {},
): Product {
  return { op: "product", label, form: "nt", m, n, k, a: dy, b: pass.parameter(W, column), c: dx, ...epilogue };
}

export interface WeightGradient {
  /** Rows that are summed over; m × n is the size of the weight. */
  readonly rows: number;
  readonly m: number;
  readonly n: number;
  readonly x: View;
  readonly dy: View;
  /** Layer and name, as in `forward.ts`. */
  readonly of: readonly [l: number | null, name: string];
  readonly column?: number;
}

/** dW = xᵀ · dy and db = Σ dy. */
export function weightGradient(pass: Pass, { rows, m, n, x, dy, of: [l, name], column = 0 }: WeightGradient): Product {
  const at = l === null ? "" : `${l}.`,
    c = pass.parameter(`${at}W_${name}`, column, "grads"),
    label = `d${at}W_${name} = ${x.buffer}ᵀ · ${dy.buffer}`;
  const bias = `${at}b_${name}`, sums = pass.layout.blocks.has(bias) ? { sums: pass.parameter(bias, column, "grads") } : {};
  return { op: "product", label, form: "tn", m, n, k: rows, a: x, b: dy, c, ...sums };
}

/** Of a group of queries; input rows that examples share get theirs through `foldShared`. */
function attentionBackward(pass: Pass, l: number, group: Group, dz: View, dqkv: View): AttentionBackward {
  const it = attends(pass, l, group), { QKV } = pass.width;
  const positions = it.keys.map(({ position }) => position).filter((s) => segmentAt(pass.rows[l].input, s).depends !== "ab");
  const out = () => pass.activation(`d.shared_${group.depends}`, group.count, positions.length * QKV);
  const label = `${dqkv.buffer} = gradient of attention, positions ${group.queries.map(({ position }) => position)}`;
  return { op: "attentionBackward", label, ...it, dz, dqkv, shared: positions.length > 0 ? { positions, out: out() } : null };
}

/** dqkv of rows that examples share: the sum over the groups of queries, and in them over the index. */
function foldShared(
  { layout: { sizes: { B, elements: C } }, rows, width: { HK, QKV } }: Pass,
  l: number,
  groups: readonly AttentionBackward[],
  dqkv: View,
): Fold {
  const segments = rows[l].input.segments.filter(({ depends }) => depends !== "ab").map(({ position, depends, base: first, count }) => {
    const sources = groups.flatMap(({ over, shared, queries }): FoldSource[] => {
      const at = shared?.positions.indexOf(position) ?? -1;
      if (!shared || at < 0) return [];
      const x = { ...shared.out, offset: at * QKV }, isWhole = QKV === HK || queries.some((query) => query.position === position);
      return [{ by: over === depends ? "index" : depends as "a" | "b", x, ...isWhole ? {} : { from: HK } }];
    });
    return { first, count, sources };
  });
  const label = `${dqkv.buffer} = sums over examples, shared rows`;
  return { op: "fold", label, segments, width: QKV, lists: "lists", B, C, out: dqkv };
}

/** The gradient that goes around the attention, from a layer's output rows to its input rows; zero where a position is no query. */
function foldResidual({ layout: { sizes: { B, elements: C } }, rows, width: { D } }: Pass, l: number, from: View, out: View): Fold {
  const { input, output } = rows[l];
  const segments = input.segments.map(({ position, depends, base: first, count }) => {
    const query = segmentAt(output, position);
    const by = query?.depends === depends ? "index" : depends as "a" | "b";
    return { first, count, sources: query ? [{ by, x: { ...from, offset: query.base * D } } as const] : [] };
  });
  return { op: "fold", label: `${out.buffer} = ${from.buffer} by input row`, segments, width: D, lists: "lists", B, C, out };
}
