/**
 * One lab's content entered into another: shards of a sweep, or a colleague's runs. Doing it again changes nothing.
 *
 * A run that both have is the same run: its spec says so. Where their evaluations are the same bits, one is the other's beginning, and the
 * longer stays. Where they aren't, they come from different adapters, and a mixture would be a run that nobody trained: one of the two is
 * kept as a whole.
 */
import { attentionFile } from "../train/attention_file.ts";
import { checksum, reason, writeWhole } from "../run/files.ts";
import { inOneLine } from "../run/quote.ts";
import { type Artifact, artifacts, dropArtifact, enterArtifact, pathOf, readArtifact, removeUnknown, tagged } from "./artifacts.ts";
import { joined, storedLog } from "./attention.ts";
import { isGone } from "./lock.ts";
import { withLab } from "./opening.ts";
import { seal } from "./seals.ts";
import type { Lab, Row, Rows, Value } from "./store.ts";
import { assertWhole } from "./verify.ts";

export interface Merged {
  /** Runs of the source: all, those that the target didn't have, and those of which the source had more. */
  readonly runs: number;
  readonly entered: number;
  readonly further: number;
  /** What was entered with them. */
  readonly evaluations: number;
  readonly files: number;
}

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
    });
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
  const wanted = from.query<SourceRun>("SELECT * FROM runs ORDER BY id").filter(({ hash }) => only?.has(hash) ?? true);
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

type SourceRun = Row & {
  readonly id: number;
  readonly hash: string;
  readonly spec: string;
  readonly parameters: number;
  readonly shape: string;
  readonly status: string;
  readonly step: number;
  readonly session: number | null;
  readonly thinned: number;
  readonly error: string | null;
};
type TargetRun = Pick<SourceRun, "id" | "status" | "step" | "session" | "thinned">;

/** The files that are to be entered, by the source's runs; and all files that may have to be removed in the end. */
interface Copies {
  readonly files: ReadonlyMap<number, readonly Artifact[]>;
  readonly touched: string[];
}

/** A run of the source beside the target's. */
interface Pair {
  readonly run: SourceRun;
  readonly known: TargetRun | undefined;
  /** Evaluations at the same steps that aren't the same bits. */
  readonly differing: number;
  /**
   * `further`: the source has more of it; `same`: just as much; `less`, also where the target's stays for another reason; `busy`: it trains
   * there.
   */
  readonly verdict: "new" | "further" | "same" | "less" | "busy";
}

const target = (into: Lab, hash: string) =>
  into.query<TargetRun>("SELECT id, status, step, session, thinned FROM runs WHERE hash = ?", hash)[0] as TargetRun | undefined;

function pair(from: Lab, into: Lab, run: SourceRun): Pair {
  const known = target(into, run.hash);
  if (!known) return { run, known, differing: 0, verdict: "new" };
  const differing = differences(from, run.id, into, known.id);
  const rank = ({ status, step, thinned }: TargetRun) => {
    const done = Number(["finished", "grokked", "failed"].includes(status)), whole = 1 - thinned;
    return differing === 0 ? [step, done, whole] : [done, step, whole];
  };
  const here = rank(run), there = rank(known), at = here.findIndex((value, i) => value !== there[i]);
  const more = at !== -1 && here[at] > there[at];
  const verdict = isBusy(into, known) ? "busy" : more ? "further" : differing === 0 && run.step === known.step ? "same" : "less";
  return { run, known, differing, verdict };
}

/** How many evaluations of a run both have that aren't the same bits. */
function differences(from: Lab, source: number, into: Lab, known: number): number {
  // The first column is the run's id, which is each lab's own; the second is the step.
  const there = new Map(into.evaluations(known).map((row) => [row[1], row]));
  if (there.size === 0) return 0;
  return from.evaluations(source).filter((row) => {
    const other = there.get(row[1]);
    return other?.some((value, i) => i > 0 && !Object.is(value, row[i]));
  }).length;
}

