/** What a database or a record can't do: leave its folder, be written by a query, or cost what is stored. */
import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { send } from "../../lib/cli/send.ts";
import { exportRecorded } from "../../lib/lab/record/export.ts";
import { importRecorded } from "../../lib/lab/record/import.ts";
import { merge } from "../../lib/lab/merge.ts";
import { findRun } from "../../lib/lab/probe.ts";
import { Lab } from "../../lib/lab/store.ts";
import { left, sweep } from "../../lib/lab/sweep.ts";
import { verify } from "../../lib/lab/verify.ts";
import { frame } from "../../lib/notebook/frames.ts";
import { recorded, sweep as notebookSweep } from "../../lib/notebook/sweep.ts";
import { fakeEngine } from "../fake_engine.ts";
import { content, scratch } from "./lab_files.ts";
import { db, engine, runs, small, train } from "./small_lab.ts";

const one = (steps = 200) => small({ runs: runs(steps).slice(0, 1) });

Deno.test("a file that the database calls by a path elsewhere is neither read, copied nor removed", () =>
  scratch(async (path) => {
    const victim = path("victim.txt");
    Deno.writeTextFileSync(victim, "stays");
    for (const [i, file] of ["../victim.txt", victim, "link", "folder/victim.txt"].entries()) {
      const name = path(`${i}.db`), said: string[] = [];
      await train(name, one());
      using lab = Lab.open(name);
      Deno.symlinkSync(victim, join(lab.folder, "link"));
      Deno.symlinkSync(path(""), join(lab.folder, "folder"));
      lab.run("UPDATE artifacts SET file = ?", file);
      // Going on replaces the state, whose file would have been removed.
      await sweep(one(300), { lab, engine: engine(), say: (line) => said.push(line) });
      assertMatch(said.join(), /^Cannot take up run \w{16} at step 200: Cannot use .*: it must be .* in .*\. It begins anew/);
      assertEquals(lab.query("SELECT step, status FROM runs"), [{ step: 300, status: "finished" }]);
      lab.run("UPDATE artifacts SET file = ?", file);
      await assertRejects(() => findRun(lab, 1).checkpoints[0].load(), Error, "Cannot use ");
      using into = Lab.open(path(`into${i}.db`));
      await merge(lab, into, (line) => said.push(line));
      assertMatch(said.at(-1)!, /is left out: Cannot use /);
      assertEquals(Deno.readTextFileSync(victim), "stays");
    }
  }));

Deno.test("a database whose folder of files another one beside it has is refused, and so are tasks for it; what isn't a lab's bothers nobody", () =>
  scratch(async (path) => {
    const sending = { tasks: 1, slurm: false, resources: {}, dryRun: true, more: [], named: [] };
    for (const [there, name] of [["a.db", "a"], ["b", "b.db"], ["c.x", "c.x.db"]]) {
      await train(path(there), one());
      const before = content(path(there)), names = () => [...Deno.readDirSync(path(""))].map(({ name }) => name).sort(), all = names();
      const says = new RegExp(
        `: its files must be in a folder of their own, ${there} beside it has \\S+\\.files too; use another name or folder$`,
      );
      assertMatch(assertThrows(() => Lab.open(path(name)), Error, `Cannot open ${path(name)}: `).message, says);
      const { message } = await assertRejects(() => send(one(), path(name), sending), Error, "Cannot write tasks beside ");
      assertMatch(message, says);
      assertEquals([content(path(there)), names()], [before, all]);
    }
    Deno.mkdirSync(path("d"));
    Deno.writeTextFileSync(path("e"), "notes ".repeat(100));
    for (const name of ["d.db", "e.db", "f.x", "f.y"]) Lab.open(path(name)).close();
  }));

Deno.test("a record whose files are links is neither read nor written through", () =>
  scratch(async (path) => {
    await train(path("a.db"), one());
    using lab = Lab.open(path("a.db"));
    const to = (folder: string) => exportRecorded(lab, "small", path(folder), { metrics: "all", command: "test" });
    Deno.writeTextFileSync(path("victim.txt"), "stays");
    Deno.mkdirSync(path("links"));
    Deno.symlinkSync(path("victim.txt"), path("links/runs.csv"));
    await assertRejects(() => to("links"), Error, 'Cannot use "runs.csv": it must be a file and no link in');
    assertEquals(Deno.readTextFileSync(path("victim.txt")), "stays");
    await to("whole");
    Deno.renameSync(path("whole/runs.csv"), path("runs.csv"));
    Deno.symlinkSync(path("runs.csv"), path("whole/runs.csv"));
    await assertRejects(() => importRecorded(lab, path("whole")), Error, "no link");
  }));

Deno.test("a session's name makes no lock elsewhere, and what else lies beside the database stays", () =>
  scratch(async (path) => {
    await train(path("a.db"), one());
    Deno.mkdirSync(path("a.db-session-folder"));
    Deno.writeTextFileSync(path("a.db-session-folder/victim.txt"), "stays");
    using lab = Lab.open(path("a.db"));
    lab.run("UPDATE sessions SET ended_at = NULL, name = 'folder/victim.txt'");
    await sweep(one(300), { lab, engine: engine() });
    assertEquals(Deno.readTextFileSync(path("a.db-session-folder/victim.txt")), "stays");
  }));

