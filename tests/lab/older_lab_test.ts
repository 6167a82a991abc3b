/** Labs of older versions: reading one never touches it, also while that version trains; what writes brings it up to date and says so. */
import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { cause } from "../../lib/lab/cause.ts";
import { drop, takeLock } from "../../lib/lab/lock.ts";
import { mergeAll } from "../../lib/lab/merge.ts";
import { exportRecorded } from "../../lib/lab/record/export.ts";
import { MIGRATIONS } from "../../lib/lab/schema.ts";
import { Lab } from "../../lib/lab/store.ts";
import { verify } from "../../lib/lab/verify.ts";
import { MOUNTS, withDisk } from "../cli/small_disk.ts";
import { content, isWhole, scratch } from "./lab_files.ts";
import { makeOlder } from "./older_lab.ts";
import { db, small, train } from "./small_lab.ts";

/** Every file in a folder, by name; an empty log and its index are SQLite's own affair. */
const files = (path: (name: string) => string) =>
  [...Deno.readDirSync(path(""))].filter(({ name, isFile }) => isFile && !/-shm$/.test(name) && Deno.statSync(path(name)).size > 0).map((
    { name },
  ) => [name, Deno.readFileSync(path(name))] as const)
    .toSorted(([a], [b]) => a < b ? -1 : 1);
const now = MIGRATIONS.length;

Deno.test("a lab of an older version is queried, verified, exported and merged from, with its files, and no byte of it changes", () =>
  scratch(async (path) => {
    await train(path("a.db"));
    const before = content(path("a.db"));
    makeOlder(path("a.db"));
    Deno.mkdirSync(path("temporary"));
    const left = files(path), temporary = Deno.env.get("TMPDIR");
    Deno.env.set("TMPDIR", path("temporary"));
    try {
      using lab = Lab.open(path("a.db"), { readOnly: true });
      assertEquals(lab.query("SELECT count(*) AS n FROM run_summary"), [{ n: 6 }]);
      assertEquals((await verify(lab)).findings, []);
      assertThrows(() => lab.run("DELETE FROM runs"), Error, "it must be open for writing, it is open for reading");
    } finally {
      if (temporary === undefined) Deno.env.delete("TMPDIR");
      else Deno.env.set("TMPDIR", temporary);
    }
    assertEquals([...Deno.readDirSync(path("temporary"))], []);
    assertEquals(content(path("a.db")), before);
    {
      using lab = Lab.open(path("a.db"), { readOnly: true });
      await exportRecorded(lab, "small", path("record"), { metrics: "all", command: "test" });
      await mergeAll([lab], path("into/lab.db"), { say: () => {}, done: () => {} });
    }
    assertEquals(content(path("into/lab.db")), before);
    assertEquals(files(path), left);
  }));

Deno.test("a sweep of an older version goes on while its lab is read, at once, and as it was before; nothing brings the lab up to date meanwhile", () =>
  scratch(async (path) => {
    await train(path("a.db"));
    makeOlder(path("a.db"), 5);
    const sweeping = new DatabaseSync(path("a.db")), name = crypto.randomUUID(), lock = takeLock({ place: path("a.db") }, name);
    sweeping.exec("PRAGMA journal_mode = WAL");
    sweeping.prepare("INSERT INTO sessions VALUES (NULL, ?, 1, 'deno task sweep', '', '', NULL)").run(name);
    sweeping.exec("BEGIN IMMEDIATE");
    const evaluations = () => {
      using lab = Lab.open(path("a.db"), { readOnly: true });
      return lab.query<{ n: number }>("SELECT count(*) AS n FROM metrics")[0].n;
    };
    const before = evaluations();
    // As versions before 6 store an evaluation: without names of columns.
    sweeping.exec("INSERT OR REPLACE INTO metrics VALUES (1, 1000000, 0, 1, 0, 1, 1, 0, 0, 1); COMMIT");
    assertEquals(evaluations(), before + 1);
    const { message } = assertThrows(() => Lab.open(path("a.db")), Error, "Cannot open ");
    assertMatch(
      message,
      /a\.db: no session may be at work on it while it is brought up to date, "deno task sweep" is; wait until it has ended, or stop it$/,
    );
    sweeping.exec("INSERT OR REPLACE INTO metrics VALUES (1, 1000001, 0, 1, 0, 1, 1, 0, 0, 1)");
    sweeping.exec("DELETE FROM metrics WHERE step >= 1000000");
    sweeping.close();
    drop(lock);
    Lab.open(path("a.db"), { say: () => {} }).close();
    assertEquals(evaluations(), before);
  }));

