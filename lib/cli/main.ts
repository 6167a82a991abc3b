/** What every command shares: its exit code, one line for an error, and a clean stop. */

import process from "node:process";

/** The environment variable that asks for stack traces. */
const DEBUG = "GROKBOOK_DEBUG";

/** Runs a command and exits with the code that it returns; an error is one line on stderr and exit code 1. */
export async function run(command: (args: string[]) => Promise<number>): Promise<never> {
  try {
    Deno.exit(await command(Deno.args));
  } catch (error) {
    console.error(Deno.env.get(DEBUG) ? error : `error: ${oneLine(error)}`);
    Deno.exit(1);
  }
}

export function oneLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replaceAll(/\s*\n\s*/g, " · ").trim();
}

/**
 * Calls `work` with a signal that SIGINT and SIGTERM abort; a second one ends the process at once.
 * @returns what `work` returned, and the exit code that the first signal asks for (130 for SIGINT, 143 for SIGTERM), if one came.
 */
export async function stoppable<T>(work: (signal: AbortSignal) => Promise<T>): Promise<{ result: T; code: number | undefined }> {
  const controller = new AbortController();
  let code: number | undefined;
  const listen = (signal: "SIGINT" | "SIGTERM", number: number) => {
    const listener = () => {
      if (code !== undefined) Deno.exit(code);
      code = number;
      controller.abort();
    };
    // Of `process`, not of Deno: the library that gives the cursor back ends the process at a signal unless it finds a listener here.
    process.on(signal, listener);
    return () => process.off(signal, listener);
  };
  const unlisten = [listen("SIGINT", 130), ...Deno.build.os === "windows" ? [] : [listen("SIGTERM", 143)]];
  try {
    return { result: await work(controller.signal), code };
  } finally {
    unlisten.forEach((stop) => stop());
  }
}
