/**
 * Which rows an activation has. The plan computes what the loss sees, once.
 *
 * Needed: each layer computes the positions that the next one reads; the last one those that are pooled.
 * Shared: an activation at position t depends on a alone, on b alone, or on both. Where a batch has more examples than there are
 * elements, what depends on a alone is stored once per value of a, not once per example. Both are exact: the same sums, fewer times.
 *
 * Invariant: the row of example i at a position is `base + a[i]`, `base + b[i]` or `base + i`, by what the position depends on.
 */
import { type RunSpec, sizes, tokenNames } from "../run/spec.ts";
import type { PositionRows } from "./op.ts";

export type Depends = "a" | "b" | "ab";

/** The rows of one position. */
export interface Segment {
  readonly position: number;
  readonly depends: Depends;
  /** Its first row, and how many. */
  readonly base: number;
  readonly count: number;
}

export interface Rows {
  readonly segments: readonly Segment[];
  readonly count: number;
}

/** Which rows of a pass are computed: all of them; those that depend on one element; or those of the pairs. */
export type Share = "all" | "elements" | "pairs";

/** Rows one after the other. */
export interface Span {
  readonly first: number;
  readonly count: number;
}

export function common(a: Span, b: Span): Span {
  const first = Math.max(a.first, b.first);
  return { first, count: Math.max(0, Math.min(a.first + a.count, b.first + b.count) - first) };
}

/** The rows of a share. Those of elements come first: what a position sees, the ones after it see too. */
export function spanOf({ segments, count }: Rows, share: Share): Span {
  const elements = segments.reduce((sum, segment) => sum + (segment.depends === "ab" ? 0 : segment.count), 0);
  if (share === "all") return { first: 0, count };
  if (segments.some(({ depends, base }) => (depends === "ab") !== (base >= elements))) {
    throw new Error(`Cannot share rows: those of elements must come first, current value is ${segments.map(({ depends }) => depends)}`);
  }
  return share === "elements" ? { first: 0, count: elements } : { first: elements, count: count - elements };
}

/** Query positions of a layer that depend on the same; they run in one dispatch, one thread for index × head. */
export interface Group {
  readonly depends: Depends;
  readonly count: number;
  readonly queries: readonly Segment[];
}

/** What goes into a layer and what comes out of it. */
export interface LayerRows {
  /** Rows of `resid_pre`: every position that is attended to. */
  readonly input: Rows;
  /** Rows of `resid_mid` and `resid_post`: the positions that are needed afterwards. */
  readonly output: Rows;
  readonly groups: readonly Group[];
}

/** The positions that position t attends to. */
export const visible = (spec: RunSpec, t: number) => sequence(spec.model.mask === "causal" ? t + 1 : tokenNames(spec.model.tokens).length);

const sequence = (n: number) => Array.from({ length: n }, (_, i) => i);

/**
 * The rows of every layer for a batch of so many examples; after the last one, those of the positions that are pooled, or of all.
 * @param of how many examples there are in all, where the batch is a part of them that elements' rows are computed once for.
 */
export function layerRows(spec: RunSpec, examples: number, wanted: "pooled" | "all" = "pooled", of = examples): LayerRows[] {
  const { L, T, elements: C } = sizes(spec);
  const names = tokenNames(spec.model.tokens);
  const shared = of > C;
  const rows = (positions: readonly number[], depends: readonly Depends[]): Rows => {
    let count = 0;
    const segments = positions.map((position) => {
      const segment = { position, depends: depends[position], base: count, count: depends[position] === "ab" ? examples : C };
      count += segment.count;
      return segment;
    });
    return { segments, count };
  };

  // What each position depends on before layer 0, then after each layer. A constant token counts as depending on a.
  const depends: Depends[][] = [names.map((name) => (!shared ? "ab" : name === "b" ? "b" : "a"))];
  for (const l of sequence(L)) {
    depends.push(names.map((_, t) => {
      const seen = new Set(visible(spec, t).map((s) => depends[l][s]));
      return seen.size === 1 ? [...seen][0] : "ab";
    }));
  }

  const layers: LayerRows[] = [];
  let needed = spec.model.pooling === "last" && wanted === "pooled" ? [T - 1] : sequence(T);
  for (const l of sequence(L).reverse()) {
    const attended = sequence(Math.max(...needed.map((t) => visible(spec, t).length)));
    const output = rows(needed, depends[l + 1]);
    const groups = (["a", "b", "ab"] as const).flatMap((what) => {
      const queries = output.segments.filter((segment) => segment.depends === what);
      return queries.length === 0 ? [] : [{ depends: what, count: queries[0].count, queries }];
    });
    layers.unshift({ input: rows(attended, depends[l]), output, groups });
    needed = attended;
  }
  return layers;
}

export const segmentAt = (rows: Rows, position: number) => rows.segments.find((segment) => segment.position === position)!;

/** Whether row i of both is the same position of the same example. */
export const sameRows = (a: Rows, b: Rows) =>
  a.count === b.count &&
  a.segments.every(({ position, depends }, i) => position === b.segments[i].position && depends === b.segments[i].depends);

/** The rows of a segment for indices that count examples ("ab") or values: by the index itself, or by a or b of the example's pair. */
export function rowsBy({ position, depends, base, count }: Segment, from: Depends): PositionRows {
  if (depends === from) return { position, by: "index", base, count };
  if (from === "ab") return { position, by: depends as "a" | "b", base, count };
  throw new Error(`Cannot find a row of what depends on ${depends} from what depends on ${from}`);
}

/** A pair (a, b) and its answer in 32 bits: ten each. */
export const pack = (a: number, b: number, target: number) => (a | (b << 10) | (target << 20)) >>> 0;
