/** Files that a command line names: read and checked before the work starts, errors in one line. */
import { basename, dirname, join, relative, resolve } from "node:path";
import { isPlain } from "../run/check.ts";
import { makeFolder, reason, removeEmpty, targetOf } from "../run/files.ts";
import { quoted } from "../run/command.ts";
import { inOneLine, quote } from "../run/quote.ts";
import { LAB } from "./process.ts";

/** The text of a file that a flag names. */
export async function readText(flag: string, path: string): Promise<string> {
  await mustBeFile(flag, path);
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    throw new Error(`Cannot read ${flag} ${path}: ${reason(error)}`);
  }
}

/** The JSON object in a file that a flag names. */
export async function readJson(flag: string, path: string): Promise<object> {
  const text = await readText(flag, path);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const why = text.startsWith("\ufeff") ? "it begins with a byte order mark" : inOneLine(reason(error));
    throw new Error(`Cannot read ${flag} ${path}: must be JSON, ${why}`);
  }
  if (!isPlain(value)) throw new Error(`Cannot read ${flag} ${path}: must be a JSON object, current value is ${quote(value, 40)}`);
  return value;
}

/** Fails unless the path is there and is a file or something that can be read like one: a pipe, a terminal. */
export async function mustBeFile(flag: string, path: string): Promise<void> {
  const info = await stat(path);
  if (!info || info.isDirectory) {
    throw new Error(`Cannot read ${flag} ${path}: must be a file, ${info ? "it is a folder" : "there is none"}`);
  }
}

/** Fails unless the path is a folder that is there. */
export async function mustBeFolder(flag: string, path: string): Promise<void> {
  const info = await stat(path);
  if (!info?.isDirectory) throw new Error(`Cannot read ${flag} ${path}: must be a folder, ${info ? "it is a file" : "there is none"}`);
}

/** Something that a command is to write. */
export interface Target {
  /** What names it, for messages. */
  readonly flag: string;
  readonly path: string;
  readonly kind: "file" | "folder";
  /** The names of the files that will be written into a folder. */
  readonly files?: readonly string[];
}

/** Paths that a command reads, by the flag that says so. */
export type Inputs = Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * Makes sure, before hours of work, that all of this can be written, and makes the folders that it takes. Where one thing can't be, nothing
 * is made. @throws Error in one line.
 * @param inputs what none of the files may replace
 * @returns the folders that were made
 */
export async function prepare(
  targets: readonly Target[],
  inputs: Inputs = {},
): Promise<readonly string[]> {
  const made: string[] = [], taken = new Map<string, string>();
  const take = (place: string, flag: string, path: string, alone = true): void => {
    const other = taken.get(place);
    if (other !== undefined) throw new Error(`Cannot write ${flag} ${path}: must be a place of its own, ${other} names it too`);
    if (alone) taken.set(place, flag);
  };
  try {
    for (const [flag, paths] of Object.entries(inputs)) {
      for (const path of [paths ?? []].flat()) taken.set(await placeOf(path, `Cannot read ${flag} ${path}: must be a file`), flag);
    }
    for (const target of targets) {
      const { flag, path, kind, files = [] } = target, place = await prepareOne(target, made);
      // Several outputs may go to one pipe or terminal.
      take(place, flag, path, kind === "folder" || !await isSpecial(path));
      for (const file of files.map((name) => join(path, name))) {
        take(await placeOf(file, unwritable(flag, file)), flag, file);
      }
    }
  } catch (error) {
    await removeEmpty(made);
    throw error;
  }
  return made;
}

export const prepareFolder = (flag: string, path: string) => prepare([{ flag, path, kind: "folder" }]);
export const prepareFile = (flag: string, path: string) => prepare([{ flag, path, kind: "file" }]);

