/** Opening the lab's SQLite file: only one of this lab, and of no newer version. */
import { basename, dirname, join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { reason, remove } from "../run/files.ts";
import { inOneLine } from "../run/quote.ts";
import { APPLICATION, migrate, MIGRATIONS, missingColumns, namesSince } from "./schema.ts";

/** How long a writer waits for another one, in ms. */
const PATIENCE = 30_000;

/** What `Lab.open` says. */
export function openDatabase(path: string, readOnly: boolean): DatabaseSync {
  try {
    if (!readOnly) Deno.mkdirSync(dirname(path), { recursive: true });
    const isFolder = readOnly ? Deno.statSync(path).isDirectory : stat(path)?.isDirectory;
    if (isFolder) throw new Error("it must be a file, it is a folder");
    if (!readOnly) assertOwnFolder(path);
    const made = !readOnly && !isThere(path);
    if (made) make(path);
    const db = connect(path, readOnly);
    try {
      check(db, readOnly);
      if (!readOnly) {
        db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
        migrate(db);
      }
      return db;
    } catch (error) {
      db.close();
      if (made) removeUnused(path);
      throw error;
    }
  } catch (error) {
    const why = inOneLine(reason(error), 500), closed = !readOnly && /unable to open|readonly/.test(why) ? unwritable(path) : null;
    throw new Error(`Cannot open ${path}: ${closed ?? why}`);
  }
}

/** Why no file can be made beside a database, where SQLite must, which says no more than that it can't open it; `null` where one can. */
function unwritable(path: string): string | null {
  const file = join(dirname(placeOf(path)), `.${crypto.randomUUID()}`);
  try {
    Deno.openSync(file, { write: true, createNew: true }).close();
    remove(file);
    return null;
  } catch (error) {
    return `its folder must be one that can be written in, ${reason(error)}`;
  }
}

/** Where the file of a database lies, with links followed; of one that isn't there yet, where it will lie. */
export function placeOf(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    return dirname(path) === path ? resolve(path) : join(placeOf(dirname(resolve(path))), basename(path));
  }
}

/** The folder beside the file of a database that has its name and this ending: of `lab.db`, `lab.files`. */
export const beside = (place: string, ending: "files" | "tasks"): string => join(dirname(place), `${stem(place)}.${ending}`);

const stem = (place: string) => basename(place).replace(/\.db$/, "");

/**
 * Fails where another database lies beside this one that has the same folders: `lab` and `lab.db`. Each would remove the other's files as
 * left over. @throws Error in words about the database.
 */
export function assertOwnFolder(path: string): void {
  const place = placeOf(path), name = stem(place), other = name === basename(place) ? `${name}.db` : name;
  if (!isDatabase(join(dirname(place), other))) return;
  throw new Error(`its files must be in a folder of their own, ${other} beside it has ${name}.files too; use another name or folder`);
}

/** Whether a file is a database of this lab, by its first bytes: opening it would make files beside it. */
function isDatabase(path: string): boolean {
  if (!stat(path)?.isFile) return false;
  try {
    using file = Deno.openSync(path);
    const head = new Uint8Array(AT + 4);
    return file.readSync(head) === head.length && new DataView(head.buffer).getUint32(AT) === APPLICATION;
  } catch {
    // What can't be read can't be trained into either.
    return false;
  }
}

/** Where SQLite's files have the id of their application. */
const AT = 68;

/** Removes a database that was closed, unless another process has it open: whoever closes one last removes its log. */
export function removeUnused(path: string): void {
  if (!isThere(`${path}-wal`)) remove(path);
}

/**
 * Makes a database under a temporary name and then gives it its own, unless another process has made one meanwhile: so there is none in
 * part. It is made without a log of its own, whose content could be lost when it is closed; that there is room for a log is tried here too.
 */
function make(path: string): void {
  const temporary = join(dirname(path), `.${crypto.randomUUID()}.part`);
  try {
    const db = connect(temporary, false);
    try {
      db.exec("PRAGMA synchronous = FULL");
      migrate(db);
      db.exec("PRAGMA journal_mode = WAL; BEGIN IMMEDIATE; ROLLBACK; PRAGMA journal_mode = DELETE");
    } finally {
      db.close();
    }
    try {
      Deno.linkSync(temporary, path);
    } catch {
      // It is there by now, or the file system has no links of this kind.
      if (!isThere(path)) Deno.renameSync(temporary, path);
    }
  } catch (error) {
    throw new Error(reason(error).replaceAll(temporary, path));
  } finally {
    for (const ending of ["", "-journal", "-wal", "-shm"]) remove(temporary + ending);
  }
}

/** Whether it is a database of this lab that was made by an older version. */
export function isOlder(path: string): boolean {
  try {
    const db = connect(path, true);
    try {
      return pragma(db, "application_id") === APPLICATION &&
        (pragma(db, "user_version") < MIGRATIONS.length || missingColumns(db).length > 0);
    } finally {
      db.close();
    }
  } catch {
    // Opening it will report what is wrong.
    return false;
  }
}

/** A file on a read-only medium is opened as immutable: otherwise SQLite would have to write files beside it. */
function connect(path: string, readOnly: boolean): DatabaseSync {
  const options = { readOnly, timeout: PATIENCE };
  const db = new DatabaseSync(path, options);
  if (!readOnly) return db;
  try {
    db.prepare("SELECT 1 FROM sqlite_schema").all();
    return db;
  } catch (error) {
    db.close();
    if (!/unable to open|readonly/.test(reason(error)) || stat(`${placeOf(path)}-wal`)?.size) throw error;
    return new DatabaseSync(`file:${encodeURI(path).replaceAll("?", "%3f").replaceAll("#", "%23")}?immutable=1`, options);
  }
}

const pragma = (db: DatabaseSync, name: string) => Object.values(db.prepare(`PRAGMA ${name}`).get() as Record<string, number>)[0];

/** Whether anything has this name, a link to nothing too. */
export function isThere(path: string): boolean {
  try {
    return Deno.lstatSync(path) !== null;
  } catch {
    return false;
  }
}

function stat(path: string): Deno.FileInfo | null {
  try {
    return Deno.statSync(path);
  } catch {
    return null;
  }
}

/** That it is a database, one of this lab, and not of a newer version. */
function check(db: DatabaseSync, readOnly: boolean): void {
  const names = new Set(db.prepare("SELECT name FROM sqlite_schema").all().map(({ name }) => name));
  const version = pragma(db, "user_version");
  if (names.size === 0 && version === 0 && !readOnly) return;
  if (pragma(db, "application_id") !== APPLICATION) throw new Error("it must be a database of Grokbook's, it is one of something else");
  if (version > MIGRATIONS.length) {
    throw new Error(`its version must be at most ${MIGRATIONS.length}, current value is ${version}: it was made by a newer Grokbook`);
  }
  if (version < 1) throw new Error(`its version must be from 1 to ${MIGRATIONS.length}, current value is ${version}`);
  const later = namesSince(version).find((name) => names.has(name));
  if (later !== undefined) throw new Error(`its version must be a later one, current value is ${version} and it has ${later} already`);
  if (readOnly && version < MIGRATIONS.length) {
    throw new Error(
      `its version must be ${MIGRATIONS.length}, current value is ${version}: it must be opened once where it can be written`,
    );
  }
}
