/** Results of the attention study as tables and sentences: lags, phases, dates, and the verdict. */
import { pShort, pWord } from "../../analysis/statistics/multiple.ts";
import type { Lag, LagSummary, Verdict } from "../../analysis/attention/lag.ts";
import type { Dates, GroupLag, PhaseDistance, RunDates } from "./findings.ts";
import { between, levelWord, list, signed } from "../../analysis/words.ts";
import { lagFinding } from "../../analysis/attention/lag.ts";

/** A row of a table: values by column name. */
type Row = Record<string, string | number>;

const stepWord = (value: number | null) => value === null ? "–" : signed(value, 0);

/** In how many runs attention changed first. */
const firstIn = ({ lags }: LagSummary) => `${lags.filter((lag) => lag < 0).length} of ${lags.length}`;

/** Where the speeds of the two changes agree best, in decades of steps. */
const speedsOf = ({ speeds }: GroupLag) =>
  speeds === null ? "–" : `${plus(speeds.lag)}${speeds.low === null ? "" : ` (${plus(speeds.low)} to ${plus(speeds.high!)})`}`;
const plus = (decades: number) => `${decades > 0.005 ? "+" : ""}${signed(decades, 2)}`;

/** One row per group; lags in percent of the grokking delay, in decades, or in steps. */
export function lagTable(rows: readonly GroupLag[]): Row[] {
  return rows.map((row) => {
    const { name, scale, runs, never, n, shift, low, high, level, rankBiserial, p, verdict } = row;
    const [times, digits, unit] =
      ({ relative: [100, 0, ", % of the wait"], decades: [1, 3, ", decades"], steps: [1, 0, ", steps"] } as const)[scale];
    const scaled = (value: number | null) => value === null ? null : times * value;
    return {
      "": name,
      runs,
      grokked: runs - never,
      n,
      [`shift${unit}`]: shift === null ? "–" : signed(times * shift, digits),
      [`${levelWord(level)} interval`]: between({ low: scaled(low), high: scaled(high) }, digits),
      "attention first in": firstIn(row),
      "rank-biserial r": rankBiserial === null ? "–" : signed(rankBiserial, 2),
      p: pShort(p),
      "attention changes": verdict,
      "speeds agree at, decades": speedsOf(row),
    };
  });
}

/**
 * One sentence per group, in a Markdown list: the verdict, with the lag, its interval, n, effect size, test and p; and the lag at which the
 * speeds of the two changes agree best. The two lags can differ: changes that are fastest at the same step are half done at different steps
 * where one of them lasts longer.
 */
export function lagSentences(rows: readonly GroupLag[]): string {
  return rows.map((row) => {
    const { name, rankBiserial, p } = row;
    const tested = rankBiserial === null
      ? ""
      : `; attention first in ${firstIn(row)}; rank-biserial r ${signed(rankBiserial, 2)}; sign-flip test, ${pWord(p)}`;
    const all = row.runs - row.never, counted = row.speeds === null || row.speeds.n === all ? "" : ` in ${row.speeds.n} of ${all} runs`;
    const speeds = row.speeds === null ? "" : `; the two are fastest ${speedsOf(row)} decades of steps apart${counted}`;
    return `- **${name}**: ${lagFinding(row)}${tested}${speeds}.`;
  }).join("\n");
}

/**
 * The verdicts in one text, for each named way of dating: whether attention changes before the jump in any group, and the verdict of each
 * group. It says "Nowhere" only where the intervals of all groups exclude it.
 */
export function lagAnswer(ways: Readonly<Record<string, readonly GroupLag[]>>): string {
  const rows = Object.values(ways).flat(),
    named = (...verdicts: Verdict[]) => [
      ...new Set(rows.filter(({ verdict }) => verdicts.includes(verdict)).map(({ name }) => name)),
    ];
  const before = named("before"), open = named("undecided", "not after");
  const said = Object.entries(ways).map(([way, some]) => {
    const groups = Map.groupBy(some, ({ verdict }) => verdict);
    return `${way}: ${[...groups].map(([verdict, each]) => `${verdict} on ${list(each.map(({ name }) => name))}`).join(", ")}.`;
  });
  const answer = before.length > 0
    ? `**Before the jump on ${list(before)}.**`
    : open.length === 0
    ? "**Of all heads together, nowhere before the jump.**"
    : `**Nowhere shown to change before the jump; open on ${list(open)}.**`;
  return [answer, ...said].join(" ");
}

/** One row per run: its moments in steps, and attention's lag behind accuracy, in percent of the grokking delay. */
export function runTable(rows: readonly RunDates[]): Row[] {
  const share = (lag: Lag | null) => lag === null || lag.relative === null ? "–" : signed(100 * lag.relative, 0);
  return rows.map(({ name, seed, memorisation, grokking, attention, accuracy, lag, lagUpTo }) => ({
    "": name,
    seed,
    memorised: stepWord(memorisation),
    "attention half-way": stepWord(attention),
    "accuracy half-way": stepWord(accuracy),
    grokked: stepWord(grokking),
    "attention later by, % of the wait": share(lag),
    "up to grokking": share(lagUpTo),
  }));
}

/** In how many runs attention changed later than accuracy, for each way of dating: counts without a test. */
export function runSentence(rows: readonly RunDates[]): string {
  const later = (lag: "lag" | "lagUpTo") => {
    const dated = rows.flatMap((row) => row[lag] ?? []);
    return `${dated.filter(({ steps }) => steps > 0).length} of ${dated.length}`;
  };
  return `Attention is half-way later than accuracy in ${later("lag")} runs by all of its change, in ${
    later("lagUpTo")
  } by that up to grokking.`;
}

/** One row per group and pair of consecutive phases: how far apart the heads' patterns and entropies are. */
export function phaseTable(rows: readonly PhaseDistance[]): Row[] {
  return rows.map(({ name, from, to, n, occupancy, p, holm, floor, entropy }) => ({
    "": name,
    from,
    to,
    n,
    "patterns, Jensen–Shannon": signed(occupancy, 2),
    p: pShort(p),
    "p, Holm": pShort(holm),
    least: pShort(floor),
    "entropies, Wasserstein": signed(entropy, 3),
  }));
}

/**
 * One row per group: when attention's change is half done, when validation accuracy's is, when the runs grok, and the rank correlation of
 * attention's step with the grokking step over seeds.
 */
export function datesTable(rows: readonly Dates[]): Row[] {
  return rows.map(({ name, runs, attention, accuracy, grokking, n, rho, low, high, p, holm, floor }) => ({
    "": name,
    runs,
    "attention half-way, median": stepWord(attention),
    "accuracy half-way": stepWord(accuracy),
    grokked: stepWord(grokking),
    n: n ?? 0,
    "rank correlation": rho === undefined || rho === null ? "–" : signed(rho, 2),
    "95 % interval": between({ low: low ?? null, high: high ?? null }, 2),
    p: pShort(p),
    "p, Holm": pShort(holm),
    least: pShort(floor),
  }));
}
