/** `deno task sweep` as a user and a bad night meet it: real processes, a real engine, very small models. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { MIGRATIONS } from "../../lib/lab/schema.ts";
import { Lab } from "../../lib/lab/store.ts";
import { content, scratch } from "../lab/lab_files.ts";
import { MOUNTS, withDisk } from "./small_disk.ts";
import { command, ended, GRID, into, prepare, sweep, swept } from "./sweep_process.ts";

/** What a lab holds after a sweep that nothing happened to. */
const uninterrupted = (grid?: object) =>
  scratch(async (path) => {
    const db = path("whole.db");
    prepare(db, grid);
    const { code, stdout, stderr } = await swept(...into(db));
    assertEquals(code, 0, stderr);
    assertMatch(stdout, /^night: 6 runs, grokked \d, (?:never \d, )?running 0, waiting 0\n/);
    return content(db);
  });
/** Several tests compare with it. */
let kept: ReturnType<typeof uninterrupted> | undefined;
const whole = () => kept ??= uninterrupted();

/** Numbers in [0, 1) that are the same in every test: Park and Miller's generator. */
function* random(seed: number) {
  for (let state = seed;;) yield (state = (state * 48271) % 2147483647) / 2147483647;
}

/**
 * Kills a sweep so many milliseconds after its start, or after the first line that it prints: by then it trains. Returns its exit code, 137
 * where it hadn't ended before, and what it printed as errors.
 */
async function killLater(
  child: Deno.ChildProcess,
  after: "start" | "line",
  milliseconds: number,
): Promise<{ code: number; stderr: string }> {
  const stdout = new Response(child.stdout).text(), decoder = new TextDecoder();
  let stderr = "", timer: ReturnType<typeof setTimeout> | undefined;
  const begin = () => timer ??= setTimeout(() => child.kill("SIGKILL"), milliseconds);
  if (after === "start") begin();
  for await (const chunk of child.stderr) {
    begin();
    stderr += decoder.decode(chunk, { stream: true });
  }
  clearTimeout(timer);
  await stdout;
  return { code: (await child.status).code, stderr };
}

/** Trains so long that many kills find it at work, on a fast machine too. */
const LONGER = { name: "night", ...GRID, grid: { ...GRID.grid, schedule: { steps: 3000, evalEvery: 50 } } };

Deno.test("killed at twelve random moments and started again each time, a sweep ends as one that nothing happened to, bit for bit", () =>
  scratch(async (path) => {
    const db = path("killed.db"), moments = random(12), random01 = () => moments.next().value!;
    prepare(db, LONGER);
    let killed = 0;
    for (let i = 0; i < 12; i++) {
      const child = command(...into(db, "--save-every", "0.1s")).spawn();
      const { code, stderr } =
        await (i % 4 === 0 ? killLater(child, "start", 400 * random01()) : killLater(child, "line", 150 * random01()));
      if (code === 0) break;
      assertEquals(code, 137, stderr);
      assert(!/error/.test(stderr), stderr);
      killed++;
    }
    const { code, stderr } = await swept(...into(db));
    assertEquals(code, 0, stderr);
    assert(killed >= 8, `killed ${killed} times`);
    assertEquals(content(db), await uninterrupted(LONGER));
    using lab = Lab.open(db);
    assertEquals(lab.query("SELECT count(*) AS open FROM sessions WHERE ended_at IS NULL"), [{ open: 0 }]);
    assertEquals(Array.from(Deno.readDirSync(lab.folder)).length, 6);
    const locks = Array.from(Deno.readDirSync(path("")), ({ name }) => name).filter((name) => name.includes("session"));
    assertEquals(locks, []);
  }));

