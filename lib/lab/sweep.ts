/**
 * A sweep: the runs of an experiment that aren't done yet, trained as many at once as fit, stored as they go. Started again after whatever
 * ended it, it goes on where it was; nothing is computed twice but what came after the last stored state.
 */
import { type News, type Run, train } from "../train/train.ts";
import type { Engine } from "../engine/engine.ts";
import { reason } from "../run/files.ts";
import { shapeKey } from "../run/spec.ts";
import { type Experiment, namedRule } from "./experiment.ts";
import { Session } from "./session.ts";
import { standingOf, type SweptRun, unknown } from "./standing.ts";
import type { Lab } from "./store.ts";
import { bringTaken } from "./taken.ts";
import { weightSteps } from "./watch.ts";

export { asPlanned, left, type Standing, standing, type SweptRun } from "./standing.ts";

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
  return (await counted(experiment, options)).runs;
}

/** The same, with how many runs it began or tried to. */
export async function counted(
  experiment: Experiment,
  options: SweepOptions,
): Promise<{ readonly runs: readonly SweptRun[]; readonly tried: number }> {
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
        const { run, open } = standingOf(lab, experiment, experiment.runs[i], ids[i]);
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
      i >= ids.length || (tried.has(i) && runs[i].status !== "elsewhere") ? runs[i] : standingOf(lab, experiment, spec, ids[i]).run
    );
    session.close();
    return { runs: now, tried: tried.size };
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
      return session.claim(id, spec.schedule.steps, () => standingOf(lab, experiment, spec, id).open, experiment);
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
