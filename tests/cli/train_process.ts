/** `deno task train` as tests start it: the real process, a real engine, very small models. */
import { assertEquals } from "@std/assert";
import { join } from "node:path";

/** What most people have, and nothing has to be compiled for it. */
export const ENGINE = "cpu";
export const TINY = "--preset one-layer --prime 5 --d-model 8 --heads 2 --train-fraction 0.5 --steps 40 --eval-every 10".split(" ");
export const ROOT = new URL("../..", import.meta.url);

export const start = (args: readonly string[], environment: Record<string, string> = {}) =>
  new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "lib/cli/train.ts", ...args],
    cwd: ROOT,
    env: { NO_COLOR: "1", ...environment },
    stdout: "piped",
    stderr: "piped",
  });

export const train = (...args: string[]) => ended(start(args));

/** What a command came to. */
export async function ended(command: Deno.Command) {
  const { code, stdout, stderr } = await command.output();
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

/** Where nothing is going to be trained, V8's flags make no difference: without them a process starts sooner. */
export const UNFLAGGED = { GROKBOOK_V8_FLAGS: "off" };

/** A tiny run that has to succeed. */
export async function trained(...args: string[]) {
  const result = await train("--engine", ENGINE, ...TINY, ...args);
  assertEquals(result.code, 0, result.stderr);
  return result;
}

export async function folder<T>(work: (path: (name: string) => string) => Promise<T>): Promise<T> {
  const path = await Deno.makeTempDir({ prefix: "cli-train-" });
  try {
    return await work((name) => join(path, name));
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

export const filesIn = async (path: string) => (await Array.fromAsync(Deno.readDir(path), ({ name }) => name)).sort();
