/** What commands and notebooks show of a lab: its experiments and its tables. */
import { inOneLine } from "../run/quote.ts";
import type { Lab } from "./store.ts";

/** A query for one row per experiment: how far it is. */
export const OVERVIEW = `SELECT experiment, n_runs AS runs, n_ended AS ended, n_grokked AS grokked, n_never AS never,
  n_diverged AS diverged, n_open AS open, median_grokking_step AS "median step" FROM experiment_overview`;

/** Whether the lab has any experiment. */
export const hasExperiments = (lab: Lab): boolean => lab.query("SELECT 1 FROM experiments LIMIT 1").length > 0;

/** The id of an experiment. @throws Error in one line where there is none of this name. */
export function experimentId(lab: Lab, name: string): number {
  const all = lab.query<{ id: number; name: string }>("SELECT id, name FROM experiments ORDER BY name"),
    found = all.find((row) => row.name === name);
  if (found) return found.id;
  const names = all.map(({ name }) => name).join(", ");
  throw new Error(`Cannot find experiment ${inOneLine(name)} in ${lab.path}: it must be one of ${names || "those in it, there are none"}`);
}

/** A table or a view that can be asked. */
export interface Relation {
  readonly name: string;
  readonly type: "table" | "view";
  /** Its columns, with commas between. */
  readonly columns: string;
}

/** All tables, then all views. */
export const relations = (lab: Lab): Relation[] =>
  lab.query<{ name: string; type: "table" | "view"; columns: string }>(
    `SELECT s.name, s.type, group_concat(c.name, ', ' ORDER BY c.cid) AS columns FROM sqlite_schema s, pragma_table_xinfo(s.name) c
     WHERE s.type IN ('table', 'view') AND s.name NOT LIKE 'sqlite_%' GROUP BY s.name ORDER BY s.type, s.rowid`,
  );
