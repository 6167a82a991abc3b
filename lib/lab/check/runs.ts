/** Whether runs are what their specs make them, have the evaluations that they must, and the milestones that follow from those. */
import { inOneLine, quote } from "../../run/quote.ts";
import { parameterCount } from "../../run/layout.ts";
import { isAlwaysThere, METRIC_NAMES, type MetricName, METRICS } from "../../run/metrics.ts";
import { identity, type RunSpec, shapeKey, specHash } from "../../run/spec.ts";
import type { Accuracies } from "../../run/grokking.ts";
import type { NamedRule } from "../experiment.ts";
import { isGone } from "../lock.ts";
import { milestoneRow, phaseRow } from "../milestones.ts";
import { isDone, type RunRow } from "../schema.ts";
import { verdictOf } from "../seals.ts";
import type { Lab, Row, Rows, Value } from "../store.ts";
import { specFrom } from "../stored.ts";
import { sealed } from "./experiments.ts";
import { type Finding, isFlag, isShare, isWhole } from "./finding.ts";

const COLUMNS = "id, hash, spec, parameters, shape, status, step, session, thinned, error";
const STATUSES = ["waiting", "training", "stopped", "finished", "grokked", "failed"];

/** Runs whose session is gone: the next sweep frees them, so that this is no damage. */
export function training(lab: Lab): Finding[] {
  return lab.query<{ hash: string; step: number; session: string | null; ended_at: string | null }>(
    `SELECT hash, step, name AS session, ended_at FROM runs LEFT JOIN sessions s ON s.id = session
     WHERE session IS NOT NULL OR status = 'training' ORDER BY hash`,
  ).filter(({ session, ended_at }) => session === null || ended_at !== null || isGone(lab, session)).map(({ hash, step, session }) => ({
    about: "training",
    text: `run ${inOneLine(hash)} is in training at step ${step}, but session ${
      inOneLine(session ?? "unknown")
    } is gone; the next sweep frees it`,
  }));
}

/** Findings for which a run can't be exported; milestones are computed anew then, so those don't count. */
export function runFindings(lab: Lab, id: number): Finding[] {
  const [{ thinned }] = lab.query<{ thinned: number }>("SELECT thinned FROM runs WHERE id = ?", id);
  return runs(lab, { id, seals: false }).filter(({ about }) => about !== "milestones" || thinned === 1);
}

/**
 * Which runs are looked at: those of some hashes, one by its id, or all; and whether one that has ended must have a seal, as it must by
 * default.
 */
export interface Which {
  readonly only?: ReadonlySet<string>;
  readonly id?: number;
  readonly seals?: boolean;
}

export function runs(lab: Lab, { only, id, seals = true }: Which = {}): Finding[] {
  const rules = lab.rules();
  const rows = lab.query<RunRow>(`SELECT ${COLUMNS} FROM runs WHERE ?1 IS NULL OR id = ?1 ORDER BY hash`, id ?? null);
  return rows.filter(({ hash }) => only?.has(hash) ?? true).flatMap((run) => {
    const named = (about: Finding["about"], text: string): Finding => ({
      about,
      text: `run ${inOneLine(run.hash)} ${inOneLine(text, 500)}`,
    });
    const spec = specOf(run);
    if (typeof spec === "string") return [named("runs", spec)];
    const stored = lab.evaluations(run.id), odd = stateOf(lab, run, stored.length);
    if (odd !== null) return [named("runs", odd)];
    const evaluations = evaluationsOf(stored, run, spec);
    // What they give then says nothing about its milestones.
    if (evaluations !== null) return [named("evaluations", evaluations)];
    const metrics = accuraciesOf(stored);
    const milestones = rules.flatMap((rule) => {
      const wrong = run.thinned === 1 ? importedOf(lab, run, spec, rule) : milestonesOf(lab, run, metrics, rule);
      return wrong === null ? [] : [named("milestones", `by rule ${rule.name}: ${wrong}`)];
    });
    return milestones.length > 0 ? milestones : sealOf(lab, run, { seals, stored }).map((text) => named("evaluations", text));
  });
}

/** Its spec, or what is wrong with it. */
function specOf({ hash, spec: json, parameters, shape }: RunRow): RunSpec | string {
  let spec: RunSpec;
  try {
    spec = specFrom(json, 0);
  } catch (error) {
    return `must have a spec: ${(error as Error).message}`;
  }
  if (specHash(spec) !== hash) return `must have the hash ${specHash(spec)}, which its spec gives`;
  if (identity(spec) !== json) return "must have its spec as the lab writes it, it is another text";
  if (parameterCount(spec) !== parameters) return `must have ${parameterCount(spec)} parameters, it has ${quote(parameters)}`;
  return shapeKey(spec) === shape ? spec : `must have the shape ${shapeKey(spec)}, it is ${quote(shape)}`;
}

