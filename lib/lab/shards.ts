/**
 * Shards: the runs of an experiment divided among tasks that don't communicate, so that each has about the same work. Which run
 * goes where depends on the runs alone, and is the same on every machine.
 */
import FlatQueue from "flatqueue";
import { layerRows } from "../engine/rows.ts";
import { parameterCount } from "../run/layout.ts";
import { type RunSpec, shapeKey, sizes } from "../run/spec.ts";
import type { Experiment, Grid } from "./experiment.ts";
import type { Left } from "./forecast.ts";

/** Part `index` of `count`, counted from 0. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

/**
 * An estimate of the floating-point operations of one update, its share of the evaluations included, for any engine: the matrix products,
 * which are nearly all of them, and AdamW. A backward pass is counted as two forward passes.
 */
export function updateCost(spec: RunSpec): number {
  const { B, pairs } = sizes(spec);
  return 3 * forwardCost(spec, B) + 20 * parameterCount(spec) + forwardCost(spec, pairs) / spec.schedule.evalEvery;
}

/** Multiplications and additions of the products of one forward pass over so many examples. */
function forwardCost(spec: RunSpec, examples: number): number {
  const { D, M, C } = sizes(spec);
  const layers = layerRows(spec, examples).map(({ input, output }) =>
    // Keys and values of what is attended to; of what is read afterwards the queries, the output projection and the feed-forward part.
    2 * input.count * 2 * D * D + 2 * output.count * (2 * D * D + 2 * D * M)
  );
  return layers.reduce((sum, each) => sum + each, 2 * examples * D * C);
}

/** A function that gives what `updateCost` does, computed once per shape: for very many runs. */
export function costs(): (spec: RunSpec) => number {
  const known = new Map<string, number>();
  return (spec) => {
    const key = `${shapeKey(spec)} every ${spec.schedule.evalEvery}`;
    if (!known.has(key)) known.set(key, updateCost(spec));
    return known.get(key)!;
  };
}

/**
 * Runs dealt out to `count` shards by their cost, the most expensive first, each to the shard that has the least so far (Graham 1969,
 * "Bounds on multiprocessing timing anomalies": the largest is at most 4/3 of the best possible). Runs of equal cost go to different
 * shards, so that each gets its share of every shape, and a wrong estimate hits all alike.
 * @returns the runs of each shard, in the order given; a shard may be empty.
 */
export function balanced(runs: readonly Left[], count: number): Left[][] {
  const cost = costs(), loads = new FlatQueue<number>(), shards: number[][] = Array.from({ length: count }, () => []);
  const weights = runs.map(({ spec, updates }) => Math.max(1, updates) * cost(spec));
  for (const [turn, i] of runs.keys().toArray().sort((a, b) => weights[b] - weights[a]).entries()) {
    // At first all shards are empty, and take turns; where there are fewer runs than shards, the last ones stay empty.
    const load = turn < count ? 0 : loads.peekValue()!, shard = turn < count ? turn : loads.pop()!;
    shards[shard].push(i);
    loads.push(shard, load + weights[i]);
  }
  return shards.map((places) => places.sort((a, b) => a - b).map((i) => runs[i]));
}

/** The runs of one shard, in their order. */
export function part(runs: readonly RunSpec[], { index, count }: Shard): RunSpec[] {
  // Of more shards than runs, each run is one, and the others are empty: there may be very many.
  const shards = balanced(runs.map((spec) => ({ spec, updates: spec.schedule.steps })), Math.min(count, runs.length));
  return (shards[index] ?? []).map(({ spec }) => spec);
}

/** Grids that stand for exactly these runs: one per setting, with a list of its seeds. */
export function asGrids(runs: readonly RunSpec[]): Grid[] {
  const settings = Map.groupBy(runs, ({ seed: _, ...setting }) => JSON.stringify(setting));
  return [...settings.values()].map((group) => {
    const { seed: _, ...setting } = group[0];
    return { ...setting, seed: group.map(({ seed }) => seed) };
  });
}

/** An experiment with these of its runs, as the text of a file that `deno task sweep --grid` reads. */
export function gridText({ runs, ...experiment }: Experiment): string {
  return `${JSON.stringify({ ...experiment, grid: asGrids(runs) }, null, 1)}\n`;
}
