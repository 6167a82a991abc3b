/**
 * Damaged labs and records. A lab gives findings or is refused, a record is refused, in one short line each; neither ever passes where a
 * value has changed.
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type Experiment, grid, range } from "../../lib/lab/experiment.ts";
import { merge } from "../../lib/lab/merge.ts";
import { exportRecorded } from "../../lib/lab/record/export.ts";
import { importRecorded, readRecord } from "../../lib/lab/record/import.ts";
import { Lab } from "../../lib/lab/store.ts";
import { sweep } from "../../lib/lab/sweep.ts";
import { verify } from "../../lib/lab/verify.ts";
import { fakeEngine } from "../fake_engine.ts";
import { damaged, inFiles, inTexts, type Pick, throughSql } from "./damage.ts";
import { type Chance, type Finding, wrongWith } from "./finding.ts";

const experiment = (steps: number): Experiment => ({
  name: "small",
  question: "Does it?",
  margin: 50,
  watch: { attention: { pairs: 4, full: 1, perDecade: 2 }, weights: { perDecade: 1 } },
  runs: grid({
    preset: "one-layer",
    model: { dModel: 4, heads: 1, dMlp: 4 },
    data: { prime: 5, trainFraction: 0.5 },
    schedule: { steps, evalEvery: 10 },
    seed: range(4),
  }),
});

/** One run of each end: grokked, never, failed; and one that was stopped. */
const engine = (onUpdate?: () => void) =>
  fakeEngine({
    groksAt: ({ seed }) => seed === 0 ? 45 : Infinity,
    breaksAt: ({ seed }) => seed === 2 ? 75 : Infinity,
    fit: 1,
    ...onUpdate && { onUpdate },
  });

/** Two labs, one trained and one with what a record has of it, and that record; each in a folder of its own. */
async function originals(folder: string): Promise<void> {
  using trained = Lab.open(join(folder, "trained", "lab.db"));
  const controller = new AbortController();
  let updates = 0;
  const stopping = engine(() => ++updates === 340 && controller.abort());
  await sweep(experiment(120), { lab: trained, engine: stopping, signal: controller.signal });
  await exportRecorded(trained, "small", join(folder, "record"), { metrics: "all", files: ["attention", "weights"], command: "fuzz" });
  await exportRecorded(trained, "small", join(folder, "thin"), { metrics: "none", command: "fuzz" });
  using imported = Lab.open(join(folder, "imported", "lab.db"));
  await importRecorded(imported, join(folder, "thin"));
}

/** All values of a lab that have a meaning: no ids, and no times at which a session last wrote. */
function content(db: DatabaseSync): string {
  const rows = (sql: string) => db.prepare(sql).all();
  return JSON.stringify([
    rows("SELECT hash, spec, parameters, shape, status, step, thinned, error, session IS NULL FROM runs ORDER BY hash"),
    rows("SELECT hash, m.* FROM metrics m LEFT JOIN runs ON id = run ORDER BY hash, m.step").map(({ run: _, ...row }) => row),
    rows("SELECT hash, m.* FROM milestones m LEFT JOIN runs ON id = run ORDER BY hash, rule").map(({ run: _, ...row }) => row),
    rows("SELECT hash, m.* FROM phases m LEFT JOIN runs ON id = run ORDER BY hash, rule").map(({ run: _, ...row }) => row),
    rows("SELECT hash, kind, a.step, file, bytes, sha256 FROM artifacts a LEFT JOIN runs ON id = run ORDER BY file"),
    rows("SELECT name, hash, steps FROM members LEFT JOIN experiments e ON e.id = experiment LEFT JOIN runs r ON r.id = run ORDER BY 1, 2"),
    rows("SELECT name, question, rule, margin, keep, fixed, swept, watch, declared_at FROM experiments ORDER BY name"),
    rows("SELECT * FROM rules ORDER BY name"),
    rows(
      `SELECT hash, s.name, command, started_at, engine, adapter, driver, software, system, processor, cores, deno, "commit", from_step, to_step,
      seconds FROM work LEFT JOIN runs ON id = run LEFT JOIN sessions s ON s.id = session LEFT JOIN environments e ON e.id = environment
      ORDER BY hash, s.name, from_step`,
    ),
    rows("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name"),
  ]);
}

/** What is wrong with a line for a terminal. */
function lineFault(line: string): string | null {
  if (/[\p{Cc}\u2028\u2029\u202a-\u202e]/u.test(line)) return `control characters in ${JSON.stringify(line.slice(0, 300))}`;
  return line.length > 1200 ? `a line of ${line.length} characters: ${line.slice(0, 200)}` : null;
}

