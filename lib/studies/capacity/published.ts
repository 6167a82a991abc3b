/** Published results of these runs, for tables beside our own: means over three seeds, as the template computes them. */
import type { OperationName } from "../../run/operations.ts";

export interface PublishedMean {
  /** The experiment, identified by the parameter count: of each pair, only the wide network's line survived. */
  readonly experiment: "capacity_baseline" | "capacity_small_wide" | "capacity_medium_wide";
  readonly operation: OperationName;
  /** `parameter_count_mean`; the baseline has none. */
  readonly parameters: number | null;
  /** `step_val_acc_99_mean`; a run that never grokked counts as 7500, so a mean of 7500 means that none did. */
  readonly grokkingStep: number;
  /** `final_train_acc_mean`, over the last ten training batches, 0 … 1. */
  readonly trainAcc: number;
  /** `final_val_acc_mean`, over 8 × 512 draws, 0 … 1. */
  readonly valAcc: number;
}

/** Runs behind each mean. */
export const PUBLISHED_SEEDS = 3;

const line = (
  experiment: PublishedMean["experiment"],
  parameters: number | null,
  parametersS5: number | null,
  rows: readonly (readonly [OperationName, grokkingStep: number, trainAcc: number, valAcc: number])[],
): PublishedMean[] =>
  rows.map(([operation, grokkingStep, trainAcc, valAcc]) => {
    return { experiment, operation, parameters: operation === "permutation" ? parametersS5 : parameters, grokkingStep, trainAcc, valAcc };
  });

export const PUBLISHED_CAPACITY: readonly PublishedMean[] = [
  ...line("capacity_baseline", null, null, [
    ["x_div_y", 4353.333333333333, 1, 1],
    ["x_minus_y", 4403.333333333333, 1, 1],
    ["x_plus_y", 2640, 1, 1],
    ["permutation", 7500, 0.9800130526224772, 0.009114583333333334],
  ]),
  ...line("capacity_small_wide", 224_353, 230_264, [
    ["x_div_y", 3626.6666666666665, 0.990234375, 0.9947916666666666],
    ["x_minus_y", 4366.666666666667, 1, 1],
    ["x_plus_y", 2730, 1, 1],
    ["permutation", 7500, 0.9785807530085245, 0.048502604166666664],
  ]),
  ...line("capacity_medium_wide", 1_631_585, 1_643_384, [
    ["x_div_y", 3603.3333333333335, 0.8604166706403097, 0.9497884114583334],
    ["x_minus_y", 4246.666666666667, 0.9694661498069763, 0.9894205729166666],
    ["x_plus_y", 2376.6666666666665, 0.8529947996139526, 0.9838053385416666],
    ["permutation", 5943.333333333333, 0.9993489583333334, 0.962158203125],
  ]),
];

/**
 * `step_val_acc_99_mean` of the baseline's network, each a mean of three runs: that of the capacity study, then those of the four tables of
 * the attention study, which trained the same network and only observed it. A run that never grokked counts as 7500.
 */
export const PUBLISHED_BASELINES: Readonly<Partial<Record<OperationName, readonly number[]>>> = {
  x_div_y: [4353.333333333333, 4273.333333333333, 4093.3333333333335, 4333.333333333333, 3796.6666666666665],
  x_minus_y: [4403.333333333333, 4276.666666666667, 4393.333333333333, 4363.333333333333, 3913.3333333333335],
  x_plus_y: [2640, 2410, 2833.3333333333335, 2410, 2580],
  permutation: [7500, 7500, 7500, 7500, 7443.333333333333],
};
