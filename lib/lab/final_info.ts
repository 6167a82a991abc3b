/**
 * An experiment's results as the AI-Scientist's grokking template writes them (`final_info.json`), so that what reads its files reads ours,
 * and beside its figures, whose conventions are its own, figures that count what never grokked as what it is.
 */
import { medianBounds } from "../analysis/runs/follow_up.ts";
import { OPERATIONS } from "../run/operations.ts";
import type { Lab } from "./store.ts";

/** What the template gives of a run, in its order. */
const KEYS = ["parameter_count", "final_train_loss", "final_val_loss", "final_train_acc", "final_val_acc", "step_val_acc_99"] as const;

/** A run's figures; `null` where a final one isn't known. */
type Figures = Readonly<Record<(typeof KEYS)[number], number | null>>;
type Ended = Figures & {
  readonly grokking_step: number | null;
  /** Where its experiment ended it, by its own rule, before it had a grokking step by the template's; `null` where it didn't. */
  readonly censored_at: number | null;
  readonly max_steps: number;
  readonly diverged: number;
  readonly setting: string;
};
type Selected = Ended & { readonly operation: string; readonly ended: number };

/** The template's order; other operations follow in that of `OPERATIONS`. */
const FIRST = ["x_div_y", "x_minus_y", "x_plus_y", "permutation"];
const ORDER = [...FIRST, ...Object.keys(OPERATIONS).filter((name) => !FIRST.includes(name))];

/** What a reader must know of the template's figures, of where ours differ, and of those beside them. */
const CONVENTIONS = {
  keys:
    "means, stderrs and final_info_dict have the keys and conventions of the AI-Scientist's grokking template, for comparison with what was " +
    "published in them. They are not this project's own.",
  step_val_acc_99:
    "The first evaluation with a validation accuracy above 0.99. A run that has none enters with the number of its updates, as in " +
    "the template: the means are too small wherever there are such runs. One that its experiment ended early, by a rule of its own, before " +
    "it had one, enters with the updates that it was to have: how far its mean is off, and in which direction, isn't known then.",
  stderrs: "The standard deviation of the population divided by n, as in the template, and not by the square root of n: too small.",
  final:
    "The last evaluation, on the whole train and validation sets. The template has one sampled snapshot: the mean over the last 10 training " +
    "batches as they were in flight, and 8 x 512 draws from the validation set.",
  diverged: "A run whose loss stopped being a number enters with its last finite evaluation, and as one that never grokked.",
  null: "Not known for every run that enters.",
  honest:
    "n_never: runs that were watched to the end without a step_val_acc_99; n_diverged of them broke off. n_censored: runs without one that " +
    "their experiment ended early, because they had grokked by its own rule: theirs would come later, if at all. The median counts those that " +
    "never had one as later than all others, and is null where half or more of the runs are such, or where the censored ones could change " +
    "it. The restricted mean counts every run with at most restricted_to updates, for which all of them were watched: where runs are " +
    "censored, no more than the earliest of these had. " +
    "Standard errors: the standard deviation of the sample divided by the square root of n; null for a single run. settings: in how many ways the " +
    "runs differ beside their seed; if more than 1, these are figures over different settings.",
} as const;

export interface FinalInfoOptions {
  /** An SQL condition on the columns of `run_summary`, e.g. `layers = 1 AND d_model = 128`. Default: all runs of the experiment. */
  readonly where?: string;
}

/**
 * By operation `means`, `stderrs` and `final_info_dict` as the template gives them, and `honest` figures; under `_conventions` what they
 * mean. Runs that haven't ended are left out and counted there.
 * @throws Error in one line where there is no such experiment, the condition isn't one, or no run that it selects has ended.
 */
