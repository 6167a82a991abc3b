/** Every executor as a whole: against PyTorch, and against itself in other company, other rows and other sittings. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { ExecutorEngine } from "../../lib/engine/executor_engine.ts";
import { initialise, layout } from "../../lib/run/layout.ts";
import { dataset } from "../../lib/run/operations.ts";
import { type RunInput, type RunSpec, runSpec } from "../../lib/run/spec.ts";
import type { Metrics, Snapshot } from "../../lib/engine/engine.ts";
import { type Case, CASES, followsFixture } from "../fixtures/cases.ts";
import { advance, EXECUTORS, ofRow, testOn } from "./executors.ts";

const test = (name: string, fn: (engine: ExecutorEngine) => Promise<void>) => testOn(EXECUTORS, `rows: ${name}`, fn);

const run = (seed: number, input: RunInput = {}): RunSpec =>
  runSpec({
    ...input,
    model: { dModel: 12, heads: 3, dMlp: 20, ...input.model },
    data: { prime: 11, batch: 16, ...input.data },
    optim: { warmup: 3, ...input.optim },
    schedule: { steps: 40, evalEvery: 4, ...input.schedule },
    seed,
  });

/** A run alone from its beginning: its evaluations and last state. */
async function alone(engine: ExecutorEngine, spec: RunSpec, updates: number): Promise<{ metrics: Metrics[]; snapshot: Snapshot }> {
  const trainer = await engine.open([spec]);
  const metrics = ofRow(await advance(trainer, updates), 0);
  const snapshot = await trainer.snapshot(0);
  trainer.dispose();
  return { metrics, snapshot };
}

for (const name of Object.keys(CASES) as Case[]) {
  test(`50 updates follow PyTorch, ${name}`, async (engine) => {
    // What has no doubles computes the same loss with other rounding.
    const open = (spec: RunSpec) => {
      const { losses } = engine.executor.limits, { optim } = spec, loss = losses.includes(optim.loss) ? optim.loss : "stable";
      return engine.open([{ ...spec, optim: { ...optim, loss } }]);
    };
    await followsFixture(open, name);
  });
}

test("a run has the same bits alone, among others and in another row", async (engine) => {
  const specs = [5, 6, 7, 8].map((seed) => run(seed, { optim: { lr: seed * 1e-3, weightDecay: seed / 10, beta2: 1 - 0.01 * seed } }));
  const trainer = await engine.open(specs);
  const evaluations = await advance(trainer, 20);
  for (const row of [0, 2, 3]) {
    const { metrics, snapshot } = await alone(engine, specs[row], 20);
    assertEquals(ofRow(evaluations, row), metrics);
    assertEquals(await trainer.snapshot(row), snapshot);
  }
  trainer.dispose();
});

test("what differs between runs of a shape may be anything that is data", async (engine) => {
  const specs = [
    run(1),
    run(1, { data: { operation: "x_div_y", trainFraction: 0.3 } }),
    run(2, { optim: { decay: "matrices", loss: "stable" } }),
    run(3, { data: { operation: "random" } }),
  ];
  const trainer = await engine.open(specs);
  const evaluations = await advance(trainer, 12);
  for (const [row, spec] of specs.entries()) assertEquals(ofRow(evaluations, row), (await alone(engine, spec, 12)).metrics);
  trainer.dispose();
});

/** By how batches are made, and with an optimiser that keeps all there is to keep. */
const KINDS: Readonly<Record<string, RunInput>> = {
  "batch 16": { data: { batch: 16 } },
  "batch full": { data: { batch: "full" } },
  "much state": {
    model: { layers: 1 },
    data: { batch: "full" },
    optim: { rule: "muon", lrSchedule: "linear", lrSteps: 50, gradFilter: "grokfast-ma", filterWindow: 4, heldNorm: "start" },
  },
};
for (const [kind, input] of Object.entries(KINDS)) {
  test(`rows can be emptied, filled and moved while the others go on, ${kind}`, async (engine) => {
    const specs = [1, 2, 3].map((seed) => run(seed, input));
    const trainer = await engine.open(specs);
    await advance(trainer, 7);
    trainer.drop(0); // the run in row 2 moves on the GPU
    const rest = await advance(trainer, 6);
    const newcomer = run(9, input);
    trainer.place(0, newcomer);
    const last = await advance(trainer, 7);
    assertEquals(trainer.steps, [7, 20, 20]);
    assertEquals(ofRow(last, 0), (await alone(engine, newcomer, 7)).metrics);
    for (const row of [1, 2]) {
      const { metrics, snapshot } = await alone(engine, specs[row], 20);
      const from8 = metrics.filter(({ step }) => step > 7);
      assertEquals([...ofRow(rest, row), ...ofRow(last, row)], from8);
      assertEquals(await trainer.snapshot(row), snapshot);
    }
    trainer.dispose();
  });

  test(`stopped anywhere, kept, and taken up elsewhere: the same bits, ${kind}`, async (engine) => {
    const spec = run(4, input);
    const whole = await alone(engine, spec, 30);
    const first = await engine.open([run(1, input), spec]);
    const before = ofRow(await advance(first, 9), 1);
    const kept = await first.snapshot(1);
    first.dispose();
    assertEquals(kept.step, 9);
    const second = await engine.open([kept]);
    const after = ofRow(await advance(second, 21), 0);
    assertEquals([...before, ...after], whole.metrics);
    assertEquals(await second.snapshot(0), whole.snapshot);
    second.dispose();
  });
}

