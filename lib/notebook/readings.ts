/** What probes read in the runs of an experiment, in a notebook: of the weights that the lab has, or as a record tells it. */
import { join } from "node:path";
import { probeRuns } from "../lab/probe.ts";
import type { Course } from "../lab/probe.ts";
import { READINGS, withReadings } from "../lab/readings.ts";
import type { Experiment } from "../lab/experiment.ts";
import type { StoredRun } from "../lab/store.ts";
import { type NotebookSweep, RECORDED, stored } from "./sweep.ts";

/**
 * The runs of an experiment with the readings of their states: by the lab's weights where any run has such, else by `readings.csv` of the
 * record; none where there is neither. Trains nothing.
 * @throws Error in one line where the lab can't be opened, or the record can't be read.
 */
export async function storedReadings(
  experiment: Experiment,
  options: Pick<NotebookSweep, "db" | "recorded"> = {},
): Promise<(StoredRun & Course)[]> {
  using lab = await stored(experiment, options);
  const probed = await probeRuns(lab, experiment.name), { recorded = RECORDED } = options;
  if (probed.length > 0 || recorded === false) return probed;
  const path = join(recorded, experiment.name, READINGS);
  const table = await Deno.readTextFile(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  });
  return table === null ? [] : withReadings(lab, experiment.name, table);
}
