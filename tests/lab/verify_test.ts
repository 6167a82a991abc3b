/** What verify finds, each planted defect and nothing else, and what recompute mends. */
import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { join } from "node:path";
import { exportRecorded } from "../../lib/lab/record/export.ts";
import { importRecorded } from "../../lib/lab/record/import.ts";
import { Session } from "../../lib/lab/session.ts";
import { Lab } from "../../lib/lab/store.ts";
import { sweep } from "../../lib/lab/sweep.ts";
import { recompute } from "../../lib/lab/recompute.ts";
import { verify } from "../../lib/lab/verify.ts";
import { snapshotOf } from "../../lib/train/train.ts";
import { fakeEngine } from "../fake_engine.ts";
import { content, copyLab, scratch } from "./lab_files.ts";
import { db, engine, runs, small, train } from "./small_lab.ts";

Deno.test("whatever may become of a run, verify finds nothing wrong with it", () =>
  scratch(async (path) => {
    using lab = Lab.open(path("a.db"));
    const wrong = async () => (await verify(lab)).findings;
    assertEquals(await verify(lab), { findings: [], runs: 0, evaluations: 0, files: 0 });
    // Runs that end between two evaluations, that end early, that fail, and that are stopped and go on at any moment.
    for (const [i, steps] of [45, 100, 205, 200].entries()) {
      for (const updates of [7, 60, 150]) {
        const controller = new AbortController();
        let left = updates;
        const stopping = fakeEngine({
          groksAt: ({ seed }) => seed === 1 ? Infinity : 45,
          breaksAt: ({ seed }) => seed === 2 ? 75 : Infinity,
          onUpdate: () => --left === 0 && controller.abort(),
        });
        await sweep(small({ runs: runs(steps) }), { lab, engine: stopping, signal: controller.signal, checkpointSeconds: 0 });
        assertEquals(await wrong(), [], `${steps} steps, stopped after ${updates}`);
      }
      await sweep(small({ name: `early${i}`, runs: runs(steps), margin: 0 }), { lab, engine: engine() });
      assertEquals(await wrong(), []);
    }
    await sweep(small(), { lab, engine: engine() });
    const { findings, ...counts } = await verify(lab);
    assertEquals([findings, counts.runs], [[], 6]);

    // A rule that comes later, and one that is added by hand.
    lab.declare(small({ name: "loose", rule: { name: "loose", accuracy: 0.5, inclusive: true, times: 1 } }));
    assertEquals(await wrong(), []);
    recompute(lab, { name: "strict", accuracy: 1, inclusive: true, times: 3 });
    assertEquals(await wrong(), []);

    // A part of the evaluations.
    for (const metrics of ["thin", "none"] as const) {
      await exportRecorded(lab, "small", path(metrics), { metrics, command: "test" });
      using other = Lab.open(path(`${metrics}.db`));
      await importRecorded(other, path(metrics));
      assertEquals((await verify(other)).findings, []);
    }
  }));

Deno.test("a session at work is no finding, one that was killed is", () =>
  scratch(async (path) => {
    using lab = Lab.open(path("a.db"));
    const [id] = lab.declare(small());
    const session = await Session.open(lab, { info: engine().info, command: "goes on" });
    await session.claim(id, 200, () => true);
    Deno.mkdirSync(lab.folder);
    Deno.writeTextFileSync(join(lab.folder, ".half.part"), "as a session writes it");
    assertEquals((await verify(lab)).findings, []);
    session.close();
    Deno.removeSync(join(lab.folder, ".half.part"));
    lab.run("UPDATE runs SET status = 'training', session = ? WHERE id = ?", session.id, id);
    lab.run("UPDATE sessions SET ended_at = NULL");
    const { findings } = await verify(lab);
    assertEquals(findings.map(({ about }) => about), ["training"]);
    assertMatch(
      findings[0].text,
      /^run [0-9a-f]{16} is in training at step 0, but session [0-9a-f-]{36} is gone; the next sweep frees it$/,
    );
  }));

