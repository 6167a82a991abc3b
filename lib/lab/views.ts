/** The views of the lab's database: runs as experiments see them, and the cells of maps. */
import { columnOf, ENTRIES, followers } from "../run/fields.ts";
import { DEPARTURE } from "../run/phases.ts";
import { standingSql } from "./standing_sql.ts";

/** The columns of the fields that usually follow from others, and that `setting` leaves out for that. */
const FOLLOWING = ENTRIES.filter(({ part, field }) => field.follows === "width" || (part === "schedule" && !field.extent))
  .map(columnOf).join(", ");

/**
 * The order in which, of the rows that `run_summary` has of a run, that of the experiment comes first that watches it longest; of those
 * that watch it equally long, one with the rule `sustained`.
 */
export const LONGEST_FIRST = "max_steps DESC, rule = 'sustained' DESC, experiment";

/** Where the transition of a row `t` began, from the evaluations within its steps, as `phaseEdges` finds it. */
const TRANSITION_WITHIN = `
        SELECT min(m.step) FROM metrics m JOIN metrics plateau ON plateau.run = m.run AND plateau.step = t.memorisation_step
        WHERE m.run = t.run AND m.step > t.memorisation_step AND m.step <= t.max_steps
          AND m.val_acc > plateau.val_acc + ${DEPARTURE} * (u.accuracy - plateau.val_acc)`;

/**
 * A run, as an experiment sees it: by its rule and margin, and no further than its steps; what the columns mean: `standingSql`. A rule of
 * ten evaluations in a row dates the first of them, and so can't tell of the last nine: `known_until` is the step up to which it is known
 * whether a run had grokked, the one at which its time is censored. `transition_step` is that of `edgesWithin`.
 */
const RUN_SUMMARY = `
CREATE VIEW run_summary AS${
  standingSql(`
  SELECT e.name AS experiment, e.rule, u.times, e.margin, m.steps AS max_steps, m.run
  FROM members m JOIN experiments e ON e.id = m.experiment JOIN rules u ON u.name = e.rule`)
},
seen AS (
  SELECT t.*,
    CASE
      -- Where it is stored as the grokking step, or not apart from it, and that isn't seen within the steps, evaluations tell.
      WHEN t.grokking_step IS NULL AND p.generalised_step IS NOT NULL AND coalesce(p.transition_step = p.generalised_step, TRUE)
        THEN CASE WHEN NOT t.thinned THEN (${TRANSITION_WITHIN}) END
      WHEN p.transition_step <= t.max_steps THEN p.transition_step
    END AS transition_step,
    (SELECT max(step) FROM metrics WHERE run = t.run AND step <= t.max_steps) AS final_step,
    -- Of the processor engine, the driver alone says all that bits depend on.
    (SELECT count(DISTINCT CASE engine WHEN 'cpu' THEN driver ELSE adapter || '; ' || driver END) FROM work w JOIN sessions q ON q.id = w.session JOIN environments v ON v.id = q.environment
      WHERE w.run = t.run) AS n_adapters
  FROM standing t JOIN rules u ON u.name = t.rule LEFT JOIN phases p ON p.run = t.run AND p.rule = t.rule
)
SELECT
  experiment, r.id AS run, hash, seed, operation, prime, train_fraction, layers, d_model, heads, ${FOLLOWING}, ratio, parameters, lr, weight_decay, batch,
  seen.status, state, ended,
  grokking_step IS NOT NULL AS grokked,
  grokking_step IS NULL AS censored,
  memorisation_step,
  transition_step,  -- NULL also where it isn't known: of results that were imported without it, or with a part of their evaluations
  grokking_step,
  grokking_step - memorisation_step AS delay,  -- negative where it grokked first
  watched_until, known_until, max_steps, seen.rule,
  dips, dip_depth, time_below,
  f.train_loss AS final_train_loss, f.train_acc AS final_train_acc, f.val_loss AS final_val_loss, f.val_acc AS final_val_acc,
  f.weight_norm AS final_weight_norm,
  -- All other fields that could make a difference, as JSON: it is the same all over a map of widths, moduli and weight decays.
  json_remove(r.spec, ${
  ["seed", "schedule", "data.prime", "optim.weightDecay", "model.dModel", ...followers("width")].map((path) => `'$.${path}'`)
}) AS setting,
  n_adapters  -- on how many different ones it was trained: where more than one, no single machine repeats its bits
FROM seen JOIN runs r ON r.id = seen.run LEFT JOIN metrics f ON f.run = seen.run AND f.step = seen.final_step;
`;

