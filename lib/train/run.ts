/** One run as training sees it: where it begins, what each evaluation changes, and why it fails. */
import { type AttentionOptions, type AttentionReading, keeper, type KeepOptions } from "../run/attention.ts";
import { grokkingStep, memorisationStep, type Rule, RULES } from "../run/grokking.ts";
import { initialise, layout } from "../run/layout.ts";
import type { RunSpec } from "../run/spec.ts";
import type { Evaluation, Metrics, Snapshot } from "../engine/engine.ts";
import { faultOf, suspect } from "./divergence.ts";
import { counted, findGap, type Gap } from "./history.ts";

/**
 * `waiting`: not begun. `finished`: did all its steps. `grokked`: ended early because it had grokked. `stopped`: the signal came first.
 * `failed`: its loss stopped being a number; `error` says where. `elsewhere`: when its turn came, `begin` said that it isn't to be trained
 * here.
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
  /** Present where the run was taken up without some of its earlier evaluations. Milestones that it may hide are `null`, and unknown. */
  readonly gap?: Gap;
  readonly memorisationStep: number | null;
  readonly grokkingStep: number | null;
  /**
   * Present where the rule asks for several evaluations in a row: up to which step it is known whether the run grokked. Of the last
   * evaluations the rule can't tell yet.
   */
  readonly known?: number;
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

type Writable<T> = { -readonly [K in keyof T]: T[K] };
/** A run that can change. */
export type State = Writable<Omit<Run, "metrics">> & { metrics: Metrics[] };

/** What training keeps of a run for itself, not part of the public `Run`. */
interface Private {
  /** Which readings of its attention to keep. */
  readonly keep?: ReturnType<typeof keeper>;
  /** The first step from which the rule is known to have held: where a gap hides the grokking step, one after the gap. */
  grokkedBy: number | null;
  /** Whether it began with weights that were given. */
  readonly given: boolean;
  /** What is wrong with these, if anything. */
  readonly fault: string | null;
}
const privates = new WeakMap<State, Private>();

/** How runs are watched. */
export interface Watch {
  readonly rule?: Rule;
  readonly attention?: AttentionOptions & KeepOptions;
}

/** The step by which the run has grokked by its rule, also where a gap hides at which step; `null` where it hasn't. */
export const grokkedBy = (run: State): number | null => privates.get(run)?.grokkedBy ?? null;

/** What is known of a run before its turn comes: a state of it, and its evaluations up to there. */
export type Known = { readonly from: Snapshot; readonly history: readonly Metrics[] };

/** A run that waits, as far as it is known to have come. */
export function waiting(spec: RunSpec, index: number, known?: Known, watch: Watch = {}): State {
  const run: State = { index, spec, status: "waiting", step: 0, metrics: [], memorisationStep: null, grokkingStep: null };
  if (!known) return run;
  // By the state's own spec: an evaluation at the end of fewer steps counts until the run goes on.
  run.spec = known.from.spec;
  take(run, known, watch);
  return Object.assign(run, { spec, status: "waiting" });
}

/**
 * Takes a run up where it begins.
 * @returns what an engine starts it from.
 * @throws Error where the parameters given aren't as many as the run has.
 */
export function take(run: State, { from, history = [] }: Beginning, { rule = RULES.first, attention }: Watch): RunSpec | Snapshot {
  const { spec } = run;
  const state = from instanceof Float32Array ? snapshotOf(spec, from) : from && { ...from, spec };
  run.status = "training";
  run.step = state?.step ?? 0;
  run.metrics = counted(history, spec, run.step);
  const gap = findGap(run.metrics, spec, run.step);
  if (gap) run.gap = gap;
  const before = gap ? run.metrics.filter(({ step }) => step < gap.first) : run.metrics;
  const after = gap ? run.metrics.filter(({ step }) => step > gap.last) : run.metrics;
  run.memorisationStep = memorisationStep(before, rule.memorised);
  run.grokkingStep = grokkingStep(before, rule);
  judge(run, rule);
  privates.set(run, {
    ...attention && { keep: keeper(attention, run.metrics) },
    grokkedBy: run.grokkingStep ?? grokkingStep(after, rule),
    given: from instanceof Float32Array,
    fault: state ? faultOf(spec, state.params) : null,
  });
  return state ?? spec;
}

/** The state of a run before its first update, with the parameters given (f32[P]; default: what its seed gives). */
export function snapshotOf(spec: RunSpec, params: Float32Array<ArrayBuffer> = initialise(spec)): Snapshot {
  const { length } = layout(spec);
  if (params.length !== length) {
    throw new Error(`Cannot start from these parameters: must be ${length} floats, current value is ${params.length}`);
  }
  return { spec, step: 0, params, m: new Float32Array(length), v: new Float32Array(length), batchSums: new Float32Array(3) };
}

/** Adds the evaluations to the runs in a trainer's rows; returns those that count. */
export function record(evaluations: readonly Evaluation[], rows: Readonly<Record<number, State | null>>, watch: Watch): News[] {
  const news: News[] = [];
  for (const { row, metrics, attention } of evaluations) {
    const run = rows[row];
    if (!run || run.error !== undefined || metrics.step <= (run.metrics.at(-1)?.step ?? -1)) continue;
    run.step = metrics.step;
    if (!Number.isFinite(metrics.trainLoss) || !Number.isFinite(metrics.valLoss)) {
      run.error = failure(run, metrics);
      continue;
    }
    enter(run, metrics, watch);
    const keep = privates.get(run)?.keep?.(metrics) ?? false;
    news.push({ run, metrics, ...keep && attention && { attention } });
  }
  return news;
}

/** Notes up to which evaluation a rule of several in a row can judge the run. */
function judge(run: State, { times }: Rule): void {
  if (times > 1) run.known = run.metrics.at(-times)?.step ?? 0;
}

function enter(run: State, metrics: Metrics, { rule = RULES.first }: Watch): void {
  const { gap } = run, own = privates.get(run);
  run.metrics.push(metrics);
  judge(run, rule);
  const last = gap ? run.metrics.slice(-rule.times).filter(({ step }) => step > gap.last) : run.metrics.slice(-rule.times);
  const held = grokkingStep(last, rule);
  if (own) own.grokkedBy ??= held;
  if (gap) return;
  run.memorisationStep ??= memorisationStep([metrics], rule.memorised);
  run.grokkingStep ??= held;
}

function failure(run: State, { step, trainLoss, valLoss }: Metrics): string {
  const { spec, metrics: [first] } = run, own = privates.get(run);
  const [which, loss] = Number.isFinite(trainLoss) ? ["validation", valLoss] : ["train", trainLoss];
  const cause = suspect({
    spec,
    step,
    ...first?.step === 0 && { first },
    ...own && (own.given || own.fault) && { given: { fault: own.fault } },
  });
  return `Cannot go on with seed ${spec.seed}: the ${which} loss at step ${step} must be a finite number, current value is ${loss} (${cause})`;
}
