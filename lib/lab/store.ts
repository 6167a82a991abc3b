/**
 * The lab: one SQLite file with experiments, runs and their evaluations, and beside it a folder with their checkpoints. Opening, declaring
 * and asking; what a sweep writes while it trains is in `session.ts`.
 */
import { DatabaseSync, type SQLInputValue, type SQLOutputValue } from "node:sqlite";
import { ENTRIES, valueAt } from "../run/fields.ts";
import { LATER_METRICS, METRIC_NAMES } from "../run/metrics.ts";
import { parameterCount } from "../run/layout.ts";
import { inOrder } from "../run/order.ts";
import { identity, type RunSpec, shapeKey, specHash, stableJson } from "../run/spec.ts";
import type { Metrics } from "../engine/engine.ts";
import { Connection, EVALUATION, type Row, type Rows } from "./connection.ts";
import { beside, discard, openCopy, openDatabase, type OpenOptions, placeOf } from "./database.ts";
import { migrate } from "./schema.ts";
import { type MomentRow, MOMENTS, moments, specOf, type StoredRun } from "./stored.ts";
import { checkExperiment, type Experiment, type NamedRule, namedRule } from "./experiment.ts";
import { type Accuracies, RULES } from "../run/grokking.ts";
import { milestoneRow, phaseRow } from "./milestones.ts";
import { swept } from "../run/grid.ts";
import { seal, sealUnsealed } from "./seals.ts";

export type { Row, Rows, Table, Value } from "./connection.ts";
export type { OpenOptions } from "./database.ts";

export interface DeclareOptions {
  /** Whether the experiment is to have these runs and no others, whichever it had before. Default: false. */
  readonly exactly?: boolean;
}

/** Runs that are entered in one transaction. */
const BLOCK = 10_000;

export class Lab extends Connection {
  /**
   * @param place where its file lies, whichever links `path` leads through: locks and files of runs lie beside it.
   * @param copied the folder of the copy that is read in its place, if any.
   */
  private constructor(path: string, db: DatabaseSync, readOnly: boolean, readonly place: string = path, readonly copied?: string) {
    super(path, db, readOnly);
  }

  /**
   * Opens a database, makes it where there is none, and brings an older one up to date, which is said. With `readOnly` it has to be there,
   * and nothing of it is changed: of an older one, a copy is brought up to date and read, as the database is now.
   * @throws Error in one line where it can't be, or isn't a database of this lab, or is one of a newer version, or one of an older one that
   * a session is at work on. The file is left as it is.
   */
  static open(path: string, { readOnly = false, say = console.error }: OpenOptions = {}): Lab {
    const { db, older } = openDatabase(path, readOnly, say);
    if (older !== undefined) {
      const copy = openCopy(path, db, older, (copy) => Lab.open(copy, { say: () => {} }).close());
      return new Lab(path, copy.db, true, placeOf(path), copy.folder);
    }
    const lab = new Lab(path, db, readOnly, placeOf(path));
    try {
      if (!readOnly) {
        lab.completeMilestones();
        sealUnsealed(lab);
      }
      return lab;
    } catch (error) {
      lab.close();
      throw error;
    }
  }

  override close(): void {
    super.close();
    if (this.copied !== undefined) discard(this.copied);
  }

  /** A lab in memory, which is gone when it is closed; it has no folder for files. */
  static scratch(): Lab {
    const db = new DatabaseSync(":memory:");
    migrate(db);
    return new Lab("memory", db, false);
  }

  /** The folder of the files of its runs. */
  get folder(): string {
    return beside(this.place, "files");
  }

  /**
   * Enters an experiment and its runs. One of this name that is there already gets the runs that it lacks; what is stored of runs is never
   * taken away.
   * @returns the ids of its runs, in their order.
   * @throws Error where a rule of this name has other thresholds in this database.
   */
  declare(experiment: Experiment, options: DeclareOptions = {}): number[] {
    return [...this.entering(experiment, options)].flat();
  }

  /**
   * `declare`, block by block: gives the ids of each block when it is stored, so that other processes can write in between, and whoever
   * needs the first runs alone can stop there. What was entered stays.
   */
  *entering(experiment: Experiment, { exactly = false }: DeclareOptions = {}): Generator<number[]> {
    checkExperiment(experiment);
    const { runs } = experiment, specs = new Map<number, RunSpec>();
    let id = 0, changes = exactly ? 1 : 0;
    const enterBlock = (block: readonly RunSpec[]) =>
      block.map((spec) => {
        const run = this.enter(spec);
        specs.set(run, spec);
        changes += this.run(
          `INSERT INTO members VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET steps = excluded.steps WHERE excluded.steps > steps`,
          ...[id, run, spec.schedule.steps],
        ).changes;
        return run;
      });
    try {
      for (let from = 0; from < runs.length; from += BLOCK) {
        yield this.write(() => {
          if (from === 0) id = this.#enterExperiment(experiment, exactly);
          const ids = enterBlock(runs.slice(from, from + BLOCK));
          // With the first block, so that no experiment is ever seen without.
          if (from === 0 && changes > 0) this.describe(id, specs);
          else if (from === 0) seal(this, "experiment", id);
          return ids;
        });
      }
    } finally {
      if (changes > 0 && specs.size > BLOCK) this.write(() => this.describe(id, specs));
    }
  }

