/**
 * Shortcuts to grokking against one tuned baseline, in small networks: each method's learning rate and weight decay are tuned on separate
 * seeds, with the same number of runs per method; then the best cell of each is run on the test seeds.
 */
import { type Experiment, grid, type NamedRule, range } from "../../lab/experiment.ts";
import {
  BASELINE,
  type Cell,
  cellsOf,
  GROKFAST_EMA,
  GROKFAST_MA,
  type Method,
  MUON,
  SETTING,
  SHORTCUT_METHODS,
  TOGETHER,
  WITHOUT_DECAY,
} from "./methods.ts";

/** Seeds of the tuning and of the test, with none in common. */
export const TUNING_SEEDS = range(100, 102);
export const TEST_SEEDS = range(12);

const runsOf = (method: Method, cells: readonly Cell[], seed: readonly number[]) =>
  cells.map((cell) => ({ ...SETTING, optim: method.optim(cell), seed: [...seed] }));

/**
 * The definition of Tveit et al. (2025, "Muon Optimizer Accelerates Grokking", arXiv 2504.16041): the first evaluation with at least 95 %
 * of the validation pairs right. Few of these small networks pass 99 % (382 of 385 pairs) within so few updates, so a stricter rule could
 * hardly separate methods.
 */
export const REACHED: NamedRule = { name: "reached_95", accuracy: 0.95, inclusive: true, times: 1 };

/** A run ends once it has grokked. */
const experiment = (name: string, question: string, runs: ReturnType<typeof runsOf>): Experiment => ({
  name,
  question,
  rule: REACHED,
  margin: 0,
  keep: "nothing",
  runs: grid(...runs),
});

export const SHORTCUTS_TUNING: Experiment = experiment(
  "shortcuts_tuning",
  "At which learning rate and weight decay does each method grok soonest, on two seeds?",
  [BASELINE, ...SHORTCUT_METHODS, TOGETHER, ...WITHOUT_DECAY].flatMap((method) => runsOf(method, cellsOf(method), TUNING_SEEDS)),
);

/** The best cell of each method, from its tuning (`tuning`); a test checks them against the recorded runs. */
export const CHOSEN: Readonly<Record<string, Cell>> = {
  "AdamW": { lr: 0.03, weightDecay: 1 },
  "Grokfast-EMA": { lr: 0.03, weightDecay: 1 },
  "Grokfast-MA": { lr: 0.03, weightDecay: 3 },
  "OrthoGrad": { lr: 0.01, weightDecay: 0 },
  "StableMax": { lr: 0.1, weightDecay: 1 },
  "Muon": { lr: 0.1, weightDecay: 0.3 },
  "Lion": { lr: 0.01, weightDecay: 3 },
  "SignSGD": { lr: 0.01, weightDecay: 0.3 },
  "Adam with L2": { lr: 0.01, weightDecay: 0.001 },
  "SGD": { lr: 0.3, weightDecay: 0.001 },
  "Muon + Grokfast": { lr: 0.03, weightDecay: 0.3 },
  "AdamW, no decay": { lr: 0.03, weightDecay: 0 },
  "OrthoGrad, no decay": { lr: 0.01, weightDecay: 0 },
  "StableMax, no decay": { lr: 0.01, weightDecay: 0 },
};

/** A method at the cell that its tuning chose. */
export interface Chosen {
  readonly method: Method;
  readonly cell: Cell;
}

/** The methods with a cell in `CHOSEN`: only these are tested. */
export const withCell = (methods: readonly Method[]): Method[] => methods.filter(({ name }) => Object.hasOwn(CHOSEN, name));

/** @throws Error for a method without a cell in `CHOSEN`. */
export function chosen(method: Method): Chosen {
  if (withCell([method]).length > 0) return { method, cell: CHOSEN[method.name] };
  throw new Error(
    `Cannot test ${method.name}: CHOSEN in lib/studies/shortcuts/experiments.ts must have the best cell of its tuning, current value is none`,
  );
}

/** What the test runs, of those methods that have a cell. */
export const testOf = (methods: readonly Method[]): ReturnType<typeof runsOf> =>
  withCell(methods).map(chosen).flatMap(({ method, cell }) => runsOf(method, [cell], TEST_SEEDS));

export const SHORTCUTS: Experiment = experiment(
  "shortcuts",
  "Which methods grok sooner than AdamW, each at its best cell, on twelve seeds that weren't tuned on?",
  testOf([BASELINE, ...SHORTCUT_METHODS]),
);

/** The second question: do the best two add up, and what do the methods without weight decay do without it? */
export const SHORTCUTS_MORE: Experiment = experiment(
  "shortcuts_more",
  "Do Muon and Grokfast-EMA add up, and do StableMax and ⊥Grad grok without weight decay where AdamW doesn't?",
  testOf([TOGETHER, ...WITHOUT_DECAY]),
);

/** One cell for all methods, at which AdamW memorises early and has a long delay: papers often compare so, at the baseline's settings. */
export const WAITING: Cell = { lr: 0.01, weightDecay: 1 };
export const AT_WAITING: readonly Chosen[] = [BASELINE, GROKFAST_EMA, GROKFAST_MA, MUON].map((method) => ({ method, cell: WAITING }));

export const SHORTCUTS_WAITING: Experiment = experiment(
  "shortcuts_waiting",
  "Do Grokfast and Muon grok sooner than AdamW at the same settings, where AdamW's networks wait long?",
  AT_WAITING.flatMap(({ method, cell }) => runsOf(method, [cell], TEST_SEEDS)),
);
