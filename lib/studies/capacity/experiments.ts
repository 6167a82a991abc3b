/**
 * Depth, width, heads and grokking: the study that the AI-Scientist's capacity seed describes but did not run. The template's settings are
 * exact: 7500 updates with batches of 512 draws, evaluated every 10 updates. Every run does all its steps, since stability after grokking
 * is part of the question.
 */
import { type Experiment, type Grid, grid, range } from "../../lab/experiment.ts";
import type { OperationName } from "../../run/operations.ts";
import { type Architecture, architectureName, type Bucket, type Pair } from "./architectures.ts";

/** The template's operations, in its order. */
export const CAPACITY_OPERATIONS: readonly OperationName[] = ["x_div_y", "x_minus_y", "x_plus_y", "permutation"];

const seeds = range(5);

/** An architecture; the feed-forward width is four times the model width by default. */
const net = (layers: number, dModel: number, heads: number, dMlp = 4 * dModel): Architecture => ({ layers, dModel, heads, dMlp });

/** An experiment of these networks with the template's settings, five seeds each. */
const template = (name: string, question: string, ...networks: readonly Architecture[]): Experiment => ({
  name,
  question,
  runs: grid(...networks.map((model): Grid => ({ data: { operation: CAPACITY_OPERATIONS }, model, seed: seeds }))),
});

/**
 * The whole grid. The number of heads doesn't change the parameter count, so there are nine counts; `bucketing(CAPACITY.runs)` divides
 * them, modulo 97, into small (63,073 to 224,353), medium (422,625 to 841,825) and large (1,631,585 and 3,211,105). In the large bucket all
 * networks are 256 wide, so none there is both deeper and narrower than another; `CAPACITY_MATCHED` has such a pair.
 */
export const CAPACITY: Experiment = {
  name: "capacity",
  question: "How do depth, width and heads change when networks memorise, when they grok, and whether they stay so?",
  runs: grid({
    data: { operation: CAPACITY_OPERATIONS },
    model: { layers: [1, 2, 4], dModel: [64, 128, 256], heads: [2, 4, 8] },
    seed: seeds,
  }),
};

/** In each size a deep, narrow network against a wide, shallow one. */
export type CapacityPair = Pick<Pair, "deep" | "wide"> & { readonly bucket: Bucket };

/**
 * The pairs that the seeds name. Parameter counts differ by 5 % (7 % for S5) in the small pair, and twofold in the medium pair and in the
 * large one, which was planned but not run.
 */
export const NAMED_PAIRS: readonly CapacityPair[] = [
  { bucket: "small", deep: net(4, 64, 2), wide: net(1, 128, 4) },
  { bucket: "medium", deep: net(4, 128, 4), wide: net(2, 256, 8) },
  { bucket: "large", deep: net(8, 256, 8), wide: net(4, 512, 16) },
];

/**
 * The seeds' named runs. One line was published per pair, with the parameter counts of the wide network: the deep network's line was
 * overwritten.
 */
export const CAPACITY_NAMED: readonly Experiment[] = [
  template("capacity_baseline", "The template's own network, 2×128×4: when does it grok?", net(2, 128, 4)),
  ...NAMED_PAIRS.flatMap(({ bucket, ...pair }) =>
    (["deep", "wide"] as const).map((shape) =>
      template(
        `capacity_${bucket}_${shape}`,
        `The ${bucket} pair's ${shape} network, ${architectureName(pair[shape])}: when does it grok?`,
        pair[shape],
      )
    )
  ),
];

/**
 * The baseline up to its jump, for a machine without a GPU: as many seeds as were published, evaluated every 50 updates instead of every
 * 10; each run ends once it has grokked. Its grokking steps are those of `capacity_baseline` rounded up to the next 50; it says nothing
 * about stability. Without the permutations, which don't grok.
 */
export const CAPACITY_BASELINE_JUMP: Experiment = {
  name: "capacity_baseline_jump",
  question: "The template's own network, 2×128×4, modulo 97: when does it jump?",
  margin: 0,
  runs: grid({
    data: { operation: ["x_div_y", "x_minus_y", "x_plus_y"] },
    model: net(2, 128, 4),
    schedule: { evalEvery: 50 },
    seed: range(3),
  }),
};

