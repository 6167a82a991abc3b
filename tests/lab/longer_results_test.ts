/** Longer results of a run that come as a part of its evaluations, and experiments that ask for fewer steps or by a rule of their own. */
import { assertEquals, assertMatch } from "@std/assert";
import type { Experiment, NamedRule } from "../../lib/lab/experiment.ts";
import { merge } from "../../lib/lab/merge.ts";
import { exportRecorded } from "../../lib/lab/record/export.ts";
import { importRecorded } from "../../lib/lab/record/import.ts";
import { seal } from "../../lib/lab/seals.ts";
import { left } from "../../lib/lab/standing.ts";
import { Lab } from "../../lib/lab/store.ts";
import { sweep } from "../../lib/lab/sweep.ts";
import { fakeEngine, type FakeOptions } from "../fake_engine.ts";
import { isWhole, scratch } from "./lab_files.ts";
import { watchedRuns } from "./small_lab.ts";

/** A rule that no record has unless an experiment of it asks for it. */
const MINE: NamedRule = { name: "mine", accuracy: 0.9, inclusive: true, times: 3 };
/** One run, evaluated every 10 updates; it groks at 200. */
const one = (steps: number, more: Partial<Experiment> = {}): Experiment => ({ name: "one", runs: watchedRuns(steps).slice(0, 1), ...more });
const mine = (steps: number, more: Partial<Experiment> = {}) => one(steps, { name: "mine", rule: MINE, ...more });

/** Trains in a database. @returns what was said. */
async function train(path: string, experiment: Experiment, more: FakeOptions = {}): Promise<string[]> {
  const said: string[] = [];
  using lab = Lab.open(path);
  await sweep(experiment, { lab, engine: fakeEngine({ groksAt: () => 200, ...more }), say: (line) => said.push(line) });
  return said;
}
/** What a database's experiment says of its only run. */
function seen(path: string, experiment: Experiment): string {
  using lab = Lab.open(path);
  const [row] = lab.query<{ state: string; status: string; grokking_step: number | null; watched_until: number; known_until: number }>(
    "SELECT state, status, grokking_step, watched_until, known_until FROM run_summary WHERE experiment = ?",
    experiment.name,
  );
  return `${row.state} ${row.grokking_step ?? "–"}, ${row.status} at ${row.watched_until}, ${left(lab, experiment).length} left`;
}
/** A record of the run for 2000 steps, of which a part of the evaluations is kept. */
async function recordOf(path: (name: string) => string, metrics: "all" | "thin" = "thin"): Promise<string> {
  await train(path("long.db"), one(2000));
  using lab = Lab.open(path("long.db"));
  await exportRecorded(lab, "one", path("record"), { metrics, command: "test" });
  return path("record");
}

for (const way of ["import", "merge"] as const) {
  Deno.test(`${way}: what is known by a rule that longer results weren't judged by stays known, and its experiment is done as before`, () =>
    scratch(async (path) => {
      const record = await recordOf(path), short = mine(1000);
      await train(path("lab.db"), short);
      assertEquals(seen(path("lab.db"), short), "grokked 200, finished at 1000, 0 left");
      {
        using lab = Lab.open(path("lab.db")), other = Lab.open(path("other.db"));
        await importRecorded(way === "import" ? lab : other, record);
        if (way === "merge") await merge(other, lab, () => {});
      }
      assertEquals(seen(path("lab.db"), short), "grokked 200, finished at 1000, 0 left");
      assertEquals(seen(path("lab.db"), one(2000)), "grokked 200, finished at 2000, 0 left");
      // Of the steps beyond, the rule says nothing.
      {
        using lab = Lab.open(path("lab.db"));
        lab.declare(mine(2000, { name: "mine_long" }));
      }
      assertEquals(seen(path("lab.db"), mine(2000, { name: "mine_long" })), "grokked 200, stopped at 1000, 1 left");
      await isWhole(path("lab.db"));
    }));
}

Deno.test("fewer steps, by a rule that the results can't be judged by, don't take the place of more: that is said, and all stays", () =>
  scratch(async (path) => {
    const record = await recordOf(path);
    {
      using lab = Lab.open(path("lab.db"));
      await importRecorded(lab, record);
    }
    const said = await train(path("lab.db"), mine(500, { margin: 0 }));
    assertEquals(said.length, 1);
    assertMatch(said[0], /^Cannot train run \w+ to step 500: of steps up to 2000 .*; ask for at least 2000 steps, or use another lab/);
    assertEquals(seen(path("lab.db"), one(2000)), "grokked 200, finished at 2000, 0 left");
    assertEquals(seen(path("lab.db"), mine(500, { margin: 0 })), "open –, stopped at 0, 1 left");
    await isWhole(path("lab.db"));
    // As many steps as there are give all of it anew.
    assertEquals(await train(path("lab.db"), mine(2000)), []);
    assertEquals(seen(path("lab.db"), mine(2000)), "grokked 200, finished at 2000, 0 left");
    assertEquals(seen(path("lab.db"), one(2000)), "grokked 200, finished at 2000, 0 left");
    await isWhole(path("lab.db"));
  }));

Deno.test("a state stays what a run goes on from, also where longer results were stored as far as an earlier one", () =>
  scratch(async (path) => {
    await train(path("lab.db"), one(500));
    await train(path("far.db"), one(600));
    {
      // As after a kill: the last state is of step 400, evaluations go further.
      using far = Lab.open(path("far.db")), lab = Lab.open(path("lab.db"));
      far.write(() => {
        far.run("UPDATE runs SET step = 400, status = 'stopped'");
        seal(far, "run", 1);
      });
      await exportRecorded(far, "one", path("record"), { metrics: "all", command: "test" });
      lab.declare(one(2000));
      await importRecorded(lab, path("record"));
    }
    await isWhole(path("lab.db"));
    assertEquals(await train(path("lab.db"), one(2000)), []);
    using lab = Lab.open(path("lab.db"));
    assertEquals(lab.query("SELECT from_step, to_step FROM work ORDER BY from_step DESC LIMIT 1"), [{ from_step: 500, to_step: 2000 }]);
  }));

Deno.test("of ten evaluations in a row, the last may be the one at the end of steps that aren't a multiple", () =>
  scratch(async (path) => {
    const odd = one(205, { rule: "sustained" });
    await train(path("lab.db"), odd, { groksAt: () => 115 });
    assertEquals(seen(path("lab.db"), odd), "grokked 120, finished at 205, 0 left");
  }));
