/**
 * Lists of records, as plain data before any memory exists: an opcode, arguments, and which words of which buffer they reach. Every range
 * is checked against its buffer here, once; replaying checks nothing. `kernels/opcode.ts` says how a record lies in memory.
 */
import { HEADER } from "./kernels/opcode.ts";

/** Words `from` … `from + words − 1` of a run's buffer. */
export interface Range {
  readonly buffer: string;
  readonly from: number;
  readonly words: number;
  readonly writes: boolean;
}

export const reads = (buffer: string, from: number, words: number): Range => ({ buffer, from, words, writes: false });
export const writes = (buffer: string, from: number, words: number): Range => ({ buffer, from, words, writes: true });

/** A matrix in a buffer: where it begins, and words from row to row. */
export interface Matrix {
  readonly buffer: string;
  readonly offset: number;
  readonly stride: number;
}

/** The words that rows × columns of a matrix reach. */
export const readsMatrix = ({ buffer, offset, stride }: Matrix, rows: number, columns: number) =>
  reads(buffer, offset, (rows - 1) * stride + columns);
export const writesMatrix = ({ buffer, offset, stride }: Matrix, rows: number, columns: number) =>
  writes(buffer, offset, (rows - 1) * stride + columns);

/** An argument that is a float, not a whole number. */
export const real = (value: number) => ({ real: value });
export type Argument = number | { readonly real: number } | Range | null;

export interface Record {
  /** What it computes, for people: in errors and profiles. */
  readonly label: string;
  readonly opcode: number;
  readonly args: readonly Argument[];
  /** Ranges that it reaches beside those of its arguments. */
  readonly also?: readonly Range[];
  /** Bytes of scratch a worker needs for it. */
  readonly scratch?: number;
  /** Floating-point operations, and bytes that must at least move. */
  readonly flop: number;
  readonly bytes: number;
}

const isRange = (argument: Argument): argument is Range => typeof argument === "object" && argument !== null && "buffer" in argument;
export const rangesOf = ({ args, also = [] }: Record): Range[] => [...args.filter(isRange), ...also];

/** @throws Error that names the record and the buffer where a range leaves its buffer, or begins at no multiple of a vector. */
export function check(records: readonly Record[], words: ReadonlyMap<string, number>): void {
  for (const record of records) {
    for (const { buffer, from, words: count } of rangesOf(record)) {
      const size = words.get(buffer) ?? 0;
      if (!(from >= 0 && count >= 1 && from + count <= size)) {
        throw new Error(
          `Cannot lower "${record.label}": its words of ${buffer} must lie within 0 to ${size - 1}, current value is ${from} to ${
            from + count - 1
          }`,
        );
      }
    }
  }
}

const meets = (a: Range, b: Range) =>
  a.buffer === b.buffer && (a.writes || b.writes) && a.from < b.from + b.words && b.from < a.from + a.words;

/**
 * Whether a barrier stands before each record, where several workers share a run: before the first, and wherever one reads or writes what
 * another has written, or writes what another has read, since the last barrier.
 */
export function barriers(records: readonly Record[]): boolean[] {
  let open: Range[] = [];
  return records.map((record, i) => {
    const ranges = rangesOf(record);
    const needed = i === 0 || ranges.some((range) => open.some((other) => meets(range, other)));
    open = needed ? ranges : [...open, ...ranges];
    return needed;
  });
}

/** A list as the words that are replayed. `at` gives the bytes from a run's arena to a buffer. */
export function encode(records: readonly Record[], at: (buffer: string) => number): Int32Array<ArrayBuffer> {
  const wait = barriers(records);
  const words = new Int32Array(records.reduce((sum, { args }) => sum + HEADER + args.length, 0)), floats = new Float32Array(words.buffer);
  let to = 0;
  records.forEach(({ opcode, args }, i) => {
    words.set([opcode, HEADER + args.length, wait[i] ? 1 : 0], to);
    to += HEADER;
    for (const argument of args) {
      if (typeof argument === "number") words[to] = argument;
      else if (argument !== null && "real" in argument) floats[to] = argument.real;
      else if (argument !== null) words[to] = at(argument.buffer) + 4 * argument.from;
      to++;
    }
  });
  return words;
}

/** Words of each record, in order. */
export const lengths = (records: readonly Record[]) => records.map(({ args }) => HEADER + args.length);
