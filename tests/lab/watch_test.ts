/** What experiments store of runs while they train, attention logs and weights on the way: the same whatever happens to the sweep. */
import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { join } from "node:path";
import { attentionProbe, keeper } from "../../lib/run/attention.ts";
import { checkExperiment, type Experiment, range } from "../../lib/lab/experiment.ts";
import { attentionRun, withoutAttention } from "../../lib/lab/attention.ts";
import { findRun } from "../../lib/lab/probe.ts";
import { Lab } from "../../lib/lab/store.ts";
import { sweep, type SweepOptions } from "../../lib/lab/sweep.ts";
import { verify } from "../../lib/lab/verify.ts";
import { diskForecast, type Watch, weightSteps } from "../../lib/lab/watch.ts";
import { parameterCount } from "../../lib/run/layout.ts";
import { type RunSpec, runSpec, specHash } from "../../lib/run/spec.ts";
import { train } from "../../lib/train/train.ts";
import type { Snapshot } from "../../lib/engine/engine.ts";
import { fakeEngine, type FakeOptions } from "../fake_engine.ts";
import { content, scratch } from "./lab_files.ts";
import { watchedRuns as runs } from "./small_lab.ts";

const watch: Watch = { attention: { pairs: 6, full: 2, perDecade: 6 }, weights: { perDecade: 4 } };
const experiment = (more: Partial<Experiment> = {}): Experiment => ({ name: "watched", runs: runs(), watch, ...more });
/** Seed s groks at step 105 + 40 · s. */
const groksAt = ({ seed }: RunSpec) => 105 + 40 * seed;
const STOPS = [0, 10, 20, 30, 60, 100, 180, 320];

const into = async (path: string, given: Experiment, fake: FakeOptions = {}, more: Partial<SweepOptions> = {}) => {
  using lab = Lab.open(path);
  return await sweep(given, { lab, engine: fakeEngine({ groksAt, fit: 2, ...fake }), ...more });
};
const isWhole = async (path: string) => {
  using lab = Lab.open(path, { readOnly: true });
  assertEquals((await verify(lab)).findings, []);
  assertEquals([...Deno.readDirSync(lab.folder)].length, lab.query("SELECT 1 FROM artifacts").length);
};

Deno.test("weights: at step 0 and evaluations evenly spaced on a logarithmic axis; more steps add to them, and take none away", () => {
  const at = (steps: number, evalEvery: number, perDecade?: number) =>
    weightSteps(runSpec({ schedule: { steps, evalEvery } }), perDecade === undefined ? {} : { perDecade });
  assertEquals(at(450, 10, 4), STOPS);
  assertEquals(at(0, 10), [0]);
  assertEquals(at(3, 1), [0, 1, 2, 3]);
  assertEquals(at(5, 10), [0]);
  assertEquals(at(5000, 10).length, 21);
  for (const every of [1, 7, 10, 25]) {
    const long = at(20_000, every, 9);
    assert(long.every((step, i) => step % every === 0 && (i === 0 || step > long[i - 1])));
    for (const steps of [0, 6, 25, 100, 1234, 19_999]) assertEquals(at(steps, every, 9), long.filter((step) => step <= steps));
  }
});

Deno.test("train: stops hand on every run's state there, one after another, and no bit depends on them", async () => {
  const plain = await train(runs(), { engine: fakeEngine({ groksAt, fit: 2 }) });
  const alone = new Map<string, Float32Array>();
  const hear = async (fake: FakeOptions, more: Partial<Parameters<typeof train>[1]> = {}) => {
    const heard: string[] = [];
    let open = 0;
    const result = await train(runs(), {
      engine: fakeEngine({ groksAt, ...fake }),
      stops: () => STOPS,
      onStop: async ({ index, step }, snapshot: Snapshot) => {
        assertEquals([++open, snapshot.step], [1, step]);
        await Promise.resolve();
        open--;
        const key = `${index} ${step}`;
        heard.push(key);
        if (!alone.has(key)) alone.set(key, snapshot.params);
        assertEquals(snapshot.params, alone.get(key)!);
      },
      ...more,
    });
    return { result, heard };
  };
  const all = range(3).flatMap((index) => STOPS.map((step) => `${index} ${step}`));
  // The third run begins in the row of one that ended.
  for (const fit of [1, 2, 3]) {
    const { result, heard } = await hear({ fit });
    assertEquals(result, plain);
    assertEquals(heard.toSorted(), all.toSorted());
  }
  // A run that begins at a stop is there; one that has failed is nowhere.
  let updates = 0;
  const controller = new AbortController();
  const first = await hear({ onUpdate: () => ++updates === 60 && controller.abort() }, { signal: controller.signal });
  assertEquals(first.result.map(({ step }) => step), [60, 60, 60]);
  const begin = (_: RunSpec, index: number) => ({ from: first.result[index].snapshot!, history: first.result[index].metrics });
  assertEquals((await hear({}, { begin })).heard.filter((key) => key.startsWith("0")), ["0 60", "0 100", "0 180", "0 320"]);
  const failed = await hear({ breaksAt: ({ seed }) => seed === 1 ? 95 : Infinity });
  assertEquals(failed.heard.filter((key) => key.startsWith("1")).at(-1), "1 60");
});

