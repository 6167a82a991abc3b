/**
 * A sweep: the runs of an experiment that aren't done yet, trained as many at once as fit, stored as they go. Started again after whatever
 * ended it, it goes on where it was; nothing is computed twice but what came after the last stored state.
 */
import { DECISION, type News, type Run, train } from "../train/train.ts";
import type { Engine } from "../engine/engine.ts";
import { passes, type Rule } from "../run/grokking.ts";
import { reason } from "../run/files.ts";
import { type RunSpec, shapeKey, specHash } from "../run/spec.ts";
import { type Experiment, namedRule } from "./experiment.ts";
import type { Left } from "./forecast.ts";
import { Session } from "./session.ts";
import type { Lab } from "./store.ts";
import { bringTaken } from "./taken.ts";
import { weightSteps } from "./watch.ts";

/** A run of the experiment as a sweep sees it: those that it trains, and those that were done before or are trained elsewhere. */
export type SweptRun = Pick<Run, "spec" | "status" | "step" | "memorisationStep" | "grokkingStep" | "error">;

export interface SweepOptions {
  readonly lab: Lab;
  readonly engine: Engine;
  /** Stops within a second or so; what is done is kept. */
  readonly signal?: AbortSignal;
  /** When to have stopped, on the clock of `performance.now()`; the sweep leaves itself the time to store what is done. */
  readonly deadline?: number;
  /**
   * Trains no more than so many runs; of an experiment with more than 10,000, only as many are entered in the lab as it takes to find them.
   */
  readonly limit?: number;
  /** How it was started, for the record. Default: `sweep`. */
  readonly command?: string;
  /** After every piece of work, a few times a second: the new evaluations, and all runs of the experiment in its order. Awaited. */
  readonly onProgress?: (news: readonly News[], runs: readonly SweptRun[]) => void | Promise<void>;
  /** Called with a line for whatever went wrong but didn't stop the sweep. Default: `console.error`. */
  readonly say?: (line: string) => void;
  readonly checkpointSeconds?: number;
}

/**
 * Trains the runs of an experiment that aren't done.
 * @returns all runs of the experiment as they stand now, in its order.
 * @throws what the engine, the disk or a callback throws; what was stored stays.
 */
export async function sweep(experiment: Experiment, options: SweepOptions): Promise<readonly SweptRun[]> {
  const { lab, engine, command = "sweep", say, limit = Infinity } = options;
  const blocks = lab.entering(experiment), ids: number[] = [...blocks.next().value ?? []];
  const session = await Session.open(lab, { info: engine.info, command, ...say && { say } });
  try {
    const runs: SweptRun[] = experiment.runs.map(unknown), tried = new Set<number>();
    /** The first runs that are left to do; of a large experiment, no more is entered in the lab than is needed to find them. */
    const find = async (count: number): Promise<number[]> => {
      const found: number[] = [];
      let seen = performance.now();
      for (let i = 0; found.length < count && !options.signal?.aborted; i++) {
        if (i === ids.length) {
          const { value, done } = blocks.next();
          if (done) break;
          for (const id of value) ids.push(id);
          // Signals come through, and one sees that something goes on.
          await new Promise((resolve) => setTimeout(resolve));
          if (performance.now() - seen > 1000) {
            await options.onProgress?.([], runs);
            seen = performance.now();
          }
        }
        if (tried.has(i)) continue;
        const { run, open } = storedRun(lab, experiment, experiment.runs[i], ids[i]);
        runs[i] = run;
        if (open) found.push(i);
      }
      return found;
    };
    while (tried.size < limit && !options.signal?.aborted && !(performance.now() > (options.deadline ?? Infinity))) {
      session.recover();
      const todo = await find(limit - tried.size);
      if (todo.length === 0) break;
      for (const i of todo) tried.add(i);
      await trainHere(experiment, { todo, ids, runs, session }, options);
    }
    blocks.return([]);
    // What others may have done meanwhile.
    const now = experiment.runs.map((spec, i) =>
      i >= ids.length || (tried.has(i) && runs[i].status !== "elsewhere") ? runs[i] : storedRun(lab, experiment, spec, ids[i]).run
    );
    session.close();
    return now;
  } catch (error) {
    try {
      blocks.return([]);
      session.close();
    } catch {
      // The first error says more.
    }
    throw error;
  }
}

interface Work {
  /** Places in the experiment. */
  readonly todo: readonly number[];
  readonly ids: readonly number[];
  readonly runs: SweptRun[];
  readonly session: Session;
}

async function trainHere(experiment: Experiment, { todo, ids, runs, session }: Work, options: SweepOptions): Promise<void> {
  const { rule = "first", margin = null, watch: { attention, weights } = {} } = experiment;
  const { lab, engine, onProgress, checkpointSeconds, say = console.error } = options;
  const idOf = (run: Run) => ids[todo[run.index]];
  const budget = new Budget(options.deadline);
  const saving = async (work: () => Promise<void>) => {
    const began = performance.now();
    await work();
    budget.saved(performance.now() - began);
  };
  const specs = todo.map((i) => experiment.runs[i]);
  await bringTaken(lab, specs);
  await train(specs, {
    engine,
    signal: AbortSignal.any([...options.signal ? [options.signal] : [], budget.signal]),
    rule: namedRule(rule),
    untilGrokked: margin !== null,
    margin: margin ?? 0,
    keepSnapshots: false,
    keepMetrics: false,
    ...checkpointSeconds !== undefined && { checkpointSeconds },
    ...attention && { attention },
    // Where a run begins that takes tensors over, so that its lab needs no other one to train it again.
    stops: (spec) => weights ? weightSteps(spec, weights) : spec.model.taken === "none" ? [] : [0],
    begin: (spec, index) => {
      const id = ids[todo[index]];
      return session.claim(id, spec.schedule.steps, () => storedRun(lab, experiment, spec, id).open, experiment);
    },
    onStop: (run, snapshot) => saving(() => session.weights(idOf(run), snapshot)),
    onCheckpoint: (run, snapshot) => saving(() => session.checkpoint(idOf(run), snapshot)),
    onRefused: (error, { length, 0: { spec } }) =>
      say(`Cannot train ${length} run${length === 1 ? "" : "s"} of shape ${shapeKey(spec)}: ${reason(error)}`),
    onEnd: (run) => saving(() => session.end(idOf(run), run, experiment)),
    onProgress: async (news, all) => {
      for (const { run, metrics, attention } of news) session.record(idOf(run), metrics, attention);
      session.flush();
      for (const run of all) if (run.status !== "waiting") runs[todo[run.index]] = run;
      budget.look(all);
      await onProgress?.(news, runs);
    },
  });
}

