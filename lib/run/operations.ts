/**
 * The operations that a network learns, as tables of (a, b) → answer; and from a table and a seed to a dataset: which pairs
 * train, with which labels, and which validate. A new operation is one line in `OPERATIONS`.
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
  readonly elements: "mod p" | keyof typeof GROUPS;
  /** Whether p has to be prime, because the operation divides. */
  readonly divides?: true;
  /** Whether pairs with y = 0 are left out. */
  readonly withoutZero?: true;
}

/** The permutations of n things in lexicographic order, by whose numbers they are told apart. */
class Permutations {
  readonly all: readonly (readonly number[])[];
  readonly #number: ReadonlyMap<string, number>;

  constructor(n: number) {
    this.all = permutations(Array.from({ length: n }, (_, i) => i));
    this.#number = new Map(this.all.map((permutation, i) => [permutation.join(), i]));
  }

  /** c[i] = a[b[i]]. */
  compose = (a: number, b: number): number => this.#numberOf(this.all[b].map((i) => this.all[a][i]));
  inverse = (a: number): number => this.#numberOf(this.all[a].map((_, i) => this.all[a].indexOf(i)));

  #numberOf = (permutation: readonly number[]) => this.#number.get(permutation.join())!; // they are all there
}

const GROUPS = { S3: new Permutations(3), S4: new Permutations(4), S5: new Permutations(5) } as const;
const { compose, inverse } = GROUPS.S5;

const mod = (n: number, p: number) => ((n % p) + p) % p;
const divide = (x: number, y: number, p: number) => (x * power(y, p - 2, p)) % p;
const modular = (formula: string, f: (x: number, y: number) => number): Operation => ({
  formula,
  elements: "mod p",
  answer: (x, y, { p }) => mod(f(x, y), p),
});
const permuting = (formula: string, f: (a: number, b: number) => number, elements: keyof typeof GROUPS = "S5"): Operation => ({
  formula,
  elements,
  answer: f,
});

/** Those whose answer depends on which of x, y is even or odd, and the last polynomials, are of openai/grok (Power et al. 2022). */
export const OPERATIONS = {
  x_plus_y: modular("x + y", (x, y) => x + y),
  x_minus_y: modular("x − y", (x, y) => x - y),
  x_div_y: { formula: "x / y", elements: "mod p", divides: true, withoutZero: true, answer: (x, y, { p }) => divide(x, y, p) },
  x_mul_y: modular("x · y", (x, y) => x * y),
  x2_plus_y2: modular("x² + y²", (x, y) => x * x + y * y),
  x2_plus_xy_plus_y2: modular("x² + xy + y²", (x, y) => x * x + x * y + y * y),
  x3_plus_xy: modular("x³ + xy", (x, y) => x * x * x + x * y),
  x3_plus_xy2_plus_y: modular("x³ + xy² + y", (x, y) => x * x * x + x * y * y + y),
  permutation: permuting("a · b in S5", compose),
  permutation_aba: permuting("a · b · a in S5", (a, b) => compose(compose(a, b), a)),
  permutation_aba_inverse: permuting("a · b · a⁻¹ in S5", (a, b) => compose(compose(a, b), inverse(a))),
  random: { formula: "random labels", elements: "mod p", answer: (_x, _y, { p, random }) => random.below(p) },
  x2_plus_xy_plus_y2_plus_x: modular("x² + xy + y² + x", (x, y) => x * x + x * y + y * y + x),
  x2_plus_y: modular("x² + y", (x, y) => x * x + y),
  x3_plus_y: modular("x³ + y", (x, y) => x * x * x + y),
  x_div_y_or_x_minus_y: {
    formula: "x / y if y is odd, else x − y",
    elements: "mod p",
    divides: true,
    answer: (x, y, { p }) => y % 2 === 1 ? divide(x, y, p) : mod(x - y, p),
  },
  x_plus_y_or_x_mul_y: modular("x + y if x is even, else x · y", (x, y) => x % 2 === 0 ? x + y : x * y),
  x_plus_y_or_x_minus_y: modular("x + y if x is even, else x − y", (x, y) => x % 2 === 0 ? x + y : x - y),
  permutation_s3: permuting("a · b in S3", GROUPS.S3.compose, "S3"),
  permutation_s4: permuting("a · b in S4", GROUPS.S4.compose, "S4"),
} as const satisfies Record<string, Operation>;

export type OperationName = keyof typeof OPERATIONS;

/** Elements of an operation: how many values a and b take, and how many classes the answer has. */
export function elementCount(operation: OperationName, p: number): number {
  const { elements } = OPERATIONS[operation];
  return elements === "mod p" ? p : GROUPS[elements].all.length;
}

