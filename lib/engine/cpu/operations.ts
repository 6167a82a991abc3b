/** One function for each operation of the kernels: its record, arguments in the order of the kernel's comment, with the ranges it reaches. */
import { HYPER_WORDS, STATE_WORDS } from "../hyper.ts";
import {
  ADAMW,
  ADD_PARTS,
  AFTER_FACTOR,
  AFTER_GELU,
  AFTER_NOTHING,
  AFTER_RELU,
  ATTENTION,
  ATTENTION_BACKWARD,
  ATTENTION_SUMMARY,
  BY_A,
  BY_B,
  BY_INDEX,
  CHUNK,
  COLUMN_SUMS,
  EMBED,
  END_OF_CHUNK,
  END_OF_EVALUATION,
  END_OF_STEP,
  FOLD,
  GATHER,
  LISTS,
  LOSS,
  NORM,
  NORM_BACKWARD,
  NORM_PARTS,
  PACK,
  PACK_TRANSPOSED,
  POOL,
  PRODUCT,
  REST,
  ROWS_OF_A_SUM,
  SAMPLE,
  SCRATCH_HEAD,
  WEIGHT_GRADIENT,
  WIDEST,
} from "./kernels/opcode.ts";
import { type Argument, type Matrix, reads, readsMatrix, real, type Record, writes, writesMatrix } from "./records.ts";

const pad4 = (n: number) => Math.ceil(n / 4) * 4;

/** How an index finds its row: by itself, or by a or b of its pair. */
export type By = "index" | "a" | "b";
const code = (by: By) => ({ index: BY_INDEX, a: BY_A, b: BY_B })[by];

/** Where a row of index i is: `base + i`, `base + a[i]` or `base + b[i]`; `count` rows can be meant. */
export interface Rows {
  readonly by: By;
  readonly base: number;
  readonly count: number;
}

const hyper = reads("hyper", 0, HYPER_WORDS);
const state = reads("state", 0, STATE_WORDS);

/** Ends the list for a run that has done its steps. */
export const rest = (): Record => ({ label: "the end, where no steps are left", opcode: REST, args: [state], flop: 0, bytes: 0 });

/** batch = the next draws from the training pairs. */
export const sample = (label: string, { batch, examples, pairs, pairWords }: Draw): Record => ({
  label,
  opcode: SAMPLE,
  args: [hyper, state, reads(pairs, 0, pairWords), writes(batch, 0, examples), examples],
  flop: 0,
  bytes: 8 * examples,
});

/** The next pairs of the whole set. */
export const chunk = (label: string, { batch, examples, pairs, pairWords }: Draw): Record => ({
  label,
  opcode: CHUNK,
  args: [hyper, state, reads(pairs, 0, pairWords), writes(batch, 0, examples), examples],
  flop: 0,
  bytes: 8 * examples,
});

/** What a batch is drawn from. */
export interface Draw {
  readonly batch: string;
  readonly examples: number;
  readonly pairs: string;
  readonly pairWords: number;
}

/** Examples by a and by b: u32[2, C + 1 + B], starts and then examples in ascending order. */
export interface ByValue {
  readonly lists: string;
  readonly B: number;
  readonly C: number;
}

/** Words of one side of `lists`. */
export const listSide = (B: number, C: number) => C + 1 + B;

/** lists = the examples by a and by b. */
export const lists = (label: string, batch: string, { lists, B, C }: ByValue): Record => ({
  label,
  opcode: LISTS,
  args: [reads(batch, 0, B), writes(lists, 0, 2 * listSide(B, C)), B, C],
  flop: 0,
  bytes: 16 * B,
});

/** out = W_E[token] + W_pos[position], the rows of one position; `token` says which row of W_E, or the constant one. */
export function embed(
  label: string,
  { out, W_E, position, batch, examples, token, constant, rows }: {
    readonly out: Matrix;
    readonly W_E: Matrix;
    /** The position's row of W_pos, a row of `W_E.stride` words. */
    readonly position: Matrix;
    readonly batch: string;
    readonly examples: number;
    readonly token: Rows;
    readonly constant: boolean;
    readonly rows: number;
  },
): Record {
  const D = W_E.stride;
  return {
    label,
    opcode: EMBED,
    args: [
      writesMatrix(out, rows, D),
      reads(W_E.buffer, W_E.offset, (token.base + token.count) * D),
      readsMatrix(position, 1, D),
      reads(batch, 0, examples),
      code(token.by),
      token.base,
      constant ? 1 : 0,
      4 * D,
      rows,
    ],
    flop: rows * D,
    bytes: 8 * rows * D,
  };
}

