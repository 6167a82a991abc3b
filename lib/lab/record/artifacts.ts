/** Files that travel with recorded results: attention logs, as much of them as figures need, and weights on the way; and back. */
import { attentionFile, type AttentionLog } from "../../train/attention_file.ts";
import { loadWeights, weightsAt } from "../../train/weights.ts";
import { checksum, reason, remove, removeParts, type Writing } from "../../run/files.ts";
import { inside, isInside } from "../../run/inside.ts";
import { type RunSpec, specHash } from "../../run/spec.ts";
import { METRIC_NAMES, type Metrics } from "../../run/metrics.ts";
import { agreement } from "../agreement.ts";
import { type Artifact, artifacts, bring, enterArtifact, lastLog, pathOf, readArtifact, readChecked, tagged } from "../artifacts.ts";
import { storedLog } from "../attention.ts";
import { isAtWork } from "../lock.ts";
import type { RecordedRun } from "./files.ts";
import type { Lab } from "../store.ts";

/** How many readings of a run go along at most. */
export const MOST_READINGS = 64;

/** What may go along, each in a folder of its name: one log per run; weights, one file per state. */
export type Sent = "attention" | "weights";
export const SENT: readonly Sent[] = ["attention", "weights"];

/**
 * What of a log goes along: the first reading, the last, those at `edges`, and others evenly among those kept; patterns in full at the
 * named ones.
 */
export function thinLog({ spec, readings }: AttentionLog, edges: readonly number[]): AttentionLog {
  const n = readings.length, spaced = Math.min(n, MOST_READINGS - edges.length);
  const named = new Set([0, n - 1, ...edges.map((edge) => readings.findIndex(({ step }) => step >= edge)).filter((i) => i >= 0)]);
  const kept = new Set(named);
  for (let i = 0; i < spaced; i++) kept.add(Math.round(i * (n - 1) / Math.max(1, spaced - 1)));
  const bare = new Float32Array();
  return {
    spec,
    readings: readings.flatMap((reading, i) => kept.has(i) ? [named.has(i) ? reading : { ...reading, examples: bare }] : []),
  };
}

/** A file of a record: where it lies there, and its bytes. */
export interface RecordedFile {
  readonly entry: Artifact;
  readonly data: Uint8Array;
}

/** A run, and what its record needs to know of it. */
interface Phased {
  readonly id: number;
  readonly hash: string;
  readonly spec: RunSpec;
  /** Updates done. */
  readonly step: number;
  /** Whether its trained network goes along. */
  readonly network: boolean;
  /** The steps at which its phases begin. */
  readonly edges: readonly number[];
}

/**
 * The files of a run for its record. Where it takes tensors over, the weights that it began with always go along: without them nobody could
 * train it again. One that is broken is left out, which is said; one that came from a record goes on as it came.
 */
export async function filesFor(lab: Lab, run: Phased, sent: readonly Sent[], say: (line: string) => void): Promise<RecordedFile[]> {
  const last = lastLog(lab, run.id), log = last && sent.includes("attention") ? [last] : [];
  const takes = run.spec.model.taken !== "none";
  const goes = ({ step }: Artifact) => sent.includes("weights") || (takes && step === 0) || (run.network && step === run.step);
  const weights = artifacts(lab, run.id, "weights").filter(goes), files: RecordedFile[] = [];
  const lacking = run.network && !weights.some(({ step }) => step === run.step);
  const state = artifacts(lab, run.id, "checkpoint").filter(({ step }) => lacking && step === run.step);
  if (lacking && state.length === 0) say(`The network of run ${run.hash} is left out: the lab must have its last state, it has none`);
  for (const stored of [...log, ...weights, ...state]) {
    const ofAttention = stored.kind.startsWith("attention");
    const what = ofAttention ? `attention of run ${run.hash} is` : `weights of run ${run.hash} at step ${stored.step} are`;
    try {
      files.push(await fileOf(lab, run, stored));
    } catch (error) {
      say(`The ${what} left out: ${reason(error)}`);
    }
  }
  return files;
}

const logName = ({ hash }: Phased) => `attention/${hash}.safetensors`;
const weightsName = ({ hash }: Phased, step: number) => `weights/${hash}-${step}.safetensors`;