test("a run rests after its last step, with an evaluation there", async (engine) => {
  const trainer = await engine.open([run(1, { schedule: { steps: 10 } }), run(2)]);
  const evaluations = await advance(trainer, 16);
  assertEquals(ofRow(evaluations, 0).map(({ step }) => step), [0, 4, 8, 10]);
  assertEquals(ofRow(evaluations, 1).map(({ step }) => step), [0, 4, 8, 12, 16]);
  assertEquals(trainer.steps, [10, 16]);
  assertEquals(await trainer.snapshot(0), (await alone(engine, run(1, { schedule: { steps: 10 } }), 10)).snapshot);
  trainer.dispose();
});

test("a run that ends between two evaluations and goes on for more steps has the bits of one that never ended", async (engine) => {
  const until = (steps: number) => run(4, { schedule: { steps } }), whole = await alone(engine, until(14), 14);
  const first = await engine.open([until(10), run(2)]);
  const ended = ofRow(await advance(first, 13), 0); // at step 12 the other is evaluated, while this one rests
  const second = await engine.open([{ ...await first.snapshot(0), spec: until(14) }]);
  assertEquals([...ended.filter(({ step }) => step < 10), ...ofRow(await advance(second, 4), 0)], whole.metrics);
  assertEquals(await second.snapshot(0), whole.snapshot);
  first.dispose();
  second.dispose();
});

test("the gradient's norm is unknown where a state was placed, until its next update", async (engine) => {
  const spec = run(4), first = await engine.open([spec]);
  await advance(first, 5);
  const [{ metrics }] = await first.evaluate(), second = await engine.open([run(1), await first.snapshot(0)]);
  assert(metrics.gradNorm > 0);
  const [fresh, placed] = await second.evaluate();
  assertEquals([fresh.metrics.gradNorm, placed.metrics], [0, { ...metrics, gradNorm: NaN }]);
  assertEquals(ofRow(await advance(second, 3), 1), ofRow(await advance(first, 3), 0));
  first.dispose();
  second.dispose();
});

test("a look in between changes nothing", async (engine) => {
  const trainer = await engine.open([run(3)]);
  const seen = ofRow(await advance(trainer, 5), 0);
  const looked = await trainer.evaluate();
  assertEquals(looked.map(({ metrics }) => metrics.step), [5]);
  seen.push(...ofRow(await advance(trainer, 5), 0));
  assertEquals(seen, (await alone(engine, run(3), 10)).metrics);
  trainer.dispose();
});

test("many updates at once, in several submissions, give the evaluations of few at a time, in their order", async (engine) => {
  const spec = run(8, { schedule: { steps: 200 } }), trainer = await engine.open([spec]), few: Metrics[] = [];
  for (let done = 0; done < 150; done += 6) few.push(...ofRow(await advance(trainer, 6), 0));
  const { metrics, snapshot } = await alone(engine, spec, 150);
  assertEquals(metrics.map(({ step }) => step), Array.from({ length: 38 }, (_, i) => 4 * i));
  assertEquals(few, metrics);
  assertEquals(await trainer.snapshot(0), snapshot);
  trainer.dispose();
});

/** fp32 norms over a thousand numbers, summed in another order. */
const NORM = 1e-5;

