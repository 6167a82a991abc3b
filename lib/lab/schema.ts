/**
 * The tables of the lab's database, and how an older one becomes a newer one. Everything about a run's setting is derived from its spec by
 * the database itself: one truth, and no joins needed to filter by it.
 */
import { DatabaseSync } from "node:sqlite";
import { columnOf, ENTRIES, type Entry } from "../run/fields.ts";
import { LATER_METRICS, METRICS } from "../run/metrics.ts";
import type { Row } from "./connection.ts";
import { VIEWS } from "./views.ts";

/** Marks a database as this lab's: "Grok". */
export const APPLICATION = 0x47726f6b;

/**
 * The columns of runs that hold their fields, in the order of the parts' names. SQLite adds only columns that aren't stored to a table that
 * is there: those of fields that came later are such.
 */
export const columnsOf = (entries: readonly Entry[]) =>
  entries.filter(({ field }) => !field.extent).sort(({ part: a }, { part: b }) => (a ?? "seed") < (b ?? "seed") ? -1 : Number(a !== b))
    .map((entry) => {
      const { path, field: { kind, neutral } } = entry, name = columnOf(entry), at = `spec ->> '$.${path}'`;
      const value = neutral === undefined ? at : `coalesce(${at}, ${typeof neutral === "string" ? `'${neutral}'` : Number(neutral)})`;
      return { name, later: neutral !== undefined, sql: `${name.padEnd(14)} ${kind.column.padEnd(7)} AS (${value})` };
    });
const COLUMNS = columnsOf(ENTRIES);

/** A row of the table of runs, as far as its columns are stored and not derived from the spec. */
export type RunRow = Row & {
  readonly id: number;
  readonly hash: string;
  readonly spec: string;
  readonly parameters: number;
  readonly shape: string;
  readonly status: string;
  readonly step: number;
  readonly session: number | null;
  readonly thinned: number;
  readonly error: string | null;
};

/** Whether a run has ended by itself, for the steps that it was asked for. */
export const isDone = ({ status }: Pick<RunRow, "status">): boolean => status === "finished" || status === "grokked" || status === "failed";

