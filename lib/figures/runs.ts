/** From runs' metrics to what a figure of them draws: medians and bands over the seeds, and the finding in words. All pure. */
import { followUp, watchedWord } from "../analysis/runs/follow_up.ts";
import { taskName } from "../run/operations.ts";
import { guessing, lossName } from "../run/losses.ts";
import { type RunSpec, sizes } from "../run/spec.ts";
import { type Curve, lastStep } from "../analysis/runs/run.ts";
import { medianStep } from "../analysis/runs/times.ts";
import { count } from "../analysis/words.ts";

/** What these runs show, in one sentence: the title of their figure. Those that diverged before they grokked are counted at its end. */
export function finding(all: readonly Curve[]): string {
  const runs = all.filter(({ status, grokkingStep }) => status !== "failed" || grokkingStep !== null), diverged = all.length - runs.length;
  if (diverged === 0) return shown(runs);
  if (runs.length === 0) return `${diverged === 1 ? "The network" : `All ${diverged} networks`} diverged before grokking`;
  return `${shown(runs)}; ${diverged} more diverged`;
}

function shown(runs: readonly Curve[]): string {
  if (runs.every(({ metrics }) => metrics.length === 0)) return "Nothing has been trained yet";
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
  const networks = `of ${runs.length} network${runs.length === 1 ? "" : "s"}`;
  return `Step ${count(lastStep(runs))} of ${count(steps)}: ${networks} ${memorised.length} memorised, ${grokked.length} grokked`;
}

/** What these runs learn, and how many answers there are, where all agree. */
export function about(runs: readonly Curve[]): { task?: string; classes?: number } {
  const same = <T>(of: (spec: RunSpec) => T) => (new Set(runs.map(({ spec }) => of(spec))).size === 1 ? of(runs[0].spec) : undefined);
  const task = same(({ data }) => taskName(data.operation, data.prime));
  const share = same(({ data }) => data.trainFraction);
  const classes = same((spec) => sizes(spec).elements);
  const noise = same(({ data }) => data.labelNoise), percent = (share: number) => `${Number((100 * share).toPrecision(3))} %`;
  const trained = share === undefined
    ? ""
    : `, trained on ${percent(share)} of all pairs${noise ? `, ${percent(noise)} of them with noisy labels` : ""}`;
  return { ...(task ? { task: task + trained } : {}), ...(classes ? { classes } : {}) };
}

/** How the losses of these runs are called, what guessing gives, and the axis of them; of runs with several losses there is no name. */
export function lossOf(runs: readonly Pick<Curve, "spec">[]): { label: string; words: string; guess?: ReturnType<typeof guessing> } {
  const [first, ...others] = [...new Set(runs.map(({ spec }) => spec.optim.loss))].map((loss) => lossName({ loss }));
  if (!first || others.some(([name]) => name !== first[0])) return { label: "Loss", words: "each run's own" };
  const classes = new Set(runs.map(({ spec }) => sizes(spec).elements)), { spec } = runs[0];
  const guess = classes.size === 1 ? { guess: guessing(spec.optim, [...classes][0]) } : {};
  return { label: `Loss (${first.join(", ")})`, words: first.join(" in "), ...guess };
}
