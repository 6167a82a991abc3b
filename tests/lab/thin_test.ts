/** Records with a part of the evaluations: what thinning leaves of a curve, and what comes back of it. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { range } from "../../lib/lab/experiment.ts";
import { exportRecorded } from "../../lib/lab/record/export.ts";
import { importRecorded } from "../../lib/lab/record/import.ts";
import { MOST, MOVE, thinned } from "../../lib/lab/record/thin.ts";
import { Lab } from "../../lib/lab/store.ts";
import type { Metrics } from "../../lib/engine/engine.ts";
import { scratch } from "./lab_files.ts";
import { dump, enter, evaluation, record, runs, small, texts } from "./small_record.ts";

/** A curve that memorises, waits, groks within some evaluations, and dips four times, once for a single evaluation. */
const curve: readonly Metrics[] = range(1000).map((i) => {
  const [, , dip] = [[750, 1, 0.7], [800, 3, 0.05], [900, 40, 0.3], [995, 2, 0.9]].find(([at, width]) => i >= at && i < at + width) ??
    [0, 0, 0];
  const valAcc = 0.2 + 0.79 / (1 + Math.exp(-(i - 600) / 12)) - dip + 0.004 * Math.sin(i);
  return evaluation(10 * i, { trainAcc: Math.min(1, 0.1 + i / 60), valAcc: Math.max(0, valAcc), trainLoss: 1 / (1 + i) });
});

Deno.test("a thinned curve is nowhere further from the whole one than a move that doesn't count", () => {
  const all = curve, kept = thinned(all);
  assert(kept.length <= MOST && kept.length > 60, String(kept.length));
  assertEquals([kept[0], kept.at(-1)], [all[0], all.at(-1)!]);
  for (const field of ["trainAcc", "valAcc"] as const) {
    let at = 0;
    for (const row of all) {
      while (kept[at + 1]?.step <= row.step) at++;
      // As a figure holds the last value, and as it draws a line to the next one.
      const [before, after] = [kept[at], kept[at + 1] ?? kept[at]], share = (row.step - before.step) / (after.step - before.step || 1);
      assert(Math.abs(row[field] - before[field]) <= MOVE, `${field} at ${row.step}`);
      assert(Math.abs(row[field] - before[field] - share * (after[field] - before[field])) <= 2 * MOVE, `${field} at ${row.step}`);
    }
  }
  assertEquals(thinned(kept), kept);
  assertEquals(thinned(all.slice(0, MOST)), all.slice(0, MOST));
  const nervous = all.map((row, i) => ({ ...row, valAcc: i % 2 }));
  assert(thinned(nervous).length <= MOST && thinned(nervous, new Set([1230])).some(({ step }) => step === 1230));
});

Deno.test("thin and none: milestones as they were, marked as a part, the same bytes again", () =>
  scratch(async (path) => {
    using a = Lab.open(path("a.db"));
    enter(a, small({ runs: runs(9990).slice(0, 1) }), curve);
    // The end of an experiment that asks for fewer steps of the same run is there, too.
    a.declare({ name: "short", rule: "sustained", runs: runs(7770).slice(0, 1) });
    await record(a, "small", path("all"));
    for (const kept of ["thin", "none"] as const) {
      using b = Lab.open(path(`${kept}.db`));
      const { evaluations } = await record(a, "short", path(kept), kept);
      assert(kept === "none" ? evaluations === 0 : evaluations > 60 && evaluations <= MOST);
      assertEquals(Object.keys(texts(path(kept))).includes("metrics.csv"), kept === "thin");
      assertEquals((await importRecorded(b, path(kept))).entered, 1);
      assertEquals(b.query("SELECT thinned, (SELECT count(*) FROM metrics) AS n FROM runs"), [{ thinned: 1, n: evaluations }]);
      const milestones = (lab: Lab) => lab.query("SELECT * FROM milestones ORDER BY rule");
      assertEquals(milestones(b), milestones(a));
      assert(milestones(b).every(({ grokking_step, dips }) => grokking_step !== null && Number(dips) > 0));
      const summary = (lab: Lab) =>
        lab.query("SELECT state, grokking_step, final_val_acc, final_train_loss FROM run_summary WHERE experiment = 'short'");
      if (kept === "thin") assertEquals(summary(b), summary(a));
      await record(b, "short", path(`${kept}, again`), kept);
      assertEquals(texts(path(`${kept}, again`)), texts(path(kept)));
      const before = dump(b);
      assertEquals((await importRecorded(b, path(kept))).entered, 0);
      assertEquals(dump(b), before);
      // What is whole takes the place of a part, and not the other way round.
      assertEquals((await importRecorded(b, path("all"))).entered, 1);
      assertEquals(b.metrics(1), a.metrics(1));
      assertEquals((await importRecorded(b, path(kept))).entered, 0);
      assertEquals(b.metrics(1).length, 1000);
    }
    await assertRejects(
      () => record(a, "small", path("all"), "none"),
      Error,
      "with 1000, it would have 0); --metrics all takes them along",
    );
    await exportRecorded(a, "small", path("all"), { metrics: "none", command: "test", replace: true });
    assertEquals(Object.keys(texts(path("all"))).sort(), ["experiment.json", "runs.csv"]);
  }));
