/**
 * How specialised attention heads are: each for itself (does it prefer positions, and does it look at the example at all?) and against the
 * others of its layer (do they do different things?). All measures run from 0 to 1 and keep heads apart; means over a layer don't depend on
 * the order of its heads, so they can be compared across runs.
 */
import { type AttentionSizes, choosingQueries, type Mask, normalisedEntropy, rowsOf, visibleKeys } from "./patterns.ts";
import { patternDivergence } from "./distances.ts";
import { must } from "../statistics/sample.ts";

/** What is known of a run's attention at one step, over the probe examples. */
export interface AttentionStatistics {
  /** Mean weights, [L, H, T, T]. */
  readonly mean: ArrayLike<number>;
  /** The variance of each weight over the examples, [L, H, T, T]. */
  readonly variance: ArrayLike<number>;
  /** The mean entropy of a query's weights over the examples in nats, [L, H, T]. */
  readonly entropy: ArrayLike<number>;
}

/** One head; means over the queries that are asked about. */
export interface HeadMeasures {
  readonly layer: number;
  readonly head: number;
  /**
   * 1 − the entropy of its mean pattern as a share of the most possible: 0 where, over the examples, all positions get alike, 1 where one
   * gets all, always.
   */
  readonly position: number;
  /**
   * The share of its weights' variation, around even attention, that the position explains: η² = m / (m + v), m the squares of the mean
   * weights' deviations from even, v the variances over examples. 1 where the example doesn't matter, 0 where only the example does;
   * `null` where there is no variation at all.
   */
  readonly positionShare: number | null;
  /**
   * What the example tells of where the head looks: the mutual information of the two, that is, the entropy of its mean pattern less its
   * mean entropy over the examples, as a share of the most possible.
   */
  readonly content: number;
  /** Its mean entropy over the examples as a share of the most possible: 1 for even attention on each of them. */
  readonly entropy: number;
  /** The mean Jensen–Shannon divergence (bits) of its mean pattern from those of the layer's other heads; `null` without others. */
  readonly distinctness: number | null;
}

/** One layer; `position`, `content` and `entropy` are means over its heads, `positionShare` over those that have one. */
export interface LayerMeasures extends Omit<HeadMeasures, "head" | "distinctness"> {
  /**
   * The specialisation index: the mean over pairs of heads of the Jensen–Shannon divergence (bits) between their mean patterns. 0 where all
   * heads do the same, 1 where no two share a key, which takes as many keys as heads. `null` for one head.
   */
  readonly specialisation: number | null;
  /** The same of their entropies: the mean over pairs of heads and queries of the difference of `entropy`. `null` for one head. */
  readonly entropySpread: number | null;
  readonly heads: readonly HeadMeasures[];
}

export interface SpecialisationOptions {
  readonly mask: Mask;
  /** The queries to ask about. Default: all that have a choice. Of the last layer only the last position may matter: then `[T − 1]`. */
  readonly queries?: readonly number[];
}

const mean = (values: readonly number[]) => values.length > 0 ? values.reduce((sum, x) => sum + x, 0) / values.length : null;

/**
 * The measures of each layer and of its heads.
 * @throws Error for statistics of another size, and for queries without a choice.
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
    // [H][queries], shares of the most possible.
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
        // Never below 0 but for rounding: entropy is concave.
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

/** Weights that stray by 10⁻⁶ do so by rounding: they are f32. */
const ROUNDING = 1e-12;

/** η² over all queries together, so that one which barely varies has little say. `visible`: keys that each row's query sees. */
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
