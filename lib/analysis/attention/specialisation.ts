/**
 * How specialised attention heads are: each on its own (does it prefer positions, does its attention depend on the example?) and compared
 * with the others of its layer (do they differ?). All measures run from 0 to 1. Each head is measured by itself; means over a layer don't
 * depend on the order of its heads, so they can be compared across runs.
 */
import { type AttentionSizes, choosingQueries, type Mask, normalisedEntropy, rowsOf, visibleKeys } from "./patterns.ts";
import { patternDivergence } from "./distances.ts";
import { must } from "../statistics/sample.ts";

/** Statistics of a run's attention at one step, over the probe examples. */
export interface AttentionStatistics {
  /** Mean weights, [L, H, T, T]. */
  readonly mean: ArrayLike<number>;
  /** The variance of each weight over the examples, [L, H, T, T]. */
  readonly variance: ArrayLike<number>;
  /** The mean entropy of a query's weights over the examples in nats, [L, H, T]. */
  readonly entropy: ArrayLike<number>;
}

/** Measures of one head; means over the chosen queries. */
export interface HeadMeasures {
  readonly layer: number;
  readonly head: number;
  /**
   * 1 − the entropy of its mean pattern as a share of the largest possible: 0 where all positions get the same on average over the
   * examples, 1 where one position always gets everything.
   */
  readonly position: number;
  /**
   * The share of its weights' variation around uniform attention that the position explains: η² = m / (m + v), where m sums the squared
   * deviations of the mean weights from uniform, and v the variances over examples. 1 where the example doesn't matter, 0 where only the
   * example does; `null` without any variation.
   */
  readonly positionShare: number | null;
  /**
   * How much the example determines where the head attends: their mutual information, that is the entropy of its mean pattern minus its
   * mean entropy over the examples, as a share of the largest possible entropy.
   */
  readonly content: number;
  /** Its mean entropy over the examples as a share of the largest possible: 1 for uniform attention on each of them. */
  readonly entropy: number;
  /** The mean Jensen–Shannon divergence (bits) between its mean pattern and those of the layer's other heads; `null` without others. */
  readonly distinctness: number | null;
}

/** One layer; `position`, `content` and `entropy` are means over its heads, `positionShare` over the heads that have one. */
export interface LayerMeasures extends Omit<HeadMeasures, "head" | "distinctness"> {
  /**
   * The specialisation index: the mean over pairs of heads of the Jensen–Shannon divergence (bits) between their mean patterns. 0 where all
   * heads do the same, 1 where no two attend to the same key, which needs at least as many keys as heads. `null` for one head.
   */
  readonly specialisation: number | null;
  /**
   * The same for entropies: the absolute difference of two heads' entropies, mean over pairs of heads and over queries. `null` for one
   * head.
   */
  readonly entropySpread: number | null;
  readonly heads: readonly HeadMeasures[];
}

export interface SpecialisationOptions {
  readonly mask: Mask;
  /**
   * The queries to measure. Default: all that see more than one key. Where only the last position matters, as in the last layer: `[T − 1]`.
   */
  readonly queries?: readonly number[];
}

const mean = (values: readonly number[]) => values.length > 0 ? values.reduce((sum, x) => sum + x, 0) / values.length : null;

/**
 * The measures of each layer and of its heads.
 * @throws Error for statistics of another size, and for queries that see only one key.
 */
export function specialisation(
  statistics: AttentionStatistics,
  sizes: AttentionSizes,
  { mask, queries = choosingQueries(sizes.T, mask) }: SpecialisationOptions,
): LayerMeasures[] {
  const { L, H, T } = sizes, action = "measure specialisation";
  must(action, "the number of entropies", statistics.entropy.length === L * H * T, `must be ${L}·${H}·${T}`, statistics.entropy.length);
  const free = choosingQueries(T, mask), stuck = queries.filter((query) => !free.includes(query));
  must(
    action,
    "the queries",
    queries.length > 0 && stuck.length === 0,
    `must be some of ${free.join(", ")}, which have a choice`,
    stuck.join(", "),
  );
  return Array.from({ length: L }, (_, layer) => {
    const patterns = Array.from({ length: H }, (_, head) => rowsOf(statistics.mean, sizes, { layer, head, queries }));
    const variances = patterns.map((_, head) => rowsOf(statistics.variance, sizes, { layer, head, queries }));
    // [H][queries], shares of the largest possible.
    const entropies = patterns.map((_, head) =>
      queries.map((query) => statistics.entropy[(layer * H + head) * T + query] / Math.log(visibleKeys(query, T, mask)))
    );
    const heads = patterns.map((pattern, head): HeadMeasures => {
      const rows = queries.map((_, row) => pattern.subarray(row * T, (row + 1) * T));
      const ofMean = rows.map((row, i) => normalisedEntropy(row, visibleKeys(queries[i], T, mask))!);
      const others = patterns.filter((_, other) => other !== head);
      return {
        layer,
        head,
        position: 1 - mean(ofMean)!,
        positionShare: positionShare(rows, variances[head], queries.map((query) => visibleKeys(query, T, mask))),
        // Below 0 only by rounding: entropy is concave.
        content: mean(ofMean.map((share, i) => Math.max(0, share - entropies[head][i])))!,
        entropy: mean(entropies[head])!,
        distinctness: mean(others.map((other) => patternDivergence(pattern, other, T))),
      };
    });
    const pairs = patterns.flatMap((_, i) => patterns.slice(0, i).map((_, j) => [i, j] as const));
    return {
      layer,
      specialisation: mean(pairs.map(([i, j]) => patternDivergence(patterns[i], patterns[j], T))),
      entropySpread: mean(pairs.flatMap(([i, j]) => queries.map((_, q) => Math.abs(entropies[i][q] - entropies[j][q])))),
      position: mean(heads.map(({ position }) => position))!,
      positionShare: mean(heads.flatMap(({ positionShare }) => positionShare ?? [])),
      content: mean(heads.map(({ content }) => content))!,
      entropy: mean(heads.map(({ entropy }) => entropy))!,
      heads,
    };
  });
}

/** f32 rounding moves weights by about 10⁻⁶, and so their squares by 10⁻¹². */
const ROUNDING = 1e-12;

/** η² over all queries together, so that a query that barely varies counts little. `visible`: number of keys that each row's query sees. */
function positionShare(rows: readonly Float64Array[], variances: Float64Array, visible: readonly number[]): number | null {
  let explained = 0, rest = 0;
  rows.forEach((row, i) => {
    for (let key = 0; key < visible[i]; key++) {
      explained += (row[key] - 1 / visible[i]) ** 2;
      rest += variances[i * row.length + key];
    }
  });
  return explained + rest > ROUNDING * variances.length ? explained / (explained + rest) : null;
}
