/**
 * Damaged labs and records: values, rows and schemas through SQL, bytes of the database, and the files of both. A lab gives findings or is
 * refused, a record is refused, in one short line each; neither ever passes where a value has changed.
 */
import { basename, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type Experiment, grid, range } from "../../lib/lab/experiment.ts";
import { merge } from "../../lib/lab/merge.ts";
import { exportRecorded } from "../../lib/lab/record/export.ts";
import { importRecorded, readRecord } from "../../lib/lab/record/import.ts";
import { Lab } from "../../lib/lab/store.ts";
import { sweep } from "../../lib/lab/sweep.ts";
import { verify } from "../../lib/lab/verify.ts";
import { fakeEngine } from "../fake_engine.ts";
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

type Pick = <T>(from: readonly T[]) => T;

const TABLES = [
  "runs",
  "metrics",
  "milestones",
  "phases",
  "artifacts",
  "members",
  "experiments",
  "rules",
  "work",
  "sessions",
  "environments",
  "seals",
];
const NASTY = [
  "",
  "a\nb",
  "\u001b[2J\u001b[31m",
  "../../victim.txt",
  "/etc/passwd",
  "x".repeat(5000),
  "__proto__",
  "\u202egnp",
  "{",
  "null",
  "[]",
];
const NUMBERS = [-1, 0, 1, 2, 0.5, -0.001, 1e9, 2 ** 31, 2 ** 53, 1e300, Infinity, -Infinity];

/** Another value than this one: a little other, or altogether. */
function other(value: unknown, random: Chance, pick: Pick): string | number | null {
  if (random.below(4) === 0) return pick<string | number | null>([null, ...NUMBERS, ...NASTY]);
  if (typeof value === "number") return pick([value + 1, value - 1, value * 1.0001, value + 1e-9, value * 10, -value, ...NUMBERS]);
  if (typeof value !== "string") return pick<string | number>([...NUMBERS, ...NASTY]);
  const at = random.below(value.length + 1), letter = String.fromCharCode(32 + random.below(95));
  return pick([value.slice(0, at) + letter + value.slice(at + 1), value.slice(0, at), value + letter, ...NASTY]);
}

/** Changes a database through SQL, as far as SQLite lets it. @returns what was done. */
function throughSql(db: DatabaseSync, random: Chance, pick: Pick): string {
  const table = pick(TABLES), count = Number((db.prepare(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }).n);
  const columns = db.prepare(`SELECT name FROM pragma_table_info('${table}')`).all().map(({ name }) => `"${name}"`);
  const at = random.below(Math.max(1, count)), column = pick(columns);
  const where = `(${columns}) IN (SELECT ${columns} FROM ${table} LIMIT 1 OFFSET ${at})`;
  const change = (sql: string, ...values: (string | number | null)[]) => {
    try {
      db.prepare(sql).run(...values);
    } catch {
      // Types and keys may not allow it.
    }
    return `${sql} ${JSON.stringify(values).slice(0, 80)}`;
  };
  switch (random.below(8)) {
    case 0:
      return change(`DELETE FROM ${table} WHERE ${where}`);
    case 1: {
      const view = pick(db.prepare("SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'").all());
      return change(`DROP ${view.type} ${view.name}`);
    }
    case 2: {
      const [from, to] = pick([["REAL", "ANY"], [" NOT NULL", ""], ["STRICT", ""], ["STRICT, ", ""], ["0", "1"], ["max", "min"], [
        "<",
        ">",
      ]]);
      return change("UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE name = ?", from, to, pick([table, "run_summary", "unsealed"]));
    }
    case 3:
      return change(pick(["PRAGMA user_version = 2", "PRAGMA user_version = 99", "PRAGMA application_id = 5", "CREATE TABLE more (a)"]));
    default: {
      const row = db.prepare(`SELECT ${column} AS value FROM ${table} LIMIT 1 OFFSET ${at}`).get();
      return change(`UPDATE ${table} SET ${column} = ? WHERE ${where}`, other(row?.value, random, pick));
    }
  }
}

/** Bytes with some of them changed, or cut off. */
function damaged(bytes: Uint8Array, random: Chance): Uint8Array {
  const copy = bytes.slice();
  if (random.below(8) === 0) return copy.subarray(0, random.below(copy.length));
  for (let i = 1 + random.below(4); i > 0; i--) copy[random.below(copy.length)] ^= 1 << random.below(8);
  return copy;
}

const filesBelow = (folder: string): string[] =>
  [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => isDirectory ? filesBelow(join(folder, name)) : [join(folder, name)])
    .sort();

/** Damages a file of a folder. @returns what was done. */
function inFiles(folder: string, random: Chance, pick: Pick): string {
  const file = pick(filesBelow(folder)), bytes = Deno.readFileSync(file), name = basename(file);
  switch (random.below(5)) {
    case 0:
      Deno.removeSync(file);
      return `without ${name}`;
    case 1:
      Deno.renameSync(file, join(folder, "renamed.safetensors"));
      return `${name} renamed`;
    case 2:
      Deno.removeSync(file);
      Deno.symlinkSync("../victim.txt", file);
      return `${name} as a link`;
    default:
      Deno.writeFileSync(file, damaged(bytes, random));
      return `bytes of ${name}`;
  }
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

/** Damages the texts of a record: a cell, a line, or a value of the header. @returns what was done. */
function inTexts(folder: string, random: Chance, pick: Pick): string {
  const file = pick(filesBelow(folder).filter((path) => /\.(csv|json)$/.test(path))),
    text = Deno.readTextFileSync(file),
    name = basename(file);
  if (name.endsWith(".json")) {
    const json = JSON.parse(text), path: string[] = [];
    // deno-lint-ignore no-explicit-any
    let at: any = json;
    while (true) {
      const key = pick(Object.keys(at));
      path.push(key);
      if (typeof at[key] === "object" && at[key] !== null && Object.keys(at[key]).length > 0 && random.below(8) > 0) at = at[key];
      else {
        const way = random.below(8);
        if (way === 0) delete at[key];
        else if (way === 1) at[pick([...NASTY, "more"])] = at[key];
        else at[key] = way === 2 ? pick([[], {}, true, [1]]) : other(at[key], random, pick);
        break;
      }
    }
    Deno.writeTextFileSync(file, JSON.stringify(json, null, 2));
    return `${path.join(".")} of ${name}`;
  }
  const lines = text.split("\n"), at = random.below(lines.length), cells = lines[at].split(","), cell = random.below(cells.length);
  const value = Number(cells[cell]);
  if (random.below(6) === 0) lines.splice(at, random.below(2), lines[random.below(lines.length)]);
  else {lines[at] = cells.with(cell, String(other(cells[cell] === "" || Number.isNaN(value) ? cells[cell] : value, random, pick) ?? ""))
      .join();}
  Deno.writeTextFileSync(file, lines.join("\n"));
  return `line ${at + 1} of ${name}`;
}
