/** Runs in groups: by a setting, and by one setting at a time. */
import { type Curve, watchedUntil } from "./run.ts";
import type { Value } from "../../run/kinds.ts";
import type { RunSpec } from "../../run/spec.ts";
import { differing, nameOf, valueOf } from "./settings.ts";
import { capital, count } from "../words.ts";

/** Runs that have a setting in common. */
export interface Group {
  /** The setting: `0.3`. */
  readonly name: string;
  readonly runs: readonly Curve[];
}

/**
 * Runs grouped by a key; groups are sorted by it where it is a number, and words follow in the order of the runs.
 * @param key of a run, or the field that it is: `optim.weightDecay`
 * @throws Error for a path that is no field.
 */
export function groupsBy<T extends Curve>(
  runs: readonly T[],
  key: string | ((run: T) => Value),
): { readonly name: string; readonly runs: readonly T[] }[] {
  const size = (key: Value) => (typeof key === "number" ? key : Infinity);
  return [...Map.groupBy(runs, typeof key === "string" ? ({ spec }) => valueOf(spec, key) : key)].sort(([a], [b]) => size(a) - size(b) || 0)
    .map(([key, runs]) => ({ name: String(key), runs }));
}

/** A setting in which groups of runs differ, and the groups. */
export interface Knob {
  /** `Weight decay`. */
  readonly knob: string;
  readonly groups: readonly Group[];
}

/**
 * Runs that differ from a base in one field at a time: one knob per field, with the base's runs among its groups. Runs that differ from the
 * base in several fields belong to none. With `watched`, the first knob is the number of steps watched: the base's runs as they looked at
 * each of these steps.
 */
export function oneAtATime(runs: readonly Curve[], base: RunSpec, { watched }: { readonly watched?: readonly number[] } = {}): Knob[] {
  const fields = runs.map(({ spec }) => differing(spec, base));
  const own = (field?: string) => runs.filter((_, i) => fields[i].length === 0 || (fields[i].length === 1 && fields[i][0] === field));
  const knobs = [...new Set(fields.flatMap((some) => (some.length === 1 ? some : [])))].map((field): Knob => ({
    knob: capital(nameOf(field)),
    groups: groupsBy(own(field), ({ spec }) => valueOf(spec, field) as string | number),
  }));
  const groups = watched?.map((until) => ({ name: count(until), runs: own().map((run) => watchedUntil(run, until)) }));
  return groups ? [{ knob: STEPS, groups }, ...knobs] : knobs;
}

/** The name of the knob for the number of steps watched. */
export const STEPS = "Steps";

/** The run that groks at the median step, of two the earlier; runs that never grok count as the latest. */
export function typicalRun<T extends Curve>(runs: readonly T[]): T {
  return runs.toSorted((a, b) => (a.grokkingStep ?? Infinity) - (b.grokkingStep ?? Infinity) || 0)[Math.floor((runs.length - 1) / 2)];
}
