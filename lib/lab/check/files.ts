/** Whether the files of runs are there, whole, and what the database says they are; and whether others lie beside them. */
import { join, relative } from "node:path";
import { reason } from "../../run/files.ts";
import { inOneLine, quote } from "../../run/quote.ts";
import { identity, type RunSpec } from "../../run/spec.ts";
import { loadAttention } from "../../train/attention_file.ts";
import { loadCheckpoint, loadWeights } from "../../train/weights.ts";
import { type Artifact, isKind, pathOf, readArtifact } from "../artifacts.ts";
import { isGone } from "../lock.ts";
import { strayState } from "../states.ts";
import type { Lab } from "../store.ts";
import { type Finding, isWhole } from "./finding.ts";

export type RunFile = Artifact & { readonly run: number; readonly hash: string };

export const runFiles = (lab: Lab): RunFile[] =>
  lab.query<RunFile>("SELECT run, hash, kind, a.step, file, bytes, sha256 FROM artifacts a JOIN runs ON id = run ORDER BY file");

/** What the database says of files that can't be so of any; what it can't even give as numbers, `runFiles` refuses. */
export const entries = (lab: Lab): Finding[] =>
  runFiles(lab).flatMap(({ file, hash, step, bytes }) =>
    isWhole(step) && isWhole(bytes) ? [] : [{
      about: "files",
      text: `${inOneLine(file)}, of run ${inOneLine(hash)}, must have a step and bytes from 0, it has ${quote([step, bytes])}`,
    }]
  );

/**
 * States beside a part of the evaluations, from which their runs can't go on. What else is stored is right, so that it may be merged, which
 * leaves them behind. A state further on than its run is none: a run that began anew and was killed has it until the next is stored.
 */
export function states(lab: Lab): Finding[] {
  const thinned = new Set(lab.query<{ id: number }>("SELECT id FROM runs WHERE thinned = 1").map(({ id }) => id));
  return runFiles(lab).filter(({ kind, run }) => kind === "checkpoint" && thinned.has(run)).map(({ run, hash, step, file }) => {
    const what = `${join(lab.folder, file)}, the checkpoint of run ${hash} at step ${step}: ${strayState(lab, run, { step })}`;
    return { about: "files", text: inOneLine(`${what}; a sweep that goes on with the run begins it anew`, 1000) };
  });
}

export async function files(lab: Lab, stored: readonly RunFile[]): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const each of stored) {
    const { file, sha256, kind, hash, step } = each, wrong = await wrongWith(lab, each);
    // A sweep replaces states as it goes.
    if (wrong === null || lab.query("SELECT 1 FROM artifacts WHERE file = ? AND sha256 = ?", file, sha256).length === 0) continue;
    const path = join(lab.folder, file), what = `${path}, the ${kind} of run ${hash} at step ${step}, `;
    found.push({ about: "files", text: inOneLine(what + wrong.replace(`${path} `, ""), 1000) });
  }
  const atWork = lab.query<{ name: string }>("SELECT name FROM sessions WHERE ended_at IS NULL").some(({ name }) => !isGone(lab, name));
  for (const path of atWork ? [] : await filesBelow(lab.folder)) {
    if (lab.query("SELECT 1 FROM artifacts WHERE file = ?", relative(lab.folder, path).replaceAll("\\", "/")).length > 0) continue;
    found.push({ about: "files", text: inOneLine(`${path} must belong to a run, the database doesn't know it`, 1000) });
  }
  return found;
}

async function wrongWith(lab: Lab, file: RunFile): Promise<string | null> {
  try {
    await readArtifact(lab, file);
    await contentOf(lab, file);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** That a file holds what the database says: the kind, the step and the run. @throws Error in one line where it doesn't. */
async function contentOf(lab: Lab, { run, kind, step, file }: RunFile): Promise<void> {
  const path = pathOf(lab, file), wanted = lab.spec(run, step);
  const must = (what: string, value: unknown) => {
    throw new Error(`${path} must be ${what}, it is ${quote(value)}`);
  };
  if (!isKind(kind)) must("a checkpoint, weights, attention or attention-thin", kind);
  const same = (spec: RunSpec) => identity(spec) === identity(wanted) || must("of this run", identity(spec));
  if (kind === "checkpoint") {
    const snapshot = await loadCheckpoint(path);
    same(snapshot.spec);
    if (snapshot.step !== step) must(`of step ${step}`, snapshot.step);
  } else if (kind === "weights") {
    await loadWeights(path, wanted);
  } else {
    const { spec, readings } = await loadAttention(path);
    same(spec);
    const last = readings.at(-1)?.step ?? 0;
    if (last > step) must(`up to step ${step}`, last);
  }
}

async function filesBelow(folder: string): Promise<string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(folder));
    const paths = await Promise.all(
      entries.map(({ name, isDirectory }) => isDirectory ? filesBelow(join(folder, name)) : [join(folder, name)]),
    );
    return paths.flat().sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw new Error(`Cannot look into ${folder}: ${reason(error)}`);
  }
}
