/**
 * What the study of capacity asks of its runs, as contrasts: deep against wide, factor by factor, operation by operation; and what was
 * published.
 */
// @ts-types="@types/d3-array"
import { deviation, mean } from "d3-array";
import type { Contrast, Values } from "../../analysis/statistics/contrasts.ts";
import type { ObservedPair } from "../../analysis/statistics/sample.ts";
import { meanDifference, meanPrediction } from "../../analysis/statistics/compare.ts";
import type { Stability } from "../../run/grokking.ts";
import { type OperationName, OPERATIONS } from "../../run/operations.ts";
import type { RunSpec } from "../../run/spec.ts";
import { type Architecture, architectureName, architectureOf, type Bucket, bucketing, shortCount } from "./architectures.ts";
import { CAPACITY_NAMED, type CapacityPair, type CapacityStudy } from "./experiments.ts";
import { PUBLISHED_BASELINES, PUBLISHED_CAPACITY, PUBLISHED_SEEDS } from "./published.ts";
import { medianStep, type Moment, timesTo } from "../../analysis/runs/times.ts";
import { type BoardRun, hasEnded } from "../../analysis/runs/run.ts";

/** A run as the lab gives it. */
export interface StudiedRun extends BoardRun {
  readonly stability: Stability | null;
}

/** How the runs that grokked held it: the share of their evaluations that lay below the threshold. */
const timesBelow = (runs: readonly StudiedRun[]) =>
  runs.filter(hasEnded).flatMap(({ stability }) => stability ? [stability.timeBelow] : []);

/** Runs in two groups, by what each is said to be. */
type Side = (run: StudiedRun) => "a" | "b" | null;

/** Runs of two groups, in strata of all that has this in common. */
function strata(runs: readonly StudiedRun[], side: Side, stratum: (spec: RunSpec) => unknown): { a: StudiedRun[]; b: StudiedRun[] }[] {
  return [...Map.groupBy(runs.filter(side), ({ spec }) => JSON.stringify(stratum(spec))).values()].map((some) => ({
    a: some.filter((run) => side(run) === "a"),
    b: some.filter((run) => side(run) === "b"),
  }));
}

/** A question about two groups of runs, before it is said what of them is compared. */
export type Question = Contrast<{ readonly a: readonly StudiedRun[]; readonly b: readonly StudiedRun[] }>;

export const inTime = (moment: Moment, questions: readonly Question[]): Contrast<ObservedPair>[] =>
  questions.map((question) => ({
    ...question,
    strata: question.strata.map(({ a, b }) => ({ a: timesTo(moment, a), b: timesTo(moment, b) })),
  }));

/** Of runs that grokked, the time below the threshold afterwards. */
export const inStability = (questions: readonly Question[]): Contrast<Values>[] =>
  questions.map((question) => ({ ...question, strata: question.strata.map(({ a, b }) => ({ a: timesBelow(a), b: timesBelow(b) })) }));

const isOf = (architecture: Architecture) => ({ spec }: StudiedRun) =>
  architectureName(architectureOf(spec)) === architectureName(architecture);

export const bucketName = (bucket: Bucket) => `${bucket[0].toUpperCase()}${bucket.slice(1)}`;

/** Deep and narrow against wide and shallow, in each bucket, the operations as strata; or one question an operation. */
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

const FACTORS = [
  { field: "layers", of: "Depth", say: (n: number) => `${n} layer${n === 1 ? "" : "s"}` },
  { field: "dModel", of: "Width", say: (n: number) => `d_model ${n}` },
  { field: "heads", of: "Heads", say: (n: number) => `${n} head${n === 1 ? "" : "s"}` },
] as const;

/** The most of each factor against the least, all else the same. */
export function byFactor(runs: readonly StudiedRun[], { extremes }: CapacityStudy): Question[] {
  return FACTORS.map(({ field, of, say }) => {
    const [least, most] = extremes[field];
    const side: Side = ({ spec }) => spec.model[field] === most ? "a" : spec.model[field] === least ? "b" : null;
    return {
      of,
      first: say(most),
      second: say(least),
      // Of the feed-forward part its width in widths: so that networks of a pair, whose part is cut to fit, stay among themselves.
      strata: strata(runs, side, ({ data, model: { layers, dModel, heads, dMlp } }) => {
        return { data, layers, dModel, heads, ffn: dMlp / dModel, [field]: null };
      }),
    };
  });
}

/** Each operation against addition, the networks as strata. */
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

