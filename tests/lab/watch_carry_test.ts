/** What was stored of runs while they trained goes where they go: into another lab, into a record and back; and phases with them. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "node:path";
import { loadAttention } from "../../lib/train/attention_file.ts";
import { phaseEdges } from "../../lib/run/phases.ts";
import { attentionRun } from "../../lib/lab/attention.ts";
import type { Experiment } from "../../lib/lab/experiment.ts";
import { merge, type Merged } from "../../lib/lab/merge.ts";
import { phasesOf } from "../../lib/lab/milestones.ts";
import { exportRecorded } from "../../lib/lab/record/export.ts";
import { importRecorded } from "../../lib/lab/record/import.ts";
import { MOST_READINGS, thinLog } from "../../lib/lab/record/artifacts.ts";
import { MIGRATIONS } from "../../lib/lab/schema.ts";
import { findRun } from "../../lib/lab/probe.ts";
import { Lab } from "../../lib/lab/store.ts";
import { sweep } from "../../lib/lab/sweep.ts";
import { recompute } from "../../lib/lab/recompute.ts";
import { verify } from "../../lib/lab/verify.ts";
import type { Watch } from "../../lib/lab/watch.ts";
import { sweep as notebookSweep } from "../../lib/notebook/sweep.ts";
import type { RunSpec } from "../../lib/run/spec.ts";
import { fakeEngine, type FakeOptions } from "../fake_engine.ts";
import { content, scratch } from "./lab_files.ts";
import { watchedRuns as runs } from "./small_lab.ts";

const watch: Watch = { attention: { pairs: 6, full: 2 }, weights: { perDecade: 4 } };
const watched = (more: Partial<Experiment> = {}): Experiment => ({ name: "watched", runs: runs(), watch, ...more });
/** Seed s groks at step 105 + 40 · s; seed 2 never. */
const groksAt = ({ seed }: RunSpec) => seed === 2 ? Infinity : 105 + 40 * seed;

const into = async (path: string, given: Experiment, fake: FakeOptions = {}) => {
  using lab = Lab.open(path);
  return await sweep(given, { lab, engine: fakeEngine({ groksAt, ...fake }) });
};
const isWhole = async (path: string) => {
  using lab = Lab.open(path, { readOnly: true });
  assertEquals((await verify(lab)).findings, []);
};
const merged = async (from: string, to: string): Promise<{ said: string[]; result: Merged }> => {
  using a = Lab.open(from, { readOnly: true }), b = Lab.open(to);
  const said: string[] = [];
  return { said, result: await merge(a, b, (line) => said.push(line)) };
};
const record = async (path: string, folder: string, more: Partial<Parameters<typeof exportRecorded>[3]> = {}) => {
  using lab = Lab.open(path);
  return await exportRecorded(lab, "watched", folder, { metrics: "thin", files: ["attention"], command: "test", ...more });
};
const taken = async (path: string, folder: string) => {
  using lab = Lab.open(path);
  return await importRecorded(lab, folder);
};
const steps = async (path: string, run = 1) => {
  using lab = Lab.open(path, { readOnly: true });
  return (await attentionRun(lab, run)).readings.map(({ step }) => step);
};
const filesOf = (folder: string): string[] => [...Deno.readDirSync(folder)].map(({ name }) => name).toSorted();
const bytesOf = (folder: string): Record<string, Uint8Array | Record<string, Uint8Array>> =>
  Object.fromEntries(
    filesOf(folder).map((name) => {
      const path = join(folder, name);
      return [name, Deno.statSync(path).isDirectory ? bytesOf(path) as Record<string, Uint8Array> : Deno.readFileSync(path)];
    }),
  );

