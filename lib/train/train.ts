/**
 * Training from the outside: any number of runs, grouped by shape, as many at once as fit, each until it is done.
 *
 * What a run becomes depends on its own spec and start alone. Its neighbours decide only when it is trained: work is cut into pieces by
 * time, but a run ends at its last step or at a multiple of its own `DECISION` steps, never where a piece happens to end.
 */
import { type AttentionOptions, type AttentionReading, keeper, type KeepOptions } from "../run/attention.ts";
import { grokkingStep, memorisationStep, passes, passingSince, type Rule, RULES } from "../run/grokking.ts";
import { initialise, layout } from "../run/layout.ts";
import { type RunSpec, shapeKey } from "../run/spec.ts";
import { openNative } from "../engine/open.ts";
import type { Engine, Evaluation, Metrics, Snapshot, Trainer, Watched } from "../engine/engine.ts";

/**
 * `waiting`: not begun. `finished`: did all its steps. `grokked`: ended early because it had grokked. `stopped`: the signal came first.
 * `failed`: its loss stopped being a number; `error` says where. `elsewhere`: when its turn came, `begin` said that it isn't to be trained here.
 */
export type Status = "waiting" | "training" | "finished" | "grokked" | "stopped" | "failed" | "elsewhere";

/** A run as far as it has come. While training goes on, the same object changes in place. */
export interface Run {
  /** Its place among the runs given. */
  readonly index: number;
  readonly spec: RunSpec;
  readonly status: Status;
  /** Updates done. */
  readonly step: number;
  /** In the order of their steps, all finite; of a run that has ended only the last, where metrics aren't kept. */
  readonly metrics: readonly Metrics[];
  readonly memorisationStep: number | null;
  readonly grokkingStep: number | null;
  /** The step from which on every evaluation has passed the rule; `null` where the last one didn't. */
  readonly passingSince: number | null;
  /** Present where the status is `failed`. */
  readonly error?: string;
  /** The last state; absent while it trains, where it failed or never began, and where snapshots aren't kept. */
  readonly snapshot?: Snapshot;
}

/** Where a run begins. */
export interface Beginning {
  /** Flat parameters f32[P] or a whole state; by default, what its seed gives. */
  readonly from?: Float32Array<ArrayBuffer> | Snapshot;
  /** The evaluations up to there, for a run that is taken up again. */
  readonly history?: readonly Metrics[];
}

/** A new evaluation and whose it is. */
export interface News {
  readonly run: Run;
  readonly metrics: Metrics;
  /** Where attention is watched and this reading of it is one to keep. */
  readonly attention?: AttentionReading;
}

