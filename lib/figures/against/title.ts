/** The sentence above steps against a setting. */
import { soonest, soonestWord, watchedFor, watchedWord } from "../../analysis/runs/follow_up.ts";
import { isOpen } from "../../analysis/runs/run.ts";
import { count, list, listed } from "../../analysis/words.ts";
import { notYet } from "../runs.ts";
import type { Place } from "./places.ts";

/**
 * The finding: the values at which networks grok, and that of the earliest median. A value without any grokked network counts as one that
 * doesn't grok only if all its runs were watched as long as any other, and to `until`; else the finding says how long they were watched.
 */
export function finding(places: readonly Place[], label: string, sayValue: (value: number) => string, until = 0): string {
  const runs = places.flatMap((place) => place.runs), unknown = notYet(runs);
  if (unknown) return unknown;
  const longest = Math.max(until, ...runs.map(({ grokked, known }) => Math.max(grokked ?? 0, known)));
  const groks = ({ runs }: Place) => runs.some(({ grokked }) => grokked !== null);
  const short = places.filter((place) => !groks(place) && (place.runs.some(isOpen) || watchedFor(place.runs)[0] < longest)),
    known = places.filter((place) => !short.includes(place));
  const say = (some: readonly Place[]) => list(some.map(({ value }) => sayValue(value)));
  const brief = short.flatMap((place) => place.runs), word = watchedFor(brief)[0] < longest ? "only" : "so far";
  const open = short.length === 0 ? "" : `; ${label} ${say(short)} watched for ${watchedWord(brief)} ${word}`;
  const first = known.findIndex(groks), last = known.findLastIndex(groks);
  if (first < 0) {
    return short.length === 0
      ? `No network groks within ${count(longest)} steps, at whatever ${label}`
      : `No network has grokked yet${open}`;
  }
  const [below, above] = [first > 0, last < known.length - 1], at = (i: number) => sayValue(known[i].value);
  const where = below && above && first === last
    ? `with ${label} ${at(first)} only`
    : below && above
    ? `with ${label} ${at(first)} to ${at(last)} only`
    : below
    ? `from ${label} ${at(first)} on`
    : above
    ? `up to ${label} ${at(last)}`
    : short.length > 0
    ? `at ${known.length === 1 ? "" : "each "}${label} ${say(known)}`
    : `at every ${label}`;
  const best = soonest(places.map((place) => place.runs));
  if (!best) {
    const most = runs.some(isOpen) ? "half of them so far" : "half of them";
    return places.some(({ grokked }) => grokked !== null)
      ? `Networks grok ${where}${open}`
      : `Networks grok ${where}, nowhere more than ${most}${open}`;
  }
  const [i] = best.at.map((k) => known.indexOf(places[k])), alone = best.at.length === 1;
  const names = listed(best.at.map((k) => sayValue(places[k].value)));
  const there = alone && ((below && i === first) || (above && i === last))
    ? "there"
    : names === null
    ? `at ${best.at.length === places.length ? "all" : `${count(best.at.length)} of`} ${count(places.length)} values`
    : `with ${names}`;
  const when = first === last && below && above
    ? `around step ${count(best.step)}`
    : `${soonestWord(places.map(({ runs }) => runs))} ${there}: step ${count(best.step)}`;
  return `Networks grok ${where}, ${when}${open}`;
}
