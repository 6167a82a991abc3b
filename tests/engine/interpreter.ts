/**
 * Every operation once more, in doubles and plain loops, straight from the sentences of `op.ts`: what executors are compared with,
 * operation by operation. Buffers are one run's; words that are whole numbers are read through `bits`.
 */
import { METRIC_WORDS, type MetricWord } from "../../lib/engine/evaluation.ts";
import type { Batch, ByValue, EmbedSegment, Loss, Op, RowsBy, View } from "../../lib/engine/op.ts";
import { NORM_EPS } from "../../lib/engine/op.ts";
import { batchIndex } from "../../lib/run/random.ts";
import { hyper, type Memory, stateAt } from "./memory.ts";
import { PERFORM_UPDATE } from "./update_interpreter.ts";

export type { Memory } from "./memory.ts";

type Perform = { readonly [Name in Op["op"]]: (op: Extract<Op, { op: Name }>, memory: Memory) => void };

const range = (n: number) => Array.from({ length: n }, (_, i) => i);
const sum = (values: readonly number[]) => values.reduce((total, x) => total + x, 0);
const at = ({ offset, stride }: View, row: number, column: number) => offset + row * stride + column;
const a = (pair: number) => pair % 1024,
  b = (pair: number) => Math.floor(pair / 1024) % 1024,
  target = (pair: number) => Math.floor(pair / 2 ** 20);

/** The row of an index that may be an example's. */
const rowOf = ({ by, base }: Pick<RowsBy, "by" | "base">, i: number, pair: number) =>
  base + (by === "index" ? i : by === "a" ? a(pair) : b(pair));
const pairOf = ({ batch }: Pick<Batch, "batch">, { [batch]: pairs }: Memory, i: number) => pairs[i] ?? 0;
/** The examples with a value of a or b, as `lists` says. */
function examplesOf({ lists, B, C }: ByValue, memory: Memory, by: "a" | "b", value: number): number[] {
  const from = by === "a" ? 0 : C + 1 + B, words = memory[lists];
  return range(words[from + value + 1] - words[from + value]).map((i) => words[from + C + 1 + words[from + value] + i]);
}

/** By its power series, which at 5, beyond which it is 1, has lost seven of a double's sixteen digits. */
function erf(x: number): number {
  if (Math.abs(x) > 5) return Math.sign(x);
  let term = x, total = x;
  for (let n = 1; n < 200; n++) total += (term *= -x * x / n) / (2 * n + 1);
  return 2 / Math.sqrt(Math.PI) * total;
}
const ACTIVATION = {
  relu: { f: (x: number) => Math.max(0, x), slope: (x: number) => (x > 0 ? 1 : 0) },
  gelu: {
    f: (x: number) => 0.5 * x * (1 + erf(x * Math.SQRT1_2)),
    slope: (x: number) => 0.5 * (1 + erf(x * Math.SQRT1_2)) + x * Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI),
  },
  square: { f: (x: number) => x * x, slope: (x: number) => 2 * x },
};

/** The losses of logits z at y, and the gradients of them. */
const LOSS: Readonly<Record<Loss["kind"], (z: readonly number[], y: number) => { loss: number; gradient: number[] }>> = {
  "cross-entropy": crossEntropy,
  stablemax: (z, y) => {
    const w = z.map((x) => (x >= 0 ? x + 1 : 1 / (1 - x))), slope = z.map((x) => (x >= 0 ? 1 : 1 / (1 - x) ** 2)), total = sum(w);
    return { loss: Math.log(total / w[y]), gradient: slope.map((s, j) => s * (1 / total - (j === y ? 1 / w[j] : 0))) };
  },
  mse: (z, y) => {
    const errors = z.map((x, j) => x - (j === y ? 1 : 0));
    return { loss: sum(errors.map((e) => e * e)) / z.length, gradient: errors.map((e) => 2 * e / z.length) };
  },
};
function crossEntropy(z: readonly number[], y: number): { loss: number; gradient: number[] } {
  const best = Math.max(...z), e = z.map((x) => Math.exp(x - best)), total = sum(e);
  return { loss: best + Math.log(total) - z[y], gradient: e.map((x, j) => x / total - (j === y ? 1 : 0)) };
}

