/** What contrasts say, for the cells of a notebook: a dataframe with a row each, and a sentence each. */
import type { DataFrame } from "danfojs";
import { type ContrastRow, pWord } from "../analysis/statistics/contrasts.ts";
import type { Interval } from "../analysis/statistics/sample.ts";
import { count } from "../figures/theme.ts";
import { frame } from "./frames.ts";

/** Minus as people write it, no minus before a zero. */
export const signed = (value: number, digits: number) => {
  const text = digits === 0 ? count(Math.abs(value)) : Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
};

export const between = ({ low, high }: Interval, digits: number) =>
  low === null || high === null ? "–" : `${signed(low, digits)} to ${signed(high, digits)}`;

/** How the rows of each kind are said. */
const KINDS = {
  times: { digits: 0, column: "difference, steps", delta: "Cliff's δ", size: "Mean difference", test: "log-rank test by permutation" },
  values: { digits: 2, column: null, delta: "Cliff's δ", size: "Cliff's δ", test: "rank-sum test by permutation" },
  pairs: { digits: 2, column: "difference", delta: "rank-biserial r", size: "Difference", test: "sign-flip test" },
} as const;

/**
 * One row per contrast. `event` names what happened, where times are compared: `grok`; its column counts to how many of each. Differences are of the first minus the second, in
 * steps or in the values' unit; Cliff's delta, and of pairs the rank-biserial correlation, say the same without a unit, from −1 to 1.
 */
export function contrastFrame(rows: readonly ContrastRow[], event?: string): DataFrame {
  return frame(rows.map((row) => {
    const { digits, column, delta } = KINDS[row.kind], interval = { "95 % interval": between(row.interval, digits) };
    return {
      "": row.of,
      first: row.first,
      second: row.second,
      n: row.kind === "pairs" ? count(row.n[0]) : row.n.map(count).join(" v "),
      ...event ? { [event]: row.events.map(count).join(" v ") } : {},
      ...column ? { [column]: signed(row.size, digits), ...interval } : {},
      [delta]: signed(row.delta, 2),
      ...column ? {} : interval,
      p: pShort(row.p),
      "p, Holm": pShort(row.holm),
    };
  }));
}

export const pShort = (p: number | null) => p === null ? "–" : p < 0.001 ? "< 0.001" : String(Number(p.toPrecision(2)));

export interface SentenceWords {
  /** What happens: `grokking`; of values, what there is more of: `time below 99 %`. */
  readonly what: string;
  /** What those do to whom it happened: `grok`. Times only. */
  readonly event?: string;
  /** What stands before a group: more `with` 4 layers, more `in` layer 1. Default: `with`. */
  readonly where?: string;
}

/**
 * One sentence per contrast, in a list of Markdown: which is later, or has more, if the test separates them; by how much, with its interval, n, test and p
 * after Holm's correction over all rows.
 */
export function contrastSentences(rows: readonly ContrastRow[], { what, event = "do", where = "with" }: SentenceWords): string {
  const tests = rows.filter(({ p }) => p !== null).length;
  return rows.map((row) => {
    const { kind, of, first, second, n, events, tau, size, verdict, holm } = row, said = KINDS[kind];
    const [most, least] = verdict < 0 ? [second, first] : [first, second];
    const finding = verdict === 0
      ? `${first} and ${second} not told apart`
      : `${kind === "times" ? "later" : "more"} ${where} ${most} than ${where} ${least}`;
    // As the words go: by how much that which is said to be later, or more, is.
    const turned = verdict < 0, [low, high] = [row.interval.low, row.interval.high].map((x) => x !== null && turned ? -x : x);
    const interval = turned ? { low: high, high: low } : { low, high };
    const unit = tau === null ? "" : ` steps within the first ${count(tau)}${part(row)}`,
      had = tau === null ? "" : `, of which ${events.map(count).join(" and ")} ${event}`;
    const runs = kind === "pairs" ? count(n[0]) : n.map(count).join(" and ");
    return `- **${of}**, ${what}: ${finding}. ${said.size} ${signed(turned ? -size : size, said.digits)}${unit} (95 % interval ${
      between(interval, said.digits)
    }; n = ${runs}${had}; ${said.test}, ${pWord(holm)}${holm !== null && tests > 1 ? ` after Holm over ${tests}` : ""}).`;
  }).join("\n");
}

/** Where not all strata were watched so long: how many were. */
const part = ({ strata }: ContrastRow) =>
  strata !== null && strata[0] < strata[1] ? `, in ${count(strata[0])} of ${count(strata[1])} strata` : "";

/** What somebody claimed, and the contrasts that bear on it. */
export interface Claim {
  readonly claim: string;
  /** Which is larger (later) if the claim holds: 1 the first, −1 the second; 0: neither. */
  readonly expects: -1 | 0 | 1;
  readonly rows: readonly ContrastRow[];
  readonly words: SentenceWords;
}

/** Claims as a table of Markdown: whether each holds here, and the numbers. One without contrasts wasn't tested. */
export function claimTable(claims: readonly Claim[]): string {
  const lines = claims.map(({ claim, expects, rows, words }) => {
    const numbers = contrastSentences(rows, words).split("\n").map((line) => line.replace(/^- /, "")).join("<br>");
    return `| ${claim} | ${answer(rows, expects)} | ${numbers} |`;
  });
  return ["| claimed | here | numbers |", "| :-- | :-- | :-- |", ...lines].join("\n");
}

function answer(rows: readonly ContrastRow[], expects: -1 | 0 | 1): string {
  const yes = rows.filter(({ verdict }) => verdict === expects).length, no = rows.filter(({ verdict }) => verdict === -expects).length;
  if (rows.length === 0) return "not tested";
  if (yes === rows.length) return expects === 0 ? "not contradicted" : "yes";
  if (expects === 0) return yes === 0 ? "no" : "not everywhere";
  if (no === rows.length) return "no, the opposite";
  if (yes > 0) return no > 0 ? "in part; in part the opposite" : "in part";
  return no > 0 ? "no; in part the opposite" : "undecided";
}
