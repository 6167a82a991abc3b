/** `deno task db` as a user meets it: results as tables, CSV and JSON, what verify finds, and all that can be typed wrong. */
import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
// @ts-types="@types/d3-dsv"
import { csvParseRows } from "d3-dsv";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { answer, type Format, schema } from "../lib/cli/db_query.ts";
import { type Experiment, grid, range } from "../lib/lab/experiment.ts";
import { exportRecorded, importRecorded } from "../lib/lab/recorded.ts";
import { MIGRATIONS } from "../lib/lab/schema.ts";
import { Session } from "../lib/lab/session.ts";
import { Lab } from "../lib/lab/store.ts";
import { sweep, type SweepOptions } from "../lib/lab/sweep.ts";
import { recompute, verify } from "../lib/lab/verify.ts";
import { snapshotOf } from "../lib/train.ts";
import { fakeEngine } from "./fake_engine.ts";
import { content, scratch } from "./lab_files.ts";

/** Six very small runs: seed 0 groks and dips, seed 1 never does, seed 2 breaks off. */
const runs = (steps = 200) =>
  grid({
    preset: "nanda",
    model: { dModel: [4, 8], heads: 1, dMlp: 4 },
    data: { prime: 5, trainFraction: 0.5 },
    schedule: { steps, evalEvery: 10 },
    seed: range(3),
  });
const small = (more: Partial<Experiment> = {}): Experiment => ({ name: "small", question: "Does it?", runs: runs(), ...more });
const engine = () =>
  fakeEngine({
    groksAt: ({ seed }) => seed === 0 ? 45 : Infinity,
    dips: (_, step) => step === 120,
    breaksAt: ({ seed }) => seed === 2 ? 75 : Infinity,
    fit: 2,
  });
const train = async (path: string, experiment = small(), more: Partial<SweepOptions> = {}) => {
  using lab = Lab.open(path);
  await sweep(experiment, { lab, engine: engine(), ...more });
};

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The process that `deno task db` starts. */
async function db(args: readonly string[], stdin = ""): Promise<Result> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "lib/cli/db.ts", ...args],
    cwd: new URL("..", import.meta.url),
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  });
  await using child = command.spawn();
  const [output] = await Promise.all([child.output(), new Blob([stdin]).stream().pipeTo(child.stdin).catch(() => {})]);
  const text = new TextDecoder();
  return { code: output.code, stdout: text.decode(output.stdout), stderr: text.decode(output.stderr) };
}

/** What a query writes; on a terminal so wide, if a width is given. */
function shown(path: string, sql: string, format: Format = "table", columns?: number): string {
  using lab = Lab.open(path, { readOnly: true });
  let text = "";
  answer(lab, sql, format, { write: (more) => text += more, ...columns !== undefined && { columns }, [Symbol.dispose]() {} });
  return text;
}

const EVERYTHING = `SELECT 1 AS one, 0.1 + 0.2 AS sum, NULL AS none, 'a, "b"' AS words, x'00ff' AS bytes
  UNION ALL SELECT -20, 123456789.5, 3, 'two' || char(10) || 'lines' || char(27), 1e300`;

Deno.test("a table lines up, CSV and JSON have all digits", () =>
  scratch((path) => {
    Lab.open(path("a.db")).close();
    assertEquals(
      shown(path("a.db"), EVERYTHING),
      [
        "one         sum   none   words          bytes",
        `  1         0.3      –   a, "b"       x'00ff'`,
        "-20   123457000      3   two lines�    1e+300\n",
      ].join("\n"),
    );
    assertEquals(shown(path("a.db"), "SELECT 7 AS n WHERE 0"), "n\n");
    // On a terminal long words are cut, numbers never, and rows counted.
    const wide = "SELECT 'longer than there is room' AS words, 12345.678 AS n";
    assertEquals(shown(path("a.db"), wide, "table", 24), "words                  n\nlonger than t…   12345.7\n1 row\n");
    assertEquals(csvParseRows(shown(path("a.db"), EVERYTHING, "csv")), [
      ["one", "sum", "none", "words", "bytes"],
      ["1", "0.30000000000000004", "", 'a, "b"', "x'00ff'"],
      ["-20", "123456789.5", "3", "two\nlines\x1b", "1e+300"],
    ]);
    assertEquals(JSON.parse(shown(path("a.db"), EVERYTHING, "json")), [
      { one: 1, sum: 0.1 + 0.2, none: null, words: 'a, "b"', bytes: "x'00ff'" },
      { one: -20, sum: 123456789.5, none: 3, words: "two\nlines\x1b", bytes: 1e300 },
    ]);
    assertEquals(JSON.parse(shown(path("a.db"), "SELECT 7 AS n WHERE 0", "json")), []);
    // Two columns of one name are two columns; where that can't be written, it is said.
    assertEquals(shown(path("a.db"), "SELECT 1 AS n, 2 AS n", "csv"), "n,n\n1,2\n");
    assertThrows(() => shown(path("a.db"), "SELECT 1 AS n, 2 AS n", "json"), Error, "there are two of the name n");
  }));

