/** Opening the lab's SQLite file: only one of this lab, and of no newer version. */
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { reason, remove } from "../run/files.ts";
import { quote } from "../run/quote.ts";
import { cause, PATIENCE } from "./cause.ts";
import { atWork } from "./lock.ts";
import { APPLICATION, migrate, MIGRATIONS, missingColumns, namesSince } from "./schema.ts";

export interface OpenOptions {
  /** Default: false. */
  readonly readOnly?: boolean;
  /** Called with a line where an older database is brought up to date. Default: `console.error`. */
  readonly say?: (line: string) => void;
}

export interface Opened {
  readonly db: DatabaseSync;
  /** The version that made it, where it lacks what this one has; only where it was opened for reading. */
  readonly older?: number;
}

/**
 * What `Lab.open` says.
 * @param say called with a line where the database is brought up to date.
 */
export function openDatabase(path: string, readOnly: boolean, say: (line: string) => void): Opened {
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
      if (readOnly) return { db, ...isOlder(db) && { older: versionOf(db) } };
      db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
      bringUpToDate(db, path, say);
      return { db };
    } catch (error) {
      db.close();
      if (made) removeUnused(path);
      throw error;
    }
  } catch (error) {
    const why = cause(error, path), closed = !readOnly && /unable to open|readonly/.test(why) ? unwritable(path) : null;
    throw new Error(`Cannot open ${path}: ${closed ?? why}`);
  }
}

/**
 * Brings a database up to date, where it is an older one's. @throws Error in words about the database where a session is at work on it: one
 * of an older version couldn't write to it any more.
 */
function bringUpToDate(db: DatabaseSync, path: string, say: (line: string) => void): void {
  const from = migrate(db, {
    first: () => {
      const [name] = atWork({ place: placeOf(path) });
      if (name === undefined) return;
      const command = db.prepare("SELECT command FROM sessions WHERE name = ?").get(name)?.command;
      const who = typeof command === "string" ? quote(command) : `session ${quote(name)}`;
      throw new Error(`no session may be at work on it while it is brought up to date, ${who} is; wait until it has ended, or stop it`);
    },
  });
  if (from === null || from === 0) return;
  const what = from === MIGRATIONS.length ? "with the columns that this Grokbook has more" : `from version ${from} to ${MIGRATIONS.length}`;
  say(`${path}: brought up to date ${what}; an older Grokbook can't use it any more`);
}

/** Whether a database of this lab lacks what this version has. */
const isOlder = (db: DatabaseSync) => versionOf(db) < MIGRATIONS.length || missingColumns(db).length > 0;

/**
 * Opens for reading a copy of an older version's database that has been brought up to date, as the database is at one moment, also while
 * another process writes to it.
 * @param db the database, which is closed.
 * @param upgrade brings a database up to date.
 * @returns the copy, and its folder, which is to be discarded when it is closed.
 */
export function openCopy(
  path: string,
  db: DatabaseSync,
  version: number,
  upgrade: (path: string) => void,
): { readonly db: DatabaseSync; readonly folder: string } {
  let folder: string | undefined;
  try {
    folder = Deno.makeTempDirSync({ prefix: "grokbook-lab-" });
    const file = join(folder, "copy.db");
    db.prepare("VACUUM INTO ?").run(file);
    upgrade(file);
    const copy = openUnchanging(file);
    // Where a file can go while it is open: a process that is killed then leaves none.
    discard(folder);
    return { db: copy, folder };
  } catch (error) {
    if (folder !== undefined) discard(folder);
    const why = cause(error, folder ?? tmpdir());
    throw new Error(`Cannot open ${path}: it is of version ${version}, a copy of it must be brought up to date in ${tmpdir()}: ${why}`);
  } finally {
    db.close();
  }
}

/** Removes the folder of a copy, if that can be done now. */
export function discard(folder: string): void {
  try {
    Deno.removeSync(folder, { recursive: true });
  } catch {
    // It is gone, or still open.
  }
}

/** Opens for reading what nobody writes to. */
const openUnchanging = (path: string): DatabaseSync =>
  new DatabaseSync(`file:${encodeURI(path).replaceAll("?", "%3f").replaceAll("#", "%23")}?immutable=1`, { readOnly: true });

/** What SQLite itself says of a database's pages, in lines: `ok` where they are whole. */
export function integrityOf(path: string): string[] {
  const db = connect(path, true);
  try {
    return db.prepare("PRAGMA integrity_check").all().map((row) => String(row.integrity_check));
  } finally {
    db.close();
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

/**
 * A file on a read-only medium, or on a full one, is opened as one that nobody writes to: otherwise SQLite would have to write files beside
 * it.
 */
function connect(path: string, readOnly: boolean): DatabaseSync {
  const db = new DatabaseSync(path, { readOnly, timeout: PATIENCE });
  if (!readOnly) return db;
  try {
    db.prepare("SELECT 1 FROM sqlite_schema").all();
    return db;
  } catch (error) {
    db.close();
    if (!/unable to open|readonly|disk I\/O error/.test(reason(error)) || stat(`${placeOf(path)}-wal`)?.size) throw error;
    return openUnchanging(path);
  }
}

const versionOf = (db: DatabaseSync) => pragma(db, "user_version");
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
  const version = versionOf(db);
  if (names.size === 0 && version === 0 && !readOnly) return;
  if (pragma(db, "application_id") !== APPLICATION) throw new Error("it must be a database of Grokbook's, it is one of something else");
  if (version > MIGRATIONS.length) {
    throw new Error(`its version must be at most ${MIGRATIONS.length}, current value is ${version}: it was made by a newer Grokbook`);
  }
  if (version < 1) throw new Error(`its version must be from 1 to ${MIGRATIONS.length}, current value is ${version}`);
  const later = namesSince(version).find((name) => names.has(name));
  if (later !== undefined) throw new Error(`its version must be a later one, current value is ${version} and it has ${later} already`);
}
