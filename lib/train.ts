/**
 * Training from the outside: any number of runs, grouped by shape, as many at once as fit, each until it is done.
 *
 * What a run becomes depends on its own spec and start alone. Its neighbours decide only when it is trained: work is cut into pieces by
 * time, but a run ends at its last step or at a multiple of its own `DECISION` steps, never where a piece happens to end.
 */
import { grokkingStep, memorisationStep, type Rule, RULES } from "./lab/grokking.ts";
import { initialise, layout } from "./layout.ts";
import { type RunSpec, shapeKey } from "./spec.ts";
import type { Engine, Evaluation, Metrics, Snapshot, Trainer } from "./trainer.ts";

/**
 * `waiting`: not begun. `finished`: did all its steps. `grokked`: ended early because it had grokked. `stopped`: the signal came first.
 * `failed`: its loss stopped being a number; `error` says where.
 */
export type Status = "waiting" | "training" | "finished" | "grokked" | "stopped" | "failed";

/** A run as far as it has come. While training goes on, the same object changes in place. */
export interface Run {
  /** Its place among the runs given. */
  readonly index: number;
  readonly spec: RunSpec;
  readonly status: Status;
  /** Updates done. */
  readonly step: number;
  /** In the order of their steps, all finite. */
  readonly metrics: readonly Metrics[];
  readonly memorisationStep: number | null;
  readonly grokkingStep: number | null;
  /** Present where the status is `failed`. */
  readonly error?: string;
  /** The last state; absent while it trains, where it failed or never began, and where snapshots aren't kept. */
  readonly snapshot?: Snapshot;
}

/** A new evaluation and whose it is. */
export interface News {
  readonly run: Run;
  readonly metrics: Metrics;
}

export interface TrainOptions {
  readonly engine: Engine;
  /** End a run at the first multiple of `DECISION` steps (rounded up to whole evaluations) at which it has grokked. Default: all steps. */
  readonly untilGrokked?: boolean;
  /** What counts as having grokked. Default: `RULES.first`. */
  readonly rule?: Rule;
  /** Stops training within a second or so; what is done is kept, the states included. */
  readonly signal?: AbortSignal;
  /** Where a run starts: flat parameters f32[P] or a whole state; by default, what its seed gives. */
  readonly initial?: (spec: RunSpec, index: number) => Float32Array<ArrayBuffer> | Snapshot | undefined;
  /** Evaluations made before this start, for a run that is taken up again. */
  readonly history?: (spec: RunSpec, index: number) => readonly Metrics[];
  /** After every piece of work, a few times a second: the evaluations that are new (none where they are rare), and all runs. Awaited. */
  readonly onProgress?: (news: readonly News[], runs: readonly Run[]) => void | Promise<void>;
  /** The state of every run in training, every `checkpointSeconds` (default 60). Awaited. */
  readonly onCheckpoint?: (run: Run, snapshot: Snapshot) => void | Promise<void>;
  readonly checkpointSeconds?: number;
  /** A run that began has ended, in whichever way. Awaited. */
  readonly onEnd?: (run: Run) => void | Promise<void>;
  /** Whether runs keep their last state after `onEnd`. Default: true; large sweeps save it there and say false. */
  readonly keepSnapshots?: boolean;
}

/** With `untilGrokked`, a run may end at multiples of so many updates: rare enough to keep a GPU busy, often enough to waste little. */
export const DECISION = 100;

/** What one piece of work should take, in ms: short enough for a live figure and a quick stop. */
const PIECE = 400;

type Writable<T> = { -readonly [K in keyof T]: T[K] };
type State = Writable<Omit<Run, "metrics">> & { metrics: Metrics[] };

export const ENGINES = ["webgpu", "tfjs"] as const;
export type EngineName = (typeof ENGINES)[number];

/** The engine asked for. Without a name: WebGPU, or TensorFlow.js where there is no adapter, which `say` is told. */
export async function openEngine(name?: EngineName, say: (line: string) => void = console.error): Promise<Engine> {
  if (name !== "tfjs") {
    try {
      return await (await import("./engine/trainer.ts")).webgpuEngine();
    } catch (error) {
      if (name === "webgpu") throw error;
      say(`${error instanceof Error ? error.message : error}. Going on with the TensorFlow.js engine.`);
    }
  }
  return await (await import("./reference/trainer.ts")).tfjsEngine();
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
    const metrics = [...options.history?.(spec, index) ?? []];
    const steps = { memorisationStep: memorisationStep(metrics), grokkingStep: grokkingStep(metrics, options.rule) };
    return { index, spec, status: "waiting", step: 0, metrics, ...steps };
  });
  for (const group of groups(runs)) await trainGroup(group, runs, options);
  for (const run of runs) if (run.status === "waiting") run.status = "stopped";
  return runs;
}

