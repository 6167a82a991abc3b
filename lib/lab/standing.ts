/** How runs stand in an experiment, one that the lab has or any other: `standingSql`, run by run. What is left to do follows from it. */
import { type RunSpec, specHash } from "../run/spec.ts";
import type { Run } from "../train/train.ts";
import { type Experiment, namedRule } from "./experiment.ts";
import type { Left } from "./forecast.ts";
import { milestoneRow } from "./milestones.ts";
import { standingSql } from "./standing_sql.ts";
import type { Lab } from "./store.ts";

/** A run as its experiment sees it: one that a sweep trains, that was done before, or that another process trains. */
export interface SweptRun extends Pick<Run, "spec" | "status" | "step" | "memorisationStep" | "grokkingStep" | "error"> {
  /** Up to which step it is known whether it had grokked. Default: `step`. */
  readonly known?: number;
}

/** How a run stands in an experiment. */
export interface Standing {
  readonly run: SweptRun;
  readonly hash: string;
  /** Whether nothing of it is left to do: it did all the steps, diverged, or came to where the experiment ends a run that has grokked. */
  readonly ended: boolean;
  /** Whether it can be trained here: it hasn't ended, and no other process has it. */
  readonly open: boolean;
}

/** A run that the lab doesn't have. */
export const unknown = (spec: RunSpec): SweptRun => ({ spec, status: "waiting", step: 0, memorisationStep: null, grokkingStep: null });

/** The runs of an experiment as the lab has them, `waiting` where it doesn't. */
export const standing = (lab: Lab, experiment: Experiment): Standing[] => experiment.runs.map((spec) => standingOf(lab, experiment, spec));

/** What is left to do of an experiment's runs, of those that the lab has and those that it doesn't. */
export const left = (lab: Lab, experiment: Experiment): Left[] =>
  standing(lab, experiment).filter(({ open }) => open).map(({ run: { spec, step } }) => ({ spec, updates: spec.schedule.steps - step }));

/**
 * The experiment with as many steps of each run as the lab's experiment of its name has, where that has more; itself where it has no more
 * of any.
 */
export function asPlanned(lab: Lab, experiment: Experiment): Experiment {
  const least = experiment.runs.reduce((steps, { schedule }) => Math.min(steps, schedule.steps), Infinity);
  const rows = lab.query<{ hash: string; steps: number }>(
    `SELECT hash, m.steps AS steps FROM members m JOIN experiments e ON e.id = m.experiment JOIN runs r ON r.id = m.run
     WHERE e.name = ? AND m.steps > ?`,
    ...[experiment.name, least],
  );
  if (rows.length === 0) return experiment;
  const planned = new Map(rows.map(({ hash, steps }) => [hash, steps]));
  const runs = experiment.runs.map((spec) => {
    const steps = planned.get(specHash(spec)) ?? 0;
    return steps > spec.schedule.steps ? { ...spec, schedule: { ...spec.schedule, steps } } : spec;
  });
  return runs.every((spec, i) => spec === experiment.runs[i]) ? experiment : { ...experiment, runs };
}

const of = (which: string) =>
  `SELECT NULL AS experiment, ?1 AS rule, CAST(?2 AS INTEGER) AS times, CAST(?3 AS INTEGER) AS margin, CAST(?4 AS INTEGER) AS max_steps,
     id AS run FROM runs WHERE ${which} = ?5`;
/** Milestones that aren't stored, as three more parameters. */
const GIVEN = `JOIN (SELECT 1 AS run, NULL AS dips, NULL AS dip_depth, NULL AS time_below, CAST(?6 AS INTEGER) AS memorisation_step,
  CAST(?7 AS INTEGER) AS grokking_step, CAST(?8 AS INTEGER) AS last_step) s`;
const SELECT = `SELECT run AS id, hash, t.status, done, known_until, memorisation_step, grokking_step, t.session, t.error, ended,
  NOT judged AND NOT t.thinned AND trained > 0 AS judgeable FROM standing t JOIN runs r ON r.id = t.run`;
const BY_ID = `${standingSql(of("id"))} ${SELECT}`, BY_HASH = `${standingSql(of("hash"))} ${SELECT}`;
const JUDGED = `${standingSql(of("id"), GIVEN)} ${SELECT}`;

type Seen = {
  readonly id: number;
  readonly hash: string;
  readonly status: Run["status"];
  readonly done: number;
  readonly known_until: number;
  readonly memorisation_step: number | null;
  readonly grokking_step: number | null;
  readonly session: number | null;
  readonly error: string | null;
  readonly ended: number;
  readonly judgeable: number;
};

/**
 * How a run stands in an experiment, which need not be in the lab.
 * @param id the run's, where it is known.
 */
export function standingOf(lab: Lab, { rule = "first", margin = null }: Experiment, spec: RunSpec, id?: number): Standing {
  const named = namedRule(rule), asked = [named.name, named.times, margin, spec.schedule.steps];
  let [seen] = id === undefined ? lab.query<Seen>(BY_HASH, ...asked, specHash(spec)) : lab.query<Seen>(BY_ID, ...asked, id);
  if (!seen) return { run: unknown(spec), hash: specHash(spec), ended: false, open: true };
  if (seen.judgeable === 1) {
    // By a rule that the lab doesn't have yet.
    const { memorisation_step, grokking_step, last_step } = milestoneRow(lab.metrics(seen.id), named);
    [seen] = lab.query<Seen>(JUDGED, ...asked, seen.id, memorisation_step, grokking_step, last_step);
  }
  const { hash, status, done: step, known_until: known, memorisation_step, grokking_step, session, error, ended } = seen;
  const run = {
    spec,
    status: status === "training" ? "elsewhere" as const : status,
    ...{ step, known, memorisationStep: memorisation_step, grokkingStep: grokking_step },
    ...status === "failed" && error !== null && { error },
  };
  return { run, hash, ended: ended === 1, open: ended === 0 && session === null };
}