/** Large networks against small ones, by the buckets of the grid, the operations as strata. */
export function bySize(runs: readonly StudiedRun[], { experiments: [grid] }: CapacityStudy): Question[] {
  const bucketOf = bucketing(grid.runs);
  const side: Side = ({ spec }) => ({ large: "a", medium: null, small: "b" } as const)[bucketOf(spec)];
  return [{ of: "Parameters", first: "large networks", second: "small ones", strata: strata(runs, side, ({ data }) => data.operation) }];
}

/**
 * Of each operation the runs that ended: those of the first list where they are at least as many as those of the second, else those of the
 * second. For one network trained twice, exactly and, with more seeds, less so.
 */
export function mostEnded<Run extends StudiedRun>(exact: readonly Run[], others: readonly Run[]): readonly Run[] {
  const ended = (runs: readonly Run[]) => Map.groupBy(runs.filter(hasEnded), ({ spec }) => spec.data.operation);
  const [first, second] = [ended(exact), ended(others)];
  return [...new Set([...first.keys(), ...second.keys()])].flatMap((operation) => {
    const a = first.get(operation) ?? [], b = second.get(operation) ?? [];
    return a.length >= b.length ? a : b;
  });
}

/** A line that was published, and ours beside it. */
export interface BesidePublished {
  readonly network: string;
  readonly parameters: string;
  readonly operation: string;
  /** The mean of three; a never is in it as 7500. */
  readonly published: number;
  /** Runs of ours that have ended, and how many of them grokked. */
  readonly n: number;
  readonly grokked: number;
  /** Updates from one evaluation to the next: so much later than the first moment above the threshold a grokking step can be. */
  readonly evalEvery: number | null;
  readonly median: number | null;
  /** As the template computes it, nevers as the last step. */
  readonly mean: number | null;
  /** Where the mean of three more of our runs would lie, with 95 %; `null` where runs never grokked, or there are fewer than two. */
  readonly low: number | null;
  readonly high: number | null;
  /** Whether what was published lies there; `null` where that can't be said. */
  readonly agrees: boolean | null;
}

/** Every published line, with what runs of the same network on the same task gave here; `runs` may hold others too. */
export function besidePublished(named: Readonly<Record<string, readonly StudiedRun[]>>): BesidePublished[] {
  return PUBLISHED_CAPACITY.map(({ experiment, operation, parameters, grokkingStep: published }) => {
    const runs = (named[experiment] ?? []).filter((run) => run.spec.data.operation === operation && hasEnded(run));
    const times = timesTo("grokked", runs), values = times.map(({ time }) => time), all = times.every(({ event }) => event);
    const predicted = all && values.length > 1 ? meanPrediction(values, PUBLISHED_SEEDS) : null;
    const known = predicted !== null && predicted.low !== null && predicted.high !== null;
    return {
      network: networkOf(experiment),
      parameters: parameters === null ? "" : shortCount(parameters),
      operation: OPERATIONS[operation].formula,
      published,
      n: runs.length,
      grokked: times.filter(({ event }) => event).length,
      evalEvery: runs[0]?.spec.schedule.evalEvery ?? null,
      median: runs.length === 0 ? null : medianStep(times.map(({ time, event }) => event ? time : null)),
      mean: values.length === 0 ? null : values.reduce((sum, x) => sum + x, 0) / values.length,
      low: predicted?.low ?? null,
      high: predicted?.high ?? null,
      agrees: known ? predicted.low! <= published && published <= predicted.high! : null,
    };
  });
}

/** All that was published of the baseline's network on one operation, and ours beside it. */
export interface BesideBaselines {
  readonly operation: string;
  /** How many means of three were published, and the mean of them. */
  readonly tables: number;
  readonly published: number;
  /** How much single runs vary, as the spread of the means of three tells: √3 times their standard deviation. */
  readonly spread: number;
  readonly n: number;
  readonly grokked: number;
  readonly mean: number | null;
  /** Of our runs: their standard deviation. */
  readonly ourSpread: number | null;
  /** By how many steps ours take longer, with 95 %; `null` where runs never grokked, there or here, or there are fewer than two. */
  readonly difference: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

/** The baseline's network, against all the means of three that were published of it. */
export function besideBaselines(runs: readonly StudiedRun[]): BesideBaselines[] {
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

const networkOf = (experiment: string) => architectureName(architectureOf(CAPACITY_NAMED.find(({ name }) => name === experiment)!.runs[0]));
