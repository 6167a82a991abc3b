/**
 * Points sorted into clusters: k-means, and silhouettes to choose k by. The points here are attention patterns (the mean pattern of one
 * head of one run at one step), but nothing depends on that. The mean of patterns is a pattern, so centroids can be shown and named as
 * patterns.
 */
import { kmeans } from "ml-kmeans";
import { Random } from "../../run/random.ts";
import { must } from "../statistics/sample.ts";

/** n points in D dimensions. */
export type Points = readonly ArrayLike<number>[];

export interface ClusterOptions {
  /** How many random starts; the best result is kept. Default: 10. */
  readonly starts?: number;
  /** Seed of all starts: the same seed gives the same clusters. Default: 0. */
  readonly seed?: number;
}

/** Points in clusters, the fullest first. */
export interface Clustering {
  /** The mean of each cluster's points, [k][D]. */
  readonly centroids: readonly Float64Array[];
  /** Each point's cluster, [n]. */
  readonly assigned: Uint16Array;
  /** Points in each cluster, [k]; none is empty. */
  readonly counts: readonly number[];
  /** The sum of squared Euclidean distances of the points to their centroids. */
  readonly inertia: number;
}

/** The most iterations; Lloyd's algorithm converges long before. */
const ROUNDS = 1000;

/**
 * k-means: the clusters with the least inertia that Lloyd's algorithm (1982, IEEE Trans. Inf. Theory) finds from several k-means++ starts
 * (Arthur & Vassilvitskii, SODA 2007). A cluster that loses all its points on the way is left out.
 * @throws Error where there are fewer different points than k, for points of different lengths, and for a coordinate that isn't finite.
 */
export function kMeans(points: Points, k: number, { starts = 10, seed = 0 }: ClusterOptions = {}): Clustering {
  const action = "cluster";
  const data = checkedPoints(action, points);
  const different = new Set(data.map((point) => point.join())).size;
  must(
    action,
    "k",
    Number.isInteger(k) && k >= 1 && k <= different,
    `must be a whole number from 1 to ${different}, the different points`,
    k,
  );
  must(action, "starts", Number.isInteger(starts) && starts >= 1, "must be a whole number from 1 on", starts);
  const random = new Random(seed, "resample");
  let best: Clustering | undefined;
  for (let start = 0; start < starts; start++) {
    // Tolerance 0: until nothing moves. Then the centroids are the means of their points.
    const { clusters } = kmeans(data, k, { seed: random.word(), tolerance: 0, maxIterations: ROUNDS });
    const found = clustering(data, clusters);
    if (!best || found.inertia < best.inertia) best = found;
  }
  return best!;
}

function checkedPoints(action: string, points: Points): number[][] {
  must(action, "points", points.length > 0, "must be at least 1", points.length);
  const D = points[0].length;
  return points.map((point) => {
    must(action, "a point's length", point.length === D && D > 0, `must be ${D} as the first's, and not 0`, point.length);
    const copy = Array.from(point), wrong = copy.find((x) => !Number.isFinite(x));
    must(action, "a coordinate", wrong === undefined, "must be finite", wrong);
    return copy;
  });
}

/** Clusters from labels, renumbered: the fullest first; of equally full ones, the one whose first point comes first. */
function clustering(data: readonly (readonly number[])[], labels: readonly number[]): Clustering {
  const members = new Map<number, number[]>();
  labels.forEach((label, i) => {
    if (!members.has(label)) members.set(label, []);
    members.get(label)!.push(i);
  });
  const groups = [...members.values()].sort((x, y) => y.length - x.length || x[0] - y[0]);
  const assigned = new Uint16Array(data.length);
  groups.forEach((group, c) => group.forEach((i) => assigned[i] = c));
  const centroids = groups.map((group) =>
    Float64Array.from(data[0], (_, d) => group.reduce((sum, i) => sum + data[i][d], 0) / group.length)
  );
  const inertia = data.reduce((sum, point, i) => sum + squaredDistance(point, centroids[assigned[i]]), 0);
  return { centroids, assigned, counts: groups.map((group) => group.length), inertia };
}

function squaredDistance(p: ArrayLike<number>, q: ArrayLike<number>): number {
  let sum = 0;
  for (let d = 0; d < p.length; d++) sum += (p[d] - q[d]) ** 2;
  return sum;
}

/**
 * Silhouettes: how well each point fits its cluster, [n], −1 … 1 (Rousseeuw 1987, J. Comput. Appl. Math.): (b − a) / max(a, b), where a is
 * its mean Euclidean distance to the other points of its cluster, b that to the points of the nearest other cluster; 0 for a point alone in
 * its cluster. As R's `cluster::silhouette`. O(n²) time.
 * @throws Error unless each point has a cluster, and there are at least two.
 */
