import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { type Experiment, type Grid, grid } from "../../lib/lab/experiment.ts";
import { finalInfo } from "../../lib/lab/final_info.ts";
import { Lab } from "../../lib/lab/store.ts";
import { sweep } from "../../lib/lab/sweep.ts";
import { parameterCount } from "../../lib/run/layout.ts";
import type { Metrics } from "../../lib/engine/engine.ts";
import { fakeEngine } from "../fake_engine.ts";
import { scratch } from "./lab_files.ts";

/** Sums of a few doubles differ from those by hand in the last digits. */
const ROUNDING = 1e-12;

const SMALL: Grid = { model: { dModel: 4, heads: 1, layers: 1 }, data: { prime: 5 }, schedule: { steps: 200, evalEvery: 10 } };

const inLab = (test: (lab: Lab) => void | Promise<void>) =>
  scratch(async (path) => {
    using lab = Lab.open(path("lab.db"));
    await test(lab);
  });

const evaluation = (step: number, valAcc: number, more: Partial<Metrics> = {}): Metrics => ({
  ...{ step, trainLoss: 0.5, trainAcc: 1, valLoss: 0.25, valAcc, weightNorm: 1, gradNorm: 1, batchLoss: 1, batchAcc: 1, noisyAcc: NaN },
  ...more,
});

/** Enters runs as if they had been trained; each is its last step, its status and its evaluations. */
function enter(lab: Lab, experiment: Experiment, results: readonly { step: number; status: string; metrics: readonly Metrics[] }[]): void {
  for (const [i, id] of lab.declare(experiment).entries()) {
    if (!results[i]) continue;
    const { step, status, metrics } = results[i];
    lab.run("UPDATE runs SET step = ?, status = ? WHERE id = ?", step, status, id);
    lab.putMetrics(id, metrics);
    lab.putMilestones(id);
  }
}

// deno-lint-ignore no-explicit-any
type Info = any;

Deno.test("final info: means, the template's stderr, lists by seed, and honest figures, against numbers by hand", () =>
  inLab((lab) => {
    const experiment = { name: "four", runs: grid({ ...SMALL, seed: [3, 1, 2, 0] }) };
    const run = (grok: number | null, loss: number, valAcc: number) => ({
      ...{ step: 200, status: "finished" },
      metrics: [evaluation(0, 0), ...grok === null ? [] : [evaluation(grok, 1)], evaluation(200, valAcc, { trainLoss: loss })],
    });
    // In the order of the experiment: seeds 3, 1, 2, 0.
    enter(lab, experiment, [run(100, 4, 1), run(null, 2, 0.5), run(50, 3, 1), run(60, 1, 0.75)]);
    const { x_plus_y: info, _conventions } = finalInfo(lab, "four") as Info;
    assertEquals(Object.keys(info), ["means", "stderrs", "final_info_dict", "honest"]);
    const P = parameterCount(experiment.runs[0]);
    assertEquals(info.final_info_dict, {
      parameter_count: [P, P, P, P],
      final_train_loss: [1, 2, 3, 4],
      final_val_loss: [0.25, 0.25, 0.25, 0.25],
      final_train_acc: [1, 1, 1, 1],
      final_val_acc: [0.75, 0.5, 1, 1],
      step_val_acc_99: [60, 200, 50, 100],
    });
    assertEquals(info.means, {
      parameter_count_mean: P,
      final_train_loss_mean: 2.5,
      final_val_loss_mean: 0.25,
      final_train_acc_mean: 1,
      final_val_acc_mean: 0.8125,
      step_val_acc_99_mean: 102.5,
    });
    // By its conventions √(5/4) / 4, where √(5/3) / √4 would be right.
    assertAlmostEquals(info.stderrs.final_train_loss_stderr, Math.sqrt(1.25) / 4, ROUNDING);
    assertAlmostEquals(info.stderrs.step_val_acc_99_stderr, Math.sqrt((42.5 ** 2 + 97.5 ** 2 + 52.5 ** 2 + 2.5 ** 2) / 4) / 4, ROUNDING);
    assertEquals(Object.keys(info.stderrs), Object.keys(info.final_info_dict).map((key) => `${key}_stderr`));
    const { standard_errors, ...honest } = info.honest;
    assertEquals(honest, {
      ...{ n: 4, n_grokked: 3, n_never: 1, n_diverged: 0, n_censored: 0, settings: 1 },
      ...{ median_grokking_step: 80, restricted_mean_step: 102.5, restricted_to: 200 },
    });
    assertAlmostEquals(standard_errors.final_train_loss, Math.sqrt(5 / 3) / 2, ROUNDING);
    assertEquals(standard_errors.final_val_loss, 0);
    assertEquals(_conventions.open_runs_left_out, 0);
    // The template's reader: `{k: v["means"] for k, v in results.items()}`.
    for (const value of Object.values(finalInfo(lab, "four") as Info)) assert((value as Info).means);
  }));

