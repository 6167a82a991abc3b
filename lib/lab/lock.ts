/**
 * The lock of a session: a file of its own beside the database, locked while its process lives; the system lets go of it, however that
 * ends.
 */
import { basename, dirname, join } from "node:path";
import { remove } from "../run/files.ts";
import type { Lab } from "./store.ts";

export interface Lock {
  readonly file: Deno.FsFile;
  readonly path: string;
}

const prefix = (lab: Pick<Lab, "place">) => `${lab.place}-session-`;

/** What a session may be called, so that its lock lies beside the database. */
const NAME = /^[\w-]{1,100}$/;

/** What a session that takes a lock is called, as `crypto.randomUUID` gives it. */
const OWN = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Takes the lock of the session of this name, which is to be in the database only afterwards: a session without a lock counts as killed.
 */
export function takeLock(lab: Lab, name: string): Lock {
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
export function isGone(lab: Lab, name: string): boolean {
  return !NAME.test(name) || isFree(prefix(lab) + name);
}

/** Whether the session that has a run is at work: its process lives. `null`: none has it. */
export function isAtWork(lab: Lab, session: number | null): boolean {
  if (session === null) return false;
  const [found] = lab.query<{ name: string; ended_at: string | null }>("SELECT name, ended_at FROM sessions WHERE id = ?", session);
  return found !== undefined && found.ended_at === null && !isGone(lab, found.name);
}

/**
 * Removes the locks that no process holds: those of killed processes, also of one killed before it was in the database or after its end
 * was.
 * @returns how many are held, also by sessions of another database that had this name before.
 */
export function removeFreeLocks(lab: Pick<Lab, "place">): number {
  const start = basename(prefix(lab));
  let held = 0;
  for (const { name, isFile } of Deno.readDirSync(dirname(lab.place))) {
    const isLock = isFile && name.startsWith(start) && OWN.test(name.slice(start.length));
    if (isLock && !isFree(join(dirname(lab.place), name), remove)) held++;
  }
  return held;
}

/** Whether nobody holds this lock, or there is none; what is to be done with a free one is done while nobody else can take it. */
function isFree(path: string, and?: (path: string) => void): boolean {
  try {
    using file = Deno.openSync(path, { write: true });
    if (!file.tryLockSync(true)) return false;
    and?.(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    throw error;
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