Deno.test("a sweep stores the readings that the keeper chooses and the weights on the way; without them all else is the same", () =>
  scratch(async (path) => {
    await into(path("a.db"), experiment());
    await into(path("bare.db"), experiment({ watch: {} }));
    const { artifacts, ...rest } = content(path("a.db")), bare = content(path("bare.db"));
    assertEquals({ ...rest, artifacts: artifacts.filter(({ kind }) => kind === "checkpoint") }, bare);
    await isWhole(path("a.db"));

    using lab = Lab.open(path("a.db"), { readOnly: true });
    const snapshots = new Map<string, Float32Array>();
    const readings = new Map(runs().map((spec): [string, object[]] => [specHash(spec), []]));
    await train(runs(), {
      engine: fakeEngine({ groksAt }),
      attention: watch.attention!,
      stops: () => STOPS,
      onStop: ({ spec }, { step, params }) => void snapshots.set(`${spec.seed} ${step}`, params),
      onProgress: (news) => {
        for (const { run, attention } of news) if (attention) readings.get(specHash(run.spec))!.push(attention);
      },
    });
    for (const { id, spec, metrics } of lab.runs("watched")) {
      const run = await attentionRun(lab, id);
      assertEquals(run.readings.map(({ step }) => step), metrics.filter(keeper(watch.attention)).map(({ step }) => step));
      assertEquals(run.readings as object[], readings.get(run.hash));
      assertEquals([run.spec, run.readings[0].probe], [spec, attentionProbe(spec, watch.attention)]);
      const { checkpoints } = findRun(lab, id);
      assertEquals(checkpoints.map(({ step }) => step), [...STOPS, 450]);
      for (const { step, load } of checkpoints.slice(0, -1)) assertEquals(await load(), snapshots.get(`${spec.seed} ${step}`)!);
    }
    const names = [...Deno.readDirSync(lab.folder)].map(({ name }) => name.replace(specHash(runs()[0]), "HASH")).filter((name) =>
      name.startsWith("HASH")
    );
    assertEquals(
      names.toSorted(),
      ["HASH-450.attention.safetensors", "HASH-450.safetensors", ...STOPS.map((step) => `HASH-${step}.weights.safetensors`)].toSorted(),
    );
    assertEquals(JSON.parse(lab.query<{ watch: string }>("SELECT watch FROM experiments")[0].watch), watch);
  }));

Deno.test("stopped or killed at any moment and taken up again, a sweep leaves the same files, byte for byte", () =>
  scratch(async (path) => {
    const given = experiment({ margin: 200 }), more = { checkpointSeconds: 0 };
    await into(path("whole.db"), given);
    const whole = content(path("whole.db"));
    assert(whole.artifacts.length > 3 * STOPS.length);
    for (const way of ["stopped", "killed"]) {
      const db = path(`${way}.db`);
      let updates = 0, ends = 0;
      for (let i = 0; i < 14; i++) {
        const controller = new AbortController(), at = updates + 61;
        const onUpdate = () => {
          if (++updates !== at) return;
          if (way === "stopped") controller.abort();
          else throw new Error("Cannot go on: killed");
        };
        await into(db, given, { onUpdate }, { ...more, signal: controller.signal }).catch(() => ends++);
      }
      assert(way === "stopped" || ends > 5);
      await into(db, given, {}, more);
      assertEquals(content(db), whole);
      await isWhole(db);
    }
  }));

