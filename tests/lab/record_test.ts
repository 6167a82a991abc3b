/** Recorded results: there and back, and what a broken file may not do. */
import { assert, assertAlmostEquals, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
// @ts-types="@types/d3-dsv"
import { csvParseRows } from "d3-dsv";
import type { Experiment } from "../../lib/lab/experiment.ts";
import { exportRecorded } from "../../lib/lab/record/export.ts";
import { commandLine, withoutFolders } from "../../lib/run/command.ts";
import { importRecorded } from "../../lib/lab/record/import.ts";
import { Session } from "../../lib/lab/session.ts";
import { Lab } from "../../lib/lab/store.ts";
import { sweep, type SweepOptions } from "../../lib/lab/sweep.ts";
import { snapshotOf } from "../../lib/train/train.ts";
import { fakeEngine } from "../fake_engine.ts";
import { content, scratch } from "./lab_files.ts";
import { db } from "./small_lab.ts";
import { dump, enter, evaluation, record, runs, small, texts } from "./small_record.ts";

/** Seed 0 groks at step 105 and dips now and then, seed 1 never does, and breaks off where the batch is full. */
const into = async (path: string, experiment: Experiment, more: Partial<SweepOptions> = {}) => {
  using lab = Lab.open(path);
  const engine = fakeEngine({
    groksAt: ({ seed }) => seed === 0 ? 105 : Infinity,
    dips: (_, step) => step % 90 === 0,
    breaksAt: ({ seed, data }) => seed === 1 && data.batch === "full" ? 125 : Infinity,
  });
  await sweep(experiment, { lab, engine, command: "deno task sweep, twice", ...more });
};

Deno.test("all of an experiment goes out and comes back: the same results, the same provenance, the same bytes", () =>
  scratch(async (path) => {
    await into(path("a.db"), small(), { limit: 3 });
    await into(path("a.db"), small(), { limit: 4, command: "deno task sweep, again" });
    using a = Lab.open(path("a.db")), b = Lab.open(path("b.db"));
    const wrote = await record(a, "small", path("a"));
    const [{ evaluations }] = a.query<{ evaluations: number }>("SELECT count(*) AS evaluations FROM metrics");
    assertEquals(wrote, { runs: 8, evaluations, files: 0, bytes: Object.values(texts(path("a"))).join("").length });
    assertEquals(await importRecorded(b, path("a")), { experiment: "small", runs: 8, entered: 7, left: 0, files: 0 });
    await record(b, "small", path("b"));
    assertEquals(texts(path("b")), texts(path("a")));
    const [from, to] = [path("a.db"), path("b.db")].map((file) => ({ ...content(file), artifacts: [] }));
    assertEquals(to, from);
    const provenance = (lab: Lab) =>
      lab.query(
        `SELECT hash, from_step, to_step, round(seconds, 3) AS seconds, s.name, command, started_at, seen_at, ended_at, engine, adapter, driver,
         software, system, processor, cores, deno, "commit"
         FROM work w JOIN runs r ON r.id = w.run JOIN sessions s ON s.id = w.session JOIN environments e ON e.id = environment ORDER BY hash, name`,
      );
    assertEquals(provenance(b).length, 7);
    assertEquals(provenance(b), provenance(a));
    const before = dump(b);
    assertEquals((await importRecorded(b, path("a"))).entered, 0);
    assertEquals(dump(b), before);
    assertEquals((await importRecorded(a, path("a"))).entered, 0);
  }));

Deno.test("only runs that have ended, where that is asked: others and their sessions stay away; none at all is an error in one line", () =>
  scratch(async (path) => {
    const [first, ...others] = runs();
    await into(path("a.db"), small({ runs: [first] }));
    using lab = Lab.open(path("a.db"));
    lab.declare(small());
    await sweep(small({ name: "short", runs: others.map((spec) => ({ ...spec, schedule: { ...spec.schedule, steps: 100 } })) }), {
      lab,
      engine: fakeEngine(),
      command: "another sweep",
    });
    const ended = { metrics: "all", ended: true, command: "test" } as const;
    assertEquals((await exportRecorded(lab, "small", path("all"), { ...ended, ended: false })).runs, 8);
    assertEquals((await exportRecorded(lab, "small", path("ended"), ended)).runs, 1);
    const sessions = (folder: string) => JSON.parse(texts(path(folder))["experiment.json"]).provenance.sessions.length;
    assertEquals([sessions("all"), sessions("ended")], [2, 1]);
    using other = Lab.open(path("b.db"));
    assertEquals((await importRecorded(other, path("ended"))).entered, 1);
    lab.declare(small({ name: "later", runs: others }));
    await assertRejects(
      () => exportRecorded(lab, "later", path("later"), ended),
      Error,
      "Cannot export later: at least one of its runs must have ended, none has",
    );
  }));

Deno.test("a record names no folder of the machine that made it", () => {
  for (
    const [command, says] of [
      ["deno task sweep --grid /home/ann/my/grid.json --db=/scratch/lab.db", "deno task sweep --grid grid.json --db=lab.db"],
      ["deno task sweep --grid C:\\work\\grid.json --budget 8m", "deno task sweep --grid grid.json --budget 8m"],
      ["deno task db export --experiment x --to data/recorded/x", "deno task db export --experiment x --to data/recorded/x"],
      [commandLine("deno task sweep", ["--grid", "/home/ann/my work/it's.json"]), "deno task sweep --grid 'it'\\''s.json'"],
      [commandLine("deno task sweep", ["--db=/my labs/a lab/lab.db"]), "deno task sweep --db=lab.db"],
      [commandLine("deno task db", ["query", "SELECT 6 / 2", "--db", "/labs/"]), "deno task db query 'SELECT 6 / 2' --db labs"],
      ["deno task train --from=/home/ann/a.db,/home/ann/b.db", "deno task train --from=a.db,b.db"],
      [commandLine("deno task db", ["query", "/* all */ SELECT 1"]), "deno task db query '/* all */ SELECT 1'"],
      ["deno task sweep --grid 'my grid.json'", "deno task sweep --grid 'my grid.json'"],
    ]
  ) assertEquals(withoutFolders(command), says);
});

Deno.test("the files say what was asked, what runs share and in what they differ", () =>
  scratch(async (path) => {
    await into(path("a.db"), small({ rule: "sustained", margin: 40 }));
    using lab = Lab.open(path("a.db"));
    await record(lab, "small", path("a"));
    const files = texts(path("a")), { base, provenance, ...json } = JSON.parse(files["experiment.json"]);
    assertEquals(Object.keys(files).sort(), ["experiment.json", "metrics.csv", "runs.csv"]);
    assertEquals([json.name, json.question, json.margin, json.keep], ["small", 'Does "it", really?', 40, "nothing"]);
    assertEquals(json.rule, { name: "sustained", accuracy: 0.95, inclusive: true, times: 10, memorised: 0.99 });
    assertEquals(json.swept, ["model.dModel", "data.batch"]);
    assertEquals([base.model.layers, base.data.prime, base.schedule, base.model.dModel], [1, 5, { evalEvery: 10 }, undefined]);
    const [session] = provenance.sessions;
    assertEquals([provenance.command, session.command, session.adapter], ["deno task db export", "deno task sweep, twice", "fake"]);
    assertAlmostEquals(session.wallSeconds, (Date.parse(session.ended) - Date.parse(session.started)) / 1000);
    const [header, ...rows] = csvParseRows(files["runs.csv"]);
    assertEquals(header.slice(0, 10), [
      "run",
      "hash",
      "model.dModel",
      "data.batch",
      "seed",
      "steps",
      "status",
      "step",
      "error",
      "evaluations",
    ]);
    assert(["grokking_step", "censored", "time_below", "first.grokking_step", "seconds", "work"].every((name) => header.includes(name)));
    // By what differs, then by seed.
    assertEquals(rows.map((row) => row.slice(2, 5).join(" ")), [
      ...["4 4 0", "4 4 1", "4 full 0", "4 full 1", "8 4 0", "8 4 1", "8 full 0", "8 full 1"],
    ]);
    const cell = (row: number, column: string) => rows[row][header.indexOf(column)];
    assertEquals([cell(0, "grokking_step"), cell(0, "first.grokking_step"), cell(0, "first.dips")], ["", "110", "2"]);
    assertEquals([cell(3, "status"), cell(3, "last_step"), cell(3, "censored")], ["failed", "120", "1"]);
    assertStringIncludes(cell(3, "error"), "at step 130");
    assertMatch(cell(0, "work"), /^1:0-300:\d+(\.\d+)?$/);
  }));

Deno.test("numbers are as short as their precision allows, and come back bit for bit", () =>
  scratch(async (path) => {
    using a = Lab.open(path("a.db")), b = Lab.open(path("b.db"));
    const random = [0.1, 1 / 3, 5e-7, 123.456789, 16777217, 1e-30, 3.4e38].map(Math.fround);
    const metrics = random.map((value, i) =>
      evaluation(10 * i, { trainLoss: value, valLoss: i === 0 ? 1 / 3 : value, batchLoss: i < 2 ? NaN : value })
    );
    enter(a, small({ runs: runs(60).slice(0, 1) }), metrics);
    await record(a, "small", path("a"));
    const rows = texts(path("a"))["metrics.csv"].trimEnd().split("\n").map((line) => line.split(","));
    assertEquals(rows.map((row) => row[2]), ["train_loss", "0.1", "0.33333334", "5e-7", "123.45679", "16777216", "1e-30", "3.4e+38"]);
    assertEquals(rows.map((row) => row[8]).slice(1, 4), ["", "", "5e-7"]);
    const { precision } = JSON.parse(texts(path("a"))["experiment.json"]).metrics;
    assertEquals([precision.train_loss, precision.val_loss, rows[1][4], rows[2][4]], [
      "f32",
      "f64",
      "0.3333333333333333",
      "0.3333333432674408",
    ]);
    await importRecorded(b, path("a"));
    assertEquals(b.metrics(1), metrics);
  }));

Deno.test("an import takes the place of what hasn't come as far, states included, and leaves what has, and what is in training", () =>
  scratch(async (path) => {
    const some = (steps: number) => runs(steps).filter(({ data }) => data.batch === 4);
    await into(path("a.db"), small({ runs: some(300) }));
    await into(path("b.db"), small({ runs: some(200).slice(0, 2), keep: "checkpoint" }));
    await into(path("b.db"), small({ runs: some(400).slice(2, 3), keep: "checkpoint" }));
    using a = Lab.open(path("a.db")), b = Lab.open(path("b.db"));
    const [, , , fourth] = b.declare(small({ runs: some(300) }));
    const session = await Session.open(b, { info: fakeEngine().info, command: "now" });
    await session.claim(fourth, 300, () => true);
    await record(a, "small", path("a"));
    const third = () => b.query("SELECT * FROM metrics WHERE run = 3"), before = third();
    assertEquals((await importRecorded(b, path("a"))).entered, 2);
    assertEquals(b.query("SELECT status, step, (SELECT count(*) FROM metrics WHERE run = id) AS n FROM runs ORDER BY id"), [
      ...[{ status: "finished", step: 300, n: 31 }, { status: "finished", step: 300, n: 31 }],
      ...[{ status: "finished", step: 400, n: 41 }, { status: "training", step: 0, n: 0 }],
    ]);
    assertEquals(third(), before);
    assertEquals(b.query("SELECT run FROM artifacts"), [{ run: 3 }]);
    assertEquals([...Deno.readDirSync(b.folder)].length, 1);
    assertEquals(b.query("SELECT count(*) AS n FROM sessions"), [{ n: 4 }]);
    session.close();
  }));

Deno.test("an import leaves a run that a process trains, which is said, and none that a killed one had", () =>
  scratch(async (path) => {
    await into(path("a.db"), small());
    using a = Lab.open(path("a.db")), b = Lab.open(path("b.db"));
    await record(a, "small", path("a"));
    const [id] = b.declare(small()), session = await Session.open(b, { info: fakeEngine().info, command: "goes on" });
    await session.claim(id, 300, () => true);
    const { stdout, stderr } = await db(["import", path("a"), "--db", path("b.db")]);
    assertEquals(stdout, "small: 8 runs, 7 entered\n");
    assertMatch(stderr, /^1 run in training in .*b\.db stay as they are there; import again when they have ended\n$/);
    session.close();
    b.run("UPDATE runs SET status = 'training', session = ? WHERE id = ?", session.id, id);
    b.run("UPDATE sessions SET ended_at = NULL WHERE id = ?", session.id);
    const { entered, left } = await importRecorded(b, path("a"));
    assertEquals([entered, left, content(path("b.db"))], [1, 0, content(path("a.db"))]);
  }));

Deno.test("a run in training is recorded as stopped, with what is stored of it", () =>
  scratch(async (path) => {
    using a = Lab.open(path("a.db")), b = Lab.open(path("b.db"));
    const experiment = small({ runs: runs().slice(0, 2) }), [id] = a.declare(experiment);
    const session = await Session.open(a, { info: fakeEngine().info, command: "now" });
    await session.claim(id, 300, () => true);
    session.record(id, evaluation(0));
    await session.checkpoint(id, { ...snapshotOf(experiment.runs[0]), step: 10 });
    session.record(id, evaluation(10));
    session.flush(true);
    await record(a, "small", path("a"));
    assertEquals((await importRecorded(b, path("a"))).entered, 1);
    assertEquals(b.query("SELECT status, step, session FROM runs ORDER BY step DESC"), [
      ...[{ status: "stopped", step: 10, session: null }, { status: "waiting", step: 0, session: null }],
    ]);
    await record(b, "small", path("b"));
    assertEquals(texts(path("b")), texts(path("a")));
    session.close();
  }));

Deno.test("whatever is wrong with a file is said in a line with its place, and the lab is as it was", () =>
  scratch(async (path) => {
    await into(path("a.db"), small());
    using a = Lab.open(path("a.db")), b = Lab.open(path("b.db"));
    await record(a, "small", path("good"));
    const good = texts(path("good")), before = dump(b), lines = good["metrics.csv"].split("\n").length - 1;
    const broken = async (file: string, edit: (text: string) => string, says: string | RegExp) => {
      for (const [name, text] of Object.entries(good)) {
        Deno.mkdirSync(path("bad"), { recursive: true });
        Deno.writeTextFileSync(path(`bad/${name}`), name === file ? edit(text) : text);
      }
      const { message } = await assertRejects(() => importRecorded(b, path("bad")), Error);
      if (typeof says === "string") assertStringIncludes(message, `Cannot import ${path("bad")}: ${file}, ${says}`);
      else assertMatch(message, says);
      assert(!message.includes("\n"), message);
      assertEquals(dump(b), before);
    };
    const swap = (from: string | RegExp, to: string) => (text: string) => text.replace(from, to);
    const cut = (from: number, to?: number) => (text: string) => text.slice(from, to);
    const inLine = (n: number, edit: (line: string) => string) => (text: string) =>
      text.split("\n").map((line, i) => i === n - 1 ? edit(line) : line).join("\n");
    const without = (n: number) => (text: string) => text.split("\n").toSpliced(n - 1, 1).join("\n");
    const cell = (n: number, column: number, value: string) => inLine(n, (text) => text.split(",").with(column, value).join());
    await broken("experiment.json", swap('"version": 2', '"version": 3'), "line 3: version must be 1 or 2");
    await broken("experiment.json", swap("grokbook-recorded", "table"), "line 2: format must be grokbook-recorded");
    await broken("experiment.json", cut(0, 500), /experiment.json, line \d+: it must be JSON/);
    await broken("experiment.json", swap('"adapter": "fake"', '"adapter": 7'), /line \d+: provenance.sessions.0.adapter must be a text/);
    await broken("experiment.json", swap('"times": 1,', '"times": 0,'), /json, line \d+: .* times must be a whole number from 1/);
    await broken("experiment.json", swap('"prime": 5', '"prime": 7'), /runs.csv, line 2: hash must be [0-9a-f]{16}, which its fields give/);
    await broken("experiment.json", swap('"prime": 5', '"prime": "five"'), /runs.csv, line 2: .* prime must be a whole number/);
    await broken("runs.csv", cell(4, 1, "0123456789abcdef"), "line 4: hash must be ");
    await broken("runs.csv", cell(3, 2, "8"), "line 3: hash must be ");
    await broken("runs.csv", swap(",delay", ""), "line 1: its columns must include delay");
    await broken("runs.csv", inLine(6, cut(0, 60)), "line 6: it must have 33 cells");
    await broken("runs.csv", cell(2, 12, "210"), "line 2: grokking_step must be 110 by rule first");
    await broken("runs.csv", cell(2, 6, "asleep"), "line 2: status must be one of");
    await broken("runs.csv", cut(0, -1), "line 9: it must end with a line break");
    await broken("runs.csv", without(9), "line 8: it must be the last of 9 lines");
    await broken("metrics.csv", cell(7, 3, "much"), 'line 7: train_acc must be a number, current value is "much"');
    await broken("metrics.csv", cell(7, 5, ""), "line 7: val_acc must be a number");
    await broken("metrics.csv", cell(7, 1, "10"), "line 7: step must be above 40");
    await broken("metrics.csv", cut(0, -3), `line ${lines}: it must end with a line break`);
    await broken("metrics.csv", inLine(8, cut(0, -4)), "line 8: it must have 10 cells");
    await broken("metrics.csv", without(40), `line ${lines - 1}: it must be the last of ${lines} lines`);
    await broken("metrics.csv", inLine(33, swap(/^2,0/, "1,310")), /runs.csv, line 2: evaluations must be 32/);
    await broken("experiment.json", (text) => `\ufeff${text}`, "line 1: it must begin with {, it begins with a byte order mark");
    for (const file of ["runs.csv", "metrics.csv"]) {
      await broken(
        file,
        swap(/\n/g, "\r\n"),
        new RegExp(`: ${file} must be as it was written, its lines must end in LF, they end in CRLF, `),
      );
    }
    Deno.removeSync(path("bad/metrics.csv"));
    await assertRejects(() => importRecorded(b, path("bad")), Error, "metrics.csv: No such file");
    await assertRejects(() => importRecorded(b, path("nowhere")), Error, "experiment.json: No such file");
    assertEquals(dump(b), before);
    await assertRejects(
      () => record(a, "large", path("large")),
      Error,
      "Cannot export large: it must be one of small",
    );
  }));

Deno.test("an experiment of the same name that asks something else is refused", () =>
  scratch(async (path) => {
    using a = Lab.open(path("a.db")), b = Lab.open(path("b.db")), c = Lab.open(path("c.db"));
    enter(a, small({ rule: { name: "strict", accuracy: 1, inclusive: true, times: 3 } }), [evaluation(0)]);
    await record(a, "small", path("a"));
    b.declare(small());
    c.declare(small({ name: "other", rule: { name: "strict", accuracy: 1, inclusive: true, times: 4 } }));
    for (const [lab, says] of [[b, "experiment small must have"], [c, "rule strict must be"]] as const) {
      const before = dump(lab);
      await assertRejects(() => importRecorded(lab, path("a")), Error, says);
      assertEquals(dump(lab), before);
    }
  }));