/**
 * Counts and steps over the runs of a cell; `n_ended` of them have nothing left to do. The median and the restricted mean count what never
 * grokked: in the median as later than all that did (NULL where half never did), in the restricted mean with `restricted_to`, the last step
 * up to which it is known of every run whether it had grokked; one that grokked later enters with it, too. `mean_grokked_step` and
 * `mean_memorisation_step` leave out what didn't, and are too small wherever something is. While runs are open, those that have ended are
 * the ones that grokked early: the share and the restricted mean are NULL then, and so is the median as long as the open ones could change
 * it.
 */
const statistics = `
  count(*) AS n_runs,
  sum(state = 'grokked') AS n_grokked,
  sum(state = 'never') AS n_never,
  sum(state = 'diverged') AS n_diverged,
  sum(state = 'open') AS n_open,
  sum(ended) AS n_ended,
  CASE WHEN sum(state = 'open') = 0 THEN round(100.0 * avg(state = 'grokked'), 1) END AS pct_grokked,
  min(grokking_step) AS min_grokking_step,
  CASE WHEN sum(state = 'grokked') > count(*) / 2 AND
    coalesce(min(CASE WHEN state = 'open' THEN known_until END) >= max(CASE WHEN 2 * place <= runs + 2 THEN grokking_step END), TRUE)
    THEN avg(CASE WHEN 2 * place IN (runs, runs + 1, runs + 2) THEN grokking_step END) END AS median_grokking_step,
  max(grokking_step) AS max_grokking_step,
  avg(grokking_step) AS mean_grokked_step,
  CASE WHEN sum(state = 'open') = 0 THEN avg(min(coalesce(grokking_step, horizon), horizon)) END AS restricted_mean_step,
  CASE WHEN sum(state = 'open') = 0 THEN min(horizon) END AS restricted_to,
  avg(memorisation_step) AS mean_memorisation_step`;

/**
 * Runs with their place in their cell, grokked ones in the order of their steps, then the others; `runs` is how many there are, `horizon`
 * the last step up to which it is known of each whether it had grokked. One that diverged never does.
 */
const placed = (cell: string, from: string) => `
  SELECT *, row_number() OVER (PARTITION BY ${cell} ORDER BY grokking_step IS NULL, grokking_step) AS place, count(*) OVER (PARTITION BY ${cell}) AS runs,
    min(CASE state WHEN 'never' THEN known_until ELSE max_steps END) OVER (PARTITION BY ${cell}) AS horizon
  FROM ${from}`;

/** A view with a row for each cell: for runs that have the values of some columns in common, and those of `FOLLOWING` and `setting`. */
const cells = (name: string, columns: string, from: string) => `
CREATE VIEW ${name} AS
SELECT ${columns}, ${statistics}, ${FOLLOWING}, setting
FROM (${placed(`${columns}, ${FOLLOWING}, setting`, from)})
GROUP BY ${columns}, ${FOLLOWING}, setting;`;

/** The views by their names, in the order in which they are made. */
export const VIEWS: Readonly<Record<string, string>> = {
  run_summary: RUN_SUMMARY,
  // The settings of each experiment: the runs of a row have everything in common but their seeds.
  ratio_sweep_stats: cells("ratio_sweep_stats", "experiment, operation, weight_decay, prime, d_model, ratio, max_steps", "run_summary"),
  // The same over all experiments, by rule.
  phase_boundary: cells(
    "phase_boundary",
    "operation, prime, train_fraction, layers, lr, weight_decay, ratio, d_model, rule, max_steps",
    `(
  -- A run that several experiments share counts once, as the one sees it that watches it longest.
  SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY run ORDER BY ${LONGEST_FIRST}) AS view FROM run_summary) WHERE view = 1)`,
  ),
  experiment_overview: `
CREATE VIEW experiment_overview AS
SELECT e.name AS experiment, e.question, (SELECT group_concat(key, ', ') FROM json_each(e.swept)) AS swept, e.rule, max(max_steps) AS max_steps,
  ${statistics}
FROM experiments e JOIN (${placed("experiment", "run_summary")}) s ON s.experiment = e.name
GROUP BY e.id ORDER BY e.id;`,
  // Where an experiment's numbers come from: one row for each environment that trained runs of it.
  provenance: `
CREATE VIEW provenance AS
SELECT e.name AS experiment, v.adapter, v.driver, v.software, v.processor, v.cores, v.engine, v.deno, v."commit",
  count(DISTINCT w.run) AS n_runs, sum(w.to_step - w.from_step) AS updates, round(sum(w.seconds), 1) AS run_seconds,
  min(s.started_at) AS first_at, max(coalesce(s.ended_at, s.seen_at)) AS last_at
FROM experiments e
JOIN members m ON m.experiment = e.id
JOIN work w ON w.run = m.run
JOIN sessions s ON s.id = w.session
JOIN environments v ON v.id = s.environment
GROUP BY e.id, v.id ORDER BY e.id, first_at;`,
};
