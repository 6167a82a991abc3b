/**
 * One lab's content entered into another: shards of a sweep, or a colleague's runs. Doing it again changes nothing. Which of two trainings
 * of a run stays: `merge/pair.ts`.
 */
import { attentionFile } from "../train/attention_file.ts";
import { checksum, reason } from "../run/files.ts";
import { inOneLine, quote } from "../run/quote.ts";
import { type Artifact, artifacts, bring, readArtifact, removeUnknown, tagged } from "./artifacts.ts";
import { joined, storedLog } from "./attention.ts";
import { enter, type Merged } from "./merge/enter.ts";
import { type Pair, pair } from "./merge/pair.ts";
import type { RunRow } from "./schema.ts";
import { withLab } from "./opening.ts";
import { strayState } from "./states.ts";
import type { Lab, Row, Value } from "./store.ts";
import { assertWhole } from "./verify.ts";

export type { Merged };

/**
 * Enters all that one lab has into another, whole or not at all. Runs that are in training in the source come as stopped; those that are in
 * training in the target stay as they are. What is merged is checked in both; the target's other runs stay as they are, and may be many.
 * @param say called with a line for whatever was left out or is worth knowing.
 * @param only the hashes of the runs that are to be entered; by default all.
 * @throws Error in one line where both are the same, mean different things by one rule, or one isn't whole.
 */
export async function merge(
  from: Lab,
  into: Lab,
  say: (line: string) => void = console.error,
  only?: ReadonlySet<string>,
): Promise<Merged> {
  return await from.read(() => {
    const action = merging(from, into.path);
    assertWhole(from, action, only);
    assertWhole(into, action, only ?? hashes([from]));
    return mergeWhole(from, into, { say, ...only && { only } });
  });
}

/**
 * Merges several labs into one, one after the other. All are checked before anything is written, and then no more; they come as they were
 * then.
 * @param target the database to merge into; where there is none, it is made once all have been found whole.
 * @param done called after each.
 * @throws Error as `merge` does.
 */
export async function mergeAll(
  sources: readonly Lab[],
  target: string,
  { say, done }: { readonly say: (line: string) => void; readonly done: (from: Lab, merged: Merged) => void },
): Promise<void> {
  const work = async () => {
    for (const from of sources) assertWhole(from, merging(from, target));
    await withLab(target, async (into) => {
      assertWhole(into, merging(sources[0], target), hashes(sources));
      for (const from of sources) done(from, await mergeWhole(from, into, { say }));
    }, { say });
  };
  const reading = (rest: readonly Lab[]): Promise<void> => rest.length === 0 ? work() : rest[0].read(() => reading(rest.slice(1)));
  await reading(sources);
}

const merging = (from: Lab, target: string) => `merge ${from.path} into ${target}`;
const hashes = (labs: readonly Lab[]): ReadonlySet<string> =>
  new Set(labs.flatMap((lab) => lab.query<{ hash: string }>("SELECT hash FROM runs").map(({ hash }) => hash)));

/** Merges what is whole, as the source is while it is read. */
async function mergeWhole(from: Lab, into: Lab, way: Omit<Way, "touched">): Promise<Merged> {
  if (Deno.realPathSync(from.path) === Deno.realPathSync(into.path)) {
    throw new Error(`Cannot ${merging(from, into.path)}: must be two databases, they are one`);
  }
  /** Files of the target that came, or that something else takes the place of: in the end, those that it doesn't know go. */
  const touched: string[] = [];
  try {
    return await mergeInto(from, into, { ...way, touched });
  } finally {
    removeUnknown(into, touched);
  }
}

interface Way {
  readonly say: (line: string) => void;
  readonly touched: string[];
  readonly only?: ReadonlySet<string>;
}

async function mergeInto(from: Lab, into: Lab, { say, touched, only }: Way): Promise<Merged> {
  checkRules(from, into);
  const wanted = from.query<RunRow>("SELECT * FROM runs ORDER BY id").filter(({ hash }) => only?.has(hash) ?? true);
  const pairs = wanted.map((run) => pair(from, into, run));
  const differ = pairs.filter(({ differing }) => differing > 0);
  if (differ.length > 0) {
    const evaluations = differ.reduce((sum, { differing }) => sum + differing, 0);
    say(
      `${from.path}: ${evaluations} evaluations of ${
        runs(differ.length)
      } differ from those in ${into.path}, as between different adapters; ` +
        `of each run, those of one database stay`,
    );
  }
  for (const line of differentExperiments(from, into, pairs)) say(line);
  const files = await copyFiles(from, into, pairs, { say, touched });
  const { left, ...merged } = into.write(() => enter(from, into, pairs, { files, touched }));
  if (left > 0) say(`${from.path}: ${runs(left)} in training in ${into.path} stay as they are there; merge again when they have ended`);
  return merged;
}

