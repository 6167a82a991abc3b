/** Measures of attention over a run: by layer, by head, and by phase. */
// @ts-types="@types/d3-array"
import { range } from "d3-array";
import { type LayerMeasures, specialisation } from "./specialisation.ts";
import { type AttentionRun, edgesOf, readQueries, sizesOf } from "./runs.ts";
import { type Phase, phases } from "../../run/phases.ts";
import { type Course, courseOf, meanPattern } from "./change.ts";
import { isWithin } from "./windows.ts";

/** The measures of a layer that can be drawn; all run from 0 to 1. */
export type LayerMeasure = Exclude<keyof LayerMeasures, "layer" | "heads">;

/** The measures of every layer at each reading. */
export type LayerCourse = readonly { readonly step: number; readonly layers: readonly LayerMeasures[] }[];

/** The measures of every layer at each reading of a run. */
export function layerCourse(run: AttentionRun, queries: readonly number[] = readQueries(run.spec)): LayerCourse {
  const { mask } = run.spec.model, sizes = sizesOf([run]);
  return run.readings.map((reading) => ({ step: reading.step, layers: specialisation(reading, sizes, { mask, queries }) }));
}

/** Entropies of a head over the readings, as shares of the largest possible entropy, 0 … 1. */
export interface HeadEntropy {
  readonly layer: number;
  readonly head: number;
  readonly points: readonly { readonly step: number; readonly entropy: number }[];
}

/** The entropy of each head at each reading, averaged over the probe examples and the queries. */
export function headEntropies(run: AttentionRun, queries: readonly number[] = readQueries(run.spec)): HeadEntropy[] {
  const sizes = sizesOf([run]), { mask } = run.spec.model;
  const readings = run.readings.map((reading) => ({ step: reading.step, layers: specialisation(reading, sizes, { mask, queries }) }));
  return range(sizes.L).flatMap((layer) =>
    range(sizes.H).map((head) => {
      return { layer, head, points: readings.map(({ step, layers }) => ({ step, entropy: layers[layer].heads[head].entropy })) };
    })
  );
}

/** A phase of a run with the mean of its readings. */
export interface PhasePattern extends Phase {
  readonly readings: number;
  /** [L, H, T, T]. */
  readonly mean: Float64Array;
}

/** The phases of a run with at least one reading of its attention, each with the mean pattern of its readings (`meanPattern`). */
export function phasePatterns(run: AttentionRun): PhasePattern[] {
  const course: Course = courseOf(run.readings, sizesOf([run]));
  return phases(edgesOf(run)).flatMap((phase) => {
    const readings = course.steps.filter((step) => isWithin(step, phase)).length;
    return readings > 0 ? [{ ...phase, readings, mean: meanPattern(course, phase) }] : [];
  });
}
