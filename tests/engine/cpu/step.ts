/** The step of a model as records, straight from its rows: what the lowering of a plan comes to. */
import * as op from "../../../lib/engine/cpu/operations.ts";
import type { Matrix, Record } from "../../../lib/engine/cpu/records.ts";
import { projections } from "../../../lib/engine/forward.ts";
import { type Depends, layerRows, type Rows, sameRows, type Segment, segmentAt, visible } from "../../../lib/engine/rows.ts";
import { headColumns, layout as layoutOf, pad4 } from "../../../lib/run/layout.ts";
import { type RunSpec, tokenNames } from "../../../lib/run/spec.ts";

const CHUNK = 2048;

export function step(spec: RunSpec) {
  const layout = layoutOf(spec), { blocks, length: P, vectorsFrom, sizes } = layout, { B, C, L, V, firstElement, op: opToken, equals } = sizes;
  const D = pad4(sizes.D), M = pad4(sizes.M), HK = headColumns(sizes), H = sizes.H, Cp = blocks.get("W_U")!.stride;
  const { norm, pooling, activation, biases, mask } = spec.model, names = tokenNames(spec.model.tokens);
  const pairWords = C * C, E = Math.min(CHUNK, 8 * Math.ceil(pairWords / 8));
  const buffers = new Map<string, number>();
  const buffer = (name: string, words: number) => (buffers.set(name, Math.max(words, buffers.get(name) ?? 0)), name);
  for (const name of ["params", "grads", "m", "v"]) buffer(name, P);
  for (const [name, n] of Object.entries({ hyper: 16, state: 4, pairs: pairWords, batch: B, lists: 2 * op.listSide(B, C), stats: 2 * B, batch_sums: 4, "eval.batch": E, "eval.stats": 2 * E, "eval.sums": 4, metrics: 8 })) buffer(name, n);
  const mat = (buffer: string, stride: number, offset = 0): Matrix => ({ buffer, offset, stride });
  const W = (name: string, column = 0, from = "params"): Matrix => ({ buffer: from, offset: blocks.get(name)!.offset + column, stride: blocks.get(name)!.stride });
  const G = (name: string, column = 0) => W(name, column, "grads");
  const maybe = (name: string, column = 0) => (blocks.has(name) ? W(name, column) : undefined);
  const maybeG = (name: string, column = 0) => (blocks.has(name) ? G(name, column) : undefined);
  const by = (to: Depends, from: Depends): op.By => (to === from ? "index" : to as "a" | "b");
  const rowsOf = (segment: Segment, from: Depends): op.Rows => ({ by: by(segment.depends, from), base: segment.base, count: segment.count });
  const act = activation as "gelu" | "relu";
  let turn = 0;

  function pass(examples: number, prefix: "" | "eval.") {
    const rows = layerRows(spec, examples), batch = `${prefix}batch`, training = prefix === "";
    const at = (l: number, name: string) => (training ? `${l}.${name}` : name === "resid_pre" ? `eval.${l % 2}.${name}` : `eval.${name}`);
    const end = (name: string) => `${prefix}${name}`;
    const list: Record[] = [];
    const linear = (label: string, m: number, n: number, k: number, a: Matrix, w: Matrix, transposed: boolean, c: Matrix, more: { bias?: Matrix | undefined; add?: Matrix | undefined; after?: op.After | undefined } = {}) => {
      const panels = buffer(`panels.${turn++ % 2}`, op.panelWords(k, n));
      list.push(op.pack(`panels of ${label}`, w, k, n, transposed, panels), op.product(label, { m, n, k, a, panels, c, ...more }));
    };
    const attentionOf = (l: number, g: number): op.Attention => {
      const layer = rows[l], group = layer.groups[g], keys = [...new Set(group.queries.flatMap((q) => visible(spec, q.position)))].sort();
      return {
        H, K: sizes.K, inputRows: layer.input.count, outputRows: layer.output.count, qkv: at(l, "qkv"), pattern: at(l, "pattern"), batch, examples, count: group.count,
        queries: group.queries.map(({ position, base }) => ({ position, base, keys: mask === "causal" ? position + 1 : names.length })),
        keys: keys.map((s) => rowsOf(segmentAt(layer.input, s), group.depends)),
      };
    };
    const normOf = (name: string, n: number, x: string, stats: string): op.Norm => ({ rows: n, D: sizes.D, x: mat(x, D), stats: buffer(stats, 2 * n), w: W(`${name}.w`) });
    const layerNorm = (name: string, n: number, x: string, stats: string, out: string) => list.push(op.norm(`LN ${name}`, normOf(name, n, x, stats), W(`${name}.b`), mat(buffer(out, n * D), D)));

    const first = rows[0].input, r0 = buffer(at(0, "resid_pre"), first.count * D);
    for (const s of first.segments) {
      const what = names[s.position], constant = what === "op" || what === "=";
      const token: op.Rows = constant ? { by: "index", base: what === "op" ? opToken : equals, count: 1 } : { by: s.depends === "ab" ? what as "a" | "b" : "index", base: firstElement, count: C };
      list.push(op.embed(`embed ${s.position}`, { out: mat(r0, D, s.base * D), W_E: W("W_E"), position: { ...W("W_pos"), offset: W("W_pos").offset + s.position * D }, batch, examples, token, constant, rows: s.count }));
    }
    for (const [l, layer] of rows.entries()) {
      const X = layer.input.count, Y = layer.output.count, b = (name: string, n: number) => buffer(at(l, name), n), resid = at(l, "resid_pre");
      let source = resid;
      if (norm === "pre") layerNorm(`${l}.ln1`, X, resid, at(l, "stats1"), source = at(l, "ln1"));
      const qkv = b("qkv", X * 3 * HK);
      for (const p of projections(layer, HK)) linear("qkv", p.rows, p.width, D, mat(source, D, p.firstRow * D), W(`${l}.W_QKV`, p.column), false, mat(qkv, 3 * HK, p.firstRow * 3 * HK + p.column), { bias: maybe(`${l}.b_QKV`, p.column) });
      b("pattern", Y * H * 4);
      const z = b("z", Y * HK);
      layer.groups.forEach((_, g) => list.push(op.attention("attention", attentionOf(l, g), z)));
      const mid = b("mid", Y * D), attended = norm === "post" ? b("sum_mid", Y * D) : mid;
      let add = mat(resid, D);
      if (!sameRows(layer.input, layer.output)) {
        for (const s of layer.output.segments) {
          list.push(op.gather("around", { out: mat(attended, D, s.base * D), x: mat(resid, D), batch, examples, from: rowsOf(segmentAt(layer.input, s.position), s.depends), width: D, rows: s.count }));
        }
        add = mat(attended, D);
      }
      linear("W_O", Y, D, HK, mat(z, HK), W(`${l}.W_O`), false, mat(attended, D), { bias: maybe(`${l}.b_O`), add });
      if (norm === "post") layerNorm(`${l}.ln1`, Y, attended, at(l, "stats1"), mid);
      let mlpIn = mid;
      if (norm === "pre") layerNorm(`${l}.ln2`, Y, mid, at(l, "stats2"), mlpIn = at(l, "ln2"));
      const pre = b("mlp_pre", Y * M), post = b("mlp_post", Y * M);
      linear("W_in", Y, M, D, mat(mlpIn, D), W(`${l}.W_in`), false, mat(pre, M), { bias: maybe(`${l}.b_in`), after: { does: act, out: mat(post, M), derivative: training } });
      const next = buffer(at(l + 1, "resid_pre"), Y * D), summed = norm === "post" ? b("sum_post", Y * D) : next;
      linear("W_out", Y, D, M, mat(post, M), W(`${l}.W_out`), false, mat(summed, D), { bias: maybe(`${l}.b_out`), add: mat(mid, D) });
      if (norm === "post") layerNorm(`${l}.ln2`, Y, summed, at(l, "stats2"), next);
    }
    const last = rows.at(-1)!.output;
    let out = at(L, "resid_pre");
    if (norm !== "none") layerNorm("ln_final", last.count, out, end("stats_final"), out = end("ln_final"));
    let pooled = out;
    if (pooling === "mean") {
      pooled = buffer(end("pooled"), examples * D);
      list.push(op.pool("pool", { x: mat(out, D), rows: last.count, out: mat(pooled, D), batch, examples, width: D, positions: last.segments.map((s) => rowsOf(s, "ab")) }));
    }
    linear("logits", examples, Cp, D, mat(pooled, D), W("W_U"), false, mat(buffer(end("logits"), examples * Cp), Cp), { bias: maybe("b_U") });
    if (!training) {
      list.push(op.loss("loss", { batch, logits: "eval.logits", stats: "eval.stats", examples, C }));
      return list;
    }
    list.push(op.loss("loss", { batch, logits: "logits", stats: "stats", dlogits: buffer("d.logits", examples * Cp), examples, C }));

    // Backward.
    const parts = buffer("norm_parts", op.normPartWords(sizes.D));
    const normBack = (name: string, n: number, x: string, stats: string, dy: string, dx: string, add?: string) => list.push(
      op.normBackward(`dLN ${name}`, normOf(name, n, x, stats), { dy: mat(dy, D), dx: mat(buffer(dx, n * D), D), add: add ? mat(add, D) : undefined, parts }),
      ...op.normGradients(`LN ${name} gradient`, sizes.D, parts, G(`${name}.w`), G(`${name}.b`)),
    );
    const gradient = (name: string, bias: string, column: number, rows: number, m: number, n: number, x: Matrix, dy: Matrix) =>
      list.push(op.weightGradient(`d${name}`, { rows, m, n, x, dy, dW: G(name, column), db: maybeG(bias, column) }));
    const folded = (label: string, out: string, width: number, into: Rows, sources: (s: Segment) => op.Source[] | null, factor?: number) => {
      for (const s of into.segments) {
        const from = sources(s);
        if (from) list.push(op.fold(label, { out: mat(out, width, s.base * width), rows: s.count, width, sources: from, B, C, factor }));
      }
    };
    const dResid = (l: number) => `d.${l % 2}.resid`;
    gradient("W_U", "b_U", 0, examples, D, Cp, mat(pooled, D), mat("d.logits", Cp));
    const dFinal = buffer(norm === "none" ? dResid(L) : "d.ln_final", last.count * D), dPooled = pooling === "mean" ? buffer("d.pooled", examples * D) : dFinal;
    linear("d.pooled", examples, D, Cp, mat("d.logits", Cp), W("W_U"), true, mat(dPooled, D));
    if (pooling === "mean") folded("spread", dFinal, D, last, (s) => [{ x: mat(dPooled, D), by: by(s.depends, "ab"), rows: examples }], 1 / last.segments.length);
    if (norm !== "none") normBack("ln_final", last.count, at(L, "resid_pre"), end("stats_final"), dFinal, dResid(L));
    for (let l = L - 1; l >= 0; l--) {
      const layer = rows[l], X = layer.input.count, Y = layer.output.count, dY = (name: string) => buffer(`d.${name}`, Y * D);
      let dSum = dResid(l + 1);
      if (norm === "post") normBack(`${l}.ln2`, Y, at(l, "sum_post"), at(l, "stats2"), dSum, dSum = dY("sum_post"));
      const dPre = buffer("d.mlp_pre", Y * M);
      linear("d.mlp_pre", Y, M, D, mat(dSum, D), W(`${l}.W_out`), true, mat(dPre, M), { after: { does: "factor", by: mat(at(l, "mlp_pre"), M) } });
      gradient(`${l}.W_out`, `${l}.b_out`, 0, Y, M, D, mat(at(l, "mlp_post"), M), mat(dSum, D));
      gradient(`${l}.W_in`, `${l}.b_in`, 0, Y, D, M, mat(at(l, norm === "pre" ? "ln2" : "mid"), D), mat(dPre, M));
      const dMid = dY("mid"), dMlpIn = norm === "pre" ? dY("ln") : dMid;
      linear("d.mid", Y, D, M, mat(dPre, M), W(`${l}.W_in`), true, mat(dMlpIn, D), norm === "pre" ? {} : { add: mat(dSum, D) });
      if (norm === "pre") normBack(`${l}.ln2`, Y, at(l, "mid"), at(l, "stats2"), dMlpIn, dMid, dSum);
      let dAttended = dMid;
      if (norm === "post") normBack(`${l}.ln1`, Y, at(l, "sum_mid"), at(l, "stats1"), dMid, dAttended = dY("sum_mid"));
      gradient(`${l}.W_O`, `${l}.b_O`, 0, Y, HK, D, mat(at(l, "z"), HK), mat(dAttended, D));
      const dz = buffer("d.z", Y * HK), dqkv = buffer("d.qkv", X * 3 * HK);
      linear("d.z", Y, HK, D, mat(dAttended, D), W(`${l}.W_O`), true, mat(dz, HK));
      const partials = layer.groups.map((group, g) => {
        const what = attentionOf(l, g), positions = what.keys.flatMap((_, s) => (segmentAt(layer.input, s).depends === "ab" ? [] : [s]));
        const partial = positions.length === 0 ? "" : buffer(`d.shared_${group.depends}`, group.count * positions.length * 3 * HK);
        list.push(op.attentionBackward("dattention", what, { dz, dqkv, partial, positions }));
        return { group, positions, partial };
      });
      folded("fold shared", dqkv, 3 * HK, layer.input, (s) => {
        if (s.depends === "ab") return null;
        return partials.filter(({ positions }) => positions.includes(s.position)).map(({ group, positions, partial }) => ({
          x: mat(partial, positions.length * 3 * HK, positions.indexOf(s.position) * 3 * HK),
          by: by(s.depends, group.depends),
          rows: group.count,
          first: group.queries.some((q) => q.position === s.position) ? 0 : HK,
        }));
      });
      const fans = !sameRows(layer.input, layer.output), dNext = buffer(dResid(l), X * D), dAround = fans ? buffer("d.around", X * D) : dAttended;
      const source = at(l, norm === "pre" ? "ln1" : "resid_pre"), dSource = norm === "pre" ? buffer("d.ln", X * D) : dNext;
      if (fans) folded("around", dAround, D, layer.input, (s) => {
        const q = segmentAt(layer.output, s.position);
        return q ? [{ x: mat(dAttended, D, q.base * D), by: by(s.depends, q.depends), rows: q.count }] : [];
      });
      projections(layer, HK).forEach((p, i) => {
        const dy = mat(dqkv, 3 * HK, p.firstRow * 3 * HK + p.column), dx = mat(dSource, D, p.firstRow * D);
        gradient(`${l}.W_QKV`, `${l}.b_QKV`, p.column, p.rows, D, p.width, mat(source, D, p.firstRow * D), dy);
        linear("d.source", p.rows, D, p.width, dy, W(`${l}.W_QKV`, p.column), true, dx, { add: i > 0 ? dx : norm === "pre" ? undefined : mat(dAround, D, p.firstRow * D) });
      });
      if (norm === "pre") normBack(`${l}.ln1`, X, at(l, "resid_pre"), at(l, "stats1"), dSource, dNext, dAround);
    }
    const dx = dResid(0), elements = first.segments.filter((s) => ["a", "b"].includes(names[s.position]));
    list.push(op.fold("dW_E", { out: { ...G("W_E"), offset: G("W_E").offset + firstElement * D }, rows: C, width: D, B, C, sources: elements.map((s) => ({ x: mat(dx, D, s.base * D), by: s.depends === "ab" ? names[s.position] as "a" | "b" : "index", rows: s.count })) }));
    for (const s of first.segments) {
      const what = names[s.position], x = mat(dx, D, s.base * D);
      list.push(op.columnSums("dW_pos", x, s.count, { ...G("W_pos"), offset: G("W_pos").offset + s.position * D }, D));
      if (what === "op" || what === "=") list.push(op.columnSums("dW_E", x, s.count, { ...G("W_E"), offset: G("W_E").offset + (what === "op" ? opToken : equals) * D }, D));
    }
    return list;
  }
  void biases; void V;
  const training = pass(B, "");
  return {
    layout, buffers, chunkPairs: E, chunks: Math.ceil(pairWords / E), pairWords,
    lists: {
      batch: [op.sample(B, pairWords), op.lists(B, C)],
      step: [op.rest(), ...training, op.adamw(P, vectorsFrom), op.endOfStep(B)],
      chunk: [op.chunk(E, pairWords), ...pass(E, "eval."), op.endOfChunk(E)],
      endOfEvaluation: [op.endOfEvaluation(P)],
    },
  };
}