const runs = (n: number) => `${n} run${n === 1 ? "" : "s"}`;

function checkRules(from: Lab, into: Lab): void {
  const known = new Map(into.rules().map((rule) => [rule.name, JSON.stringify(rule)]));
  for (const rule of from.rules()) {
    const there = known.get(rule.name), here = JSON.stringify(rule);
    if (there !== undefined && there !== here) {
      throw new Error(
        `Cannot ${merging(from, into.path)}: rule ${rule.name} must be the same in both, it is ${here} and ${there}`,
      );
    }
  }
}

/** What decides how an experiment's results are read; where two labs differ in it, the target's stays. */
const DECLARED = ["question", "rule", "margin"] as const;
type Declared = Row & { readonly id: number; readonly name: string } & Readonly<Record<typeof DECLARED[number], Value>>;

/** Lines on experiments of the source that were declared otherwise than the target's of the same name. */
function differentExperiments(from: Lab, into: Lab, pairs: readonly Pair[]): string[] {
  const sql = `SELECT id, name, ${DECLARED} FROM experiments ORDER BY id`, coming = new Set(pairs.map(({ run }) => run.id));
  const known = new Map(into.query<Declared>(sql).map((row) => [row.name, row]));
  return from.query<Declared>(sql).flatMap((row) => {
    const there = known.get(row.name), others = DECLARED.filter((field) => there && there[field] !== row[field]);
    const members = from.query<{ run: number }>("SELECT run FROM members WHERE experiment = ?", row.id);
    if (!there || others.length === 0 || !members.some(({ run }) => coming.has(run))) return [];
    const words = (declared: Declared) => others.map((field) => `${field} ${quote(declared[field] ?? undefined)}`).join(", ");
    return [`${from.path}: experiment ${row.name} has ${words(row)}; in ${into.path} it keeps ${words(there)}`];
  });
}

/**
 * Copies the files of runs that come, and those that the target lacks of runs that are as far there. Their names end in their checksum: two
 * runs of one spec at one step may still differ, and no sweep that begins meanwhile takes them for what a killed one left.
 * @returns by the source's runs, what is to be entered.
 */
async function copyFiles(
  from: Lab,
  into: Lab,
  pairs: readonly Pair[],
  { say, touched }: { readonly say: (line: string) => void; readonly touched: string[] },
): Promise<Map<number, Artifact[]>> {
  const files = new Map<number, Artifact[]>();
  for (const { run, known, one, verdict } of pairs) {
    if (verdict === "less" || verdict === "busy") continue;
    const there = known ? artifacts(into, known.id) : [];
    const lacks = ({ kind, step }: Artifact) => verdict !== "same" || !there.some((each) => each.kind === kind && each.step === step);
    for (const artifact of artifacts(from, run.id).filter(lacks)) {
      let data;
      try {
        const stray = artifact.kind === "checkpoint" ? strayState(from, run.id, artifact) : null;
        if (stray !== null) throw new Error(stray);
        data = await readArtifact(from, artifact);
        const log = one && artifact.kind === "attention" ? there.findLast(({ kind }) => kind === "attention") : undefined;
        if (log) data = await joinedLogs(from, artifact, into, log) ?? data;
      } catch (error) {
        say(
          inOneLine(`${from.path}: the ${artifact.kind} of run ${run.hash} at step ${artifact.step} is left out: ${reason(error)}`, 1000),
        );
        continue;
      }
      const sha256 = checksum(data), file = tagged(artifact.file, sha256);
      await bring(into, file, data, touched);
      files.set(run.id, [...files.get(run.id) ?? [], { ...artifact, file, sha256, bytes: data.length }]);
    }
  }
  return files;
}

/**
 * The bytes of a log with what only the target's has; `null` where that is nothing. @throws Error in one line where they don't belong
 * together.
 */
async function joinedLogs(from: Lab, artifact: Artifact, into: Lab, there: Artifact): Promise<Uint8Array | null> {
  const log = await storedLog(from, artifact), other = await storedLog(into, there).catch(() => log), both = joined(log, other);
  return both === log ? null : attentionFile(both);
}
