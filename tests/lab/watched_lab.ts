/** An experiment that stores of its runs what happens in them: trained, recorded, and taken from a record. */
import type { Experiment } from "../../lib/lab/experiment.ts";
import { exportRecorded } from "../../lib/lab/record/export.ts";
import { importRecorded } from "../../lib/lab/record/import.ts";
import { Lab } from "../../lib/lab/store.ts";
import { sweep } from "../../lib/lab/sweep.ts";
import type { Watch } from "../../lib/lab/watch.ts";
import type { RunSpec } from "../../lib/run/spec.ts";
import { fakeEngine, type FakeOptions } from "../fake_engine.ts";
import { watchedRuns as runs } from "./small_lab.ts";

export const watch: Watch = { attention: { pairs: 6, full: 2 }, weights: { perDecade: 4 } };
export const watched = (more: Partial<Experiment> = {}): Experiment => ({ name: "watched", runs: runs(), watch, ...more });

/** Seed s groks at step 105 + 40 · s; seed 2 never. */
const groksAt = ({ seed }: RunSpec) => seed === 2 ? Infinity : 105 + 40 * seed;

export const into = async (path: string, given: Experiment, fake: FakeOptions = {}) => {
  using lab = Lab.open(path);
  return await sweep(given, { lab, engine: fakeEngine({ groksAt, ...fake }) });
};

export const record = async (path: string, folder: string, more: Partial<Parameters<typeof exportRecorded>[3]> = {}) => {
  using lab = Lab.open(path);
  return await exportRecorded(lab, "watched", folder, { metrics: "thin", files: ["attention"], command: "test", ...more });
};
export const taken = async (path: string, folder: string) => {
  using lab = Lab.open(path);
  return await importRecorded(lab, folder);
};
