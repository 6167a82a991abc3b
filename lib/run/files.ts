/** Writing files whole or not at all, and telling them apart. */
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";

/** What the system says is wrong, without the path that it adds. */
export const reason = (error: unknown) => error instanceof Error ? error.message.replace(/[,:] \w+ '.*'$/, "") : String(error);

/**
 * Writes a file under a temporary name and renames it: whoever reads it finds the old one or the new one, never a part. Makes its folder if
 * need be. A link stays one; what isn't a file (a pipe, /dev/stdout) is written to, not replaced.
 */
export async function writeWhole(path: string, data: string | Uint8Array): Promise<void> {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  const target = await Deno.realPath(path).catch(() => path);
  const special = await Deno.stat(target).then((info) => !info.isFile, () => false);
  const temporary = special ? null : join(dirname(target), `.${crypto.randomUUID()}.part`);
  try {
    if (temporary) await Deno.mkdir(dirname(temporary), { recursive: true });
    await Deno.writeFile(temporary ?? target, bytes);
    // Otherwise the new name may survive a power cut, and what it names not.
    if (temporary) await flush(temporary);
    if (temporary) await Deno.rename(temporary, target);
  } catch (error) {
    if (temporary) await Deno.remove(temporary).catch(() => {});
    throw new Error(`Cannot write ${path}: ${reason(error)}`);
  }
}

/** The same for a file that need not fit into memory: `write` makes it under the temporary name. @throws Error in one line. */
export async function writeThrough(path: string, write: (temporary: string) => void | Promise<void>): Promise<void> {
  const target = await Deno.realPath(path).catch(() => path), temporary = join(dirname(target), `.${crypto.randomUUID()}.part`);
  try {
    await Deno.mkdir(dirname(target), { recursive: true });
    await write(temporary);
    await flush(temporary);
    await Deno.rename(temporary, target);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw new Error(`Cannot write ${path}: ${reason(error)}`);
  }
}

async function flush(path: string): Promise<void> {
  using file = await Deno.open(path, { write: true });
  await file.sync();
}

/** SHA-256 of bytes, hexadecimal. */
export const checksum = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
