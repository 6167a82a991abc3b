import { soonest, soonestWord, watchedFor, watchedWord } from "../analysis/runs/follow_up.ts";
import type { Setting } from "../analysis/runs/settings.ts";
import { isOpen, type Outcome, type State } from "../analysis/runs/run.ts";
import { grokkingQuantile, medianStep } from "../analysis/runs/times.ts";
import { count, listed } from "../analysis/words.ts";

/** `4 of 5`; empty where none has begun. */
export const shareWord = (runs: readonly Outcome[]): string =>
  runs.every(({ state }) => state === "waiting") ? "" : `${runs.filter(({ state }) => state === "grokked").length} of ${runs.length}`;

/**
 * The median grokking step in words: `> 20,000` where most runs were watched that long without grokking, `–` where they diverged, empty
 * while unfinished runs may change it.
 */
export function medianWord(runs: readonly Outcome[]): string {
  const median = grokkingQuantile(runs, 0.5);
  if (median === null) return "";
  if (Number.isFinite(median)) return count(median);
  const never = runs.filter(({ state }) => state === "never").map(({ known }) => known);
  return never.length === 0 ? "–" : `> ${count(Math.min(...never))}`;
}

/** The title of a sweep's board: its progress until all runs have ended, then its finding. */
export function boardTitle(settings: readonly Setting[]): string {
  const runs = settings.flatMap((setting) => setting.runs), n = runs.length;
  const number = (state: State) => runs.filter((run) => run.state === state).length;
  const grokked = number("grokked");
  if (number("waiting") === n) return n === 0 ? "No runs" : n === 1 ? "The run has not begun" : `None of ${count(n)} runs has begun`;
  const so = grokked === 0
    ? `None of ${count(n)} runs has grokked`
    : `${count(grokked)} of ${count(n)} runs ${grokked === 1 ? "has" : "have"} grokked`;
  const others = [
    [number("training"), "in training"],
    [number("stopped"), "stopped"],
    [number("waiting"), "waiting"],
    [number("never"), "ended without"],
    [number("diverged"), "diverged"],
  ].flatMap(([n, word]) => n ? [`${count(n as number)} ${word}`] : []);
  if (runs.some(isOpen)) return `${so} so far; ${others.join(", ")}`;
  const on = runs.filter(({ active }) => active).length;
  return on > 0 ? `${[so, ...others].join("; ")}; ${count(on)} train on` : boardFinding(settings);
}

function boardFinding(settings: readonly Setting[]): string {
  const runs = settings.flatMap((setting) => setting.runs), n = runs.length, grokked = runs.filter((run) => run.grokked !== null).length;
  const diverged = runs.filter(({ state }) => state === "diverged").length;
  const networks = n === 1 ? "The network" : grokked === n ? `All ${count(n)} networks` : `${count(grokked)} of ${count(n)} networks`;
  const rest = diverged === 0 ? "" : `; ${count(diverged)} diverged`;
  if (grokked === 0) {
    return `${n === 1 ? "The network does not grok" : `None of ${count(n)} networks groks`} within ${watchedWord(runs)}${rest}`;
  }
  const groks = `${networks} grok${n === 1 || (grokked === 1 && n > 1) ? "s" : ""}`, best = soonest(settings.map(({ runs }) => runs));
  const ranked = settings.map(({ name, runs }) => ({ name, runs, median: medianStep(runs.map((run) => run.grokked)) }));
  if (ranked.every(({ median }) => median === null)) {
    return `${groks}; at no setting more than half of them, within ${watchedWord(runs)}${rest}`;
  }
  if (ranked.length === 1) return `${groks}, ${n === 1 ? "at" : "around"}\u00a0step\u00a0${count(ranked[0].median!)}${rest}`;
  const at = (step: number) => `step\u00a0${count(step)}`, word = soonestWord(settings.map(({ runs }) => runs));
  if (best?.at.length === ranked.length) {
    return `${groks}, ${word === "earliest" ? "at" : "around"} ${at(best.step)} at all ${count(ranked.length)} settings${rest}`;
  }
  const where = (some: typeof ranked) => {
    const names = listed(some.map(({ name }) => name));
    return names === null ? `at ${count(some.length)} of ${count(ranked.length)} settings` : `with ${names}`;
  };
  const first = best ? `, ${word} ${where(best.at.map((i) => ranked[i]))}: ${at(best.step)}` : "";
  const none = ranked.filter(({ runs }) => runs.every((run) => run.grokked === null)), longest = watchedFor(runs)[1];
  // Where such runs were watched for less than others, the sentence says for how long.
  const within = none.length > 0 && watchedFor(none.flatMap(({ runs }) => runs))[0] < longest
    ? ` within ${watchedWord(none.flatMap(({ runs }) => runs))}`
    : "";
  const latest = Math.max(...ranked.map(({ median }) => median ?? Infinity));
  const last = none.length === 1
    ? `; with ${none[0].name} none does${within}`
    : none.length > 1
    ? `; at ${count(none.length)} of ${count(ranked.length)} settings none does${within}`
    : best && latest < Infinity && latest > best.step
    ? `, latest ${where(ranked.filter(({ median }) => median === latest))}: ${at(latest)}`
    : "";
  return `${groks}${first}${last}${rest}`;
}