/** @returns the real path of what is to be written. */
async function prepareOne({ flag, path, kind }: Target, made: string[]): Promise<string> {
  const fail = (requirement: string, is: string): never => {
    throw new Error(`Cannot write ${flag} ${path.trim() === "" ? quote(path) : path}: must be ${requirement}, ${is}`);
  };
  if (path.trim() === "") fail("a path", "it is empty");
  const info = await stat(path);
  if (kind === "folder") {
    if (info && !info.isDirectory) fail("a folder", "it is a file");
    await tryFolder(path, made, fail);
    return await Deno.realPath(path);
  }
  if (info?.isDirectory) fail("a file", "it is a folder");
  if (info && !info.isFile) return resolve(path);
  const precious = info ? await preciousKind(path) : null;
  if (precious !== null) fail("a file that may be replaced", `it is ${precious}`);
  if (/[/\\]$/.test(path)) fail("a file", "its name ends like a folder's");
  const target = await placeOf(path, unwritable(flag, path)), folder = dirname(target), beside = await stat(folder);
  if (beside && !beside.isDirectory) fail("a folder", "it is a file");
  await tryFolder(folder, made, fail);
  if (!info) await tryFile(target, fail);
  return await placeOf(target, unwritable(flag, path));
}

const unwritable = (flag: string, path: string) => `Cannot write ${flag} ${path}: must be a file that can be written`;

/** The real path of a file, or that which it will have. @param refusal the beginning of the error where there is none */
async function placeOf(path: string, refusal: string): Promise<string> {
  const real = await targetOf(path).catch((error: unknown) => {
    throw new Error(`${refusal}, ${reason(error)}`);
  });
  const target = resolve(real), folder = dirname(target);
  return join(await Deno.realPath(folder).catch(() => folder), basename(target));
}

/** What a file is that must not be replaced by a table or a figure; `null` for all others. */
async function preciousKind(path: string): Promise<string | null> {
  if (path.endsWith(".safetensors")) return "one of weights or a checkpoint";
  const head = new Uint8Array(SQLITE.length);
  try {
    using file = await Deno.open(path);
    await file.read(head);
  } catch {
    // Whether it can be written is seen when it is.
    return null;
  }
  return new TextDecoder().decode(head) === SQLITE ? "a database" : null;
}

/** How the files of SQLite begin. */
const SQLITE = "SQLite format 3\0";

async function tryFolder(path: string, made: string[], fail: (requirement: string, is: string) => never): Promise<void> {
  try {
    await makeFolder(path, made);
    await Deno.remove(await Deno.makeTempFile({ dir: path, prefix: ".writable-" }));
  } catch (error) {
    fail("a folder that can be written in", reason(error).replace(/: tmpfile$/, ""));
  }
}

/** A name may be too long, or hold characters that the system doesn't take. */
async function tryFile(path: string, fail: (requirement: string, is: string) => never): Promise<void> {
  try {
    (await Deno.open(path, { createNew: true, write: true })).close();
    await Deno.remove(path);
  } catch (error) {
    // Another process may have made it meanwhile.
    if (!(error instanceof Deno.errors.AlreadyExists)) fail("a file that can be written", reason(error));
  }
}

const isSpecial = async (path: string) => await stat(path).then((info) => info !== null && !info.isFile && !info.isDirectory);

/** A database's path as SQLite takes it for a file: some names mean a database in memory, which would be gone afterwards. */
export const database = (path: string): string => /^(:memory:$|file:)/.test(path) ? `./${path}` : path;

/** A path relative to the working directory; as it is where it lies outside. */
export function here(path: string): string {
  const near = relative(Deno.cwd(), path) || ".";
  return near.startsWith("..") ? path : near;
}

/** The flag that names a database in a command to be typed; none for the one that needs no flag. */
export const dbFlag = (db: string): string[] => resolve(db) === LAB ? [] : ["--db", quoted(here(resolve(db)))];

/** Fails, with what makes one, unless there is a lab's database. */
export async function labMustBeThere(db: string): Promise<void> {
  if (await exists(db)) return;
  throw new Error(
    `Cannot open ${here(db)}: it must be there, there is none; deno task db import data/recorded/NAME makes one of recorded results in ` +
      `seconds, deno task sweep trains one`,
  );
}

/** Whether there is anything at the path. */
export const exists = async (path: string) => await stat(path) !== null;

async function stat(path: string): Promise<Deno.FileInfo | null> {
  try {
    return await Deno.stat(path);
  } catch {
    return null;
  }
}