Deno.test("more steps: the log and the weights are as if all steps had been asked for at once", () =>
  scratch(async (path) => {
    await into(path("whole.db"), experiment());
    // The first ends between two evaluations.
    for (const steps of [215, 320, 450]) await into(path("a.db"), experiment({ runs: runs(steps) }));
    assertEquals(content(path("a.db")), content(path("whole.db")));
    await isWhole(path("a.db"));
  }));

Deno.test("where no checkpoint is kept, the last weights are; a run that fails leaves what came before", () =>
  scratch(async (path) => {
    await into(path("a.db"), experiment({ keep: "nothing" }), { breaksAt: ({ seed }) => seed === 2 ? 95 : Infinity });
    using lab = Lab.open(path("a.db"), { readOnly: true });
    const stored = lab.query(
      "SELECT seed, kind, group_concat(a.step, ' ' ORDER BY a.step) AS steps FROM artifacts a JOIN runs r ON r.id = run GROUP BY seed, kind",
    );
    assertEquals(
      stored,
      [0, 1, 2].flatMap((seed) => [
        { seed, kind: "attention", steps: seed === 2 ? "100" : "450" },
        { seed, kind: "weights", steps: seed === 2 ? "0 10 20 30 60" : "0 10 20 30 60 100 180 320 450" },
      ]),
    );
    assertEquals((await attentionRun(lab, 3)).readings.at(-1)!.step <= 90, true);
    await isWhole(path("a.db"));
  }));

Deno.test("a broken log is said in one line; the run goes on, and its log begins where it went on", () =>
  scratch(async (path) => {
    const one = (steps: number) => experiment({ runs: runs(steps).slice(0, 1) });
    await into(path("whole.db"), one(450));
    await into(path("a.db"), one(200));
    const folder = path("a.files"), file = [...Deno.readDirSync(folder)].find(({ name }) => name.includes("attention"))!.name;
    Deno.truncateSync(join(folder, file), 100);
    const said: string[] = [];
    await into(path("a.db"), one(450), {}, { say: (line) => said.push(line) });
    assertEquals(said.length, 1);
    assertMatch(
      said[0],
      /^Cannot go on with the attention log of run \w{16}: .*attention\.safetensors must have \d+ bytes, it has 100\. It begins anew, at step 200$/,
    );
    const [a, whole] = ["a.db", "whole.db"].map((name) => content(path(name))),
      others = ({ kind }: { kind?: unknown }) => kind !== "attention";
    assertEquals([a.metrics, a.artifacts.filter(others)], [whole.metrics, whole.artifacts.filter(others)]);
    await isWhole(path("a.db"));
    using lab = Lab.open(path("a.db")), all = Lab.open(path("whole.db"));
    const steps = async (lab: Lab) => (await attentionRun(lab, 1)).readings.map(({ step }) => step);
    assertEquals(await steps(lab), (await steps(all)).filter((step) => step > 200));
    lab.run("DELETE FROM artifacts WHERE kind = 'attention'");
    await assertRejects(() => attentionRun(lab, 1), Error, "it must have a log in");
  }));

Deno.test("a run that begins anew keeps the log that reaches further, until it has come as far", () =>
  scratch(async (path) => {
    const one = experiment({ runs: runs().slice(0, 1) }), say = () => {};
    await into(path("a.db"), one);
    const whole = content(path("a.db"));
    using lab = Lab.open(path("a.db"));
    const steps = () => lab.query("SELECT kind, step FROM artifacts WHERE kind <> 'weights' ORDER BY kind");
    // Its state is broken, and it is to have more steps.
    const [{ file }] = lab.query<{ file: string }>("SELECT file FROM artifacts WHERE kind = 'checkpoint'");
    Deno.truncateSync(join(lab.folder, file), 100);
    let updates = 0;
    const controller = new AbortController(), more = experiment({ runs: runs(460).slice(0, 1) });
    await into(path("a.db"), more, { onUpdate: () => ++updates === 95 && controller.abort() }, { say, signal: controller.signal });
    assertEquals(steps(), [{ kind: "attention", step: 450 }, { kind: "checkpoint", step: 100 }]);
    await into(path("a.db"), one);
    assertEquals({ ...content(path("a.db")), members: [] }, { ...whole, members: [] });
  }));

