/**
 * The process of a command that trains. The processor engine is faster with flags of V8, which count only where a process starts. So a
 * command that will train with it replaces its own program by itself with the flags: `execve` keeps the process, and with it standard
 * input, the terminal, signals and the exit code, and there is no second process that could go on alone when this one is killed.
 * `DENO_V8_FLAGS=…` in deno.json's tasks would end Deno wherever its V8 doesn't know one of them.
 */
import { parseArgs } from "node:util";
import { flagged, knowsFlags } from "../engine/cpu/flags.ts";
import { chooseEngine, type EngineName } from "../train/engines.ts";
import { run } from "./main.ts";

/**
 * Runs a command that trains, as `run` does, in a process that has V8's flags where they help.
 * @param name the engine of a command that lets nobody choose.
 */
export const runTraining = (command: (args: string[]) => Promise<number>, name?: EngineName): Promise<never> =>
  run(async (args) => {
    // Before anything is read: standard input can be read once.
    const { engine } = parseArgs({ args, options: { engine: { type: "string" } }, strict: false }).values;
    // These two train nothing.
    if (!args.includes("--help") && !args.includes("--status")) {
      await restartWithFlags(name ?? (typeof engine === "string" ? engine : undefined));
    }
    return await command(args);
  });

/**
 * Begins the program anew with V8's flags where it will train with the processor engine. Returns where the process is to stay as it is: it
 * trains with another engine, has the flags, must not have them, doesn't know them, or isn't on Linux. Elsewhere, DENO_V8_FLAGS can be set
 * by hand.
 * @param engine a name as it was given.
 * @throws Error where GROKBOOK_V8_FLAGS is neither on nor off.
 */
export async function restartWithFlags(engine?: string): Promise<void> {
  const flags = flagged();
  if (flags === null || Deno.build.os !== "linux") return;
  if ((engine ?? (await chooseEngine()).engine) !== "cpu" || !await knowsFlags()) return;
  const words = (await Deno.readTextFile("/proc/self/cmdline")).split("\0").slice(0, -1);
  execve(Deno.execPath(), words, { ...Deno.env.toObject(), ...flags });
}

/** Replaces this process's program. Returns only where that fails: then training is slower, and as right. */
function execve(program: string, words: readonly string[], environment: Readonly<Record<string, string>>): void {
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  // All texts in one block that begins with the program's path: as an argument, it lives as long as the call.
  const texts = [program, ...words, ...variables].map((text) => new TextEncoder().encode(`${text}\0`));
  const block = new Uint8Array(texts.reduce((sum, { length }) => sum + length, 0)),
    first = Deno.UnsafePointer.value(Deno.UnsafePointer.of(block));
  let at = 0;
  const addresses = texts.map((text) => {
    block.set(text, at);
    at += text.length;
    return first + BigInt(at - text.length);
  });
  const argv = BigUint64Array.of(...addresses.slice(1, 1 + words.length), 0n),
    envp = BigUint64Array.of(...addresses.slice(1 + words.length), 0n);
  try {
    const library = Deno.dlopen("libc.so.6", { execve: { parameters: ["buffer", "buffer", "buffer"], result: "i32" } });
    library.symbols.execve(block, argv, envp);
    library.close();
  } catch {
    // There is no such library.
  }
}
