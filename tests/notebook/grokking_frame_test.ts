/** Dataframes of runs. */
import { assertEquals } from "@std/assert";
import type { Metrics } from "../../lib/engine/engine.ts";
import { grid, range } from "../../lib/lab/experiment.ts";
import { grokkingFrame, settingFrame } from "../../lib/notebook/frames.ts";
import { grokkingStep, RULES } from "../../lib/run/grokking.ts";
import { runSpec } from "../../lib/run/spec.ts";
import type { Run } from "../../lib/train/train.ts";

Deno.test("a run's row has the grokking step of the rule that it was watched by", () => {
  const metrics = Array.from({ length: 60 }, (_, i): Metrics => ({
    ...{
      step: 20 * i,
      trainLoss: 1,
      trainAcc: 1,
      valLoss: 1,
      valAcc: i < 20 ? 0.3 : 0.97,
      weightNorm: 1,
      gradNorm: 1,
      batchLoss: 1,
      batchAcc: 1,
    },
    noisyAcc: NaN,
  }));
  const run: Run = {
    ...{ index: 0, spec: runSpec({ seed: 7 }), status: "grokked", step: 1180, metrics, memorisationStep: 0 },
    grokkingStep: grokkingStep(metrics, RULES.sustained),
  };
  const frame = grokkingFrame([run]);
  assertEquals([frame.columns, frame.values[0]], [["seed", "memorised", "grokked", "delay", "watched until"], [7, 0, 400, 400, 1180]]);
  // Grokked before it had memorised: negative, where a time to be tested would be 0.
  assertEquals(grokkingFrame([{ ...run, memorisationStep: 500 }]).column("delay").values, [-100]);
});

Deno.test("a setting's row names the fields that were swept, whichever they are, and counts runs that never grokked as later", () => {
  const swept = grid({ data: { batch: [64, 192, "full"] }, optim: { lr: [0.01, 0.02] }, schedule: { steps: 700 }, seed: range(3) });
  const runs = swept.map((spec) => {
    const { data: { batch }, seed } = spec, grokkingStep = batch === 64 || (batch === 192 && seed > 0) ? null : 400 + 10 * seed;
    return { spec, status: "finished", step: 700, memorisationStep: 20, grokkingStep };
  });
  const frame = settingFrame(runs);
  assertEquals(frame.columns, ["batch", "learning rate", "runs", "grokked", "never", "median step", "restricted mean"]);
  assertEquals((frame.values as unknown[][]).filter(([, rate]) => rate === 0.01), [
    ["64", 0.01, 3, 0, 3, "> 700", 700],
    ["192", 0.01, 3, 1, 2, "> 700", 600],
    ["full", 0.01, 3, 3, 0, "410", 410],
  ]);
  // Values are as they are, however many digits they have.
  const near = grid({ data: { batch: [12345, 12346] }, schedule: { steps: 700 } }).map((spec) => ({ ...runs[0], spec }));
  assertEquals((settingFrame(near).values as unknown[][]).map(([batch]) => batch), [12345, 12346]);
  // Those of a rule of ten in a row are known up to step 610, and the mean goes no further; what diverged never groks.
  const some = runs.filter(({ spec: { data, optim } }) => data.batch === 192 && optim.lr === 0.01).map((run) => ({ ...run, known: 610 }));
  const [[, , , , , mean]] = settingFrame([...some.slice(0, 2), { ...some[2], status: "failed", step: 100, known: 10 }])
    .values as unknown[][];
  assertEquals(mean, (400 + 610 + 610) / 3);
  // With an open run no mean is known, but the median is where two of three never grokked.
  const [stopped, ...others] = runs.filter(({ spec }) => spec.data.batch === 64);
  const open = settingFrame([{ ...stopped, status: "stopped", step: 100 }, ...others]);
  assertEquals(open.columns, ["learning rate", "runs", "grokked", "never", "open", "median step", "restricted mean"]);
  assertEquals(open.values, [[0.01, 3, 0, 2, 1, "> 700", NaN], [0.02, 3, 0, 3, 0, "> 700", 700]]);
});
