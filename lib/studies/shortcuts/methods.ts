/** Methods that are claimed to shorten the wait, as changes of one run, each with learning rates and weight decays to tune over. */
import type { RunInput } from "../../run/spec.ts";

type OptimInput = NonNullable<RunInput["optim"]>;

/** A learning rate and a weight decay. */
export interface Cell {
  readonly lr: number;
  readonly weightDecay: number;
}

/** What a paper says of a method, and where. */
export interface Published {
  readonly says: string;
  readonly source: string;
  readonly url: string;
}

export interface Method {
  /** `Muon` */
  readonly name: string;
  /** The `optim` part of the spec at a cell. */
  readonly optim: (cell: Cell) => OptimInput;
  /** All combinations of the two are tried: `CELLS` cells for every method, three for those of `WITHOUT_DECAY`. */
  readonly lrs: readonly number[];
  readonly weightDecays: readonly number[];
  /** Published claims about its effect on grokking, for or against. */
  readonly published: readonly Published[];
}

/** The number of cells that each method is tuned over. */
export const CELLS = 9;

const LRS = [0.01, 0.03, 0.1], DECAYS = [0.3, 1, 3];
/** A method on top of AdamW, with the same cells as AdamW alone unless `weightDecays` says otherwise. */
const onAdamW = (name: string, optim: OptimInput, published: readonly Published[], weightDecays: readonly number[] = DECAYS): Method => ({
  name,
  optim: (cell) => ({ ...cell, ...optim }),
  lrs: LRS,
  weightDecays,
  published,
});

const GROKFAST: Published = {
  says: "grokking more than 50 times sooner, by adding the slow part of the gradient",
  source: "Lee et al. 2024, Grokfast",
  url: "https://arxiv.org/abs/2405.20233",
};
const PRIETO = { source: "Prieto et al. 2025", url: "https://arxiv.org/abs/2501.04697" };

/** The baseline: AdamW, tuned like all others. */
export const BASELINE: Method = onAdamW("AdamW", {}, []);

export const GROKFAST_EMA: Method = onAdamW("Grokfast-EMA", { gradFilter: "grokfast-ema" }, [GROKFAST]);
export const GROKFAST_MA: Method = onAdamW("Grokfast-MA", { gradFilter: "grokfast-ma" }, [GROKFAST]);
/** ⊥Grad, named with letters that every font has. It was published for training without weight decay, so 0 is among its values. */
export const ORTHOGONAL: Method = onAdamW(
  "OrthoGrad",
  { gradFilter: "orthogonal" },
  [{ ...PRIETO, says: "quick generalisation without weight decay, by gradients orthogonal to the weights" }],
  [0, 1, 3],
);
export const STABLEMAX: Method = onAdamW(
  "StableMax",
  { loss: "stablemax" },
  [{ ...PRIETO, says: "grokking without regularisation, where softmax loses its digits" }],
  [0, 1, 3],
);

/** Muon's matrices get twice the learning rate of the other parameters, as published: 0.02 and 0.01. */
export const MUON: Method = {
  name: "Muon",
  optim: ({ lr, weightDecay }) => ({ lr, weightDecay, rule: "muon", muonLr: 2 * lr }),
  lrs: LRS,
  weightDecays: DECAYS,
  published: [{
    says: "sooner than AdamW: a mean of 102.89 epochs instead of 153.09",
    source: "Tveit et al. 2025",
    url: "https://arxiv.org/abs/2504.16041",
  }, {
    says: "no: the advantage disappears over more settings and model sizes",
    source: "Essential AI 2025",
    url: "https://www.essential.ai/blog/grokking",
  }],
};

const LION: Method = {
  name: "Lion",
  optim: (cell) => ({ ...cell, rule: "lion" }),
  lrs: [0.003, 0.01, 0.03],
  weightDecays: [1, 3, 10],
  published: [],
};
const SIGNSGD: Method = {
  name: "SignSGD",
  optim: (cell) => ({ ...cell, rule: "signsgd" }),
  lrs: [0.003, 0.01, 0.03],
  weightDecays: DECAYS,
  published: [],
};
const ADAM_L2: Method = {
  name: "Adam with L2",
  optim: (cell) => ({ ...cell, rule: "adam" }),
  lrs: LRS,
  weightDecays: [1e-4, 1e-3, 1e-2],
  published: [],
};
const SGD: Method = {
  name: "SGD",
  optim: (cell) => ({ ...cell, rule: "sgd", momentum: 0.9 }),
  lrs: [0.3, 1, 3],
  weightDecays: [3e-4, 1e-3, 3e-3],
  published: [],
};

/** The two best methods of the tuning that can be combined, an optimiser and a gradient filter; tuned again, over Muon's cells. */
export const TOGETHER: Method = {
  ...MUON,
  name: "Muon + Grokfast",
  optim: (cell) => ({ ...MUON.optim(cell), ...GROKFAST_EMA.optim(cell) }),
  published: [],
};

/** The two methods published for training without weight decay, and AdamW, all three without it. */
export const WITHOUT_DECAY: readonly Method[] = [BASELINE, ORTHOGONAL, STABLEMAX].map((method) => ({
  ...method,
  name: `${method.name}, no decay`,
  weightDecays: [0],
}));

/** All methods except the baseline. One added here is tuned; it is tested once `CHOSEN` has the best cell of its tuning. */
export const SHORTCUT_METHODS: readonly Method[] = [GROKFAST_EMA, GROKFAST_MA, ORTHOGONAL, STABLEMAX, MUON, LION, SIGNSGD, ADAM_L2, SGD];

export const cellsOf = ({ lrs, weightDecays }: Method): Cell[] =>
  lrs.flatMap((lr) => weightDecays.map((weightDecay) => ({ lr, weightDecay })));

/** A small version of the published one-layer model, for two cores: modulo 31, 60 % of the pairs, d_model 32. */
export const SETTING = {
  preset: "one-layer",
  data: { prime: 31, trainFraction: 0.6 },
  model: { dModel: 32, dMlp: 64 },
  schedule: { steps: 1000, evalEvery: 10 },
} as const satisfies Omit<RunInput, "optim" | "seed">;
export const TASK = "x + y modulo 31, one layer 32 wide, 60 % of the pairs, 1,000 updates";
