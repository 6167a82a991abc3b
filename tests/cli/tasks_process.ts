/** `deno task sweep` spread over tasks, as tests start it: a grid, the commands, and what they are to come to. */
import { assertEquals } from "@std/assert";
import { ROOT } from "../../lib/cli/process.ts";
import { content } from "../lab/lab_files.ts";
import { ENGINE, FLAGGED } from "./command.ts";

/** Twelve runs of two shapes, some seconds of training in all, with batches that are drawn. */
export const grid = (steps: number, seeds = "0..5") => ({
  name: "night",
  grid: {
    preset: "one-layer",
    data: { prime: [5, 7], trainFraction: 0.6, batch: 7 },
    model: { dModel: 8, heads: 2 },
    optim: { lr: 0.01 },
    schedule: { steps, evalEvery: 200 },
    seed: seeds,
  },
});

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export async function program(name: string, args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const output = await new Deno.Command(name, { args: [...args], cwd: ROOT, env: { NO_COLOR: "1", LC_ALL: "C", ...env }, stdin: "null" })
    .output();
  const text = new TextDecoder();
  return { code: output.code, stdout: text.decode(output.stdout), stderr: text.decode(output.stderr) };
}

/** The sweep of a grid beside its database. */
export const sweep = (db: string, args: readonly string[], env: Record<string, string> = FLAGGED) =>
  program(Deno.execPath(), ["run", "-A", "lib/cli/sweep.ts", "--grid", `${db}.json`, "--db", db, ...args], env);

/** What happened here in one lab is to have happened in the other, bit for bit. */
export async function assertWhole(db: string, folder: (name: string) => string): Promise<void> {
  const alone = folder("alone.db");
  await Deno.copyFile(`${db}.json`, `${alone}.json`);
  const { code, stderr } = await sweep(alone, ["--engine", ENGINE]);
  assertEquals(code, 0, stderr);
  assertEquals(content(db), content(alone));
}
