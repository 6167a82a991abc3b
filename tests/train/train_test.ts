import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { RULES } from "../../lib/run/grokking.ts";
import { initialise } from "../../lib/run/layout.ts";
import { type RunInput, type RunSpec, runSpec } from "../../lib/run/spec.ts";
import { groups, type News, type Run, snapshotOf, train } from "../../lib/train/train.ts";
import { fakeEngine, type FakeOptions } from "../fake_engine.ts";

/** A very small run. */
const tiny = (seed: number, { model, schedule, ...input }: RunInput = {}): RunSpec =>
  runSpec({
    preset: "one-layer",
    seed,
    model: { dModel: 4, heads: 1, dMlp: 4, ...model },
    data: { prime: 5, trainFraction: 0.5 },
    schedule: { steps: 450, evalEvery: 10, ...schedule },
    ...input,
  });

const seeds = (n: number, input?: RunInput) => Array.from({ length: n }, (_, seed) => tiny(seed, input));
const summary = (runs: readonly Run[]) =>
  runs.map(({ status, step, memorisationStep, grokkingStep }) => [status, step, memorisationStep, grokkingStep]);
/** Where a run goes on that was stopped. */
const takenUp = ({ snapshot, metrics }: Run) => ({ history: metrics, ...snapshot && { from: snapshot } });
/** Seed s groks at step 105 + 40 · s. */
const groksAt = ({ seed }: RunSpec) => 105 + 40 * seed;

Deno.test("every run is trained to its last step and evaluated at step 0, every evalEvery, and at the end", async () => {
  const runs = await train([tiny(3), tiny(4, { schedule: { steps: 25 } })], { engine: fakeEngine({ groksAt }) });
  assertEquals(summary(runs), [["finished", 450, 30, 230], ["finished", 25, null, null]]);
  assertEquals(runs[0].metrics.map(({ step }) => step), Array.from({ length: 46 }, (_, i) => 10 * i));
  assertEquals(runs[1].metrics.map(({ step }) => step), [0, 10, 20, 25]);
  assertEquals(runs[1].snapshot?.step, 25);
});

Deno.test("zero steps are an evaluation of the initial state", async () => {
  const [run] = await train([tiny(0, { schedule: { steps: 0 } })], { engine: fakeEngine() });
  assertEquals(run.metrics.map(({ step }) => step), [0]);
  assertEquals(run.snapshot?.params, initialise(run.spec));
});

Deno.test("runs that end together are evaluated together: each round costs one evaluation, however many they are", async () => {
  const engine = fakeEngine({ fit: 40 });
  let evaluations = 0;
  const counting = {
    ...engine,
    open: async (...args: Parameters<typeof engine.open>) => {
      const trainer = (await engine.open(...args))!, evaluate = trainer.evaluate.bind(trainer);
      trainer.evaluate = () => {
        evaluations++;
        return evaluate();
      };
      return trainer;
    },
  };
  const runs = await train(seeds(100, { schedule: { steps: 0 } }), { engine: counting });
  assertEquals(
    new Set(runs.map(({ metrics, status, snapshot }) => `${metrics.length} ${status} ${snapshot?.step}`)),
    new Set(["1 finished 0"]),
  );
  assertEquals(runs.map(({ snapshot }) => snapshot?.spec.seed), Array.from({ length: 100 }, (_, seed) => seed));
  assertEquals(evaluations, 3);
  // Nothing is moved in the end: the last row is dropped first.
  assertEquals(engine.log.filter((line) => line.startsWith("drop")).slice(0, 2), ["drop 39", "drop 38"]);
});

Deno.test("runs are grouped by shape and by evaluation, in the order of their first runs", async () => {
  const wide = { model: { dModel: 8 } }, rare = { schedule: { evalEvery: 50 } };
  const specs = [tiny(0), tiny(1, wide), tiny(2), tiny(3, rare), tiny(4, { optim: { lr: 0.1 } }), tiny(5, wide)];
  assertEquals(groups(specs.map((spec) => ({ spec }))).map((group) => group.map(({ spec }) => spec.seed)), [[0, 2, 4], [1, 5], [3]]);
  const engine = fakeEngine();
  const runs = await train(specs, { engine });
  assertEquals(runs.map(({ spec }) => spec), specs);
  assertEquals(engine.log.filter((line) => /open|dispose/.test(line)), ["open 3", "dispose", "open 2", "dispose", "open 1", "dispose"]);
});

