/** Labs merged into one another: what comes, what stays, and what a broken file or a second time may not do. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { basename, join } from "node:path";
import { writeWhole } from "../../lib/run/files.ts";
import { type Experiment, range } from "../../lib/lab/experiment.ts";
import { merge, type Merged } from "../../lib/lab/merge.ts";
import { Session } from "../../lib/lab/session.ts";
import { Lab, type Row } from "../../lib/lab/store.ts";
import { part } from "../../lib/lab/shards.ts";
import { sweep, type SweepOptions } from "../../lib/lab/sweep.ts";
import { verify } from "../../lib/lab/verify.ts";
import type { RunSpec } from "../../lib/run/spec.ts";
import { fakeEngine } from "../fake_engine.ts";
import { content, isWhole, scratch } from "./lab_files.ts";
import { runs, small } from "./small_lab.ts";

/** One run. */
const alone = (steps: number, more: Partial<Experiment> = {}) => small({ runs: runs(steps, [0]).slice(0, 1), ...more });

const groksAt = ({ seed }: RunSpec) => seed === 1 ? Infinity : 45 + 40 * seed;
const train = async (path: string, experiment: Experiment, more: Partial<SweepOptions> = {}) => {
  using lab = Lab.open(path);
  await sweep(experiment, { lab, engine: fakeEngine({ groksAt, fit: 2 }), ...more });
};

/** Merges databases into the last, with what was said. */
async function merged(...paths: string[]): Promise<{ said: string[]; results: Merged[] }> {
  const said: string[] = [], results: Merged[] = [];
  using into = Lab.open(paths.pop()!);
  for (const path of paths) {
    using from = Lab.open(path, { readOnly: true });
    results.push(await merge(from, into, (line) => said.push(line)));
  }
  return { said, results };
}

/** All that is in a database, and the names of its files. */
function dump(path: string): Record<string, readonly unknown[]> {
  using lab = Lab.open(path, { readOnly: true });
  const tables = lab.query<{ name: string }>("SELECT name FROM sqlite_schema WHERE type = 'table'").map(({ name }) => name);
  return { ...Object.fromEntries(tables.map((name) => [name, lab.query(`SELECT * FROM "${name}"`)])), files: filesOf(lab.folder) };
}

function filesOf(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  } catch {
    return [];
  }
}

/** Changes a database, and lets it be sealed as if it had been stored so. */
const change = (path: string, ...statements: string[]) => {
  {
    using lab = Lab.open(path);
    for (const sql of [...statements, "DELETE FROM seals"]) lab.run(sql);
  }
  Lab.open(path).close();
};

const ask = <T extends Row>(path: string, sql: string): T[] => {
  using lab = Lab.open(path, { readOnly: true });
  return lab.query<T>(sql);
};

Deno.test("the parts of a sweep, merged, are the sweep", () =>
  scratch(async (path) => {
    await train(path("whole.db"), small());
    const shards = range(3).map((index) => path(`shard${index}.db`));
    for (const [index, shard] of shards.entries()) await train(shard, small({ runs: part(runs(), { index, count: 3 }) }));
    const { said, results } = await merged(...shards, path("merged.db"));
    assertEquals(said, []);
    assertEquals(results, shards.map(() => ({ runs: 2, entered: 2, further: 0, evaluations: 42, files: 2 })));
    assertEquals(content(path("merged.db")), content(path("whole.db")));
    await isWhole(path("merged.db"));
    const described = (file: string) => {
      const [{ question, fixed, swept }] = ask<{ question: string; fixed: string; swept: string }>(path(file), "SELECT * FROM experiments");
      return {
        question,
        fixed: JSON.parse(fixed),
        seeds: JSON.parse(swept).seed.toSorted(),
        widths: JSON.parse(swept)["model.dModel"].toSorted(),
      };
    };
    assertEquals(described("merged.db"), described("whole.db"));
    // Who trained what: a session a shard, on one kind of machine.
    const sql = `SELECT count(DISTINCT session) AS sessions, count(DISTINCT engine || adapter || processor) AS machines, count(*) AS work,
        min(to_step) AS least
      FROM work JOIN sessions s ON s.id = session JOIN environments e ON e.id = environment WHERE ended_at IS NOT NULL`;
    assertEquals(ask(path("merged.db"), sql), [{ sessions: 3, machines: 1, work: 6, least: 200 }]);
  }));

