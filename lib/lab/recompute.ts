/** Milestones and phases computed anew, from what is stored. */
import { accuraciesOf } from "./check/runs.ts";
import { type NamedRule, namedRule } from "./experiment.ts";
import type { Lab } from "./store.ts";

export interface Recomputed {
  /** Runs whose milestones were computed, those among them in which something changed, and those that keep what they were imported with. */
  readonly runs: number;
  readonly changed: number;
  readonly thinned: number;
}

/**
 * Computes all milestones and phases from the evaluations anew, with a new rule if one is given. @throws Error where a rule of its name has
 * other thresholds.
 */
export function recompute(lab: Lab, rule?: NamedRule): Recomputed {
  const stored = (run: number) =>
    JSON.stringify(["milestones", "phases"].map((table) => lab.query(`SELECT * FROM ${table} WHERE run = ? ORDER BY rule`, run)));
  return lab.write(() => {
    if (rule) lab.rule(namedRule(rule));
    const runs = lab.query<{ id: number }>("SELECT id FROM runs WHERE NOT thinned AND EXISTS (SELECT 1 FROM metrics WHERE run = id)");
    const changed = runs.filter(({ id }) => {
      const before = stored(id);
      lab.putMilestones(id, accuraciesOf(lab.evaluations(id)));
      return stored(id) !== before;
    });
    const [{ thinned }] = lab.query<{ thinned: number }>("SELECT count(*) AS thinned FROM runs WHERE thinned");
    return { runs: runs.length, changed: changed.length, thinned };
  });
}
