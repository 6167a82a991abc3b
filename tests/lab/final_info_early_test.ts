/** Final info of runs that their experiment ended by a rule of its own: censored by the template's, and not runs that never grokked. */
import { assertEquals } from "@std/assert";
import { grid } from "../../lib/lab/experiment.ts";
import { finalInfo } from "../../lib/lab/final_info.ts";
import { importRecorded } from "../../lib/lab/record/import.ts";
import { Lab } from "../../lib/lab/store.ts";
import { RECORDED } from "../../lib/notebook/sweep.ts";
import { scratch } from "./lab_files.ts";

// deno-lint-ignore no-explicit-any
const honest = (lab: Lab, name: string) => (finalInfo(lab, name) as any).x_plus_y.honest;
const evaluation = (step: number, valAcc: number) => ({
  ...{ step, trainLoss: 0.5, trainAcc: 1, valLoss: 0.25, valAcc, weightNorm: 1, gradNorm: 1, batchLoss: 1, batchAcc: 1, noisyAcc: NaN },
});

Deno.test("what ended early without 99 % counts for as long as it was watched; the median is known where it can't change it", () => {
  using lab = Lab.scratch();
  const rule = { name: "half", accuracy: 0.5, inclusive: true, times: 1 };
  const runs = grid({
    model: { dModel: 4, heads: 1, layers: 1 },
    data: { prime: 5 },
    schedule: { steps: 1000, evalEvery: 10 },
    seed: [0, 1, 2, 3, 4],
  });
  const ends: [step: number, status: string, at: number, valAcc: number][] = [
    [100, "grokked", 50, 1],
    [200, "grokked", 150, 1],
    [200, "grokked", 160, 1],
    [300, "grokked", 250, 0.6],
    [1000, "finished", 1000, 0],
  ];
  for (const [i, id] of lab.declare({ name: "half", rule, margin: 0, runs }).entries()) {
    const [step, status, at, valAcc] = ends[i];
    lab.run("UPDATE runs SET step = ?, status = ? WHERE id = ?", step, status, id);
    lab.putMetrics(id, [evaluation(0, 0), evaluation(at, valAcc), evaluation(step, valAcc)]);
    lab.putMilestones(id);
  }
  const { standard_errors: _, ...figures } = honest(lab, "half");
  assertEquals(figures, {
    ...{ n: 5, n_grokked: 3, n_never: 1, n_diverged: 0, n_censored: 1, settings: 1 },
    ...{ median_grokking_step: 160, restricted_mean_step: (50 + 150 + 160 + 300 + 300) / 5, restricted_to: 300 },
  });
  // Of two that reached it early, one may come before the median of five.
  lab.run("UPDATE metrics SET val_acc = 0.6 WHERE run IN (2, 3) AND val_acc = 1");
  for (const id of [2, 3]) lab.putMilestones(id);
  const { n_censored, median_grokking_step, restricted_to } = honest(lab, "half");
  assertEquals([n_censored, median_grokking_step, restricted_to], [3, null, 200]);
});

Deno.test("of the recorded shortcuts, forty were stopped without 99 %: none of them counts as one that never grokked", () =>
  scratch(async (path) => {
    using lab = Lab.open(path("lab.db"));
    await importRecorded(lab, `${RECORDED}/shortcuts`);
    const { n, n_grokked, n_never, n_censored, restricted_to, restricted_mean_step } = honest(lab, "shortcuts");
    assertEquals([n, n_grokked, n_never, n_censored, restricted_to], [120, 15, 65, 40, 100]);
    assertEquals(restricted_mean_step <= 100, true);
  }));