Deno.test("a database whose version isn't that of its tables is refused without a word of SQL, and left as it is", () =>
  scratch((path) => {
    const name = path("a.db");
    const setVersion = (version: number) => {
      const database = new DatabaseSync(name);
      database.exec(`PRAGMA user_version = ${version}; PRAGMA journal_mode = DELETE`);
      database.close();
    };
    Lab.open(name).close();
    for (const [version, says] of [[-1, "from 1 to"], [0, "from 1 to"], [2, "a later one"], [4, "a later one"]] as const) {
      setVersion(version);
      const before = Deno.readFileSync(name);
      for (const readOnly of [true, false]) {
        const { message } = assertThrows(() => Lab.open(name, { readOnly }), Error, `its version must be ${says}`);
        assertMatch(message, new RegExp(`current value is ${version}( and it has \\w+ already)?$`));
      }
      assertEquals(Deno.readFileSync(name), before);
    }
    Deno.removeSync(name);
    setVersion(3);
    assertThrows(() => Lab.open(name), Error, "it must be a database of Grokbook's");
  }));

/** Statements that would change something, here or elsewhere. */
const WRITES = (path: (name: string) => string) => [
  "DELETE FROM metrics",
  "UPDATE runs SET status = 'waiting'",
  "UPDATE runs SET step = 0 RETURNING id",
  "INSERT INTO rules VALUES ('x', 1, 1, 1, 1)",
  "DROP TABLE metrics",
  "CREATE TABLE more (a)",
  "CREATE TEMP TABLE more (a)",
  `ATTACH '${path("other.db")}' AS other`,
  `VACUUM INTO '${path("copy.db")}'`,
  "PRAGMA user_version = 99",
  "PRAGMA journal_mode = DELETE",
  "PRAGMA writable_schema = ON",
  "PRAGMA query_only = OFF",
  "PRAGMA foreign_keys = OFF",
  "BEGIN",
  "REINDEX",
  "ANALYZE",
  `SELECT load_extension('${path("x.so")}')`,
];

Deno.test("queries only read, whichever way they come and whatever the lab was opened for", () =>
  scratch(async (path) => {
    await train(path("a.db"), one());
    const before = content(path("a.db"));
    using written = Lab.open(path("a.db"));
    using read = Lab.open(path("a.db"), { readOnly: true });
    using given = await recorded(one(), { db: path("a.db"), recorded: false });
    using swept = await notebookSweep(one(), { db: path("a.db"), recorded: false, engine: engine(), figure: null });
    for (const sql of WRITES(path)) {
      for (const lab of [written, read, given, swept]) {
        for (const ask of [() => lab.query(sql), () => lab.table(sql), () => lab.columns(sql), () => frame(lab, sql)]) {
          const { message } = assertThrows(ask, Error, "Cannot query ");
          assert(!message.includes("\n"), message);
        }
      }
      assertThrows(() => frame(path("a.db"), sql), Error, "it must be a statement that only reads");
    }
    // What notebooks get can't be written in any other way either.
    for (const lab of [read, given, swept]) {
      assertThrows(() => lab.run("DELETE FROM metrics"), Error, "it must be open for writing");
      assertThrows(() => lab.declare(small()), Error, "it must be open for writing");
      assertThrows(() => lab.putMilestones(1), Error, "it must be open for writing");
    }
    assertEquals(given.query("PRAGMA integrity_check"), [{ integrity_check: "ok" }]);
    assertEquals(given.query("WITH t(i) AS (VALUES (1), (2)) SELECT sum(i) AS n FROM t"), [{ n: 3 }]);
    assertEquals(content(path("a.db")), before);
    assertEquals([...Deno.readDirSync(path(""))].map(({ name }) => name).filter((name) => /copy|other/.test(name)), []);
  }));

