/** `deno task db` as a user meets it: results as tables, CSV and JSON, and all that can be typed wrong. */
import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
// @ts-types="@types/d3-dsv"
import { csvParseRows } from "d3-dsv";
import { DatabaseSync } from "node:sqlite";
import { answer, type Format, schema } from "../../lib/cli/db_query.ts";
import { MIGRATIONS } from "../../lib/lab/schema.ts";
import { Lab } from "../../lib/lab/store.ts";
import { content, scratch } from "./lab_files.ts";
import { db, runs, small, train } from "./small_lab.ts";

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
    // JSON has no word for infinity, and null is something else.
    const [ends] = JSON.parse(shown(path("a.db"), "SELECT 9e999 AS high, -9e999 AS low", "json"));
    assertEquals(ends, { high: Infinity, low: -Infinity });
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

const LIST = `experiment   runs   ended   grokked   never   diverged   open   median step
small           6       6         2       2          2      0             –
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
      at("a.db", "export", "--experiment", "small", "--to", path("logs"), "--attention", "--networks", "0..2"),
      at("a.db", "export", "--experiment", "small", "--to", path("refused"), "--networks", "two"),
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
    const [overview, info, written, exported, logs, refused, help, mergeHelp] = answers.slice(6);
    assertMatch(overview.stdout, /^Tables\n {2}environments +id, [^]*\nViews\n {2}run_summary +experiment, [^]*\nExperiments\n/);
    assertStringIncludes(overview.stdout, LIST);
    assertEquals([info.code, JSON.parse(info.stdout).x_plus_y.final_info_dict.step_val_acc_99], [0, [50, 200, 200]]);
    assertEquals(written, ok(""));
    assertEquals(JSON.parse(Deno.readTextFileSync(path("final/info.json"))).x_plus_y.final_info_dict.step_val_acc_99.length, 6);
    assertMatch(exported.stdout, /^6 runs and 0 evaluations in .*thin, \d+ KiB\n$/);
    assertMatch(logs.stdout, /^6 runs, 4 files of attention and networks and 100 evaluations in .*logs, \d+ KiB\n$/);
    assertEquals(refused.stderr, 'error: Cannot read --networks: must be like 0,1,2 or 0..9, current value is "two"\n');
    assertMatch(
      JSON.parse(Deno.readTextFileSync(path("thin/experiment.json"))).provenance.command,
      /^deno task db export --experiment small --to /,
    );
    for (const name of ["list", "query", "merge", "verify", "recompute", "export", "import", "final-info"]) {
      assertMatch(help.stdout, new RegExp(`^  ${name}`, "m"));
    }
    assertMatch(mergeHelp.stdout, /^Adds [^]*deno task db merge OTHER\.db … \[flags\][^]*--db FILE/);

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
      cwd: new URL("../..", import.meta.url),
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
        /^Cannot open .*none\.db: it must be there, there is none; deno task db import data\/recorded\/NAME makes one of recorded results in seconds, deno task sweep trains one$/,
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
        /^Cannot query .*a\.db: it must be a statement that only reads, current value is "DELETE FROM runs"$/,
      ],
      [["query", ...a, "DELETE FROM members RETURNING run"], /^Cannot query .*a\.db: it must be a statement that only reads/],
      [["query", ...a, `VACUUM INTO '${path("copy.db")}'`], /^Cannot query .*a\.db: it must be a statement that only reads/],
      [["query", ...a, `ATTACH '${path("copy.db")}' AS copy`], /^Cannot query .*a\.db: it must be a statement that only reads/],
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