Deno.test("merging a second time changes nothing, be it a sweep that still goes on", () =>
  scratch(async (path) => {
    await train(path("a.db"), small(), { limit: 3 });
    await train(path("b.db"), small({ name: "other", runs: runs(100, [2, 3]), rule: "sustained", margin: 50 }));
    using lab = Lab.open(path("a.db"));
    const session = await Session.open(lab, { info: fakeEngine().info, command: "goes on" });
    const [{ id }] = lab.query<{ id: number }>("SELECT id FROM runs WHERE status = 'waiting'");
    await session.claim(id, 200, () => true);
    try {
      await merged(path("a.db"), path("b.db"), path("merged.db"));
      const once = dump(path("merged.db"));
      const { said, results } = await merged(path("a.db"), path("b.db"), path("merged.db"));
      assertEquals(said, []);
      assertEquals(results.map(({ runs, ...rest }) => [runs, Object.values(rest)]), [[6, [0, 0, 0, 0]], [4, [0, 0, 0, 0]]]);
      assertEquals(dump(path("merged.db")), once);
    } finally {
      session.close();
    }
    assertEquals(ask(path("merged.db"), "SELECT count(*) AS n FROM runs WHERE session IS NOT NULL OR status = 'training'"), [{ n: 0 }]);
    assertEquals(ask(path("merged.db"), "SELECT count(*) AS n FROM sessions WHERE ended_at IS NULL"), [{ n: 0 }]);
    assertEquals(ask(path("merged.db"), "SELECT status FROM runs JOIN members m ON m.run = id WHERE status = 'stopped'"), [{
      status: "stopped",
    }]);
    await isWhole(path("merged.db"));
  }));

Deno.test("of a run that both have, the one that is further along stays, its state with it", () =>
  scratch(async (path) => {
    await train(path("short.db"), alone(100));
    await train(path("long.db"), alone(200));
    const before = dump(path("long.db"));
    assertEquals((await merged(path("short.db"), path("long.db"))).results, [{
      runs: 1,
      entered: 0,
      further: 0,
      evaluations: 0,
      files: 0,
    }]);
    // But for who trained it: the first half was done twice.
    const { work, sessions, ...rest } = dump(path("long.db")), { seals } = before;
    assertEquals([work.length, sessions.length], [2, 2]);
    assertEquals({ ...rest, work: before.work, sessions: before.sessions, seals }, before);

    const [old] = filesOf(path("short.files"));
    const { said, results } = await merged(path("long.db"), path("short.db"));
    assertEquals([said, results], [[], [{ runs: 1, entered: 0, further: 1, evaluations: 21, files: 1 }]]);
    const { milestones, metrics, runs, artifacts } = content(path("long.db"));
    const there = content(path("short.db"));
    assertEquals([there.milestones, there.metrics, there.runs, there.artifacts], [milestones, metrics, runs, artifacts]);
    assert(!filesOf(path("short.files")).includes(old));
    assertEquals(there.members.map(({ steps }) => steps), [200]);
    await isWhole(path("short.db"));
    // What came goes on as it would have where it came from.
    await train(path("short.db"), alone(300));
    await train(path("whole.db"), alone(300));
    assertEquals(content(path("short.db")).metrics, content(path("whole.db")).metrics);
  }));