export function finalInfo(lab: Lab, experiment: string, { where = "1" }: FinalInfoOptions = {}): Readonly<Record<string, object>> {
  const fail = (what: string): never => {
    throw new Error(`Cannot give the final info of ${experiment}: ${what}`);
  };
  const names = lab.query<{ name: string }>("SELECT name FROM experiments ORDER BY name").map(({ name }) => name);
  if (!names.includes(experiment)) fail(`it must be one of ${names.join(", ") || `those in ${lab.path}, there are none`}`);
  try {
    // By itself and in parentheses, so that it is one condition, and neither a part of one nor more.
    for (const condition of [where, `(${where}\n)`]) lab.columns(`SELECT 1 FROM run_summary WHERE ${condition}`);
  } catch (error) {
    fail(`where must be a condition on the columns of run_summary, current value is ${JSON.stringify(where)}: ${(error as Error).message}`);
  }
  const runs = select(lab, experiment, where);
  const ended = runs.filter((run) => run.ended), open = runs.length - ended.length;
  if (ended.length === 0) fail(`it must have a run that has ended, current value is ${open} open of ${runs.length}, where ${where}`);
  const cells = Map.groupBy(ended, ({ operation }) => operation);
  return {
    // The template's readers take the means of whatever they find.
    _conventions: { means: {}, stderrs: {}, final_info_dict: {}, text: CONVENTIONS, open_runs_left_out: open },
    ...Object.fromEntries(ORDER.flatMap((operation) => cells.has(operation) ? [[operation, cell(cells.get(operation)!)]] : [])),
  };
}

/** The runs of an experiment, by seed: grokking by the template's rule, whatever the experiment's is; ended as the experiment sees it. */
const select = (lab: Lab, experiment: string, where: string) =>
  lab.query<Selected>(
    `SELECT s.operation, s.max_steps, m.grokking_step, json_remove(r.spec, '$.seed') AS setting, s.status = 'failed' AS diverged, s.ended,
       CASE WHEN m.grokking_step IS NULL AND s.status = 'grokked' THEN s.watched_until END AS censored_at,
       s.parameters AS parameter_count, s.final_train_loss, s.final_val_loss, s.final_train_acc, s.final_val_acc,
       coalesce(m.grokking_step, s.max_steps) AS step_val_acc_99
     FROM (SELECT * FROM run_summary WHERE experiment = ? AND (${where}\n)) s
     JOIN runs r ON r.id = s.run
     LEFT JOIN milestones m ON m.run = s.run AND m.rule = 'first' AND m.grokking_step <= s.max_steps
     ORDER BY s.seed, s.hash`,
    experiment,
  );

function cell(runs: readonly Ended[]): object {
  const lists = Object.fromEntries(KEYS.map((key) => [key, runs.map((run) => run[key])]));
  const each = (suffix: string, of: (values: readonly number[]) => number) =>
    Object.fromEntries(KEYS.map((key) => [`${key}_${suffix}`, known(lists[key], of)]));
  return {
    means: each("mean", mean),
    stderrs: each("stderr", (values) => deviation(values, values.length) / values.length),
    final_info_dict: lists,
    honest: honest(runs),
  };
}

function honest(runs: readonly Ended[]): object {
  const steps = runs.map((run) => run.grokking_step), n = runs.length;
  const censored = runs.flatMap((run) => run.censored_at ?? []);
  const until = Math.min(...runs.map((run) => run.max_steps), ...censored);
  const restricted = steps.map((step) => Math.min(step ?? Infinity, until));
  const grokked = steps.filter((step) => step !== null).length, never = n - grokked - censored.length;
  const { least, most } = medianBounds(runs.map((run) => ({ grokked: run.grokking_step, known: run.censored_at ?? Infinity })));
  const error = (values: readonly (number | null)[]) => n < 2 ? null : known(values, (all) => deviation(all, n - 1) / Math.sqrt(n));
  return {
    ...{ n, n_grokked: grokked, n_never: never, n_diverged: runs.filter((run) => run.diverged && run.grokking_step === null).length },
    n_censored: censored.length,
    settings: new Set(runs.map(({ setting }) => setting)).size,
    median_grokking_step: least === most && Number.isFinite(most) ? most : null,
    restricted_mean_step: mean(restricted),
    restricted_to: until,
    standard_errors: {
      ...Object.fromEntries(KEYS.filter((key) => key.startsWith("final_")).map((key) => [key, error(runs.map((run) => run[key]))])),
      restricted_mean_step: error(restricted),
    },
  };
}

const known = (values: readonly (number | null)[], of: (values: readonly number[]) => number): number | null =>
  values.every((value) => value !== null) ? of(values) : null;

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The root of the squares' sum divided by `n`: the values' number for a population, one less for a sample. */
function deviation(values: readonly number[], n: number): number {
  const centre = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / n);
}