Deno.test("a log of another probe set stays as it is, and that is said; what was trained without one is told", () =>
  scratch(async (path) => {
    await into(path("a.db"), experiment({ runs: runs(200) }));
    const log = () => content(path("a.db")).artifacts.filter(({ kind }) => kind === "attention"), before = log(), said: string[] = [];
    const other = experiment({ watch: { attention: { pairs: 7, full: 2 } } });
    await into(path("a.db"), other, {}, { say: (line) => said.push(line) });
    assertEquals([said.length, log()], [3, before]);
    assertMatch(
      said[0],
      /its probe set must be 7 pairs, 2 of them in full, it is 6 pairs, 2 of them in full\. It stays as it is, up to step 200$/,
    );

    await into(path("b.db"), experiment({ watch: {} }));
    using lab = Lab.open(path("b.db"));
    assertEquals(withoutAttention(lab, experiment()).length, 3);
    assertEquals(withoutAttention(lab, experiment({ watch: {} })), []);
    const idle = fakeEngine();
    await sweep(experiment(), { lab, engine: idle });
    assertEquals(idle.log, []);
  }));

Deno.test("what can't be written ends the sweep in one line; the runs stay as they were stored, and go on", () =>
  scratch(async (path) => {
    await into(path("whole.db"), experiment());
    for (const name of ["100.weights", "450.attention"]) {
      const db = path(`${name}.db`), blocked = join(path(`${name}.files`), `${specHash(runs()[1])}-${name}.safetensors`);
      Deno.mkdirSync(join(blocked, "in the way"), { recursive: true });
      const error = await assertRejects(() => into(db, experiment(), {}, { checkpointSeconds: 0 }), Error, "Cannot write");
      assert(!error.message.includes("\n") && error.message.includes(name), error.message);
      assertEquals(content(db).runs.filter(({ status }) => status === "training"), []);
      Deno.removeSync(blocked, { recursive: true });
      await into(db, experiment());
      assertEquals(content(db), content(path("whole.db")));
      await isWhole(db);
    }
  }));

Deno.test("what can't be watched is refused with what it must be", () => {
  const bad: [unknown, string][] = [
    [{ heads: {} }, 'watch must be attention, weights or both, current value is "heads"'],
    [{ attention: true }, "watch.attention must be an object with some of pairs, full, perDecade, move, current value is true"],
    [{ weights: { every: 3 } }, 'watch.weights must be an object with some of perDecade, current value is "every"'],
    [{ weights: { perDecade: 0 } }, "watch.weights.perDecade must be above 0, current value is 0"],
    [{ attention: { pairs: 0 } }, "Cannot watch attention: pairs must be a whole number from 1"],
    [{ attention: { move: -1 } }, "move must be 0 or above"],
    [[], "watch must be an object"],
  ];
  for (const [watch, says] of bad) assertThrows(() => checkExperiment(experiment({ watch: watch as Watch })), Error, says);
  checkExperiment(experiment({ watch: { attention: {}, weights: {} } }));
});

Deno.test("the disk that a sweep will take is what it took", () =>
  scratch(async (path) => {
    const given = experiment({ watch: { ...watch, attention: { pairs: 6, full: 2, perDecade: 6, move: 1 } } });
    const left = runs().map((spec) => ({ spec, updates: 450 })), [{ spec }] = left;
    const forecast = diskForecast(left, given);
    assertEquals(forecast.checkpoints, 3 * 12 * parameterCount(spec));
    assertEquals(forecast.weights, 3 * 4 * parameterCount(spec) * STOPS.length);
    const resumed = diskForecast([{ spec, updates: 350 }], { ...given, keep: "nothing" });
    assertEquals([resumed.checkpoints, resumed.weights], [0, 4 * parameterCount(spec) * 4]);
    assertEquals(diskForecast(left, {}), { checkpoints: forecast.checkpoints, weights: 0, attention: 0 });
    await into(path("a.db"), given, { groksAt: () => Infinity });
    using lab = Lab.open(path("a.db"));
    // By the bytes of the readings themselves; the header, pairs and steps come to it.
    const { readings } = await attentionRun(lab, 1), { mean, variance, entropy, examples } = readings[0];
    const each = 4 * (mean.length + variance.length + entropy.length + examples.length);
    assertEquals(forecast.attention, 3 * each * (readings.length + 2));
    // Never more than there are evaluations.
    assertEquals(diskForecast(left, experiment({ watch: { attention: { pairs: 6, full: 2 } } })).attention, 3 * each * 46);
  }));