async function trainGroup(group: readonly State[], runs: readonly State[], options: TrainOptions): Promise<void> {
  const { engine, signal, onProgress, onCheckpoint, checkpointSeconds = 60 } = options;
  if (signal?.aborted) return;
  const queue = [...group];
  const rows: (State | null)[] = queue.splice(0, engine.rowsThatFit(group[0].spec));
  const trainer = await engine.open(rows.map((run) => start(run!, options)));
  // Where the driver refuses so much memory, the trainer has fewer rows than were asked for.
  const left = rows.splice(trainer.rows.length).map((run) => run!);
  for (const run of left) run.status = "waiting";
  queue.unshift(...left);
  try {
    let piece = 1, saved = performance.now();
    while (true) {
      for (let row = 0; row < rows.length; row++) {
        // A run that comes after one that ended may itself be at its end: a resumed one, say.
        for (let run = rows[row]; run && ended(run, options); run = rows[row]) {
          await end(trainer, row, run, options);
          rows[row] = (signal?.aborted ? undefined : queue.shift()) ?? null;
          if (rows[row]) trainer.place(row, start(rows[row]!, options));
          else trainer.drop(row);
        }
      }
      const active = rows.filter((run) => run !== null);
      if (active.length === 0) return;

      const updates = Math.min(piece, ...active.map((run) => untilDecision(run, options)));
      const began = performance.now();
      for await (const evaluations of trainer.advance(updates)) {
        const news = record(evaluations, rows, options);
        if (news.length > 0) await onProgress?.(news, runs);
      }
      rows.forEach((run, row) => run && (run.step = trainer.steps[row]));
      await onProgress?.([], runs);

      const took = performance.now() - began;
      if (took < PIECE / 2 && updates === piece) piece *= 2;
      else if (took > PIECE * 2) piece = Math.max(1, Math.floor(piece / 2));
      if (onCheckpoint && !signal?.aborted && performance.now() - saved > checkpointSeconds * 1000) {
        for (const [row, run] of rows.entries()) if (run && !run.error) await onCheckpoint(run, await trainer.snapshot(row));
        saved = performance.now();
      }
    }
  } finally {
    trainer.dispose();
  }
}

/** Where a run begins, as an engine takes it. */
function start(run: State, { initial }: TrainOptions): RunSpec | Snapshot {
  run.status = "training";
  const from = initial?.(run.spec, run.index);
  if (from === undefined) return run.spec;
  const state = from instanceof Float32Array ? snapshotOf(run.spec, from) : { ...from, spec: run.spec };
  run.step = state.step;
  return state;
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

/** Updates to the next step at which something about the run is decided. */
function untilDecision({ spec, step }: State, { untilGrokked }: TrainOptions): number {
  const left = spec.schedule.steps - step;
  return untilGrokked ? Math.min(left, stride(spec) - step % stride(spec)) : left;
}

function ended({ spec, step, error, grokkingStep }: State, { untilGrokked, signal }: TrainOptions): boolean {
  if (error !== undefined || step >= spec.schedule.steps || signal?.aborted) return true;
  return untilGrokked === true && grokkingStep !== null && step % stride(spec) === 0;
}

async function end(trainer: Trainer, row: number, run: State, { onEnd, keepSnapshots = true, ...options }: TrainOptions): Promise<void> {
  const done = run.step >= run.spec.schedule.steps;
  const grokked = options.untilGrokked === true && run.grokkingStep !== null && run.step % stride(run.spec) === 0;
  // What ends by itself ends with an evaluation of its last state. What is stopped doesn't, so that it can be taken up as if never stopped.
  if (done && run.error === undefined && run.metrics.at(-1)?.step !== run.step) {
    record((await trainer.evaluate()).filter((evaluation) => evaluation.row === row), { [row]: run }, options);
  }
  run.status = run.error !== undefined ? "failed" : done ? "finished" : grokked ? "grokked" : "stopped";
  if (run.status !== "failed") run.snapshot = await trainer.snapshot(row);
  await onEnd?.(run);
  if (!keepSnapshots) delete run.snapshot;
}

/** Adds the evaluations to their runs; returns those that count. */
function record(
  evaluations: readonly Evaluation[],
  rows: Record<number, State | null>,
  { rule = RULES.first }: Pick<TrainOptions, "rule">,
): News[] {
  const news: News[] = [];
  for (const { row, metrics } of evaluations) {
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
    run.memorisationStep ??= memorisationStep([metrics]);
    run.grokkingStep ??= grokkingStep(run.metrics.slice(-rule.times), rule);
    news.push({ run, metrics });
  }
  return news;
}
