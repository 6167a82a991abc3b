/** The patterns of all heads over training in clusters, and the share of heads in each cluster. */
// @ts-types="@types/d3-array"
import { range } from "d3-array";
import { type Choice, type ChoiceOptions, chooseClusters } from "./clusters.ts";
import { type AttentionRun, readQueries, sizesOf, tokensOf } from "./runs.ts";
import { namePatterns, rowsOf } from "./patterns.ts";

/** Which attention is clustered, and how. */
export interface ClusteringOptions {
  /** The queries whose rows make a pattern. Default: those that the output head reads. */
  readonly queries?: readonly number[];
  /** How the number of clusters is chosen. */
  readonly choice?: ChoiceOptions;
}

/** Head patterns in clusters. */
export interface PatternClusters extends Choice {
  readonly queries: readonly number[];
  /** The name of each cluster's centroid, by `namePatterns`, [k]. */
  readonly names: readonly string[];
  /** Of each point, the index of its run, its layer and head, and the step of its reading. */
  readonly points: readonly { readonly run: number; readonly layer: number; readonly head: number; readonly step: number }[];
}

/**
 * The mean patterns of every head of every run at every reading, clustered together; silhouettes choose the number of clusters.
 * @throws Error where `chooseClusters` does.
 */
export function patternClusters(
  runs: readonly AttentionRun[],
  { queries = readQueries(runs[0].spec), choice: how }: ClusteringOptions = {},
): PatternClusters {
  const sizes = sizesOf(runs), points: PatternClusters["points"][number][] = [], patterns: Float64Array[] = [];
  runs.forEach(({ readings }, run) => {
    for (const { step, mean } of readings) {
      for (const layer of range(sizes.L)) {
        for (const head of range(sizes.H)) {
          points.push({ run, layer, head, step });
          patterns.push(rowsOf(mean, sizes, { layer, head, queries }));
        }
      }
    }
  });
  const choice = chooseClusters(patterns, how);
  return {
    ...choice,
    queries,
    points,
    names: namePatterns(choice.centroids, { tokens: tokensOf(runs[0].spec), mask: runs[0].spec.model.mask, queries }),
  };
}

/**
 * The share of a layer's heads, over all runs, that are in each cluster at each of these steps, [steps][k]: between readings a head stays
 * in the cluster of the last one. A head counts in no cluster before its first reading.
 */
export function shares({ points, assigned, k }: PatternClusters, layer: number, steps: readonly number[]): number[][] {
  const heads = Map.groupBy(
    points.flatMap((point, i) => point.layer === layer ? [{ ...point, cluster: assigned[i] }] : []),
    (point) => `${point.run} ${point.head}`,
  );
  const last = [...heads.values()].map((readings) => {
    const sorted = readings.toSorted((a, b) => a.step - b.step);
    return (step: number) => sorted.findLast((reading) => reading.step <= step)?.cluster;
  });
  return steps.map((step) => {
    const all = new Array<number>(k).fill(0);
    for (const clusterAt of last) {
      const cluster = clusterAt(step);
      if (cluster !== undefined) all[cluster]++;
    }
    return all.map((heads) => heads / last.length);
  });
}