/** Whether a session whose process runs has it. */
function isBusy(into: Lab, { session }: TargetRun): boolean {
  if (session === null) return false;
  const [found] = into.query<{ name: string; ended_at: string | null }>("SELECT name, ended_at FROM sessions WHERE id = ?", session);
  return found !== undefined && found.ended_at === null && !isGone(into, found.name);
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
  for (const { run, known, differing, verdict } of pairs) {
    if (verdict === "less" || verdict === "busy") continue;
    const there = known ? artifacts(into, known.id) : [];
    const lacks = ({ kind, step }: Artifact) => verdict !== "same" || !there.some((each) => each.kind === kind && each.step === step);
    for (const artifact of artifacts(from, run.id).filter(lacks)) {
      let data;
      try {
        data = await readArtifact(from, artifact);
        const log = differing === 0 && artifact.kind === "attention" ? there.findLast(({ kind }) => kind === "attention") : undefined;
        if (log) data = await joinedLogs(from, artifact, into, log) ?? data;
      } catch (error) {
        say(
          inOneLine(`${from.path}: the ${artifact.kind} of run ${run.hash} at step ${artifact.step} is left out: ${reason(error)}`, 1000),
        );
        continue;
      }
      const sha256 = checksum(data), file = tagged(artifact.file, sha256);
      touched.push(file);
      await writeWhole(pathOf(into, file), data);
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

/** All that is entered, in one transaction of the target. */
function enter(from: Lab, into: Lab, pairs: readonly Pair[], { files, touched }: Copies): Merged & { readonly left: number } {
  for (const rule of from.rules()) into.rule(rule);
  const sessions = enterSessions(from, into), ids = new Map<Value, number>();
  const merged = { runs: pairs.length, entered: 0, further: 0, evaluations: 0, files: 0, left: 0 };
  for (const each of pairs) {
    const { run, known, differing } = each, now = target(into, run.hash);
    const id = now?.id ?? insert(into, "runs", pick(run, ["hash", "spec", "parameters", "shape"])).id;
    ids.set(run.id, id);
    // Since it was read, a session may have claimed it.
    const verdict = JSON.stringify(now) === JSON.stringify(known) || each.verdict === "less" ? each.verdict : "busy";
    if (verdict === "busy") merged.left++;
    else enterWork(from, into, { ...each, verdict }, id, sessions);
    if (verdict === "less") seal(into, "run", id);
    if (verdict === "busy" || verdict === "less") continue;
    if (verdict === "new") merged.entered++;
    if (verdict === "further") merged.further++;
    const evaluations = verdict === "same" ? undefined : enterState(from, into, run, id);
    merged.evaluations += evaluations?.length ?? 0;
    const taken = files.get(run.id) ?? [];
    merged.files += taken.length;
    if (verdict === "further") {
      // Files of a training with other bits, or of an earlier step.
      for (const stored of artifacts(into, id)) {
        const { kind, step, file } = stored;
        // Weights at other steps belong to the same training.
        if (differing === 0 && !taken.some((each) => each.kind === kind && (kind !== "weights" || each.step === step))) continue;
        dropArtifact(into, id, stored);
        touched.push(file);
      }
    }
    for (const artifact of taken) enterArtifact(into, id, artifact);
    seal(into, "run", id, evaluations);
  }
  enterExperiments(from, into, ids);
  into.completeMilestones();
  return merged;
}

/** How far a run is, its evaluations, milestones and phases, in place of what is there. @returns the evaluations. */
function enterState(from: Lab, into: Lab, run: SourceRun, id: number): Rows {
  const status = run.session !== null || run.status === "training" ? "stopped" : run.status;
  into.run(
    "UPDATE runs SET status = ?, step = ?, thinned = ?, error = ?, session = NULL WHERE id = ?",
    ...[status, run.step, run.thinned, run.error, id],
  );
  for (const table of ["metrics", "milestones", "phases"]) into.run(`DELETE FROM ${table} WHERE run = ?`, id);
  for (const table of ["milestones", "phases"]) {
    for (const row of from.query(`SELECT * FROM ${table} WHERE run = ?`, run.id)) insert(into, table, { ...row, run: id });
  }
  const evaluations = from.evaluations(run.id);
  into.putEvaluations(id, evaluations);
  return evaluations;
}

/** Who trained a run; of one in two ways, only who went the one that stays. */
function enterWork(from: Lab, into: Lab, { run, verdict, differing }: Pair, id: number, sessions: ReadonlyMap<Value, number>): void {
  if (differing > 0 && verdict !== "further") return;
  if (differing > 0) into.run("DELETE FROM work WHERE run = ?", id);
  for (const { session, from_step, to_step, seconds } of from.query("SELECT * FROM work WHERE run = ?", run.id)) {
    into.run(
      "INSERT INTO work VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET to_step = excluded.to_step, seconds = excluded.seconds WHERE excluded.to_step > to_step",
      ...[sessions.get(session)!, id, from_step, to_step, seconds],
    );
  }
}

/** @returns the target's ids by the source's. */
function enterSessions(from: Lab, into: Lab): Map<Value, number> {
  const environments = new Map(
    from.query("SELECT * FROM environments").map(({ id, ...row }) => {
      const names = Object.keys(row).map((name) => `"${name}"`), values = Object.values(row);
      const same = into.query<{ id: number }>(`SELECT id FROM environments WHERE (${names}) = (${values.map(() => "?")})`, ...values);
      return [id, same[0]?.id ?? insert(into, "environments", row).id];
    }),
  );
  return new Map(
    from.query("SELECT * FROM sessions ORDER BY id").map(({ id, name, environment, command, started_at, seen_at, ended_at }) => {
      // In the target it counts as ended when it last wrote, until a later merge says otherwise.
      into.run(
        `INSERT INTO sessions (name, environment, command, started_at, seen_at, ended_at) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at, ended_at = excluded.ended_at WHERE excluded.seen_at > seen_at`,
        ...[name, environments.get(environment)!, command, started_at, seen_at, ended_at ?? seen_at],
      );
      return [id, into.query<{ id: number }>("SELECT id FROM sessions WHERE name = ?", name)[0].id];
    }),
  );
}

/**
 * Experiments by name. Where both have one, the target's question, rule and margin stay; their runs come together, the larger number of
 * steps each.
 */
function enterExperiments(from: Lab, into: Lab, ids: ReadonlyMap<Value, number>): void {
  for (const { id, ...row } of from.query<Row & { id: number; name: string }>("SELECT * FROM experiments ORDER BY id")) {
    const [known] = into.query<{ id: number }>("SELECT id FROM experiments WHERE name = ?", row.name);
    const members = from.query("SELECT run, steps FROM members WHERE experiment = ?", id).filter(({ run }) => ids.has(run));
    if (members.length === 0) continue;
    const experiment = known?.id ?? insert(into, "experiments", row).id;
    const changes = members.map(({ run, steps }) =>
      into.run(
        "INSERT INTO members VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET steps = excluded.steps WHERE excluded.steps > steps",
        ...[experiment, ids.get(run)!, steps],
      ).changes
    );
    if (changes.some((n) => n > 0)) into.describe(experiment);
  }
}

function insert(into: Lab, table: string, row: Row): { readonly id: number } {
  const names = Object.keys(row).map((name) => `"${name}"`), values = Object.values(row);
  return into.run(`INSERT INTO ${table} (${names}) VALUES (${values.map(() => "?")})`, ...values);
}

const pick = (row: Row, names: readonly string[]): Row => Object.fromEntries(names.map((name) => [name, row[name]]));