/** How many pairs (a, b) the operation has. */
export function pairCount(operation: OperationName, p: number): number {
  const n = elementCount(operation, p);
  return "withoutZero" in OPERATIONS[operation] ? n * (n - 1) : n * n;
}

/** What an operation is called with its modulus, or its moduli in words: `x + y mod 97`, `x + y mod 23 and 97`, `a · b in S5`. */
export const taskName = (operation: OperationName, p: number | string): string =>
  OPERATIONS[operation].formula + (OPERATIONS[operation].elements === "mod p" ? ` mod ${p}` : "");

/** The pairs of a run in its own order: the first `trainCount` train, the rest validate. All arrays [pairs]. */
export interface Dataset {
  readonly a: Uint32Array;
  readonly b: Uint32Array;
  /** The labels that the network is trained on and evaluated with. */
  readonly target: Uint32Array;
  /** The operation's answers, from which the labels of the first `noisy` pairs may differ. */
  readonly answer: Uint32Array;
  readonly trainCount: number;
  /** How many pairs that train, the first of them, have noisy labels. */
  readonly noisy: number;
}

/** What of a run decides its dataset, beside the seed: `DataSpec` has it all. */
interface DataOf {
  readonly operation: OperationName;
  readonly prime: number;
  readonly trainFraction: number;
  readonly rounding: "down" | "nearest";
  readonly split: "random" | "mirrored";
  readonly labelNoise: number;
  readonly noiseLabels: "wrong" | "any";
}

/** How many pairs of `count` train at this fraction: ⌊fraction · count⌋, or the whole number nearest to it, of two the even one. */
export function trainCount(fraction: number, count: number, rounding: "down" | "nearest" = "down"): number {
  const share = fraction * count, below = Math.floor(share + 1e-9), rest = share - below;
  if (rounding === "down" || rest < 0.5) return below;
  return rest > 0.5 || below % 2 === 1 ? below + 1 : below;
}

/**
 * The dataset of a run: all pairs of the operation, shuffled by the seed's `split` stream and cut at the train fraction. Noisy labels are
 * drawn from its `labels` stream: a run with more noise has those of one with less, and others.
 */
export function dataset(data: DataOf, seed: number): Dataset {
  const { operation: name, prime, trainFraction, rounding, split, labelNoise, noiseLabels } = data;
  const operation: Operation = OPERATIONS[name], n = elementCount(name, prime);
  const labels = new Random(seed, "labels"), context = { p: prime, random: labels };
  const rows: [number, number, number][] = [];
  for (let a = 0; a < n; a++) {
    for (let b = operation.withoutZero ? 1 : 0; b < n; b++) rows.push([a, b, operation.answer(a, b, context)]);
  }
  const random = new Random(seed, "split"),
    drawn = random.permutation(rows.length),
    train = trainCount(trainFraction, rows.length, rounding);
  const order = split === "mirrored" ? bySides(drawn, mirroredSides(rows, train, random)) : drawn;
  const column = (i: number) => Uint32Array.from(order, (at) => rows[at][i]);
  const noisy = trainCount(labelNoise, train), answer = column(2);
  const other = (right: number) => noiseLabels === "any" ? labels.below(n) : (right + 1 + labels.below(n - 1)) % n;
  const target = noisy === 0 ? answer : answer.map((right, i) => i < noisy ? other(right) : right);
  return { a: column(0), b: column(1), target, answer, trainCount: train, noisy };
}

/**
 * Which pairs train where (a, b) and (b, a) lie on the same side: as many as at random, and the same share of those that have no mirror
 * image but themselves, up to one of them that makes the number come out.
 */
function mirroredSides(rows: readonly (readonly number[])[], train: number, random: Random): boolean[] {
  const place = new Map(rows.map(([a, b], i) => [1024 * a + b, i])), trains = rows.map(() => false);
  const mirror = rows.map(([a, b], i) => place.get(1024 * b + a) ?? i); // (0, y) has none where y = 0 is left out
  const alone = mirror.filter((other, i) => other === i).length, share = Math.floor(alone * train / rows.length);
  let singles = (train - share) % 2 === 0 ? share : share < alone ? share + 1 : share - 1, couples = (train - singles) / 2;
  const seen = new Set<number>();
  for (const i of random.permutation(rows.length)) {
    if (seen.has(mirror[i])) continue;
    seen.add(i);
    trains[i] = mirror[i] === i ? singles-- > 0 : couples-- > 0;
    trains[mirror[i]] = trains[i];
  }
  return trains;
}

/** The order with those that train first. */
const bySides = (order: Uint32Array, trains: readonly boolean[]) =>
  Uint32Array.from([...order.filter((at) => trains[at]), ...order.filter((at) => !trains[at])]);

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
