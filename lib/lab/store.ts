/**
 * The lab: one SQLite file with experiments, runs and their evaluations, and beside it a folder with their checkpoints. Opening, declaring and
 * asking; what a sweep writes while it trains is in `session.ts`.
 */
import { basename, dirname, join } from "node:path";
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from "node:sqlite";
import { reason } from "../run/files.ts";
import { parameterCount } from "../run/layout.ts";
import { identity, type RunInput, type RunSpec, runSpec, shapeKey, specHash, stableJson } from "../run/spec.ts";
import type { Metrics } from "../engine/engine.ts";
import { isOlder, openDatabase, prepare } from "./database.ts";
import { checkExperiment, type Experiment, type NamedRule, namedRule } from "./experiment.ts";
import { type Accuracies, RULES, type Stability } from "../run/grokking.ts";
import { milestoneRow, phaseRow } from "./milestones.ts";
import { swept } from "../analysis/runs/settings.ts";

/** A value of a row; what is missing is `null`. */
export type Value = string | number | null;
export type Row = Readonly<Record<string, Value>>;

export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly SQLOutputValue[])[];
}

/** A run as the lab holds it; figures take it for a curve. */
export interface StoredRun {
  readonly id: number;
  readonly spec: RunSpec;
  readonly status: string;
  readonly step: number;
  readonly metrics: readonly Metrics[];
  readonly memorisationStep: number | null;
  readonly grokkingStep: number | null;
  /** Up to which step it is known whether it had grokked: where the rule asks for several evaluations in a row, not the last of them. */
  readonly known: number;
  /** Of all evaluations, also where only a part of them was recorded; `null` where it never grokked. */
  readonly stability: Stability | null;
}

/** What `run_summary` tells of a run's way, and as which figures take it. */
export const MOMENTS = "memorisation_step, grokking_step, known_until, dips, dip_depth, time_below";
export type MomentRow = Record<"memorisation_step" | "grokking_step" | "known_until" | "dips" | "dip_depth" | "time_below", number | null>;

export function moments(row: MomentRow | undefined): Pick<StoredRun, "memorisationStep" | "grokkingStep" | "known" | "stability"> {
  const { memorisation_step = null, grokking_step = null, known_until, dips = null, dip_depth, time_below } = row ?? {};
  return {
    memorisationStep: memorisation_step,
    grokkingStep: grokking_step,
    known: known_until ?? 0,
    stability: grokking_step === null || dips === null ? null : { dips, depth: dip_depth!, timeBelow: time_below! },
  };
}

export class Lab {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  private constructor(readonly path: string, db: DatabaseSync) {
    this.#db = db;
  }

  /**
   * Opens a database, makes it where there is none, and brings an older one up to date. With `readOnly` it has to be there, and nothing else of it
   * can be changed.
   * @throws Error in one line where it can't be, or isn't a database of this lab, or is one of a newer version. The file is left as it is.
   */
  static open(path: string, { readOnly = false }: { readonly readOnly?: boolean } = {}): Lab {
    if (readOnly && isOlder(path)) {
      try {
        Lab.open(path).close();
      } catch {
        // It can't be written: what is said of its version says enough.
      }
    }
    const lab = new Lab(path, openDatabase(path, readOnly));
    try {
      if (!readOnly) lab.completeMilestones();
      return lab;
    } catch (error) {
      lab.close();
      throw error;
    }
  }

  /** The folder of the files of its runs. */
  get folder(): string {
    return join(dirname(this.path), `${basename(this.path).replace(/\.db$/, "")}.files`);
  }

  /** The rows of a query. Parameters take the places of its question marks. @throws Error in one line. */
  query<T extends Row = Row>(sql: string, ...parameters: readonly SQLInputValue[]): T[] {
    try {
      return this.#statement(sql).all(...parameters).map((row) => ({ ...row }) as T);
    } catch (error) {
      throw new Error(`Cannot query ${this.path}: ${reason(error)}`);
    }
  }