/**
 * In each bucket the first of `matchedPairs`: four layers against one layer of twice the width, parameter counts within 2 % both modulo 97
 * and for S5, heads 32 wide as in the template. The search: 1, 2 or 4 layers, widths in steps of 64 up to 512, feed-forward widths in steps
 * of 8.
 */
export const MATCHED: readonly CapacityPair[] = [
  { bucket: "small", deep: net(4, 64, 2), wide: net(1, 128, 4, 472) },
  { bucket: "medium", deep: net(4, 128, 4), wide: net(1, 256, 8, 1000) },
  { bucket: "large", deep: net(4, 256, 8), wide: net(1, 512, 16) },
];

export const CAPACITY_MATCHED: Experiment = template(
  "capacity_matched",
  "Of two networks with as many parameters, within 2 %: does the deep and narrow one grok sooner, or the wide and shallow one?",
  ...MATCHED.flatMap(({ deep, wide }) => [deep, wide]),
);

/**
 * A small grid that two cores finish in an hour or two without a GPU. It differs from the template: modulo 31 instead of 97 (961 pairs
 * instead of 9409), trained on 70 % of the pairs instead of half; widths 16, 32 and 64, heads 2 and 4; learning rate 5e-3 instead of 1e-3,
 * weight decay 0.25 instead of 0.5; batches of 128 draws instead of 512; 3000 updates instead of 7500, evaluated every 20 instead of every
 * 10; and no permutations, whose 14,400 pairs don't get fewer with the modulus.
 */
const IN_SMALL = {
  data: { operation: ["x_div_y", "x_minus_y", "x_plus_y"], prime: 31, trainFraction: 0.7, batch: 128 },
  optim: { lr: 5e-3, weightDecay: 0.25 },
  schedule: { steps: 3000, evalEvery: 20 },
  seed: seeds,
} satisfies Grid;

/**
 * In each bucket the pair with the closest parameter counts, four layers against one layer of twice the width: 5.0, 2.7 and 1.4 % apart.
 */
export const IN_SMALL_PAIRS: readonly CapacityPair[] = [
  { bucket: "small", deep: net(4, 16, 2), wide: net(1, 32, 4) },
  { bucket: "medium", deep: net(4, 32, 2), wide: net(1, 64, 4) },
  { bucket: "large", deep: net(4, 64, 2), wide: net(1, 128, 4) },
];

/** The grid, and the wide network of the large pair, which is wider than any in the grid. */
export const CAPACITY_IN_SMALL: Experiment = {
  name: "capacity_in_small",
  question: "The grid in small, modulo 31, for two cores: do depth, width and heads matter there too?",
  runs: grid(
    { ...IN_SMALL, model: { layers: [1, 2, 4], dModel: [16, 32, 64], heads: [2, 4] } },
    { ...IN_SMALL, model: IN_SMALL_PAIRS[2].wide },
  ),
};

/** A grid with its matched pairs, and the extreme values of each factor that are compared. */
export interface CapacityStudy {
  /** The task of all its runs, for figures. */
  readonly task: string;
  /** The grid, followed by its pairs where they aren't in the grid. */
  readonly experiments: readonly Experiment[];
  readonly pairs: readonly CapacityPair[];
  readonly extremes: Readonly<Record<"layers" | "dModel" | "heads", readonly [least: number, most: number]>>;
}

export const FULL_STUDY: CapacityStudy = {
  task: "Modulo 97 and S5, half of the pairs",
  experiments: [CAPACITY, CAPACITY_MATCHED],
  pairs: MATCHED,
  extremes: { layers: [1, 4], dModel: [64, 256], heads: [2, 8] },
};

export const STUDY_IN_SMALL: CapacityStudy = {
  task: "Modulo 31, 70 % of the pairs",
  experiments: [CAPACITY_IN_SMALL],
  pairs: IN_SMALL_PAIRS,
  extremes: { layers: [1, 4], dModel: [16, 64], heads: [2, 4] },
};

export const CAPACITIES: readonly Experiment[] = [CAPACITY, ...CAPACITY_NAMED, CAPACITY_BASELINE_JUMP, CAPACITY_MATCHED, CAPACITY_IN_SMALL];