test("metrics are what they say", async (engine) => {
  const spec = run(6);
  const trainer = await engine.open([spec]);
  const [start, last] = [await advance(trainer, 0), await advance(trainer, 4)].map((evaluations) => ofRow(evaluations, 0).at(-1)!);
  const norm = (values: Float32Array) => Math.hypot(...values);
  assert(Math.abs(start.weightNorm / norm(initialise(spec)) - 1) < NORM);
  assertEquals([start.gradNorm, start.batchLoss], [0, NaN]);
  assert(Math.abs(last.gradNorm / norm(await trainer.gradient(0)) - 1) < NORM);
  assert(Number.isInteger(Math.round(last.batchAcc * 64 * 1e4) / 1e4), "batch accuracy counts 4 batches of 16");

  // Loss and accuracy once more, from the logits.
  const { a, b, target, trainCount } = dataset(spec.data, spec.seed), { C } = layout(spec).sizes;
  const logits = await trainer.logits(0, a, b);
  const of = (from: number, to: number) => {
    let loss = 0, right = 0;
    for (let i = from; i < to; i++) {
      const z = [...logits.subarray(i * C, (i + 1) * C)];
      loss += Math.log(z.reduce((sum, x) => sum + Math.exp(x), 0)) - z[target[i]];
      right += z.indexOf(Math.max(...z)) === target[i] ? 1 : 0;
    }
    return [loss / (to - from), right / (to - from)];
  };
  const near = (actual: number, expected: number) => assert(Math.abs(actual - expected) < 1e-5, `${actual} is not ${expected}`);
  const [trainLoss, trainAcc] = of(0, trainCount), [valLoss, valAcc] = of(trainCount, a.length);
  near(last.trainLoss, trainLoss);
  near(last.trainAcc, trainAcc);
  near(last.valLoss, valLoss);
  near(last.valAcc, valAcc);
  trainer.dispose();
});

test("with label noise, train accuracy counts the labels that are trained on, and the noise that is memorised is told", async (engine) => {
  // More pairs than a chunk of an evaluation has, and more of them noisy.
  const noisy = (seed: number, labelNoise: number) =>
    run(seed, {
      model: { layers: 1, dModel: 4, heads: 1, dMlp: 4, tokens: "a b" },
      data: { prime: 53, trainFraction: 0.9, labelNoise, split: "mirrored" },
      schedule: { steps: 4 },
    });
  const specs = [noisy(1, 0.05), noisy(2, 1), noisy(3, 0.3)], trainer = await engine.open(specs);
  const evaluations = await advance(trainer, 4);
  trainer.drop(0);
  const looked = await trainer.evaluate();
  for (const [row, spec] of specs.entries()) {
    const { metrics, snapshot } = await alone(engine, spec, 4), last = metrics.at(-1)!;
    assertEquals(ofRow(evaluations, row), metrics);
    if (row > 0) assertEquals(ofRow(looked, row)[0].noisyAcc, last.noisyAcc);
    assert(last.noisyAcc > 0);
    const kept = await engine.open([snapshot]), { a, b, target, answer, noisy, trainCount } = dataset(spec.data, spec.seed);
    const logits = await kept.logits(0, a, b);
    const said = a.map((_, i) => {
      const z = logits.subarray(53 * i, 53 * (i + 1));
      return z.indexOf(Math.max(...z));
    });
    const share = (labels: Uint32Array, from: number, to: number) =>
      Math.fround(said.slice(from, to).filter((y, i) => y === labels[from + i]).length / (to - from));
    assertEquals(noisy, [126, 2528, 758][row]);
    const expected = [share(target, 0, trainCount), share(target, 0, noisy), share(answer, trainCount, a.length)];
    assertEquals([last.trainAcc, last.noisyAcc, last.valAcc].map(Math.fround), expected);
    kept.dispose();
  }
  trainer.dispose();
  assertEquals((await alone(engine, run(1), 4)).metrics.map(({ noisyAcc }) => noisyAcc), [NaN, NaN]);
});

test("warm-up: the first update has learning rate 0", async (engine) => {
  const spec = run(2);
  const { snapshot } = await alone(engine, spec, 1);
  assertEquals(snapshot.params, initialise(spec));
});

test("a loss that an executor has no kernel for, and elements that there are not, are refused in one line", async (engine) => {
  const { executor: { limits: { losses } }, info } = engine, trainer = await engine.open([run(1)]);
  for (const loss of ["torch", "stable", "float64"] as const) {
    const other = run(2, { optim: { loss } });
    if (losses.includes(loss)) trainer.place(0, other);
    else {assertThrows(
        () => trainer.place(0, other),
        Error,
        `its loss on ${info.engine} must be ${losses.join(" or ")}, current value is float64`,
      );}
  }
  for (const a of [11, -1, 0.5]) {
    const message = `elements must be whole numbers below 11, current value is ${a}`;
    await assertRejects(() => trainer.logits(0, [1, a], [2, 3]), Error, message);
  }
  trainer.dispose();
});

test("runs of another shape or rhythm are refused, and nothing changes", async (engine) => {
  const trainer = await engine.open([run(1)]);
  assertThrows(() => trainer.place(0, run(1, { model: { layers: 1 } })), Error, "Cannot place a run: its shape must be");
  assertThrows(() => trainer.place(0, run(1, { schedule: { evalEvery: 5 } })), Error, "evalEvery must be 4, current value is 5");
  assertThrows(
    () => trainer.place(0, { ...run(1), step: 0, spec: run(1), params: new Float32Array(3) } as unknown as Snapshot),
    Error,
    "must be",
  );
  assertEquals(ofRow(await advance(trainer, 4), 0), (await alone(engine, run(1), 4)).metrics);
  trainer.dispose();
});
