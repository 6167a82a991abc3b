/**
 * Trains any number of runs on an engine: grouped by shape, as many at once as fit, each until it is done.
 *
 * What a run becomes depends on its own spec and start alone. The runs beside it affect only when it is trained: work is cut into pieces by
 * time, but a run ends at its last step or at a multiple of its own `DECISION` steps, never where a piece happens to end.
 */
import type { AttentionOptions, KeepOptions } from "../run/attention.ts";
import type { Rule } from "../run/grokking.ts";
import { type RunSpec, shapeKey } from "../run/spec.ts";
import type { Engine, Snapshot, Trainer, Watched } from "../engine/engine.ts";
import { Pace } from "./pace.ts";
import { type Beginning, grokkedBy, type Known, type News, record, type Run, type State, take, waiting } from "./run.ts";

export { type Beginning, type News, type Run, snapshotOf, type Status } from "./run.ts";

export interface TrainOptions {
  readonly engine: Engine;
  /** End a run at the first multiple of `DECISION` steps (rounded up to whole evaluations) at which it has grokked. Default: all steps. */
  readonly untilGrokked?: boolean;
  /** With `untilGrokked`: a run goes on for so many updates after its grokking step, to show whether it stays so. Default: 0. */
  readonly margin?: number;
  /** What counts as having grokked. Default: `RULES.first`. */
  readonly rule?: Rule;
  /** Stops training within a second or so; what is done is kept, the states included. */
  readonly signal?: AbortSignal;
  /** Watches attention, `{}` for the defaults: the readings that `keeper` chooses come with the news. No bit of a run depends on it. */
  readonly attention?: AttentionOptions & KeepOptions;
  /** How far a run has come that was trained before: what is said of it until its turn comes. Default: nothing. */
  readonly known?: (spec: RunSpec) => Known | undefined;
  /** Called when a run's turn comes: returns where it begins (default: at its seed), or `null` where another process trains it. */
  readonly begin?: (spec: RunSpec, index: number) => Beginning | null | Promise<Beginning | null>;
  /** Called after every piece of work, a few times a second, with the new evaluations (none where they are rare) and all runs. Awaited. */
  readonly onProgress?: (news: readonly News[], runs: readonly Run[]) => void | Promise<void>;
  /**
   * Called with the state of every run in training; `run.metrics` are the evaluations up to that state. First after two seconds, later
   * every `checkpointSeconds` (default: 60), more rarely where that would take over 3 % of the time. Awaited.
   */
  readonly onCheckpoint?: (run: Run, snapshot: Snapshot) => void | Promise<void>;
  readonly checkpointSeconds?: number;
  /** For which runs `onCheckpoint` is called. Default: all. */
  readonly checkpointOf?: (run: Run) => boolean;
  /** Steps of a run at which `onStop` gets its state, in their order; pieces of work end there, and no bit of a run depends on it. */
  readonly stops?: (spec: RunSpec) => readonly number[];
  /** Called where a run is at one of its stops, its beginning included. One state at a time. Awaited. */
  readonly onStop?: (run: Run, snapshot: Snapshot) => void | Promise<void>;
  /**
   * Called where the engine refuses runs of one shape, for example as too large: they end as `stopped`, the others go on. Default: throws.
   */
  readonly onRefused?: (error: unknown, runs: readonly Run[]) => void;
  /** Called when a run that began has ended, whatever its status. Awaited. */
  readonly onEnd?: (run: Run) => void | Promise<void>;
  /** Whether runs keep their last state after `onEnd`. Default: true; large sweeps save it there and say false. */
  readonly keepSnapshots?: boolean;
  /** The same for all evaluations of a run but its last. */
  readonly keepMetrics?: boolean;
}

/** With `untilGrokked`, a run may end at multiples of so many updates: rare enough to keep a GPU busy, often enough to waste little. */
export const DECISION = 100;

/** What one piece of work should take, in ms: short enough for a live figure and a quick stop. */
const PIECE = 400;

/** Bytes of states that are in memory at once where many runs end together. */
const STATES = 2 ** 28;

/** Runs that can share a trainer: same shape, evaluated at the same steps. In the order of their first runs. */
export function groups<T extends { readonly spec: RunSpec }>(runs: readonly T[]): T[][] {
  return [...Map.groupBy(runs, ({ spec }) => groupKey(spec)).values()];
}

/** The same for runs of one group, which train together and cost the same an update. */
export const groupKey = (spec: RunSpec): string => `${shapeKey(spec)} every ${spec.schedule.evalEvery}`;