Deno.test("a run that ends makes room for the next, until all are done", async () => {
  const engine = fakeEngine({ fit: 2, groksAt });
  const runs = await train(seeds(5), { engine, untilGrokked: true });
  assertEquals(summary(runs).map((row) => row.slice(0, 2)), [
    ["grokked", 200],
    ["grokked", 200],
    ["grokked", 200],
    ["grokked", 300],
    ["grokked", 300],
  ]);
  assertEquals(engine.log.filter((line) => line.startsWith("open")), ["open 2"]);
  assertEquals(engine.log.filter((line) => line.startsWith("place")).length, 3);
  assertEquals(engine.log.filter((line) => line.startsWith("drop")).length, 2);
});

Deno.test("a run has the same bits and metrics alone, among others, refilled into another's row, and where the driver gives less memory", async () => {
  const options = (more: FakeOptions) => ({ engine: fakeEngine({ groksAt, ...more }), untilGrokked: true });
  const together = await train(seeds(6), options({}));
  assertEquals(await train(seeds(6), options({ fit: 2 })), together);
  assertEquals(await train(seeds(6), options({ fit: 5, allocates: 3 })), together);
  for (const spec of seeds(6)) assertEquals((await train([spec], options({})))[0].snapshot, together[spec.seed].snapshot);
});

Deno.test("until grokked: by the rule asked for, and runs that never grok do all their steps", async () => {
  const groksAt = ({ seed }: RunSpec) => seed === 0 ? 195 : Infinity;
  const first = await train(seeds(2), { engine: fakeEngine({ groksAt }), untilGrokked: true });
  assertEquals(summary(first), [["grokked", 200, 20, 200], ["finished", 450, null, null]]);
  const sustained = await train(seeds(2), { engine: fakeEngine({ groksAt }), untilGrokked: true, rule: RULES.sustained });
  assertEquals(summary(sustained), [["grokked", 300, 20, 200], ["finished", 450, null, null]]);
});

Deno.test("the callback hears every evaluation once, in order, with the runs as they stand", async () => {
  const heard: [number, number][] = [];
  let last: readonly Run[] = [];
  const runs = await train(seeds(3), {
    engine: fakeEngine({ fit: 2 }),
    onProgress: async (news: readonly News[], all) => {
      await Promise.resolve();
      last = all;
      for (const { run, metrics } of news) {
        heard.push([run.index, metrics.step]);
        assertEquals(run.metrics.at(-1), metrics);
        assertEquals(run.status, "training");
      }
    },
  });
  assertEquals(last, runs);
  for (const run of runs) {
    assertEquals(heard.filter(([index]) => index === run.index).map(([, step]) => step), run.metrics.map(({ step }) => step));
  }
});

Deno.test("a stopped run keeps what is done, and taken up again becomes what it would have been", async () => {
  const whole = await train(seeds(3), { engine: fakeEngine() });
  const controller = new AbortController();
  let updates = 0;
  const stopped = await train(seeds(3), {
    engine: fakeEngine({ fit: 2, onUpdate: () => ++updates === 137 && controller.abort() }),
    signal: controller.signal,
  });
  assertEquals(stopped.map(({ status }) => status), ["stopped", "stopped", "stopped"]);
  assert(stopped[0].step >= 137 && stopped[0].step < 450);
  assertEquals(stopped[0].metrics.at(-1)?.step, Math.floor(stopped[0].step / 10) * 10);
  assertEquals([stopped[2].step, stopped[2].snapshot, stopped[2].metrics], [0, undefined, []]);
  const resumed = await train(seeds(3), {
    engine: fakeEngine(),
    begin: (_, index) => takenUp(stopped[index]),
  });
  assertEquals(resumed, whole);
});