/** out[i] = x[row of i], rows of `width` words. */
export function gather(
  label: string,
  { out, x, batch, examples, from, width, rows }: {
    readonly out: Matrix;
    readonly x: Matrix;
    readonly batch: string;
    readonly examples: number;
    readonly from: Rows;
    readonly width: number;
    readonly rows: number;
  },
): Record {
  return {
    label,
    opcode: GATHER,
    args: [
      writesMatrix(out, rows, width),
      reads(x.buffer, x.offset, (from.base + from.count) * width),
      reads(batch, 0, examples),
      code(from.by),
      from.base,
      4 * width,
      rows,
    ],
    flop: 0,
    bytes: 8 * rows * width,
  };
}

/** Words of a matrix [k, n] in panels of the widest tile. */
export const panelWords = (k: number, n: number) => k * WIDEST * Math.ceil(n / WIDEST);

/** The panels of w[k, n], or of the transpose of w[n, k]. */
export const pack = (label: string, w: Matrix, k: number, n: number, transposed: boolean, panels: string): Record => ({
  label,
  opcode: transposed ? PACK_TRANSPOSED : PACK,
  args: [transposed ? readsMatrix(w, n, k) : readsMatrix(w, k, n), 4 * w.stride, k, n, writes(panels, 0, panelWords(k, n))],
  flop: 0,
  bytes: 8 * k * n,
});

/** What follows a product, on its own rows. */
export type After =
  | { readonly does: "gelu" | "relu"; readonly out: Matrix; readonly derivative: boolean }
  | { readonly does: "factor"; readonly by: Matrix };

/** c = (a · b + bias) + add, b in panels; then what follows. `add` may be c itself. */
export function product(
  label: string,
  { m, n, k, a, panels, c, bias, add, after }: {
    readonly m: number;
    readonly n: number;
    readonly k: number;
    readonly a: Matrix;
    readonly panels: string;
    readonly c: Matrix;
    readonly bias?: Matrix | undefined;
    readonly add?: Matrix | undefined;
    readonly after?: After | undefined;
  },
): Record {
  const other = after === undefined ? null : after.does === "factor" ? after.by : after.out;
  return {
    label,
    opcode: PRODUCT,
    args: [
      readsMatrix(a, m, k),
      4 * a.stride,
      reads(panels, 0, panelWords(k, n)),
      writesMatrix(c, m, n),
      4 * c.stride,
      m,
      n,
      k,
      bias ? readsMatrix(bias, 1, n) : null,
      add ? readsMatrix(add, m, n) : null,
      4 * (add?.stride ?? 0),
      after === undefined ? AFTER_NOTHING : { gelu: AFTER_GELU, relu: AFTER_RELU, factor: AFTER_FACTOR }[after.does],
      other === null ? null : after?.does === "factor" ? readsMatrix(other, m, n) : writesMatrix(other, m, n),
      4 * (other?.stride ?? 0),
      after !== undefined && after.does !== "factor" && after.derivative ? 1 : 0,
    ],
    scratch: SCRATCH_HEAD,
    flop: 2 * m * n * k,
    bytes: 4 * (m * k + k * n + m * n),
  };
}

/** dW[m, n] = xᵀ · dy over the rows, and db = Σ dy where wanted. */
export function weightGradient(
  label: string,
  { rows, m, n, x, dy, dW, db }: {
    readonly rows: number;
    readonly m: number;
    readonly n: number;
    readonly x: Matrix;
    readonly dy: Matrix;
    readonly dW: Matrix;
    readonly db?: Matrix | undefined;
  },
): Record {
  const k = Math.min(rows, ROWS_OF_A_SUM);
  return {
    label,
    opcode: WEIGHT_GRADIENT,
    args: [
      readsMatrix(x, rows, m),
      4 * x.stride,
      readsMatrix(dy, rows, n),
      4 * dy.stride,
      rows,
      writesMatrix(dW, m, n),
      4 * dW.stride,
      m,
      n,
      db ? writesMatrix(db, 1, n) : null,
    ],
    scratch: SCRATCH_HEAD + 4 * n + 64 + (24 * k + 128) * Math.ceil(m / 6) + 4 * panelWords(k, n),
    flop: 2 * rows * m * n,
    bytes: 4 * (rows * (m + n) + m * n),
  };
}

