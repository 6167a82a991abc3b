/** What probes read in the runs of an experiment, in a notebook: of the weights that the lab has, or as a record tells it. */
import { join } from "node:path";
import { type Course, findRun, probeRuns } from "../lab/probe.ts";
import { READINGS, withReadings } from "../lab/readings.ts";
import type { Experiment } from "../lab/experiment.ts";
import type { StoredRun } from "../lab/store.ts";
import { type NotebookSweep, RECORDED, stored } from "./sweep.ts";

/**
 * The runs of an experiment with the readings of their states: by `readings.csv` of the record where it tells of as many runs as the lab
 * has weights of, which takes no time; else by these weights; none where there is neither. Trains nothing.
 * @throws Error in one line where the lab can't be opened, or the record can't be read.
 */
export async function storedReadings(
  experiment: Experiment,
  { recorded = RECORDED, ...options }: Pick<NotebookSweep, "db" | "recorded"> = {},
): Promise<(StoredRun & Course)[]> {
  const { name } = experiment;
  using lab = await stored(experiment, { recorded, ...options });
  const table = recorded === false ? null : await tableIn(join(recorded, name)),
    told = table === null ? [] : withReadings(lab, name, table);
  const weighed = lab.runs(name).filter(({ id }) => findRun(lab, id).checkpoints.length > 0);
  return told.length >= weighed.length ? told : await probeRuns(lab, name);
}

/** The table of readings in a record's folder; `null` where there is none. */
const tableIn = (folder: string): Promise<string | null> =>
  Deno.readTextFile(join(folder, READINGS)).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  });
