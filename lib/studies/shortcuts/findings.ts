/** Results of the shortcuts study: the best cell of each method, and how much sooner it groks than the baseline. */
// @ts-types="@types/d3-array"
import { mean } from "d3-array";
import type { BoardRun, Curve } from "../../analysis/runs/run.ts";
import { medianStep, timesTo } from "../../analysis/runs/times.ts";
import { type Corrected, corrected, differs } from "../../analysis/statistics/multiple.ts";
import { type RestrictedDifference, restrictedDifference, restrictedMean } from "../../analysis/statistics/restricted.ts";
import type { Observation } from "../../analysis/statistics/sample.ts";
import { type Chosen, TEST_SEEDS, TUNING_SEEDS, withCell } from "./experiments.ts";
import { type Cell, cellsOf, type Method, SETTING } from "./methods.ts";
import { type RunSpec, runSpec } from "../../run/spec.ts";
import { between, list } from "../../analysis/words.ts";

/** Updates that every run was watched for; a run that hasn't grokked by then is censored there. */
export const HORIZON: number = SETTING.schedule.steps;

const settings = ({ model, data, optim }: RunSpec) => JSON.stringify([model, data, optim]);

/** The runs of a method at a cell. */
export function runsAt<T extends BoardRun>(runs: readonly T[], method: Method, cell: Cell): T[] {
  const wanted = settings(runSpec({ ...SETTING, optim: method.optim(cell) }));
  return runs.filter(({ spec }) => settings(spec) === wanted);
}

/** How many runs of a method have a result, of how many planned ones. */
export interface Progress {
  readonly name: string;
  readonly known: number;
  readonly planned: number;
}

export const isWhole = ({ known, planned }: Progress): boolean => known === planned;

/** A run has a result once it has grokked, or has been watched up to `HORIZON`. */
const known = (times: readonly Observation[]) => times.filter(({ time, event }) => event || time >= HORIZON).length;

export const timesAt = (runs: readonly BoardRun[], { method, cell }: Chosen): Observation[] =>
  timesTo("grokked", runsAt(runs, method, cell));

export function tuningProgress(runs: readonly BoardRun[], method: Method): Progress {
  const cells = cellsOf(method), times = cells.flatMap((cell) => timesAt(runs, { method, cell }));
  return { name: method.name, known: known(times), planned: cells.length * TUNING_SEEDS.length };
}

export const testProgress = (runs: readonly BoardRun[], chosen: Chosen): Progress => {
  return { name: chosen.method.name, known: known(timesAt(runs, chosen)), planned: TEST_SEEDS.length };
};

/** A sentence that names the methods which still lack runs; none where no method does. */
export function unfinished(what: string, methods: readonly Progress[]): string[] {
  const open = methods.filter((each) => !isWhole(each)).map(({ name, known, planned }) => `${name} (${known} of ${planned} runs)`);
  return open.length === 0 ? [] : [`${what} isn't finished: ${list(open)}.`];
}

/** A sentence that names the methods without a cell in `CHOSEN`, and what must be done to test them; none where all have one. */
export function untested(methods: readonly Method[]): string[] {
  const names = methods.filter((method) => !withCell([method]).includes(method)).map(({ name }) => name);
  if (names.length === 0) return [];
  return [`Not tested: ${list(names)}. Add the best cell of the tuning to \`CHOSEN\` in \`lib/studies/shortcuts/experiments.ts\`.`];
}

/** A method's cell with its tuning result. */
export interface Tuned extends Cell {
  readonly method: Method;
  readonly n: number;
  readonly grokked: number;
  /** Mean grokking step; runs that never grokked count as `HORIZON`. */
  readonly mean: number;
  /** Mean validation accuracy at the last evaluation, which ranks cells of which no run grokked. */
  readonly accuracy: number;
  /** Whether its learning rate or weight decay is the smallest or largest tried, so that a better cell may lie outside. */
  readonly edge: boolean;
}

const events = (times: readonly Observation[]) => times.filter(({ event }) => event).length;

/** A run with its evaluations. */
type SeenRun = BoardRun & Curve;

const lastAccuracy = (runs: readonly SeenRun[]) => mean(runs, ({ metrics }) => metrics.at(-1)?.valAcc ?? 0) ?? 0;

