/** Contrasts in the cells of a notebook: as a dataframe with one row each, and as one sentence each. */
import type { DataFrame } from "danfojs";
import type { TimeTest } from "../analysis/statistics/comparison.ts";
import type { ContrastRow } from "../analysis/statistics/contrasts.ts";
import { decides, LEVEL, pShort, pWord } from "../analysis/statistics/multiple.ts";
import { must } from "../analysis/statistics/sample.ts";
import { frame } from "./frames.ts";
import { between, count, factorBetween, factorShort, levelWord, signed } from "../analysis/words.ts";

/** How rows of each kind are worded. */
const KINDS = {
  times: { column: "times as long", delta: null, size: null, test: "by permutation" },
  values: { column: null, delta: "Cliff's δ", size: "Cliff's δ", test: "rank-sum test by permutation" },
  pairs: { column: "difference", delta: "rank-biserial r", size: "Difference", test: "sign-flip test" },
} as const;

/** A number less than this share of the largest beside it is a rounding error. */
const ROUNDING = 1e-9;

/**
 * The decimals of a size and its limits, the same for all: at least two (none where one reaches 1,000); as many as show two digits of their
 * range; and so many that no number but 0 is written as 0.
 */
function decimalsOf(...numbers: readonly (number | null)[]): number {
  const known = numbers.filter((x) => x !== null), largest = Math.max(0, ...known.map(Math.abs));
  const digits = (x: number, of: number) => x > ROUNDING * largest ? of - 1 - Math.floor(Math.log10(x)) : 0;
  const range = Math.max(...known) - Math.min(...known);
  return Math.min(100, Math.max(largest < 1000 ? 2 : 0, digits(range, 2), ...known.map((x) => digits(Math.abs(x), 1))));
}

/**
 * One row per contrast. For times, `event` names the event, as in `grok`; its column counts the runs of each group that had it. Size: for
 * times how many times as long the first group takes; for values Cliff's delta; for pairs the difference, in the values' unit, and the
 * rank-biserial correlation. "Least" is the smallest possible corrected p with so few runs: where it isn't below 0.05, the test can't show
 * a difference.
 * @throws Error for intervals of different levels.
 */
export function contrastFrame(rows: readonly ContrastRow[], event?: string): DataFrame {
  const levels = new Set(rows.map(({ level }) => level));
  must("show contrasts", "the intervals' levels", levels.size <= 1, "must be one for all rows", [...levels].join(", "));
  return frame(rows.map((row) => {
    const { column, delta } = KINDS[row.kind],
      factor = row.kind === "times",
      digits = decimalsOf(row.size, row.interval.low, row.interval.high);
    const interval = { [`${levelWord(row.level)} interval`]: factor ? factorBetween(row.interval) : between(row.interval, digits) };
    return {
      "": row.of,
      first: row.first,
      second: row.second,
      n: row.kind === "pairs" ? count(row.n[0]) : row.n.map(count).join(" v "),
      ...event ? { [event]: row.events.map(count).join(" v ") } : {},
      ...column ? { [column]: row.size === null ? "–" : factor ? factorShort(row.size) : signed(row.size, digits), ...interval } : {},
      ...delta ? { [delta]: signed(row.delta!, column ? decimalsOf(row.delta) : digits) } : {},
      ...column ? {} : interval,
      p: pShort(row.p),
      "p, Holm": pShort(row.holm),
      least: pShort(row.floor),
    };
  }));
}

/** The name of a test of times, and in the head of a column. */
const TIME_TESTS: Record<TimeTest, string> = { "log-rank": "log-rank test", gehan: "Gehan's test" };
const SHORT: Record<TimeTest, string> = { "log-rank": "log-rank", gehan: "Gehan" };

/** The same contrasts of times by both tests, in the same order, each list corrected by itself. */
export interface TestedTwice {
  /** The first column's entry: `grokking`. */
  readonly what: string;
  readonly logRank: readonly ContrastRow[];
  readonly gehan: readonly ContrastRow[];
}