/**
 * Trains the runs, group after group; where a group doesn't fit at once, a run that ends makes room for the next.
 * @returns every run with its evaluations, in the order given.
 * @throws what the engine or a callback throws. Runs whose loss is not a number don't throw: they end as `failed`, the others go on.
 */
export async function train(specs: readonly RunSpec[], options: TrainOptions): Promise<readonly Run[]> {
  const runs = specs.map((spec, index) => waiting(spec, index, options.known?.(spec), options));
  for (const group of groups(runs)) await trainGroup(group, runs, options);
  for (const run of runs) if (run.status === "waiting") run.status = "stopped";
  return runs;
}

/** A run whose turn has come, and what an engine starts it from. */
interface Begun {
  readonly run: State;
  readonly from: RunSpec | Snapshot;
}

/** The runs of a group in the order of their turns: those that wait, and those that were begun and got no row yet. */
class Turns {
  readonly #queue: (State | Begun)[];

  constructor(group: readonly State[], readonly options: TrainOptions) {
    this.#queue = [...group];
  }

  /** Begins the next run that is to be trained here; `null` where there is none, or training is to stop. */
  async next(): Promise<Begun | null> {
    while (this.#queue.length > 0 && !this.options.signal?.aborted) {
      const first = this.#queue.shift()!;
      const begun = "run" in first ? first : await begin(first, this.options);
      if (begun) return begun;
    }
    return null;
  }

  /** As many as that, or as there are. */
  async take(count: number): Promise<Begun[]> {
    const taken: Begun[] = [];
    while (taken.length < count) {
      const begun = await this.next();
      if (!begun) break;
      taken.push(begun);
    }
    return taken;
  }

  giveBack(begun: readonly Begun[]): void {
    this.#queue.unshift(...begun);
  }

  /** Those that were begun but never had a row. */
  get left(): readonly Begun[] {
    return this.#queue.filter((item) => "run" in item);
  }
}

async function trainGroup(group: readonly State[], runs: readonly State[], options: TrainOptions): Promise<void> {
  const { engine, attention } = options, watched: Watched = attention ? { attention } : {};
  const turns = new Turns(group, options);
  const first = await turns.take(engine.rowsThatFit(group[0].spec, watched));
  if (first.length === 0) return;
  const trainer = await engine.open(first.map(({ from }) => from), watched).catch((error: unknown) => {
    if (!options.onRefused) throw error;
    options.onRefused(error, group);
    return null;
  });
  if (!trainer) {
    for (const begun of first) await stop(begun, options);
    return;
  }
  // Where the driver refuses so much memory, the trainer has fewer rows than were asked for.
  turns.giveBack(first.splice(trainer.rows.length));
  try {
    await trainRows(trainer, first.map(({ run }) => run), turns, runs, options);
  } finally {
    trainer.dispose();
  }
  for (const begun of turns.left) await stop(begun, options);
}

/** Trains what is in the rows, piece by piece, and what comes after it, until no run is left. */
async function trainRows(trainer: Trainer, rows: (State | null)[], turns: Turns, runs: readonly State[], options: TrainOptions) {
  const { signal, onProgress, onCheckpoint, checkpointSeconds = 60, checkpointOf = () => true } = options;
  const pace = new Pace(checkpointSeconds);
  let piece = 1;
  while (true) {
    await settle(trainer, rows, turns, runs, options);
    const active = rows.filter((run) => run !== null);
    if (active.length === 0) return;

    const updates = Math.min(piece, ...active.map((run) => untilDecision(run, options)));
    const began = performance.now();
    for await (const evaluations of trainer.advance(updates)) {
      const news = record(evaluations, rows, options);
      if (news.length > 0) await onProgress?.(news, runs);
    }
    // A run that failed stays where that was seen, however far its row has gone on meanwhile.
    rows.forEach((run, row) => run && run.error === undefined && (run.step = trainer.steps[row]));
    await onProgress?.([], runs);

    const took = performance.now() - began;
    if (took < PIECE / 2 && updates === piece) piece *= 2;
    else if (took > PIECE * 2) piece = Math.max(1, Math.floor(piece / 2));
    if (onCheckpoint && !signal?.aborted && pace.due) {
      await pace.save(async () => {
        for (const [row, run] of rows.entries()) {
          if (run && run.error === undefined && checkpointOf(run)) await onCheckpoint(run, await trainer.snapshot(row));
        }
      });
    }
  }
}

