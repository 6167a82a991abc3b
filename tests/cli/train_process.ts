/** `deno task train` as tests start it: the real process, a real engine, very small models. */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "node:path";
import { main } from "../../lib/cli/train.ts";
import * as command from "./command.ts";

export const { ENGINE } = command;
export const TINY = "--preset one-layer --prime 5 --d-model 8 --heads 2 --train-fraction 0.5 --steps 40 --eval-every 10".split(" ");
export const ROOT = new URL("../..", import.meta.url);

export const start = (args: readonly string[], environment: Record<string, string> = {}) => command.start("train", args, environment);
export const ended = async (started: Deno.Command) => command.ended(await started.output());
export const train = (...args: string[]) => ended(start(args, command.FLAGGED));

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

/** A refusal in this process, before an engine is opened; `it begins` where nothing is refused. */
export async function refusedHere(args: readonly string[], says: RegExp): Promise<void> {
  const open = () => Promise.reject(new Error("it begins"));
  assertMatch((await assertRejects(() => main([...args], { open }), Error)).message, says);
}

/** The cells of a CSV, row by row, without its header. */
export const rowsOf = (csv: string) => csv.trim().split("\n").slice(1).map((line) => line.split(","));
