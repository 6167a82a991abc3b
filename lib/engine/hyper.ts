/**
 * What differs between runs of one shape, as a row of words that kernels read; and where a run is. A number that is added here is data: no
 * kernel's code depends on it but that of the operation that reads it.
 */
import { log } from "../run/fdlibm.ts";
import { columnOf, type Entry, FIELDS, PART_ENTRIES, valueAt } from "../run/fields.ts";
import { type RunSpec, type Sizes, sizes } from "../run/spec.ts";

type Of = (spec: RunSpec, sizes: Sizes) => number;
interface Field {
  readonly name: string;
  readonly type: "f32" | "u32";
  readonly of: Of;
}
const f32 = (name: string, of: Of): Field => ({ name, type: "f32", of });
const u32 = (name: string, of: Of): Field => ({ name, type: "u32", of });
const flag = (name: string, of: (spec: RunSpec) => boolean) => u32(name, (spec) => (of(spec) ? 1 : 0));

/**
 * What `stable_loss` says: the loss's place among these. 0 and 1 are plain and stable cross-entropy, 2, where an executor has doubles, is
 * in those.
 */
const LOSSES = FIELDS.optim.loss.kind.words!;

/**
 * The numbers of the optimiser's fields that came later, under the names of their columns; one of some words is its place among them. A
 * field of the shape is none: kernels are made for its value.
 */
export const laterNumbers = (entries: readonly Entry[]): Field[] =>
  entries.filter(({ part, field: { neutral, shape } }) => part === "optim" && neutral !== undefined && !shape).map((entry) => {
    const { words, column } = entry.field.kind;
    return (column === "REAL" ? f32 : u32)(columnOf(entry), (spec) => {
      const value = valueAt(spec, entry);
      return words ? words.indexOf(String(value)) : Number(value);
    });
  });

/**
 * The words of `hyper`, in order. 1 − β and ln β come from doubles: 1 − 0.999 in fp32 has lost four digits, and the first updates would
 * show it.
 */
export const HYPER: readonly Field[] = [
  f32("lr", ({ optim }) => optim.lr),
  f32("weight_decay", ({ optim }) => optim.weightDecay),
  f32("eps", ({ optim }) => optim.eps),
  u32("warmup", ({ optim }) => optim.warmup),
  f32("beta1", ({ optim }) => optim.beta1),
  f32("one_minus_beta1", ({ optim }) => 1 - optim.beta1),
  f32("log_beta1", ({ optim }) => log(optim.beta1)),
  f32("beta2", ({ optim }) => optim.beta2),
  f32("one_minus_beta2", ({ optim }) => 1 - optim.beta2),
  f32("log_beta2", ({ optim }) => log(optim.beta2)),
  flag("decay_vectors", ({ optim }) => optim.decay === "all"),
  u32("stable_loss", ({ optim }) => LOSSES.indexOf(optim.loss)),
  flag("full_batch", ({ data }) => data.batch === "full"),
  u32("seed", ({ seed }) => seed),
  u32("train_pairs", (_, { trainPairs }) => trainPairs),
  u32("pairs", (_, { pairs }) => pairs),
  ...laterNumbers(PART_ENTRIES),
  f32("one_minus_momentum", ({ optim }) => 1 - optim.momentum),
  f32("one_minus_filter_alpha", ({ optim }) => 1 - optim.filterAlpha),
  f32("row_norm", ({ optim }) => optim.rowNorm),
  f32("logit_scale", ({ optim }) => 1 / optim.temperature),
  u32("noisy_pairs", (_, { noisyPairs }) => noisyPairs),
];

/** Words of `hyper` a run. */
export const HYPER_WORDS = HYPER.length;

/** A run's words of `hyper`. */
export function hyperWords(spec: RunSpec): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(HYPER_WORDS), floats = new Float32Array(words.buffer), size = sizes(spec);
  HYPER.forEach(({ type, of }, at) => (type === "f32" ? floats : words)[at] = of(spec, size));
  return words;
}

/** The words of `state`: updates done, where the run ends, which piece of an evaluation comes next, and which steps have an evaluation. */
export const STATE = ["step", "steps", "chunk", "eval_every"] as const;
export const STATE_WORDS = STATE.length;

/** A run's words of `state` before its next update. */
export const stateWords = ({ schedule }: RunSpec, step: number): Uint32Array<ArrayBuffer> =>
  Uint32Array.of(step, schedule.steps, 0, schedule.evalEvery);
