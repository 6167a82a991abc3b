/** Phases of stored runs: beside their milestones, and in labs and records of the versions before, which have none. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { phaseEdges } from "../../lib/run/phases.ts";
import { Random } from "../../lib/run/random.ts";
import { runSpec } from "../../lib/run/spec.ts";
import { edgesWithin, ruleOf } from "../../lib/lab/cut.ts";
import { phasesOf } from "../../lib/lab/milestones.ts";
import { MIGRATIONS } from "../../lib/lab/schema.ts";
import { Lab } from "../../lib/lab/store.ts";
import { recompute } from "../../lib/lab/recompute.ts";
import { verify } from "../../lib/lab/verify.ts";
import { content, isWhole, scratch } from "./lab_files.ts";
import { watchedRuns as runs } from "./small_lab.ts";
import { into, record, taken, watched } from "./watched_lab.ts";

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

Deno.test("the view dates a transition as the evaluations within the steps do, whatever comes after them", () => {
  using lab = Lab.scratch();
  const random = new Random(1, "probe"), pick = <T>(of: readonly T[]) => of[Math.floor(random.uniform() * of.length)];
  const specs = Array.from({ length: 50 }, (_, seed) =>
    runSpec({
      ...{ preset: "one-layer", model: { dModel: 4, heads: 1 }, data: { prime: 5 }, seed },
      schedule: { steps: 125, evalEvery: 10 },
    }));
  const rules = [1, 2, 3].map((times) => ({ name: `r${times}`, accuracy: 0.95, inclusive: true, times, memorised: 0.9 }));
  for (const rule of rules) {
    for (const steps of [35, 60, 90, 125]) {
      const runs = specs.map((spec) => ({ ...spec, schedule: { ...spec.schedule, steps } }));
      lab.declare({ name: `${rule.name}-${steps}`, rule, runs });
    }
  }
  for (const id of specs.map((_, i) => i + 1)) {
    const memorised = pick([0, 20, 40, 80]),
      jump = pick([0, 20, 30, 40, 60, 90]),
      [low, high] = pick([[0.1, 1], [0.94, Math.fround(0.95)]]);
    const steps = [...Array.from({ length: 13 }, (_, i) => 10 * i), 125];
    lab.putMetrics(
      id,
      steps.map((step) => ({
        ...{
          step,
          trainLoss: 1,
          trainAcc: step < memorised ? 0 : 1,
          valLoss: 1,
          valAcc: step < jump ? low : pick([low, high, high, high]),
        },
        ...{ weightNorm: 1, gradNorm: 1, batchLoss: 1, batchAcc: 1, noisyAcc: NaN },
      })),
    );
    lab.putMilestones(id);
  }
  lab.run("UPDATE runs SET step = 125, status = 'finished'");
  let told = 0;
  for (const thinned of [0, 1]) {
    lab.run("UPDATE runs SET thinned = ?", thinned);
    for (const { name } of lab.query<{ name: string }>("SELECT name FROM experiments")) {
      const rule = ruleOf(lab, name), rows = lab.query("SELECT run, transition_step AS at FROM run_summary WHERE experiment = ?", name);
      const at = new Map(rows.map((row) => [row.run, row.at]));
      for (const run of lab.runs(name)) {
        const edges = edgesWithin(lab, run, rule)!, all = phasesOf(lab, run.id, rule.name)!;
        assertEquals(at.get(run.id), edges.transition, `run ${run.id} of ${name}`);
        if (thinned === 0) assertEquals(edges, phaseEdges(run.metrics, rule));
        const apart = all.transition !== null && all.transition !== all.generalised;
        if (edges.transition !== null && edges.generalised === null && all.generalised !== null && !apart) told++;
      }
    }
  }
  assert(told > 20, "some transitions must be told by the evaluations alone");
});

Deno.test("a lab of the version before opens with all that it has and gets its phases, also where that version stored something later", () =>
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