/** Ends the runs that are at their end, and puts the next ones in their rows. */
async function settle(
  trainer: Trainer,
  rows: (State | null)[],
  turns: Turns,
  runs: readonly State[],
  options: TrainOptions,
): Promise<void> {
  for (const [row, run] of rows.entries()) await stopAt(trainer, row, run, options);
  // A run that comes after one that ended may itself be at its end: a resumed one, say.
  while (true) {
    const over = rows.flatMap((run, row) => run && ended(run, options) ? [row] : []), empty: number[] = [];
    if (over.length === 0) return;
    const most = Math.max(1, Math.floor(STATES / (12 * trainer.layout.length)));
    for (let from = 0; from < over.length; from += most) await end(trainer, over.slice(from, from + most), rows, runs, options);
    for (const row of over) {
      const begun = await turns.next();
      rows[row] = begun?.run ?? null;
      if (begun) trainer.place(row, begun.from);
      else empty.push(row);
      await stopAt(trainer, row, rows[row], options);
    }
    // The last first: a trainer moves the last run to where one was dropped.
    for (const row of empty.reverse()) trainer.drop(row);
  }
}

/** Begins a run; `null` where another process trains it. */
async function begin(run: State, options: TrainOptions): Promise<Begun | null> {
  const beginning = await options.begin?.(run.spec, run.index);
  if (beginning === null) {
    run.status = "elsewhere";
    return null;
  }
  return { run, from: take(run, beginning ?? {}, options) };
}

/** Ends a run that was begun but never had a row, and has no state if it was to start from its seed. */
async function stop({ run, from }: Begun, { onEnd, keepSnapshots = true }: TrainOptions): Promise<void> {
  run.status = "stopped";
  if ("params" in from) run.snapshot = from;
  await onEnd?.(run);
  if (!keepSnapshots) delete run.snapshot;
}

/** Updates between the steps at which a run may end early. */
const stride = ({ schedule: { evalEvery } }: RunSpec) => Math.ceil(DECISION / evalEvery) * evalEvery;

/** Updates to the next step at which the run may end, or `onStop` gets its state. */
function untilDecision({ spec, step }: State, { untilGrokked, stops }: TrainOptions): number {
  const left = Math.min(spec.schedule.steps, stops?.(spec).find((at) => at > step) ?? Infinity) - step;
  return untilGrokked ? Math.min(left, stride(spec) - step % stride(spec)) : left;
}

/** Calls `onStop` where a run is at one of its stops. */
async function stopAt(trainer: Trainer, row: number, run: State | null, { stops, onStop }: TrainOptions): Promise<void> {
  if (run && run.error === undefined && stops?.(run.spec).includes(run.step)) await onStop?.(run, await trainer.snapshot(row));
}

/** Whether a run may end early here: it stands where that is decided, has grokked, and gone on for the margin. */
function grokked(run: State, { untilGrokked, margin = 0 }: TrainOptions): boolean {
  const { spec, step } = run, since = grokkedBy(run);
  return untilGrokked === true && since !== null && step % stride(spec) === 0 && step - since >= margin;
}

const ended = (run: State, options: TrainOptions) =>
  run.error !== undefined || run.step >= run.spec.schedule.steps || options.signal?.aborted === true || grokked(run, options);

/** Ends the runs in some rows, with all their states in memory at once: reading them together waits for the device once. */
async function end(
  trainer: Trainer,
  over: readonly number[],
  rows: readonly (State | null)[],
  runs: readonly State[],
  options: TrainOptions,
): Promise<void> {
  const { onProgress, onEnd, keepSnapshots = true, keepMetrics = true } = options;
  const ending = over.flatMap((row) => rows[row] ?? []), isDone = ({ step, spec }: State) => step >= spec.schedule.steps;
  await Promise.all(over.map(async (row) => {
    const run = rows[row];
    if (run && run.error === undefined) run.snapshot = await trainer.snapshot(row);
  }));
  // What ends by itself ends with an evaluation of its last state. What is stopped doesn't.
  const unseen = new Set(ending.filter((run) => isDone(run) && run.error === undefined && run.metrics.at(-1)?.step !== run.step));
  if (unseen.size > 0) {
    const last = (await trainer.evaluate()).filter(({ row }) => unseen.has(rows[row]!));
    const news = record(last, rows, options);
    if (news.length > 0) await onProgress?.(news, runs);
  }
  for (const run of ending) {
    run.status = run.error !== undefined ? "failed" : isDone(run) ? "finished" : grokked(run, options) ? "grokked" : "stopped";
    if (run.status === "failed") delete run.snapshot;
    await onEnd?.(run);
    if (!keepSnapshots) delete run.snapshot;
    if (!keepMetrics) run.metrics.splice(0, run.metrics.length - 1);
  }
}
