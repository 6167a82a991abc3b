/** Very small experiments that are trained or entered, their records, and what both hold. */
import { join } from "node:path";
import type { Metrics } from "../../lib/engine/engine.ts";
import { type Experiment, grid } from "../../lib/lab/experiment.ts";
import { exportRecorded } from "../../lib/lab/record/export.ts";
import type { Lab } from "../../lib/lab/store.ts";

type Kept = "all" | "thin" | "none";
export const record = (lab: Lab, name: string, folder: string, metrics: Kept = "all") =>
  exportRecorded(lab, name, folder, { metrics, command: "deno task db export" });

/** Very small runs. What differs is said out of order, and once in words. */
export const runs = (steps = 300) =>
  grid({
    model: { layers: 1, heads: 1, dModel: [8, 4] },
    data: { prime: 5, batch: ["full", 4] },
    schedule: { steps, evalEvery: 10 },
    seed: [1, 0],
  });
export const small = (more: Partial<Experiment> = {}): Experiment => ({
  name: "small",
  keep: "nothing",
  question: 'Does "it", really?',
  runs: runs(),
  ...more,
});

/** Every file of a folder. */
export const texts = (folder: string) =>
  Object.fromEntries([...Deno.readDirSync(folder)].map(({ name }) => [name, Deno.readTextFileSync(join(folder, name))]));

/** All that is in a database. */
export const dump = (lab: Lab) =>
  lab.query<{ name: string }>("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").map(({ name }) =>
    lab.query(`SELECT * FROM "${name}"`)
  );

export const evaluation = (step: number, more: Partial<Metrics> = {}): Metrics => ({
  ...{
    step,
    trainLoss: 1,
    trainAcc: 0.5,
    valLoss: 2,
    valAcc: 0.25,
    weightNorm: 3,
    gradNorm: 4,
    batchLoss: 5,
    batchAcc: 0.5,
    noisyAcc: NaN,
  },
  ...more,
});

/** Enters a run as if it had been trained to its end. */
export function enter(lab: Lab, experiment: Experiment, metrics: readonly Metrics[]): void {
  const [id] = lab.declare(experiment);
  lab.run("UPDATE runs SET status = 'finished', step = ? WHERE id = ?", metrics.at(-1)!.step, id);
  lab.putMetrics(id, metrics);
  lab.putMilestones(id);
}