export function silhouettes(points: Points, assigned: ArrayLike<number>): Float64Array {
  const data = checkedPoints("compute silhouettes", points);
  return widths(data.length, (i, j) => Math.sqrt(squaredDistance(data[i], data[j])), assigned);
}

/** The silhouettes of n points from their distances; `distance` is asked for i > j, once each. */
function widths(n: number, distance: (i: number, j: number) => number, assigned: ArrayLike<number>): Float64Array {
  const action = "compute silhouettes";
  must(action, "the number of labels", assigned.length === n, `must be ${n} as of points`, assigned.length);
  const counts = new Map<number, number>();
  for (let i = 0; i < n; i++) counts.set(assigned[i], (counts.get(assigned[i]) ?? 0) + 1);
  must(action, "clusters", counts.size >= 2, "must be at least 2", counts.size);
  const labels = [...counts.keys()], place = new Map(labels.map((label, c) => [label, c])), k = labels.length;
  const sums = new Float64Array(n * k), home = Array.from(assigned, (label) => place.get(label)!);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) {
      const apart = distance(i, j);
      sums[i * k + home[j]] += apart;
      sums[j * k + home[i]] += apart;
    }
  }
  return Float64Array.from(home, (own, i) => {
    const size = counts.get(labels[own])!;
    if (size === 1) return 0;
    const a = sums[i * k + own] / (size - 1);
    let b = Infinity;
    labels.forEach((label, c) => b = c === own ? b : Math.min(b, sums[i * k + c] / counts.get(label)!));
    return Math.max(a, b) > 0 ? (b - a) / Math.max(a, b) : 0;
  });
}

/** One k that was tried, on the points that k is chosen on. */
export interface Trial {
  readonly k: number;
  /** The mean silhouette over these points. */
  readonly silhouette: number;
  readonly inertia: number;
}

export interface ChoiceOptions extends ClusterOptions {
  /** The least and the most clusters to try. Default: 2 and 8. */
  readonly from?: number;
  readonly to?: number;
  /**
   * The most points to choose k on: of more, this many are drawn with the seed; all points are then sorted into k clusters. Default: 6000.
   */
  readonly sample?: number;
}

/** The clusters of all points with the k that the silhouettes choose, and every k that was tried. */
export interface Choice extends Clustering {
  readonly k: number;
  readonly silhouette: number;
  readonly tried: readonly Trial[];
}

/**
 * k-means with the k of the largest mean silhouette, at a tie the smaller k (Kaufman & Rousseeuw 1990, Finding Groups in Data: a structure
 * is strong above 0.7, reasonable above 0.5, weak above 0.25, and below that there is none). Silhouettes can't tell whether there is only
 * one cluster. Values of k above the number of different points are not tried.
 * @throws Error where that leaves no k, for options out of range, and where `kMeans` does.
 */
export function chooseClusters(points: Points, { from = 2, to = 8, sample = 6000, ...options }: ChoiceOptions = {}): Choice {
  const action = "choose the number of clusters", n = points.length;
  must(action, "the least k", Number.isInteger(from) && from >= 2 && from <= to, `must be a whole number from 2 to ${to}`, from);
  must(action, "sample", Number.isInteger(sample) && sample >= 2, "must be a whole number from 2 on", sample);
  const some = n <= sample
    ? points
    : Array.from(new Random(options.seed ?? 0, "resample").permutation(n).subarray(0, sample), (i) => points[i]);
  const different = new Set(some.map((point) => Array.from(point).join())).size;
  must(action, "the number of different points", different >= from, `must be at least ${from}`, different);
  // The same for every k.
  const distances = new Float64Array(some.length * (some.length - 1) / 2), at = (i: number, j: number) => i * (i - 1) / 2 + j;
  some.forEach((point, i) => {
    for (let j = 0; j < i; j++) distances[at(i, j)] = Math.sqrt(squaredDistance(point, some[j]));
  });
  const trials = Array.from({ length: Math.min(to, different) - from + 1 }, (_, i) => {
    const clusters = kMeans(some, from + i, options);
    const silhouettes = widths(some.length, (i, j) => distances[at(i, j)], clusters.assigned);
    return { k: clusters.counts.length, silhouette: silhouettes.reduce((sum, x) => sum + x, 0) / silhouettes.length, clusters };
  });
  const { k, silhouette, clusters } = trials.reduce((best, trial) => trial.silhouette > best.silhouette ? trial : best);
  const tried = trials.map(({ k, silhouette, clusters: { inertia } }) => ({ k, silhouette, inertia }));
  return { ...(some === points ? clusters : kMeans(points, k, options)), k, silhouette, tried };
}
