/**
 * Sweeps in a notebook and what was recorded: what there is isn't trained again, what is new is, and `deno task notebooks --record` makes
 * the record.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { done, type Experiment, EXPERIMENTS, grid, range, recorded, stored, storedRuns, sweep } from "../../lib/mod.ts";
import { BUDGET, LABS, RECORD, UNFINISHED } from "../../lib/notebook/sweep.ts";
import { exportRecorded } from "../../lib/lab/record/export.ts";
import { knobWeightDecay } from "../../lib/studies/lessons/knobs.ts";
import { fakeEngine } from "../fake_engine.ts";
import { scratch } from "../lab/lab_files.ts";

const runs = (seeds: number) =>
  grid({ model: { dModel: 4, heads: 2 }, data: { prime: 5 }, schedule: { steps: 400, evalEvery: 20 }, seed: range(seeds) });
const small: Experiment = { name: "small", margin: 0, runs: runs(2) };
const engine = () => fakeEngine({ groksAt: () => 200 });
const trained = (engine: { readonly log: readonly string[] }) => engine.log.filter((line) => line.startsWith("open"));

/** A folder with what was recorded of `small`. */
async function recordedIn(folder: string): Promise<string> {
  const recorded = join(folder, "recorded");
  using lab = await sweep(small, { db: join(folder, "first.db"), engine: engine() });
  await exportRecorded(lab, small.name, join(recorded, small.name), { metrics: "thin", command: "test" });
  return recorded;
}

Deno.test("what was recorded isn't trained again, and says who trained it; what is new is trained", () =>
  scratch(async (path) => {
    const folder = path("");
    const from = await recordedIn(folder), db = join(folder, "lab.db"), on = engine();
    {
      using lab = await sweep(small, { db, recorded: from, engine: on });
      assertEquals(trained(on), []);
      assertEquals(
        lab.query("SELECT state, grokking_step, n_adapters FROM run_summary"),
        Array(2).fill({ state: "grokked", grokking_step: 200, n_adapters: 1 }),
      );
      const [row] = lab.query("SELECT experiment, n_runs, updates FROM provenance");
      assertEquals(row, { experiment: "small", n_runs: 2, updates: 400 });
    }
    using lab = await sweep({ ...small, runs: runs(3) }, { db, recorded: from, engine: on });
    assertEquals(trained(on), ["open 1"]);
    assertEquals(lab.query("SELECT sum(n_runs) AS n FROM provenance"), [{ n: 3 }]);
  }));

Deno.test("a weight decay of one's own in the second lesson trains its five runs alone, whatever the lab at hand has", () =>
  scratch(async (path) => {
    // Four of the recorded runs, ended here after 100 of their 2,000 steps.
    const shorter = knobWeightDecay().runs.slice(0, 4).map((spec) => ({ ...spec, schedule: { ...spec.schedule, steps: 100 } }));
    const db = path("lab.db"), on = fakeEngine({ groksAt: () => 20 });
    (await sweep({ name: "shorter", margin: 0, runs: shorter }, { db, recorded: false, engine: fakeEngine(), figure: null })).close();
    using lab = await sweep(knobWeightDecay(1.5), { db, engine: on, figure: null });
    assertEquals(trained(on), ["open 5"]);
    const grokked = (where: string) =>
      lab.query<{ n: number }>(`SELECT count(*) AS n FROM run_summary WHERE experiment = 'knob_weight_decay' AND ${where}`)[0].n;
    assertEquals([grokked("state = 'grokked'"), grokked("weight_decay = 1.5"), grokked("1")], [12 + 5, 5, 40]);
    assertEquals(lab.query("SELECT DISTINCT watched_until FROM run_summary WHERE experiment = 'knob_weight_decay' AND weight_decay = 0"), [{
      watched_until: 2000,
    }]);
  }));