/** Stops a sweep so early that what is in training can be stored in time. */
class Budget {
  readonly #controller = new AbortController();
  /** The longest that storing a run has taken, in ms. */
  #save = 20;

  constructor(readonly deadline: number = Infinity) {}

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  saved(ms: number): void {
    this.#save = Math.max(this.#save, ms);
  }

  look(runs: readonly Run[]): void {
    const training = runs.filter(({ status }) => status === "training").length;
    if (performance.now() + 1500 + 1.5 * this.#save * training > this.deadline) this.#controller.abort();
  }
}

/** A run that the lab doesn't have. */
const unknown = (spec: RunSpec): SweptRun => ({ spec, status: "waiting", step: 0, memorisationStep: null, grokkingStep: null });

/** A run of an experiment as the lab has it, and whether it has ended, in whichever way. */
export interface Standing {
  readonly run: SweptRun;
  readonly hash: string;
  readonly ended: boolean;
}

/** The runs of an experiment as the lab has them, `waiting` where it doesn't. */
export function standing(lab: Lab, experiment: Experiment): Standing[] {
  return experiment.runs.map((spec) => {
    const hash = specHash(spec), [known] = lab.query<{ id: number }>("SELECT id FROM runs WHERE hash = ?", hash);
    if (!known) return { run: unknown(spec), hash, ended: false };
    const { run, done } = storedRun(lab, experiment, spec, known.id);
    return { run, hash, ended: done };
  });
}

/** What is left to do of an experiment's runs, of those that the lab has and those that it doesn't. */
export function left(lab: Lab, experiment: Experiment): Left[] {
  return experiment.runs.flatMap((spec) => {
    const [known] = lab.query<{ id: number }>("SELECT id FROM runs WHERE hash = ?", specHash(spec));
    if (!known) return [{ spec, updates: spec.schedule.steps }];
    const { run, open } = storedRun(lab, experiment, spec, known.id);
    return open ? [{ spec, updates: spec.schedule.steps - run.step }] : [];
  });
}

/** A run as the lab has it, and whether there is something left to do here: for these steps, under this rule, by nobody else. */
function storedRun(
  lab: Lab,
  { rule = "first", margin = null }: Experiment,
  spec: RunSpec,
  id: number,
): { run: SweptRun; done: boolean; open: boolean } {
  const [row] = lab.query<
    {
      status: string;
      step: number;
      error: string | null;
      session: number | null;
      memorisation_step: number | null;
      grokking_step: number | null;
      last_step: number | null;
    }
  >(
    `SELECT status, step, error, session, memorisation_step, grokking_step, last_step
     FROM runs LEFT JOIN milestones ON run = id AND rule = ? WHERE id = ?`,
    namedRule(rule).name,
    id,
  );
  const { step, grokking_step: grokkingStep, last_step: last } = row;
  const wentOn = margin === 0 || (grokkingStep !== null && last !== null && last - grokkingStep >= margin!);
  const early = margin !== null && grokkingStep !== null && row.session === null &&
    ((row.status === "grokked" && wentOn) || passedEnd(lab, id, spec, namedRule(rule), margin, wentOn && row.status === "finished"));
  const done = row.status === "failed" || step >= spec.schedule.steps || early;
  // What has ended for fewer steps, or for a shorter margin, is for this experiment on its way.
  const onItsWay = !done && (row.status === "finished" || row.status === "grokked");
  const status = row.session !== null ? "elsewhere" : onItsWay ? "stopped" : row.status as Run["status"];
  const run = { spec, status, step, memorisationStep: row.memorisation_step, grokkingStep, ...row.error !== null && { error: row.error } };
  return { run, done, open: !done && row.session === null };
}

/**
 * Whether a run that was trained for another experiment has come past the step at which this one would have ended it. Then it has all that
 * this one wants, however it went on.
 * @param atEnd what to say of one whose evaluations are a part of those that were made.
 */
function passedEnd(lab: Lab, id: number, spec: RunSpec, rule: Rule, margin: number, atEnd: boolean): boolean {
  const [{ thinned, step }] = lab.query<{ thinned: number; step: number }>("SELECT thinned, step FROM runs WHERE id = ?", id);
  if (thinned === 1) return atEnd;
  const metrics = lab.metrics(id, Math.min(step, spec.schedule.steps));
  // Where `train` decides whether a run may end.
  const stride = Math.ceil(DECISION / spec.schedule.evalEvery) * spec.schedule.evalEvery;
  let from = 0, times = 0, grokked: number | null = null;
  return metrics.some((evaluation) => {
    times = passes(evaluation, rule) ? times + 1 : 0;
    if (times === 1) from = evaluation.step;
    if (times >= rule.times) grokked ??= from;
    return grokked !== null && evaluation.step % stride === 0 && evaluation.step - grokked >= margin;
  });
}
