/** Contrasts of the capacity study: deep against wide, factor by factor, operation by operation; and comparisons with published results. */
// @ts-types="@types/d3-array"
import { deviation, mean } from "d3-array";
import type { Contrast, Values } from "../../analysis/statistics/contrasts.ts";
import { must, type ObservedPair } from "../../analysis/statistics/sample.ts";
import { meanDifference, meanPrediction } from "../../analysis/statistics/compare.ts";
import { parameterCount } from "../../run/layout.ts";
import { type OperationName, OPERATIONS } from "../../run/operations.ts";
import { type RunSpec, specHash } from "../../run/spec.ts";
import { type Architecture, architectureName, architectureOf, type Bucket, bucketing, shortCount } from "./architectures.ts";
import { CAPACITY_NAMED, type CapacityPair, type CapacityStudy } from "./experiments.ts";
import { PUBLISHED_BASELINES, PUBLISHED_CAPACITY, PUBLISHED_SEEDS } from "./published.ts";
import { medianStep, type Moment, timesTo } from "../../analysis/runs/times.ts";
import { type Groups, measured, type StudiedRun, timesBelow } from "../../analysis/runs/question.ts";
import { hasEnded } from "../../analysis/runs/run.ts";

/** The group of a run; `null` for runs in neither. */
type Side = (run: StudiedRun) => "a" | "b" | null;

/** Runs of two groups, in strata with an equal `stratum(spec)`. */
function strata(runs: readonly StudiedRun[], side: Side, stratum: (spec: RunSpec) => unknown): { a: StudiedRun[]; b: StudiedRun[] }[] {
  return [...Map.groupBy(runs.filter(side), ({ spec }) => JSON.stringify(stratum(spec))).values()].map((some) => ({
    a: some.filter((run) => side(run) === "a"),
    b: some.filter((run) => side(run) === "b"),
  }));
}

/** Two groups of runs to compare, before a quantity is chosen. */
export interface Question extends Contrast<Groups<StudiedRun>> {
  /** The name of what a test assigns to a group as a whole. Default: every run is assigned by itself. */
  readonly unit?: (run: StudiedRun) => string;
}

export const inTime = (moment: Moment, questions: readonly Question[]): Contrast<ObservedPair>[] =>
  questions.flatMap(({ unit, ...question }) =>
    measured(
      [question],
      (runs) => unit ? runs.flatMap((run) => timesTo(moment, [run]).map((each) => ({ ...each, unit: unit(run) }))) : timesTo(moment, runs),
    )
  );

/**
 * The same questions about stability: the share of evaluations below the threshold after grokking.
 * @throws Error for a question with units, which the test of values doesn't have.
 */
export const inStability = (questions: readonly Question[]): Contrast<Values>[] =>
  questions.flatMap(({ unit, ...question }) => {
    must(`compare the stability of ${question.of}`, "its unit", unit === undefined, "must be the run", "another");
    return measured([question], timesBelow);
  });

const isOf = (architecture: Architecture) => ({ spec }: StudiedRun) =>
  architectureName(architectureOf(spec)) === architectureName(architecture);

export const bucketName = (bucket: Bucket) => `${bucket[0].toUpperCase()}${bucket.slice(1)}`;

/** Deep and narrow against wide and shallow in each bucket, with the operations as strata; or one question per bucket and operation. */
export function deepOrWide(runs: readonly StudiedRun[], pairs: readonly CapacityPair[], by: "bucket" | "operation" = "bucket"): Question[] {
  return pairs.flatMap(({ bucket, deep, wide }) => {
    const isDeep = isOf(deep), isWide = isOf(wide);
    const all = strata(runs, (run) => isDeep(run) ? "a" : isWide(run) ? "b" : null, ({ data }) => data.operation);
    const question = { of: bucketName(bucket), first: architectureName(deep), second: architectureName(wide) };
    if (by === "bucket") return [{ ...question, strata: all }];
    return all.map((stratum) => {
      const { spec: { data } } = [...stratum.a, ...stratum.b][0];
      return { ...question, of: `${question.of}, ${OPERATIONS[data.operation].formula}`, strata: [stratum] };
    });
  });
}

