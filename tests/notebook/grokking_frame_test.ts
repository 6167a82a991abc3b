/** Dataframes of runs. */
import { assertEquals } from "@std/assert";
import type { Metrics } from "../../lib/engine/engine.ts";
import { grokkingFrame } from "../../lib/notebook/frames.ts";
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
});
