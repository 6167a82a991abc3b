/** A lab as an older version left it. */
import { DatabaseSync } from "node:sqlite";

/** Makes the database one of version 2 or 5, with all that it has: without the tables and columns that came later, and no log beside it. */
export function makeOlder(path: string, version: 2 | 5 = 2): void {
  const db = new DatabaseSync(path);
  const names = (sql: string) => db.prepare(sql).all().map(({ name }) => name as string);
  for (const view of names("SELECT name FROM sqlite_schema WHERE type = 'view' ORDER BY rowid DESC")) db.exec(`DROP VIEW ${view}`);
  if (version < 5) db.exec("DROP TRIGGER unsealed; DROP TABLE seals; DROP TABLE phases; ALTER TABLE experiments DROP COLUMN watch");
  // What can be added to a table that is there: columns of fields and of a metric.
  for (const column of names("SELECT name FROM pragma_table_xinfo('runs') WHERE hidden = 2")) {
    db.exec(`ALTER TABLE runs DROP COLUMN ${column}`);
  }
  db.exec(`ALTER TABLE metrics DROP COLUMN noisy_acc; PRAGMA user_version = ${version}; VACUUM`);
  db.close();
}
