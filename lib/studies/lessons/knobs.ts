/**
 * The exercises of the second lesson, one setting each: train fraction, weight decay, learning rate, and labels without a rule. Each takes
 * the reader's own values in addition to the recorded ones.
 */
import type { OperationName } from "../../run/operations.ts";
import type { RunInput, RunSpec } from "../../run/spec.ts";
import { type Experiment, range } from "../../lab/experiment.ts";
import { firstGrok } from "./first_grok.ts";

/** Five seeds at each value, the lesson's network with the changes of `turn`. A run ends once it has grokked. */
function knob<Value>(
  name: string,
  question: string,
  values: readonly Value[],
  turn: (value: Value) => Omit<RunInput, "preset">,
): Experiment {
  const different = [...new Set(values)];
  return { name, question, margin: 0, runs: different.flatMap((value) => range(5).map((seed) => firstGrok({ ...turn(value), seed }))) };
}

/**
 * The lesson's model, wider, on a larger modulus, where the smallest train fraction that groks is close to that at p = 97. `more`: the
 * reader's own fractions.
 */
export const knobTrainFraction = (...more: readonly number[]): Experiment =>
  knob(
    "knob_train_fraction",
    "How much of the data does a network need to see, so that it understands the rest?",
    [0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.7, ...more],
    (trainFraction) => ({ model: { dModel: 48 }, data: { prime: 67, trainFraction }, schedule: { steps: 2000 } }),
  );

export const knobWeightDecay = (...more: readonly number[]): Experiment =>
  knob(
    "knob_weight_decay",
    "How does the wait depend on weight decay?",
    [0, 0.25, 0.5, 1, 2, 3, 5, ...more],
    (weightDecay) => ({ optim: { weightDecay }, schedule: { steps: 2000 } }),
  );

export const knobLearningRate = (...more: readonly number[]): Experiment =>
  knob(
    "knob_learning_rate",
    "Does a higher learning rate only make everything sooner?",
    [1e-3, 3e-3, 1e-2, 3e-2, 1e-1, ...more],
    (lr) => ({ optim: { lr }, schedule: { steps: 2000 } }),
  );

/** The control: random labels can be memorised, but not generalised. */
export const knobLabels = (...more: readonly OperationName[]): Experiment =>
  knob<OperationName>(
    "knob_labels",
    "Does a network grok where there is no rule?",
    ["x_plus_y", "x_minus_y", "random", ...more],
    (operation) => ({ data: { operation }, schedule: { steps: 2000 } }),
  );

/** The first lesson's network at other weight decays, to compare with its ten runs: the same seeds at each value, `steps` steps. */
export const atWeightDecays = (values: readonly number[], seeds: readonly number[], steps: number): RunSpec[] =>
  values.flatMap((weightDecay) => seeds.map((seed) => firstGrok({ optim: { weightDecay }, schedule: { steps }, seed })));

export const KNOBS: readonly Experiment[] = [knobTrainFraction(), knobWeightDecay(), knobLearningRate(), knobLabels()];
