/** Stands in for `run/files.ts` on the page, where there are no files. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";

/** What is wrong. */
export const reason = (error: unknown) => error instanceof Error ? error.message : String(error);

/** SHA-256 of bytes, hexadecimal. */
export const checksum = (bytes: Uint8Array): string => bytesToHex(sha256(bytes));

const none = (action: string, path: string) => new Error(`Cannot ${action} ${path}: there must be a file system, a page has none`);

// A page offers files to be downloaded, and writes none: all of these fail.
export const writeWhole = (path: string, _data: string | Uint8Array): Promise<void> => Promise.reject(none("write", path));
export const writeAll = (_files: unknown): Promise<void> => Promise.reject(none("write", "files"));
export const writeThrough = (path: string, _write: unknown): Promise<void> => Promise.reject(none("write", path));
export const targetOf = (path: string): Promise<string> => Promise.reject(none("follow", path));
export const makeFolder = (path: string, _made: string[]): Promise<void> => Promise.reject(none("make", path));
export const removeEmpty = (_made: readonly string[]): Promise<void> => Promise.reject(none("remove", "folders"));
export const removeParts = (folder: string): Promise<number> => Promise.reject(none("tidy up", folder));
export const remove = (path: string): void => {
  throw none("remove", path);
};
