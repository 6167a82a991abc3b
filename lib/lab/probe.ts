/** Looking into a run: its checkpoints, read one after another; and runs of the lab, found by id or hash, with theirs. */
import { type Checkpoint, type Keys, type Progress, type Reading, reading } from "../analysis/network/reading.ts";
import { linearTask } from "../analysis/network/progress.ts";
import type { ActivationOptions } from "../reference/activations.ts";
import type { RunSpec } from "../run/spec.ts";
import { loadWeights } from "../train/weights.ts";
import { pathOf } from "./artifacts.ts";
import { within } from "./cut.ts";
import type { Lab } from "./store.ts";
import { type MomentRow, MOMENTS, moments, specOf, type StoredRun } from "./stored.ts";
import { LONGEST_FIRST } from "./views.ts";

export type { Checkpoint, Keys, Reading } from "../analysis/network/reading.ts";

/** The progress of a run over its checkpoints, with the key frequencies of its last checkpoint, by which all are measured. */
export interface Course extends Keys {
  /** Whose key frequencies are in `keys`. */
  readonly rule: "logits" | "neurons";
  readonly spec: RunSpec;
  /** One per checkpoint, in the order of their steps; at least one. */
  readonly readings: readonly Progress[];
}

/** A run as its checkpoints show it. */
export interface Probe extends Course {
  readonly readings: readonly Reading[];
}

/** A checkpoint that is loaded when its turn comes. */
export interface StoredCheckpoint {
  readonly step: number;
  readonly load: () => Promise<Float32Array>;
}

export interface ProbeOptions extends ActivationOptions {
  /** Called after each checkpoint with how many have been read, and of how many. */
  readonly onRead?: (read: number, of: number) => void;
}

/**
 * Reads the checkpoints of a run: `probe(run.spec, [run.snapshot])`.
 * @throws Error where there is none, and what `linearTask` and `activations` throw.
 */
export async function probe(
  spec: RunSpec,
  checkpoints: readonly (Checkpoint | StoredCheckpoint)[],
  { onRead, ...options }: ProbeOptions = {},
): Promise<Probe> {
  linearTask(spec); // says at once what it doesn't apply to
  // Not at the top: TensorFlow.js takes a while to load, and most commands that load this file don't probe.
  const { activations } = await import("../reference/activations.ts");
  // The last one's key frequencies are the run's.
  const readings = await readAll(checkpoints, onRead, async (checkpoint, last?: Reading) => {
    return reading(spec, checkpoint, await activations(spec, checkpoint.params, options), last);
  });
  const { keys, neuronKeys } = readings.at(-1)!;
  return { spec, rule: "logits", keys, neuronKeys, readings };
}

/**
 * Reads checkpoints from the last to the first, each loaded when its turn comes.
 * @param read gets, after the first time, what the last checkpoint gave.
 * @returns what it gave of each, in the order of their steps.
 * @throws Error where there is none.
 */
export async function readAll<T>(
  checkpoints: readonly (Checkpoint | StoredCheckpoint)[],
  onRead: ProbeOptions["onRead"],
  read: (checkpoint: Checkpoint, last?: T) => Promise<T>,
): Promise<T[]> {
  if (checkpoints.length === 0) throw new Error("Cannot probe a run: it must have at least one checkpoint, there is none");
  const readings: T[] = [];
  for (const checkpoint of checkpoints.toSorted((x, y) => y.step - x.step)) {
    const { step } = checkpoint, params = "load" in checkpoint ? await checkpoint.load() : checkpoint.params;
    readings.push(await read({ step, params }, readings[0]));
    onRead?.(readings.length, checkpoints.length);
  }
  return readings.reverse();
}

/** The same run with its neurons' key frequencies in the place of its logits': what takes a probe then shows what these do. */
export const byNeurons = <Probed extends Course>(probe: Probed): Probed => ({
  ...probe,
  rule: "neurons",
  keys: probe.neuronKeys,
  readings: probe.readings.map((reading) => ({ ...reading, ...reading.byNeurons, keys: reading.neuronKeys })),
});

/** A run with its evaluations and its checkpoints; its milestones are by the rule of the experiment that watches it longest. */
export interface CheckpointedRun extends StoredRun {
  readonly hash: string;
  /** In the order of their steps; may be none. */
  readonly checkpoints: readonly StoredCheckpoint[];
}

/** What of a run's files are states of its network: whole ones, of which the lab keeps the last, and its weights alone. */
const KINDS = `'checkpoint', 'weights'`;

