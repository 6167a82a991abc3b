/** From runs' metrics to what a figure of them draws: medians and bands over the seeds, and the finding in words. All pure. */
import { followUp, watchedWord } from "../analysis/runs/follow_up.ts";
import { OPERATIONS } from "../run/operations.ts";
import { type RunSpec, sizes } from "../run/spec.ts";
import type { Metrics } from "../engine/engine.ts";
import { count } from "./theme.ts";

/** A run as figures see it; what `train` gives is one. */
export interface Curve {
  readonly spec: RunSpec;
  /** By step, ascending. */
  readonly metrics: readonly Metrics[];
  /** `null` where that was not seen. */
  readonly memorisationStep: number | null;
  readonly grokkingStep: number | null;
}

/** Median and middle half of the runs at a step. */
export interface Band {
  readonly step: number;
  readonly low: number;
  readonly mid: number;
  readonly high: number;
}

/** The quantile q of sorted values, linear between neighbours. */
export function quantile(sorted: readonly number[], q: number): number {
  const at = (sorted.length - 1) * q, below = Math.floor(at);
  const [a, b] = [sorted[below], sorted[Math.ceil(at)]];
  return a === b ? a : a + (b - a) * (at - below);
}

/**
 * Median and quartiles over the runs, at every step at which one of them was evaluated. A run that stopped before others keeps its
 * last value: leaving it out would make the median jump because of who is left.
 */
export function bands(runs: readonly Curve[], field: keyof Metrics): Band[] {
  return bandsOf(runs.map(({ metrics }) => metrics), (row) => row[field]);
}

/** The same of whatever was seen of each run at some steps, ascending. */
export function bandsOf<T extends { readonly step: number }>(runs: readonly (readonly T[])[], of: (row: T) => number): Band[] {
  const steps = [...new Set(runs.flatMap((rows) => rows.map(({ step }) => step)))].sort((a, b) => a - b);
  const at = runs.map(() => -1);
  return steps.map((step) => {
    const values: number[] = [];
    runs.forEach((rows, r) => {
      while (at[r] + 1 < rows.length && rows[at[r] + 1].step <= step) at[r]++;
      const value = at[r] < 0 ? undefined : of(rows[at[r]]);
      if (value !== undefined && Number.isFinite(value)) values.push(value);
    });
    values.sort((a, b) => a - b);
    return { step, low: quantile(values, 0.25), mid: quantile(values, 0.5), high: quantile(values, 0.75) };
  }).filter((band) => Number.isFinite(band.mid));
}

/**
 * As many bands as a screen has columns: those that share a column become one, at the last one's step, with the median of their
 * medians and the extremes of their bands, so that a dip of a single evaluation stays visible.
 */
export function thin(all: readonly Band[], columnOf: (step: number) => number): Band[] {
  const columns = new Map<number, Band[]>();
  for (const band of all) {
    const column = Math.round(columnOf(band.step));
    columns.set(column, [...columns.get(column) ?? [], band]);
  }
  return [...columns.values()].map((group) => ({
    step: group.at(-1)!.step,
    low: Math.min(...group.map((band) => band.low)),
    mid: quantile(group.map((band) => band.mid).sort((a, b) => a - b), 0.5),
    high: Math.max(...group.map((band) => band.high)),
  }));
}

/** The median step, where a run without one counts as later than all that have one; `null` where half of the runs have none. */
export function medianStep(steps: readonly (number | null)[]): number | null {
  if (steps.length === 0) return null;
  const middle = quantile(steps.map((step) => step ?? Infinity).sort((a, b) => a - b), 0.5);
  return Number.isFinite(middle) ? middle : null;
}

/** The run as it looked at a step: without what came later. */
export function watchedUntil<T extends Curve>(run: T, until: number): T {
  const seen = (step: number | null) => (step !== null && step <= until ? step : null);
  const metrics = run.metrics.filter(({ step }) => step <= until);
  return { ...run, metrics, memorisationStep: seen(run.memorisationStep), grokkingStep: seen(run.grokkingStep) };
}

/** The last step that was evaluated. */
export const lastStep = (runs: readonly Curve[]) => Math.max(0, ...runs.map((run) => run.metrics.at(-1)?.step ?? 0));

/** What these runs show, in one sentence: the title of their figure. */
export function finding(runs: readonly Curve[]): string {
  const n = runs.length;
  const memorised = runs.filter((run) => run.memorisationStep !== null).length,
    grokked = runs.filter((run) => run.grokkingStep !== null).length;
  const memory = medianStep(runs.map((run) => run.memorisationStep)), understanding = medianStep(runs.map((run) => run.grokkingStep));
  const networks = n === 1 ? "The network" : memorised === n ? `All ${n} networks` : `${memorised} of ${n} networks`;
  const s = n === 1 || (memorised === 1 && memorised < n) ? "s" : "";
  const within = `within ${watchedWord(runs.map(followUp))}`;
  if (grokked === n && memory !== null && understanding !== null) {
    return understanding > 2 * memory
      ? `${networks} memorise${s} around step ${count(memory)} but generalise${s} only around step ${count(understanding)}`
      : `${networks} generalise${s} as ${n === 1 ? "it memorises" : "they memorise"}: steps ${count(memory)} and ${count(understanding)}`;
  }
  if (memorised === 0) {
    return `${n === 1 ? "The network has" : `None of ${n} networks has`} ${n === 1 ? "not " : ""}memorised within ${lasted(runs)}`;
  }
  const when = memory === null ? "" : ` around step ${count(memory)}`;
  if (grokked === 0) {
    return `${networks} memorise${s}${when}; ${n === 1 ? "it does not generalise" : "none generalises"} ${within}`;
  }
  return `${networks} memorise${s}${when}; ${grokked} of ${n} generalise ${within}`;
}

/** How long runs were watched that haven't memorised. */
const lasted = (runs: readonly Curve[]) =>
  watchedWord(runs.map(({ memorisationStep, metrics }) => followUp({ grokkingStep: memorisationStep, metrics })));

/** How far unfinished runs are: the title of their figure meanwhile. */
export function progress(runs: readonly Curve[], steps: number): string {
  const [memorised, grokked] = [runs.filter((run) => run.memorisationStep !== null), runs.filter((run) => run.grokkingStep !== null)];
  return `Step ${count(lastStep(runs))} of ${
    count(steps)
  }: of ${runs.length} networks ${memorised.length} memorised, ${grokked.length} grokked`;
}

/** What these runs learn, and how many answers there are, where all agree. */
export function about(runs: readonly Curve[]): { task?: string; classes?: number } {
  const same = <T>(of: (spec: RunSpec) => T) => (new Set(runs.map(({ spec }) => of(spec))).size === 1 ? of(runs[0].spec) : undefined);
  const task = same(({ data }) =>
    OPERATIONS[data.operation].formula + (OPERATIONS[data.operation].elements === "S5" ? "" : ` mod ${data.prime}`)
  );
  const share = same(({ data }) => data.trainFraction);
  const classes = same((spec) => sizes(spec).C);
  const trained = share === undefined ? "" : `, trained on ${Number((100 * share).toPrecision(3))} % of all pairs`;
  return { ...(task ? { task: task + trained } : {}), ...(classes ? { classes } : {}) };
}
