/** `deno task sweep` as a process, on a grid of six small runs. */
import { type Ended, ended, ENGINE, FLAGGED, start } from "./command.ts";

export { type Ended, ended, ENGINE };

/** Six runs of two shapes, a second or two of training in all, with batches that are drawn. */
export const GRID = {
  question: "Does anything get lost?",
  margin: 100,
  grid: {
    preset: "one-layer",
    data: { prime: [5, 7], trainFraction: 0.6, batch: 7 },
    model: { dModel: 8, heads: 2 },
    optim: { lr: 0.01 },
    schedule: { steps: 240, evalEvery: 10 },
    seed: "0..2",
  },
};

export const command = (...args: string[]) => commandIn({}, ...args);
/** A sweep to its end, to which nothing happens. */
export const swept = async (...args: string[]) => ended(await commandIn(FLAGGED, ...args).output());
export const commandIn = (environment: Record<string, string>, ...args: string[]) => start("sweep", args, environment);

/** The arguments that sweep the grid into a database. */
export const into = (db: string, ...more: string[]) => ["--grid", `${db}.json`, "--db", db, "--engine", ENGINE, ...more];
export const prepare = (db: string, grid: object = { name: "night", ...GRID }) =>
  Deno.writeTextFileSync(`${db}.json`, JSON.stringify(grid));

export async function sweep(db: string, ...more: string[]): Promise<Ended> {
  prepare(db);
  return await swept(...into(db, ...more));
}