/** What is wrong with how far it is, if anything. */
function stateOf(lab: Lab, run: RunRow, evaluations: number): string | null {
  const { id, status, step, thinned, error, session } = run;
  if (!STATUSES.includes(status)) return `must have a status of ${STATUSES.join(", ")}, it is ${quote(status)}`;
  if (!isWhole(step) || step > 2 ** 31) return `must have a step from 0 to ${2 ** 31}, it is ${quote(step)}`;
  if (!isFlag(thinned)) return `must have thinned 0 or 1, it is ${quote(thinned)}`;
  if ((status === "failed") !== (error !== null)) {
    return `must have an error where it failed, and only there; it is ${status} with ${quote(error)}`;
  }
  if (session !== null && status !== "training") return `must be in training where it has a session, it is ${status}`;
  const [{ grokked }] = lab.query<{ grokked: number }>(
    "SELECT count(*) AS grokked FROM milestones WHERE run = ? AND grokking_step IS NOT NULL",
    id,
  );
  if (status === "waiting" && (step > 0 || evaluations > 0)) {
    return `must have nothing stored while it waits, it has ${evaluations} evaluations up to step ${step}`;
  }
  return status === "grokked" && grokked === 0 ? "must have grokked by some rule, it has by none" : null;
}

/** What is wrong with its evaluations, if anything. */
function evaluationsOf(rows: Rows, run: RunRow, spec: RunSpec): string | null {
  for (const row of rows) {
    const wrong = rangesOf(row);
    if (wrong !== null) return `must have an evaluation at step ${quote(row[1])} whose ${wrong}`;
  }
  const steps = rows.map(([, step]) => step as number);
  return run.thinned === 1 ? thinnedOf(run, spec, steps) : stepsOf(run, spec, steps);
}

/** @param row the run's id and the metrics in their order. */
function rangesOf(row: readonly unknown[]): string | null {
  const isRight = (name: MetricName, value: unknown) =>
    value === null ? !isAlwaysThere(name) : typeof value === "number" && METRICS[name].range.has(value);
  const i = METRIC_NAMES.findIndex((name, i) => !isRight(name, row[i + 1])), name = METRIC_NAMES[i];
  if (i < 0) return null;
  const { column, range: { words } } = METRICS[name];
  return `${column} is ${words}${isAlwaysThere(name) ? "" : ", or none"}, it is ${quote(row[i + 1])}`;
}

/** What is wrong with the steps at which it has evaluations, if anything. */
function stepsOf(run: RunRow, { schedule: { evalEvery: every } }: RunSpec, steps: readonly number[]): string | null {
  const { status, step } = run, last = steps.at(-1) ?? 0;
  // Of a run that failed, what came after its loss had stopped being a number is not stored. Of one that goes on there may be more than its
  // state.
  const until = status === "failed" ? last : isDone(run) ? step : Math.max(step, last);
  const ends = isDone(run) && status !== "failed" && until % every !== 0;
  const due = Math.floor(until / every) + 1 + Number(ends);
  const isDue = (at: number) => at <= until && at % every === 0 || ends && at === until;
  // Nothing may be stored of one that has only just begun, and of one that is to go on, an end that it had before.
  const none = until === 0 && !isDone(run) || status === "failed" && steps.length === 0;
  const extra = isDone(run) ? steps.filter((at) => !isDue(at)) : [];
  const lacks = none ? 0 : due - steps.filter(isDue).length, there = new Set(steps), missing: number[] = [];
  for (let at = 0; missing.length < Math.min(lacks, 4); at = Math.min(at + every, ends ? until : Infinity)) {
    if (!there.has(at)) missing.push(at);
  }
  const list = (at: readonly number[], n: number) => n <= 4 ? at.join(", ") : `${at.slice(0, 3).join(", ")} and ${n - 3} more`;
  const says = [
    ...lacks > 0 ? [`must have evaluations every ${every} updates up to ${until}, lacks ${list(missing, lacks)}`] : [],
    ...extra.length > 0 ? [`must have none at ${list(extra, extra.length)}`] : [],
  ];
  return says.length > 0 ? says.join("; ") : null;
}

/** The same of a run that was imported with a part of its evaluations. */
function thinnedOf(run: RunRow, { schedule: { evalEvery: every } }: RunSpec, steps: readonly number[]): string | null {
  const odd = steps.find((at) => isDone(run) && at > run.step || at % every !== 0 && at !== run.step);
  return odd === undefined ? null : `must have evaluations every ${every} updates up to ${run.step}, it has one at ${odd}`;
}