export interface TrainOptions {
  readonly engine: Engine;
  /** End a run at the first multiple of `DECISION` steps (rounded up to whole evaluations) at which it has grokked. Default: all steps. */
  readonly untilGrokked?: boolean;
  /** With `untilGrokked`: a run must have grokked and every evaluation of the last so many updates must have passed. Default: 0. */
  readonly margin?: number;
  /** What counts as having grokked. Default: `RULES.first`. */
  readonly rule?: Rule;
  /** Stops training within a second or so; what is done is kept, the states included. */
  readonly signal?: AbortSignal;
  /** Watches attention, `{}` for the defaults: the readings that `keeper` chooses come with the news. No bit of a run depends on it. */
  readonly attention?: AttentionOptions & KeepOptions;
  /** Asked when a run's turn comes: where it begins, by default at its seed; `null` leaves it to whoever else trains it. */
  readonly begin?: (spec: RunSpec, index: number) => Beginning | null | Promise<Beginning | null>;
  /** After every piece of work, a few times a second: the evaluations that are new (none where they are rare), and all runs. Awaited. */
  readonly onProgress?: (news: readonly News[], runs: readonly Run[]) => void | Promise<void>;
  /** The state of every run in training, every `checkpointSeconds` (default 60), rarer where that would take over 3 % of the time. Awaited. */
  readonly onCheckpoint?: (run: Run, snapshot: Snapshot) => void | Promise<void>;
  readonly checkpointSeconds?: number;
  /** Of which runs `onCheckpoint` is to hear. Default: all. */
  readonly checkpointOf?: (run: Run) => boolean;
  /** Steps of a run at which `onStop` gets its state, in their order; pieces of work end there, and no bit of a run depends on it. */
  readonly stops?: (spec: RunSpec) => readonly number[];
  /** A run stands at one of its stops, be it where it begins. One state at a time. Awaited. */
  readonly onStop?: (run: Run, snapshot: Snapshot) => void | Promise<void>;
  /** An engine refused runs of one shape: too large, say. They end as `stopped` and the others go on; by default the error is thrown. */
  readonly onRefused?: (error: unknown, runs: readonly Run[]) => void;
  /** A run that began has ended, in whichever way. Awaited. */
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

type Writable<T> = { -readonly [K in keyof T]: T[K] };
type State = Writable<Omit<Run, "metrics">> & { metrics: Metrics[] };

/** Checkpoints are so many times as far apart as making them takes. */
const REST = 30;

export const ENGINES = ["webgpu", "tfjs"] as const;
export type EngineName = (typeof ENGINES)[number];

/** The engine asked for. Without a name: WebGPU, or TensorFlow.js where there is no adapter, which `say` is told. */
export async function openEngine(name?: EngineName, say: (line: string) => void = console.error): Promise<Engine> {
  if (name !== "tfjs") {
    try {
      return await openNative("webgpu");
    } catch (error) {
      if (name === "webgpu") throw error;
      say(`${error instanceof Error ? error.message : error}. Going on with the TensorFlow.js engine.`);
    }
  }
  return await (await import("../reference/trainer.ts")).tfjsEngine();
}

/** Runs that can share a trainer: same shape, evaluated at the same steps. In the order of their first runs. */
export function groups<T extends { readonly spec: RunSpec }>(runs: readonly T[]): T[][] {
  return [...Map.groupBy(runs, ({ spec }) => `${shapeKey(spec)} every ${spec.schedule.evalEvery}`).values()];
}

/**
 * Trains the runs, group after group; where a group doesn't fit at once, a run that ends makes room for the next.
 * @returns every run with its evaluations, in the order given.
 * @throws what the engine or a callback throws. Runs whose loss is not a number don't throw: they end as `failed`, the others go on.
 */
export async function train(specs: readonly RunSpec[], options: TrainOptions): Promise<readonly Run[]> {
  const runs = specs.map((spec, index): State => {
    return { index, spec, status: "waiting", step: 0, metrics: [], memorisationStep: null, grokkingStep: null, passingSince: null };
  });
  for (const group of groups(runs)) await trainGroup(group, runs, options);
  for (const run of runs) if (run.status === "waiting") run.status = "stopped";
  return runs;
}

/** A run whose turn has come, and what an engine starts it from. */
interface Begun {
  readonly run: State;
  readonly from: RunSpec | Snapshot;
}

async function trainGroup(group: readonly State[], runs: readonly State[], options: TrainOptions): Promise<void> {
  const { engine, signal, onProgress, onCheckpoint, checkpointSeconds = 60, checkpointOf = () => true, attention } = options;
  const watched: Watched = attention ? { attention } : {};
  const queue: (State | Begun)[] = [...group];
  const next = async (): Promise<Begun | null> => {
    while (queue.length > 0 && !signal?.aborted) {
      const first = queue.shift()!;
      const begun = "run" in first ? first : await begin(first, options);
      if (begun) return begun;
    }
    return null;
  };
  const first: Begun[] = [];
  for (const fit = engine.rowsThatFit(group[0].spec, watched); first.length < fit;) {
    const begun = await next();
    if (!begun) break;
    first.push(begun);
  }
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
  queue.unshift(...first.splice(trainer.rows.length));
  const rows: (State | null)[] = first.map(({ run }) => run);
  try {
    let piece = 1, save = performance.now() + checkpointSeconds * 1000;
    while (true) {
      for (let row = 0; row < rows.length; row++) {
        await stopAt(trainer, row, rows[row], options);
        // A run that comes after one that ended may itself be at its end: a resumed one, say.
        for (let run = rows[row]; run && ended(run, options); run = rows[row]) {
          await end(trainer, row, run, runs, options);
          const begun = await next();
          rows[row] = begun?.run ?? null;
          if (begun) trainer.place(row, begun.from);
          else trainer.drop(row);
          await stopAt(trainer, row, rows[row], options);
        }
      }
      const active = rows.filter((run) => run !== null);
      if (active.length === 0) break;

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
      if (onCheckpoint && !signal?.aborted && performance.now() >= save) {
        const saving = performance.now();
        for (const [row, run] of rows.entries()) {
          if (run && !run.error && checkpointOf(run)) await onCheckpoint(run, await trainer.snapshot(row));
        }
        save = performance.now() + Math.max(checkpointSeconds * 1000, REST * (performance.now() - saving));
      }
    }
  } finally {
    trainer.dispose();
  }
  // Runs that were begun but never had a row: left as they were.
  for (const item of queue) if ("run" in item) await stop(item, options);
}

/** Of each run in training, which readings of its attention to keep. */
const keepers = new WeakMap<State, ReturnType<typeof keeper>>();

/** Takes a run up where it begins; `null` where it isn't to be trained here. */
async function begin(run: State, { begin, rule, attention }: TrainOptions): Promise<Begun | null> {
  const { spec } = run;
  const beginning = begin ? await begin(spec, run.index) : {};
  if (beginning === null) {
    run.status = "elsewhere";
    return null;
  }
  const { from, history = [] } = beginning;
  if (attention) keepers.set(run, keeper(attention, history));
  run.status = "training";
  run.metrics = [...history];
  run.memorisationStep = memorisationStep(history, rule?.memorised);
  run.grokkingStep = grokkingStep(history, rule);
  run.passingSince = passingSince(history, rule);
  if (from === undefined) return { run, from: spec };
  const state = from instanceof Float32Array ? snapshotOf(spec, from) : { ...from, spec };
  run.step = state.step;
  return { run, from: state };
}

/** Ends a run that was begun but never had a row, and has no state if it was to start from its seed. */
async function stop({ run, from }: Begun, { onEnd, keepSnapshots = true }: TrainOptions): Promise<void> {
  run.status = "stopped";
  if ("params" in from) run.snapshot = from;
  await onEnd?.(run);
  if (!keepSnapshots) delete run.snapshot;
}

/** The state of a run before its first update, with the parameters given (f32[P]; default: what its seed gives). */
export function snapshotOf(spec: RunSpec, params: Float32Array<ArrayBuffer> = initialise(spec)): Snapshot {
  const { length } = layout(spec);
  if (params.length !== length) {
    throw new Error(`Cannot start from these parameters: must be ${length} floats, current value is ${params.length}`);
  }
  return { spec, step: 0, params, m: new Float32Array(length), v: new Float32Array(length), batchSums: new Float32Array(3) };
}

/** Updates between the steps at which a run may end early. */
const stride = ({ schedule: { evalEvery } }: RunSpec) => Math.ceil(DECISION / evalEvery) * evalEvery;

/** Updates to the next step at which something about the run is decided, or its state is asked for. */
function untilDecision({ spec, step }: State, { untilGrokked, stops }: TrainOptions): number {
  const left = Math.min(spec.schedule.steps, stops?.(spec).find((at) => at > step) ?? Infinity) - step;
  return untilGrokked ? Math.min(left, stride(spec) - step % stride(spec)) : left;
}

/** Hands on the state of a run that stands at a stop. */
async function stopAt(trainer: Trainer, row: number, run: State | null, { stops, onStop }: TrainOptions): Promise<void> {
  if (run && run.error === undefined && stops?.(run.spec).includes(run.step)) await onStop?.(run, await trainer.snapshot(row));
}

/** Whether a run may end early here: it stands where that is decided, has grokked, and stayed so for the margin. */
function grokked(run: State, { untilGrokked, margin = 0 }: TrainOptions): boolean {
  const { spec, step, grokkingStep, passingSince } = run;
  if (!untilGrokked || grokkingStep === null || step % stride(spec) !== 0) return false;
  return margin === 0 || (passingSince !== null && step - passingSince >= margin);
}

const ended = (run: State, options: TrainOptions) =>
  run.error !== undefined || run.step >= run.spec.schedule.steps || options.signal?.aborted === true || grokked(run, options);

async function end(trainer: Trainer, row: number, run: State, runs: readonly State[], options: TrainOptions): Promise<void> {
  const { onProgress, onEnd, keepSnapshots = true, keepMetrics = true } = options;
  const done = run.step >= run.spec.schedule.steps;
  // Before the last evaluation, which empties the sums over the batches: so a run can be taken up for more steps as if never stopped.
  if (run.error === undefined) run.snapshot = await trainer.snapshot(row);
  // What ends by itself ends with an evaluation of its last state. What is stopped doesn't.
  if (done && run.error === undefined && run.metrics.at(-1)?.step !== run.step) {
    const news = record((await trainer.evaluate()).filter((evaluation) => evaluation.row === row), { [row]: run }, options);
    if (news.length > 0) await onProgress?.(news, runs);
  }
  run.status = run.error !== undefined ? "failed" : done ? "finished" : grokked(run, options) ? "grokked" : "stopped";
  if (run.status === "failed") delete run.snapshot;
  await onEnd?.(run);
  if (!keepSnapshots) delete run.snapshot;
  if (!keepMetrics) run.metrics.splice(0, run.metrics.length - 1);
}

/** Adds the evaluations to their runs; returns those that count. */
function record(
  evaluations: readonly Evaluation[],
  rows: Record<number, State | null>,
  { rule = RULES.first }: Pick<TrainOptions, "rule">,
): News[] {
  const news: News[] = [];
  for (const { row, metrics, attention } of evaluations) {
    const run = rows[row];
    if (!run || run.error !== undefined || metrics.step <= (run.metrics.at(-1)?.step ?? -1)) continue;
    run.step = metrics.step;
    const { trainLoss, valLoss } = metrics;
    if (!Number.isFinite(trainLoss) || !Number.isFinite(valLoss)) {
      const [which, loss] = Number.isFinite(trainLoss) ? ["validation", valLoss] : ["train", trainLoss];
      const { seed, optim: { lr } } = run.spec;
      run.error =
        `Cannot go on with seed ${seed}: the ${which} loss at step ${metrics.step} must be a finite number, current value is ${loss} ` +
        `(the learning rate is ${lr}; a smaller one may help)`;
      continue;
    }
    run.metrics.push(metrics);
    run.memorisationStep ??= memorisationStep([metrics], rule.memorised);
    run.grokkingStep ??= grokkingStep(run.metrics.slice(-rule.times), rule);
    run.passingSince = passes(metrics, rule) ? run.passingSince ?? metrics.step : null;
    const keep = keepers.get(run)?.(metrics) ?? false;
    news.push({ run, metrics, ...keep && attention && { attention } });
  }
  return news;
}