Deno.test("a run can be resumed for more steps, and one that is at its end isn't trained", async () => {
  const whole = await train(seeds(2), { engine: fakeEngine() });
  const short = await train(seeds(2, { schedule: { steps: 150 } }), { engine: fakeEngine() });
  const again = await train([short[0].spec, tiny(1)], {
    engine: fakeEngine(),
    begin: (_, index) => takenUp(short[index]),
  });
  assertEquals(again[0], short[0]);
  assertEquals(again[1], whole[1]);
});

Deno.test("initial weights are the ones given", async () => {
  const params = initialise(tiny(77));
  const [run] = await train([tiny(1, { schedule: { steps: 0 } })], { engine: fakeEngine(), begin: () => ({ from: params }) });
  assertEquals(run.snapshot?.params, params);
  const short = () => ({ from: new Float32Array(3) });
  await assertRejects(() => train([tiny(1)], { engine: fakeEngine(), begin: short }), Error, "current value is 3");
});

Deno.test("a loss that is not a number ends its run alone, with a line that says where", async () => {
  const engine = fakeEngine({ fit: 2, breaksAt: ({ seed }) => seed === 1 ? 95 : Infinity });
  const ends: string[] = [];
  const runs = await train(seeds(3), { engine, onEnd: ({ spec, status }) => void ends.push(`${spec.seed} ${status}`) });
  assertEquals(runs.map(({ status }) => status), ["finished", "failed", "finished"]);
  assertMatch(runs[1].error!, /^Cannot go on with seed 1: the train loss at step 100 must be a finite number, current value is NaN/);
  assertEquals(runs[1].metrics.map(({ step }) => step), [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]);
  assertEquals([runs[1].snapshot, runs[1].step], [undefined, 100]);
  assertEquals(ends.toSorted(), ["0 finished", "1 failed", "2 finished"]);
});

Deno.test("checkpoints come now and then, for every run in training", async () => {
  const saved: [number, number][] = [];
  const options = { checkpointSeconds: 0, onCheckpoint: (run: Run, { step }: { step: number }) => void saved.push([run.index, step]) };
  // So many steps that a save which took long by chance, and with it the pause after it, leaves some of them.
  const long = seeds(2).map((spec) => ({ ...spec, schedule: { ...spec.schedule, steps: 20_000, evalEvery: 1000 } }));
  await train(long, { engine: fakeEngine(), ...options });
  const steps = saved.filter(([index]) => index === 0).map(([, step]) => step);
  assertEquals(steps, saved.filter(([index]) => index === 1).map(([, step]) => step));
  assert(steps.length > 1 && steps.every((step, i) => step > (steps[i - 1] ?? 0)));
});

Deno.test("checkpoints of some runs only, where that is asked for", async () => {
  const saved: number[] = [];
  const options = {
    checkpointSeconds: 0,
    onCheckpoint: (run: Run) => void saved.push(run.index),
    checkpointOf: (run: Run) => run.index === 1,
  };
  await train(seeds(3), { engine: fakeEngine(), ...options });
  assertEquals([...new Set(saved)], [1]);
});

Deno.test("runs let go of their states where asked to", async () => {
  const kept: boolean[] = [];
  const options = { keepSnapshots: false, onEnd: (run: Run) => void kept.push(run.snapshot !== undefined) };
  const runs = await train(seeds(2), { engine: fakeEngine(), ...options });
  assertEquals(kept, [true, true]);
  assert(runs.every((run) => !("snapshot" in run)));
});

Deno.test("an error of the engine or of a callback comes out, and the trainer is disposed", async () => {
  const lost = fakeEngine({
    onUpdate: () => {
      throw new Error("Cannot go on: the device was lost");
    },
  });
  await assertRejects(() => train(seeds(2), { engine: lost }), Error, "the device was lost");
  assertEquals(lost.log.at(-1), "dispose");
  const full = fakeEngine();
  await assertRejects(() => train(seeds(2), { engine: full, onEnd: () => Promise.reject(new Error("disk full")) }), Error, "disk full");
  assertEquals(full.log.at(-1), "dispose");
});