const TABLES = `
-- What trained: a row for each different combination.
CREATE TABLE environments (
  id        INTEGER PRIMARY KEY,
  engine    TEXT NOT NULL,
  adapter   TEXT NOT NULL,
  driver    TEXT NOT NULL,
  software  INTEGER NOT NULL,  -- 1: the "GPU" is a program on the processor
  system    TEXT NOT NULL,
  processor TEXT NOT NULL,
  cores     INTEGER NOT NULL,
  deno      TEXT NOT NULL,
  "commit"  TEXT NOT NULL,     -- with a + where files differed from it
  UNIQUE (engine, adapter, driver, software, system, processor, cores, deno, "commit")
) STRICT;

-- One sweep from its start to its end, or to its being killed.
CREATE TABLE sessions (
  id          INTEGER PRIMARY KEY,
  name        TEXT NOT NULL UNIQUE,
  environment INTEGER NOT NULL REFERENCES environments,
  command     TEXT NOT NULL,
  started_at  TEXT NOT NULL,   -- UTC
  seen_at     TEXT NOT NULL,   -- when it last wrote
  ended_at    TEXT             -- NULL: goes on, or was killed and nobody has looked yet
) STRICT;

-- What counts as having memorised and grokked.
CREATE TABLE rules (
  name      TEXT PRIMARY KEY,
  accuracy  REAL NOT NULL,
  inclusive INTEGER NOT NULL,
  times     INTEGER NOT NULL,
  memorised REAL NOT NULL
) STRICT;

CREATE TABLE experiments (
  id          INTEGER PRIMARY KEY,
  name        TEXT NOT NULL UNIQUE,
  question    TEXT,
  rule        TEXT NOT NULL REFERENCES rules,
  margin      INTEGER,         -- updates after its grokking step after which a run may end; NULL: runs do all their steps
  keep        TEXT NOT NULL,   -- what is kept of the state of a run that has ended
  fixed       TEXT NOT NULL,   -- JSON: what all its runs share
  swept       TEXT NOT NULL,   -- JSON: the fields in which they differ, with their values
  declared_at TEXT NOT NULL
) STRICT;

CREATE TABLE runs (
  id             INTEGER PRIMARY KEY,
  hash           TEXT NOT NULL UNIQUE,
  spec           TEXT NOT NULL,            -- JSON: all that makes it what it is
  parameters     INTEGER NOT NULL,
  shape          TEXT NOT NULL,            -- runs of one shape train in the same dispatches
  status         TEXT NOT NULL DEFAULT 'waiting',
  step           INTEGER NOT NULL DEFAULT 0,  -- updates done and stored
  session        INTEGER REFERENCES sessions, -- who trains it now
  thinned        INTEGER NOT NULL DEFAULT 0,  -- 1: imported with a part of its evaluations
  error          TEXT,
${
  COLUMNS.filter(({ later }) => !later).map(({ sql }) => `  ${sql} STORED,\n`).join("")
}  ratio          REAL    AS (round(CAST(spec ->> '$.model.dModel' AS REAL) / (spec ->> '$.data.prime'), 4)) STORED  -- d_model / p
) STRICT;
CREATE INDEX runs_by_cell ON runs (weight_decay, ratio, prime);
CREATE INDEX runs_by_session ON runs (session) WHERE session IS NOT NULL;

-- Which runs an experiment asks for, and for how many steps.
CREATE TABLE members (
  experiment INTEGER NOT NULL REFERENCES experiments,
  run        INTEGER NOT NULL REFERENCES runs,
  steps      INTEGER NOT NULL,
  PRIMARY KEY (experiment, run)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_by_run ON members (run);

-- Evaluations on the whole train and validation sets. Losses by the run's own formula (cross-entropies in nats), accuracies as shares of 1; the
-- batch's are means over the batches since the last evaluation, as they were in flight.
CREATE TABLE metrics (
  run         INTEGER NOT NULL REFERENCES runs,
  step        INTEGER NOT NULL,
  train_loss  REAL NOT NULL,
  train_acc   REAL NOT NULL,
  val_loss    REAL NOT NULL,
  val_acc     REAL NOT NULL,
  weight_norm REAL NOT NULL,
  grad_norm   REAL,
  batch_loss  REAL,
  batch_acc   REAL,
  PRIMARY KEY (run, step)
) STRICT, WITHOUT ROWID;

-- Computed from the metrics, by each rule; can be computed anew at any time.
CREATE TABLE milestones (
  run               INTEGER NOT NULL REFERENCES runs,
  rule              TEXT NOT NULL REFERENCES rules,
  memorisation_step INTEGER,
  grokking_step     INTEGER,
  delay             INTEGER,
  censored          INTEGER NOT NULL,  -- 1: had not grokked when it was last seen
  last_step         INTEGER,           -- when that was
  passing_since     INTEGER,
  dips              INTEGER,           -- after grokking: stretches below the rule's accuracy,
  dip_depth         REAL,              -- how far below, at most,
  time_below        REAL,              -- and for which share of the evaluations
  PRIMARY KEY (run, rule)
) STRICT, WITHOUT ROWID;

-- Files of a run, beside the database.
CREATE TABLE artifacts (
  run    INTEGER NOT NULL REFERENCES runs,
  kind   TEXT NOT NULL,
  step   INTEGER NOT NULL,
  file   TEXT NOT NULL UNIQUE,  -- in the folder of the database's files
  bytes  INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  PRIMARY KEY (run, kind, step)
) STRICT, WITHOUT ROWID;

-- Which session trained a run, from where to where; seconds are its time in training, beside others.
CREATE TABLE work (
  session   INTEGER NOT NULL REFERENCES sessions,
  run       INTEGER NOT NULL REFERENCES runs,
  from_step INTEGER NOT NULL,
  to_step   INTEGER NOT NULL,
  seconds   REAL NOT NULL,
  PRIMARY KEY (session, run, from_step)
) STRICT, WITHOUT ROWID;
CREATE INDEX work_by_run ON work (run);
`;

/** Tables that came later, and a column that an experiment of before leaves empty. */
const WATCHED = `
-- Where a run's phases begin, computed with its milestones (lib/run/phases.ts). Without a row, that isn't known.
CREATE TABLE phases (
  run              INTEGER NOT NULL REFERENCES runs,
  rule             TEXT NOT NULL REFERENCES rules,
  first_step       INTEGER NOT NULL,
  memorised_step   INTEGER,
  transition_step  INTEGER,
  generalised_step INTEGER,
  last_step        INTEGER NOT NULL,  -- of the last evaluation: what has no step had not happened by then
  PRIMARY KEY (run, rule)
) STRICT, WITHOUT ROWID;

ALTER TABLE experiments ADD COLUMN watch TEXT;  -- JSON: what is stored of its runs while they train
`;