Deno.test("what a killed session leaves is whole; milestones that are older than its last state are not", () =>
  scratch(async (path) => {
    await train(path("a.db"));
    using lab = Lab.open(path("b.db"));
    const [id] = lab.declare(small());
    const session = await Session.open(lab, { info: engine().info, command: "killed" });
    await session.claim(id, 200, () => true);
    {
      using whole = Lab.open(path("a.db"), { readOnly: true });
      const evaluations = whole.metrics(whole.query<{ id: number }>("SELECT id FROM runs WHERE seed = 0")[0].id);
      for (const evaluation of evaluations.slice(0, 11)) session.record(id, evaluation);
      await session.checkpoint(id, { ...snapshotOf(runs()[0]), step: 100 });
      for (const evaluation of evaluations.slice(11, 14)) session.record(id, evaluation);
      session.flush(true);
    }
    // Lets its runs go as whoever finds that it was killed.
    session.close();
    assertEquals(lab.query("SELECT step, last_step FROM runs JOIN milestones ON run = id WHERE rule = 'first'"), [{
      step: 100,
      last_step: 100,
    }]);
    assertEquals(lab.metrics(id).at(-1)!.step, 130);
    assertEquals((await verify(lab)).findings, []);
    lab.putMilestones(id, lab.metrics(id, 60));
    assertMatch(
      (await verify(lab)).findings.map(({ text }) => text).join(),
      /^run \w{16} by rule first: they must be of step 100, they are of 60,run/,
    );

    // An imported run that was begun anew, and nothing of it stored yet.
    using source = Lab.open(path("a.db"));
    await exportRecorded(source, "small", path("none"), { metrics: "none", command: "test" });
    using other = Lab.open(path("c.db"));
    await importRecorded(other, path("none"));
    const begun = await Session.open(other, { info: engine().info, command: "killed" });
    await begun.claim(1, 200, () => true);
    begun.close();
    assertEquals((await verify(other)).findings, []);
  }));