Deno.test("SIGHUP stops a sweep: what is done is stored, also where nobody reads what it says, and the same command goes on", () =>
  scratch(async (path) => {
    const db = path("hung_up.db");
    prepare(db, { name: "night", ...GRID, grid: { ...GRID.grid, schedule: { steps: 100_000_000, evalEvery: 10 } } });
    const child = command(...into(db)).spawn();
    const reader = child.stderr.getReader(), stdout = new Response(child.stdout).text();
    const steps = () => {
      try {
        using lab = Lab.open(db, { readOnly: true });
        return lab.query<{ n: number }>("SELECT count(*) AS n FROM metrics")[0].n;
      } catch {
        // Not there yet, or being made.
        return 0;
      }
    };
    while (steps() === 0) await new Promise((done) => setTimeout(done, 100));
    await reader.cancel();
    child.kill("SIGHUP");
    assertEquals((await child.status).code, 129);
    assertMatch(await stdout, /The same command goes on\./);
    using lab = Lab.open(db, { readOnly: true });
    const stopped = lab.query<{ status: string; step: number; seen: number; files: number }>(
      `SELECT status, r.step AS step, (SELECT max(step) FROM metrics WHERE run = r.id) AS seen,
         (SELECT count(*) FROM artifacts a WHERE a.run = r.id AND a.step = r.step) AS files FROM runs r WHERE r.step > 0`,
    );
    assert(stopped.length > 0);
    for (const { status, step, seen, files } of stopped) assertEquals([status, seen, files], ["stopped", 10 * Math.floor(step / 10), 1]);
    assertEquals(lab.query("SELECT count(*) AS open FROM sessions WHERE ended_at IS NULL"), [{ open: 0 }]);
  }));