Deno.test("one way: more steps win over an early end; two ways: one that is done wins over one that goes on, and it is said", () =>
  scratch(async (path) => {
    await train(path("early.db"), alone(2000, { margin: 0 }));
    assertEquals(content(path("early.db")).runs.map(({ status, step }) => `${status} ${step}`), ["grokked 100"]);
    await train(path("late.db"), alone(300));
    change(path("late.db"), "UPDATE runs SET status = 'stopped'");
    for (const name of ["early", "late"]) {
      await Deno.copyFile(path(`${name}.db`), path(`other-${name}.db`));
      await Deno.mkdir(path(`other-${name}.files`));
      for (const file of filesOf(path(`${name}.files`))) {
        await Deno.copyFile(join(path(`${name}.files`), file), join(path(`other-${name}.files`), file));
      }
    }
    const state = (file: string) => content(path(file)).runs.map(({ status, step }) => `${status} ${step}`)[0];
    await merged(path("early.db"), path("late.db"));
    assertEquals(state("late.db"), "stopped 300");
    await merged(path("late.db"), path("early.db"));
    assertEquals(state("early.db"), "stopped 300");
    assertEquals(content(path("early.db")).metrics.length, 31);

    // As from another adapter: four evaluations that differ in a bit.
    change(path("other-early.db"), "UPDATE metrics SET val_loss = val_loss + 5e-16 WHERE step BETWEEN 50 AND 80");
    const [{ n }] = ask<{ n: number }>(path("other-early.db"), "SELECT count(*) AS n FROM work");
    const { said, results } = await merged(path("other-late.db"), path("other-early.db"));
    assertEquals([state("other-early.db"), results[0].further, said.length, n], ["grokked 100", 0, 2, 1]);
    assertMatch(said[0], /late\.db: 4 evaluations of 1 run differ from those in .*early\.db, as between different adapters/);
    assertMatch(said[1], /late\.db: experiment small has margin none; in .*early\.db it keeps margin 0$/);
    assertEquals(ask(path("other-early.db"), "SELECT count(*) AS n FROM work"), [{ n: 1 }], "who trained what isn't there");
    assertEquals((await merged(path("other-early.db"), path("other-late.db"))).results[0].further, 1);
    assertEquals([state("other-late.db"), content(path("other-late.db")).metrics.length], ["grokked 100", 11]);
    assertEquals(filesOf(path("other-late.files")).length, 1);
    assertEquals(ask(path("other-late.db"), "SELECT to_step FROM work"), [{ to_step: 100 }]);
    await isWhole(path("other-late.db"));
  }));

Deno.test("files that the target lacks come, those that are missing or broken are said and left out", () =>
  scratch(async (path) => {
    await train(path("bare.db"), small({ keep: "nothing" }));
    await train(path("full.db"), small());
    const { results } = await merged(path("full.db"), path("bare.db"));
    assertEquals(results[0], { runs: 6, entered: 0, further: 0, evaluations: 0, files: 6 });
    assertEquals(content(path("bare.db")).artifacts, content(path("full.db")).artifacts);

    const files = ask<{ file: string; hash: string }>(
      path("full.db"),
      "SELECT file, hash FROM artifacts JOIN runs ON id = run ORDER BY hash",
    );
    const at = (i: number) => join(path("full.files"), files[i].file);
    Deno.truncateSync(at(0), 100);
    Deno.removeSync(at(1));
    const bytes = Deno.readFileSync(at(2));
    bytes[bytes.length - 1] ^= 1;
    Deno.writeFileSync(at(2), bytes);
    Deno.writeTextFileSync(path("secret"), "of somebody else");
    change(path("full.db"), `UPDATE artifacts SET file = '../secret' WHERE file = '${files[3].file}'`);
    const { said, results: [partly] } = await merged(path("full.db"), path("merged.db"));
    const says = (i: number, what: string) => new RegExp(`the checkpoint of run ${files[i].hash} at step 200 is left out: .*${what}`);
    for (
      const [i, what] of [
        "must have \\d+ bytes, it has 100",
        "must be there, it is missing",
        "must have the SHA-256",
        "must be the name of a file in",
      ].entries()
    ) {
      assertEquals(said.filter((line) => says(i, what).test(line)).length, 1, `${what} in ${said}`);
    }
    assertEquals([said.length, partly.entered, partly.files], [4, 6, 2]);
    assertEquals(filesOf(path("merged.files")).length, 2);
    await isWhole(path("merged.db"));
    // Mended, the same merge brings what lacks.
    await writeWhole(
      at(0),
      Deno.readFileSync(join(path("bare.files"), filesOf(path("bare.files")).find((name) => name.startsWith(files[0].hash))!)),
    );
    assertEquals((await merged(path("full.db"), path("merged.db"))).results[0].files, 1);
  }));

Deno.test("a run in training in the target stays, until its session is gone", () =>
  scratch(async (path) => {
    await train(path("done.db"), small());
    using lab = Lab.open(path("busy.db"));
    const ids = lab.declare(small());
    const session = await Session.open(lab, { info: fakeEngine().info, command: "goes on" });
    await session.claim(ids[0], 200, () => true);
    const { said, results } = await merged(path("done.db"), path("busy.db"));
    assertMatch(said.join(), /^[^,]*done\.db: 1 run in training in .*busy\.db stay as they are there; merge again/);
    assertEquals([results[0].further, lab.query("SELECT status FROM runs WHERE id = ?", ids[0])], [5, [{ status: "training" }]]);
    session.close();
    // As a killed one leaves it: no end, and nobody holds its lock.
    lab.run("UPDATE runs SET status = 'training', session = ? WHERE id = ?", session.id, ids[0]);
    lab.run("UPDATE sessions SET ended_at = NULL WHERE id = ?", session.id);
    assertEquals((await merged(path("done.db"), path("busy.db"))).said, []);
    assertEquals(content(path("busy.db")), content(path("done.db")));
  }));

