/** Findings, tasks and losses of runs in words, for the titles and subtitles of figures. */
import { followUp, memorisationFollowUp, watchedWord } from "../analysis/runs/follow_up.ts";
import { taskName } from "../run/operations.ts";
import { guessing, lossName } from "../run/losses.ts";
import { type RunSpec, sizes } from "../run/spec.ts";
import { type Curve, divergedFirst, lastStep, type Outcome } from "../analysis/runs/run.ts";
import { medianStep } from "../analysis/runs/times.ts";
import { count, list } from "../analysis/words.ts";

const NOTHING = "Nothing has been trained yet";

/** The title of runs none of which can be judged yet; `null` where one can, or has diverged. */
export function notYet(runs: readonly Outcome[]): string | null {
  if (runs.some(({ judged, state }) => judged > 0 || state === "diverged")) return null;
  return runs.every(({ watched }) => watched === 0) ? NOTHING : "No network has been trained for long enough to judge";
}

/** The runs that a title and vertical lines tell of: all but those that diverged before grokking, or all where each of them did. */
export function undiverged<T extends Curve>(all: readonly T[]): readonly T[] {
  const runs = all.filter((run) => !divergedFirst(run));
  return runs.length > 0 ? runs : all;
}

/** A sentence that says where the lines of runs that diverged end; empty where none did. */
export function divergedWords(runs: readonly Curve[]): string {
  const n = runs.filter(({ status }) => status === "failed").length;
  if (n === 0) return "";
  return runs.length === 1
    ? " It diverged where its lines end."
    : ` ${n} of ${runs.length} runs diverged and ${n === 1 ? "is" : "are"} drawn until then.`;
}

/**
 * The finding of these runs in one sentence, the title of their figure. Runs that diverged before grokking are only counted, at its end.
 */
export function finding(all: readonly Curve[]): string {
  const runs = all.filter((run) => !divergedFirst(run)), diverged = all.length - runs.length;
  if (diverged === 0) return shown(runs);
  if (runs.length === 0) return `${diverged === 1 ? "The network" : `All ${diverged} networks`} diverged before grokking`;
  return `${shown(runs)}; ${diverged} more diverged`;
}

function shown(runs: readonly Curve[]): string {
  if (runs.every(({ metrics }) => metrics.length === 0)) return NOTHING;
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
  if (memorised === 0 && grokked > 0) {
    const some = n === 1 ? "The network" : `${grokked === n ? "All " : `${grokked} of `}${n} networks`, s = grokked === 1 ? "s" : "";
    const around = understanding === null ? "" : ` around step ${count(understanding)}`;
    return `${some} generalise${s}${around}; ${n === 1 ? "it has not" : "none has"} memorised within ${lasted(runs)}`;
  }
  if (memorised === 0) {
    return `${n === 1 ? "The network has" : `None of ${n} networks has`} ${n === 1 ? "not " : ""}memorised within ${lasted(runs)}`;
  }
  const when = memory === null ? "" : ` around step ${count(memory)}`;
  if (grokked === 0) {
    return `${networks} memorise${s}${when}; ${n === 1 ? "it does not generalise" : "none generalises"} ${within}`;
  }
  if (grokked === n) return `${networks} memorise${s}${when}; all ${n} generalise around step ${count(understanding!)}`;
  return `${networks} memorise${s}${when}; ${grokked} of ${n} generalise${grokked === 1 ? "s" : ""} ${within}`;
}

/** How long runs that haven't memorised were watched. */
const lasted = (runs: readonly Curve[]) => watchedWord(runs.map(memorisationFollowUp));

/** The progress of unfinished runs, the title of their figure until they end. */
export function progress(runs: readonly Curve[], steps: number): string {
  const [memorised, grokked] = [runs.filter((run) => run.memorisationStep !== null), runs.filter((run) => run.grokkingStep !== null)];
  const networks = `of ${runs.length} network${runs.length === 1 ? "" : "s"}`;
  return `Step ${count(lastStep(runs))} of ${count(steps)}: ${networks} ${memorised.length} memorised, ${grokked.length} grokked`;
}

/** The most moduli that a subtitle lists. */
const MOST_NAMED = 4;

/**
 * The task of these runs, and the number of answers (classes); each only where all runs agree. One operation with several moduli is one
 * task: `x + y mod 23 and 97`, `x + y mod 23 to 97` for more than four.
 */
export function about(runs: readonly Curve[]): { task?: string; classes?: number } {
  const same = <T>(of: (spec: RunSpec) => T) => (new Set(runs.map(({ spec }) => of(spec))).size === 1 ? of(runs[0].spec) : undefined);
  const operation = same(({ data }) => data.operation);
  const primes = [...new Set(runs.map(({ spec }) => spec.data.prime))].sort((a, b) => a - b);
  const moduli = primes.length > MOST_NAMED ? `${primes[0]} to ${primes.at(-1)}` : list(primes.map(String));
  const task = operation && taskName(operation, moduli);
  const share = same(({ data }) => data.trainFraction);
  const classes = same((spec) => sizes(spec).elements);
  const noise = same(({ data }) => data.labelNoise), percent = (share: number) => `${Number((100 * share).toPrecision(3))} %`;
  const trained = share === undefined
    ? ""
    : `, trained on ${percent(share)} of all pairs${noise ? `, ${percent(noise)} of them with noisy labels` : ""}`;
  return { ...(task ? { task: task + trained } : {}), ...(classes ? { classes } : {}) };
}

/**
 * The name of these runs' loss, for an axis (`label`) and a sentence (`words`), and its value at random guessing; without a name for runs
 * with different losses.
 */
export function lossOf(runs: readonly Pick<Curve, "spec">[]): { label: string; words: string; guess?: ReturnType<typeof guessing> } {
  const [first, ...others] = [...new Set(runs.map(({ spec }) => spec.optim.loss))].map((loss) => lossName({ loss }));
  if (!first || others.some(([name]) => name !== first[0])) return { label: "Loss", words: "each run's own" };
  const classes = new Set(runs.map(({ spec }) => sizes(spec).elements)), { spec } = runs[0];
  const guess = classes.size === 1 ? { guess: guessing(spec.optim, [...classes][0]) } : {};
  return { label: `Loss (${first.join(", ")})`, words: first.join(" in "), ...guess };
}
