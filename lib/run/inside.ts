/** Paths made from names that come from a database, a record or a checkpoint: they stay within their folder. */
import { join } from "node:path";
import { quote } from "./quote.ts";

/** A part of a name: no `.` or `..`, no separator of any system, no drive or stream, nothing that moves the cursor. */
const PART = /^(?!\.{1,2}$)[^/\\:\p{C}\p{Zl}\p{Zp}]{1,200}$/u;

/**
 * The path of a file that a name within a folder stands for. The folder itself may be a link; below it, links aren't followed.
 * @param folder an existing folder, or one that is to be made.
 * @param name relative, its parts separated by `/`.
 * @returns the path, of a file that may or may not be there.
 * @throws Error in one line where the path would leave the folder, or a link stands at or above it.
 */
export function inside(folder: string, name: string): string {
  const fail = (requirement: string): never => {
    throw new Error(`Cannot use ${quote(name)}: it must ${requirement} ${folder}`);
  };
  const parts = typeof name === "string" ? name.split("/") : [];
  if (parts.length === 0 || !parts.every((part) => PART.test(part))) fail("be the name of a file in");
  let path = folder;
  for (const part of parts) {
    path = join(path, part);
    if (isLink(path)) fail("be a file and no link in");
  }
  return path;
}

/** Whether a name stands for a file within a folder, as `inside` wants it. */
export function isInside(folder: string, name: string): boolean {
  try {
    inside(folder, name);
    return true;
  } catch {
    return false;
  }
}

function isLink(path: string): boolean {
  try {
    return Deno.lstatSync(path).isSymlink;
  } catch (error) {
    // What isn't there is no link; whatever else is wrong, whoever opens the path says.
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw error;
  }
}
