/** Runs that are trained again: on another engine, nothing of the earlier training stays beside the new; on the same one, all does. */
import { assert, assertEquals } from "@std/assert";
import type { Engine } from "../../lib/engine/engine.ts";
import { exportRecorded } from "../../lib/lab/record/export.ts";
import { importRecorded } from "../../lib/lab/record/import.ts";
import { Session } from "../../lib/lab/session.ts";
import { Lab } from "../../lib/lab/store.ts";
import { sweep } from "../../lib/lab/sweep.ts";
import { verify } from "../../lib/lab/verify.ts";
import { specHash } from "../../lib/run/spec.ts";
import { fakeEngine } from "../fake_engine.ts";
import { content, scratch } from "./lab_files.ts";
import { runs, small } from "./small_lab.ts";

/** One run, with weights on the way. */
const one = (steps: number) => small({ runs: runs(steps, [0]).slice(0, 1), watch: { weights: { perDecade: 4 } } });

/** Two engines whose evaluations are the same at step 0 and differ from step 10 on. */
const first = () => fakeEngine({ groksAt: () => 45 });
const second = () => ({ ...fakeEngine({ groksAt: () => 145 }), info: { ...first().info, adapter: "another" } });

const train = async (path: string, steps: number, engine: Engine) => {
  using lab = Lab.open(path);
  await sweep(one(steps), { lab, engine, say: () => {} });
};

/** A session that claims the run and stores evaluations of another lab's run up to a step, and is then stopped. */
async function begin(lab: Lab, from: Lab, engine: Engine, until: number): Promise<number> {
  const session = await Session.open(lab, { info: engine.info, command: "begun", say: () => {} });
  const state = (await session.claim(1, 2400, () => true, one(2400)))?.from, step = state && "step" in state ? state.step : -1;
  for (const evaluation of from.metrics(1, until)) if (evaluation.step > step) session.record(1, evaluation);
  session.flush(true);
  session.close();
  return step;
}

const adapters = (lab: Lab) =>
  lab.query<{ adapter: string }>(
    "SELECT DISTINCT adapter FROM work JOIN sessions s ON s.id = session JOIN environments e ON e.id = environment ORDER BY adapter",
  ).map(({ adapter }) => adapter);
const files = (lab: Lab) =>
  lab.query("SELECT kind, step FROM artifacts WHERE step > 0 ORDER BY kind, step").map(({ kind, step }) => `${kind} ${step}`);
const milestones = (lab: Lab) => lab.query("SELECT rule, last_step, grokking_step FROM milestones ORDER BY rule");
const steps = (lab: Lab) => lab.metrics(1).map(({ step }) => step);

for (const metrics of ["all", "thin", "none"] as const) {
  Deno.test(`imported with ${metrics} evaluations and begun anew on another engine, a run has from then on what that one trained, and no more`, () =>
    scratch(async (path) => {
      await train(path("first.db"), 2000, first());
      await train(path("second.db"), 2400, second());
      {
        using from = Lab.open(path("first.db"), { readOnly: true });
        await exportRecorded(from, "small", path("record"), { metrics, files: ["weights"], command: "test" });
      }
      {
        using lab = Lab.open(path("lab.db")), other = Lab.open(path("second.db"), { readOnly: true });
        await importRecorded(lab, path("record"));
        assert(files(lab).length > 0);
        lab.declare(one(2400));
        await begin(lab, other, second(), 30);
        assertEquals([steps(lab), adapters(lab), files(lab)], [[0, 10, 20, 30], ["another"], []]);
        assertEquals(lab.metrics(1), other.metrics(1, 30));
        // Those of the new training, as far as it was when it took the place of the other.
        const found = { last_step: metrics === "none" ? 0 : 10, grokking_step: null };
        assertEquals(milestones(lab), [{ rule: "first", ...found }, { rule: "sustained", ...found }]);
        // The weights at step 0 are those of any training.
        assertEquals([...Deno.readDirSync(lab.folder)].map(({ name }) => name.split(".")[0]), [`${specHash(one(0).runs[0])}-0`]);
      }
      await train(path("lab.db"), 2400, second());
      assertEquals({ ...content(path("lab.db")), members: [] }, { ...content(path("second.db")), members: [] });
      using lab = Lab.open(path("lab.db"), { readOnly: true });
      assertEquals([adapters(lab), (await verify(lab)).findings], [["another"], []]);
    }));
}

Deno.test("imported and begun anew on the same engine, a run keeps what is stored of it until it is computed again", () =>
  scratch(async (path) => {
    await train(path("first.db"), 200, first());
    using from = Lab.open(path("first.db"), { readOnly: true }), lab = Lab.open(path("lab.db"));
    await exportRecorded(from, "small", path("record"), { metrics: "all", files: ["weights"], command: "test" });
    await importRecorded(lab, path("record"));
    lab.declare(one(400));
    const before = [lab.metrics(1), files(lab), milestones(lab)];
    assertEquals(await begin(lab, from, first(), 30), -1);
    assertEquals([lab.metrics(1), files(lab), milestones(lab)], before);
    assertEquals(lab.query("SELECT to_step FROM work ORDER BY to_step"), [{ to_step: 0 }, { to_step: 200 }]);
  }));

Deno.test("gone on with on another engine, a run keeps what led to its state, and loses what was stored beyond it", () =>
  scratch(async (path) => {
    await train(path("first.db"), 400, first());
    await train(path("second.db"), 400, second());
    await train(path("lab.db"), 100, first());
    using lab = Lab.open(path("lab.db"));
    using one = Lab.open(path("first.db"), { readOnly: true }), other = Lab.open(path("second.db"), { readOnly: true });
    lab.run("UPDATE members SET steps = 400");
    assertEquals([await begin(lab, one, first(), 200), steps(lab).at(-1)], [100, 200]);
    const kept = files(lab);
    assertEquals([await begin(lab, other, second(), 120), steps(lab).slice(-3)], [100, [100, 110, 120]]);
    assertEquals(lab.metrics(1), [...one.metrics(1, 100), ...other.metrics(1, 120).slice(11)]);
    assertEquals(files(lab), kept);
    assertEquals(lab.query("SELECT from_step, to_step FROM work ORDER BY from_step"), [
      { from_step: 0, to_step: 100 },
      { from_step: 100, to_step: 100 },
    ]);
  }));
