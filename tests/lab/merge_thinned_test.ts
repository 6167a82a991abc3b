/** Results that take the place of others, out of a lab or a record, with all evaluations or a part: what stays, what goes, what goes on. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { attentionRun } from "../../lib/lab/attention.ts";
import type { Experiment } from "../../lib/lab/experiment.ts";
import { merge } from "../../lib/lab/merge.ts";
import { MOST_READINGS } from "../../lib/lab/record/artifacts.ts";
import { exportRecorded } from "../../lib/lab/record/export.ts";
import { importRecorded } from "../../lib/lab/record/import.ts";
import { seal } from "../../lib/lab/seals.ts";
import { Session } from "../../lib/lab/session.ts";
import { Lab, type Row } from "../../lib/lab/store.ts";
import { sweep } from "../../lib/lab/sweep.ts";
import { verify } from "../../lib/lab/verify.ts";
import { fakeEngine, type FakeOptions } from "../fake_engine.ts";
import { content, scratch } from "./lab_files.ts";
import { watchedRuns } from "./small_lab.ts";

/** One run, evaluated every 10 updates; it memorises at step 20 and groks at 200. */
const one = (steps: number, more: Partial<Experiment> = {}): Experiment => ({ name: "one", runs: watchedRuns(steps).slice(0, 1), ...more });
const engine = (more: FakeOptions = {}) => fakeEngine({ groksAt: () => 200, ...more });

/** Trains in a database. @returns what was said. */
async function train(path: string, experiment: Experiment, more: FakeOptions = {}): Promise<string[]> {
  const said: string[] = [];
  using lab = Lab.open(path);
  await sweep(experiment, { lab, engine: engine(more), say: (line) => said.push(line) });
  return said;
}

/** Merges a database into another. @returns what was said. */
async function merged(from: string, to: string): Promise<string[]> {
  const said: string[] = [];
  using a = Lab.open(from, { readOnly: true }), b = Lab.open(to);
  await merge(a, b, (line) => said.push(line));
  return said;
}

/** Exports a database's experiment into a folder, and imports that into another database. */
async function recorded(
  from: string,
  folder: string,
  to: string,
  metrics: "all" | "thin" | "none",
  files: ("attention" | "weights")[] = [],
) {
  using a = Lab.open(from), b = Lab.open(to);
  await exportRecorded(a, "one", folder, { metrics, files, command: "test" });
  await importRecorded(b, folder);
}

/** Changes a database and seals its runs, as if they had been stored so. */
function change(path: string, ...statements: string[]): void {
  using lab = Lab.open(path);
  lab.write(() => {
    for (const sql of statements) lab.run(sql);
    for (const { id } of lab.query<{ id: number }>("SELECT id FROM runs")) seal(lab, "run", id);
  });
}
/** Leaves three evaluations of a run, as a record may. */
const thin = (path: string) => change(path, "DELETE FROM metrics WHERE step NOT IN (0, 20, 100)", "UPDATE runs SET thinned = 1");

const ask = <T extends Row>(path: string, sql: string): T[] => {
  using lab = Lab.open(path, { readOnly: true });
  return lab.query<T>(sql);
};
const state = (path: string) => ask(path, "SELECT status, step, thinned FROM runs").map((row) => Object.values(row).join(" ")).join();
const steps = (path: string) => ask<{ step: number }>(path, "SELECT step FROM metrics ORDER BY step").map(({ step }) => step);
const files = (path: string) => content(path).artifacts.map(({ kind, step }) => `${kind} ${step}`);
const every10 = (to: number) => Array.from({ length: to / 10 + 1 }, (_, i) => 10 * i);

async function findings(path: string): Promise<string[]> {
  using lab = Lab.open(path, { readOnly: true });
  return (await verify(lab)).findings.map(({ about, text }) => `${about}: ${text}`);
}

/** All but who asked for it. */
const results = (path: string) => ({ ...content(path), members: [] });

Deno.test("a part of a run's evaluations, further along: its beginning stays, its state doesn't, and going on it begins anew", () =>
  scratch(async (path) => {
    await train(path("to.db"), one(50));
    await train(path("from.db"), one(100, { keep: "nothing" }));
    thin(path("from.db"));
    assertEquals(await merged(path("from.db"), path("to.db")), []);
    assertEquals([state(path("to.db")), steps(path("to.db")), files(path("to.db"))], ["finished 100 1", [...every10(50), 100], []]);
    assertEquals([...Deno.readDirSync(path("to.files"))], []);
    assertEquals(await findings(path("to.db")), []);
    // A second time changes nothing.
    const before = content(path("to.db"));
    await merged(path("from.db"), path("to.db"));
    assertEquals(content(path("to.db")), before);

    assertEquals(await train(path("to.db"), one(300)), []);
    await train(path("whole.db"), one(300));
    assertEquals(results(path("to.db")), results(path("whole.db")));
    assertEquals(ask(path("to.db"), "SELECT memorisation_step AS at FROM milestones WHERE rule = 'first'"), [{ at: 20 }]);
    assertEquals(await findings(path("to.db")), []);
  }));