/** out = Σ_rows x. */
export const columnSums = (label: string, x: Matrix, rows: number, out: Matrix, columns: number): Record => ({
  label,
  opcode: COLUMN_SUMS,
  args: [readsMatrix(x, rows, columns), 4 * x.stride, rows, writesMatrix(out, 1, columns), columns],
  flop: rows * columns,
  bytes: 4 * rows * columns,
});

export interface Norm {
  readonly rows: number;
  readonly D: number;
  readonly x: Matrix;
  /** [rows, (mean, 1/σ)] */
  readonly stats: string;
  readonly w: Matrix;
}

/** out = (x − mean) / σ ∘ w + b. */
export function norm(label: string, { rows, D, x, stats, w }: Norm, b: Matrix, out: Matrix): Record {
  const width = pad4(D);
  return {
    label,
    opcode: NORM,
    args: [
      readsMatrix(x, rows, width),
      writesMatrix(out, rows, width),
      writes(stats, 0, 2 * rows),
      readsMatrix(w, 1, width),
      readsMatrix(b, 1, width),
      D,
      rows,
    ],
    flop: 8 * rows * D,
    bytes: 8 * rows * D,
  };
}

/** Words of the parts of a LayerNorm's gradient. */
export const normPartWords = (D: number) => NORM_PARTS * 2 * pad4(D);

/** dx of a LayerNorm, plus `add`; and the parts of dw and db, which `normGradients` adds. */
export function normBackward(
  label: string,
  { rows, D, x, stats, w }: Norm,
  { dy, dx, add, parts }: { readonly dy: Matrix; readonly dx: Matrix; readonly add?: Matrix | undefined; readonly parts: string },
): Record {
  const width = pad4(D);
  return {
    label,
    opcode: NORM_BACKWARD,
    args: [
      readsMatrix(x, rows, width),
      reads(stats, 0, 2 * rows),
      readsMatrix(dy, rows, width),
      readsMatrix(w, 1, width),
      writesMatrix(dx, rows, width),
      add ? readsMatrix(add, rows, width) : null,
      writes(parts, 0, normPartWords(D)),
      D,
      rows,
    ],
    flop: 19 * rows * D,
    bytes: 16 * rows * D,
  };
}

/** dw and db of a LayerNorm from their parts. */
export function normGradients(label: string, D: number, parts: string, dw: Matrix, db: Matrix): Record[] {
  const width = pad4(D);
  return [dw, db].map((out, i) => ({
    label,
    opcode: ADD_PARTS,
    args: [reads(parts, i * width, normPartWords(D) - width), 8 * width, NORM_PARTS, writesMatrix(out, 1, width), width],
    flop: NORM_PARTS * width,
    bytes: 4 * NORM_PARTS * width,
  }));
}

export interface Attention {
  readonly H: number;
  readonly K: number;
  /** Input rows of qkv, and rows of pattern and z. */
  readonly inputRows: number;
  readonly outputRows: number;
  readonly qkv: string;
  readonly pattern: string;
  readonly batch: string;
  readonly examples: number;
  /** Indices: examples, or values of a or b. */
  readonly count: number;
  /** By position: which keys it sees, the first `keys`. */
  readonly queries: readonly { readonly position: number; readonly base: number; readonly keys: number }[];
  /** The rows of every position that is attended to. */
  readonly keys: readonly Rows[];
}

function attentionArguments(
  { H, K, inputRows, outputRows, qkv, pattern, batch, examples, count, queries, keys }: Attention,
  z: Argument,
  backward: readonly [dqkv: Argument, partial: Argument, shared: number],
  numbers: readonly number[],
  writesPattern: boolean,
): Argument[] {
  const HK = H * pad4(K), four = [0, 1, 2, 3], patterns = outputRows * H * 4;
  return [
    H,
    pad4(K),
    real(1 / Math.sqrt(K)),
    reads(qkv, 0, inputRows * 3 * HK),
    writesPattern ? writes(pattern, 0, patterns) : reads(pattern, 0, patterns),
    z,
    reads(batch, 0, examples),
    queries.length,
    keys.length,
    count,
    ...backward,
    ...four.flatMap((i) => i < queries.length ? [queries[i].position, queries[i].base, queries[i].keys] : [0, 0, 0]),
    ...four.flatMap((s) => s < keys.length ? [code(keys[s].by), keys[s].base, numbers[s] ?? -1] : [0, 0, -1]),
  ];
}