/**
 * The cells of a method, those that grok soonest first; at a tie, the higher final validation accuracy first.
 * @throws Error where a run of its tuning has no result yet.
 */
export function tuning(runs: readonly SeenRun[], method: Method): Tuned[] {
  const progress = tuningProgress(runs, method);
  if (!isWhole(progress)) {
    throw new Error(
      `Cannot choose a cell for ${method.name}: all ${progress.planned} runs of its tuning must have ended, current value is ${progress.known}`,
    );
  }
  const { lrs, weightDecays } = method, ends = (values: readonly number[], x: number) => x === values[0] || x === values.at(-1);
  return cellsOf(method).map((cell) => {
    const own = runsAt(runs, method, cell), times = timesTo("grokked", own);
    const edge = ends(lrs, cell.lr) || ends(weightDecays, cell.weightDecay);
    return {
      method,
      ...cell,
      n: times.length,
      grokked: events(times),
      mean: restrictedMean(times, HORIZON),
      accuracy: lastAccuracy(own),
      edge,
    };
  }).toSorted((a, b) => a.mean - b.mean || b.accuracy - a.accuracy);
}

/** A method at its cell against the baseline at its own. */
export interface ShortcutRow extends RestrictedDifference, Corrected {
  readonly name: string;
  readonly n: number;
  readonly grokked: number;
  readonly verdict: "sooner" | "later" | "not told apart";
}

/** Median memorisation and grokking steps of a method; `null` where half of its networks don't reach them within `HORIZON`. */
export function waits(runs: readonly BoardRun[], { method, cell }: Chosen) {
  const own = runsAt(runs, method, cell),
    when = (moment: "memorised" | "grokked") => {
      const times = timesTo(moment, own);
      return { count: events(times), median: medianStep(times.map(({ time, event }) => event ? time : null)) };
    };
  return { name: method.name, n: own.length, memorised: when("memorised"), grokked: when("grokked") };
}

/**
 * Restricted mean grokking steps compared with the baseline's, with Holm's correction over all rows. A method without all of its results
 * (`testProgress`) has no row, and none has one before the baseline has all of its own: those that come first are the early ones.
 */
export function shortcuts(runs: readonly BoardRun[], baseline: Chosen, others: readonly Chosen[]): ShortcutRow[] {
  const base = timesAt(runs, baseline), hasAll = (chosen: Chosen) => isWhole(testProgress(runs, chosen));
  const rows = (hasAll(baseline) ? others.filter(hasAll) : []).map((chosen) => {
    const times = timesAt(runs, chosen);
    return { name: chosen.method.name, n: times.length, grokked: events(times), ...restrictedDifference(times, base, HORIZON) };
  });
  return corrected(rows).map((row) => ({
    ...row,
    verdict: !differs(row) ? "not told apart" : row.difference < 0 ? "sooner" : "later",
  }));
}

/** A published claim about a method, and our result. */
export interface PublishedRow {
  readonly method: string;
  readonly published: string;
  readonly source: string;
  readonly here: string;
}

/** Every published claim with our result for its method; `no result yet` for a method without a row. */
export function besidePublished(methods: readonly Method[], rows: readonly ShortcutRow[]): PublishedRow[] {
  return methods.flatMap((method) => {
    const row = rows.find(({ name }) => name === method.name);
    return method.published.map(({ says, source }) => ({
      method: method.name,
      published: says,
      source,
      here: row === undefined
        ? "no result yet"
        : `${row.verdict}: ${row.low === null ? "no variance" : `${between(row, 0)} steps (95 %)`}, ${row.grokked} of ${row.n} grok`,
    }));
  });
}

/** One sentence: which methods grok sooner or later than the baseline, and which aren't told apart from it: of these it says no more. */
export function differenceFinding(rows: readonly ShortcutRow[], baseline: string): string {
  const which = (verdict: ShortcutRow["verdict"]) => rows.filter((row) => row.verdict === verdict).map(({ name }) => name);
  if (which("not told apart").length === rows.length) return `None of ${rows.length} is told apart from ${baseline}`;
  const said = (["sooner", "later", "not told apart"] as const).map((verdict) => ({ verdict, names: which(verdict) }));
  return `Against ${baseline}: ${said.flatMap(({ verdict, names }) => names.length === 0 ? [] : [`${list(names)} ${verdict}`]).join("; ")}`;
}