const tokenOf = ({ token: { by, base } }: EmbedSegment, i: number, pair: number) => by === "constant" ? base : rowOf({ by, base }, i, pair);

export const PERFORM: Perform = {
  ...PERFORM_UPDATE,
  product: ({ form, m, n, k, a, b, c, bias, add, activation, derivative, columns = n, sums }, memory) => {
    const A = memory[a.buffer], B = memory[b.buffer], before = add && memory[add.from.buffer].slice();
    for (const i of range(m)) {
      for (const j of range(n)) {
        let value = sum(range(k).map((x) => A[form === "tn" ? at(a, x, i) : at(a, i, x)] * B[form === "nt" ? at(b, j, x) : at(b, x, j)]));
        if (j >= columns) value = 0;
        if (bias) value += memory[bias.buffer][at(bias, 0, j)];
        if (add && before) {
          const segment = add.rows?.segments.findLast(({ first }) => i >= first);
          const row = segment && add.rows ? rowOf(segment.to, i - segment.first, pairOf(add.rows, memory, i - segment.first)) : i;
          value += before[at(add.from, row, j)];
        }
        if (activation) memory[activation.out.buffer][at(activation.out, i, j)] = ACTIVATION[activation.name].f(value);
        if (derivative) value *= ACTIVATION[derivative.name].slope(memory[derivative.pre.buffer][at(derivative.pre, i, j)]);
        memory[c.buffer][at(c, i, j)] = value;
      }
    }
    if (sums) { for (const j of range(n)) memory[sums.buffer][at(sums, 0, j)] = sum(range(k).map((x) => B[at(b, x, j)])); }
  },
  norm: ({ rows, D, x, w, b, stats, out }, memory) => {
    for (const i of range(rows)) {
      const values = range(D).map((d) => memory[x.buffer][at(x, i, d)]), mean = b ? sum(values) / D : 0;
      const scale = 1 / Math.sqrt(sum(values.map((value) => (value - mean) ** 2)) / D + NORM_EPS);
      const shift = (d: number) => b ? memory[b.buffer][at(b, 0, d)] : 0;
      const scaled = (d: number) => (values[d] - mean) * scale * memory[w.buffer][at(w, 0, d)] + shift(d);
      for (const d of range(D)) memory[out.buffer][at(out, i, d)] = scaled(d);
      memory[stats].set([mean, scale], 2 * i);
    }
  },
  normBackward: ({ rows, D, x, w, stats, dy, dx, add, dw, db }, memory) => {
    const G = range(rows).map((i) => range(D).map((d) => memory[dy.buffer][at(dy, i, d)]));
    const X = range(rows).map((i) =>
      range(D).map((d) => (memory[x.buffer][at(x, i, d)] - memory[stats][2 * i]) * memory[stats][2 * i + 1])
    );
    for (const i of range(rows)) {
      const g = G[i].map((value, d) => value * memory[w.buffer][at(w, 0, d)]),
        mean = db ? sum(g) / D : 0,
        along = sum(g.map((value, d) => value * X[i][d])) / D;
      for (const d of range(D)) {
        const around = add ? memory[add.buffer][at(add, i, d)] : 0;
        memory[dx.buffer][at(dx, i, d)] = (g[d] - mean - X[i][d] * along) * memory[stats][2 * i + 1] + around;
      }
    }
    for (const d of range(D)) {
      memory[dw.buffer][at(dw, 0, d)] = sum(G.map((g, i) => g[d] * X[i][d]));
      if (db) memory[db.buffer][at(db, 0, d)] = sum(G.map((g) => g[d]));
    }
  },
  attention: (op, memory) => {
    const { H, K, count, queries, keys, qkv, pattern, z } = op, K4 = 4 * Math.ceil(K / 4), Q = memory[qkv.buffer];
    const isUniform = op.weights === "uniform", values = isUniform ? 0 : 2;
    for (const i of range(count)) {
      const pair = op.over === "ab" ? pairOf(op, memory, i) : 0, row = new Map(keys.map((key) => [key.position, rowOf(key, i, pair)]));
      for (const h of range(H)) {
        const part = (s: number, which: number, k: number) => Q[at(qkv, row.get(s)!, (which * H + h) * K4 + k)];
        for (const { position, base, sees } of queries) {
          const scores = sees.map((s) => isUniform ? 0 : sum(range(K).map((k) => part(position, 0, k) * part(s, 1, k))) / Math.sqrt(K));
          const e = scores.map((score) => Math.exp(score - Math.max(...scores))), weights = e.map((x) => x / sum(e));
          memory[pattern].set(range(4).map((s) => weights[sees.indexOf(s)] ?? 0), ((base + i) * H + h) * 4);
          for (const k of range(K)) {
            memory[z.buffer][at(z, base + i, h * K4 + k)] = sum(sees.map((s, n) => weights[n] * part(s, values, k)));
          }
        }
      }
    }
  },
  attentionBackward: (op, memory) => {
    const { H, K, count, queries, keys, qkv, pattern, dz, dqkv, shared } = op, K4 = 4 * Math.ceil(K / 4), Q = memory[qkv.buffer];
    const positions = shared?.positions ?? [], parts = op.weights === "uniform" ? 1 : 3;
    for (const i of range(count)) {
      const pair = op.over === "ab" ? pairOf(op, memory, i) : 0, row = new Map(keys.map((key) => [key.position, rowOf(key, i, pair)]));
      for (const h of range(H)) {
        const column = (which: number, k: number) => (which * H + h) * K4 + k;
        const part = (s: number, which: number, k: number) => Q[at(qkv, row.get(s)!, column(which, k))];
        const d = (base: number, k: number) => memory[dz.buffer][at(dz, base + i, h * K4 + k)];
        const terms = queries.map(({ position, base, sees }) => {
          const p = sees.map((s) => memory[pattern][((base + i) * H + h) * 4 + s]);
          const g = sees.map((s) => sum(range(K).map((k) => d(base, k) * part(s, parts - 1, k)))), mean = sum(g.map((x, n) => p[n] * x));
          return { position, base, sees, p, ds: g.map((x, n) => p[n] * (x - mean) / Math.sqrt(K)) };
        });
        const put = (s: number, which: number, k: number, value: number) => {
          const place = positions.indexOf(s);
          if (place < 0 || !shared) memory[dqkv.buffer][at(dqkv, row.get(s)!, column(which, k))] = value;
          else memory[shared.out.buffer][at(shared.out, i, place * parts * H * K4 + column(which, k))] = value;
        };
        for (const k of range(K)) {
          for (const { position, sees, ds } of parts === 3 ? terms : []) {
            put(
              position,
              0,
              k,
              sum(sees.map((s, n) => ds[n] * part(s, 1, k))),
            );
          }
          for (const { position: s } of keys) {
            const seeing = terms.filter(({ sees }) => sees.includes(s));
            if (parts === 3) put(s, 1, k, sum(seeing.map(({ position, sees, ds }) => ds[sees.indexOf(s)] * part(position, 0, k))));
            put(s, parts - 1, k, sum(seeing.map(({ base, sees, p }) => p[sees.indexOf(s)] * d(base, k))));
          }
        }
      }
    }
  },
  embed: (op, memory) => {
    for (const segment of op.segments) {
      for (const i of range(segment.count)) {
        const token = tokenOf(segment, i, pairOf(op, memory, i));
        for (const d of range(op.out.stride)) {
          const value = memory[op.W_E.buffer][at(op.W_E, token, d)] + memory[op.W_pos.buffer][at(op.W_pos, segment.position, d)];
          memory[op.out.buffer][at(op.out, segment.first + i, d)] = value;
        }
      }
    }
  },
  embedBackward: (op, memory) => {
    const { segments, V, T, firstElement, C, dx, dW_E, dW_pos, head } = op, W = dW_E.stride;
    const add = (to: View, row: number, from: number) => {
      for (const d of range(W)) memory[to.buffer][at(to, row, d)] += memory[dx.buffer][at(dx, from, d)];
    };
    memory[dW_E.buffer].fill(0, dW_E.offset, dW_E.offset + V * W);
    memory[dW_pos.buffer].fill(0, dW_pos.offset, dW_pos.offset + T * W);
    for (const { first, count, position, token: { by, base } } of segments) {
      for (const i of range(count)) add(dW_pos, position, first + i);
      if (by === "constant") { for (const i of range(count)) add(dW_E, base, first + i); }
      else if (by === "index") { for (const i of range(count)) add(dW_E, firstElement + i, first + i); }
      else for (const v of range(C)) for (const e of examplesOf(op, memory, by, v)) add(dW_E, firstElement + v, first + e);
    }
    if (!head) return;
    for (const v of range(C)) {
      for (const d of range(W)) memory[dW_E.buffer][at(dW_E, firstElement + v, d)] += memory[head.buffer][at(head, v, d)];
    }
  },
  pairs: (op, memory) => {
    const { x, second, factor, bias, activation, pre, out } = op, X = memory[x.buffer];
    for (const i of range(op.examples)) {
      const pair = pairOf(op, memory, i);
      for (const m of range(op.width)) {
        const value = factor * (X[at(x, a(pair), m)] + X[at(x, second + b(pair), m)]) + (bias ? memory[bias.buffer][at(bias, 0, m)] : 0);
        memory[pre.buffer][at(pre, i, m)] = value;
        memory[out.buffer][at(out, i, m)] = ACTIVATION[activation].f(value);
      }
    }
  },
  pairsBackward: (op, memory) => {
    for (const v of range(op.C)) {
      for (const [by, row] of [["a", v], ["b", op.second + v]] as const) {
        const examples = examplesOf(op, memory, by, v);
        for (const m of range(op.width)) {
          memory[op.dx.buffer][at(op.dx, row, m)] = op.factor * sum(examples.map((e) => memory[op.dy.buffer][at(op.dy, e, m)]));
        }
      }
    }
  },
  sums: ({ rows, width, x, out }, memory) => {
    for (const c of range(width)) memory[out.buffer][at(out, 0, c)] = sum(range(rows).map((i) => memory[x.buffer][at(x, i, c)]));
  },
  fold: (op, memory) => {
    for (const { first, count, sources } of op.segments) {
      for (const i of range(count)) {
        for (const c of range(op.width)) {
          const terms = sources.flatMap(({ by, x, from = 0 }) => {
            const rows = c < from ? [] : by === "index" ? [i] : examplesOf(op, memory, by, i);
            return rows.map((row) => memory[x.buffer][at(x, row, c)]);
          });
          memory[op.out.buffer][at(op.out, first + i, c)] = sum(terms);
        }
      }
    }
  },
  pool: (op, memory) => {
    for (const e of range(op.examples)) {
      const rows = op.positions.map((position) => rowOf(position, e, pairOf(op, memory, e)));
      for (const c of range(op.width)) {
        memory[op.out.buffer][at(op.out, e, c)] = sum(rows.map((row) => memory[op.x.buffer][at(op.x, row, c)])) / rows.length;
      }
    }
  },
  poolBackward: (op, memory) => {
    for (const { by, base, count } of op.positions) {
      for (const i of range(count)) {
        const examples = by === "index" ? [i] : examplesOf(op, memory, by, i);
        for (const c of range(op.width)) {
          memory[op.dx.buffer][at(op.dx, base + i, c)] = sum(examples.map((e) => memory[op.dy.buffer][at(op.dy, e, c)])) /
            op.positions.length;
        }
      }
    }
  },
  loss: (op, memory) => {
    for (const i of range(op.examples)) {
      const scale = op.scaled ? hyper(memory, "logit_scale") : 1, y = target(pairOf(op, memory, i));
      const z = range(op.C).map((c) => scale * memory[op.logits.buffer][at(op.logits, i, c)]), { loss, gradient } = LOSS[op.kind](z, y);
      memory[op.stats].set([loss, z.indexOf(Math.max(...z)) === y ? 1 : 0], 2 * i);
      if (op.dlogits) { for (const c of range(op.C)) memory[op.dlogits.buffer][at(op.dlogits, i, c)] = scale * gradient[c] / op.examples; }
    }
  },
  sample: ({ batch, examples, pairs }, memory) => {
    const draw = (i: number) => batchIndex(hyper(memory, "seed"), memory.state[stateAt("step")], i, hyper(memory, "train_pairs"));
    for (const i of range(examples)) memory[batch][i] = memory[pairs][hyper(memory, "full_batch") === 1 ? i : draw(i)];
  },
  chunk: ({ batch, examples, pairs }, memory) => {
    const first = memory.state[stateAt("chunk")] * examples;
    for (const i of range(examples)) memory[batch][i] = memory[pairs][first + i < hyper(memory, "pairs") ? first + i : 0];
  },
  lists: ({ batch, lists, B, C }, memory) => {
    for (const [side, value] of [a, b].entries()) {
      const from = side * (C + 1 + B), sorted = range(B).sort((i, j) => value(memory[batch][i]) - value(memory[batch][j]) || i - j);
      memory[lists].set(range(C + 1).map((v) => range(B).filter((i) => value(memory[batch][i]) < v).length), from);
      memory[lists].set(sorted, from + C + 1);
    }
  },
  endOfStep: ({ examples, stats, sums }, memory) => {
    if (memory.state[stateAt("step")] >= memory.state[stateAt("steps")]) return;
    for (const i of range(examples)) for (const part of [0, 1]) memory[sums][part] += memory[stats][2 * i + part];
    memory[sums][2] += examples;
    memory.state[stateAt("step")]++;
  },
  endOfChunk: ({ examples, stats, block, kept, sums }, memory) => {
    const first = memory.state[stateAt("chunk")]++ * examples, end = first + examples, all = hyper(memory, "pairs");
    if (first >= all) return;
    if (kept) memory[kept].set(memory[stats].subarray(0, 2 * examples), 2 * (first % block));
    if (kept && end % block !== 0 && end < all) return;
    const from = kept ? first - first % block : first;
    for (const [i, pair] of range(Math.min(end, all) - from).map((i) => [i, from + i])) {
      const side = pair < hyper(memory, "train_pairs") ? 0 : 2;
      for (const part of [0, 1]) memory[sums][side + part] += memory[kept ?? stats][2 * i + part];
    }
  },
  noisyRight: ({ examples, stats, sum }, memory) => {
    const first = memory.state[stateAt("chunk")] * examples, noisy = hyper(memory, "noisy_pairs");
    if (first === 0) memory[sum][0] = 0;
    for (const i of range(examples)) if (first + i < noisy) memory[sum][0] += memory[stats][2 * i + 1];
  },
  endOfEvaluation: ({ params, grads, batchSums, sums, metrics }, memory) => {
    const train = hyper(memory, "train_pairs"), validation = hyper(memory, "pairs") - train, [loss, right, examples] = memory[batchSums];
    const [trainLoss, trainRight, valLoss, valRight] = memory[sums];
    const found: Readonly<Record<MetricWord, number>> = {
      ...{ trainLoss: trainLoss / train, trainAcc: trainRight / train, valLoss: valLoss / validation, valAcc: valRight / validation },
      ...{ weightNorm: Math.hypot(...memory[params]), gradNorm: Math.hypot(...memory[grads]) },
      ...{ batchLoss: loss / examples, batchAcc: right / examples },
    };
    memory[metrics].set(METRIC_WORDS.map((name) => found[name]));
    memory[sums].fill(0);
    const { state } = memory;
    if (state[stateAt("step")] % state[stateAt("eval_every")] === 0) memory[batchSums].fill(0);
    state[stateAt("chunk")] = 0;
  },
  attentionSummary: (op, memory) => {
    const { pattern, positions, layer, N, S, H, T, queries, out } = op, n = Math.min(N, hyper(memory, "pairs"));
    for (const h of range(H)) {
      for (const position of positions) {
        const query = (layer * H + h) * T + position.position;
        const weights = range(n).map((i) =>
          range(4).map((s) => memory[pattern][(rowOf(position, i, pairOf(op, memory, i)) * H + h) * 4 + s])
        );
        const mean = range(4).map((s) => sum(weights.map((p) => p[s])) / n);
        const variance = range(4).map((s) => sum(weights.map((p) => (p[s] - mean[s]) ** 2)) / n);
        const entropy = sum(weights.flat().map((p) => (p > 0 ? -p * Math.log(p) : 0))) / n;
        memory[out].set([...mean, ...variance, entropy, 0, 0, 0], 12 * query);
        for (const i of range(Math.min(S, n))) memory[out].set(weights[i], 12 * queries + 4 * (i * queries + query));
      }
    }
  },
};

/** Does an operation on a run's buffers. */
export function perform(op: Op, memory: Memory): void {
  // The table has the function of exactly this kind of operation.
  (PERFORM[op.op] as (op: Op, memory: Memory) => void)(op, memory);
}