/** The rows that a group reaches: of its keys in qkv, of its queries in z. */
const keyRanges = ({ H, K, qkv, keys }: Attention) =>
  keys.map(({ base, count }) => reads(qkv, base * 3 * H * pad4(K), count * 3 * H * pad4(K)));
const queryRanges = ({ H, K, queries, count }: Attention) => queries.map(({ base }) => [base * H * pad4(K), count * H * pad4(K)] as const);

const pairsOf = ({ queries }: Attention) => queries.reduce((sum, { keys }) => sum + keys, 0);

/** pattern = softmax(q · k / √K), z = pattern · v. */
export function attention(label: string, a: Attention, z: string): Record {
  const HK = a.H * pad4(a.K);
  return {
    label,
    opcode: ATTENTION,
    args: attentionArguments(a, writes(z, 0, a.outputRows * HK), [null, null, 0], [], true),
    also: [...keyRanges(a), ...queryRanges(a).map(([from, words]) => writes(z, from, words))],
    scratch: SCRATCH_HEAD,
    flop: 4 * a.count * HK * pairsOf(a),
    bytes: 8 * HK * a.count * (a.keys.length + a.queries.length),
  };
}

/** dqkv of rows of their own, and the partial of rows that examples share: `positions`, by their number in it. */
export function attentionBackward(
  label: string,
  a: Attention,
  { dz, dqkv, partial, positions }: {
    readonly dz: string;
    readonly dqkv: string;
    readonly partial: string;
    readonly positions: readonly number[];
  },
): Record {
  const HK = a.H * pad4(a.K), n = positions.length;
  const to = n === 0 ? null : writes(partial, 0, a.count * n * 3 * HK);
  const numbers = a.keys.map((_, s) => positions.indexOf(s));
  return {
    label,
    opcode: ATTENTION_BACKWARD,
    args: attentionArguments(
      a,
      reads(dz, 0, a.outputRows * HK),
      [writes(dqkv, 0, a.inputRows * 3 * HK), to, n],
      numbers,
      false,
    ),
    also: [...keyRanges(a), ...queryRanges(a).map(([from, words]) => reads(dz, from, words))],
    scratch: SCRATCH_HEAD,
    flop: 10 * a.count * HK * pairsOf(a),
    bytes: 4 * HK * a.count * (5 * a.keys.length + 2 * a.queries.length),
  };
}

/** Where a row's gradient comes from: its own row of x, or those of the examples that have its value of a or b. */
export interface Source {
  readonly x: Matrix;
  readonly by: By;
  /** Rows of x that can be meant. */
  readonly rows: number;
  /** The first float of a row that the source counts for. */
  readonly first?: number;
}

/** out[v] = factor · Σ of the sources' rows of v; zero without any. */
export function fold(
  label: string,
  { out, rows, width, sources, factor }: {
    readonly out: Matrix;
    readonly rows: number;
    readonly width: number;
    readonly sources: readonly Source[];
    readonly factor?: number | undefined;
  },
  { lists, B, C }: ByValue,
): Record {
  return {
    label,
    opcode: FOLD,
    args: [
      writesMatrix(out, rows, width),
      4 * out.stride,
      rows,
      width,
      sources.some(({ by }) => by !== "index") ? reads(lists, 0, 2 * listSide(B, C)) : null,
      listSide(B, C),
      factor === undefined || factor === 1 ? 0 : real(factor),
      ...sources.flatMap((
        { x, by, rows, first = 0 },
      ) => [readsMatrix(x, rows, width), 4 * x.stride, code(by), C + 1, first]),
    ],
    flop: sources.reduce((sum, { rows }) => sum + rows * width, 0),
    bytes: 4 * sources.reduce((sum, { rows }) => sum + rows * width, 0),
  };
}

/** out[example] = mean over positions of x[its row]. */
export function pool(
  label: string,
  { x, rows, out, batch, examples, width, positions }: {
    readonly x: Matrix;
    readonly rows: number;
    readonly out: Matrix;
    readonly batch: string;
    readonly examples: number;
    readonly width: number;
    readonly positions: readonly Rows[];
  },
): Record {
  return {
    label,
    opcode: POOL,
    args: [
      readsMatrix(x, rows, width),
      writesMatrix(out, examples, width),
      reads(batch, 0, examples),
      4 * width,
      examples,
      real(1 / positions.length),
      ...positions.flatMap(({ by, base }) => [code(by), base]),
    ],
    also: positions.map(({ base, count }) => reads(x.buffer, x.offset + base * width, count * width)),
    flop: examples * width * positions.length,
    bytes: 4 * examples * width * (positions.length + 1),
  };
}