/** A pair's two networks by name, each with its runs of one operation; of those operations that both were run on. */
export function pairPanels<Run extends StudiedRun>(runs: readonly Run[], { deep, wide }: CapacityPair) {
  return [...Map.groupBy(runs, ({ spec }) => spec.data.operation)].map(([operation, some]) => ({
    name: OPERATIONS[operation].formula,
    groups: [deep, wide].map((network) => ({ name: architectureName(network), runs: some.filter(isOf(network)) })),
  })).filter(({ groups }) => groups.every(({ runs }) => runs.length > 0));
}

/** The same with all these operations together; empty where there is none. */
export function pairGroups<Run extends StudiedRun>(runs: readonly Run[], pair: CapacityPair) {
  const panels = pairPanels(runs, pair);
  return (panels[0]?.groups ?? []).map(({ name }, side) => ({ name, runs: panels.flatMap(({ groups }) => groups[side].runs) }));
}

const FACTORS = [
  { field: "layers", of: "Depth", say: (n: number) => `${n} layer${n === 1 ? "" : "s"}` },
  { field: "dModel", of: "Width", say: (n: number) => `d_model ${n}` },
  { field: "heads", of: "Heads", say: (n: number) => `${n} head${n === 1 ? "" : "s"}` },
] as const;

/** The largest value of each factor against the smallest, all else the same. */
export function byFactor(runs: readonly StudiedRun[], { extremes }: CapacityStudy): Question[] {
  return FACTORS.map(({ field, of, say }) => {
    const [least, most] = extremes[field];
    const side: Side = ({ spec }) => spec.model[field] === most ? "a" : spec.model[field] === least ? "b" : null;
    return {
      of,
      first: say(most),
      second: say(least),
      // The feed-forward width relative to d_model: so networks of a matched pair, whose feed-forward part is trimmed, form strata of their
      // own.
      strata: strata(runs, side, ({ data, model: { layers, dModel, heads, dMlp } }) => {
        return { data, layers, dModel, heads, ffn: dMlp / dModel, [field]: null };
      }),
    };
  });
}

/** Each operation against addition, with the architectures as strata. */
export function byOperation(runs: readonly StudiedRun[]): Question[] {
  const operations = [...new Set(runs.map(({ spec }) => spec.data.operation))].filter((operation) => operation !== "x_plus_y");
  return operations.map((operation) => ({
    of: "Operations",
    first: OPERATIONS[operation].formula,
    second: OPERATIONS.x_plus_y.formula,
    strata: strata(
      runs,
      ({ spec: { data } }) => data.operation === operation ? "a" : data.operation === "x_plus_y" ? "b" : null,
      ({ model }) => model,
    ),
  }));
}

/**
 * Large against small networks, by the buckets of the grid, with the operations as strata. Whole architectures are large or small, so a
 * test assigns whole architectures.
 */
export function bySize(runs: readonly StudiedRun[], { experiments: [grid] }: CapacityStudy): Question[] {
  const bucketOf = bucketing(grid.runs);
  const side: Side = ({ spec }) => ({ large: "a", medium: null, small: "b" } as const)[bucketOf(spec)];
  return [{
    ...{ of: "Parameters", first: "large networks", second: "small ones" },
    strata: strata(runs, side, ({ data }) => data.operation),
    unit: ({ spec }) => architectureName(architectureOf(spec)),
  }];
}

/** The named experiments: their network, and whether a run is one of theirs. */
const NAMED = new Map(CAPACITY_NAMED.map(({ name, runs }) => {
  const hashes = new Set(runs.map(specHash)), has = ({ spec }: StudiedRun) => hashes.has(specHash(spec));
  const sizes = new Map(runs.map((spec) => [spec.data.operation, parameterCount(spec)]));
  return [name, { network: architectureName(architectureOf(runs[0])), has, sizes }];
}));