Deno.test("merge: logs and weights come with their runs, those further along in place of those before, and nothing of them is lost", () =>
  scratch(async (path) => {
    await into(path("long.db"), watched());
    await into(path("short.db"), watched({ runs: runs(100) }));
    const { artifacts } = content(path("long.db"));
    assertEquals((await merged(path("long.db"), path("short.db"))).said, []);
    await merged(path("long.db"), path("empty.db"));
    for (const name of ["short.db", "empty.db"]) {
      assertEquals(content(path(name)).artifacts, artifacts);
      await isWhole(path(name));
      assertEquals((await merged(path("long.db"), path(name))).result.files, 0);
    }
    // Trained without, a run gets them from a lab that has them.
    await into(path("bare.db"), watched({ watch: {} }));
    assertEquals((await merged(path("long.db"), path("bare.db"))).result.files, artifacts.length - 3);
    assertEquals(content(path("bare.db")).artifacts, artifacts);

    // The source was watched from step 100 on only, the target up to there: together they are the whole.
    await into(path("late.db"), watched({ watch: {}, runs: runs(100) }));
    await into(path("late.db"), watched());
    await into(path("early.db"), watched({ runs: runs(100) }));
    assert((await steps(path("late.db")))[0] > 100);
    assertEquals((await merged(path("late.db"), path("early.db"))).said, []);
    assertEquals(content(path("early.db")).artifacts, artifacts);
    await isWhole(path("early.db"));

    // Of another probe set, it is left out, and the one that was there stays.
    await into(path("other.db"), watched({ runs: runs(100).slice(0, 1), watch: { attention: { pairs: 5 } } }));
    const before = await steps(path("other.db")), { said } = await merged(path("long.db"), path("other.db"));
    assertEquals([said.length, await steps(path("other.db"))], [1, before]);
    assertMatch(said[0], /the attention of run \w{16} at step 450 is left out: both logs must be of one probe set, they are of two$/);
  }));

Deno.test("verify finds a log or weights that are broken", () =>
  scratch(async (path) => {
    await into(path("a.db"), watched());
    using lab = Lab.open(path("a.db"));
    for (const kind of ["attention", "weights"]) {
      const [{ file }] = lab.query<{ file: string }>("SELECT file FROM artifacts WHERE kind = ?", kind), at = join(lab.folder, file);
      const bytes = Deno.readFileSync(at);
      Deno.truncateSync(at, 10);
      assertMatch((await verify(lab)).findings.map(({ text }) => text).join("\n"), new RegExp(`^.*, the ${kind} of run .* it has 10$`));
      Deno.writeFileSync(at, bytes);
    }
    assertEquals((await verify(lab)).findings, []);
  }));

Deno.test("a thinned log has the readings at the edges, the first and the last, in full, and others evenly between them", () =>
  scratch(async (path) => {
    await into(path("a.db"), watched({ runs: runs(1500).slice(0, 1), watch: { attention: { pairs: 6, full: 2, perDecade: 1000 } } }));
    using lab = Lab.open(path("a.db"));
    const log = await attentionRun(lab, 1), all = log.readings.map(({ step }) => step);
    assert(all.length > 2 * MOST_READINGS);
    const edges = [20, 115, 700], { readings } = thinLog(log, edges), kept = readings.map(({ step }) => step);
    assert(kept.length <= MOST_READINGS && kept.length > MOST_READINGS - 10, String(kept.length));
    assertEquals(readings.filter(({ examples }) => examples.length > 0).map(({ step }) => step), [
      0,
      20,
      all.find((step) => step >= 115)!,
      700,
      1500,
    ]);
    const gaps = kept.slice(1).map((step, i) => all.indexOf(step) - all.indexOf(kept[i]));
    assert(Math.max(...gaps) <= Math.ceil(all.length / (MOST_READINGS - 4)) + 1);
    for (const reading of readings) {
      const whole = log.readings.find(({ step }) => step === reading.step)!;
      assertEquals({ ...reading, examples: whole.examples }, whole);
    }
    assertEquals(thinLog({ ...log, readings: log.readings.slice(0, 1) }, [5]).readings, log.readings.slice(0, 1));
  }));

