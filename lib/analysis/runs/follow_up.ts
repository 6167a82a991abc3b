/**
 * Conclusions from runs that were watched for different numbers of steps. A run that hasn't grokked yet still may: so a median is known or
 * only bounded, the earliest of several groups is known or not, and a sentence that counts runs says within how many steps.
 */
import { count } from "../words.ts";

/** The grokking step of a run, `null` without one, and the step up to which it is known whether the run grokked. */
export interface FollowUp {
  readonly grokked: number | null;
  readonly known: number;
}

/** The follow-up of a run: up to its last evaluation, and no further than its rule can judge. */
export const followUp = ({ grokkingStep, known = Infinity, metrics }: {
  readonly grokkingStep: number | null;
  readonly known?: number;
  readonly metrics: readonly { readonly step: number }[];
}): FollowUp => ({ grokked: grokkingStep, known: Math.min(known, metrics.at(-1)?.step ?? 0) });

/** The same for memorising, which every evaluation tells by itself. */
export const memorisationFollowUp = ({ memorisationStep, metrics }: {
  readonly memorisationStep: number | null;
  readonly metrics: readonly { readonly step: number }[];
}): FollowUp => followUp({ grokkingStep: memorisationStep, metrics });

/**
 * The smallest and the largest median grokking step that is possible however long the runs are watched; `most` is Infinity where half of
 * them haven't grokked.
 */
export interface MedianBounds {
  readonly least: number;
  readonly most: number;
}

/** @param runs at least one. */
export function medianBounds(runs: readonly FollowUp[]): MedianBounds {
  const middle = (unknown: (run: FollowUp) => number) => {
    const sorted = runs.map((run) => run.grokked ?? unknown(run)).sort((a, b) => a - b);
    return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
  };
  return { least: middle(({ known }) => known), most: middle(() => Infinity) };
}

/**
 * The groups with the earliest median step, several at a tie; `null` where no group has a median, or where another could still turn out
 * earlier.
 */
export function soonest(groups: readonly (readonly FollowUp[])[]): { readonly at: readonly number[]; readonly step: number } | null {
  const medians = groups.map((runs) => runs.length > 0 ? medianBounds(runs) : { least: Infinity, most: Infinity });
  const step = Math.min(...medians.map(({ most }) => most)), at = [...medians.keys()].filter((i) => medians[i].most === step);
  return Number.isFinite(step) && medians.every(({ least }, i) => at.includes(i) || least >= step) ? { at, step } : null;
}

/** What `soonest` compares, for titles: it is an order of these runs' medians, and no test of whether they differ. */
export const soonestWord = (groups: readonly (readonly unknown[])[]): string =>
  groups.every((runs) => runs.length <= 1) ? "earliest" : "earliest median";

/**
 * The least and the most steps that runs which haven't grokked were watched for; where all have grokked, both are the most that any run was
 * watched for.
 */
export function watchedFor(runs: readonly FollowUp[]): readonly [least: number, most: number] {
  const waiting = runs.filter(({ grokked }) => grokked === null).map(({ known }) => known);
  if (waiting.length > 0) return [Math.min(...waiting), Math.max(...waiting)];
  const longest = Math.max(0, ...runs.map(({ grokked, known }) => Math.max(grokked!, known)));
  return [longest, longest];
}

/** `3,000 steps`; where the runs were watched for different numbers of steps, `1,180 to 3,000 steps`. */
export function watchedWord(runs: readonly FollowUp[]): string {
  const [least, most] = watchedFor(runs);
  return least === most ? `${count(most)} steps` : `${count(least)} to ${count(most)} steps`;
}
