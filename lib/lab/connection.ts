/** A connection to the lab's SQLite file: one statement at a time, transactions, and queries that can only read. */
import { constants, type DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from "node:sqlite";
import { reason } from "../run/files.ts";
import { METRIC_COLUMNS } from "../run/metrics.ts";
import { quote } from "../run/quote.ts";
import { cause } from "./cause.ts";

/** A value of a row; what is missing is `null`. */
export type Value = string | number | null;
export type Row = Readonly<Record<string, Value>>;

/** Rows as lists of their values. */
export type Rows = readonly (readonly SQLOutputValue[])[];

export interface Table {
  readonly columns: readonly string[];
  readonly rows: Rows;
}

/** What Deno's `node:sqlite` has and its types don't. */
interface Untyped {
  setAuthorizer(allows: (action: number, ...names: (string | null)[]) => number): void;
  setReturnArrays(on: boolean): void;
}

/** The codes of the actions that SQLite passes to an authorizer, by name. */
const ACTIONS = constants as unknown as Readonly<Record<string, number>>;
/** What a query may do: read, with functions that only compute. */
const READS: ReadonlySet<number> = new Set(["SELECT", "READ", "FUNCTION", "RECURSIVE"].map((name) => ACTIONS[`SQLITE_${name}`]));
const { SQLITE_PRAGMA: PRAGMA, SQLITE_FUNCTION: FUNCTION, SQLITE_OK: ALLOW, SQLITE_DENY: DENY } = ACTIONS;
/** Pragmas that only report; their argument, if any, names what they report on. */
const TELLING =
  /^(integrity_check|quick_check|foreign_key_check|(table|index)_x?(info|list)|foreign_key_list|(compile|pragma)_\w+|database_list)$/;
/** Pragmas that report a setting, and change it where they get a value. */
const SETTINGS = /^(user_version|application_id|page_(count|size)|freelist_count|journal_mode|encoding|schema_version|data_version)$/;

/** The columns of an evaluation: its run, and the metrics in their order. */
export const EVALUATION = ["run", ...Object.values(METRIC_COLUMNS)].join(", ");

export class Connection {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  /** Whether the statement that is being prepared may only read. */
  #reading = false;

  /** @param readOnly whether nothing may be written, not even by `run`. */
  protected constructor(readonly path: string, db: DatabaseSync, readonly readOnly: boolean) {
    this.#db = db;
    // SQLite calls it for every part of a statement when it compiles it, and may compile one again before it runs.
    (db as unknown as Untyped).setAuthorizer((action, name, value) => this.#allows(action, name, value) ? ALLOW : DENY);
  }

  #allows(action: number, name: string | null, value: string | null): boolean {
    if (!this.#reading) return true;
    if (action === PRAGMA) return TELLING.test(name ?? "") || value === null && SETTINGS.test(name ?? "");
    return READS.has(action) && !(action === FUNCTION && value === "load_extension");
  }

  /**
   * The rows of a statement that only reads. Parameters take the places of its question marks.
   * @throws Error in one line, also where the statement would change anything; then nothing has changed.
   */
  query<T extends Row = Row>(sql: string, ...parameters: readonly SQLInputValue[]): T[] {
    return this.#ask(sql, () => this.#statement(sql).all(...parameters).map((row) => ({ ...row }) as T));
  }

  /**
   * The columns of a query and its rows as lists: for many rows, and for columns that share names or hold bytes. @throws Error in one line.
   */
  table(sql: string, ...parameters: readonly SQLInputValue[]): Table {
    return this.#ask(sql, () => {
      const statement = this.#statement(sql, true);
      // All at once: where something goes wrong between two rows, Deno's iterate() ends as if there were no more (2.9.6).
      const rows = statement.all(...parameters) as unknown[] as SQLOutputValue[][];
      return { columns: statement.columns().map(({ name }) => name), rows };
    });
  }

  /** What is stored of a run's evaluations up to a step, in their order: its id and the metrics. Of a run with millions, read it once. */
  evaluations(run: number, until: number = Number.MAX_SAFE_INTEGER): Rows {
    return this.table(`SELECT ${EVALUATION} FROM metrics WHERE run = ? AND step <= ? ORDER BY step`, run, until).rows;
  }

  /** The names of a query's columns, also where there are no rows. @throws Error in one line. */
  columns(sql: string): string[] {
    return this.#ask(sql, () => this.#statement(sql).columns().map(({ name }) => name));
  }

  /** Does what only reads. */
  #ask<T>(sql: string, work: () => T): T {
    this.#reading = true;
    try {
      return work();
    } catch (error) {
      const what = reason(error), denied = /not authorized|prohibited/.test(what);
      throw new Error(
        `Cannot query ${this.path}: ${
          denied ? `it must be a statement that only reads, current value is ${quote(sql)}` : cause(error, this.path)
        }`,
      );
    } finally {
      this.#reading = false;
    }
  }

  /** Changes something; how many rows, and the id of the last one inserted. @throws Error where the lab is open for reading only. */
  run(sql: string, ...parameters: readonly SQLInputValue[]): { readonly changes: number; readonly id: number } {
    this.#mayWrite();
    const { changes, lastInsertRowid } = this.#statement(sql).run(...parameters);
    return { changes: Number(changes), id: Number(lastInsertRowid) };
  }

  /** Reads in one transaction: the database as it is at one moment, also while other processes write. Writes nothing. */
  async read<T>(work: () => T | Promise<T>): Promise<T> {
    this.#db.exec("BEGIN");
    try {
      return await work();
    } finally {
      // Not COMMIT, which a damaged database refuses.
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
    }
  }

  /** Does the work in one transaction, after waiting for other writers. @throws Error in one line; then nothing has changed. */
  write<T>(work: () => T): T {
    this.#mayWrite();
    if (this.#db.isTransaction) return work();
    try {
      this.#db.exec("BEGIN IMMEDIATE");
      const result = work();
      this.#db.exec("COMMIT");
      return result;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw new Error(`Cannot write to ${this.path}: ${cause(error, this.path)}`);
    }
  }

  #mayWrite(): void {
    if (this.readOnly) throw new Error(`Cannot write to ${this.path}: it must be open for writing, it is open for reading`);
  }

  close(): void {
    this.#statements.clear();
    this.#db.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** @param lists whether it gives its rows as lists. */
  #statement(sql: string, lists = false): StatementSync {
    // One that was prepared to be run may not be queried.
    const key = `${this.#reading} ${lists} ${sql}`;
    let statement = this.#statements.get(key);
    if (!statement) {
      this.#statements.set(key, statement = this.#prepared(sql));
      (statement as unknown as Untyped).setReturnArrays(lists);
    }
    return statement;
  }

  #prepared(sql: string): StatementSync {
    const statement = prepare(this.#db, sql);
    // Some, such as VACUUM INTO, would be refused only when they run; what reads gives columns.
    if (this.#reading && statement.columns().length === 0) throw new Error("not authorized");
    return statement;
  }
}

/**
 * A statement. SQLite itself ignores all text after the first.
 * @throws Error where there is none, or more than one.
 */
function prepare(db: DatabaseSync, sql: string): StatementSync {
  const text = fromNext(sql);
  if (text === "") throw new Error(`it must be a statement, current value is ${quote(sql)}`);
  const statement = db.prepare(text), rest = fromNext(text.slice(statement.sourceSQL.length));
  if (rest !== "") throw new Error(`it must be one statement, after it comes ${quote(rest, 40)}`);
  return statement;
}

/** SQL from the first thing on that is part of a statement: no space, comment or semicolon. */
const fromNext = (sql: string) => sql.replace(/^(\s|;|--[^\n]*|\/\*[^]*?(\*\/|$))+/, "");