Deno.test("two sweeps on one database share the work, while a reader asks all the time", () =>
  scratch(async (path) => {
    const db = path("shared.db");
    prepare(db);
    Lab.open(db).close();
    let over = false;
    const both = Promise.all([command(...into(db)).output(), command(...into(db)).output()]).finally(() => over = true);
    let reads = 0, seen = 0;
    while (!over) {
      using lab = Lab.open(db, { readOnly: true });
      const [{ n }] = lab.query<{ n: number }>("SELECT count(*) AS n FROM metrics");
      assert(n >= seen, `${n} evaluations after ${seen}`);
      seen = n;
      lab.query("SELECT * FROM phase_boundary");
      reads++;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    for (const output of await both) {
      const { code, stderr } = ended(output);
      assertEquals(code, 0, stderr);
    }
    assert(reads > 5, `${reads} reads`);
    assertEquals(content(db), await whole());
    using lab = Lab.open(db, { readOnly: true });
    assertEquals(lab.query("SELECT count(*) AS n, count(DISTINCT run) AS runs FROM work"), [{ n: 6, runs: 6 }]);
  }));

Deno.test({
  name: "a full disk and a disk that can't be written: a clear error, what was there stays, and with room the sweep goes on",
  ignore: !MOUNTS,
  async fn() {
    await scratch(async (path) => {
      Deno.mkdirSync(path("disk"));
      prepare(path("grid"));
      const result = await withDisk(
        path("disk"),
        `
        one="$SWEEP --grid ${path("grid.json")} --db $DISK/lab.db"
        head -c 700k /dev/zero > $DISK/ballast
        $one > /dev/null; echo "full: $?"
        ${Deno.execPath()} eval 'import { Lab } from "./lib/lab/store.ts"; console.log(Lab.open("'$DISK'/lab.db").query("PRAGMA quick_check"))'
        rm $DISK/ballast
        ${Deno.execPath()} eval 'import { Lab } from "./lib/lab/store.ts"; Lab.open("'$DISK'/lab.db").close()'
        mount -o remount,ro $DISK
        $one > /dev/null; echo "read-only: $?"
        ${Deno.execPath()} eval 'import { Lab } from "./lib/lab/store.ts"; console.log(Lab.open("'$DISK'/lab.db", { readOnly: true }).query("SELECT count(*) AS n FROM runs"))'
        mount -o remount,rw,size=64m $DISK
        $one > /dev/null; echo "room: $?"
        cp $DISK/lab.db ${path("after.db")}
        `,
      );
      const { stdout, stderr } = result!;
      assertMatch(stdout, /^full: 1\n\[ \{ quick_check: "ok" \} \]\nread-only: 1\n\[ \{ n: 6 \} \]\nroom: 0\n$/, stderr);
      const errors = stderr.split("\n").filter((line) => line.startsWith("error: "));
      assertEquals(errors.length, 2, stderr);
      assertMatch(errors[0], /^error: Cannot write .*: (database or disk is full|No space left on device)/);
      assertMatch(errors[1], /^error: Cannot open .*lab\.db: its folder must be one that can be written in, Read-only file system/);
      assertEquals(content(path("after.db")), await whole());
    });
  },
});

Deno.test("a truncated checkpoint is said, its run begins anew, and nothing that was stored is lost", () =>
  scratch(async (path) => {
    const db = path("cut.db");
    assertEquals((await sweep(db, "--steps", "120")).code, 0);
    const before = content(db).metrics;
    using lab = Lab.open(db, { readOnly: true });
    const [{ file }] = lab.query<{ file: string }>("SELECT file FROM artifacts ORDER BY file LIMIT 1");
    await Deno.truncate(`${lab.folder}/${file}`, 1000);
    const { code, stderr } = await sweep(db, "--steps", "130", "--limit", "6");
    assertMatch(stderr, /^error: Cannot take up run [0-9a-f]{16} at step 120: .*must have \d+ bytes, it has 1000/m);
    assertEquals(code, 1);
    const after = new Map(content(db).metrics.map((row) => [`${row.hash} ${row.step}`, row]));
    for (const row of before) assertEquals(after.get(`${row.hash} ${row.step}`), row);
    assertEquals((await sweep(db)).code, 0);
    assertEquals({ ...content(db) }, await whole());
  }));

Deno.test("a database that is corrupt, of something else, or of a newer version: one line, and the file is as it was", () =>
  scratch(async (path) => {
    Deno.writeTextFileSync(path("text.db"), "not a database at all\n".repeat(100));
    const other = new DatabaseSync(path("other.db"));
    other.exec("CREATE TABLE recipes (name TEXT); INSERT INTO recipes VALUES ('bread')");
    other.close();
    Lab.open(path("newer.db")).close();
    const newer = new DatabaseSync(path("newer.db"));
    newer.exec(`PRAGMA user_version = ${MIGRATIONS.length + 1}`);
    newer.close();
    Lab.open(path("torn.db")).close();
    const bytes = Deno.readFileSync(path("torn.db"));
    Deno.writeFileSync(path("torn.db"), bytes.fill(0xff, 0, 4096));
    Deno.mkdirSync(path("folder.db"));
    const cases: [string, RegExp][] = [
      ["text.db", /^error: Cannot open .*text\.db: file is not a database$/],
      ["other.db", /^error: Cannot open .*other\.db: it must be a database of Grokbook's, it is one of something else$/],
      [
        "newer.db",
        /^error: Cannot open .*newer\.db: its version must be at most \d+, current value is \d+: it was made by a newer Grokbook$/,
      ],
      ["torn.db", /^error: Cannot open .*torn\.db: file is not a database$/],
      ["folder.db", /^error: Cannot open .*folder\.db: it must be a file, it is a folder$/],
    ];
    await Promise.all(cases.map(async ([name, says]) => {
      const before = await Deno.readFile(path(name)).catch(() => null);
      const { code, stdout, stderr } = await sweep(path(name));
      assertEquals([code, stdout], [1, ""], name);
      assertMatch(stderr.trim(), says);
      assertEquals(await Deno.readFile(path(name)).catch(() => null), before);
    }));
  }));

Deno.test("the time given is kept, and the same command goes on; Ctrl-C stops cleanly too", () =>
  scratch(async (path) => {
    const db = path("time.db"),
      long = { name: "night", ...GRID, margin: null, grid: { ...GRID.grid, schedule: { steps: 1_000_000, evalEvery: 10 } } };
    prepare(db, long);
    const budgeted = async (budget: string) => {
      const { code, stdout, stderr } = await swept(...into(db, "--budget", budget));
      assertEquals(code, 0, stderr);
      assertStringIncludes(stdout, "The same command goes on.");
    };
    await budgeted("6s");
    // Beginning at the lab: how long a program takes to start is not the sweep's.
    using lab = Lab.open(db, { readOnly: true });
    const [{ took }] = lab.query<{ took: number }>("SELECT 86400 * (julianday(ended_at) - julianday(started_at)) AS took FROM sessions");
    assert(took < 9, `the sweep ended late, after ${took} s`);
    const step = () => {
      using lab = Lab.open(db, { readOnly: true });
      assertEquals(lab.query("SELECT count(*) AS n FROM runs WHERE session IS NOT NULL"), [{ n: 0 }]);
      const [{ most }] = lab.query<{ most: number }>("SELECT max(step) AS most FROM runs");
      const [{ last }] = lab.query<{ last: number }>("SELECT coalesce(max(step), 0) AS last FROM metrics");
      assertEquals(last, Math.floor(most / 10) * 10);
      return most;
    };
    // Six seconds may be over before a busy machine has begun. How exactly time is kept, tests/lab holds with a clock of its own.
    if (step() === 0) await budgeted("60s");
    const after = step();
    assert(after > 0);
    const child = command(...into(db)).spawn();
    const [started, rest] = child.stderr.tee();
    await started.getReader().read();
    const stderr = new Response(rest).text();
    child.kill("SIGINT");
    assertEquals([(await child.status).code, await stderr.then((text) => /error/.test(text))], [130, false]);
    await child.stdout.cancel();
    assert(step() >= after);
  }));

Deno.test("a boundary: what tells where success turns, and no more; the same command asks nothing twice", () =>
  scratch(async (path) => {
    const db = path("edge.db"), { grid } = GRID;
    // Three seeds of each: without weight decay none of these groks in so few steps, so that two say enough.
    const schedule = { steps: 40, evalEvery: 20 }, data = { ...grid.data, prime: 5 };
    prepare(db, { ...GRID, name: "edge", grid: { ...grid, data, schedule, optim: { lr: 0.01, weightDecay: [0, 0.001, 0.002, 0.003] } } });
    const args = into(db, "--boundary", "optim.weightDecay"), first = await swept(...args);
    assertEquals(first.code, 0, first.stderr);
    assertStringIncludes(first.stderr, "next: 8 runs at the boundary, of 12");
    assertStringIncludes(first.stdout, "no boundary along optim.weightDecay\nedge: 8 runs, grokked 0, never 8");
    const before = content(db), again = await swept(...args);
    assertEquals([again.code, again.stdout, content(db)], [0, first.stdout, before]);
  }));

Deno.test("a dry run trains nothing and writes nothing, but says what it would take", () =>
  scratch(async (path) => {
    prepare(path("none.db"), { name: "night", ...GRID, watch: { attention: {}, weights: { perDecade: 4 } } });
    const { code, stdout, stderr } = await swept(...into(path("none.db"), "--dry-run", "--shard", "1/3", "--limit", "1"));
    assertEquals(code, 0, stderr);
    assertMatch(stdout, /\nOn disk: checkpoints [\d.]+ MiB, weights [\d.]+ MiB, attention about [\d.]+ MiB\.\n/);
    assertMatch(stdout, /^night: Does anything get lost\?\n/);
    assertMatch(stdout, /\n2 runs, 1 of them to do, on cpu, /);
    assertMatch(stdout, /\n +1 +[\d,]+ +1 +[\d.]+ MiB +240 +\d:\d\d +L1 D8 H2 .* B15 |B7 C5\n/);
    assertMatch(stdout, /\nAt most about \d+:\d\d in all/);
    assertEquals(Array.from(Deno.readDirSync(path("")), ({ name }) => name), ["none.db.json"]);
  }));
