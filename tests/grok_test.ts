/** The phenomenon itself: networks memorise, wait, and understand. */
import { assert } from "@std/assert";
import { runSpec } from "../lib/spec.ts";
import { openEngine, train } from "../lib/train.ts";

/** On llvmpipe all of these grok at steps 180 to 500; another driver rounds otherwise, hence the room. */
const STEPS = 1500;

Deno.test({
  name: "nanda-style addition mod 31 groks: memorised first, generalised later, every seed",
  sanitizeResources: false,
  sanitizeOps: false,
  fn: async () => {
    const specs = [0, 1, 2].map((seed) =>
      runSpec({
        preset: "nanda",
        model: { dModel: 48, dMlp: 192, initSigma: 1 / Math.sqrt(48) },
        data: { prime: 31, trainFraction: 0.6 },
        optim: { lr: 5e-3, weightDecay: 2 },
        schedule: { steps: STEPS, evalEvery: 20 },
        seed,
      })
    );
    const runs = await train(specs, { engine: await openEngine("webgpu"), untilGrokked: true, keepSnapshots: false });
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
