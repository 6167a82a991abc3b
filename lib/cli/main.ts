/** What every command shares: its exit code, one line for an error, and a clean stop. */

import process from "node:process";
import { printable, say } from "./terminal.ts";

/** The environment variable that turns stack traces on. */
const DEBUG = "GROKBOOK_DEBUG";

/** Runs a command and exits with the code that it returns; an error is one line on stderr and exit code 1. */
export async function run(command: (args: string[]) => Promise<number>): Promise<never> {
  try {
    Deno.exit(await command(Deno.args));
  } catch (error) {
    if (Deno.env.get(DEBUG)) console.error(error);
    else say(`error: ${oneLine(error)}`);
    Deno.exit(1);
  }
}

export const oneLine = (error: unknown): string => printable(error instanceof Error ? error.message : String(error));

/** The signals that stop a command, and its exit code after each. A connection that drops sends SIGHUP. */
const SIGNALS = { SIGINT: 130, ...Deno.build.os === "windows" ? {} : { SIGTERM: 143, SIGHUP: 129 } } as const;

/**
 * Calls `work` with a signal that SIGINT, SIGTERM and SIGHUP abort; a second SIGINT or SIGTERM ends the process at once. A second SIGHUP
 * doesn't: when a terminal goes, a shell sends its own beside that of the system.
 * @returns what `work` returned, and the exit code after the first signal, if one came.
 */
export async function stoppable<T>(work: (signal: AbortSignal) => Promise<T>): Promise<{ result: T; code: number | undefined }> {
  const controller = new AbortController();
  let code: number | undefined;
  const listen = ([signal, number]: [string, number]) => {
    let times = 0;
    const listener = () => {
      if (++times > 1 && signal !== "SIGHUP") Deno.exit(number);
      code ??= number;
      controller.abort();
    };
    // Of `process`, not of Deno: the library that gives the cursor back ends the process at a signal unless it finds a listener here.
    process.on(signal, listener);
    return () => process.off(signal, listener);
  };
  const unlisten = Object.entries(SIGNALS).map(listen);
  try {
    return { result: await work(controller.signal), code };
  } finally {
    unlisten.forEach((stop) => stop());
  }
}