Deno.test("experiments come together; the target's question, rule and margin stay; rules count for all runs", () =>
  scratch(async (path) => {
    const rule = { name: "half", accuracy: 0.5, inclusive: true, times: 2 };
    await train(path("one.db"), small({ runs: runs(100, [0, 1]) }));
    await train(path("two.db"), small({ runs: runs(200, [1, 2]), question: "Or does it?", rule, margin: 1000 }));
    await merged(path("two.db"), path("one.db"));
    assertEquals(ask(path("one.db"), "SELECT question, rule, margin FROM experiments"), [{
      question: "Does it?",
      rule: "first",
      margin: null,
    }]);
    assertEquals(
      ask(path("one.db"), "SELECT seed, group_concat(steps, ' ') AS steps FROM members JOIN runs ON id = run GROUP BY seed"),
      [{ seed: 0, steps: "100 100" }, { seed: 1, steps: "200 200" }, { seed: 2, steps: "200 200" }],
    );
    const [{ swept }] = ask<{ swept: string }>(path("one.db"), "SELECT swept FROM experiments");
    assertEquals(JSON.parse(swept), { "model.dModel": [4, 8], "schedule.steps": [100, 200], seed: [0, 1, 2] });
    assertEquals(
      ask(path("one.db"), "SELECT rule, count(*) AS n FROM milestones GROUP BY rule"),
      ["first", "half", "sustained"].map((rule) => ({ rule, n: 6 })),
    );
    await isWhole(path("one.db"));

    await train(path("three.db"), small({ rule: { ...rule, times: 3 } }));
    const before = dump(path("one.db"));
    const error = await assertRejects(() => merged(path("three.db"), path("one.db")), Error, "rule half must be the same in both");
    assertMatch(error.message, /^Cannot merge .*three\.db into .*one\.db: .*"times":3.* and .*"times":2/);
    assertEquals(dump(path("one.db")), before);
  }));

Deno.test("a merge that fails leaves the target as it was, its files too", () =>
  scratch(async (path) => {
    await train(path("from.db"), small());
    await train(path("into.db"), alone(100));
    const before = dump(path("into.db"));
    {
      using from = Lab.open(path("from.db"), { readOnly: true });
      using into = Lab.open(path("into.db"));
      into.run("CREATE TEMP TRIGGER full BEFORE INSERT ON main.work BEGIN SELECT RAISE(ABORT, 'no room'); END");
      await assertRejects(() => merge(from, into), Error, "no room");
    }
    assertEquals(dump(path("into.db")), before);
  }));

Deno.test("what is merged is checked in both labs; damage elsewhere in the target stays what it was, and is still found", () =>
  scratch(async (path) => {
    const seed = (n: number) => small({ runs: runs(200, [n]) }),
      damage = (of: number) => {
        using lab = Lab.open(path("to.db"));
        lab.run("UPDATE metrics SET val_acc = val_acc / 2 WHERE step = 30 AND run IN (SELECT id FROM runs WHERE seed = ?)", of);
      };
    await train(path("to.db"), seed(0));
    await train(path("from.db"), seed(1));
    damage(0);
    const { results: [{ entered, evaluations }] } = await merged(path("from.db"), path("to.db"));
    assertEquals([entered, evaluations], [2, 42]);
    const wrong = async () => (await verify(Lab.open(path("to.db"), { readOnly: true }))).findings.length;
    assertEquals(await wrong(), 2);
    damage(1);
    const before = dump(path("to.db"));
    await assertRejects(() => merged(path("from.db"), path("to.db")), Error, "to.db must be whole, of its evaluations run ");
    assertEquals([dump(path("to.db")), await wrong()], [before, 4]);
  }));

Deno.test("a database isn't merged into itself, whatever it is called", () =>
  scratch(async (path) => {
    await train(path("a.db"), alone(100));
    Deno.symlinkSync(path("a.db"), path("link.db"));
    for (const other of ["a.db", "link.db"]) {
      const error = await assertRejects(() => merged(path(other), path("a.db")), Error, "must be two databases, they are one");
      assertMatch(error.message, new RegExp(`^Cannot merge .*${basename(other)} into`));
    }
  }));