Deno.test("asked for exactly a grid, a sweep leaves out what an earlier one of its name has, and trains nothing twice", () =>
  scratch(async (path) => {
    const db = path("lab.db"), on = engine(), shorter = grid({ ...runs(1)[0], schedule: { steps: 300, evalEvery: 20 }, seed: [1, 2] });
    const seen = async (experiment: Experiment, exactly: boolean) => {
      using lab = await sweep(experiment, { db, recorded: false, engine: on, exactly });
      const [{ n }] = lab.query<{ n: number }>("SELECT sum(n_runs) AS n FROM ratio_sweep_stats WHERE experiment = 'small'");
      assertEquals(lab.runs("small").length, n);
      return lab.runs("small").map(({ spec: { seed, schedule } }) => [seed, schedule.steps]);
    };
    assertEquals(await seen(small, true), [[0, 400], [1, 400]]);
    assertEquals(await seen({ ...small, runs: shorter }, false), [[0, 400], [1, 400], [2, 300]]);
    assertEquals(await seen({ ...small, runs: shorter }, true), [[1, 300], [2, 300]]);
    assertEquals(await seen(small, true), [[0, 400], [1, 400]]);
    assertEquals(trained(on), ["open 2", "open 1"]);
  }));

Deno.test("runs that an exact grid leaves out are counted in a line; where nothing is left out, nothing is said", () =>
  scratch(async (path) => {
    const db = path("lab.db"), other = { ...small, runs: runs(5).slice(1) }, said: unknown[] = [], { error } = console;
    console.error = (line) => said.push(line);
    try {
      for (const [experiment, exactly] of [[other, true], [small, false], [small, true], [small, true], [other, true]] as const) {
        said.push(experiment === other ? "other" : "small");
        (await sweep(experiment, { db, recorded: false, engine: engine(), figure: null, exactly })).close();
      }
    } finally {
      console.error = error;
    }
    const line = (runs: string) =>
      `small: ${runs} of other grids of this name in the lab no longer counted; all that was trained stays stored, and a sweep of those ` +
      "grids counts it again";
    assertEquals(said, ["other", "small", "small", line("3 runs"), "small", "other", line("1 run")]);
  }));

Deno.test("where a notebook is run without a reader, a database that its cells name is made anew elsewhere", () =>
  scratch(async (path) => {
    const db = path("study.db"),
      other = { ...small, runs: runs(5).slice(2) },
      on = engine(),
      folder = Deno.makeTempDirSync({ dir: path("") });
    (await sweep(other, { db, recorded: false, engine: on, figure: null })).close();
    const before = Deno.readFileSync(db);
    Deno.env.set(LABS, folder);
    try {
      (await sweep(small, { db, recorded: false, engine: on, figure: null, exactly: true })).close();
      for (const open of [recorded, stored]) {
        using lab = await open(small, { db, recorded: false });
        assertEquals(lab.runs("small").map(({ step }) => step), [200, 200]);
      }
    } finally {
      Deno.env.delete(LABS);
    }
    assertEquals([Deno.readFileSync(db), Deno.statSync(join(folder, "study.db")).isFile], [before, true]);
    using lab = await stored(other, { db, recorded: false });
    assertEquals(lab.runs("small").length, 3);
  }));

Deno.test("without the record all is trained; a record that is broken is said, and the lab stays as it was", () =>
  scratch(async (path) => {
    const folder = path("");
    const from = await recordedIn(folder), on = engine(), db = join(folder, "lab.db");
    (await sweep(small, { db, recorded: false, engine: on })).close();
    assertEquals(trained(on), ["open 2"]);
    await Deno.writeTextFile(join(from, "small", "runs.csv"), "run\n");
    (await sweep(small, { db, recorded: from, engine: on })).close(); // all there: not even looked at
    await assertRejects(
      () => sweep(small, { db: join(folder, "other.db"), recorded: from, engine: on }),
      Error,
      "runs.csv, line 1: its columns must",
    );
    assertEquals(trained(on), ["open 2"]);
  }));

Deno.test("recorded gives what there is and trains nothing", () =>
  scratch(async (path) => {
    const folder = await recordedIn(path("")), on = engine();
    using lab = await recorded({ ...small, runs: runs(3) }, { db: path("lab.db"), recorded: folder, engine: on });
    assertEquals(lab.query("SELECT state, count(*) AS n FROM run_summary GROUP BY state"), [{ state: "grokked", n: 2 }, {
      state: "open",
      n: 1,
    }]);
    assertEquals(trained(on), []);
  }));

