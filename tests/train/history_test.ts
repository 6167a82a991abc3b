/** A run that is taken up without some of its evaluations: what is missing is found, and no rule counts across it. */
import { assertEquals } from "@std/assert";
import type { Metrics } from "../../lib/engine/engine.ts";
import { type RunSpec, runSpec } from "../../lib/run/spec.ts";
import { RULES } from "../../lib/run/grokking.ts";
import { counted, findGap } from "../../lib/train/history.ts";
import { type Run, train } from "../../lib/train/train.ts";
import { fakeEngine } from "../fake_engine.ts";

const spec = (steps = 600, evalEvery = 10): RunSpec =>
  runSpec({
    preset: "one-layer",
    seed: 0,
    model: { dModel: 4, heads: 1, dMlp: 4 },
    data: { prime: 5, trainFraction: 0.5 },
    schedule: { steps, evalEvery },
  });
const at = (...steps: number[]) =>
  steps.map((step): Metrics => {
    return { step, trainLoss: 1, trainAcc: 0, valLoss: 1, valAcc: 0, weightNorm: 1, gradNorm: 0, batchLoss: 1, batchAcc: 0, noisyAcc: NaN };
  });

Deno.test("a run whose turn hasn't come is told as its checkpoint has it, and goes on from there", async () => {
  const engine = fakeEngine({ fit: 1, groksAt: () => 15 }), from = (steps: number) => ({ ...spec(steps), seed: 1 });
  const [{ snapshot, metrics }] = await train([from(25)], { engine }), controller = new AbortController();
  const told: number[] = [];
  const runs = (signal?: AbortSignal) =>
    train([spec(), from(600)], {
      engine,
      ...signal && { signal },
      rule: RULES.first,
      known: ({ seed }) => seed === 1 ? { from: snapshot!, history: metrics } : undefined,
      begin: ({ seed }) => seed === 1 ? { from: snapshot!, history: metrics } : {},
      onProgress: (_, all) => {
        told.push(all[1].step);
        controller.abort();
      },
    });
  const [first, second] = await runs(controller.signal);
  assertEquals([first.status, told[0]], ["stopped", 25]);
  const { status, step, memorisationStep, grokkingStep } = second;
  assertEquals([status, step, memorisationStep, grokkingStep], ["stopped", 25, 10, 20]);
  assertEquals([second.metrics, second.spec.schedule.steps], [metrics, 600]);
  const [, on] = await runs();
  assertEquals([on.status, on.step, on.metrics.filter(({ step }) => step < 40).map(({ step }) => step)], ["finished", 600, [
    0,
    10,
    20,
    30,
  ]]);
});

Deno.test("a gap is from the first to the last evaluation that is missing up to a step", () => {
  const gap = (step: number, ...steps: number[]) => findGap(at(...steps), spec(), step);
  assertEquals(gap(0), null);
  assertEquals(gap(35, 0, 10, 20, 30), null);
  assertEquals(gap(30, 0, 10, 20, 30), null);
  assertEquals(gap(35), { first: 0, last: 30 });
  assertEquals(gap(35, 0, 10), { first: 20, last: 30 });
  assertEquals(gap(35, 10, 20, 30), { first: 0, last: 0 });
  assertEquals(gap(60, 0, 20, 40, 50, 60), { first: 10, last: 30 });
  assertEquals(gap(5, 0), null);
  assertEquals(gap(1e15, 0), { first: 10, last: 1e15 });
});

Deno.test("evaluations beyond the state, and those that the schedule doesn't have, don't count", () => {
  const steps = (step: number, total: number) => counted(at(0, 10, 20, 25, 30), spec(total), step).map(({ step }) => step);
  assertEquals(steps(30, 60), [0, 10, 20, 30]);
  assertEquals(steps(25, 25), [0, 10, 20, 25]);
  assertEquals(steps(25, 60), [0, 10, 20]);
  assertEquals(steps(0, 60), [0]);
});

/** The fake run memorises at 30 and groks at 230. */
const groksAt = () => 225;
const resumed = async (
  keep: (step: number) => boolean,
  from: number,
  options: { untilGrokked?: boolean; margin?: number; rule?: typeof RULES.sustained } = {},
) => {
  const [part] = await train([spec(from)], { engine: fakeEngine({ groksAt }) });
  const history = part.metrics.filter(({ step }) => keep(step));
  const [run] = await train([spec()], { engine: fakeEngine({ groksAt }), begin: () => ({ from: part.snapshot!, history }), ...options });
  return run;
};
const found = ({ memorisationStep, grokkingStep, gap }: Run) => [memorisationStep, grokkingStep, gap];

Deno.test("milestones before a gap are known, those it may hide are not", async () => {
  assertEquals(found(await resumed(() => true, 100)), [30, 230, undefined]);
  assertEquals(found(await resumed((step) => step < 50 || step > 70, 100)), [30, null, { first: 50, last: 70 }]);
  assertEquals(found(await resumed((step) => step > 70, 100)), [null, null, { first: 0, last: 70 }]);
  assertEquals(found(await resumed(() => false, 300)), [null, null, { first: 0, last: 300 }]);
  assertEquals(found(await resumed((step) => step < 240 || step > 260, 300)), [30, 230, { first: 240, last: 260 }]);
});

Deno.test("a rule of several evaluations in a row doesn't count across a gap", async () => {
  // Evaluations 230 … 280 pass, 290 … 320 are missing: six in a row, and ten from 330 on, not ten at 360.
  const options = { untilGrokked: true, rule: RULES.sustained };
  const run = await resumed((step) => step < 290, 320, options);
  assertEquals([run.grokkingStep, run.status, run.step], [null, "grokked", 500]);
  const whole = await resumed(() => true, 320, options);
  assertEquals([whole.grokkingStep, whole.status, whole.step], [230, "grokked", 400]);
});

Deno.test("a run whose grokking step is unknown still ends once it has grokked", async () => {
  const run = await resumed((step) => step > 70, 100, { untilGrokked: true });
  assertEquals([run.grokkingStep, run.status, run.step], [null, "grokked", 300]);
  const later = await resumed((step) => step > 70, 100, { untilGrokked: true, margin: 150 });
  assertEquals([later.grokkingStep, later.status, later.step], [null, "grokked", 400]);
});
