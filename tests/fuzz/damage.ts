/** Ways to damage labs and records: values, rows and schemas through SQL, bytes of the database, and the files and texts of both. */
import { basename, join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { Chance } from "./finding.ts";

export type Pick = <T>(from: readonly T[]) => T;

const TABLES = [
  "runs",
  "metrics",
  "milestones",
  "phases",
  "artifacts",
  "members",
  "experiments",
  "rules",
  "work",
  "sessions",
  "environments",
  "seals",
];
const NASTY = [
  "",
  "a\nb",
  "\u001b[2J\u001b[31m",
  "../../victim.txt",
  "/etc/passwd",
  "x".repeat(5000),
  "__proto__",
  "\u202egnp",
  "{",
  "null",
  "[]",
];
const NUMBERS = [-1, 0, 1, 2, 0.5, -0.001, 1e9, 2 ** 31, 2 ** 53, 1e300, Infinity, -Infinity];

/** Another value than this one: a little other, or altogether. */
function other(value: unknown, random: Chance, pick: Pick): string | number | null {
  if (random.below(4) === 0) return pick<string | number | null>([null, ...NUMBERS, ...NASTY]);
  if (typeof value === "number") return pick([value + 1, value - 1, value * 1.0001, value + 1e-9, value * 10, -value, ...NUMBERS]);
  if (typeof value !== "string") return pick<string | number>([...NUMBERS, ...NASTY]);
  const at = random.below(value.length + 1), letter = String.fromCharCode(32 + random.below(95));
  return pick([value.slice(0, at) + letter + value.slice(at + 1), value.slice(0, at), value + letter, ...NASTY]);
}

/** Changes a database through SQL, as far as SQLite lets it. @returns what was done. */
export function throughSql(db: DatabaseSync, random: Chance, pick: Pick): string {
  const table = pick(TABLES), count = Number((db.prepare(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }).n);
  const columns = db.prepare(`SELECT name FROM pragma_table_info('${table}')`).all().map(({ name }) => `"${name}"`);
  const at = random.below(Math.max(1, count)), column = pick(columns);
  const where = `(${columns}) IN (SELECT ${columns} FROM ${table} LIMIT 1 OFFSET ${at})`;
  const change = (sql: string, ...values: (string | number | null)[]) => {
    try {
      db.prepare(sql).run(...values);
    } catch {
      // Types and keys may not allow it.
    }
    return `${sql} ${JSON.stringify(values).slice(0, 80)}`;
  };
  switch (random.below(8)) {
    case 0:
      return change(`DELETE FROM ${table} WHERE ${where}`);
    case 1: {
      const view = pick(db.prepare("SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'").all());
      return change(`DROP ${view.type} ${view.name}`);
    }
    case 2: {
      const [from, to] = pick([["REAL", "ANY"], [" NOT NULL", ""], ["STRICT", ""], ["STRICT, ", ""], ["0", "1"], ["max", "min"], [
        "<",
        ">",
      ]]);
      return change("UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE name = ?", from, to, pick([table, "run_summary", "unsealed"]));
    }
    case 3:
      return change(pick(["PRAGMA user_version = 2", "PRAGMA user_version = 99", "PRAGMA application_id = 5", "CREATE TABLE more (a)"]));
    default: {
      const row = db.prepare(`SELECT ${column} AS value FROM ${table} LIMIT 1 OFFSET ${at}`).get();
      return change(`UPDATE ${table} SET ${column} = ? WHERE ${where}`, other(row?.value, random, pick));
    }
  }
}

/** Bytes with some of them changed, or cut off. */
export function damaged(bytes: Uint8Array, random: Chance): Uint8Array {
  const copy = bytes.slice();
  if (random.below(8) === 0) return copy.subarray(0, random.below(copy.length));
  for (let i = 1 + random.below(4); i > 0; i--) copy[random.below(copy.length)] ^= 1 << random.below(8);
  return copy;
}

const filesBelow = (folder: string): string[] =>
  [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => isDirectory ? filesBelow(join(folder, name)) : [join(folder, name)])
    .sort();

/** Damages a file of a folder. @returns what was done. */
export function inFiles(folder: string, random: Chance, pick: Pick): string {
  const file = pick(filesBelow(folder)), bytes = Deno.readFileSync(file), name = basename(file);
  switch (random.below(5)) {
    case 0:
      Deno.removeSync(file);
      return `without ${name}`;
    case 1:
      Deno.renameSync(file, join(folder, "renamed.safetensors"));
      return `${name} renamed`;
    case 2:
      Deno.removeSync(file);
      Deno.symlinkSync("../victim.txt", file);
      return `${name} as a link`;
    default:
      Deno.writeFileSync(file, damaged(bytes, random));
      return `bytes of ${name}`;
  }
}

/** Damages the texts of a record: a cell, a line, or a value of the header. @returns what was done. */
export function inTexts(folder: string, random: Chance, pick: Pick): string {
  const file = pick(filesBelow(folder).filter((path) => /\.(csv|json)$/.test(path))),
    text = Deno.readTextFileSync(file),
    name = basename(file);
  if (name.endsWith(".json")) {
    const json = JSON.parse(text), path: string[] = [];
    // deno-lint-ignore no-explicit-any
    let at: any = json;
    while (true) {
      const key = pick(Object.keys(at));
      path.push(key);
      if (typeof at[key] === "object" && at[key] !== null && Object.keys(at[key]).length > 0 && random.below(8) > 0) at = at[key];
      else {
        const way = random.below(8);
        if (way === 0) delete at[key];
        else if (way === 1) at[pick([...NASTY, "more"])] = at[key];
        else at[key] = way === 2 ? pick([[], {}, true, [1]]) : other(at[key], random, pick);
        break;
      }
    }
    Deno.writeTextFileSync(file, JSON.stringify(json, null, 2));
    return `${path.join(".")} of ${name}`;
  }
  const lines = text.split("\n"), at = random.below(lines.length), cells = lines[at].split(","), cell = random.below(cells.length);
  const value = Number(cells[cell]);
  if (random.below(6) === 0) lines.splice(at, random.below(2), lines[random.below(lines.length)]);
  else {lines[at] = cells.with(cell, String(other(cells[cell] === "" || Number.isNaN(value) ? cells[cell] : value, random, pick) ?? ""))
      .join();}
  Deno.writeTextFileSync(file, lines.join("\n"));
  return `line ${at + 1} of ${name}`;
}
