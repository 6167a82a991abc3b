/** Attention logs that travel with recorded results: a file a run, as much of it as figures need, and back. */
import { join } from "node:path";
import { attentionFile, type AttentionLog } from "../attention_file.ts";
import { checksum, reason, writeWhole } from "../files.ts";
import { specHash } from "../spec.ts";
import type { Metrics } from "../trainer.ts";
import { type Artifact, artifacts, enterArtifact, readArtifact, readChecked, remove, tagged } from "./artifacts.ts";
import { storedLog } from "./attention.ts";
import type { RecordedRun } from "./recorded_files.ts";
import type { Lab } from "./store.ts";

/** How many readings of a run go along at most. */
export const MOST_READINGS = 64;

/** The folder of the logs in a record. */
const FOLDER = "attention";

/** What of a log goes along: the first reading, the last, those at `edges`, and others evenly among those kept; patterns in full at the named ones. */
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

/** A log of a record: where it lies there, and its bytes. */
export interface RecordedLog {
  readonly entry: Artifact;
  readonly data: Uint8Array;
}

/**
 * The log of a run for its record; `null` where there is none, or a broken one, which is said. One that came from a record goes on as it came.
 * @param edges steps at which its phases begin.
 */
export async function recordedLog(
  lab: Lab,
  run: { readonly id: number; readonly hash: string; readonly edges: readonly number[] },
  say: (line: string) => void,
): Promise<RecordedLog | null> {
  const stored = artifacts(lab, run.id, "attention", "attention-thin").at(-1);
  if (!stored) return null;
  try {
    const thin = stored.kind === "attention-thin";
    const data = thin ? await readArtifact(lab, stored) : attentionFile(thinLog(await storedLog(lab, stored), run.edges));
    const file = `${FOLDER}/${run.hash}.safetensors`;
    return { entry: { kind: "attention-thin", step: stored.step, file, bytes: data.length, sha256: checksum(data) }, data };
  } catch (error) {
    say(`The attention of run ${run.hash} is left out: ${reason(error)}`);
    return null;
  }
}

/** Writes the logs of a record into its folder, and removes others that lie there from an earlier one. */
export async function writeLogs(folder: string, logs: readonly RecordedLog[]): Promise<void> {
  for (const { entry, data } of logs) await writeWhole(join(folder, entry.file), data);
  const known = new Set(logs.map(({ entry }) => entry.file));
  const names = await Array.fromAsync(Deno.readDir(join(folder, FOLDER)), ({ name }) => name).catch(() => []);
  for (const name of names) {
    if (/^[0-9a-f]{16}\.safetensors$/.test(name) && !known.has(`${FOLDER}/${name}`)) remove(join(folder, FOLDER, name));
  }
  if (logs.length === 0 && names.length > 0) await Deno.remove(join(folder, FOLDER)).catch(() => {});
}

/**
 * Copies the logs of a record into the folder of the lab's files.
 * @param touched takes the names that they have there.
 * @returns by runs, what is to be entered. @throws Error in one line where one isn't as it was written.
 */
export async function bringLogs(
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
        const data = await readChecked(join(folder, from), entry.bytes, entry.sha256);
        touched.push(file);
        await writeWhole(join(lab.folder, file), data);
      }
      brought.set(run, [...brought.get(run) ?? [], { ...entry, file } as Artifact]);
    }
  }
  return brought;
}

/** Enters the logs of a run that has none and isn't in training, where the lab's evaluations are the record's, bit for bit. @returns how many. */
export function enterLogs(lab: Lab, id: number, { metrics }: RecordedRun, logs: readonly Artifact[]): number {
  const free = lab.query("SELECT 1 FROM runs WHERE id = ? AND session IS NULL", id).length === 1;
  if (!free || logs.length === 0 || artifacts(lab, id, "attention", "attention-thin").length > 0) return 0;
  const known = new Map(lab.metrics(id).map((row) => [row.step, row]));
  const same = (row: Metrics) =>
    (Object.keys(row) as (keyof Metrics)[]).every((field) => Object.is(known.get(row.step)?.[field], row[field]));
  const [{ thinned }] = lab.query<{ thinned: number }>("SELECT thinned FROM runs WHERE id = ?", id);
  // Without evaluations on either side, both are what was recorded.
  if (!(metrics.length > 0 ? metrics.every(same) : thinned === 1 && known.size === 0)) return 0;
  for (const log of logs) enterArtifact(lab, id, log);
  return logs.length;
}