const SEALS = `
-- Checksums of what is stored of runs and experiments (lib/lab/seals.ts), written with it.
CREATE TABLE seals (
  kind   TEXT NOT NULL,      -- 'run' or 'experiment'
  id     INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

-- Whoever trains a run, an older version too, changes it without a seal until there is a state to seal.
CREATE TRIGGER unsealed AFTER UPDATE OF session ON runs WHEN NEW.session IS NOT NULL
BEGIN
  DELETE FROM seals WHERE kind = 'run' AND id = NEW.id;
END;
`;

/** What makes a database of version i one of version i + 1. Views are made anew after each, so they are never part of one. */
export const MIGRATIONS: readonly string[] = [
  TABLES,
  "-- Views only: provenance, and the adapters of a run.",
  WATCHED,
  "-- Views only: what is known until when, and cells that mix nothing.",
  SEALS,
  "-- Views only: the processor engine's bits depend on no number of threads.",
  "-- Views only: how a run stands in an experiment, and whether it has ended there.",
  "-- Views only: cells of one network and one horizon, restricted means to one limit, and what evaluations tell of transitions and rules.",
];

/** The tables, indices and triggers that a database of this version doesn't have yet. */
export const namesSince = (version: number): string[] =>
  MIGRATIONS.slice(version).flatMap((sql) =>
    [...sql.matchAll(/^CREATE (?:UNIQUE )?(?:TABLE|INDEX|TRIGGER) (\w+)/gm)].map(([, name]) => name)
  );

/** Columns of metrics that came later. NULL where an evaluation is of before. */
const METRIC_COLUMNS = LATER_METRICS.map((name) => METRICS[name].column);

/** The statements that add what the tables in a database lack: columns of fields and of metrics that came later. */
export function missingColumns(
  db: DatabaseSync,
  columns: ReturnType<typeof columnsOf> = COLUMNS,
  metrics: readonly string[] = METRIC_COLUMNS,
): string[] {
  const columnsIn = (table: string) => new Set(db.prepare(`PRAGMA table_xinfo(${table})`).all().map(({ name }) => name));
  const ofRuns = columnsIn("runs"), ofMetrics = columnsIn("metrics");
  return [
    ...columns.filter(({ name, later }) => later && !ofRuns.has(name)).map(({ sql }) => `ALTER TABLE runs ADD COLUMN ${sql} VIRTUAL`),
    ...metrics.filter((name) => !ofMetrics.has(name)).map((name) => `ALTER TABLE metrics ADD COLUMN ${name} REAL`),
  ];
}

export interface Migration {
  /** Called when nobody else can write any more, and before anything is: what it throws leaves the database as it is. */
  readonly first?: () => void;
  readonly migrations?: readonly string[];
  readonly columns?: ReturnType<typeof columnsOf>;
  readonly metrics?: readonly string[];
}

/**
 * Brings a database to the newest version, whole or not at all. Older versions can't write to it afterwards: those before 6 name no columns
 * when they store evaluations, which have more now.
 * @returns the version that it had; `null` where there was nothing to do.
 */
export function migrate(
  db: DatabaseSync,
  { first, migrations = MIGRATIONS, columns = COLUMNS, metrics = METRIC_COLUMNS }: Migration = {},
): number | null {
  const { user_version: version } = db.prepare("PRAGMA user_version").get() as { user_version: number };
  if (version === migrations.length && missingColumns(db, columns, metrics).length === 0) return null;
  db.exec("BEGIN IMMEDIATE");
  try {
    first?.();
    // Another process may have been faster.
    const { user_version: from } = db.prepare("PRAGMA user_version").get() as { user_version: number };
    for (const view of Object.keys(VIEWS).reverse()) db.exec(`DROP VIEW IF EXISTS ${view}`);
    for (const sql of migrations.slice(from)) db.exec(sql);
    for (const sql of missingColumns(db, columns, metrics)) db.exec(sql);
    for (const sql of Object.values(VIEWS)) db.exec(sql);
    db.exec(`PRAGMA application_id = ${APPLICATION}; PRAGMA user_version = ${migrations.length}; COMMIT`);
    return from;
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

/** Tables, views and the like of a database by their names, as SQL without comments and spaces, by which two can be told apart. */
export function structure(query: (sql: string) => readonly Record<string, unknown>[]): Map<string, string> {
  const rows = query("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite!_stat%' ESCAPE '!'");
  const bare = (sql: string) => sql.replace(/--[^\n]*/g, "").replace(/\s+/g, "");
  return new Map(rows.map(({ type, name, sql }) => [`${type} ${name}`, bare(String(sql))]));
}

/** The structure of the newest version. */
export function newestStructure(): Map<string, string> {
  const db = new DatabaseSync(":memory:");
  try {
    migrate(db);
    return structure((sql) => db.prepare(sql).all());
  } finally {
    db.close();
  }
}
