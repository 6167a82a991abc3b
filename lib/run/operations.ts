/**
 * The operations that a network learns, as tables of (a, b) → answer; and from a table and a seed to a dataset: which pairs
 * train, which validate. A new operation is one line in `OPERATIONS`.
 */
import { Random } from "./random.ts";

/** What an operation may use: the modulus, and a stream for the control that has no rule. */
interface Context {
  readonly p: number;
  readonly random: Random;
}

export interface Operation {
  /** How people write it. */
  readonly formula: string;
  /** The answer to (a, b); operations on permutations see their numbers. */
  readonly answer: (a: number, b: number, context: Context) => number;
  /** `mod p`: elements are 0 … p − 1; `S5`: the 120 permutations of five things, whatever p is. */
  readonly elements: "mod p" | "S5";
  /** Whether p has to be prime, because the operation divides by y; pairs with y = 0 are left out. */
  readonly divides?: true;
}

const mod = (n: number, p: number) => ((n % p) + p) % p;
const modular = (formula: string, f: (x: number, y: number) => number): Operation => ({
  formula,
  elements: "mod p",
  answer: (x, y, { p }) => mod(f(x, y), p),
});
const permuting = (formula: string, f: (a: number, b: number) => number): Operation => ({ formula, elements: "S5", answer: f });

/** Every permutation of five things, in lexicographic order, and the number of each. */
const S5: readonly number[][] = permutations([0, 1, 2, 3, 4]);
const number = new Map(S5.map((permutation, i) => [permutation.join(), i]));
/** c[i] = a[b[i]]. */
const compose = (a: number, b: number) => number.get(S5[b].map((i) => S5[a][i]).join())!;
const inverse = (a: number) => number.get(S5[a].map((_, i) => S5[a].indexOf(i)).join())!;

export const OPERATIONS = {
  x_plus_y: modular("x + y", (x, y) => x + y),
  x_minus_y: modular("x − y", (x, y) => x - y),
  x_div_y: { formula: "x / y", elements: "mod p", divides: true, answer: (x, y, { p }) => (x * power(y, p - 2, p)) % p },
  x_mul_y: modular("x · y", (x, y) => x * y),
  x2_plus_y2: modular("x² + y²", (x, y) => x * x + y * y),
  x2_plus_xy_plus_y2: modular("x² + xy + y²", (x, y) => x * x + x * y + y * y),
  x3_plus_xy: modular("x³ + xy", (x, y) => x * x * x + x * y),
  x3_plus_xy2_plus_y: modular("x³ + xy² + y", (x, y) => x * x * x + x * y * y + y),
  permutation: permuting("a · b in S5", compose),
  permutation_aba: permuting("a · b · a in S5", (a, b) => compose(compose(a, b), a)),
  permutation_aba_inverse: permuting("a · b · a⁻¹ in S5", (a, b) => compose(compose(a, b), inverse(a))),
  random: { formula: "random labels", elements: "mod p", answer: (_x, _y, { p, random }) => random.below(p) },
} as const satisfies Record<string, Operation>;

export type OperationName = keyof typeof OPERATIONS;

/** Elements of an operation: how many values a and b take, and how many classes the answer has. */
export function elementCount(operation: OperationName, p: number): number {
  return OPERATIONS[operation].elements === "S5" ? S5.length : p;
}

/** How many pairs (a, b) the operation has. */
export function pairCount(operation: OperationName, p: number): number {
  const n = elementCount(operation, p);
  return "divides" in OPERATIONS[operation] ? n * (n - 1) : n * n;
}

/** The pairs of a run in its own order: the first `trainCount` train, the rest validate. All arrays [pairs]. */
export interface Dataset {
  readonly a: Uint32Array;
  readonly b: Uint32Array;
  readonly target: Uint32Array;
  readonly trainCount: number;
}

/** How many pairs of `count` train at this fraction: ⌊fraction · count⌋, or the whole number nearest to it, of two the even one. */
export function trainCount(fraction: number, count: number, rounding: "down" | "nearest" = "down"): number {
  const share = fraction * count, below = Math.floor(share + 1e-9), rest = share - below;
  if (rounding === "down" || rest < 0.5) return below;
  return rest > 0.5 || below % 2 === 1 ? below + 1 : below;
}

/** The dataset of a run: all pairs of the operation, shuffled by the seed's `split` stream and cut at the train fraction. */
export function dataset(
  data: { operation: OperationName; prime: number; trainFraction: number; rounding?: "down" | "nearest" },
  seed: number,
): Dataset {
  const operation: Operation = OPERATIONS[data.operation];
  const n = elementCount(data.operation, data.prime);
  const context = { p: data.prime, random: new Random(seed, "labels") };
  const rows: [number, number, number][] = [];
  for (let a = 0; a < n; a++) {
    for (let b = operation.divides ? 1 : 0; b < n; b++) rows.push([a, b, operation.answer(a, b, context)]);
  }
  const order = new Random(seed, "split").permutation(rows.length);
  const column = (i: number) => Uint32Array.from(order, (at) => rows[at][i]);
  return { a: column(0), b: column(1), target: column(2), trainCount: trainCount(data.trainFraction, rows.length, data.rounding) };
}

function permutations(items: readonly number[]): number[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item) => permutations(items.filter((other) => other !== item)).map((rest) => [item, ...rest]));
}

/** base^exponent mod p, for p below 2¹⁶. */
function power(base: number, exponent: number, p: number): number {
  let result = 1;
  for (let square = base % p; exponent > 0; exponent = Math.floor(exponent / 2), square = (square * square) % p) {
    if (exponent % 2 === 1) result = (result * square) % p;
  }
  return result;
}