Deno.test("a record has the logs, as much of them as figures need, and gives them back with their checksums", () =>
  scratch(async (path) => {
    await into(path("a.db"), watched());
    const { files, bytes } = await record(path("a.db"), path("out"));
    assertEquals([files, filesOf(path("out")), filesOf(path("out/attention")).length], [
      3,
      ["artifacts.csv", "attention", "experiment.json", "metrics.csv", "runs.csv"],
      3,
    ]);
    const sizes = Object.values(bytesOf(path("out"))).flatMap((each) => each instanceof Uint8Array ? [each] : Object.values(each));
    assertEquals(bytes, sizes.reduce((sum, { length }) => sum + length, 0));
    assertEquals(JSON.parse(Deno.readTextFileSync(path("out/experiment.json"))).watch, watch);

    assertEquals(await taken(path("b.db"), path("out")), { experiment: "watched", runs: 3, entered: 3, files: 3 });
    await isWhole(path("b.db"));
    using a = Lab.open(path("a.db")), b = Lab.open(path("b.db"));
    for (const run of b.runs("watched")) {
      const log = await attentionRun(b, run.id), whole = await attentionRun(a, log.hash);
      const edges = [run.memorisationStep, phasesOf(a, whole.id)!.transition, run.grokkingStep].filter((step) => step !== null);
      assertEquals([log.readings, log.spec], [thinLog(whole, edges).readings, whole.spec]);
      assertEquals(phasesOf(b, run.id), phasesOf(a, whole.id));
      const file = await loadAttention(join(path("out"), "attention", `${log.hash}.safetensors`));
      assertEquals([file.readings, file.spec], [log.readings, whole.spec]);
    }
    // Again: the same bytes; and nothing where there is nothing to bring.
    await record(path("b.db"), path("again"));
    assertEquals(bytesOf(path("again")), bytesOf(path("out")));
    const before = [content(path("b.db")), filesOf(b.folder)];
    assertEquals((await taken(path("b.db"), path("out"))).files, 0);
    assertEquals([content(path("b.db")), filesOf(b.folder)], before);
    // A lab that has the whole log keeps it; one whose evaluations are the same gets what the record has; others don't.
    assertEquals((await taken(path("a.db"), path("out"))).files, 0);
    await into(path("bare.db"), watched({ watch: {} }));
    await into(path("differs.db"), watched({ watch: {} }), { dips: (_, step) => step === 400 });
    assertEquals([await taken(path("bare.db"), path("out")), await taken(path("differs.db"), path("out"))], [
      { experiment: "watched", runs: 3, entered: 0, files: 3 },
      { experiment: "watched", runs: 3, entered: 0, files: 1 },
    ]);
    for (const name of ["bare.db", "differs.db"]) await isWhole(path(name));
    // Trained on, a run has a log of its own in place of the record's.
    const whole = content(path("a.db")).artifacts;
    await into(path("b.db"), watched({ runs: runs(460) }));
    assertEquals(content(path("b.db")).artifacts.filter(({ kind }) => kind === "attention-thin"), []);
    await into(path("whole.db"), watched({ runs: runs(460) }));
    assertEquals(content(path("b.db")).artifacts, content(path("whole.db")).artifacts);
    assert(whole.length > 0);

    // Without them, none are left in the folder.
    await record(path("a.db"), path("out"), { files: [] });
    assertEquals(filesOf(path("out")), ["experiment.json", "metrics.csv", "runs.csv"]);
  }));