/**
 * One row per contrast: the factor with its interval and the corrected p by each test, and which of them tells the groups apart. For
 * the question whether an answer depends on the test; a reader who may choose has tested twice.
 * @throws Error where the two lists aren't of the same contrasts.
 */
export function bothTests(families: readonly TestedTwice[]): DataFrame {
  return frame(families.flatMap(({ what, logRank, gehan }) => {
    const named = (rows: readonly ContrastRow[]) => rows.map(({ of, first, second }) => `${of}: ${first}, ${second}`).join("; ");
    must(`show ${what} by both tests`, "Gehan's contrasts", named(gehan) === named(logRank), `must be ${named(logRank)}`, named(gehan));
    return logRank.map((row, i) => {
      const both = [row, gehan[i]];
      const columns = both.map(({ test, size, interval, holm }) => ({
        [`times as long, ${SHORT[test!]}`]: `${size === null ? "–" : factorShort(size)} (${factorBetween(interval)})`,
        [`p, Holm, ${SHORT[test!]}`]: pShort(holm),
      }));
      return {
        "": what,
        of: row.of,
        first: row.first,
        second: row.second,
        ...Object.assign({}, ...columns),
        "told apart": toldBy(both),
      };
    });
  }));
}

function toldBy(both: readonly ContrastRow[]): string {
  const told = both.filter(({ verdict }) => verdict !== 0);
  if (told.length === 1) return `by ${SHORT[told[0].test!]} alone`;
  if (told.length === 2) return told[0].verdict === told[1].verdict ? "by both" : "by both, the opposite way";
  if (both.every(({ p }) => p === null)) return "nothing to test";
  return both.some(decides) ? "by none" : "too few runs";
}

export interface SentenceWords {
  /** For times, what happens: `grokking`; for values, what is compared: `time below 99 %`. */
  readonly what: string;
  /** The event as a verb: `grok`. Times only. */
  readonly event?: string;
  /** The unit of times: `steps × p`. Default: `steps`. */
  readonly unit?: string;
  /** The preposition before a group's name: more `with` 4 layers, more `in` layer 1. Default: `with`. */
  readonly where?: string;
}

/**
 * One sentence per contrast, in a Markdown list: which group is later, or has more, if the test shows it; by how much, with interval, n,
 * test and p, uncorrected and after Holm's correction over all rows that it was made with. Where the corrected p could not be below 0.05,
 * the sentence says so instead.
 */
export const contrastSentences = (rows: readonly ContrastRow[], words: SentenceWords): string =>
  rows.map((row) => `- **${row.of}**, ${words.what}: ${verdictOf(row, words)}. ${sizeOf(row, words)} (${numbersOf(row, words)}).`)
    .join("\n");

/** The names of the two groups; where the test shows a difference, the one with more (or later) comes first. */
const sides = ({ first, second, verdict }: ContrastRow) => verdict < 0 ? [second, first] : [first, second];

function verdictOf(row: ContrastRow, { where = "with", unit = "steps" }: SentenceWords): string {
  const [most, least] = sides(row), word = row.kind !== "times" ? "more" : unit === "steps" ? "later" : `more ${unit}`;
  if (row.verdict !== 0) return `${word} ${where} ${most} than ${where} ${least}`;
  return row.p === null || decides(row) ? `${most} and ${least} not told apart` : `too few runs to tell ${most} and ${least} apart`;
}

