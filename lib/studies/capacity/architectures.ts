/**
 * Sizes of networks: names of architectures, buckets by parameter count, and pairs with equal parameter counts, one deep and narrow, one
 * wide and shallow.
 */
import { parameterCount } from "../../run/layout.ts";
import { type ModelSpec, type RunInput, type RunSpec, runSpec } from "../../run/spec.ts";

/** The fields that determine the parameter count of one kind of network, and the number of heads, which doesn't change it. */
export type Architecture = Pick<ModelSpec, "layers" | "dModel" | "heads" | "dMlp">;

export const architectureOf = ({ model: { layers, dModel, heads, dMlp } }: RunSpec): Architecture => ({ layers, dModel, heads, dMlp });

/**
 * Layers × width × heads: `4×64×2`; where the feed-forward part isn't four times as wide as the model, its width too: `1×128×4, FFN 472`.
 */
export function architectureName({ layers, dModel, heads, dMlp }: Architecture): string {
  return `${layers}×${dModel}×${heads}${dMlp === 4 * dModel ? "" : `, FFN ${dMlp}`}`;
}

/** A number of parameters, short: `216k`, `3.22M`. */
export const shortCount = (parameters: number) =>
  parameters < 1e6 ? `${Math.round(parameters / 1e3)}k` : `${(parameters / 1e6).toFixed(2)}M`;

export const BUCKETS = ["small", "medium", "large"] as const;
export type Bucket = (typeof BUCKETS)[number];

/**
 * Three buckets of capacity: equal thirds of the range from the smallest to the largest parameter count of these runs, on a logarithmic
 * scale. A network outside the range belongs to the bucket at that end.
 *
 * Each operation has its own range, since its vocabulary changes the count. Buckets of equally many networks would split two pairs of
 * nearly equal counts; all other counts of the grid are about a factor of two apart.
 * @throws The returned function throws an Error for a spec whose operation is not among the runs'.
 */
export function bucketing(runs: readonly RunSpec[]): (spec: RunSpec) => Bucket {
  const ranges = new Map(
    [...Map.groupBy(runs, ({ data }) => data.operation)].map(([operation, some]) => {
      const sizes = some.map((spec) => Math.log(parameterCount(spec)));
      return [operation, [Math.min(...sizes), Math.max(...sizes)] as const];
    }),
  );
  return (spec) => {
    const range = ranges.get(spec.data.operation);
    if (!range) throw new Error(`Cannot find the bucket: the operation must be one of ${[...ranges.keys()]}, it is ${spec.data.operation}`);
    const [low, high] = range, third = 3 * (Math.log(parameterCount(spec)) - low) / (high - low || 1);
    return BUCKETS[Math.max(0, Math.min(2, Math.floor(third)))];
  };
}

export interface Pair {
  /** More layers, and narrower than the other. */
  readonly deep: Architecture;
  readonly wide: Architecture;
  /**
   * By how much the larger parameter count exceeds the smaller, as a share of the smaller (0.02: 2 %): the largest over all kinds of run.
   */
  readonly apart: number;
}

/** All pairs in which one is deeper and narrower than the other; heads have the same width in both. */
function pairs(architectures: readonly Architecture[], kinds: readonly RunInput[]): Pair[] {
  const sized = architectures.map((architecture) => ({
    architecture,
    counts: kinds.map((kind) => parameterCount(runSpec({ ...kind, model: { ...kind.model, ...architecture } }))),
    head: architecture.dModel / architecture.heads,
  }));
  return sized.flatMap((deep) =>
    sized.flatMap((wide) => {
      const [d, w] = [deep.architecture, wide.architecture];
      if (d.layers <= w.layers || d.dModel >= w.dModel || deep.head !== wide.head) return [];
      const apart = Math.max(...deep.counts.map((n, i) => Math.max(n, wide.counts[i]) / Math.min(n, wide.counts[i]) - 1));
      return [{ deep: d, wide: w, apart }];
    })
  );
}

/** The pair with the closest parameter counts, however far apart; `null` where no architecture is both deeper and narrower than another. */
export const nearestPair = (architectures: readonly Architecture[], kinds: readonly RunInput[]): Pair | null =>
  pairs(architectures, kinds).sort((a, b) => a.apart - b.apart)[0] ?? null;

/** By how much the feed-forward widths of the two differ from four times the model width, as shares of it. */
const departures = ({ deep, wide }: Pair) => [deep, wide].map(({ dModel, dMlp }) => Math.abs(dMlp / (4 * dModel) - 1));

/**
 * The pairs, one deeper and narrower than the other with heads of the same width, whose parameter counts differ by at most `tolerance`
 * (0.02: 2 %) for each of the `kinds` of run, such as operations with their vocabularies. The best come first: the largest factor between
 * the depths, then the fewest feed-forward parts that aren't four times as wide as the model, then the smallest such difference, then the
 * closest parameter counts.
 */
export function matchedPairs(architectures: readonly Architecture[], kinds: readonly RunInput[], tolerance = 0.02): Pair[] {
  return pairs(architectures, kinds).filter(({ apart }) => apart <= tolerance).map((pair) => {
    const [d, w] = departures(pair);
    return { pair, rank: [-pair.deep.layers / pair.wide.layers, Math.sign(d) + Math.sign(w), d + w, pair.apart] };
  }).sort((a, b) => a.rank.map((value, i) => value - b.rank[i]).find((difference) => difference !== 0) ?? 0).map(({ pair }) => pair);
}

/**
 * The architectures that a search for pairs tries: every number of layers with every width, heads `head` wide, and feed-forward widths
 * within ± 25 % of four times the model width, in steps of `step`.
 */
export function architectures(
  { layers, widths, head, step = 8 }: {
    readonly layers: readonly number[];
    readonly widths: readonly number[];
    readonly head: number;
    readonly step?: number;
  },
): Architecture[] {
  return layers.flatMap((layers) =>
    widths.flatMap((dModel) => {
      const most = Math.floor(dModel / step);
      return Array.from(
        { length: 2 * most + 1 },
        (_, i) => ({ layers, dModel, heads: dModel / head, dMlp: 4 * dModel + (i - most) * step }),
      );
    })
  );
}