Deno.test("a record has the weights on the way, and gives them back; without them, none are left in its folder", () =>
  scratch(async (path) => {
    await into(path("a.db"), watched());
    const stored = content(path("a.db")).artifacts.filter(({ kind }) => kind === "weights");
    assert(stored.length > 9);
    const { files } = await record(path("a.db"), path("out"), { files: ["attention", "weights"] });
    assertEquals([files, filesOf(path("out/weights")).length], [3 + stored.length, stored.length]);
    assertEquals((await taken(path("b.db"), path("out"))).files, files);
    assertEquals(content(path("b.db")).artifacts.filter(({ kind }) => kind === "weights"), stored);
    await isWhole(path("b.db"));
    using lab = Lab.open(path("b.db"), { readOnly: true }), whole = Lab.open(path("a.db"), { readOnly: true });
    const [one, same] = [findRun(lab, 1), findRun(whole, findRun(lab, 1).hash)],
      load = ({ checkpoints }: typeof one) => checkpoints[2].load();
    assertEquals([one.checkpoints.length > 3, await load(one)], [true, await load(same)]);
    // Each kind for itself: a lab that has the logs gets the weights.
    await record(path("a.db"), path("logs"));
    assertEquals([(await taken(path("c.db"), path("logs"))).files, (await taken(path("c.db"), path("out"))).files], [3, stored.length]);
    assertEquals((await taken(path("c.db"), path("out"))).files, 0);
    await record(path("b.db"), path("again"), { files: ["attention", "weights"] });
    assertEquals(bytesOf(path("again")), bytesOf(path("out")));
    await record(path("a.db"), path("out"), { files: ["attention"] });
    assertEquals(bytesOf(path("out")), bytesOf(path("logs")));
  }));

Deno.test("a record has the trained networks of the seeds that were asked for, and gives them back", () =>
  scratch(async (path) => {
    await into(path("a.db"), watched({ watch: {} }));
    const { files } = await record(path("a.db"), path("out"), { files: [], networks: [1] });
    assertEquals([files, filesOf(path("out/weights")).length], [1, 1]);
    assertEquals((await taken(path("b.db"), path("out"))).files, 1);
    await isWhole(path("b.db"));
    using lab = Lab.open(path("b.db"), { readOnly: true }), whole = Lab.open(path("a.db"), { readOnly: true });
    const [{ id, hash, step }] = lab.query<{ id: number; hash: string; step: number }>(
      "SELECT id, hash, step FROM runs WHERE id IN (SELECT run FROM artifacts)",
    );
    assertEquals(lab.spec(id, step).seed, 1);
    const load = ({ checkpoints }: ReturnType<typeof findRun>) => checkpoints.at(-1)!.load();
    const one = findRun(lab, id), same = findRun(whole, hash);
    assertEquals([one.checkpoints.at(-1)!.step, await load(one)], [same.checkpoints.at(-1)!.step, await load(same)]);
    // What was imported goes on as it came; what isn't asked for stays behind.
    const said: string[] = [];
    await record(path("b.db"), path("again"), { files: [], networks: [1, 2], say: (line) => said.push(line) });
    assertMatch(said.join("\n"), /^The network of run \w{16} is left out: the lab must have its last state, it has none$/);
    await assertRejects(() => record(path("b.db"), path("no"), { networks: [1, 77] }), Error, "current value is 77, no run of it has that");
    assertEquals(bytesOf(path("again")), bytesOf(path("out")));
    await record(path("b.db"), path("bare"), { files: [] });
    assertEquals(filesOf(path("bare")), ["experiment.json", "metrics.csv", "runs.csv"]);
  }));

Deno.test("a record whose runs are further along, without files, takes none from a lab that has the same runs' beginnings", () =>
  scratch(async (path) => {
    const longer = runs().map((spec) => ({ ...spec, schedule: { ...spec.schedule, steps: spec.schedule.steps + 100 } }));
    await into(path("a.db"), watched());
    await into(path("longer.db"), { name: "watched", runs: longer });
    await record(path("longer.db"), path("out"), { files: [] });
    const kept = () => content(path("a.db")).artifacts.filter(({ kind }) => kind !== "checkpoint"), before = kept();
    assert(before.length > 12);
    using lab = Lab.open(path("a.db"), { readOnly: true });
    const evaluations = lab.metrics(1);
    assertEquals((await taken(path("a.db"), path("out"))).entered, longer.length);
    assertEquals(kept(), before);
    // The record is thinned; what the lab had of the way stays in full.
    assertEquals(lab.metrics(1).filter(({ step }) => step <= evaluations.at(-1)!.step), evaluations);
    assert(lab.metrics(1).at(-1)!.step > evaluations.at(-1)!.step);
    await isWhole(path("a.db"));
  }));

