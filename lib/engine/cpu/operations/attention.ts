/** Records of attention, and of the summary of its patterns. */
import { pad4 } from "../../../run/layout.ts";
import {
  ATTENTION,
  ATTENTION_BACKWARD,
  ATTENTION_SUMMARY,
  SCRATCH_HEAD,
  UNIFORM_ATTENTION,
  UNIFORM_ATTENTION_BACKWARD,
} from "../kernels/opcode.ts";
import { type Argument, reads, real, type Record, writes } from "../records.ts";
import { codeOf } from "./rows.ts";
import type { RowsBy } from "../../op.ts";
import { hyper } from "./run.ts";

export interface Attention {
  /** `uniform`: all the same, and `qkv` and its gradient have values alone. */
  readonly weights: "softmax" | "uniform";
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
  readonly keys: readonly RowsBy[];
}

function attentionArguments(
  { weights, H, K, inputRows, outputRows, qkv, pattern, batch, examples, count, queries, keys }: Attention,
  z: Argument,
  backward: readonly [dqkv: Argument, partial: Argument, shared: number],
  numbers: readonly number[],
  writesPattern: boolean,
): Argument[] {
  const QKV = wordsOf({ weights, H, K }), four = [0, 1, 2, 3], patterns = outputRows * H * 4;
  return [
    H,
    pad4(K),
    real(1 / Math.sqrt(K)),
    reads(qkv, 0, inputRows * QKV),
    writesPattern ? writes(pattern, 0, patterns) : reads(pattern, 0, patterns),
    z,
    reads(batch, 0, examples),
    queries.length,
    keys.length,
    count,
    ...backward,
    ...four.flatMap((i) => i < queries.length ? [queries[i].position, queries[i].base, queries[i].keys] : [0, 0, 0]),
    ...four.flatMap((s) => s < keys.length ? [codeOf(keys[s].by), keys[s].base, numbers[s] ?? -1] : [0, 0, -1]),
  ];
}

/** Words of a row of qkv. */
const wordsOf = ({ weights, H, K }: Pick<Attention, "weights" | "H" | "K">) => (weights === "uniform" ? 1 : 3) * H * pad4(K);

/** The rows that a group reaches: of its keys in qkv, of its queries in z. */
const keyRanges = (a: Attention) => a.keys.map(({ base, count }) => reads(a.qkv, base * wordsOf(a), count * wordsOf(a)));
const queryRanges = ({ H, K, queries, count }: Attention) => queries.map(({ base }) => [base * H * pad4(K), count * H * pad4(K)] as const);

const pairsOf = ({ queries }: Attention) => queries.reduce((sum, { keys }) => sum + keys, 0);

/** pattern = softmax(q · k / √K), z = pattern · v. */
export function attention(label: string, a: Attention, z: string): Record {
  const HK = a.H * pad4(a.K);
  return {
    label,
    opcode: a.weights === "uniform" ? UNIFORM_ATTENTION : ATTENTION,
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
  const HK = a.H * pad4(a.K), QKV = wordsOf(a), n = positions.length;
  const to = n === 0 ? null : writes(partial, 0, a.count * n * QKV);
  const numbers = a.keys.map((_, s) => positions.indexOf(s));
  return {
    label,
    opcode: a.weights === "uniform" ? UNIFORM_ATTENTION_BACKWARD : ATTENTION_BACKWARD,
    args: attentionArguments(
      a,
      reads(dz, 0, a.outputRows * HK),
      [writes(dqkv, 0, a.inputRows * QKV), to, n],
      numbers,
      false,
    ),
    also: [...keyRanges(a), ...queryRanges(a).map(([from, words]) => reads(dz, from, words))],
    scratch: SCRATCH_HEAD,
    flop: 10 * a.count * HK * pairsOf(a),
    bytes: 4 * HK * a.count * (5 * a.keys.length + 2 * a.queries.length),
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
    readonly positions: readonly RowsBy[];
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
      ...positions.flatMap(({ by, base }) => [codeOf(by), base]),
    ],
    also: positions.map(({ base, count }) => reads(pattern, 4 * H * base, 4 * H * count)),
    flop: 16 * N * H * T,
    bytes: 32 * N * H * T,
  };
}