/** The evaluations of a run, as much of them as milestones need. */
export const accuraciesOf = (rows: Rows): Accuracies[] =>
  rows.map((row) => {
    const [, step, , trainAcc, , valAcc] = row as number[];
    return { step, trainAcc, valAcc };
  });

/** In what the milestones and phases of a run by a rule differ from what its evaluations give, if in anything. */
function milestonesOf(lab: Lab, run: RunRow, metrics: readonly Accuracies[], rule: Required<NamedRule>): string | null {
  const [stored] = lab.query("SELECT * FROM milestones WHERE run = ? AND rule = ?", run.id, rule.name);
  if (!stored) return metrics.length > 0 && (isDone(run) || run.step > 0) ? "they are missing" : null;
  // Of a run that goes on they are as they were when its state was last stored; of its evaluations there may be more, or none yet.
  const seen = isDone(run) ? Infinity : stored.last_step as number | null ?? -1, last = metrics.at(-1)?.step ?? -1;
  // One that was begun anew has the milestones of before until its first state is stored.
  if (!isDone(run) && seen > last) return run.step > 0 ? `they must be of step ${last} at most, they are of ${seen}` : null;
  const watched = metrics.filter(({ step }) => step <= seen), computed = milestoneRow(watched, rule), edges = phaseRow(watched, rule);
  const due = metrics.findLast(({ step }) => step <= run.step)?.step ?? -1;
  const [phases] = lab.query("SELECT * FROM phases WHERE run = ? AND rule = ?", run.id, rule.name);
  if (edges && !phases) return "its phases are missing";
  if (!edges && phases) return "it must have no phases without evaluations, it has";
  const show = (value: Value) => value ?? "none";
  const differ = (wanted: Row | null, is: Row) =>
    Object.entries(wanted ?? {}).filter(([name, value]) => !Object.is(is[name], value))
      .map(([name, value]) => `${name} must be ${show(value)}, it is ${show(is[name])}`);
  const said = [...differ(computed, stored), ...differ(edges, phases)];
  if (said.length > 0) return said.join("; ");
  return run.step > 0 && seen < due ? `they must be of step ${due}, they are of ${show(stored.last_step)}` : null;
}

/** What can't be so of the milestones that a run came with. */
function importedOf(lab: Lab, run: RunRow, { schedule: { evalEvery: every } }: RunSpec, rule: Required<NamedRule>): string | null {
  const [stored] = lab.query("SELECT * FROM milestones WHERE run = ? AND rule = ?", run.id, rule.name);
  if (!stored) return null;
  const {
    memorisation_step: memorised,
    grokking_step: grokked,
    delay,
    censored,
    last_step: last,
    passing_since,
    dips,
    dip_depth,
    time_below,
  } = stored;
  const steps = Object.entries({ memorised, grokked, passing_since });
  const odd = steps.find(([, at]) =>
    at !== null && !(isWhole(at) && (at as number) <= Number(last ?? -1) && ((at as number) % every === 0 || at === last))
  );
  if (odd) return `each step must be that of an evaluation up to ${last ?? "none"}, one is ${quote(odd[1])}`;
  if (last !== null && !(isWhole(last) && (last as number) <= Math.max(run.step, isDone(run) ? 0 : Infinity))) {
    return `last_step must be up to ${run.step}, it is ${quote(last)}`;
  }
  if (censored !== Number(grokked === null)) return `censored must be ${Number(grokked === null)}, it is ${quote(censored)}`;
  const wait = memorised === null || grokked === null ? null : Number(grokked) - Number(memorised);
  if (delay !== wait) return `delay must be ${wait ?? "none"}, it is ${quote(delay)}`;
  const stable = grokked === null
    ? dips === null && dip_depth === null && time_below === null
    : isWhole(dips) && isShare(dip_depth) && isShare(time_below);
  return stable ? null : `what came after grokking must be a number of dips and shares of 1, it is ${quote([dips, dip_depth, time_below])}`;
}

/** What to say of its seal, if anything: one that goes on gets it with its next state. */
function sealOf(lab: Lab, run: RunRow, { seals, stored }: { readonly seals: boolean; readonly stored: Rows }): string[] {
  const verdict = verdictOf(lab, "run", run.id, stored);
  if (verdict === "none" && (!seals || !isDone(run) || run.session !== null)) return [];
  const text = sealed(verdict, "import it or train it again");
  return text === undefined ? [] : [text];
}