Deno.test("a broken log: left out of a record, which is said; in a record, nothing of it is imported, and that says which", () =>
  scratch(async (path) => {
    await into(path("a.db"), watched());
    const said: string[] = [];
    {
      using lab = Lab.open(path("a.db"));
      const [{ file }] = lab.query<{ file: string }>("SELECT file FROM artifacts WHERE kind = 'attention' AND run = 2");
      Deno.truncateSync(join(lab.folder, file), 10);
    }
    assertEquals((await record(path("a.db"), path("out"), { say: (line) => said.push(line) })).files, 2);
    assertMatch(said.join("\n"), /^The attention of run \w{16} is left out: .* it has 10$/);
    const [name] = filesOf(path("out/attention")), log = join(path("out/attention"), name), bytes = Deno.readFileSync(log);
    Lab.open(path("b.db")).close();
    const before = content(path("b.db"));
    const breaks: [() => void, RegExp][] = [
      [() => Deno.truncateSync(log, 10), /^Cannot import .*out: .*attention\/\w{16}\.safetensors must have \d+ bytes, it has 10$/],
      [() => Deno.writeFileSync(log, bytes.toReversed()), /must have the SHA-256 \w{64}, it has \w{64}$/],
      [() => Deno.removeSync(log), /^Cannot import .*out: .*attention\/\w{16}\.safetensors must be there, it is missing/],
      [() => Deno.writeTextFileSync(path("out/artifacts.csv"), "run\n"), /artifacts\.csv, line 1: its columns must include kind/],
    ];
    for (const [damage, says] of breaks) {
      damage();
      assertMatch((await assertRejects(() => taken(path("b.db"), path("out")), Error)).message, says);
      assertEquals(content(path("b.db")), before);
      assertEquals(await Array.fromAsync(Deno.readDir(path("b.files"))).catch(() => []), []);
    }
  }));

Deno.test("a notebook takes the logs of a record also where all of its runs are there", () =>
  scratch(async (path) => {
    await into(path("a.db"), watched());
    await record(path("a.db"), path("recorded/watched"), { files: [] });
    const on = fakeEngine(), options = { db: path("lab.db"), recorded: path("recorded"), engine: on, figure: null };
    (await notebookSweep(watched(), options)).close();
    await record(path("a.db"), path("recorded/watched"));
    using lab = await notebookSweep(watched(), options);
    assertEquals([on.log, lab.query("SELECT kind, count(*) AS n FROM artifacts")], [[], [{ kind: "attention-thin", n: 3 }]]);
  }));

Deno.test("phases are stored with milestones, by each rule, and asked for as an experiment sees them", () =>
  scratch(async (path) => {
    await into(path("a.db"), watched({ rule: "sustained" }), { dips: ({ seed }, step) => seed === 1 && step === 200 });
    using lab = Lab.open(path("a.db"));
    for (const rule of lab.rules()) {
      for (const { id, metrics } of lab.runs("watched")) assertEquals(phasesOf(lab, id, rule.name), phaseEdges(metrics, rule));
    }
    const transitions = (name: string) =>
      lab.query("SELECT transition_step AS at FROM run_summary WHERE experiment = ? ORDER BY run", name);
    assertEquals(transitions("watched"), [{ at: 110 }, { at: 150 }, { at: null }]);
    lab.declare(watched({ name: "short", runs: runs(140) }));
    assertEquals(transitions("short"), [{ at: 110 }, { at: null }, { at: null }]);
    lab.run("UPDATE phases SET transition_step = 130 WHERE run = 1 AND rule = 'first'");
    assertMatch(
      (await verify(lab)).findings.map(({ text }) => text).join(),
      /^run \w{16} by rule first: transition_step must be 110, it is 130$/,
    );
    assertEquals(recompute(lab).changed, 1);
    await isWhole(path("a.db"));
  }));