  /** The columns of a query and its rows as lists: for many rows, and for columns that share names or hold bytes. @throws Error in one line. */
  table(sql: string, ...parameters: readonly SQLInputValue[]): Table {
    try {
      const statement = prepare(this.#db, sql) as StatementSync & { setReturnArrays(on: boolean): void }; // newer than its types
      statement.setReturnArrays(true);
      // All at once: where something goes wrong between two rows, Deno's iterate() ends as if there were no more (2.9.6).
      const columns = statement.columns().map(({ name }) => name), rows = columns.length > 0 ? statement.all(...parameters) : [];
      return { columns, rows: rows as unknown[] as SQLOutputValue[][] };
    } catch (error) {
      throw new Error(`Cannot query ${this.path}: ${reason(error)}`);
    }
  }

  /** The names of a query's columns, also where there are no rows. */
  columns(sql: string): string[] {
    return this.#statement(sql).columns().map(({ name }) => name);
  }

  /** Changes something; how many rows, and the id of the last one inserted. */
  run(sql: string, ...parameters: readonly SQLInputValue[]): { readonly changes: number; readonly id: number } {
    const { changes, lastInsertRowid } = this.#statement(sql).run(...parameters);
    return { changes: Number(changes), id: Number(lastInsertRowid) };
  }

  /** Reads what belongs together: the database as it is at one moment, whoever writes meanwhile. Nothing is written in it. */
  async read<T>(work: () => T | Promise<T>): Promise<T> {
    this.#db.exec("BEGIN");
    try {
      return await work();
    } finally {
      // Not COMMIT, which a damaged database refuses.
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
    }
  }

  /** Does the work whole or not at all, after whoever writes now. @throws Error in one line; then nothing has changed. */
  write<T>(work: () => T): T {
    if (this.#db.isTransaction) return work();
    try {
      this.#db.exec("BEGIN IMMEDIATE");
      const result = work();
      this.#db.exec("COMMIT");
      return result;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw new Error(`Cannot write to ${this.path}: ${reason(error)}`);
    }
  }

  close(): void {
    this.#statements.clear();
    this.#db.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Enters an experiment and its runs. One of this name that is there already gets the runs that it lacks; what is stored is never taken away.
   * @returns the ids of its runs, in their order.
   * @throws Error where a rule of this name has other thresholds in this database.
   */
  declare(experiment: Experiment): number[] {
    checkExperiment(experiment);
    const { name, question = null, runs, rule = "first", margin = null, keep = "checkpoint" } = experiment;
    const named = namedRule(rule), watch = experiment.watch ? stableJson(experiment.watch) : null;
    return this.write(() => {
      for (const each of [...Object.keys(RULES) as (keyof typeof RULES)[]].map(namedRule)) this.rule(each);
      this.rule(named);
      this.completeMilestones();
      const known = this.query<{ id: number }>("SELECT id FROM experiments WHERE name = ?", name)[0];
      const { id } = known ?? this.run(
        "INSERT INTO experiments (name, question, rule, margin, keep, fixed, swept, declared_at) VALUES (?, ?, ?, ?, ?, '', '', ?)",
        ...[name, question, named.name, margin, keep, new Date().toISOString()],
      );
      this.run(
        "UPDATE experiments SET question = ?, rule = ?, margin = ?, keep = ?, watch = ? WHERE id = ?",
        ...[question, named.name, margin, keep, watch, id],
      );
      const ids = runs.map((spec) => this.enter(spec));
      for (const [i, { schedule: { steps } }] of runs.entries()) {
        this.run(
          `INSERT INTO members VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET steps = excluded.steps WHERE excluded.steps > steps`,
          ...[id, ids[i], steps],
        );
      }
      this.describe(id);
      return ids;
    });
  }

  /** The id of a run, which is entered where it isn't there. */
  enter(spec: RunSpec): number {
    const hash = specHash(spec);
    const known = this.query<{ id: number }>("SELECT id FROM runs WHERE hash = ?", hash)[0];
    return known?.id ??
      this.run(
        "INSERT INTO runs (hash, spec, parameters, shape) VALUES (?, ?, ?, ?)",
        ...[hash, identity(spec), parameterCount(spec), shapeKey(spec)],
      ).id;
  }

  /** Enters a rule. @throws Error where one of this name has other thresholds. */
  rule({ name, accuracy, inclusive, times, memorised }: Required<NamedRule>): void {
    const wanted = { accuracy, inclusive: Number(inclusive), times, memorised };
    const known = this.query("SELECT accuracy, inclusive, times, memorised FROM rules WHERE name = ?", name)[0];
    if (!known) this.run("INSERT INTO rules VALUES (?, ?, ?, ?, ?)", name, ...Object.values(wanted));
    else if (JSON.stringify(known) !== JSON.stringify(wanted)) {
      throw new Error(`rule ${name} must be ${JSON.stringify(known)} as it is stored, current value is ${JSON.stringify(wanted)}`);
    }
  }

  /** Enters what all runs of an experiment share, and in what they differ. It must have at least one. */
  describe(experiment: number): void {
    const specs = this.query<{ id: number; steps: number }>("SELECT run AS id, steps FROM members WHERE experiment = ?", experiment)
      .map(({ id, steps }) => this.spec(id, steps));
    const fields = (spec: RunSpec) =>
      Object.entries(spec).flatMap(([part, value]) =>
        typeof value === "object" ? Object.entries(value as object).map(([field, each]) => [`${part}.${field}`, each]) : [[part, value]]
      );
    const all = specs.map((spec) => Object.fromEntries(fields(spec))), differ = swept(specs);
    const fixed = Object.entries(all[0]).filter(([field, value]) => all.every((each) => each[field] === value));
    const json = [Object.fromEntries(fixed), Object.fromEntries(differ)].map((each) => JSON.stringify(each));
    this.run("UPDATE experiments SET fixed = ?, swept = ? WHERE id = ?", ...json, experiment);
  }

  /** The spec of a run for so many steps. */
  spec(run: number, steps: number): RunSpec {
    const [row] = this.query<{ spec: string }>("SELECT spec FROM runs WHERE id = ?", run);
    return specOf(row.spec, steps);
  }

  /** The evaluations of a run up to a step, in their order. */
  metrics(run: number, until: number = Number.MAX_SAFE_INTEGER): Metrics[] {
    return this.table("SELECT * FROM metrics WHERE run = ? AND step <= ? ORDER BY step", run, until).rows.map(metricsOf);
  }

  /** Stores evaluations of a run; one that is there is replaced. */
  putMetrics(run: number, metrics: readonly Metrics[]): void {
    for (let from = 0; from < metrics.length;) {
      const rows = metrics.slice(from, from + (metrics.length - from < TOGETHER ? 1 : TOGETHER));
      // SQLite takes NaN for NULL.
      this.run(
        `INSERT OR REPLACE INTO metrics VALUES ${VALUES[rows.length]}`,
        ...rows.flatMap((row) => [run, ...METRICS.map((field) => row[field])]),
      );
      from += rows.length;
    }
  }

  /** All rules that are stored, by name. */
  rules(): Required<NamedRule>[] {
    return this.query<Stored<NamedRule>>("SELECT * FROM rules ORDER BY name").map((rule) => ({ ...rule, inclusive: rule.inclusive === 1 }));
  }

  /** Computes a run's milestones and phases by all rules anew; of runs whose evaluations are thinned, they stay as they are. */
  putMilestones(run: number, metrics: readonly Accuracies[] = this.metrics(run)): void {
    if (this.query("SELECT 1 FROM runs WHERE id = ? AND thinned", run).length > 0) return;
    for (const rule of this.rules()) {
      this.putRow("milestones", run, rule.name, milestoneRow(metrics, rule));
      this.putRow("phases", run, rule.name, phaseRow(metrics, rule));
    }
  }

  /** Stores what a table holds of a run by a rule; `null`: nothing. */
  putRow(table: "milestones" | "phases", run: number, rule: string, row: Row | null): void {
    if (!row) return void this.run(`DELETE FROM ${table} WHERE run = ? AND rule = ?`, run, rule);
    const names = Object.keys(row);
    this.run(
      `INSERT OR REPLACE INTO ${table} (run, rule, ${names}) VALUES (?, ?${", ?".repeat(names.length)})`,
      run,
      rule,
      ...Object.values(row),
    );
  }

  /** Computes the milestones of runs that were stored before a rule was, and their phases, where an older version stored them without. */
  completeMilestones(): void {
    const without = this.query<{ id: number }>(
      `SELECT id FROM runs WHERE NOT thinned AND EXISTS (SELECT 1 FROM metrics WHERE run = id) AND (
         (SELECT count(*) FROM milestones WHERE run = id) BETWEEN 1 AND (SELECT count(*) FROM rules) - 1 OR
         EXISTS (SELECT 1 FROM milestones m LEFT JOIN phases p USING (run, rule) WHERE run = id AND m.last_step IS NOT p.last_step))`,
    );
    if (without.length > 0) this.write(() => without.forEach(({ id }) => this.putMilestones(id)));
  }

  /** An experiment's runs with all their evaluations, by its rule, as figures take them. @throws Error where there is none of this name. */
  runs(experiment: string): StoredRun[] {
    const rows = this.query<MomentRow & { run: number; max_steps: number; status: string }>(
      `SELECT run, max_steps, status, ${MOMENTS} FROM run_summary WHERE experiment = ? ORDER BY run`,
      experiment,
    );
    if (rows.length === 0) {
      const names = this.query<{ name: string }>("SELECT name FROM experiments ORDER BY name").map(({ name }) => name);
      throw new Error(
        `Cannot find experiment ${experiment} in ${this.path}: it must be one of ${names.join(", ") || "those in it, there are none"}`,
      );
    }
    return rows.map(({ run, max_steps, status, ...row }) => {
      const metrics = this.metrics(run, max_steps);
      return { id: run, spec: this.spec(run, max_steps), status, step: metrics.at(-1)?.step ?? 0, metrics, ...moments(row) };
    });
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) this.#statements.set(sql, statement = prepare(this.#db, sql));
    return statement;
  }
}

type Stored<T> = { readonly [K in keyof T]-?: T[K] extends boolean ? number : Exclude<T[K], undefined> };

/** The spec in a row's JSON, for so many steps. */
export function specOf(json: string, steps: number): RunSpec {
  const spec = JSON.parse(json) as RunInput;
  return runSpec({ ...spec, schedule: { ...spec.schedule, steps } });
}

/** The fields of an evaluation, in the order of the table's columns. */
const METRICS = [
  "step",
  "trainLoss",
  "trainAcc",
  "valLoss",
  "valAcc",
  "weightNorm",
  "gradNorm",
  "batchLoss",
  "batchAcc",
] as const satisfies readonly (keyof Metrics)[];
/** Evaluations that one statement stores, which is twice as fast as one by one. */
const TOGETHER = 50;
const VALUES = Array.from({ length: TOGETHER + 1 }, (_, rows) => Array(rows).fill(`(?${", ?".repeat(METRICS.length)})`).join(", "));

/** An evaluation as it is stored. Written out: there may be millions. */
function metricsOf(row: readonly SQLOutputValue[]): Metrics {
  const [, step, trainLoss, trainAcc, valLoss, valAcc, weightNorm, grad, loss, acc] = row as number[];
  return { step, trainLoss, trainAcc, valLoss, valAcc, weightNorm, gradNorm: grad ?? NaN, batchLoss: loss ?? NaN, batchAcc: acc ?? NaN };
}
