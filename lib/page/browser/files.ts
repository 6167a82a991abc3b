/** Stands in for `run/files.ts` on the page, where there are no files. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";

/** What is wrong. */
export const reason = (error: unknown) => error instanceof Error ? error.message : String(error);

/** SHA-256 of bytes, hexadecimal. */
export const checksum = (bytes: Uint8Array): string => bytesToHex(sha256(bytes));

/** @throws Error always: a page offers files to be downloaded, and writes none. */
export const writeWhole = (path: string, _data: string | Uint8Array): Promise<void> =>
  Promise.reject(new Error(`Cannot write ${path}: there must be a file system, a page has none`));