Deno.test("a lab of the version before opens with all that it has, gets its phases, and a sweep of that version may go on in it", () =>
  scratch(async (path) => {
    await into(path("a.db"), watched());
    const before = content(path("a.db"));
    const asBefore = () => {
      using lab = Lab.open(path("a.db"));
      const views = lab.query<{ name: string }>("SELECT name FROM sqlite_schema WHERE type = 'view' ORDER BY rowid DESC");
      for (const { name } of views) lab.run(`DROP VIEW ${name}`);
      lab.run("DROP TRIGGER unsealed");
      lab.run("DROP TABLE seals");
      lab.run("DROP TABLE phases");
      lab.run("ALTER TABLE experiments DROP COLUMN watch");
      lab.run("PRAGMA user_version = 2");
    };
    // For reading and for writing.
    for (const readOnly of [true, false]) {
      asBefore();
      {
        using lab = Lab.open(path("a.db"), { readOnly });
        assertEquals(lab.query("PRAGMA user_version"), [{ user_version: MIGRATIONS.length }]);
        assertEquals(lab.query("SELECT count(*) AS n, count(transition_step) AS seen FROM run_summary"), [{ n: 3, seen: 2 }]);
      }
      assertEquals(content(path("a.db")), before);
      await isWhole(path("a.db"));
    }
    // What version 2 writes, as it writes it.
    using lab = Lab.open(path("a.db"));
    const [row] = lab.query("SELECT * FROM milestones WHERE run = 1 AND rule = 'first'");
    lab.run("DELETE FROM metrics WHERE run = 1 AND step > 400");
    lab.run(`INSERT OR REPLACE INTO milestones VALUES (?${", ?".repeat(10)})`, ...Object.values({ ...row, last_step: 400 }));
    lab.run("INSERT INTO artifacts VALUES (1, 'checkpoint', 400, 'there.safetensors', 1, 'x')");
    Lab.open(path("a.db")).close();
    assertEquals(phasesOf(lab, 1), { first: 0, memorised: 20, transition: 110, generalised: 110, last: 400 });
  }));

Deno.test("a record of the version before is read; what it doesn't say of a run with a part of its evaluations is unknown, and stays so", () =>
  scratch(async (path) => {
    await into(path("a.db"), watched({ runs: runs(2000) }));
    await record(path("a.db"), path("out"), { files: [] });
    const edit = (name: string, change: (text: string) => string) =>
      Deno.writeTextFileSync(path(`out/${name}`), change(Deno.readTextFileSync(path(`out/${name}`))));
    edit("experiment.json", (text) => {
      const { watch: _, artifacts: __, sha256: ___, ...header } = JSON.parse(text);
      return `${JSON.stringify({ ...header, version: 1 }, null, 2)}\n`;
    });
    edit("runs.csv", (text) => {
      const rows = text.trimEnd().split("\n").map((line) => line.split(",")),
        columns = rows[0].map((name, i) => /transition_step$/.test(name) ? i : -1);
      return `${rows.map((row) => row.filter((_, i) => !columns.includes(i)).join()).join("\n")}\n`;
    });
    assertEquals((await taken(path("b.db"), path("out"))).entered, 3);
    using b = Lab.open(path("b.db"));
    assertEquals([b.query("SELECT thinned FROM runs LIMIT 1"), phasesOf(b, 1), b.query("SELECT * FROM phases")], [
      [{ thinned: 1 }],
      null,
      [],
    ]);
    await isWhole(path("b.db"));
    await record(path("b.db"), path("again"));
    assertEquals(Deno.readTextFileSync(path("again/runs.csv")).match(/,unknown/g)!.length, 6);
    assertEquals((await taken(path("c.db"), path("again"))).entered, 3);
    using c = Lab.open(path("c.db"));
    assertEquals(c.query("SELECT * FROM phases"), []);
    // With all of them, they follow.
    await record(path("a.db"), path("all"), { files: [], metrics: "all" });
    await taken(path("c.db"), path("all"));
    assertEquals(c.query("SELECT count(*) AS n FROM phases"), [{ n: 6 }]);
  }));