Deno.test("what writes to a lab of an older version brings it up to date and says so in a line, once", () =>
  scratch(async (path) => {
    await train(path("a.db"));
    const before = content(path("a.db"));
    for (const [version, says] of [[2, `from version 2 to ${now}`], [5, `from version 5 to ${now}`]] as const) {
      makeOlder(path("a.db"), version);
      const { code, stderr } = await db(["recompute", "--db", path("a.db")]);
      assertEquals(code, 0, stderr);
      assertEquals(stderr.split("\n").filter((line) => line !== "" && !line.startsWith("6 runs by ")), [
        `${path("a.db")}: brought up to date ${says}; an older Grokbook can't use it any more`,
      ]);
      assertEquals((await db(["recompute", "--db", path("a.db")])).stderr.includes("brought"), false);
      assertEquals(content(path("a.db")), before);
      await isWhole(path("a.db"));
    }
    // Only a column is missing.
    const later = new DatabaseSync(path("a.db")), said: string[] = [];
    later.exec("DROP VIEW experiment_overview; ALTER TABLE metrics DROP COLUMN noisy_acc");
    later.close();
    Lab.open(path("a.db"), { say: (line) => said.push(line) }).close();
    assertMatch(said.join(), /^\S+a\.db: brought up to date with the columns that this Grokbook has more; an older /);
    await isWhole(path("a.db"));
  }));

Deno.test("damage to a lab of an older version is found in the lab itself", () =>
  scratch(async (path) => {
    await train(path("a.db"));
    makeOlder(path("a.db"));
    // Pages that nothing uses, and the header's list of such emptied: a copy has none.
    const damaged = new DatabaseSync(path("a.db"));
    damaged.exec("CREATE TABLE more AS SELECT zeroblob(100000) AS a; DROP TABLE more");
    damaged.close();
    const bytes = Deno.readFileSync(path("a.db"));
    Deno.writeFileSync(path("a.db"), bytes.fill(0, 32, 40));
    using lab = Lab.open(path("a.db"), { readOnly: true });
    assertMatch((await verify(lab)).findings.map(({ text }) => text).join(), /never used/);
  }));

Deno.test("where no copy of an older lab can be made, the error says where and why", () =>
  scratch(async (path) => {
    await train(path("a.db"), small({ runs: small().runs.slice(0, 1) }));
    makeOlder(path("a.db"));
    const run = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "lib/cli/db.ts", "query", "SELECT 1", "--db", path("a.db")],
      cwd: new URL("../..", import.meta.url),
      env: { NO_COLOR: "1", TMPDIR: path("none") },
    });
    const { code, stderr } = await run.output(), text = new TextDecoder().decode(stderr);
    assertEquals(code, 1);
    assertMatch(
      text,
      /^error: Cannot open \S+a\.db: it is of version 2, a copy of it must be brought up to date in \S+none: No such file .*\n$/,
    );
  }));

Deno.test("a lock and a full disk are named as what they are", { ignore: Deno.build.os !== "linux" }, () => {
  assertEquals(cause(new Error("database is locked"), "a.db"), "it must be free within 30 s, another process has it locked");
  for (const why of ["disk I/O error", "database or disk is full"]) {
    assertEquals(cause(new Error(why), "/proc/a.db"), `${why}; its disk must have room, 0 KiB are left`);
    assertEquals(cause(new Error(why), Deno.execPath()), why);
  }
});

Deno.test({
  name: "an older lab on a full disk or one that can't be written is read, and merged from",
  ignore: !MOUNTS,
  async fn() {
    await scratch(async (path) => {
      await train(path("a.db"), small({ runs: small().runs.slice(0, 1) }));
      const before = content(path("a.db"));
      makeOlder(path("a.db"));
      // A session that was killed leaves its lock.
      Deno.writeTextFileSync(path("a.db-session-gone"), "");
      Deno.mkdirSync(path("disk"));
      const run = `${Deno.execPath()} run -A --no-check lib/cli/db.ts`;
      const { stdout, stderr } = (await withDisk(
        path("disk"),
        `
        cp -r ${path("a.db")}* ${path("a.files")} $DISK
        cat /dev/zero > $DISK/ballast 2> /dev/null
        ${run} query --csv "SELECT count(*) AS n FROM runs" --db $DISK/a.db
        rm $DISK/ballast
        mount -o remount,ro $DISK
        ${run} query --csv "SELECT count(*) AS n FROM runs" --db $DISK/a.db
        ${run} merge $DISK/a.db --db ${path("into.db")} > /dev/null
        `,
      ))!;
      assertEquals([stdout, stderr], ["n\n1\nn\n1\n", ""]);
      assertEquals(content(path("into.db")), before);
    });
  },
});
