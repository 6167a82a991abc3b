/** Files as a command line meets them: read and checked before the work starts, errors in one line. */
import { dirname, relative, resolve } from "node:path";
import { isPlain } from "../run/check.ts";
import { reason } from "../run/files.ts";
import { inOneLine, quote } from "../run/quote.ts";

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
    throw new Error(`Cannot read ${flag} ${path}: must be JSON, ${inOneLine(reason(error))}`);
  }
  if (!isPlain(value)) throw new Error(`Cannot read ${flag} ${path}: must be a JSON object, current value is ${quote(value, 40)}`);
  return value;
}

/** Fails unless the path is a file that is there, or what reads like one: a pipe, /dev/stdin. */
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

/** Makes the folder if need be; fails unless files can be written in it. */
export async function prepareFolder(flag: string, path: string): Promise<void> {
  const info = await stat(path);
  if (info && !info.isDirectory) throw new Error(`Cannot write ${flag} ${path}: must be a folder, it is a file`);
  try {
    await Deno.mkdir(path, { recursive: true });
    await Deno.remove(await Deno.makeTempFile({ dir: path, prefix: ".writable-" }));
  } catch (error) {
    throw new Error(`Cannot write ${flag} ${path}: must be a folder that can be written in, ${reason(error)}`);
  }
}

/** Makes the file's folder if need be; fails unless the file can be written. */
export async function prepareFile(flag: string, path: string): Promise<void> {
  const info = await stat(path);
  if (info?.isDirectory) throw new Error(`Cannot write ${flag} ${path}: must be a file, it is a folder`);
  if (info && !info.isFile) return;
  await prepareFolder(flag, dirname(resolve(path)));
}

/** A path as one types it where one stands; as it is where that leads far away. */
export function here(path: string): string {
  const near = relative(Deno.cwd(), path) || ".";
  return near.startsWith("..") ? path : near;
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