Deno.test("a state starts from its seed's parameters with empty moments", () => {
  const { params, m, v, step } = snapshotOf(tiny(5));
  assertEquals(params, initialise(tiny(5)));
  assert(step === 0 && m.every((x) => x === 0) && v.every((x) => x === 0));
});

Deno.test("until grokked with a margin: a run goes on for so long after its grokking step, whether it stays so or not", async () => {
  const groksAt = () => 105;
  const dips = ({ seed }: RunSpec, step: number) => seed === 1 && step === 200;
  const options = { engine: fakeEngine({ groksAt, dips }), untilGrokked: true };
  assertEquals((await train(seeds(2), options)).map(({ step }) => step), [200, 200]);
  assertEquals(summary(await train(seeds(2), { ...options, margin: 150 })), [["grokked", 300, 20, 110], ["grokked", 300, 20, 110]]);
  assertEquals(summary(await train(seeds(1), { ...options, margin: 1000 })), [["finished", 450, 20, 110]]);
});

Deno.test("a run that is taken up again ends where it would have ended, whatever the margin saw before", async () => {
  const options = { engine: fakeEngine({ groksAt: () => 105 }), untilGrokked: true, margin: 150 };
  const [whole] = await train(seeds(1), options);
  const [part] = await train(seeds(1, { schedule: { steps: 215 } }), options);
  assertEquals([part.status, part.metrics.at(-1)?.step], ["finished", 215]);
  const history = part.metrics.filter(({ step }) => step % 10 === 0);
  assertEquals(await train(seeds(1), { ...options, begin: () => ({ ...takenUp(part), history }) }), [whole]);
});

Deno.test("a run that isn't to be trained here is left out when its turn comes", async () => {
  const engine = fakeEngine({ fit: 2 });
  const asked: number[] = [];
  const begin = async (_: RunSpec, index: number) => {
    asked.push(index);
    await Promise.resolve();
    return index % 2 === 1 ? null : {};
  };
  const runs = await train(seeds(5), { engine, begin });
  assertEquals(runs.map(({ status }) => status), ["finished", "elsewhere", "finished", "elsewhere", "finished"]);
  assertEquals([asked, engine.log[0]], [[0, 1, 2, 3, 4], "open 2"]);
  assertEquals((await train(seeds(2), { engine: fakeEngine(), begin: () => null })).map(({ status }) => status), [
    "elsewhere",
    "elsewhere",
  ]);
});

Deno.test("runs let go of their evaluations where asked to", async () => {
  const seen: number[] = [];
  const runs = await train(seeds(2), { engine: fakeEngine(), keepMetrics: false, onEnd: ({ metrics }) => void seen.push(metrics.length) });
  assertEquals([seen, runs.map(({ metrics }) => metrics.map(({ step }) => step))], [[46, 46], [[450], [450]]]);
});

Deno.test("where an engine refuses a shape, the runs of other shapes go on", async () => {
  const engine = fakeEngine();
  const small = {
    ...engine,
    open: (runs: Parameters<typeof engine.open>[0]) => {
      const [{ model }] = runs.map((run) => "spec" in run ? run.spec : run);
      return model.dModel > 4 ? Promise.reject(new Error("too large")) : engine.open(runs);
    },
  };
  const specs = [tiny(0), tiny(1, { model: { dModel: 8 } }), tiny(2)];
  await assertRejects(() => train(specs, { engine: small }), Error, "too large");
  const refused: string[] = [], ends: string[] = [];
  const runs = await train(specs, {
    engine: small,
    onRefused: (error, runs) => void refused.push(`${(error as Error).message} ${runs.length}`),
    onEnd: ({ spec, status }) => void ends.push(`${spec.seed} ${status}`),
  });
  assertEquals([refused, ends.toSorted()], [["too large 1"], ["0 finished", "1 stopped", "2 finished"]]);
  assertEquals(runs.map(({ status, step, snapshot }) => [status, step, snapshot !== undefined]), [
    ["finished", 450, true],
    ["stopped", 0, false],
    ["finished", 450, true],
  ]);
});