const copyInto = (from: string, to: string) => {
  Deno.mkdirSync(to, { recursive: true });
  for (const { name, isDirectory } of Deno.readDirSync(from)) {
    if (isDirectory) copyInto(join(from, name), join(to, name));
    else Deno.copyFileSync(join(from, name), join(to, name));
  }
};

/** The meaning of a database, or nothing where it can't be read any more. */
function meaning(path: string): string | null {
  try {
    using db = new DatabaseSync(path, { readOnly: true });
    return content(db);
  } catch {
    return null;
  }
}

/** What every case needs. */
interface Context {
  readonly random: Chance;
  readonly pick: Pick;
  /** The folder of the originals, and that of this case. */
  readonly folder: string;
  readonly own: string;
  /** What the originals mean, by their names. */
  readonly wholes: ReadonlyMap<string, string | null>;
  readonly records: ReadonlyMap<string, string>;
}

async function recordCase({ random, pick, folder, own, records }: Context): Promise<Finding[]> {
  const kind = pick([...records.keys()]), at = join(own, "record");
  copyInto(join(folder, kind), at);
  const input = `${kind}: ${random.below(2) === 0 ? inFiles(at, random, pick) : inTexts(at, random, pick)}`;
  try {
    const { recorded } = await readRecord(at);
    return JSON.stringify(recorded) === records.get(kind) ? [] : [{ input, problem: "it was taken" }];
  } catch (error) {
    const problem = wrongWith(error);
    return problem === null ? [] : [{ input, problem }];
  }
}

/** Damages a lab. @returns what was done. */
function damageLab(at: string, kind: string, how: number, { random, pick }: Context): string {
  const path = join(at, "lab.db");
  if (how === 0 && kind === "trained") return inFiles(join(at, "lab.files"), random, pick);
  if (how <= 1) {
    Deno.writeFileSync(path, damaged(Deno.readFileSync(path), random));
    return "bytes of the database";
  }
  using db = new DatabaseSync(path, { enableForeignKeyConstraints: false });
  db.exec("PRAGMA ignore_check_constraints = ON; PRAGMA writable_schema = ON");
  return throughSql(db, random, pick);
}

async function labCase(context: Context): Promise<Finding[]> {
  const { random, pick, folder, own, wholes } = context, kind = pick([...wholes.keys()]), how = random.below(6);
  const at = join(own, "lab"), path = join(at, "lab.db"), problems: (string | null)[] = [];
  copyInto(join(folder, kind), at);
  const input = `${kind}: ${damageLab(at, kind, how, context)}`;
  const changed = how === 0 && kind === "trained" || meaning(path) !== wholes.get(kind);
  const say = (line: string) => void problems.push(lineFault(line));
  const trying = (work: () => Promise<unknown>) => work().catch((error) => void problems.push(wrongWith(error)));
  await trying(async () => {
    using lab = Lab.open(path, { readOnly: true });
    const { findings } = await verify(lab);
    if (changed && findings.length === 0) problems.push("verify says ok");
    for (const { text } of findings) say(text);
    if (random.below(4) > 0) return;
    using into = Lab.open(join(own, "merged.db"));
    await merge(lab, into, say);
  });
  if (random.below(8) === 0) {
    await trying(async () => {
      using lab = Lab.open(path);
      await sweep(experiment(200), { lab, engine: engine(), say });
    });
  }
  return problems.filter((problem) => problem !== null).map((problem) => ({ input, problem }));
}

/**
 * Damages `count` labs and records, and verifies, merges, sweeps or imports each.
 * @param random decides what is damaged; the same gives the same damage.
 */
export async function* labs(random: Chance, count: number): AsyncIterable<Finding> {
  const folder = await Deno.makeTempDir({ prefix: "fuzz-" }), pick: Pick = (from) => from[random.below(from.length)];
  try {
    await originals(folder);
    const wholes = new Map(["trained", "imported"].map((kind) => [kind, meaning(join(folder, kind, "lab.db"))]));
    const read = async (kind: string) => JSON.stringify((await readRecord(join(folder, kind))).recorded);
    const records = new Map(await Promise.all(["record", "thin"].map(async (kind) => [kind, await read(kind)] as const)));
    for (let i = 0; i < count; i++) {
      const own = join(folder, `case-${i}`), context = { random, pick, folder, own, wholes, records };
      Deno.mkdirSync(own);
      Deno.writeTextFileSync(join(own, "victim.txt"), "stays");
      const found = await (random.below(3) === 0 ? recordCase(context) : labCase(context));
      yield* found.map(({ input, problem }) => ({ input: `case ${i}, ${input}`, problem }));
      if (Deno.readTextFileSync(join(own, "victim.txt")) !== "stays") yield { input: `case ${i}`, problem: "a file beside it has changed" };
      Deno.removeSync(own, { recursive: true });
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