/** What a record has of a file of the lab: a log thinned, of a state its weights alone, anything else as it is. */
async function fileOf(lab: Lab, run: Phased, stored: Artifact): Promise<RecordedFile> {
  if (stored.kind === "attention") return thinned(stored, run, await storedLog(lab, stored));
  const data = await readArtifact(lab, stored), { step } = stored;
  if (stored.kind === "attention-thin") return { entry: { ...stored, file: logName(run) }, data };
  const file = weightsName(run, step);
  if (stored.kind === "weights") return { entry: { ...stored, file }, data };
  const weights = weightsAt(run.spec, step, await loadWeights(pathOf(lab, stored.file), run.spec));
  return { entry: { kind: "weights", step, file, bytes: weights.length, sha256: checksum(weights) }, data: weights };
}

function thinned({ step }: Artifact, run: Phased, log: AttentionLog): RecordedFile {
  const data = attentionFile(thinLog(log, run.edges));
  return { entry: { kind: "attention-thin", step, file: logName(run), bytes: data.length, sha256: checksum(data) }, data };
}

/** The files of a record, for its folder. */
export const filesOf = (folder: string, files: readonly RecordedFile[]): Writing[] =>
  files.map(({ entry, data }) => [inside(folder, entry.file), data]);

/**
 * Removes from a record's folder the files of an earlier record that the new one doesn't have, and what killed exports left.
 * @param earlier their names.
 */
export async function removeOthers(folder: string, earlier: Iterable<string>, files: readonly RecordedFile[]): Promise<void> {
  const known = new Set(files.map(({ entry }) => entry.file)), others = [...earlier].filter((file) => !known.has(file));
  for (const file of others) remove(inside(folder, file));
  await removeParts(folder);
  for (const sent of SENT.filter((name) => isInside(folder, name))) {
    const own = inside(folder, sent), within = (file: string) => file.startsWith(`${sent}/`);
    const removed = await removeParts(own) + others.filter(within).length;
    if (removed > 0 && ![...known].some(within)) await Deno.remove(own).catch(() => {});
  }
}

/** Whether a record calls a file so. */
export const isRecordedFile = (file: string): boolean => /^(attention\/[0-9a-f]{16}|weights\/[0-9a-f]{16}-\d+)\.safetensors$/.test(file);

/**
 * Copies the files of a record into the folder of the lab's files.
 * @param touched takes the names that they have there.
 * @returns by runs, what is to be entered. @throws Error in one line where one isn't as it was written.
 */
export async function bringFiles(
  lab: Lab,
  folder: string,
  runs: readonly RecordedRun[],
  touched: string[],
): Promise<ReadonlyMap<RecordedRun, readonly Artifact[]>> {
  const brought = new Map<RecordedRun, Artifact[]>();
  for (const run of runs) {
    for (const { file: from, ...entry } of run.artifacts) {
      const file = tagged(`${specHash(run.spec)}-${entry.step}.${entry.kind}.safetensors`, entry.sha256);
      if (lab.query("SELECT 1 FROM artifacts WHERE file = ?", file).length === 0) {
        const data = await readChecked(inside(folder, from), entry.bytes, entry.sha256);
        await bring(lab, file, data, touched);
      }
      brought.set(run, [...brought.get(run) ?? [], { ...entry, file } as Artifact]);
    }
  }
  return brought;
}

/**
 * Enters the files of a run that no process trains, where the lab's evaluations are of the record's training: an attention log where there
 * is none, and weights at steps at which there are none.
 * @returns how many.
 */
export function enterFiles(lab: Lab, id: number, { metrics, work }: RecordedRun, files: readonly Artifact[]): number {
  const placeOf = ({ kind, step }: Artifact) => kind === "weights" ? `weights at ${step}` : "attention";
  const there = new Set(artifacts(lab, id, "attention", "attention-thin", "weights").map(placeOf));
  const lacking = files.filter((file) => !there.has(placeOf(file)));
  const [{ session, thinned }] = lab.query<{ session: number | null; thinned: number }>(
    "SELECT session, thinned FROM runs WHERE id = ?",
    id,
  );
  if (lacking.length === 0 || isAtWork(lab, session)) return 0;
  const known = new Map(lab.metrics(id).map((row) => [row.step, row])), agrees = agreement(lab, id, work);
  const same = (row: Metrics) => {
    const stored = known.get(row.step);
    return stored !== undefined && METRIC_NAMES.every((name) => agrees(name, row.step, stored[name], row[name]));
  };
  // Without evaluations on either side, both are what was recorded.
  if (!(metrics.length > 0 ? metrics.every(same) : thinned === 1 && known.size === 0)) return 0;
  for (const file of lacking) enterArtifact(lab, id, file);
  return lacking.length;
}
