/** The phenomenon itself: networks memorise, wait, and understand. */
import { assert } from "@std/assert";
import { quickGrok } from "../../lib/studies/lessons/first_grok.ts";
import { openEngine } from "../../lib/train/engines.ts";
import { train } from "../../lib/train/train.ts";

Deno.test({
  name: "one-layer addition mod 31 groks: memorised first, generalised later, every seed",
  sanitizeResources: false,
  sanitizeOps: false,
  fn: async () => {
    const specs = [0, 1, 2].map(quickGrok);
    const runs = await train(specs, { engine: await openEngine("cpu"), untilGrokked: true, keepSnapshots: false });
    for (const { spec: { seed }, metrics, memorisationStep, grokkingStep } of runs) {
      assert(
        memorisationStep !== null && grokkingStep !== null,
        `seed ${seed}: memorised at ${memorisationStep}, grokked at ${grokkingStep}`,
      );
      assert(grokkingStep - memorisationStep >= 60, `seed ${seed} waits between ${memorisationStep} and ${grokkingStep}`);
      const { valAcc } = metrics.find(({ step }) => step === memorisationStep)!;
      assert(valAcc < 0.9, `seed ${seed} knows ${valAcc} of the validation set when it has memorised`);
    }
  },
});
