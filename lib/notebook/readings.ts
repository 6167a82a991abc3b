/** Probe readings of an experiment's runs, for notebooks: from a record, or computed from the weights in the lab. */
import { join } from "node:path";
import { within } from "../lab/cut.ts";
import { checkpointsOf, type Course, probeRuns } from "../lab/probe.ts";
import { READINGS, withReadings } from "../lab/readings.ts";
import type { Experiment } from "../lab/experiment.ts";
import type { StoredRun } from "../lab/stored.ts";
import { type NotebookSweep, RECORDED, stored } from "./sweep.ts";

/**
 * The runs of an experiment with their probe readings: from the record's `readings.csv` where it covers at least as many runs as the lab
 * has weights for, which is quick; else computed from these weights; empty without either. Trains nothing.
 * @throws Error, of one line, where the lab can't be opened or the record can't be read.
 */
export async function storedReadings(
  experiment: Experiment,
  { recorded = RECORDED, ...options }: Pick<NotebookSweep, "db" | "recorded"> = {},
): Promise<(StoredRun & Course)[]> {
  const { name } = experiment;
  using lab = await stored(experiment, { recorded, ...options });
  const table = recorded === false ? null : await tableIn(join(recorded, name)),
    told = table === null ? [] : withReadings(lab, name, table);
  const weighed = lab.runs(name).filter(({ id, spec }) => within(spec, checkpointsOf(lab, id, spec)).length > 0);
  return told.length >= weighed.length ? told : await probeRuns(lab, name);
}

/** The text of the readings table in a record's folder; `null` where there is none. */
const tableIn = (folder: string): Promise<string | null> =>
  Deno.readTextFile(join(folder, READINGS)).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  });
