/** Whether the database itself is whole: its pages, its tables and views, what refers to what, and what it derives from specs. */
import { reason } from "../../run/files.ts";
import { inOneLine, quote } from "../../run/quote.ts";
import { integrityOf } from "../database.ts";
import { newestStructure, structure } from "../schema.ts";
import type { Lab } from "../store.ts";
import type { Finding } from "./finding.ts";

const finding = (text: string): Finding => ({ about: "database", text: inOneLine(text, 500) });

/** What SQLite itself says. Where it finds anything, nothing else can be relied upon. */
export function integrity(lab: Lab): Finding[] {
  try {
    // A copy is made anew page by page.
    const lines = lab.copied === undefined
      ? lab.query<{ integrity_check: string }>("PRAGMA integrity_check").map((row) => row.integrity_check)
      : integrityOf(lab.place);
    return lines[0] === "ok" ? [] : lines.map(finding);
  } catch (error) {
    // Some damage ends the check itself.
    return [finding(reason(error))];
  }
}

/** Made once. */
let newest: ReadonlyMap<string, string> | undefined;

/** Tables, views, indices and triggers that lack, are others than this version makes, or aren't its own. */
export function structures(lab: Lab): Finding[] {
  const wanted = newest ??= newestStructure(), there = structure((sql) => lab.query(sql));
  const lacks = [...wanted.keys()].filter((name) => !there.has(name)), more = [...there.keys()].filter((name) => !wanted.has(name));
  const others = [...wanted].filter(([name, sql]) => there.has(name) && there.get(name) !== sql).map(([name]) => name);
  return [
    ...lacks.map((name) => finding(`${name} must be there, it is missing`)),
    ...more.map((name) => finding(`${name} must be one that this version makes, it is of something else`)),
    ...others.map((name) => finding(`${name} must be as this version makes it, it is another`)),
  ];
}

/** Rows that name others which aren't there. */
export function references(lab: Lab): Finding[] {
  const rows = lab.query<{ table: string; parent: string }>("PRAGMA foreign_key_check");
  return [...Map.groupBy(rows, ({ table, parent }) => `${table} must name ${parent} that are there`)].map(([text, { length }]) =>
    finding(`${text}, ${length} of its rows don't`)
  );
}

/** Columns of runs that the database derives from specs and stores: on a broken disk, they may differ. */
export function derived(lab: Lab): Finding[] {
  const [{ sql }] = lab.query<{ sql: string }>("SELECT sql FROM sqlite_schema WHERE name = 'runs'");
  const columns = [...sql.matchAll(/(\w+)\s+\w+\s+AS \((.+?)\) (?:STORED|VIRTUAL)/g)].map(([, name, expression]) => ({ name, expression }));
  const { rows } = lab.table(
    `SELECT hash, ${
      columns.map(({ name, expression }) => `${name} IS NOT (${expression})`)
    } FROM runs WHERE json_valid(spec) ORDER BY hash`,
  );
  return rows.flatMap(([hash, ...differs]) =>
    differs.flatMap((is, i) =>
      is === 1 ? [finding(`column ${columns[i].name} of run ${quote(hash)} must follow from its spec, it doesn't`)] : []
    )
  );
}
