/** Kinds of values that a field of a run may have: which they are, and what to say of one that isn't. */

export type Value = string | number | boolean;

/** The type that a column of SQLite has for a kind. */
export type ColumnType = "INTEGER" | "REAL" | "TEXT" | "ANY";

export interface Kind<T extends Value> {
  /** What a value must be, in words; `undefined` where it is so. */
  readonly refuse: (value: unknown) => string | undefined;
  /** What is added to the field's name where a value is refused. */
  readonly aside?: string;
  readonly column: ColumnType;
  /** The value that a text on the command line stands for; `undefined` where it stands for none. */
  readonly read: (text: string) => Value | undefined;
  /** What such a text must be. */
  readonly written: string;
  /** Where it is one of some words: which. */
  readonly words?: readonly string[];
  /** Never there: carries the type. */
  readonly type?: T;
}

/** The number that a text stands for, if it is one. */
export function numberIn(text: string): number | undefined {
  const value = Number(text);
  return text.trim() !== "" && Number.isFinite(value) ? value : undefined;
}
const number = { read: numberIn, written: "a number" } as const;

const isWhole = (value: unknown, least: number, most: number): boolean =>
  Number.isInteger(value) && (value as number) >= least && (value as number) <= most;

/** A whole number, both ends included. */
export const whole = (least: number, most = 2 ** 31): Kind<number> => ({
  refuse: (value) => isWhole(value, least, most) ? undefined : `a whole number from ${least} to ${most}`,
  column: "INTEGER",
  ...number,
});

/** A range of numbers, as a condition and in words. */
export interface Range {
  readonly has: (value: number) => boolean;
  readonly words: string;
}
export const POSITIVE: Range = { has: (value) => value > 0, words: "above 0" };
export const NOT_NEGATIVE: Range = { has: (value) => value >= 0, words: "0 or above" };
export const BETWEEN: Range = { has: (value) => value > 0 && value < 1, words: "between 0 and 1" };
export const SHARE: Range = { has: (value) => value >= 0 && value <= 1, words: "from 0 to 1" };
export const BELOW_ONE: Range = { has: (value) => value >= 0 && value < 1, words: "at least 0 and below 1" };

/** A number in a range. */
export const real = (range: Range): Kind<number> => ({
  refuse: (value) => typeof value === "number" && Number.isFinite(value) && range.has(value) ? undefined : range.words,
  column: "REAL",
  ...number,
});

/** The smallest number of fp32 with all its digits; WGSL lets a device take smaller ones for 0. */
const SMALLEST = 2 ** -126;

/** A number that the engines hold as fp32: as such, too, it must lie in the range, and be 0 only where it was 0. */
export const single = (range: Range): Kind<number> => ({
  ...real(range),
  refuse: (value) => {
    const refusal = real(range).refuse(value);
    if (refusal !== undefined) return refusal;
    const held = Math.fround(value as number);
    if (value !== 0 && Math.abs(held) < SMALLEST) {
      return `${range.has(0) ? "0 or " : ""}at least ${SMALLEST.toPrecision(3)} (smaller fp32 numbers may become 0)`;
    }
    return Number.isFinite(held) && range.has(held) ? undefined : `${range.words} as the fp32 number that it becomes, which is ${held}`;
  },
});

/** One of some words. */
export const word = <const Words extends readonly string[]>(...words: Words): Kind<Words[number]> => ({
  refuse: (value) => typeof value === "string" && words.includes(value) ? undefined : `one of ${words.join(", ")}`,
  column: "TEXT",
  read: (text) => text,
  written: `one of ${words.join(", ")}`,
  words,
});

/** True or false. */
export const flag = (): Kind<boolean> => ({
  refuse: (value) => typeof value === "boolean" ? undefined : "true or false",
  column: "INTEGER",
  read: (text) => text === "true" ? true : text === "false" ? false : undefined,
  written: "true or false",
});

/** One word, or else a number. */
export const wordOr = <const Word extends string>(only: Word, { refuse, read, written }: Kind<number>): Kind<Word | number> => ({
  refuse: (value) => value === only ? undefined : refuse(value),
  aside: ` (where it is not "${only}")`,
  column: "ANY",
  read: (text) => text === only ? text : read(text),
  written: `${written} or "${only}"`,
});
