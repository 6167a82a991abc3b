/**
 * The lock of a session: a file of its own beside the database, locked while its process lives; the system lets go of it, however that
 * ends.
 */
import { basename, dirname } from "node:path";
import { remove } from "../run/files.ts";
import type { Connection } from "./connection.ts";

export interface Lock {
  readonly file: Deno.FsFile;
  readonly path: string;
}

/** Where the file of a lab lies. */
type Placed = { readonly place: string };

const prefix = (lab: Placed) => `${lab.place}-session-`;

/** What a session may be called, so that its lock lies beside the database. */
const NAME = /^[\w-]{1,100}$/;

/** What a session that takes a lock is called, as `crypto.randomUUID` gives it. */
const OWN = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Takes the lock of the session of this name, which is to be in the database only afterwards: a session without a lock counts as killed.
 */
export function takeLock(lab: Placed, name: string): Lock {
  const path = prefix(lab) + name;
  while (true) {
    const file = Deno.openSync(path, { create: true, write: true });
    file.lockSync(true);
    // Between the two lines above no process held it, and another one may have removed it.
    if (exists(path)) return { file, path };
    file.close();
  }
}

export function drop({ file, path }: Lock): void {
  remove(path);
  file.close();
}

/** Whether the process of a session without an end is gone: no process holds its lock. */
export function isGone(lab: Placed, name: string): boolean {
  return !NAME.test(name) || isFree(prefix(lab) + name);
}

/** Whether the session that has a run is at work: its process lives. `null`: none has it. */
export function isAtWork(lab: Connection & Placed, session: number | null): boolean {
  if (session === null) return false;
  const [found] = lab.query<{ name: string; ended_at: string | null }>("SELECT name, ended_at FROM sessions WHERE id = ?", session);
  return found !== undefined && found.ended_at === null && !isGone(lab, found.name);
}

/**
 * Removes the locks that no process holds: those of killed processes, also of one killed before it was in the database or after its end
 * was.
 * @returns how many are held, also by sessions of another database that had this name before.
 */
export const removeFreeLocks = (lab: Placed): number => locks(lab).filter((name) => !isFree(prefix(lab) + name, remove)).length;

/** The names of the sessions at work on a lab, as their locks say, whichever version of Grokbook made them. */
export const atWork = (lab: Placed): string[] => locks(lab).filter((name) => !isFree(prefix(lab) + name));

/** The names of the sessions whose locks are there, held or not. */
function locks(lab: Placed): string[] {
  const start = basename(prefix(lab));
  return [...Deno.readDirSync(dirname(lab.place))].filter(({ name, isFile }) => isFile && name.startsWith(start))
    .map(({ name }) => name.slice(start.length)).filter((name) => OWN.test(name));
}

/** Whether nobody holds this lock, or there is none; what is to be done with a free one is done while nobody else can take it. */
function isFree(path: string, and?: (path: string) => void): boolean {
  try {
    using file = openLock(path);
    if (!file.tryLockSync(true)) return false;
    and?.(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    throw error;
  }
}

/** On a read-only medium, a lock can be looked at all the same. */
function openLock(path: string): Deno.FsFile {
  try {
    return Deno.openSync(path, { write: true });
  } catch {
    return Deno.openSync(path);
  }
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
