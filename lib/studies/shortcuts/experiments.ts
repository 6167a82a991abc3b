/**
 * Shortcuts to grokking under one matched baseline, in small: each method's learning rate and weight decay tuned on seeds of their own,
 * with as many runs for each method; then the best cell of each on other seeds.
 */
import { type Experiment, grid, range } from "../../lab/experiment.ts";
import { BASELINE, type Cell, cellsOf, type Method, SETTING, SHORTCUT_METHODS } from "./methods.ts";

/** Seeds of the tuning, and of the test: none in common. */
export const TUNING_SEEDS = range(100, 103);
export const TEST_SEEDS = range(12);

const runsOf = (method: Method, cells: readonly Cell[], seed: readonly number[]) =>
  cells.map((cell) => ({ ...SETTING, optim: method.optim(cell), seed: [...seed] }));

/** A run ends once it has grokked. */
const experiment = (name: string, question: string, runs: ReturnType<typeof runsOf>): Experiment => ({
  name,
  question,
  rule: "first",
  margin: 0,
  keep: "nothing",
  runs: grid(...runs),
});

export const SHORTCUTS_TUNING: Experiment = experiment(
  "shortcuts_tuning",
  "At which learning rate and weight decay does each method grok soonest, on three seeds?",
  [BASELINE, ...SHORTCUT_METHODS].flatMap((method) => runsOf(method, cellsOf(method), TUNING_SEEDS)),
);
