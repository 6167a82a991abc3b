/** What all fuzzers share: their form, chance that repeats, inputs that tend to break things, and what an error must be like. */

/** An input that came out wrong. */
export interface Finding {
  /** The input, as text. */
  readonly input: string;
  readonly problem: string;
}

/** Tries `count` inputs and gives those that come out wrong. */
export type Fuzzer = (random: Chance, count: number) => AsyncIterable<Finding>;

/** Chance from a seed: mulberry32. */
export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 up to but without 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 up to but without `n`. */
  below(n: number): number {
    return Math.floor(this.next() * n);
  }

  one<T>(some: readonly T[]): T {
    return some[this.below(some.length)];
  }

  /** Whether something that happens with this probability does. */
  happens(probability: number): boolean {
    return this.next() < probability;
  }
}

/** Names that objects have without being given them, and others that no field has. */
export const NAMES = [
  "toString",
  "constructor",
  "__proto__",
  "hasOwnProperty",
  "valueOf",
  "",
  "x",
  "0",
  "length",
  "a\nb",
  "\u001b[2J",
  "\u202egnp",
];

const nested = (depth: number): unknown => {
  let value: unknown = [];
  for (let i = 0; i < depth; i++) value = [value];
  return value;
};

/** Values that JSON can hold and few fields can. */
export const VALUES: readonly unknown[] = [
  ...[
    null,
    true,
    false,
    "",
    "x",
    "full",
    "1",
    "one-layer",
    "NaN",
    "Infinity",
    "0..4",
    "a\nb\rc\u2028d",
    "\u001b]0;title\u0007",
    "\ud800",
    "é".repeat(1e5),
  ],
  ...[
    0,
    -0,
    1,
    -1,
    0.5,
    1.5,
    2,
    3,
    1e-50,
    1e-39,
    1e38,
    1e39,
    1e308,
    5e-324,
    2 ** 31,
    2 ** 31 + 1,
    2 ** 32,
    2 ** 53,
    -(2 ** 53),
    0.99999999,
  ],
  ...[[], {}, [5], [[]], [null], { a: 1 }, { length: 3 }, { valueOf: 1 }, { toJSON: 1 }, Array(100).fill(0), nested(20), nested(2000)],
];

/** A text with a few of its characters taken out, doubled, or replaced. */
export function garbled(text: string, random: Chance): string {
  for (let n = random.below(4); n >= 0; n--) {
    const at = random.below(text.length + 1),
      by = random.one(["", "\0", '"', "{", "}", "[", ",", ":", "\n", "\u001b", "1e999", "-", "\ufeff", text.slice(at, at + 8)]);
    text = text.slice(0, at) + by + text.slice(at + random.below(3));
  }
  return text;
}

// deno-lint-ignore no-control-regex
const UNSHOWN = /[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]/;
/** No message needs more. */
const LONGEST = 1000;

/** What is wrong with what was thrown: whatever isn't an error in one line that says what can't be done; `null` where nothing is. */
export function wrongWith(error: unknown): string | null {
  if (!(error instanceof Error)) return `threw ${String(error)}, which is no error`;
  const { message, name } = error;
  if (name !== "Error") return `internal ${name}: ${message}`;
  if (!/^Cannot \w/.test(message)) return `says nothing of what can't be done: ${message}`;
  if (UNSHOWN.test(message)) return `more than one line, or what a terminal obeys: ${JSON.stringify(message)}`;
  return message.length > LONGEST ? `${message.length} characters: ${message.slice(0, 200)}` : null;
}

/** An input cut to what one can read. */
export const shown = (input: unknown): string => JSON.stringify(input).slice(0, 300);
