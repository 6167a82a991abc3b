/** What an experiment may store of its runs while they train, beside their evaluations: their attention, and their weights on the way. */
import { type AttentionOptions, attentionSizes, KEEP, keeper, type KeepOptions, probeSizes } from "../run/attention.ts";
import { isPlain } from "../run/check.ts";
import { parameterCount } from "../run/layout.ts";
import { type RunSpec, sizes } from "../run/spec.ts";

export interface WeightOptions {
  /** States a decade of steps, evenly spaced on a logarithmic axis. Default: 8, some twenty in 5000 updates with an evaluation every 10. */
  readonly perDecade?: number;
}

/** Each is stored where it is there; `{}` for the defaults. */
export interface Watch {
  /** The attention log: the readings of a probe set that `keeper` chooses, one file a run. */
  readonly attention?: AttentionOptions & KeepOptions;
  /** Parameters without moments, at `weightSteps`, a file each; and the last ones, where no checkpoint is kept. */
  readonly weights?: WeightOptions;
}

const OPTIONS = { attention: ["pairs", "full", "perDecade", "move"], weights: ["perDecade"] } as const;

/** Calls `fail` with the first part that can't be so, and what it must be. @throws Error where `keeper` and `probeSizes` do. */
export function checkWatch(watch: Watch, fail: (part: string, requirement: string, value: unknown) => void): void {
  if (!isPlain(watch)) fail("watch", "an object with attention, weights or both", watch);
  for (const [part, options] of Object.entries(watch) as [keyof typeof OPTIONS, unknown][]) {
    if (!Object.hasOwn(OPTIONS, part)) fail("watch", "attention, weights or both", part);
    const names: readonly string[] = OPTIONS[part], object = isPlain(options) ? options : {};
    const stray = isPlain(options) ? Object.keys(options).find((key) => !names.includes(key)) : "";
    if (stray !== undefined) fail(`watch.${part}`, `an object with some of ${names.join(", ")}`, stray || options);
    for (const [name, value] of Object.entries(object)) if (typeof value !== "number") fail(`watch.${part}.${name}`, "a number", value);
  }
  const { attention, weights: { perDecade = 1 } = {} } = watch;
  if (!(perDecade > 0)) fail("watch.weights.perDecade", "above 0", perDecade);
  if (!attention) return;
  probeSizes(attention);
  keeper(attention);
}

/**
 * The steps at which a run's weights are stored: 0, and the evaluations nearest to marks that are evenly spaced on a logarithmic axis.
 * Where they lie doesn't depend on how many steps there are: a run that goes on for more has what it would have had.
 */
export function weightSteps({ schedule: { steps, evalEvery } }: RunSpec, { perDecade = 8 }: WeightOptions = {}): number[] {
  const found = new Set([0]);
  for (let k = Math.floor(perDecade * Math.log10(evalEvery));; k++) {
    const mark = 10 ** (k / perDecade), step = Math.max(1, Math.round(mark / evalEvery)) * evalEvery;
    if (step <= steps) found.add(step);
    if (mark > steps) return [...found];
  }
}

/**
 * What a sweep writes beside the database, in bytes, headers not included. How much attention moves isn't known before: that is an
 * estimate.
 */
export interface DiskForecast {
  readonly checkpoints: number;
  readonly weights: number;
  readonly attention: number;
}

/** For runs of which so many updates are left. */
export function diskForecast(
  left: readonly { readonly spec: RunSpec; readonly updates: number }[],
  { keep = "checkpoint", watch = {} }: { readonly keep?: "checkpoint" | "nothing" | undefined; readonly watch?: Watch | undefined },
): DiskForecast {
  const total = (bytes: (spec: RunSpec, from: number) => number) =>
    left.reduce((sum, { spec, updates }) => sum + bytes(spec, spec.schedule.steps - updates), 0);
  const { weights, attention } = watch, stored = keep === "checkpoint";
  const states = (spec: RunSpec, from: number) => weightSteps(spec, weights).filter((step) => step >= from).length + Number(!stored);
  return {
    checkpoints: stored ? total((spec) => 12 * parameterCount(spec)) : 0,
    weights: weights ? total((spec, from) => 4 * parameterCount(spec) * states(spec, from)) : 0,
    attention: attention ? total((spec) => readingBytes(spec, attention) * readings(spec, attention)) : 0,
  };
}

function readingBytes(spec: RunSpec, attention: AttentionOptions): number {
  const { T, queries } = attentionSizes(spec), { S } = probeSizes(attention, sizes(spec).pairs);
  return 4 * queries * (1 + T * (2 + S));
}

/** The evaluations on the marks, and those that two accuracies on their way from 0 to 1 keep. */
function readings({ schedule: { steps, evalEvery } }: RunSpec, options: KeepOptions): number {
  const keeps = keeper(options), evaluations = Math.floor(steps / evalEvery) + 1;
  let marks = 0;
  for (let i = 0; i < evaluations; i++) if (keeps({ step: i * evalEvery, trainAcc: 0, valAcc: 0 })) marks++;
  return Math.min(evaluations, marks + Math.floor(2 / (options.move ?? KEEP.move)));
}