Deno.test("a run that came past its end for another experiment isn't trained on, and keeps its grokking step", () =>
  scratch(async (path) => {
    const opened: string[] = [], groks = () => fakeEngine({ groksAt: ({ seed }) => seed === 0 ? 45 : Infinity, fit: 2 });
    using lab = Lab.open(path("a.db"));
    const all = runs(1500).filter(({ seed }) => seed < 2),
      more = all.map((spec) => ({ ...spec, schedule: { ...spec.schedule, steps: 2000 } }));
    // All steps of one experiment, which another with more would have ended once they had grokked.
    await sweep(small({ name: "long", runs: all }), { lab, engine: groks() });
    const early = small({ name: "early", runs: more, margin: 0 });
    assertEquals(left(lab, early).map(({ spec, updates }) => [spec.seed, updates]), [[1, 500], [1, 500]]);
    const before = lab.query("SELECT * FROM metrics JOIN runs ON id = run WHERE seed = 0");
    const engine = groks(), swept = await sweep(early, { lab, engine, say: (line) => opened.push(line) });
    assertEquals(swept.map(({ spec, step, grokkingStep }) => [spec.seed, step, grokkingStep]), [
      ...[[0, 1500, 50], [1, 2000, null], [0, 1500, 50], [1, 2000, null]],
    ]);
    assertEquals(lab.query("SELECT * FROM metrics JOIN runs ON id = run WHERE seed = 0"), before);
    // A longer margin than was seen is asked for, and trained.
    assertEquals(left(lab, small({ name: "wide", runs: more, margin: 1490 })).map(({ spec }) => spec.seed), [0, 0]);
    // The same from a record, with all evaluations and with none.
    for (const metrics of ["all", "none"] as const) {
      await exportRecorded(lab, "long", path(metrics), { metrics, command: "test" });
      using other = Lab.open(path(`${metrics}.db`));
      await importRecorded(other, path(metrics));
      assertEquals(left(other, early).map(({ spec }) => spec.seed), [], metrics);
    }
  }));

Deno.test("a run that was stopped before its end goes on to where it would have ended", () =>
  scratch(async (path) => {
    const controller = new AbortController();
    let updates = 0;
    using lab = Lab.open(path("a.db"));
    const early = small({ runs: runs(300).slice(0, 1), margin: 0 });
    const stopping = fakeEngine({ groksAt: () => 45, onUpdate: () => ++updates === 60 && controller.abort() });
    const [stopped] = await sweep(early, { lab, engine: stopping, signal: controller.signal });
    assertEquals([stopped.status, stopped.grokkingStep], ["stopped", 50]);
    assertEquals((await sweep(early, { lab, engine: engine() }))[0].step, 100);
  }));

Deno.test("a run whose evaluations were changed isn't gone on with, which would seal them: it begins anew, and it is said", () =>
  scratch(async (path) => {
    const said: string[] = [], say = (line: string) => said.push(line);
    await train(path("whole.db"), one(400));
    await train(path("a.db"), one());
    using lab = Lab.open(path("a.db"));
    lab.run("UPDATE metrics SET val_loss = val_loss + 0.5 WHERE step = 30");
    await sweep(one(400), { lab, engine: engine(), say });
    assertEquals(said.length, 1);
    assertMatch(said[0], /^Cannot take up run \w{16} at step 200: .* its seal is another's.* It begins anew/);
    assertEquals(content(path("a.db")).metrics, content(path("whole.db")).metrics);
    assertEquals((await verify(lab)).findings, []);
  }));

Deno.test("an engine that refuses a run that was imported costs none of what is stored of it", () =>
  scratch(async (path) => {
    await train(path("a.db"), one());
    {
      using a = Lab.open(path("a.db"));
      await exportRecorded(a, "small", path("thin"), { metrics: "none", command: "test" });
    }
    {
      using b = Lab.open(path("b.db"));
      await importRecorded(b, path("thin"));
    }
    const before = content(path("b.db")), said: string[] = [];
    const refusing = { ...engine(), open: () => Promise.reject(new Error("Cannot train this: too large")) };
    using b = Lab.open(path("b.db"));
    await sweep(one(300), { lab: b, engine: refusing, say: (line) => said.push(line) });
    assertEquals(said.length, 1);
    assertEquals({ ...content(path("b.db")), members: [] }, { ...before, members: [] });
  }));

Deno.test("what can't be imported or merged leaves no database", () =>
  scratch(async (path) => {
    await train(path("a.db"), one());
    {
      using lab = Lab.open(path("a.db"));
      await exportRecorded(lab, "small", path("record"), { metrics: "all", command: "test" });
      lab.run(`UPDATE runs SET spec = replace(spec, '"prime":5', '"prime":7')`);
    }
    const runsCsv = Deno.readTextFileSync(path("record/runs.csv"));
    for (const text of [runsCsv.replace("finished", "failed"), runsCsv.replace("grokked", "asleep").replace("finished", "asleep"), ""]) {
      Deno.writeTextFileSync(path("record/runs.csv"), text);
      const { code, stdout, stderr } = await db(["import", path("record"), "--db", path("new.db")]);
      assertEquals([code, stdout], [1, ""]);
      assertMatch(stderr, /^error: Cannot import [^\n]*\n$/);
    }
    const merged = await db(["merge", path("a.db"), "--db", path("new.db")]);
    assertEquals(merged.code, 1);
    assertMatch(
      merged.stderr,
      /^error: Cannot merge [^\n]* must be whole, of its experiments small: Cannot read run \w{16}: its spec must give this hash[^\n]*\n$/,
    );
    const exported = await db(["export", "--experiment", "small", "--to", path("out"), "--db", path("a.db")]);
    assertMatch(
      exported.stderr,
      /^error: Cannot read run \w{16}: its spec must give this hash, it gives \w{16}\n$|^error: Cannot export run /,
    );
    assertEquals([...Deno.readDirSync(path(""))].map(({ name }) => name).filter((name) => /^new|^out/.test(name)), []);
  }));
