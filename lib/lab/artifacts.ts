/**
 * Files of runs, in a folder beside the database. A file is written before its row is entered, and removed after the row of its successor
 * is entered. So at any moment every file that the database names is there. Any other file in the folder was left by a killed process, or
 * belongs to somebody else: to another database that had this name before, or to a person. Of such files only what sessions of this
 * database wrote before one was killed is removed (`removeLeftOver`), and none is written over.
 */
import { join, parse } from "node:path";
import { checksum, reason, remove, writeAll, writeWhole } from "../run/files.ts";
import { inside, isInside } from "../run/inside.ts";
import { inOneLine } from "../run/quote.ts";
import type { RunSpec } from "../run/spec.ts";
import { weightsAt } from "../train/weights.ts";
import type { Lab, Row } from "./store.ts";

/**
 * `checkpoint`: a whole state; `weights`: its parameters alone; `attention`: the log up to there; `attention-thin`: what a record has of
 * one, which nothing can go on from.
 */
export type Kind = typeof KINDS[number];
const KINDS = ["checkpoint", "weights", "attention", "attention-thin"] as const;
export const isKind = (kind: string): kind is Kind => (KINDS as readonly string[]).includes(kind);

/** A file as it is entered; `step` is that of the state, or up to which a log goes. */
export interface Artifact extends Row {
  readonly kind: string;
  readonly step: number;
  /** In the folder of the database's files. */
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** A file that is to be one. */
export interface Made {
  readonly kind: Kind;
  readonly step: number;
  readonly data: Uint8Array;
}

/**
 * The path of a file of the lab. All paths that come from names in the database are made here.
 * @throws Error in one line where the name would leave the folder of its files.
 */
export const pathOf = (lab: Lab, file: string): string => inside(lab.folder, file);

/** The files of a run, of some kinds or of all, in the order of their steps. */
export function artifacts(lab: Lab, run: number, ...kinds: Kind[]): Artifact[] {
  const stored = lab.query<Artifact>("SELECT kind, step, file, bytes, sha256 FROM artifacts WHERE run = ? ORDER BY step, kind", run);
  return kinds.length === 0 ? stored : stored.filter(({ kind }) => (kinds as string[]).includes(kind));
}

/** A run's attention log that reaches furthest: the whole one, where a record's part of it reaches no further. */
export const lastLog = (lab: Lab, run: number): Artifact | undefined =>
  artifacts(lab, run, "attention", "attention-thin").toSorted((a, b) => a.step - b.step || (a.kind < b.kind ? 1 : -1)).at(-1);

export function enterArtifact(lab: Lab, run: number, { kind, step, file, bytes, sha256 }: Artifact): void {
  lab.run("INSERT INTO artifacts (run, kind, step, file, bytes, sha256) VALUES (?, ?, ?, ?, ?, ?)", run, kind, step, file, bytes, sha256);
}

export function dropArtifact(lab: Lab, run: number, { kind, step }: Artifact): void {
  lab.run("DELETE FROM artifacts WHERE run = ? AND kind = ? AND step = ?", run, kind, step);
}

/** The name that a session gives a file. */
const nameOf = (hash: string, { kind, step }: Made) => `${hash}-${step}${kind === "checkpoint" ? "" : `.${kind}`}.safetensors`;

/** Such a name, with the hash. */
const NAMED = /^([0-9a-f]{16})-\d+(\.(weights|attention))?\.safetensors$/;

/** The name of a file that comes from another lab or a record: never a session's name, and a different one for different bytes. */
export function tagged(file: string, sha256: string): string {
  const { dir, name, ext } = parse(file), tag = `-${sha256.slice(0, 8)}`;
  return join(dir, `${name.endsWith(tag) ? name : name + tag}${ext}`);
}

/**
 * Writes files of a run and enters them, in place of those of the same kind and step and of those that `replaces` says; with them, all that
 * `and` writes. @returns the names of the files. @throws Error in one line; then the run is as it was.
 */
export async function storeFiles(
  lab: Lab,
  { id, hash }: { readonly id: number; readonly hash: string },
  files: readonly Made[],
  { replaces = () => false, and }: { readonly replaces?: (stored: Artifact) => boolean; readonly and?: () => void } = {},
): Promise<readonly string[]> {
  const entries = files.map((each): Artifact => {
    const { kind, step, data } = each, sha256 = checksum(data), name = nameOf(hash, each);
    const isOthers = isFile(pathOf(lab, name)) && !isKnown(lab, name);
    return { kind, step, file: isOthers ? tagged(name, sha256) : name, bytes: data.length, sha256 };
  });
  const fresh = entries.map(({ file }) => file).filter((file) => !isFile(pathOf(lab, file)));
  await writeAll(entries.map(({ file }, i) => [pathOf(lab, file), files[i].data] as const));
  let gone: readonly Artifact[] = [];
  try {
    lab.write(() => {
      const same = (stored: Artifact) => entries.some(({ kind, step }) => kind === stored.kind && step === stored.step);
      gone = artifacts(lab, id).filter((stored) => same(stored) || replaces(stored));
      for (const stored of gone) dropArtifact(lab, id, stored);
      for (const entry of entries) enterArtifact(lab, id, entry);
      and?.();
    });
  } catch (error) {
    removeUnknown(lab, fresh);
    throw error;
  }
  for (const { file } of gone) if (!entries.some((entry) => entry.file === file)) removeFile(lab, file);
  return entries.map(({ file }) => file);
}

/** The bytes of a file. @throws Error in one line where they aren't those that were written. */
export async function readArtifact(lab: Lab, { file, bytes, sha256 }: Artifact): Promise<Uint8Array> {
  return await readChecked(pathOf(lab, file), bytes, sha256);
}

/** The bytes of a file that is to have so many, with this checksum. @throws Error in one line. */
export async function readChecked(path: string, bytes: number, sha256: string): Promise<Uint8Array> {
  const data = await Deno.readFile(path).catch((error) => {
    throw new Error(
      `${path} ${error instanceof Deno.errors.NotFound ? "must be there, it is missing" : `must be readable: ${reason(error)}`}`,
    );
  });
  if (data.length !== bytes) throw new Error(`${path} must have ${bytes} bytes, it has ${data.length}`);
  if (checksum(data) !== sha256) throw new Error(`${path} must have the SHA-256 ${inOneLine(sha256)}, it has ${checksum(data)}`);
  return data;
}

/** The weights of a run at a step, as a file of the lab. */
export const weightsOf = (spec: RunSpec, step: number, params: Float32Array): Made => ({
  kind: "weights",
  step,
  data: weightsAt(spec, step, params),
});

/** Writes a file that comes from elsewhere. @param touched takes its name, unless it was there: then it may be another database's. */
export async function bring(lab: Lab, file: string, data: Uint8Array, touched: string[]): Promise<void> {
  if (!isFile(pathOf(lab, file))) touched.push(file);
  await writeWhole(pathOf(lab, file), data);
}

/**
 * Removes what a killed session left of the runs that it had: files with a session's names that the database doesn't know, written since
 * the first session that worked on the run began. Such a one may have written what the killed one had replaced and not yet removed; what is
 * older is another database's. In the transaction that frees these runs, so that no other session writes files of them meanwhile.
 */
export function removeLeftOver(lab: Lab, session: number): void {
  const had = lab.query<{ hash: string; since: string }>(
    `SELECT hash, (SELECT min(started_at) FROM sessions
       WHERE id = s.id OR id IN (SELECT session FROM work WHERE run = r.id)) AS since
     FROM runs r JOIN sessions s ON s.id = ?
     WHERE r.session = s.id OR r.session IS NULL AND r.id IN (SELECT run FROM work WHERE session = s.id)`,
    session,
  );
  if (had.length === 0) return;
  const since = new Map(had.map(({ hash, since }) => [hash, Date.parse(since)]));
  const written = (name: string) => Deno.statSync(pathOf(lab, name)).mtime?.getTime() ?? 0;
  const left = (name: string) => written(name) >= (since.get(NAMED.exec(name)?.[1] ?? "") ?? Infinity);
  removeUnknown(lab, namesIn(lab.folder).filter((name) => isFile(pathOf(lab, name)) && left(name)));
}

function namesIn(folder: string): string[] {
  try {
    return Array.from(Deno.readDirSync(folder)).filter(({ isFile }) => isFile).map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Removes those of the named files that the database doesn't have. */
export function removeUnknown(lab: Lab, files: readonly string[]): void {
  const known = new Set(lab.query<{ file: string }>("SELECT file FROM artifacts").map(({ file }) => file));
  for (const file of files) if (!known.has(file)) removeFile(lab, file);
}

const isKnown = (lab: Lab, file: string): boolean => lab.query("SELECT 1 FROM artifacts WHERE file = ?", file).length > 0;

/** Removes a file of the lab, if it is there. A name in the database that leads out of the folder removes nothing. */
function removeFile(lab: Lab, file: string): void {
  if (isInside(lab.folder, file) && isFile(pathOf(lab, file))) remove(pathOf(lab, file));
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw error;
  }
}