/** stats = loss and right of each example; dlogits their gradient, where given. */
export function loss(
  label: string,
  { batch, logits, stats, dlogits, examples, C }: {
    readonly batch: string;
    readonly logits: string;
    readonly stats: string;
    readonly dlogits?: string | undefined;
    readonly examples: number;
    readonly C: number;
  },
): Record {
  const words = examples * pad4(C);
  return {
    label,
    opcode: LOSS,
    args: [
      hyper,
      reads(batch, 0, examples),
      writes(logits, 0, words),
      writes(stats, 0, 2 * examples),
      dlogits === undefined ? null : writes(dlogits, 0, words),
      examples,
      C,
    ],
    flop: 8 * examples * C,
    bytes: (dlogits === undefined ? 4 : 8) * examples * C,
  };
}

/** params, m, v = AdamW(grads). */
export function adamw(
  label: string,
  { P, matrices, params, grads, m, v }: {
    readonly P: number;
    /** Words of matrices, which come first. */
    readonly matrices: number;
    readonly params: string;
    readonly grads: string;
    readonly m: string;
    readonly v: string;
  },
): Record {
  return {
    label,
    opcode: ADAMW,
    args: [hyper, state, writes(params, 0, P), reads(grads, 0, P), writes(m, 0, P), writes(v, 0, P), P, matrices],
    flop: 16 * P,
    bytes: 28 * P,
  };
}

/** What sums are made of, and where they are kept. */
export interface Sums {
  readonly examples: number;
  readonly stats: string;
  readonly sums: string;
}

/** sums += stats; step += 1. */
export const endOfStep = (label: string, { examples, stats, sums }: Sums): Record => ({
  label,
  opcode: END_OF_STEP,
  args: [writes("state", 0, STATE_WORDS), reads(stats, 0, 2 * examples), writes(sums, 0, 4), examples],
  flop: 2 * examples,
  bytes: 8 * examples,
});

/** sums += stats of the chunk; chunk += 1. */
export const endOfChunk = (label: string, { examples, stats, sums }: Sums): Record => ({
  label,
  opcode: END_OF_CHUNK,
  args: [hyper, writes("state", 0, STATE_WORDS), reads(stats, 0, 2 * examples), writes(sums, 0, 4), examples],
  flop: 2 * examples,
  bytes: 8 * examples,
});

/** metrics = means and norms. */
export function endOfEvaluation(
  label: string,
  { P, params, grads, batchSums, sums, metrics }: {
    readonly P: number;
    readonly params: string;
    readonly grads: string;
    readonly batchSums: string;
    readonly sums: string;
    readonly metrics: string;
  },
): Record {
  return {
    label,
    opcode: END_OF_EVALUATION,
    args: [
      hyper,
      writes("state", 0, STATE_WORDS),
      reads(params, 0, P),
      reads(grads, 0, P),
      writes(batchSums, 0, 4),
      writes(sums, 0, 4),
      writes(metrics, 0, 8),
      P,
    ],
    flop: 4 * P,
    bytes: 8 * P,
  };
}

/** Mean, variance and entropy of a layer's patterns over the probe set. */
export function attentionSummary(
  label: string,
  { batch, pattern, rows, out, words, l, N, S, H, queries, positions }: {
    readonly batch: string;
    readonly pattern: string;
    readonly rows: number;
    readonly out: string;
    readonly words: number;
    readonly l: number;
    readonly N: number;
    readonly S: number;
    readonly H: number;
    /** Of all layers. */
    readonly queries: number;
    readonly positions: readonly Rows[];
  },
): Record {
  const T = positions.length;
  return {
    label,
    opcode: ATTENTION_SUMMARY,
    args: [
      hyper,
      reads(batch, 0, N),
      reads(pattern, 0, rows * H * 4),
      writes(out, 0, words),
      l,
      N,
      S,
      H,
      T,
      queries,
      ...positions.flatMap(({ by, base }) => [code(by), base]),
    ],
    also: positions.map(({ base, count }) => reads(pattern, 4 * H * base, 4 * H * count)),
    flop: 16 * N * H * T,
    bytes: 32 * N * H * T,
  };
}