Deno.test("a state beside a part of the evaluations is found, isn't gone on from, which is said, and isn't merged", () =>
  scratch(async (path) => {
    await train(path("a.db"), one(100));
    thin(path("a.db"));
    const [found, ...others] = await findings(path("a.db"));
    assertMatch(
      found,
      /^files: .*, the checkpoint of run \w{16} at step 100: it must have all evaluations before it, the lab has a part of/,
    );
    assertEquals(others, []);
    const [left, ...more] = await merged(path("a.db"), path("b.db"));
    assertMatch(left, /a\.db: the checkpoint of run \w{16} at step 100 is left out: it must have all evaluations before it/);
    assertEquals([more, files(path("b.db")), steps(path("b.db")), await findings(path("b.db"))], [[], [], [0, 20, 100], []]);

    const said = await train(path("a.db"), one(300));
    assertEquals(said.length, 1);
    assertMatch(
      said[0],
      /^Cannot take up run \w{16} at step 100: it must have all evaluations before it, .* It begins anew; what is stored/,
    );
    await train(path("whole.db"), one(300));
    assertEquals(results(path("a.db")), results(path("whole.db")));
    assertEquals(await findings(path("a.db")), []);
  }));

Deno.test("a run that began anew and was killed isn't gone on with from the state of before, whose evaluations aren't its own any more", () =>
  scratch(async (path) => {
    await train(path("whole.db"), one(300));
    for (const [name, damage] of [["damaged", "UPDATE metrics SET val_loss = val_loss + 0.5 WHERE step = 70"], ["thinned", ""]] as const) {
      await train(path(`${name}.db`), one(100));
      if (damage === "") thin(path(`${name}.db`));
      using lab = Lab.open(path(`${name}.db`)), whole = Lab.open(path("whole.db"), { readOnly: true });
      if (damage !== "") lab.run(damage);
      lab.declare(one(300));
      const said: string[] = [],
        session = await Session.open(lab, { info: engine().info, command: "killed", say: (line) => said.push(line) });
      assertEquals(await session.claim(1, 300, () => true), {});
      for (const evaluation of whole.metrics(1, 30)) session.record(1, evaluation);
      session.flush(true);
      session.close();
      assertEquals([said.length, files(path(`${name}.db`))], [1, ["checkpoint 100"]]);
      const [line] = await train(path(`${name}.db`), one(300));
      assertMatch(line, /at step 100: it must be of a step up to 0, how far the run is stored, it is of 100\. It begins anew/);
      assertEquals(results(path(`${name}.db`)), results(path("whole.db")), name);
    }
  }));

Deno.test("as far, all evaluations win over a part, whichever way they are merged, and their state stays", () =>
  scratch(async (path) => {
    for (const name of ["whole", "into"]) {
      await train(path(`${name}.db`), one(100));
      change(path(`${name}.db`), "UPDATE runs SET status = 'stopped'");
    }
    for (const name of ["part", "from"]) {
      await train(path(`${name}.db`), one(100, { keep: "nothing" }));
      thin(path(`${name}.db`));
    }
    await merged(path("whole.db"), path("part.db"));
    await merged(path("from.db"), path("into.db"));
    for (const name of ["part", "into"]) {
      assertEquals(results(path(`${name}.db`)), results(path("whole.db")), name);
      assertEquals([state(path(`${name}.db`)), await findings(path(`${name}.db`))], ["stopped 100 0", []]);
    }
  }));

