/**
 * The tables and views of the lab's database, and how an older one becomes a newer one. Everything about a run's setting is derived from its
 * spec by the database itself: one truth, and no joins needed to filter by it.
 */
import type { DatabaseSync } from "node:sqlite";
import { columnOf, ENTRIES, type Entry, followers } from "../run/fields.ts";

/** Marks a database as this lab's: "Grok". */
export const APPLICATION = 0x47726f6b;

/**
 * The columns of runs that hold their fields, in the order of the parts' names. SQLite adds only columns that aren't stored to a table that is
 * there: those of fields that came later are such.
 */
export const columnsOf = (entries: readonly Entry[]) =>
  entries.filter(({ field }) => !field.extent).sort(({ part: a }, { part: b }) => (a ?? "seed") < (b ?? "seed") ? -1 : Number(a !== b))
    .map((entry) => {
      const { path, field: { kind, neutral } } = entry, name = columnOf(entry), at = `spec ->> '$.${path}'`;
      const value = neutral === undefined ? at : `coalesce(${at}, ${typeof neutral === "string" ? `'${neutral}'` : Number(neutral)})`;
      return { name, later: neutral !== undefined, sql: `${name.padEnd(14)} ${kind.column.padEnd(7)} AS (${value})` };
    });
const COLUMNS = columnsOf(ENTRIES);

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
  margin      INTEGER,         -- updates for which a run must have stayed grokked to end early; NULL: runs do all their steps
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

-- Evaluations on the whole train and validation sets. Losses in nats, accuracies as shares of 1; the batch's are means over the batches since
-- the last evaluation, as they were in flight.
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

/**
 * A run, as an experiment sees it: by its rule, and no further than its steps. `state` is `grokked`, `never` (watched to the end), `diverged`
 * (its loss stopped being a number) or `open` (not there yet). A rule of ten evaluations in a row dates the first of them, and so can't tell of the last
 * nine: `known_until` is the step up to which it is known whether a run had grokked, the one at which its time is censored.
 */
const RUN_SUMMARY = `
CREATE VIEW run_summary AS
WITH seen AS (
  SELECT e.name AS experiment, e.rule AS rule, m.steps AS max_steps, r.*, (u.times - 1) * r.eval_every AS lookahead,
    CASE WHEN s.memorisation_step <= m.steps THEN s.memorisation_step END AS memorisation_step,
    CASE WHEN s.grokking_step + (u.times - 1) * r.eval_every <= m.steps THEN s.grokking_step END AS grokking_step,
    -- Of all evaluations; what came after the experiment's steps isn't its business.
    CASE WHEN s.last_step <= m.steps THEN s.dips END AS dips,
    CASE WHEN s.last_step <= m.steps THEN s.dip_depth END AS dip_depth,
    CASE WHEN s.last_step <= m.steps THEN s.time_below END AS time_below,
    CASE WHEN p.transition_step <= m.steps THEN p.transition_step END AS transition_step,
    min(coalesce(s.last_step, 0), m.steps) AS watched_until,
    (SELECT max(step) FROM metrics WHERE run = r.id AND step <= m.steps) AS final_step,
    (SELECT count(DISTINCT adapter || '; ' || driver) FROM work w JOIN sessions t ON t.id = w.session JOIN environments v ON v.id = t.environment
      WHERE w.run = r.id) AS n_adapters
  FROM members m
  JOIN experiments e ON e.id = m.experiment
  JOIN rules u ON u.name = e.rule
  JOIN runs r ON r.id = m.run
  LEFT JOIN milestones s ON s.run = r.id AND s.rule = e.rule
  LEFT JOIN phases p ON p.run = r.id AND p.rule = e.rule
)
SELECT
  experiment, id AS run, hash, seed, operation, prime, train_fraction, layers, d_model, heads, d_mlp, ratio, parameters, lr, weight_decay, batch,
  status,
  CASE WHEN grokking_step IS NOT NULL THEN 'grokked' WHEN status = 'failed' THEN 'diverged' WHEN seen.step >= max_steps THEN 'never' ELSE 'open' END AS state,
  grokking_step IS NOT NULL AS grokked,
  grokking_step IS NULL AS censored,
  memorisation_step,
  transition_step,  -- NULL also where it isn't known: then the run has no row in phases
  grokking_step,
  grokking_step - memorisation_step AS delay,
  watched_until, max(0, watched_until - lookahead) AS known_until, max_steps, rule,
  dips, dip_depth, time_below,
  f.train_loss AS final_train_loss, f.train_acc AS final_train_acc, f.val_loss AS final_val_loss, f.val_acc AS final_val_acc,
  f.weight_norm AS final_weight_norm,
  -- All that could make a difference besides d_model, p, weight decay and the seed: JSON.
  json_remove(seen.spec, ${
  ["seed", "schedule", "data.prime", "optim.weightDecay", "model.dModel", ...followers("width")].map((path) => `'$.${path}'`)
}) AS setting,
  n_adapters  -- on how many different ones it was trained: where more than one, no single machine repeats its bits
FROM seen LEFT JOIN metrics f ON f.run = seen.id AND f.step = seen.final_step;
`;

/**
 * Counts and steps over the runs of a cell. The means and the median count what never grokked: in the median as later than all that did (NULL
 * where half never did), in the restricted mean with the steps for which it is known to. `mean_grokked_step` and `mean_memorisation_step` leave out what
 * didn't, and are too small wherever something is. While runs are open, those that have ended are the ones that grokked early: the share and the
 * restricted mean are NULL then, and so is the median as long as the open ones could change it.
 */
