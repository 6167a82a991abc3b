/** Rules that ask for ten evaluations in a row can't judge the last nine: no conclusion uses these. */
import { assert, assertEquals } from "@std/assert";
import { followUp, memorisationFollowUp, soonest, watchedWord } from "../../../lib/analysis/runs/follow_up.ts";
import { type Curve, watchedUntil } from "../../../lib/analysis/runs/run.ts";
import { grokkingStep, RULES } from "../../../lib/run/grokking.ts";
import { runSpec } from "../../../lib/run/spec.ts";
import { record, take, waiting } from "../../../lib/train/run.ts";

const spec = runSpec({ schedule: { steps: 1000, evalEvery: 10 } });
/** A run evaluated every 10 steps up to the last one, whose validation accuracy is 1 from a step on; by the rule of ten in a row. */
function trained(from: number, last: number) {
  const run = waiting(spec, 0), watch = { rule: RULES.sustained };
  take(run, {}, watch);
  const all = Array.from({ length: last / 10 + 1 }, (_, i) => ({
    ...{ step: 10 * i, trainLoss: 1, trainAcc: 1, valLoss: 1, valAcc: 10 * i >= from ? 1 : 0, noisyAcc: NaN },
    ...{ weightNorm: 1, gradNorm: 1, batchLoss: 1, batchAcc: 1 },
  }));
  record(all.map((metrics) => ({ row: 0, metrics })) as never, { 0: run }, watch);
  return run;
}

Deno.test("a run is followed up to nine evaluations before its last; its grokking step is found from there on", () => {
  const run = trained(300, 400);
  assertEquals([run.grokkingStep, run.known], [300, 310]);
  assertEquals(followUp(run), { grokked: 300, known: 310 });
  // Eight evaluations passed: it may turn out to have grokked at 330, and is known not to have by 310.
  assertEquals(followUp(trained(330, 400)), { grokked: null, known: 310 });
  assertEquals(followUp(trained(330, 50)), { grokked: null, known: 0 });
  // By the rule of one evaluation, all are known.
  const { known: _, ...first } = run;
  assertEquals(followUp({ ...first, grokkingStep: grokkingStep(run.metrics) }).known, 400);
  assertEquals(watchedWord([followUp(trained(500, 400))]), "310 steps");
  // Each evaluation by itself tells whether a run has memorised.
  assertEquals(memorisationFollowUp({ ...run, memorisationStep: null }), { grokked: null, known: 400 });
});

Deno.test("no group is the soonest while another may turn out to have grokked before it", () => {
  // One grokked at 350; the other passes since 320, but has only been watched up to 400.
  const groups = (last: number) => [[trained(350, 500)], [trained(320, last)]].map((runs) => runs.map(followUp));
  assertEquals(soonest(groups(400)), null);
  assertEquals(soonest(groups(410)), { at: [1], step: 320 });
});

Deno.test("a run as it looked earlier had grokked only where its ten evaluations had been seen", () => {
  const run = trained(300, 500) as Curve,
    then = (until: number) => {
      const { grokkingStep, known } = watchedUntil(run, until);
      return [grokkingStep, known];
    };
  assertEquals([then(380), then(390), then(1000), then(50)], [[null, 290], [300, 300], [300, 410], [null, 0]]);
  // The second of two in a row is the one at the end, closer to the first than the others.
  const metrics = [0, 20, 40, 45].map((step) => ({ ...run.metrics[0], step })), schedule = { steps: 45, evalEvery: 20 };
  const odd = { spec: { ...spec, schedule }, metrics, memorisationStep: 0, known: 40 };
  const seen = (grokkingStep: number, until: number) => {
    const { grokkingStep: step, known } = watchedUntil({ ...odd, grokkingStep }, until);
    return [step, known];
  };
  assertEquals([seen(20, 30), seen(20, 40), seen(40, 44), seen(40, 45)], [[null, 0], [20, 20], [null, 20], [40, 40]]);
  assert(!("known" in watchedUntil({ spec, metrics: run.metrics, memorisationStep: 0, grokkingStep: 300 }, 380)));
});
