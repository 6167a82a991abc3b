/** The commands as tests start them: real processes, a real engine. */
import { ROOT } from "../../lib/cli/process.ts";
import { flagged, knowsFlags } from "../../lib/engine/cpu/flags.ts";

/** What most people have, and nothing has to be compiled for it. */
export const ENGINE = "cpu";

/**
 * With these variables, a command that trains has V8's flags from its start, as after it has begun itself anew (`restart.ts`), and need not
 * load twice. Tests of signals, kills and pipes go without them, and begin anew as users' commands do.
 */
export const FLAGGED: Record<string, string> = Deno.build.os === "linux" && await knowsFlags() ? flagged() ?? {} : {};

/** A command of `lib/cli`, without colours. */
export const start = (name: string, args: readonly string[], environment: Record<string, string> = {}) =>
  new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", `lib/cli/${name}.ts`, ...args],
    cwd: ROOT,
    env: { NO_COLOR: "1", ...environment },
    stdout: "piped",
    stderr: "piped",
  });

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a command came to. */
export const ended = ({ code, stdout, stderr }: Deno.CommandOutput): Ended => {
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
};