Deno.test("stored trains nothing, while all is recorded anew either", () =>
  scratch(async (path) => {
    const [first, ...others] = knobWeightDecay().runs, { name } = knobWeightDecay(), on = fakeEngine({ groksAt: () => 20 });
    (await sweep({ name, margin: 0, runs: [first] }, { db: path("lab.db"), recorded: false, engine: on, figure: null })).close();
    // Were it to train, it would be into another lab, and not for long.
    Deno.env.set(RECORD, path("record"));
    Deno.env.set(BUDGET, "0");
    try {
      using lab = await stored(name, { db: path("lab.db"), recorded: false });
      const [{ open, all }] = lab.query(
        "SELECT sum(state = 'open') AS open, count(*) AS \"all\" FROM run_summary WHERE experiment = ?",
        name,
      );
      assertEquals([open, all], [others.length, others.length + 1]);
      const begun = (await storedRuns([name], { db: path("lab.db"), recorded: false })).filter(({ step }) => step > 0);
      assertEquals(begun.map(({ spec }) => spec), [first]);
    } finally {
      Deno.env.delete(RECORD);
      Deno.env.delete(BUDGET);
    }
    assertEquals(trained(on), ["open 1"]);
  }));

Deno.test("done tells whether all of an experiment is there, in the lab or the record", () =>
  scratch(async (path) => {
    const folder = await recordedIn(path("")), db = path("lab.db");
    assertEquals(await done({ ...small, runs: runs(3) }, { db, recorded: folder }), false);
    assertEquals(await done(small, { db, recorded: folder }), true);
    assertEquals(await done(small, { db: path("other.db"), recorded: false }), false);
    assertEquals(await done(small, { db, recorded: false }), true);
    // Of several experiments, a run that they share comes once, from the one that watches it longest; what nobody trained is there, but
    // hasn't begun.
    const more = { ...small, name: "more", runs: runs(3) };
    const some = await storedRuns([small, more], { db: path("some.db"), recorded: folder });
    const told = (runs: typeof some) => runs.map(({ spec, step, grokkingStep }) => [spec.seed, step, grokkingStep]);
    assertEquals(told(some), [[0, 200, 200], [1, 200, 200], [2, 0, null]]);
    const brief = { ...small, name: "brief", runs: small.runs.map((run) => ({ ...run, schedule: { ...run.schedule, steps: 100 } })) };
    const long = { ...small, name: "long", runs: small.runs.map((run) => ({ ...run, schedule: { ...run.schedule, steps: 9000 } })) };
    for (const order of [[small, brief, long], [long, brief, small]]) {
      const shared = await storedRuns(order, { db: path(`${order[0].name}.db`), recorded: folder });
      assertEquals(told(shared), [[0, 200, 200], [1, 200, 200]]);
      assertEquals(shared.map(({ spec }) => spec.schedule.steps), [9000, 9000]);
    }
  }));

Deno.test("recording trains anew what has a name, and leaves its results to be kept; a hypothesis of one's own stays one's own", () =>
  scratch(async (path) => {
    const folder = path("");
    const from = await recordedIn(folder), on = engine(), to = join(folder, "out");
    const [named] = EXPERIMENTS.filter(({ name }) => name === "knob_labels");
    Deno.env.set(RECORD, to);
    try {
      (await sweep(named, { recorded: from, engine: on })).close();
      const once = trained(on).length;
      assert(once > 0);
      (await sweep(small, { db: join(folder, "lab.db"), recorded: from, engine: on })).close();
      assertEquals(trained(on).length, once);
    } finally {
      Deno.env.delete(RECORD);
    }
    assertEquals([...Deno.readDirSync(to)].map(({ name }) => name).filter((name) => !name.startsWith("lab.")).sort(), ["knob_labels"]);
    // What it left is what a sweep takes.
    const once = trained(on);
    (await sweep(named, { db: join(folder, "again.db"), recorded: to, engine: on })).close();
    assertEquals(trained(on), once);
  }));

Deno.test("recording within a budget leaves a note of what isn't whole, and the next call goes on", () =>
  scratch(async (path) => {
    const on = engine(), to = path("out"), note = join(to, `knob_labels${UNFINISHED}`);
    Deno.env.set(RECORD, to);
    Deno.env.set(BUDGET, "0.001");
    try {
      (await sweep("knob_labels", { engine: on })).close();
      assertEquals([trained(on), await Deno.readTextFile(note)], [[], "0 of 15 runs have ended"]);
      Deno.env.delete(BUDGET);
      (await recorded("knob_labels", { engine: on })).close();
    } finally {
      Deno.env.delete(RECORD);
      Deno.env.delete(BUDGET);
    }
    const names = [...Deno.readDirSync(to)].map(({ name }) => name).filter((name) => !name.startsWith("lab."));
    assertEquals([trained(on).length > 0, names], [true, ["knob_labels"]]);
  }));