/** The run of this id, or whose hash is or begins with this. @throws Error where there is none, or more than one. */
export function findRun(lab: Lab, idOrHash: number | string): CheckpointedRun {
  const word = String(idOrHash).toLowerCase();
  const select = "SELECT id, hash, spec, status, step FROM runs";
  type Found = { id: number; hash: string; spec: string; status: string; step: number };
  const found = /^\d{1,15}$/.test(word) ? lab.query<Found>(`${select} WHERE id = ?`, Number(word)) : [];
  if (found.length === 0 && /^[0-9a-f]{4,16}$/.test(word)) {
    found.push(...lab.query<Found>(`${select} WHERE hash GLOB ? LIMIT 2`, `${word}*`));
  }
  if (found.length !== 1) {
    const [{ n }] = lab.query<{ n: number }>("SELECT count(*) AS n FROM runs");
    const are = found.length > 1 ? "several begin so" : n === 0 ? "it has no runs" : `none of its ${n} runs is`;
    throw new Error(`Cannot find run ${idOrHash} in ${lab.path}: it must be the id or the hash (or its first digits) of one run, ${are}`);
  }
  const [{ id, hash, status, step }] = found, spec = specOf(found[0], step);
  const [row] = lab.query<MomentRow>(
    `SELECT ${MOMENTS} FROM run_summary WHERE run = ? ORDER BY ${LONGEST_FIRST} LIMIT 1`,
    id,
  );
  return { id, hash, spec, status, step, metrics: lab.metrics(id), ...moments(row), checkpoints: checkpointsOf(lab, id, spec) };
}

/** All checkpoints of a run, in the order of their steps. */
export function checkpointsOf(lab: Lab, run: number, spec: RunSpec): StoredCheckpoint[] {
  const files = lab.query<{ step: number; file: string }>(
    `SELECT step, min(file) AS file FROM artifacts WHERE run = ? AND kind IN (${KINDS}) GROUP BY step ORDER BY step`,
    run,
  );
  return files.map(({ step, file }) => ({ step, load: () => loadWeights(pathOf(lab, file), spec) }));
}

/**
 * A run of the lab, probed at all of its checkpoints; figures take it as it is.
 * @throws Error where there is no such run, it has no checkpoint or a broken one, or its operation is none that a probe can read.
 */
export async function probeRun(lab: Lab, idOrHash: number | string, options: ProbeOptions = {}): Promise<CheckpointedRun & Probe> {
  const run = findCheckpoints(lab, idOrHash);
  return { ...run, ...await probe(run.spec, run.checkpoints, options) };
}

/** `findRun`, of a run that has a checkpoint. @throws Error where it hasn't, too. */
export function findCheckpoints(lab: Lab, idOrHash: number | string): CheckpointedRun {
  const run = findRun(lab, idOrHash), { id, hash, checkpoints } = run;
  if (checkpoints.length > 0) return run;
  throw new Error(`Cannot probe run ${id} (${hash}): it must have a checkpoint in ${lab.folder}, there is none; ${whyNone(lab, run)}`);
}

/** What helps where results have no weights: what is done isn't trained again in the same lab. */
const ANEW = "results that were imported without weights get them where deno task sweep --db NEW.db trains them";

/** Why a run has no checkpoint, and what would keep one. */
function whyNone(lab: Lab, { id, status, step }: CheckpointedRun): string {
  if (status === "failed") return "its loss stopped being a number, and of such a run none is kept";
  if (step === 0) return "none of its states has been stored yet";
  return keepsWeights(lab, "run", id);
}

/** The same of an experiment none of whose runs has weights within its steps. */
export function whyNoneOf(lab: Lab, experiment: string): string {
  const [{ id }] = lab.query<{ id: number }>("SELECT id FROM experiments WHERE name = ?", experiment);
  const [later] = lab.query<{ at: number; steps: number }>(
    `SELECT step AS at, steps FROM artifacts JOIN members USING (run) WHERE experiment = ? AND kind IN (${KINDS}) ORDER BY step LIMIT 1`,
    id,
  );
  if (later) return `its runs' stored states lie after its steps: the first is of step ${later.at}, after ${later.steps}`;
  return keepsWeights(lab, "experiment", id);
}

/** What helps where nothing has weights, of a run or of an experiment. */
function keepsWeights(lab: Lab, of: "run" | "experiment", id: number): string {
  const keeping = lab.query(
    `SELECT 1 FROM members JOIN experiments e ON e.id = experiment WHERE ${of} = ? AND (keep = 'checkpoint' OR watch ->> '$.weights' IS NOT NULL)`,
    id,
  );
  return keeping.length === 0 ? `keep "checkpoint" in its experiment keeps one` : ANEW;
}

/**
 * The runs of an experiment that have checkpoints within its steps, probed at all of these, in the order of `lab.runs`.
 * @throws Error where there is no such experiment, a checkpoint is broken, or its operation is none that a probe can read.
 */
export async function probeRuns(lab: Lab, experiment: string, options: ProbeOptions = {}): Promise<(StoredRun & Probe)[]> {
  const all: (StoredRun & Probe)[] = [];
  for (const run of lab.runs(experiment)) {
    const checkpoints = within(run.spec, checkpointsOf(lab, run.id, run.spec));
    if (checkpoints.length > 0) all.push({ ...await probe(run.spec, checkpoints, options), ...run });
  }
  return all;
}
