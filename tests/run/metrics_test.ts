import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { migrate, missingColumns } from "../../lib/lab/schema.ts";
import { isAlwaysThere, LATER_METRICS, METRIC_COLUMNS, METRIC_NAMES, METRICS } from "../../lib/run/metrics.ts";

Deno.test("metrics: those that came later stand at the end; each has a column of its own", () => {
  assertEquals(METRIC_NAMES.slice(METRIC_NAMES.length - LATER_METRICS.length), LATER_METRICS);
  assertEquals(new Set(Object.values(METRIC_COLUMNS)).size, METRIC_NAMES.length);
  const always = METRIC_NAMES.filter(isAlwaysThere);
  assertEquals(always, ["step", "trainLoss", "trainAcc", "valLoss", "valAcc", "weightNorm"]);
});

Deno.test("metrics: what a value must be", () => {
  const takes = (name: keyof typeof METRICS, ...values: number[]) => values.map((value) => METRICS[name].range.has(value));
  assertEquals(takes("step", 0, 7, -1, 0.5, NaN), [true, true, false, false, false]);
  assertEquals(takes("trainLoss", 3, -1e-4, -1, Infinity, NaN), [true, true, false, false, false]);
  assertEquals(takes("batchLoss", 3, -1e-4, -1, Infinity, NaN), [true, true, false, true, false]);
  assertEquals(takes("valAcc", 0, 1, -0.1, 1.1, NaN), [true, true, false, false, false]);
  assertEquals(takes("gradNorm", 0, Infinity, -1, NaN), [true, true, false, false]);
});

Deno.test("metrics: a lab that was made before a metric gets its column; evaluations that it has are without", () => {
  const db = new DatabaseSync(":memory:"), later = [...LATER_METRICS.map((name) => METRICS[name].column), "sharpness"];
  migrate(db);
  db.exec(`INSERT INTO runs (hash, spec, parameters, shape) VALUES ('h', '{"model":{},"data":{}}', 1, 's')`);
  const stored = METRIC_NAMES.filter(isAlwaysThere).map((name) => METRIC_COLUMNS[name]);
  db.exec(`INSERT INTO metrics (run, ${stored}) VALUES (1, ${stored.map((_, i) => i)})`);
  assertEquals(missingColumns(db, undefined, later), ["ALTER TABLE metrics ADD COLUMN sharpness REAL"]);
  migrate(db, { metrics: later });
  assertEquals(missingColumns(db, undefined, later), []);
  // A program of before, which names its columns, goes on.
  db.exec(`INSERT OR REPLACE INTO metrics (run, ${stored}) VALUES (1, ${stored.map((_, i) => i + 1)})`);
  const rows = db.prepare("SELECT step, weight_norm, sharpness FROM metrics ORDER BY step").all().map((row) => ({ ...row }));
  assertEquals(rows, [{ step: 0, weight_norm: 5, sharpness: null }, { step: 1, weight_norm: 6, sharpness: null }]);
  assert(db.prepare("PRAGMA integrity_check").get());
});