Deno.test("a merge and an import leave the same: logs and weights of the beginning stay, those of the part come, the state goes", () =>
  scratch(async (path) => {
    const watch = { attention: { pairs: 6, full: 2, perDecade: 1000 }, weights: { perDecade: 4 } };
    await train(path("long.db"), one(2000, { watch }));
    for (const name of ["by merge", "by import"]) await train(path(`${name}.db`), one(100, { watch }));
    const own = files(path("by merge.db")).filter((file) => !file.startsWith("checkpoint"));
    assert(own.includes("attention 100") && own.includes("weights 100"), own.join());
    await recorded(path("long.db"), path("record"), path("imported.db"), "thin", ["attention"]);
    await recorded(path("long.db"), path("record"), path("by import.db"), "thin", ["attention"]);
    assertEquals(await merged(path("imported.db"), path("by merge.db")), []);
    assertEquals(state(path("by merge.db")), "finished 2000 1");
    assertEquals(files(path("by merge.db")).toSorted(), [...own, "attention-thin 2000"].toSorted());
    assertEquals(steps(path("by merge.db")).filter((step) => step <= 100), every10(100));
    assertEquals(results(path("by import.db")), results(path("by merge.db")));
    for (const name of ["by merge", "by import"]) assertEquals(await findings(path(`${name}.db`)), []);
    // Gone on with, which begins it anew, it is as if nothing had been imported.
    assertEquals(await train(path("by merge.db"), one(2010, { watch })), []);
    await train(path("whole.db"), one(2010, { watch }));
    assertEquals(results(path("by merge.db")), results(path("whole.db")));

    // The whole log, which comes with all evaluations, is read and not the record's part of it.
    assertEquals(await merged(path("long.db"), path("imported.db")), []);
    assertEquals([state(path("imported.db")), files(path("imported.db")).includes("checkpoint 2000")], ["finished 2000 0", true]);
    using whole = Lab.open(path("long.db"), { readOnly: true }), lab = Lab.open(path("imported.db"), { readOnly: true });
    const [log, read] = await Promise.all([attentionRun(whole, 1), attentionRun(lab, 1)]);
    assertEquals([log.readings.length > MOST_READINGS, read.readings], [true, log.readings]);
  }));

Deno.test("all evaluations, further along and without a state: the one that was there stays where its experiment keeps states", () =>
  scratch(async (path) => {
    await train(path("long.db"), one(200, { keep: "nothing" }));
    await train(path("whole.db"), one(300));
    for (const keep of ["checkpoint", "nothing"] as const) {
      for (const way of ["merge", "import"]) {
        const name = path(`${keep} ${way}.db`), stays = keep === "checkpoint";
        await train(name, one(50));
        {
          using lab = Lab.open(name);
          lab.declare(one(50, { keep }));
        }
        if (way === "merge") await merged(path("long.db"), name);
        else await recorded(path("long.db"), path("record"), name, "all");
        assertEquals([state(name), steps(name), files(name)], ["finished 200 0", every10(200), stays ? ["checkpoint 50"] : []], name);
        assertEquals(await findings(name), []);
        let updates = 0;
        await train(name, one(300), { onUpdate: () => updates++ });
        assertEquals([updates, results(name)], [stays ? 250 : 300, results(path("whole.db"))], name);
      }
    }
  }));

Deno.test("an end between two evaluations that fewer steps had is none of more steps", () =>
  scratch(async (path) => {
    await train(path("long.db"), one(100, { keep: "nothing" }));
    thin(path("long.db"));
    for (const way of ["merge", "import"]) {
      const name = path(`${way}.db`);
      await train(name, one(45));
      assertEquals(steps(name).at(-1), 45);
      if (way === "merge") await merged(path("long.db"), name);
      else await recorded(path("long.db"), path("record"), name, "thin");
      assertEquals([steps(name), await findings(name)], [[...every10(40), 100], []], way);
    }
  }));

Deno.test("of another training nothing stays, not even who trained it; where no evaluation says which training it is, no file comes", () =>
  scratch(async (path) => {
    const watch = { attention: {}, weights: {} };
    await train(path("long.db"), one(200, { keep: "nothing" }));
    for (const way of ["merge", "import"]) {
      const name = path(`${way}.db`);
      await train(name, one(100, { watch }), { dips: (_, step) => step === 30, groksAt: () => 25 });
      // One that is done would win over one that goes on.
      change(name, "UPDATE runs SET status = 'stopped'");
      if (way === "merge") await merged(path("long.db"), name);
      else await recorded(path("long.db"), path("record"), name, "all");
      assertEquals(results(name), results(path("long.db")), way);
      assertEquals([ask(name, "SELECT from_step, to_step FROM work"), await findings(name)], [[{ from_step: 0, to_step: 200 }], []]);
    }
    await train(path("watched.db"), one(200, { watch }));
    await recorded(path("watched.db"), path("none"), path("none.db"), "none", ["attention"]);
    assertEquals(files(path("none.db")), ["attention-thin 200"]);
    const before = results(path("long.db"));
    await merged(path("none.db"), path("long.db"));
    assertEquals(results(path("long.db")), before);
  }));