const statistics = `
  count(*) AS n_runs,
  sum(state = 'grokked') AS n_grokked,
  sum(state = 'never') AS n_never,
  sum(state = 'diverged') AS n_diverged,
  sum(state = 'open') AS n_open,
  CASE WHEN sum(state = 'open') = 0 THEN round(100.0 * avg(state = 'grokked'), 1) END AS pct_grokked,
  min(grokking_step) AS min_grokking_step,
  CASE WHEN sum(state = 'grokked') > count(*) / 2 AND
    coalesce(min(CASE WHEN state = 'open' THEN known_until END) >= max(CASE WHEN 2 * place <= runs + 2 THEN grokking_step END), TRUE)
    THEN avg(CASE WHEN 2 * place IN (runs, runs + 1, runs + 2) THEN grokking_step END) END AS median_grokking_step,
  max(grokking_step) AS max_grokking_step,
  avg(grokking_step) AS mean_grokked_step,
  CASE WHEN sum(state = 'open') = 0
    THEN avg(coalesce(grokking_step, CASE state WHEN 'diverged' THEN max_steps ELSE known_until END)) END AS restricted_mean_step,
  avg(memorisation_step) AS mean_memorisation_step`;

/** Runs with their place in their cell, grokked ones in the order of their steps, then the others; `runs` is how many there are. */
const placed = (cell: string, from: string) => `
  SELECT *, row_number() OVER (PARTITION BY ${cell} ORDER BY grokking_step IS NULL, grokking_step) AS place, count(*) OVER (PARTITION BY ${cell}) AS runs
  FROM ${from}`;

/** What makes a cell of an experiment's map, and of the map of all experiments: with `setting`, no cell mixes models, tasks, rules or horizons. */
const SWEPT = "experiment, operation, weight_decay, prime, d_model, ratio";
const CELL = "operation, prime, train_fraction, layers, lr, weight_decay, ratio, d_model, rule, max_steps";

const VIEWS: Readonly<Record<string, string>> = {
  run_summary: RUN_SUMMARY,
  ratio_sweep_stats: `
CREATE VIEW ratio_sweep_stats AS
SELECT ${SWEPT}, ${statistics}, setting
FROM (${placed(SWEPT + ", setting", "run_summary")})
GROUP BY ${SWEPT}, setting;`,
  phase_boundary: `
CREATE VIEW phase_boundary AS
SELECT ${CELL}, ${statistics}, setting
FROM (${
    placed(
      CELL + ", setting",
      `(
  -- A run that several experiments share counts once, as the one sees it that watches it longest.
  SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY run ORDER BY rule = 'sustained' DESC, max_steps DESC) AS view FROM run_summary)
  WHERE view = 1)`,
    )
  })
GROUP BY ${CELL}, setting;`,
  experiment_overview: `
CREATE VIEW experiment_overview AS
SELECT e.name AS experiment, e.question, (SELECT group_concat(key, ', ') FROM json_each(e.swept)) AS swept, e.rule, max(max_steps) AS max_steps,
  ${statistics}
FROM experiments e JOIN (${placed("experiment", "run_summary")}) s ON s.experiment = e.name
GROUP BY e.id ORDER BY e.id;`,
  // Where an experiment's numbers come from: a row an environment that trained runs of it.
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

/** Tables that came later. Those that were there get no columns that a sweep of the version before, which may be at work, would have to fill. */
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

/** What makes a database of version i one of version i + 1. Views are made anew after each, so they are never part of one. */
export const MIGRATIONS: readonly string[] = [
  TABLES,
  "-- Views only: provenance, and the adapters of a run.",
  WATCHED,
  "-- Views only: what is known until when, and cells that mix nothing.",
];

/** The columns of fields that came later which the table of runs in a database lacks. */
export function missingColumns(db: DatabaseSync, columns: ReturnType<typeof columnsOf> = COLUMNS): string[] {
  const there = new Set(db.prepare("PRAGMA table_xinfo(runs)").all().map(({ name }) => name));
  return columns.filter(({ name, later }) => later && !there.has(name)).map(({ sql }) => sql);
}

/** Brings a database to the newest version, whole or not at all. */
export function migrate(
  db: DatabaseSync,
  migrations: readonly string[] = MIGRATIONS,
  columns: ReturnType<typeof columnsOf> = COLUMNS,
): void {
  const { user_version: version } = db.prepare("PRAGMA user_version").get() as { user_version: number };
  if (version === migrations.length && missingColumns(db, columns).length === 0) return;
  db.exec("BEGIN IMMEDIATE");
  try {
    // Another process may have been faster.
    const { user_version: from } = db.prepare("PRAGMA user_version").get() as { user_version: number };
    for (const view of Object.keys(VIEWS).reverse()) db.exec(`DROP VIEW IF EXISTS ${view}`);
    for (const sql of migrations.slice(from)) db.exec(sql);
    for (const sql of missingColumns(db, columns)) db.exec(`ALTER TABLE runs ADD COLUMN ${sql} VIRTUAL`);
    for (const sql of Object.values(VIEWS)) db.exec(sql);
    db.exec(`PRAGMA application_id = ${APPLICATION}; PRAGMA user_version = ${migrations.length}; COMMIT`);
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}