  /** The id of an experiment, which is entered or brought up to date; without its runs, which follow in the same transaction. */
  #enterExperiment(experiment: Experiment, exactly: boolean): number {
    const { name, question = null, rule = "first", margin = null, keep = "checkpoint" } = experiment;
    const named = namedRule(rule), watch = experiment.watch ? stableJson(experiment.watch) : null;
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
    if (exactly) this.run("DELETE FROM members WHERE experiment = ?", id);
    return id;
  }

  /** The id of a run, which is entered where it isn't there. */
  enter(spec: RunSpec): number {
    const hash = specHash(spec);
    const known = this.query<{ id: number }>("SELECT id FROM runs WHERE hash = ?", hash)[0];
    if (known) return known.id;
    return this.run(
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

  /**
   * Enters what all runs of an experiment share, and in what they differ, and seals it. It must have at least one.
   * @param known runs by their ids, which need not be read again.
   */
  describe(experiment: number, known: ReadonlyMap<number, RunSpec> = new Map()): void {
    const { fixed, swept } = this.description(experiment, known);
    this.run("UPDATE experiments SET fixed = ?, swept = ? WHERE id = ?", fixed, swept, experiment);
    seal(this, "experiment", experiment);
  }

  /** What all runs of an experiment share, and in what they differ, as JSON. It must have at least one. */
  description(experiment: number, known: ReadonlyMap<number, RunSpec> = new Map()): { readonly fixed: string; readonly swept: string } {
    const members = this.table("SELECT run, steps FROM members WHERE experiment = ?", experiment).rows as [number, number][];
    const specs = members.map(([id, steps]) => {
      const spec = known.get(id);
      return spec?.schedule.steps === steps ? spec : this.spec(id, steps);
    });
    const fixed = ENTRIES.filter((entry) => specs.every((spec) => valueAt(spec, entry) === valueAt(specs[0], entry)))
      .map((entry) => [entry.path, valueAt(specs[0], entry)]);
    return { fixed: JSON.stringify(Object.fromEntries(fixed)), swept: JSON.stringify(Object.fromEntries(swept(specs))) };
  }

  /** The spec of a run for so many steps. @throws Error in one line where what is stored of it isn't one, or has another hash. */
  spec(run: number, steps: number): RunSpec {
    const [row] = this.query<{ hash: string; spec: string }>("SELECT hash, spec FROM runs WHERE id = ?", run);
    if (!row) throw new Error(`Cannot read run ${run} of ${this.path}: it must be there, it is missing`);
    return specOf(row, steps);
  }

  /** The evaluations of a run up to a step, in their order. */
  metrics(run: number, until: number = Number.MAX_SAFE_INTEGER): Metrics[] {
    return this.evaluations(run, until).map(metricsOf);
  }

  /** Stores evaluations of a run; one that is there is replaced. */
  putMetrics(run: number, metrics: readonly Metrics[]): void {
    this.putEvaluations(run, rowsOf(run, metrics));
  }

  /** The same for rows as `evaluations` gives them, of any lab. */
  putEvaluations(run: number, evaluations: Rows): void {
    for (let from = 0; from < evaluations.length;) {
      const rows = evaluations.slice(from, from + (evaluations.length - from < TOGETHER ? 1 : TOGETHER)), values: SQLInputValue[] = [];
      for (const [, ...metrics] of rows) values.push(run, ...metrics);
      this.run(`INSERT OR REPLACE INTO metrics (${EVALUATION}) VALUES ${VALUES[rows.length]}`, ...values);
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

  /**
   * An experiment's runs as it sees them (`run_summary`), with all their evaluations within its steps, as figures take them; in the order
   * of their fields (`inOrder`), whatever else the lab has.
   * @throws Error where there is none of this name.
   */
  runs(experiment: string): StoredRun[] {
    const rows = this.query<MomentRow & { run: number; max_steps: number; status: string; watched_until: number }>(
      `SELECT run, max_steps, status, watched_until, ${MOMENTS} FROM run_summary WHERE experiment = ?`,
      experiment,
    );
    if (rows.length === 0) {
      const names = this.query<{ name: string }>("SELECT name FROM experiments ORDER BY name").map(({ name }) => name);
      throw new Error(
        `Cannot find experiment ${experiment} in ${this.path}: it must be one of ${names.join(", ") || "those in it, there are none"}`,
      );
    }
    return rows.map(({ run, max_steps, status, watched_until: step, ...row }) => {
      return { id: run, spec: this.spec(run, max_steps), status, step, metrics: this.metrics(run, max_steps), ...moments(row) };
    }).sort((a, b) => inOrder(a.spec, b.spec));
  }
}

type Stored<T> = { readonly [K in keyof T]-?: T[K] extends boolean ? number : Exclude<T[K], undefined> };

/** Evaluations that one statement stores, which is twice as fast as one by one. */
const TOGETHER = 50;
const VALUES = Array.from({ length: TOGETHER + 1 }, (_, rows) => Array(rows).fill(`(?${", ?".repeat(METRIC_NAMES.length)})`).join(", "));

/** Evaluations as rows of `evaluations`, but for NaN, which SQLite takes for NULL. */
export const rowsOf = (run: number, metrics: readonly Metrics[]): Rows =>
  metrics.map((row) => [run, ...METRIC_NAMES.map((name) => row[name])]);

/** An evaluation of a row of `evaluations`. Written out, which is several times as fast as a loop over names: there may be millions. */
function metricsOf(row: readonly SQLOutputValue[]): Metrics {
  const [, step, trainLoss, trainAcc, valLoss, valAcc, weightNorm, grad, loss, acc] = row as number[];
  const first = {
    step,
    trainLoss,
    trainAcc,
    valLoss,
    valAcc,
    weightNorm,
    gradNorm: grad ?? NaN,
    batchLoss: loss ?? NaN,
    batchAcc: acc ?? NaN,
  };
  if (LATER_METRICS.length === 0) return first as Metrics;
  return { ...first, ...Object.fromEntries(LATER_METRICS.map((name) => [name, row[1 + METRIC_NAMES.indexOf(name)] ?? NaN])) } as Metrics;
}
