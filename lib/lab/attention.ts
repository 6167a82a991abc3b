/** The attention logs of the lab's runs: begun, taken up again, joined and read. */
import { type AttentionOptions, attentionProbe, type AttentionReading, sameProbe } from "../run/attention.ts";
import type { PhaseEdges } from "../run/phases.ts";
import { attentionFile, type AttentionLog, loadAttention } from "../train/attention_file.ts";
import { reason } from "../run/files.ts";
import { type RunSpec, specHash } from "../run/spec.ts";
import { type Artifact, artifacts, type Kind, lastLog, type Made, pathOf, readArtifact } from "./artifacts.ts";
import type { Experiment } from "./experiment.ts";
import { edgesWithin, ruleOf, within } from "./cut.ts";
import { type CheckpointedRun, findRun } from "./probe.ts";
import type { Lab } from "./store.ts";
import type { StoredRun } from "./stored.ts";

/**
 * A run of the lab with its attention, the whole log or what a record has of it; `run` is its id, or its hash or the first digits of that.
 * @throws Error in one line where there is no such run, or its log isn't there or broken.
 */
export async function attentionRun(lab: Lab, run: number | string): Promise<CheckpointedRun & AttentionLog> {
  const found = findRun(lab, run), { id, hash } = found;
  const stored = lastLog(lab, id);
  if (!stored) {
    throw new Error(
      `Cannot read the attention of run ${id} (${hash}): it must have a log in ${lab.folder}, there is none; watch "attention" stores one`,
    );
  }
  const { readings } = await storedLog(lab, stored);
  return { ...found, readings };
}

/**
 * The runs of an experiment that have a log, with it and the edges of their phases, in the order of `lab.runs`, all of it as the experiment
 * sees it: by its rule, whichever that is, so that a run's phase `generalised` begins at its grokking step; and no further than its steps.
 * @throws Error in one line where there is no such experiment, or a log is broken.
 */
export async function attentionRuns(lab: Lab, experiment: string): Promise<(StoredRun & AttentionLog & { readonly edges?: PhaseEdges })[]> {
  const runs = lab.runs(experiment), rule = ruleOf(lab, experiment);
  const all = await Promise.all(runs.map(async (run) => {
    const stored = lastLog(lab, run.id);
    if (!stored) return [];
    const log = await storedLog(lab, stored), readings = within(run.spec, log.readings), edges = edgesWithin(lab, run, rule);
    return readings.length === 0 ? [] : [{ ...run, ...log, readings, spec: run.spec, ...edges && { edges } }];
  }));
  return all.flat();
}

/** The log in a file of the lab. @throws Error in one line. */
export async function storedLog(lab: Lab, stored: Artifact): Promise<AttentionLog> {
  await readArtifact(lab, stored);
  return await loadAttention(pathOf(lab, stored.file));
}

/** The file of a log up to a step. How many steps the run is to have doesn't show in it. */
export function logFile(spec: RunSpec, step: number, readings: readonly AttentionReading[]): Made {
  return { kind: "attention", step, data: attentionFile({ spec: { ...spec, schedule: { ...spec.schedule, steps: step } }, readings }) };
}

/** A run that goes on, at a state after `history`. */
interface TakenUp {
  readonly id: number;
  readonly hash: string;
  readonly spec: RunSpec;
  readonly history: readonly { readonly step: number }[];
}

/**
 * What a run that goes on has of its log: the readings of the evaluations up to there, none where there is no log, or a broken one, which
 * is said; `null` where the log is of another probe set: it stays as it is, which is said too.
 */
export async function beginningOf(
  lab: Lab,
  { id, hash, spec, history }: TakenUp,
  options: AttentionOptions,
  say: (line: string) => void,
): Promise<AttentionReading[] | null> {
  const stored = artifacts(lab, id, "attention").at(-1);
  if (!stored) return [];
  const about = `the attention log of run ${hash}`;
  try {
    const { readings } = await storedLog(lab, stored), { probe } = readings[0], wanted = attentionProbe(spec, options);
    if (!sameProbe(probe, wanted)) {
      const words = ({ a, full }: typeof probe) => `${a.length} pairs, ${full} of them in full`;
      say(
        `Cannot go on with ${about}: its probe set must be ${words(wanted)}, it is ${
          words(probe)
        }. It stays as it is, up to step ${stored.step}`,
      );
      return null;
    }
    const steps = new Set(history.map(({ step }) => step));
    return readings.filter(({ step }) => steps.has(step));
  } catch (error) {
    say(`Cannot go on with ${about}: ${reason(error)}. It begins anew, at step ${history.at(-1)?.step ?? 0}`);
    return [];
  }
}

/** A log with the readings of another one of the same run that it lacks. @throws Error where they are of two probe sets. */
export function joined(log: AttentionLog, other: AttentionLog): AttentionLog {
  const steps = new Set(log.readings.map(({ step }) => step)), lacking = other.readings.filter(({ step }) => !steps.has(step));
  if (!sameProbe(log.readings[0].probe, other.readings[0].probe)) throw new Error("both logs must be of one probe set, they are of two");
  return lacking.length === 0 ? log : { ...log, readings: [...log.readings, ...lacking].toSorted((a, b) => a.step - b.step) };
}

/** Runs of an experiment that watches attention which the lab has, as far as they were trained, without any. */
export const withoutAttention = (lab: Lab, experiment: Experiment): RunSpec[] =>
  experiment.watch?.attention ? without(lab, experiment, ["attention", "attention-thin"]) : [];

/** The same of weights on the way. */
export const withoutWeights = (lab: Lab, experiment: Experiment): RunSpec[] =>
  experiment.watch?.weights ? without(lab, experiment, ["weights"]) : [];

/** Runs of an experiment that were begun and have no file of these kinds. */
function without(lab: Lab, { runs }: Experiment, kinds: readonly Kind[]): RunSpec[] {
  const bare = new Set(
    lab.query<{ hash: string }>(
      `SELECT hash FROM runs WHERE step > 0 AND NOT EXISTS (SELECT 1 FROM artifacts WHERE run = id AND kind IN (${kinds.map(() => "?")}))`,
      ...kinds,
    ).map(({ hash }) => hash),
  );
  return bare.size === 0 ? [] : runs.filter((spec) => bare.has(specHash(spec)));
}