/** A published line, and our result for it. */
export interface BesidePublished {
  readonly network: string;
  /** As published; where no count was, the network's own. */
  readonly parameters: string;
  readonly operation: string;
  /** Mean grokking step of three runs, where a run that never grokked counts as 7500. */
  readonly published: number;
  /** Our finished runs, and how many of them grokked. */
  readonly n: number;
  readonly grokked: number;
  readonly median: number | null;
  /** As the template computes it: runs that never grokked count as their last step. */
  readonly mean: number | null;
  /** The 95 % prediction interval of the mean of three more of our runs; `null` where a run never grokked, or for fewer than two runs. */
  readonly low: number | null;
  readonly high: number | null;
  /** Whether the published mean lies in it; `null` without the interval. */
  readonly agrees: boolean | null;
}

/** Every published line with our runs of its experiment and operation that have ended. */
export function besidePublished(ours: readonly StudiedRun[]): BesidePublished[] {
  return PUBLISHED_CAPACITY.map(({ experiment, operation, parameters, grokkingStep: published }) => {
    const named = NAMED.get(experiment)!;
    const runs = ours.filter((run) => named.has(run) && run.spec.data.operation === operation && hasEnded(run));
    const times = timesTo("grokked", runs), values = times.map(({ time }) => time), all = times.every(({ event }) => event);
    const predicted = all && values.length > 1 ? meanPrediction(values, PUBLISHED_SEEDS) : null;
    const known = predicted !== null && predicted.low !== null && predicted.high !== null;
    return {
      network: named.network,
      parameters: shortCount(parameters ?? named.sizes.get(operation)!),
      operation: OPERATIONS[operation].formula,
      published,
      n: runs.length,
      grokked: times.filter(({ event }) => event).length,
      median: runs.length === 0 ? null : medianStep(times.map(({ time, event }) => event ? time : null)),
      mean: values.length === 0 ? null : values.reduce((sum, x) => sum + x, 0) / values.length,
      low: predicted?.low ?? null,
      high: predicted?.high ?? null,
      agrees: known ? predicted.low! <= published && published <= predicted.high! : null,
    };
  });
}

/** All published results of the baseline's network on one operation, and ours. */
export interface BesideBaselines {
  readonly operation: string;
  /** How many means of three runs were published, and the mean of those means, in steps. */
  readonly tables: number;
  readonly published: number;
  /** Estimated standard deviation of single runs: √3 times that of the published means of three. */
  readonly spread: number;
  readonly n: number;
  readonly grokked: number;
  readonly mean: number | null;
  /** The standard deviation of our runs, in steps. */
  readonly ourSpread: number | null;
  /**
   * Our mean minus the published one, in steps, with its 95 % interval; `null` where runs never grokked, published or ours, or for fewer
   * than two runs.
   */
  readonly difference: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

/** Our runs of the baseline that have ended, compared with all published means of three. */
export function besideBaselines(ours: readonly StudiedRun[]): BesideBaselines[] {
  const runs = ours.filter(NAMED.get("capacity_baseline")!.has);
  return (Object.entries(PUBLISHED_BASELINES) as [OperationName, readonly number[]][]).map(([operation, means]) => {
    const own = runs.filter(({ spec }) => spec.data.operation === operation).filter(hasEnded), times = timesTo("grokked", own);
    const values = times.map(({ time }) => time), all = values.length > 1 && times.every(({ event }) => event);
    const never = Math.max(...means) >= CAPACITY_NAMED[0].runs[0].schedule.steps;
    const told = all && !never ? meanDifference(values, means) : { difference: null, low: null, high: null };
    return {
      operation: OPERATIONS[operation].formula,
      tables: means.length,
      published: mean(means)!,
      spread: Math.sqrt(PUBLISHED_SEEDS) * deviation(means)!,
      n: own.length,
      grokked: times.filter(({ event }) => event).length,
      mean: mean(values) ?? null,
      ourSpread: values.length > 1 ? deviation(values)! : null,
      ...told,
    };
  });
}
