import { assertEquals } from "@std/assert";
import { type Accuracies, grokkingStep, memorisationStep, milestones, RULES } from "../lib/lab/grokking.ts";

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
  });
  assertEquals(milestones(curve([0, 0, 0.3], 2)), { memorisationStep: 20, grokkingStep: null, delay: null, censored: true, lastStep: 20 });
  assertEquals(milestones([]), { memorisationStep: null, grokkingStep: null, delay: null, censored: true, lastStep: null });
});

Deno.test("milestones: validation may come before memorisation", () => {
  assertEquals(milestones(curve([0, 1, 1], 2)).delay, -10);
});