/** By how much the group that comes first in the sentence is later, or has more. */
function sizeOf(
  { kind, size, interval: { low, high }, level, verdict, first, second }: ContrastRow,
  { where = "with", unit = "steps" }: SentenceWords,
): string {
  const turned = verdict < 0, name = KINDS[kind].size, sure = levelWord(level);
  if (kind !== "times") {
    const turn = (x: number | null) => x !== null && turned ? -x : x,
      interval = turned ? { low: turn(high), high: turn(low) } : { low, high },
      digits = decimalsOf(size, low, high);
    return `${name} ${signed(turn(size)!, digits)} (${sure} interval ${between(interval, digits)})`;
  }
  // Where times of 0 leave no other factor, the group that has them is said to take 0 times as long, not the other infinitely many times.
  const factor = size ?? (high === 0 ? 0 : low === Infinity ? Infinity : null),
    over = factor === 0 || factor === Infinity ? factor === Infinity : turned,
    turn = (x: number | null) => x !== null && over ? 1 / x : x,
    bounds = factorBetween(over ? { low: turn(high), high: turn(low) } : { low, high }),
    asLong = unit === "steps" ? "as long" : `as many ${unit}`,
    takes = `${where[0].toUpperCase()}${where.slice(1)} ${over ? second : first} it takes`;
  if (factor !== null) {
    const times = factorShort(turn(factor)!);
    return `${takes} ${times === "1" ? "about" : `${times} times`} ${asLong} (${sure} interval ${bounds})`;
  }
  return bounds === "–"
    ? "Nothing tells by how much"
    : `${takes} ${bounds.replace(/^above/, "more than").replace(/^below/, "less than")} times ${asLong} (${sure})`;
}

/** The numbers, in the order in which the sentence names the groups. */
function numbersOf(
  { kind, verdict, watched, p, holm, floor, tests, ...row }: ContrastRow,
  { event = "do", unit = "steps" }: SentenceWords,
): string {
  const inOrder = ([first, second]: readonly [number, number]) =>
    (verdict < 0 ? [second, first] : [first, second]).map(count).join(" and ");
  const units = row.units ? `, dealt as ${inOrder(row.units)} whole units` : "", events = inOrder(row.events);
  const runs = kind === "pairs" ? count(row.n[0]) : `${inOrder(row.n)}${units}`;
  const ends = watched && [...new Set(watched)].map(count).join(" to ");
  const had = ends === null ? "" : `, of which ${events} ${event} by ${unit === "steps" ? `step ${ends}` : `${ends} ${unit}`}`;
  const several = holm !== null && tests > 1, corrected = several ? `, ${pWord(holm)} after Holm over ${tests}` : "";
  const least = `, and${several ? " after Holm" : ""} no less than ${Number((floor ?? 0).toPrecision(2))} with so few`;
  const possible = floor !== null && floor >= LEVEL ? least : "";
  const name = kind === "times" ? `${TIME_TESTS[row.test!]} ${KINDS.times.test}` : KINDS[kind].test;
  return `n = ${runs}${had}; ${name}, ${pWord(p)}${corrected}${possible}`;
}

/** A published claim, and the contrasts that test it. */
export interface Claim {
  readonly claim: string;
  /** Which is larger (later) if the claim holds: 1 the first, −1 the second; 0: neither. */
  readonly expects: -1 | 0 | 1;
  readonly rows: readonly ContrastRow[];
  readonly words: SentenceWords;
}

/**
 * Claims as a Markdown table: whether each holds here, and the numbers. A claim without contrasts is `not tested`; where no test can show a
 * difference, the answer is `too few runs to tell`.
 * @param source where the runs are from, the name of the answers' column.
 */
export function claimTable(claims: readonly Claim[], source = "here"): string {
  const lines = claims.map(({ claim, expects, rows, words }) => {
    const numbers = contrastSentences(rows, words).split("\n").map((line) => line.replace(/^- /, "")).join("<br>");
    return `| ${claim} | ${answer(rows, expects)} | ${numbers} |`;
  });
  return [`| claimed | ${source} | numbers |`, "| :-- | :-- | :-- |", ...lines].join("\n");
}

function answer(rows: readonly ContrastRow[], expects: -1 | 0 | 1): string {
  const yes = rows.filter(({ verdict }) => verdict === expects).length, no = rows.filter(({ verdict }) => verdict === -expects).length;
  if (rows.length === 0) return "not tested";
  if (!rows.some(decides)) return "too few runs to tell";
  if (yes === rows.length) return expects === 0 ? "not contradicted" : "yes";
  if (expects === 0) return yes === 0 ? "no" : "not everywhere";
  if (no === rows.length) return "no, the opposite";
  if (yes > 0) return no > 0 ? "in part; in part the opposite" : "in part";
  return no > 0 ? "no; in part the opposite" : "undecided";
}