Deno.test("what there is to ask: every table and view with its columns", () =>
  scratch((path) => {
    using lab = Lab.open(path("a.db"));
    const lines = schema(lab, 80).split("\n");
    assert(lines.every((line) => line.length <= 80));
    const words = schema(lab, 1000).split("\n").map((line) => line.trim().split(/,? +/));
    assertEquals(words.find(([name]) => name === "members"), ["members", "experiment", "run", "steps"]);
    for (const { name } of lab.query<{ name: string }>("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")) {
      assertEquals(words.find(([first]) => first === name), [name, ...lab.columns(`SELECT * FROM "${name}"`)]);
    }
  }));

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
    (lab) => lab.run("INSERT INTO metrics SELECT run, 33, 1, 1, 1, 1, 1, 1, 1, 1 FROM metrics WHERE run = 1 LIMIT 1"),
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
    /^training: run \w{16} is in training at step 200, but session unknown is gone; the next sweep frees it$/,
  ],
  [(lab) => {
    lab.run("PRAGMA foreign_keys = OFF");
    lab.run("INSERT INTO members VALUES (1, 99, 200), (1, 98, 200)");
    lab.run("PRAGMA foreign_keys = ON");
  }, /^database: members must name runs that are there, 2 of its rows don't$/],
];

Deno.test("every planted defect is found, and nothing else", () =>
  scratch(async (path) => {
    for (const [i, [plant, says]] of DEFECTS.entries()) {
      const db = path(`${i}.db`);
      await train(db, small({ runs: runs().slice(0, 1) }));
      using lab = Lab.open(db);
      const [{ file }] = lab.query<{ file: string }>("SELECT file FROM artifacts");
      plant(lab, join(lab.folder, file));
      const before = content(db);
      const { findings } = await verify(lab);
      assertMatch(findings.map(({ about, text }) => `${about}: ${text}`).join("\n"), says);
      assertEquals(content(db), before);
    }
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

const LIST = `experiment   runs   done   grokked   never   diverged   open   median step
small           6      6         2       2          2      0             –
`;

Deno.test("the commands, one after the other, as their help says", () =>
  scratch(async (path) => {
    const at = (name: string, ...args: string[]) => db([...args, "--db", path(name)]);
    const ok = (stdout: string) => ({ code: 0, stdout, stderr: "" });
    await train(path("a.db"));
    const answers = await Promise.all([
      at("a.db"),
      at("a.db", "list"),
      at("a.db", "verify"),
      at("a.db", "query", "SELECT state, count(*) AS runs FROM run_summary GROUP BY 1 -- by state"),
      at("a.db", "query", "--csv", "SELECT seed, state FROM run_summary WHERE d_model = 4;"),
      db(["--db", path("a.db"), "query", "-", "--json"], "SELECT max(step) AS last\nFROM metrics\n"),
      at("a.db", "query"),
      at("a.db", "final-info", "--experiment", "small", "--where", "d_model = 4"),
      at("a.db", "final-info", "--experiment", "small", "--out", path("final/info.json")),
      at("a.db", "export", "--experiment", "small", "--to", path("thin"), "--metrics", "none"),
      db(["--help"]),
      db(["merge", "--help"]),
    ]);
    assertEquals(answers.slice(0, 6), [
      ok(LIST),
      ok(LIST),
      ok("ok: 6 runs, 100 evaluations, 4 files\n"),
      ok("state      runs\ndiverged      2\ngrokked       2\nnever         2\n"),
      ok("seed,state\n0,grokked\n1,never\n2,diverged\n"),
      ok('[\n  {"last":200}\n]\n'),
    ]);
    const [overview, info, written, exported, help, mergeHelp] = answers.slice(6);
    assertMatch(overview.stdout, /^Tables\n {2}environments +id, [^]*\nViews\n {2}run_summary +experiment, [^]*\nExperiments\n/);
    assertStringIncludes(overview.stdout, LIST);
    assertEquals([info.code, JSON.parse(info.stdout).x_plus_y.final_info_dict.step_val_acc_99], [0, [50, 200, 200]]);
    assertEquals(written, ok(""));
    assertEquals(JSON.parse(Deno.readTextFileSync(path("final/info.json"))).x_plus_y.final_info_dict.step_val_acc_99.length, 6);
    assertMatch(exported.stdout, /^6 runs and 0 evaluations in .*thin, \d+ KiB\n$/);
    assertMatch(
      JSON.parse(Deno.readTextFileSync(path("thin/experiment.json"))).provenance.command,
      /^deno task db export --experiment small --to /,
    );
    for (const name of ["list", "query", "merge", "verify", "recompute", "export", "import", "final-info"]) {
      assertMatch(help.stdout, new RegExp(`^  ${name}`, "m"));
    }
    assertMatch(mergeHelp.stdout, /^Enters [^]*deno task db merge OTHER\.db … \[flags\][^]*--db FILE/);

    assertEquals(await at("b.db", "import", path("thin")), ok("small: 6 runs, 6 entered\n"));
    assertEquals((await at("b.db", "list")).stdout, LIST);
    const merged = await at("c.db", "merge", path("b.db"), path("a.db"));
    assertEquals([merged.code, merged.stderr], [0, ""]);
    assertMatch(
      merged.stdout,
      /b\.db: 6 runs, 6 new, 0 further along; 0 evaluations and 0 files entered\n.*a\.db: 6 runs, 0 new, 6 further along; 100 evaluations and 4 files entered\n$/,
    );
    assertEquals((await at("c.db", "verify")).stdout, "ok: 6 runs, 100 evaluations, 4 files\n");
    Deno.removeSync(path("c.files"), { recursive: true });
    const found = await at("c.db", "verify");
    assertEquals([found.code, found.stderr], [1, ""]);
    assertMatch(found.stdout, /^(files: .* must be there, it is missing\n){4}4 findings\n$/);
  }));

Deno.test("a pipe that is closed is no error, and many ask at once while others write", () =>
  scratch(async (path) => {
    await train(path("a.db"));
    const count = "WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t WHERE i < 100000) SELECT i FROM t";
    const head = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "lib/cli/db.ts", "query", "--csv", count, "--db", path("a.db")],
      cwd: new URL("..", import.meta.url),
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const reader = head.stdout.getReader();
    assertEquals(new TextDecoder().decode((await reader.read()).value).slice(0, 6), "i\n1\n2\n");
    await reader.cancel();
    assertEquals([await new Response(head.stderr).text(), (await head.status).code], ["", 0]);

    const asking = Array.from({ length: 4 }, () => db(["query", "--csv", "SELECT count(*) AS n FROM runs", "--db", path("a.db")]));
    const writing = Array.from({ length: 2 }, () => db(["recompute", "--db", path("a.db")]));
    for (const { code, stdout, stderr } of await Promise.all([...asking, ...writing])) {
      assertEquals([code, stderr], [0, ""]);
      assertMatch(stdout, /^n\n6\n$|^6 runs by 2 rules: 0 changed\n$/);
    }
  }));

Deno.test("bad input: one line, exit code 1, nothing on stdout, nothing written", () =>
  scratch(async (path) => {
    await train(path("a.db"), small({ runs: runs().slice(0, 1) }));
    Deno.writeTextFileSync(path("text.db"), "not a database at all\n".repeat(100));
    Deno.mkdirSync(path("folder.db"));
    Lab.open(path("newer.db")).close();
    const newer = new DatabaseSync(path("newer.db"));
    newer.exec(`PRAGMA user_version = ${MIGRATIONS.length + 1}`);
    newer.close();
    const a = ["--db", path("a.db")], rule = ["recompute", ...a, "--rule", "r"];
    const before = content(path("a.db")), there = [...Deno.readDirSync(path(""))].map(({ name }) => name).sort();
    const cases: [args: string[], says: RegExp][] = [
      [["quer"], /^Cannot read quer: must be a known subcommand, did you mean query\?; --help lists all$/],
      [["toString"], /^Cannot read toString: must be a known subcommand; --help lists all$/],
      [["--jason"], /^Cannot read --jason: must be a known flag, did you mean --json\?; --help lists all$/],
      [["list", "--csv"], /^Cannot use --csv with list: must be one of --db, --help$/],
      [["list", "all"], /^Cannot list: must have nothing but flags, current value is "all"$/],
      [["query", "SELECT", "1"], /^Cannot query: must have at most one SQL statement, in quotes, current value is "SELECT" "1"$/],
      [["query", "--csv", "--json", "SELECT 1"], /^Cannot use --csv and --json together: must be one of them$/],
      [["query", "--csv"], /^Cannot write CSV: must have an SQL statement, there is none$/],
      [["query", "--db"], /^Cannot read --db: must have a value, there is none$/],
      [
        ["query", "SELECT 1", "--db", path("none.db")],
        /^Cannot open .*none\.db: it must be there, there is none; deno task sweep makes one$/,
      ],
      [["query", "SELECT 1", "--db", path("text.db")], /^Cannot open .*text\.db: file is not a database$/],
      [["query", "SELECT 1", "--db", path("folder.db")], /^Cannot open .*folder\.db: it must be a file, it is a folder$/],
      [
        ["verify", "--db", path("newer.db")],
        /^Cannot open .*newer\.db: its version must be at most \d+, current value is \d+: it was made by a newer/,
      ],
      [["query", ...a, "SELEC 1"], /^Cannot query .*a\.db: near "SELEC": syntax error$/],
      [["query", ...a, "SELECT nope FROM runs"], /^Cannot query .*a\.db: no such column: nope$/],
      [["query", ...a, "SELECT 1; SELECT 2"], /^Cannot query .*a\.db: it must be one statement, after it comes "SELECT 2"$/],
      [["query", ...a, " ; -- nothing"], /^Cannot query .*a\.db: it must be a statement, current value is " ; -- nothing"$/],
      // Fails at its second row: nothing of it may look like the whole.
      [
        ["query", ...a, "SELECT abs(i) FROM (SELECT 1 AS i UNION ALL SELECT -9223372036854775808)"],
        /^Cannot query .*a\.db: integer overflow$/,
      ],
      [
        ["query", ...a, "DELETE FROM runs"],
        /^Cannot query .*a\.db: it must be a statement that gives rows, this one gives none; query only reads$/,
      ],
      [["query", ...a, "DELETE FROM members RETURNING run"], /^Cannot query .*a\.db: attempt to write a readonly database$/],
      [["query", ...a, `VACUUM INTO '${path("copy.db")}'`], /^Cannot query .*a\.db: it must be a statement that gives rows/],
      [["query", ...a, `ATTACH '${path("copy.db")}' AS copy`], /^Cannot query .*a\.db: it must be a statement that gives rows/],
      [["merge", ...a], /^Cannot merge: must have the databases to merge, current value is none$/],
      [["merge", ...a, path("a.db")], /^Cannot merge .*a\.db into .*a\.db: must be two databases, they are one$/],
      // The first could be merged; but all have to be there before anything is.
      [["merge", "--db", path("new.db"), path("a.db"), path("none.db")], /^Cannot open .*none\.db: No such file or directory/],
      [["merge", "--db", path("folder.db"), path("a.db")], /^Cannot open .*folder\.db: it must be a file, it is a folder$/],
      [["recompute", ...a, "--accuracy", "0.9"], /^Cannot do without --rule: must have a value, there is none$/],
      [[...rule, "--times", "3"], /^Cannot do without --accuracy: must have a value, there is none$/],
      [[...rule, "--accuracy", "95", "--times", "3"], /^Cannot read --accuracy: must be above 0 and at most 1, current value is 95$/],
      [[...rule, "--accuracy", "0.9", "--times", "few"], /^Cannot read --times: must be a number, current value is "few"$/],
      [[...rule, "--accuracy", "0.9", "--times", "0"], /^Cannot read --times: must be a whole number from 1, current value is 0$/],
      [
        ["recompute", ...a, "--rule", "first", "--accuracy", "0.9", "--times", "1"],
        /^Cannot add rule first: must be a new one, first and sustained are always there$/,
      ],
      [
        ["recompute", ...a, "--rule", "a b", "--accuracy", "0.9", "--times", "1"],
        /^Cannot read --rule: must be letters, digits, .*, current value is "a b"$/,
      ],
      [["export", ...a, "--to", path("out")], /^Cannot do without --experiment: must have a value, there is none$/],
      [["export", ...a, "--experiment", "small"], /^Cannot do without --to: must have a value, there is none$/],
      [["export", ...a, "--experiment", "large", "--to", path("out")], /^Cannot export large: it must be one of small$/],
      [
        ["export", ...a, "--experiment", "small", "--to", path("out"), "--metrics", "some"],
        /^Cannot read --metrics: must be one of all, thin, none, current value is "some"$/,
      ],
      [["import", ...a], /^Cannot import: must have one folder of exported results, current value is none$/],
      [["import", ...a, path("folder.db")], /^Cannot import .*folder\.db: experiment\.json: No such file or directory/],
      [["final-info", ...a, "--experiment", "large"], /^Cannot give the final info of large: it must be one of small$/],
      [["final-info", ...a, "--experiment", "small", "--out", path("folder.db")], /^Cannot write .*folder\.db: /],
    ];
    for (let i = 0; i < cases.length; i += 4) {
      await Promise.all(
        cases.slice(i, i + 4).map(async ([args, says]) => {
          const { code, stdout, stderr } = await db(args);
          assertEquals([code, stdout], [1, ""], args.join(" "));
          assertMatch(stderr, /^error: [^\n]*\n$/);
          assertMatch(stderr.slice("error: ".length, -1), says);
        }),
      );
    }
    assertEquals(content(path("a.db")), before);
    const lasting = (name: string) => !/-(wal|shm)$/.test(name);
    assertEquals([...Deno.readDirSync(path(""))].map(({ name }) => name).filter(lasting).sort(), there.filter(lasting));
  }));
