import { assertAlmostEquals, assertEquals } from "@std/assert";
import { type Accuracies, grokkingStep, memorisationStep, milestones, RULES } from "../../lib/run/grokking.ts";

/** Evaluations every 10 steps with these validation accuracies; the train accuracy is 1 from the evaluation `memorised` on. */
const curve = (valAcc: readonly number[], memorised = 0): Accuracies[] =>
  valAcc.map((acc, i) => ({ step: 10 * i, trainAcc: i >= memorised ? 1 : 0.5, valAcc: acc }));

const repeat = (value: number, times: number) => Array<number>(times).fill(value);

Deno.test("the memorisation step is the first evaluation above the threshold, a tie is not above", () => {
  const metrics = [0.2, 0.99, Math.fround(0.99), 0.991, 0.4].map((trainAcc, i) => ({ step: i, trainAcc, valAcc: 0 }));
  assertEquals(memorisationStep(metrics), 3);
  assertEquals(memorisationStep(metrics, 0.5), 1);
  assertEquals(memorisationStep(metrics.slice(0, 3)), null);
  assertEquals(memorisationStep([]), null);
});

Deno.test("rule first: the first evaluation above 99 %, whatever comes after", () => {
  assertEquals(grokkingStep(curve([0, 0.5, 0.995, 0.1, 0.1])), 20);
  assertEquals(grokkingStep(curve([0, 0.99, Math.fround(0.99)])), null);
  assertEquals(grokkingStep(curve([1])), 0);
  assertEquals(grokkingStep([]), null);
});

Deno.test("rule sustained: the first of ten in a row at 95 % or more; a tie counts in either precision", () => {
  const rule = RULES.sustained;
  assertEquals(grokkingStep(curve([0.1, ...repeat(0.95, 10)]), rule), 10);
  assertEquals(grokkingStep(curve([0.1, ...repeat(Math.fround(0.95), 10)]), rule), 10);
  assertEquals(grokkingStep(curve([0.1, ...repeat(0.95, 9)]), rule), null);
  assertEquals(grokkingStep(curve(repeat(0.9499, 30)), rule), null);
});

Deno.test("rule sustained: a dip starts the count anew", () => {
  const metrics = curve([...repeat(0.99, 9), 0.2, ...repeat(0.97, 10)]);
  assertEquals(grokkingStep(metrics, RULES.sustained), 100);
  assertEquals(grokkingStep(metrics, { ...RULES.sustained, times: 9 }), 0);
});

Deno.test("thresholds are parameters", () => {
  const metrics = curve([0.1, 0.6, 0.6, 0.8]);
  assertEquals(grokkingStep(metrics, { accuracy: 0.6, inclusive: true, times: 2 }), 10);
  assertEquals(grokkingStep(metrics, { accuracy: 0.6, inclusive: false, times: 1 }), 30);
});

Deno.test("milestones: delay, and runs that never grokked are censored at their last step", () => {
  assertEquals(milestones(curve([0, 0, 0, 0.5, 1], 1)), {
    memorisationStep: 10,
    grokkingStep: 40,
    delay: 30,
    censored: false,
    lastStep: 40,
    passingSince: 40,
    stability: { dips: 0, depth: 0, timeBelow: 0 },
  });
  const never = { grokkingStep: null, delay: null, censored: true, passingSince: null, stability: null };
  assertEquals(milestones(curve([0, 0, 0.3], 2)), { ...never, memorisationStep: 20, lastStep: 20 });
  assertEquals(milestones([]), { ...never, memorisationStep: null, lastStep: null });
});

Deno.test("stability: dips after grokking, how deep, and how long, whatever came before", () => {
  const { grokkingStep, passingSince, stability } = milestones(curve([1, 0, 0, 1, 0.75, 0.5, 1, 0.9, 1, 1]), {
    accuracy: 0.95,
    inclusive: true,
    times: 1,
  });
  assertEquals([grokkingStep, passingSince, stability?.dips, stability?.timeBelow], [0, 80, 3, 0.5]);
  assertAlmostEquals(stability!.depth, 0.95, 1e-12);
  const sustained = milestones(curve([0, ...repeat(1, 10), 0.5, 0.5]), RULES.sustained);
  assertEquals([sustained.grokkingStep, sustained.passingSince, sustained.stability?.dips], [10, null, 1]);
  assertAlmostEquals(sustained.stability!.timeBelow, 2 / 12, 1e-12);
  assertAlmostEquals(sustained.stability!.depth, 0.45, 1e-12);
});

Deno.test("milestones: validation may come before memorisation", () => {
  assertEquals(milestones(curve([0, 1, 1], 2)).delay, -10);
});
