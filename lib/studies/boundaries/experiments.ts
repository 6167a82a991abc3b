/**
 * The map of d_model / p against weight decay, experiment by experiment as published (two-layer encoder, addition, full batch, five seeds).
 * One step is one epoch. Two differences: published runs did all their epochs, while here a run ends `MARGIN` epochs after it has grokked,
 * and no run is longer than the published ones; and the preset begins attention otherwise (`ATTENTION_START`).
 */
import { type Experiment, type Grid, grid, range } from "../../lab/experiment.ts";

const SEEDS = [42, 123, 456, 789, 1337];

/** d_model at 0.75 to 4 times p = 97, rounded down to multiples of the four heads. */
const RATIOS = [72, 96, 120, 144, 192, 240, 288, 388];
/** The same at 8 and 16 times. */
const EXTENDED = [776, 1552];

/** Epochs that a run continues after it has grokked, to see whether it stays so. */
export const MARGIN = 500;

/** An experiment with the preset `boundaries` and the rule that grokking must last. */
const boundaries = (name: string, question: string, ...grids: Grid[]): Experiment => ({
  name,
  question,
  rule: "sustained",
  margin: MARGIN,
  runs: grid(...grids.map((each) => ({ preset: "boundaries" as const, seed: SEEDS, ...each }))),
});

const ratios = (dModel: readonly number[], weightDecay: number, steps: number): Grid => ({
  optim: { weightDecay },
  schedule: { steps },
  model: { dModel },
});

const decays = [["wd1", 1, 20_000], ["wd0p1", 0.1, 100_000], ["wd0p01", 0.01, 200_000]] as const;

/** Widths for each modulus, d / p from about 0.7 to 4, as published at weight decay 1. */
const BY_MODULUS = {
  23: [16, 20, 28, 32, 44, 56, 68, 92],
  47: [32, 44, 56, 68, 92, 116, 140, 188],
  53: [36, 52, 64, 76, 104, 132, 156, 212],
  59: [44, 56, 72, 88, 116, 144, 176, 236],
};

export const BOUNDARIES: readonly Experiment[] = [
  boundaries(
    "exp1_weight_decay",
    "Does more weight decay shorten the wait at p = 97, d = 128?",
    { optim: { weightDecay: [0.1, 0.5, 1, 3] } },
    // The published runs didn't even memorise in 50,000 epochs. These get 30 times as many epochs as any other run took to memorise.
    { optim: { weightDecay: 10 }, schedule: { steps: 5000 } },
  ),
  boundaries("exp2_hidden_dim", "Does a wider network grok sooner at p = 97?", { model: { dModel: [32, 64, 128, 256] } }),
  boundaries("exp3_prime", "Does a larger modulus take longer at d = 128?", { data: { prime: [23, 47, 59, 97] } }),
  boundaries(
    "exp4_matched",
    "Is it the ratio d / p that decides, whatever the modulus?",
    ...[[23, 32], [47, 64], [59, 64], [97, 128]].map(([prime, dModel]) => ({
      data: { prime },
      model: { dModel },
      schedule: { steps: 20_000 },
    })),
  ),
  ...decays.map(([name, decay, steps]) =>
    boundaries(`exp5_ratio_${name}`, `At which ratios d / p do networks grok at weight decay ${decay}?`, ratios(RATIOS, decay, steps))
  ),
  boundaries("prime53_ratio", "Does the critical ratio hold at p = 53?", {
    data: { prime: 53 },
    schedule: { steps: 20_000 },
    model: { dModel: [52, 56, 80, 92, 100, 104, 112, 120, 140, 160, 200] },
  }),
  ...Object.entries(BY_MODULUS).map(([prime, dModel]) =>
    boundaries(`ratio_p${prime}`, `At which widths do networks grok soonest at p = ${prime}: does d / p decide, d, or p?`, {
      data: { prime: Number(prime) },
      schedule: { steps: 20_000 },
      model: { dModel },
    })
  ),
  ...decays.map(([name, decay, steps]) =>
    boundaries(
      `extended_ratio_${name}`,
      `Does excess capacity delay grokking at weight decay ${decay}, at 8 and 16 times p?`,
      ratios(EXTENDED, decay, steps),
    )
  ),
];

/**
 * The first experiment up to its jumps, for a machine without a GPU: seed 42 at each weight decay, on one engine bit for bit the same runs,
 * but each ends once it has grokked, and after at most 3500 of the 50,000 epochs (1000 at weight decay 10, where no published network even
 * memorised). It says nothing about later epochs.
 */
export const EXP1_JUMP: Experiment = {
  ...boundaries(
    "exp1_weight_decay_jump",
    "As far as the jump: does more weight decay shorten the wait at p = 97, d = 128?",
    { optim: { weightDecay: [3, 1, 0.5, 0.1] }, schedule: { steps: 3500 }, seed: 42 },
    { optim: { weightDecay: 10 }, schedule: { steps: 1000 }, seed: 42 },
  ),
  margin: 0,
};

/**
 * A modulus that nobody has published, at the ratios of the others: a test of what was found by looking at the published runs, that steps
 * times p are a function of d / p.
 */
export const RATIO_P31: Experiment = boundaries("ratio_p31", "Modulo 31, which wasn't published: are steps × p what d / p foretells?", {
  data: { prime: 31 },
  schedule: { steps: 20_000 },
  model: { dModel: [20, 28, 36, 44, 60, 76, 92, 124] },
});

/**
 * Whether the preset's one difference from the published code matters: attention there begins as plain Linear modules do (`linear`), in the
 * preset as PyTorch's attention module does (`pytorch`). Small settings, so that thirty seeds each are cheap.
 */
export const ATTENTION_START: Experiment = {
  ...boundaries(
    "attention_start",
    "Do networks grok at another step where attention begins as in the published code?",
    ...[[23, 32], [47, 64]].map(([prime, dModel]) => ({
      data: { prime },
      model: { dModel, init: ["linear", "pytorch"] as const },
      schedule: { steps: 20_000 },
      seed: range(30),
    })),
  ),
  margin: 0,
};

/** The experiments that separate width and modulus, at weight decay 1: all published moduli, and one more. */
export const ACROSS_MODULI: readonly Experiment[] = [
  ...BOUNDARIES.filter(({ name }) => /^(ratio_p|prime53_|exp[2345]_(?!.*wd0))/.test(name)),
  RATIO_P31,
];

/** The experiments for each of the study's questions. */
export interface BoundaryStudy {
  readonly decay: readonly Experiment[];
  readonly width: readonly Experiment[];
  readonly prime: readonly Experiment[];
  readonly matched: readonly Experiment[];
  /** The surface: d_model / p against weight decay. */
  readonly map: readonly Experiment[];
}

const named = (start: string) => BOUNDARIES.filter(({ name }) => name.startsWith(start));

export const FULL_BOUNDARIES: BoundaryStudy = {
  decay: named("exp1"),
  width: named("exp2"),
  prime: named("exp3"),
  matched: named("exp4"),
  map: [...named("exp5"), ...named("extended")],
};
