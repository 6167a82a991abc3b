/**
 * How a run stands in an experiment, in SQL: the only place that says so. The view `run_summary` is made of it, and `standing` queries it
 * for experiments that the lab may not have.
 */
import { DECISION } from "../train/train.ts";

/**
 * The beginning of a statement (`WITH …`) that defines a table `standing`, a row for each row of `asked`. A run is seen by the
 * experiment's rule and margin and no further than its steps, whoever trained it and for how long:
 *
 * - `memorisation_step`, `grokking_step`: within the steps; with a rule of several evaluations in a row, all of these within the steps.
 * - `watched_until`: the last step that was seen.
 * - `known_until`: the last evaluation that the rule can judge, 0 without one: with a rule of ten in a row, the tenth from the end. Up to
 *   it, it is known whether the run had grokked.
 * - `done`: updates done and stored, of those that the experiment asks for.
 * - `state`: `grokked`, `never` (watched to the end), `diverged` (its loss stopped being a number within the steps) or `open`.
 * - `status`: `waiting`, `training`, `stopped`, `finished` (did all the steps), `grokked` (came to where this experiment ends a run that
 *   has grokked), `failed`. A run that another experiment ended earlier, or by a rule that isn't this one's, is `stopped`.
 * - `ended`: whether nothing of it is left to do.
 *
 * A run of which the lab has no milestones by the rule, which happens where it was imported with a part of its evaluations, isn't judged:
 * it is as if nothing of it had been done, unless it diverged.
 * @param asked SQL of rows (experiment, rule, times, margin, max_steps, run): what is asked of which run.
 * @param milestones where its milestones come from: a table `s`, joined to `asked a` and `runs r`.
 */
export const standingSql = (asked: string, milestones = "LEFT JOIN milestones s ON s.run = a.run AND s.rule = a.rule"): string => `
WITH asked AS (${asked}),
cut AS (
  SELECT a.*, r.status AS stored_status, r.step AS trained, r.session, r.error, r.thinned, s.run IS NOT NULL AS judged,
    r.status = 'failed' AND r.step <= a.max_steps AS broke,
    (a.times - 1) * r.eval_every AS lookahead,
    -- Where a run may end early: at multiples of this.
    r.eval_every * ((${DECISION - 1} + r.eval_every) / r.eval_every) AS stride,
    CASE WHEN s.memorisation_step <= a.max_steps THEN s.memorisation_step END AS memorisation_step,
    -- Of several evaluations in a row the last may be the one at the end, closer to the others.
    CASE WHEN s.last_step <= a.max_steps OR s.grokking_step + (a.times - 1) * r.eval_every <= a.max_steps THEN s.grokking_step END
      AS grokking_step,
    s.last_step,
    -- One that broke off later had all of the steps.
    CASE WHEN r.status = 'failed' AND r.step > a.max_steps THEN a.max_steps ELSE min(coalesce(s.last_step, 0), a.max_steps) END
      AS watched_until,
    -- All evaluations but a run's last are at multiples of eval_every.
    max(0, CASE WHEN s.last_step > a.max_steps THEN a.max_steps / r.eval_every * r.eval_every WHEN a.times = 1 THEN coalesce(s.last_step, 0)
      ELSE (coalesce(s.last_step, 0) + r.eval_every - 1) / r.eval_every * r.eval_every END - (a.times - 1) * r.eval_every) AS known_until,
    -- Of all evaluations; what came after the experiment's steps isn't its business.
    CASE WHEN s.last_step <= a.max_steps THEN s.dips END AS dips,
    CASE WHEN s.last_step <= a.max_steps THEN s.dip_depth END AS dip_depth,
    CASE WHEN s.last_step <= a.max_steps THEN s.time_below END AS time_below
  FROM asked a JOIN runs r ON r.id = a.run ${milestones}
),
-- The first step at which the experiment would end it because it has grokked; NULL where it never would.
ending AS (
  SELECT *,
    -- A part of the evaluations may have been judged by this rule before longer results came.
    CASE WHEN NOT judged THEN 0 WHEN thinned AND NOT broke THEN min(trained, last_step, max_steps) ELSE min(trained, max_steps) END AS done,
    (grokking_step + max(margin, lookahead) + stride - 1) / stride * stride AS early
  FROM cut
),
ended AS (
  SELECT *, broke AND coalesce(early >= trained, TRUE) AS diverged,
    -- Or it ended so elsewhere, when it had gone on for as long as is wanted here.
    coalesce(early <= done - broke OR stored_status = 'grokked' AND done - grokking_step >= margin, FALSE) AS ended_early
  FROM ending
),
standing AS (
  SELECT *,
    CASE WHEN grokking_step IS NOT NULL THEN 'grokked' WHEN diverged THEN 'diverged' WHEN done >= max_steps THEN 'never' ELSE 'open' END AS state,
    CASE WHEN diverged THEN 'failed' WHEN ended_early AND (trained < max_steps OR broke) THEN 'grokked' WHEN done >= max_steps THEN 'finished'
      WHEN session IS NOT NULL THEN 'training' WHEN stored_status IN ('finished', 'grokked', 'failed') THEN 'stopped'
      ELSE stored_status END AS status,
    diverged OR ended_early OR done >= max_steps AS ended
  FROM ended
)`;
