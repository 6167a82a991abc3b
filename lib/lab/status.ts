/** How far a sweep is: its runs by state, the share of the work that is done, its speed, and which processes have stopped reporting. */
import { hasEnded, outcome } from "../analysis/runs/run.ts";
import { isGone } from "./lock.ts";
import type { Experiment } from "./experiment.ts";
import type { Left } from "./forecast.ts";
import { costs } from "./shards.ts";
import type { Lab } from "./store.ts";
import { specOf } from "./stored.ts";
import { standing, type SweptRun } from "./standing.ts";

/** `never`: did all its steps and didn't grok. `elsewhere`: another process trains it. */
export type State = "grokked" | "never" | "diverged" | "running" | "elsewhere" | "waiting";

/** Whether the lab has it that a run ended. */
export const isStored = ({ status }: SweptRun) => status === "finished" || status === "grokked" || status === "failed";

export function stateOf(run: SweptRun): State {
  const { status } = run, { state } = outcome(run);
  if (status === "training") return "running";
  if (state === "grokked" || state === "never" || state === "diverged") return state;
  return status === "elsewhere" ? "elsewhere" : "waiting";
}

/** Of how much there is, how much is done. A run that ended early counts as if it had done all its steps. */
export interface Share {
  readonly done: number;
  readonly of: number;
}

/** Per second. */
export interface Rate {
  readonly updates: number;
  /** Floating-point operations, as `updateCost` estimates them. */
  readonly work: number;
}

/** How far runs are. */
export interface Progress {
  readonly states: Readonly<Record<State, number>>;
  readonly updates: Share;
  /** Floating-point operations, as `updateCost` estimates them. */
  readonly work: Share;
}

export function progressOf(runs: readonly SweptRun[], cost: (spec: SweptRun["spec"]) => number = costs()): Progress {
  const states = { grokked: 0, never: 0, diverged: 0, running: 0, elsewhere: 0, waiting: 0 };
  const updates = { done: 0, of: 0 }, work = { done: 0, of: 0 };
  for (const run of runs) {
    const { steps } = run.spec.schedule, done = hasEnded(run) ? steps : run.step, flop = cost(run.spec);
    states[stateOf(run)]++;
    updates.done += done;
    updates.of += steps;
    work.done += flop * done;
    work.of += flop * steps;
  }
  return { states, updates, work };
}

/** The progress of several parts of one sweep. */
export function together(parts: readonly Progress[]): Progress {
  const none = progressOf([]);
  const add = (a: Share, b: Share) => ({ done: a.done + b.done, of: a.of + b.of });
  return parts.reduce((sum, each) => ({
    states: Object.fromEntries(
      Object.entries(sum.states).map(([state, n]) => [state, n + each.states[state as State]]),
    ) as Progress["states"],
    updates: add(sum.updates, each.updates),
    work: add(sum.work, each.work),
  }), none);
}

/** A process at work on a lab, or one that should be. */
export interface Worker {
  readonly name: string;
  /** `silent`: it runs, or may run, but hasn't written for long. `killed`: its process is gone, and it stored no end. */
  readonly state: "running" | "silent" | "killed";
  /** When it last wrote: UTC. */
  readonly seenAt: string;
  readonly rate: Rate;
}

/**
 * After so many seconds without writing a process counts as silent: a sweep writes at least once a second, unless the disk or the card
 * hangs.
 */
export const SILENT = 300;

export const isSilent = (seenAt: string, now = Date.now()): boolean => now - Date.parse(seenAt) > 1000 * SILENT;

/** How far an experiment's runs are in a lab, and who trains them. */
export function labStatus(lab: Lab, experiment: Experiment): Progress & { readonly workers: readonly Worker[] } {
  const trained = inTraining(lab);
  const runs = standing(lab, experiment).map(({ run, hash, ended }): SweptRun => {
    const now = trained.get(hash);
    // One that goes on for another experiment may be over for this one.
    if (!now || ended) return run;
    return now.gone ? { ...run, status: "stopped" } : { ...run, status: "training", step: Math.min(now.step, run.spec.schedule.steps) };
  });
  return { ...progressOf(runs), workers: workersOf(lab) };
}

/** The runs of an experiment that haven't ended and that nobody trains in this lab; those of killed processes are among them. */
export function openRuns(lab: Lab, experiment: Experiment): Left[] {
  const trained = inTraining(lab);
  return standing(lab, experiment).filter(({ hash, ended }) => !ended && trained.get(hash)?.gone !== false)
    .map(({ run: { spec, step } }) => ({ spec, updates: spec.schedule.steps - step }));
}

/** By their hashes, the runs that a session has: how far they are, and whether its process is gone. */
function inTraining(lab: Lab): Map<string, { readonly step: number; readonly gone: boolean }> {
  const rows = lab.query<{ hash: string; name: string; step: number }>(
    `SELECT hash, s.name, max(step, coalesce((SELECT max(step) FROM metrics WHERE run = r.id), 0)) AS step
     FROM runs r JOIN sessions s ON s.id = r.session`,
  );
  const gone = new Map<string, boolean>();
  for (const { name } of rows) if (!gone.has(name)) gone.set(name, isGone(lab, name));
  return new Map(rows.map(({ hash, name, step }) => [hash, { step, gone: gone.get(name)! }]));
}

/** The sessions without an end, and how fast each has been since it began. */
function workersOf(lab: Lab): Worker[] {
  const cost = costs();
  const sessions = lab.query<{ id: number; name: string; command: string; started_at: string; seen_at: string }>(
    "SELECT id, name, command, started_at, seen_at FROM sessions WHERE ended_at IS NULL ORDER BY id",
  );
  return sessions.map(({ id, name, command, started_at, seen_at }) => {
    const done = lab.query<{ hash: string; spec: string; steps: number; updates: number }>(
      `SELECT hash, spec, r.step AS steps, max(to_step, CASE WHEN r.session = w.session
         THEN coalesce((SELECT max(m.step) FROM metrics m WHERE m.run = r.id), 0) ELSE 0 END) - from_step AS updates
       FROM work w JOIN runs r ON r.id = w.run WHERE w.session = ?`,
      id,
    );
    const seconds = Math.max(1, (Date.parse(seen_at) - Date.parse(started_at)) / 1000);
    const updates = done.reduce((sum, each) => sum + each.updates, 0) / seconds;
    const work = done.reduce((sum, each) => sum + each.updates * cost(specOf(each, each.steps)), 0) / seconds;
    const state = isGone(lab, name) ? "killed" : isSilent(seen_at) ? "silent" : "running";
    return { name: `session ${id} (${command})`, state, seenAt: seen_at, rate: { updates, work } };
  });
}

/**
 * Seconds until all is done at this rate; `null` where nothing goes on. Where parts go on side by side, the slowest of them decides, or all
 * of them together, whichever takes longer: parts that wait are taken up by those that get free.
 */
export function timeLeft(parts: readonly { readonly work: Share; readonly rate: Rate | null }[]): number | null {
  const left = ({ done, of }: Share) => Math.max(0, of - done), going = parts.filter(({ rate }) => rate !== null && rate.work > 0);
  if (going.length === 0) return null;
  const rate = going.reduce((sum, each) => sum + each.rate!.work, 0), all = parts.reduce((sum, { work }) => sum + left(work), 0);
  return Math.max(all / rate, ...going.map((each) => left(each.work) / each.rate!.work));
}
