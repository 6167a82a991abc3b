/** Writing files whole or not at all, and telling them apart. */
import { createHash } from "node:crypto";
import { dirname, join, resolve } from "node:path";

/** What the system says is wrong, without the path that it adds. */
export const reason = (error: unknown) => error instanceof Error ? error.message.replace(/[,:] \w+ '.*'$/, "") : String(error);

/** A file that is to be written, and what into it. */
export type Writing = readonly [path: string, data: string | Uint8Array];

/** The temporary name of a file while it is written. */
const partOf = (target: string): string => join(dirname(target), `.${crypto.randomUUID()}.part`);
const PART = /^\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.part$/;

/**
 * Removes what processes that were killed left in a folder: files under temporary names, and no others. What is written there meanwhile
 * fails. @returns how many there were.
 */
export async function removeParts(folder: string): Promise<number> {
  const entries = await Array.fromAsync(Deno.readDir(folder)).catch((error) => {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return [];
    throw error;
  });
  const parts = entries.filter(({ name, isFile }) => isFile && PART.test(name));
  for (const { name } of parts) remove(join(folder, name));
  return parts.length;
}

/**
 * Writes a file under a temporary name and renames it: whoever reads it finds the old one or the new one, never a part. Makes its folder if
 * need be. A link stays one; what isn't a file (a pipe, /dev/stdout) is written to, not replaced.
 * @throws Error in one line; then nothing has changed.
 */
export const writeWhole = (path: string, data: string | Uint8Array): Promise<void> => writeAll([[path, data]]);

/**
 * The same for files that belong together: none is renamed before all have been written. Where one can't be written, all stay as they were.
 * @param files taken one after the other, so that they need not be in memory at once.
 */
export async function writeAll(files: Iterable<Writing> | AsyncIterable<Writing>): Promise<void> {
  const parts: { readonly path: string; readonly temporary: string; readonly target: string }[] = [], made: string[] = [];
  let now = "";
  try {
    for await (const [path, data] of files) {
      now = path;
      const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
      const target = await targetOf(path);
      if (await Deno.stat(target).then((info) => !info.isFile, () => false)) {
        await Deno.writeFile(target, bytes);
        continue;
      }
      const temporary = partOf(target);
      await makeFolder(dirname(target), made);
      parts.push({ path, temporary, target });
      await Deno.writeFile(temporary, bytes);
      // Otherwise the new name may survive a power cut, and what it names not.
      await flush(temporary);
    }
    for (const { path, temporary, target } of parts) {
      now = path;
      await Deno.rename(temporary, target);
    }
  } catch (error) {
    for (const { temporary } of parts) await Deno.remove(temporary).catch(() => {});
    await removeEmpty(made);
    throw new Error(`Cannot write ${now}: ${reason(error)}`);
  }
}

/** The same for a file that need not fit into memory: `write` makes it under the temporary name. @throws Error in one line. */
export async function writeThrough(path: string, write: (temporary: string) => void | Promise<void>): Promise<void> {
  let temporary: string | undefined;
  try {
    const target = await targetOf(path);
    temporary = partOf(target);
    await Deno.mkdir(dirname(target), { recursive: true });
    await write(temporary);
    await flush(temporary);
    await Deno.rename(temporary, target);
  } catch (error) {
    if (temporary !== undefined) await Deno.remove(temporary).catch(() => {});
    throw new Error(`Cannot write ${path}: ${reason(error)}`);
  }
}

/** How many links are followed, one after the other: as many as Linux follows. */
const MOST_LINKS = 40;

/** The path of the file itself, with links followed, also those to a file that isn't there yet. @throws Error where they form a circle. */
export async function targetOf(path: string): Promise<string> {
  let at = path;
  for (let links = 0; links <= MOST_LINKS; links++) {
    const real = await Deno.realPath(at).catch(() => null);
    if (real !== null) return real;
    // A pipe behind /dev/stdout is there, and has no path of its own.
    if (await Deno.stat(at).then(() => true, () => false)) return at;
    const link = await Deno.readLink(at).catch(() => null);
    if (link === null) return at;
    at = resolve(await Deno.realPath(dirname(at)), link);
  }
  throw new Error("Too many levels of symbolic links");
}

/** Makes a folder, and those that it lies in. @param made takes those that weren't there. */
export async function makeFolder(path: string, made: string[]): Promise<void> {
  const missing: string[] = [];
  let folder = resolve(path);
  while (dirname(folder) !== folder && !await Deno.stat(folder).then(() => true, () => false)) {
    missing.unshift(folder);
    folder = dirname(folder);
  }
  for (const each of missing) {
    // Another process may have made it meanwhile.
    await Deno.mkdir(each, { recursive: true });
    made.push(each);
  }
}

/** Removes folders that were made, the last first; those that something lies in stay. */
export async function removeEmpty(made: readonly string[]): Promise<void> {
  for (const folder of made.toReversed()) await Deno.remove(folder).catch(() => {});
}

async function flush(path: string): Promise<void> {
  using file = await Deno.open(path, { write: true });
  await file.sync();
}

/** Removes a file, if it is there. */
export function remove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** SHA-256 of bytes, hexadecimal. */
export const checksum = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