Deno.test("final info: no median where half never grokked, and no standard error of a single run", () =>
  inLab((lab) => {
    const ended = (grok: number | null) => ({
      ...{ step: 200, status: "finished" },
      metrics: [...grok === null ? [] : [evaluation(grok, 1)], evaluation(200, 0)],
    });
    enter(lab, { name: "half", runs: grid({ ...SMALL, seed: [0, 1] }) }, [ended(40), ended(null)]);
    enter(lab, { name: "most", runs: grid({ ...SMALL, seed: [2, 3, 4] }) }, [ended(null), ended(70), ended(40)]);
    enter(lab, { name: "one", runs: grid({ ...SMALL, seed: 5 }) }, [ended(40)]);
    const honest = (name: string) => (finalInfo(lab, name) as Info).x_plus_y.honest;
    assertEquals([honest("half").median_grokking_step, honest("half").restricted_mean_step], [null, 120]);
    assertEquals(honest("most").median_grokking_step, 70);
    assertEquals([honest("one").median_grokking_step, honest("one").standard_errors.restricted_mean_step], [40, null]);
    assertEquals((finalInfo(lab, "one") as Info).x_plus_y.stderrs.step_val_acc_99_stderr, 0);
  }));

Deno.test("final info: step_val_acc_99 is by rule first, and no later than the experiment's steps", () =>
  inLab((lab) => {
    const rule = { name: "hard", accuracy: 1, inclusive: true, times: 2 };
    const metrics = [evaluation(50, 0.995), evaluation(60, 0.5), evaluation(150, 1), evaluation(200, 1)];
    enter(lab, { name: "hard", rule, runs: grid({ ...SMALL, seed: 0 }) }, [{ step: 200, status: "finished", metrics }]);
    assertEquals(lab.query("SELECT grokking_step FROM run_summary"), [{ grokking_step: 150 }]);
    assertEquals((finalInfo(lab, "hard") as Info).x_plus_y.final_info_dict.step_val_acc_99, [50]);
    lab.declare({ name: "short", runs: grid({ ...SMALL, seed: 0, schedule: { steps: 40, evalEvery: 10 } }) });
    const { final_info_dict, honest } = (finalInfo(lab, "short") as Info).x_plus_y;
    assertEquals(final_info_dict.step_val_acc_99, [40]);
    assertEquals([honest.n_never, honest.restricted_to, final_info_dict.final_val_acc], [1, 40, [null]]);
    assertEquals((finalInfo(lab, "short") as Info).x_plus_y.means.final_val_acc_mean, null);
  }));

Deno.test("final info: open runs are left out and counted, diverged ones never grokked, early ends count where the experiment has them", () =>
  inLab((lab) => {
    const metrics = [evaluation(0, 0), evaluation(50, 1)];
    const runs = grid({ ...SMALL, seed: [0, 1, 2, 3] });
    const results = [
      ...[{ step: 60, status: "failed", metrics: metrics.slice(0, 1) }, { step: 50, status: "grokked", metrics }],
      { step: 50, status: "stopped", metrics },
    ];
    enter(lab, { name: "early", margin: 0, runs }, results);
    const early = finalInfo(lab, "early") as Info;
    assertEquals([early.x_plus_y.honest.n, early._conventions.open_runs_left_out], [2, 2]);
    assertEquals([early.x_plus_y.honest.n_never, early.x_plus_y.honest.n_diverged], [1, 1]);
    assertEquals(early.x_plus_y.final_info_dict.step_val_acc_99, [200, 50]);
    // Where every run does all its steps, one that ended early isn't done.
    lab.declare({ name: "full", runs });
    assertEquals((finalInfo(lab, "full") as Info)._conventions.open_runs_left_out, 3);
    lab.declare({ name: "none", runs: runs.slice(3) });
    assertThrows(
      () => finalInfo(lab, "none"),
      Error,
      "Cannot give the final info of none: it must have a run that has ended, current value is 1 open",
    );
  }));

Deno.test("final info of a sweep: operations in the template's order, one setting of several by where", () =>
  inLab(async (lab) => {
    const operation = ["x_mul_y", "permutation", "x_plus_y", "x_minus_y", "x_div_y"] as const;
    const runs = grid({
      data: { ...SMALL.data, operation: [...operation] },
      model: { ...SMALL.model, layers: [1, 2] },
      schedule: SMALL.schedule!,
      seed: [0, 1],
    });
    await sweep({ name: "all", runs, keep: "nothing" }, {
      lab,
      engine: fakeEngine({ groksAt: ({ seed }) => seed === 0 ? 100 : Infinity }),
    });
    const both = finalInfo(lab, "all") as Info, one = finalInfo(lab, "all", { where: "layers = 1 -- the small one" }) as Info;
    assertEquals(Object.keys(both), ["_conventions", "x_div_y", "x_minus_y", "x_plus_y", "permutation", "x_mul_y"]);
    assertEquals([both.x_div_y.honest.n, both.x_div_y.honest.settings, one.x_div_y.honest.n, one.x_div_y.honest.settings], [4, 2, 2, 1]);
    assertEquals(one.x_div_y.final_info_dict.step_val_acc_99, [100, 200]);
    assertEquals(one.x_div_y.final_info_dict.final_train_loss, [1 / 201, 1 / 201]);
    for (const where of ["depth = 1", "1) OR (1", "1 ORDER BY seed", "", "1; DELETE FROM runs"]) {
      const { message } = assertThrows(
        () => finalInfo(lab, "all", { where }),
        Error,
        "where must be a condition on the columns of run_summary",
      );
      assert(!message.includes("\n"));
    }
    assertThrows(() => finalInfo(lab, "nothing"), Error, "Cannot give the final info of nothing: it must be one of all");
    assertThrows(() => finalInfo(lab, "all", { where: "layers = 9" }), Error, "current value is 0 open of 0");
  }));