/** Something that goes wrong, and all that verify says then. */
const DEFECTS: readonly [plant: (lab: Lab, file: string) => void, says: RegExp][] = [
  [
    (_, file) => Deno.truncateSync(file, 100),
    /^files: .*\.safetensors, the checkpoint of run \w{16} at step 200, must have \d+ bytes, it has 100$/,
  ],
  [(_, file) => {
    const bytes = Deno.readFileSync(file);
    bytes[bytes.length - 1] ^= 1;
    Deno.writeFileSync(file, bytes);
  }, /^files: .* must have the SHA-256 \w{64}, it has \w{64}$/],
  [(_, file) => Deno.removeSync(file), /^files: .* must be there, it is missing$/],
  [
    ({ folder }) => Deno.writeTextFileSync(join(folder, "orphan.safetensors"), "?"),
    /^files: .*orphan\.safetensors must belong to a run, the database doesn't know it$/,
  ],
  [
    (lab) => lab.run("DELETE FROM metrics WHERE run = 1 AND step IN (0, 30)"),
    /^evaluations: run \w{16} must have evaluations every 10 updates up to 200, lacks 0, 30$/,
  ],
  [(lab) => lab.run("DELETE FROM metrics WHERE run = 1 AND step > 100"), /lacks 110, 120, 130 and 7 more$/],
  [
    (lab) => lab.run("INSERT INTO metrics SELECT run, 33, 1, 1, 1, 1, 1, 1, 1, 1, NULL FROM metrics WHERE run = 1 LIMIT 1"),
    /^evaluations: run \w{16} must have none at 33$/,
  ],
  [
    (lab) => lab.run("UPDATE milestones SET grokking_step = 60, delay = 50 WHERE run = 1 AND rule = 'first'"),
    /^milestones: run \w{16} by rule first: grokking_step must be 50, it is 60; delay must be 40, it is 50$/,
  ],
  [
    (lab) => lab.run("UPDATE metrics SET val_acc = 0.5 WHERE run = 1 AND step = 130"),
    /^milestones: run \w{16} by rule first: .*time_below must be 0\.125, it is 0\.0625\n.*by rule sustained: .*$/,
  ],
  [
    (lab) => lab.run("DELETE FROM milestones WHERE run = 1 AND rule = 'sustained'"),
    /^milestones: run \w{16} by rule sustained: they are missing$/,
  ],
  [(lab) => lab.run("DELETE FROM members"), /^experiments: small must have runs, it has none$/],
  [
    (lab) => lab.run("UPDATE runs SET status = 'training' WHERE id = 1"),
    /^training: run \w{16} is in training at step 200, but session unknown is gone; the next sweep frees it$/m,
  ],
  [(lab) => {
    lab.run("PRAGMA foreign_keys = OFF");
    lab.run("INSERT INTO members VALUES (1, 99, 200), (1, 98, 200)");
    lab.run("PRAGMA foreign_keys = ON");
  }, /^database: members must name runs that are there, 2 of its rows don't$/],
  // What is recomputed, and what can't be so.
  [
    (lab) => lab.run(`UPDATE runs SET spec = replace(spec, '"prime":5', '"prime":7')`),
    /^runs: run \w{16} must have the hash \w{16}, which its spec gives$/m,
  ],
  [
    (lab) => lab.run(`UPDATE runs SET spec = replace(spec, '"evalEvery":10', '"evalEvery":0')`),
    /^runs: run \w{16} must have a spec: .*evalEvery/m,
  ],
  [(lab) => lab.run("UPDATE runs SET spec = 'null'"), /^runs: run \w{16} must have a spec: must be an object, current value is null/m],
  [(lab) => lab.run(`UPDATE runs SET spec = '{"seed":-1}'`), /^runs: run \w{16} must have a spec: .*seed/m],
  [(lab) => lab.run("UPDATE runs SET parameters = parameters + 1"), /^runs: run \w{16} must have \d+ parameters, it has \d+$/],
  [(lab) => lab.run("UPDATE runs SET shape = 'L1'"), /^runs: run \w{16} must have the shape L1 .*, it is "L1"$/],
  [(lab) => lab.run("UPDATE runs SET status = 'done'"), /^runs: run \w{16} must have a status of .*, it is "done"$/],
  [(lab) => lab.run("UPDATE runs SET step = -1"), /^runs: run \w{16} must have a step from 0 to \d+, it is -1$/],
  [(lab) => lab.run("UPDATE runs SET step = 2000000000"), /^evaluations: run \w{16} must have evaluations every 10 .* and \d+ more$/],
  [(lab) => lab.run("UPDATE runs SET thinned = 2"), /must have thinned 0 or 1, it is 2$/],
  [(lab) => lab.run("UPDATE runs SET error = 'x'"), /must have an error where it failed, and only there; it is finished with "x"$/],
  [(lab) => lab.run("UPDATE metrics SET val_acc = 1.5 WHERE step = 100"), /at step 100 whose val_acc is from 0 to 1, it is 1\.5$/],
  [
    (lab) => lab.run("UPDATE metrics SET train_loss = 9e999 WHERE step = 100"),
    /at step 100 whose train_loss is a finite number from 0, it is Infinity$/,
  ],
  [(lab) => lab.run("UPDATE metrics SET weight_norm = -1 WHERE step = 100"), /at step 100 whose weight_norm is 0 or above, it is -1$/],
  [
    (lab) => lab.run("UPDATE metrics SET train_loss = train_loss * 1.0000001 WHERE step = 100"),
    /must be as it was stored, its seal is another's/,
  ],
  [(lab) => lab.run("UPDATE work SET seconds = seconds + 1"), /must be as it was stored, its seal is another's/],
  [(lab) => lab.run("UPDATE environments SET adapter = 'another'"), /must be as it was stored, its seal is another's/],
  [(lab) => lab.run("UPDATE work SET seconds = -1"), /^sessions: work on run \w{16}: seconds must be 0 or more, it is -1$/m],
  [
    (lab) => lab.run("UPDATE sessions SET seen_at = 'yesterday'"),
    /^sessions: session 1: a time must be UTC as ISO 8601, it is "yesterday"$/,
  ],
  [
    (lab) => lab.run("UPDATE experiments SET question = 'Does it not?'"),
    /^experiments: small must be as it was stored, its seal is another's/,
  ],
  [(lab) => lab.run("UPDATE experiments SET fixed = '{}'"), /^experiments: small must be as it was stored/],
  [(lab) => lab.run("UPDATE experiments SET watch = '[]'"), /^experiments: small: .*watch must be an object/],
  [(lab) => lab.run("UPDATE members SET steps = 300"), /^experiments: small: fixed must be what its runs share/],
  [(lab) => lab.run("UPDATE rules SET accuracy = 0.5 WHERE name = 'first'"), /^rules: first: accuracy must be 0\.99, it is 0\.5$/m],
  [(lab) => lab.run("UPDATE artifacts SET step = 100"), /^files: .* must be of step 100, it is 200$/],
  [(lab) => lab.run("UPDATE artifacts SET kind = 'attention'"), /^files: .*, the attention of run /],
  [
    (lab) => lab.run("UPDATE artifacts SET file = '../victim.txt'"),
    /^files: .*Cannot use "\.\.\/victim\.txt": it must be the name of a file in/,
  ],
  [(lab) => lab.run("DROP VIEW provenance"), /^database: view provenance must be there, it is missing$/],
  [(lab) => lab.run("DROP INDEX work_by_run"), /^database: index work_by_run must be there, it is missing$/],
  [(lab) => lab.run("CREATE TABLE more (a)"), /^database: table more must be one that this version makes, it is of something else$/],
];

Deno.test("every planted defect is found, and nothing else", () =>
  scratch(async (path) => {
    await train(path("whole.db"), small({ runs: runs().slice(0, 1) }));
    for (const [i, [plant, says]] of DEFECTS.entries()) {
      const db = path(`${i}.db`);
      copyLab(path("whole.db"), db);
      using lab = Lab.open(db);
      const [{ file }] = lab.query<{ file: string }>("SELECT file FROM artifacts");
      plant(lab, join(lab.folder, file));
      const before = content(db);
      const { findings } = await verify(lab);
      assertMatch(findings.map(({ about, text }) => `${about}: ${text}`).join("\n"), says, String(plant));
      assertEquals(content(db), before);
    }
  }));

Deno.test("a number that can't be read, of a file that there is, is a finding; nothing is merged from there", () =>
  scratch(async (path) => {
    await train(path("a.db"));
    using lab = Lab.open(path("a.db"));
    lab.run("UPDATE artifacts SET bytes = 1000000000000000000");
    const { findings } = await verify(lab);
    assertEquals(findings.map(({ about }) => about), ["files"]);
    assertMatch(findings[0].text, /^it must be readable: .* too large to be represented/);
    const merged = await db(["merge", path("a.db"), "--db", path("to.db")]);
    assertEquals([merged.code, merged.stdout], [1, ""]);
    assertMatch(merged.stderr, /^error: Cannot merge .* must be whole, of its files it must be readable: .*\n$/);
    assertThrows(() => Deno.statSync(path("to.db")), Deno.errors.NotFound);
  }));

Deno.test("a damaged page is found", () =>
  scratch(async (path) => {
    await train(path("a.db"), small({ runs: runs(2000) }));
    const size = Deno.statSync(path("a.db")).size;
    {
      using file = Deno.openSync(path("a.db"), { write: true });
      file.seekSync(size - 4096 * 8, Deno.SeekMode.Start);
      file.writeSync(new Uint8Array(4096).fill(0xa5));
    }
    const { code, stdout, stderr } = await db(["verify", "--db", path("a.db")]);
    assertEquals([code, stderr], [1, ""]);
    assertMatch(stdout, /^database: .*\n(database: .*\n)*\d+ findings?\n$/);
  }));

Deno.test("recompute mends milestones, and adds a rule to all runs but those with a part of their evaluations", () =>
  scratch(async (path) => {
    await train(path("a.db"));
    using lab = Lab.open(path("a.db"));
    const before = content(path("a.db")).milestones;
    assertEquals(recompute(lab), { runs: 6, changed: 0, thinned: 0 });
    lab.run("UPDATE milestones SET grokking_step = 60 WHERE run = 1");
    assertEquals(recompute(lab), { runs: 6, changed: 1, thinned: 0 });
    assertEquals(content(path("a.db")).milestones, before);

    const { code, stdout } = await db([
      "recompute",
      "--db",
      path("a.db"),
      ..."--rule late --accuracy 0.5 --exclusive --times 10".split(" "),
    ]);
    assertEquals([code, stdout], [0, "6 runs by 3 rules: 6 changed\n"]);
    // In a row: after the dip at 120 only eight are left.
    assertEquals(lab.query("SELECT grokking_step, count(*) AS n FROM milestones WHERE rule = 'late' GROUP BY 1"), [{
      grokking_step: null,
      n: 6,
    }]);
    assertEquals(lab.query("SELECT * FROM rules WHERE name = 'late'"), [{
      name: "late",
      accuracy: 0.5,
      inclusive: 0,
      times: 10,
      memorised: 0.99,
    }]);
    assertThrows(() => recompute(lab, { name: "late", accuracy: 0.6, inclusive: true, times: 1 }), Error, "rule late must be");

    await exportRecorded(lab, "small", path("thin"), { metrics: "none", command: "test" });
    using other = Lab.open(path("thin.db"));
    await importRecorded(other, path("thin"));
    const imported = content(path("thin.db")).milestones;
    assertEquals(recompute(other), { runs: 0, changed: 0, thinned: 6 });
    assertEquals(content(path("thin.db")).milestones, imported);
  }));
