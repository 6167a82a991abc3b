/**
 * One reading of a run's attention, cut into patterns, and the names of patterns. Legend: L layers, H heads, T positions; weights are [L,
 * H, T, T] by layer, head, query and key, and each query's weights sum to 1.
 */
import { entropy, rowCount } from "./distances.ts";
import { must } from "../statistics/sample.ts";

/** The sizes of attention weights. */
export interface AttentionSizes {
  readonly L: number;
  readonly H: number;
  readonly T: number;
}

/** Which positions a query sees: itself and those before it, or all. */
export type Mask = "causal" | "none";

/** Which patterns to take out of a reading; a field that is left out selects all. */
export interface Selection {
  readonly layer?: number;
  readonly head?: number;
  readonly queries?: readonly number[];
}

/** How many keys a query sees. */
export const visibleKeys = (query: number, T: number, mask: Mask): number => mask === "causal" ? query + 1 : T;

/** The queries that see more than one key: under a causal mask, all but the first. The pattern of any other query is always the same. */
export const choosingQueries = (T: number, mask: Mask): number[] =>
  Array.from({ length: T }, (_, query) => query).filter((query) => visibleKeys(query, T, mask) > 1);

/**
 * The selected rows of weights [L, H, T, T], as [rows, T]: layer by layer, head by head, query by query as listed.
 * @throws Error for weights of another size, and for a layer, head or query that doesn't exist.
 */
export function rowsOf(weights: ArrayLike<number>, { L, H, T }: AttentionSizes, { layer, head, queries }: Selection = {}): Float64Array {
  const action = "select attention";
  must(action, "the number of weights", weights.length === L * H * T * T, `must be ${L}·${H}·${T}·${T}`, weights.length);
  const chosen = (name: string, n: number, which: readonly number[] | undefined) => {
    const all = which ?? Array.from({ length: n }, (_, i) => i);
    for (const i of all) must(action, name, Number.isInteger(i) && i >= 0 && i < n, `must be a whole number below ${n}`, i);
    must(action, `the number of ${name}s`, all.length > 0, "must be at least 1", all.length);
    return all;
  };
  const layers = chosen("layer", L, layer === undefined ? undefined : [layer]);
  const heads = chosen("head", H, head === undefined ? undefined : [head]), asked = chosen("query", T, queries);
  const rows = new Float64Array(layers.length * heads.length * asked.length * T);
  let at = 0;
  for (const l of layers) {
    for (const h of heads) {
      for (const t of asked) {
        const from = ((l * H + h) * T + t) * T;
        for (let key = 0; key < T; key++) rows[at++] = weights[from + key];
      }
    }
  }
  return rows;
}

/** A query's entropy as a share of the largest possible, 0 (one key) … 1 (all visible keys alike); `null` where it sees only one key. */
export function normalisedEntropy(weights: ArrayLike<number>, visible: number): number | null {
  return visible > 1 ? Math.min(1, entropy(weights) / Math.log2(visible)) : null;
}

/** "uniform": the entropy is at least this share of the largest possible. */
export const UNIFORM = 0.95;
/** "to x": x gets at least this much, twice what all others get together. */
export const ONE_KEY = 2 / 3;
/** "to x and y": the two get at least this much together … */
export const TWO_KEYS = 0.8;
/** … and the smaller weight is at least this share of the larger. */
export const BALANCED = 0.5;
/** "mostly to x": x gets at least this much, and no other key gets half as much as x. */
export const MOSTLY = 0.5;

/** What the names of patterns are made from. */
export interface NameOptions {
  /** The names of the T positions, as in `[a, op, b, =]`. Those of the operands are `a` and `b`. */
  readonly tokens: readonly string[];
  readonly mask: Mask;
  /** The queries that are the pattern's rows, in their order. Default: the last position alone, which the output head reads. */
  readonly queries?: readonly number[];
}

/**
 * What a pattern [rows, T] does, in words. For each query, the first of these that holds: `uniform` (entropy ≥ 95 % of the largest
 * possible), `to x` (x gets ≥ 2/3; `to itself`, where x is the query), `to both operands` or `to x and y` (the two get ≥ 80 %, neither more
 * than twice the other), `mostly to x` (x gets ≥ 1/2, and no other key half as much), else `mixed`. Where the queries differ, each is
 * named: `b: to a, =: mixed`.
 * @throws Error unless there is a row for each query and a token for each position.
 */
export function namePattern(pattern: ArrayLike<number>, { tokens, mask, queries = [tokens.length - 1] }: NameOptions): string {
  const T = tokens.length, rows = rowCount(pattern, T);
  must("name a pattern", "its rows", rows === queries.length, `must be ${queries.length}, one a query`, rows);
  const names = queries.map((query, row) => nameRow(Array.from({ length: T }, (_, key) => pattern[row * T + key]), query, tokens, mask));
  if (names.every((name) => name === names[0])) return names[0];
  return queries.map((query, row) => `${tokens[query]}: ${names[row]}`).join(", ");
}

function nameRow(weights: readonly number[], query: number, tokens: readonly string[], mask: Mask): string {
  const share = normalisedEntropy(weights, visibleKeys(query, tokens.length, mask));
  if (share !== null && share >= UNIFORM) return "uniform";
  const [first, second] = weights.map((_, key) => key).sort((x, y) => weights[y] - weights[x]);
  if (share === null || weights[first] >= ONE_KEY) return first === query ? "to itself" : `to ${tokens[first]}`;
  if (weights[second] < BALANCED * weights[first]) {
    return weights[first] < MOSTLY ? "mixed" : `mostly to ${first === query ? "itself" : tokens[first]}`;
  }
  if (weights[first] + weights[second] < TWO_KEYS) return "mixed";
  const pair = [first, second].sort((x, y) => x - y);
  if (pair.map((key) => tokens[key]).join(" ") === "a b") return "to both operands";
  return `to ${pair.map((key) => key === query ? "itself" : tokens[key]).join(" and ")}`;
}

/**
 * The names of several patterns, such as centroids. Equal names say which key gets most, where that tells the patterns apart (`to both
 * operands, more to a`); else they are numbered: `to a (1)`, `to a (2)`.
 */
export function namePatterns(patterns: readonly ArrayLike<number>[], options: NameOptions): string[] {
  const names = patterns.map((pattern) => namePattern(pattern, options)), { tokens } = options;
  const leans = patterns.map((pattern) => Array.from(pattern, (_, key) => key).sort((x, y) => pattern[y] - pattern[x])[0]);
  return names.map((name, i) => {
    const alike = [...names.keys()].filter((k) => names[k] === name);
    if (alike.length === 1) return name;
    const apart = patterns[i].length === tokens.length && new Set(alike.map((k) => leans[k])).size === alike.length;
    return apart ? `${name}, more to ${tokens[leans[i]]}` : `${name} (${alike.indexOf(i) + 1})`;
  });
}
