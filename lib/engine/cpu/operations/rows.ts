/** Records of rows that are found by index: embedding, gathering, folding, pooling. */
import type { By, ByValue, Pairs, RowsBy } from "../../op.ts";
import { BY_A, BY_B, BY_INDEX, EMBED, FOLD, GATHER, PAIRS, POOL } from "../kernels/opcode.ts";
import { type Matrix, reads, readsMatrix, real, type Record, writesMatrix } from "../records.ts";
import { AFTER } from "./products.ts";
import { listSide } from "./run.ts";

export const codeOf = (by: By) => ({ index: BY_INDEX, a: BY_A, b: BY_B })[by];

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
    readonly token: RowsBy;
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
      codeOf(token.by),
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
    readonly from: RowsBy;
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
      codeOf(from.by),
      from.base,
      4 * width,
      rows,
    ],
    flop: 0,
    bytes: 8 * rows * width,
  };
}

/** Where a row's gradient comes from: its own row of x, or those of the examples that have its value of a or b. */
export interface Source {
  readonly x: Matrix;
  readonly by: By;
  /** RowsBy of x that can be meant. */
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
      ) => [readsMatrix(x, rows, width), 4 * x.stride, codeOf(by), C + 1, first]),
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
    readonly positions: readonly RowsBy[];
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
      ...positions.flatMap(({ by, base }) => [codeOf(by), base]),
    ],
    also: positions.map(({ base, count }) => reads(x.buffer, x.offset + base * width, count * width)),
    flop: examples * width * positions.length,
    bytes: 4 * examples * width * (positions.length + 1),
  };
}

/** pre[i] = factor · (x[a[i]] + x[second + b[i]]) + bias, out = activation(pre); tables of `C` rows. */
export const pairs = (
  { label, batch, examples, width, x, second, factor, bias, activation, pre, out }: Omit<Pairs, "op">,
  C: number,
): Record => ({
  label,
  opcode: PAIRS,
  args: [
    readsMatrix(x, second + C, width),
    4 * x.stride,
    second,
    reads(batch, 0, examples),
    examples,
    width,
    real(factor),
    bias ? readsMatrix(bias, 1, width) : null,
    AFTER[activation],
    writesMatrix(pre, examples, width),
    writesMatrix(out, examples, width),
  ],
  flop: 3 * examples * width,
  bytes: 16 * examples * width,
});
