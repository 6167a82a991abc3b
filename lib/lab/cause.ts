/** Why SQLite could not do something, with what it leaves out. */
import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import { reason } from "../run/files.ts";
import { inOneLine } from "../run/quote.ts";

/** How long a connection waits for another one, in ms. */
export const PATIENCE = 30_000;

/** What a disk must have left for a database to be opened and written, in bytes. */
const ROOM = 2 ** 20;

/**
 * What went wrong, in one line.
 * @param path the database's, or that of anything else on its disk.
 */
export function cause(error: unknown, path: string): string {
  const why = inOneLine(reason(error), 500);
  if (/database (table )?is locked/.test(why)) return `it must be free within ${PATIENCE / 1000} s, another process has it locked`;
  const left = /disk I\/O error|is full/.test(why) && !/must have room/.test(why) ? roomBeside(path) : null;
  return left === null || left >= ROOM ? why : `${why}; its disk must have room, ${Math.floor(left / 1024)} KiB are left`;
}

/** Bytes left on the disk of a file or folder; `null` where that isn't known. */
function roomBeside(path: string): number | null {
  try {
    const { bavail, bsize } = statfsSync(dirname(path));
    return bavail * bsize;
  } catch {
    return null;
  }
}
