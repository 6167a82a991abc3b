/**
 * What notebooks import, outside Jupyter: dataframes that show themselves, training in a live figure, an interrupt that
 * stops it.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { DataFrame, tensorflow } from "danfojs";
import * as tf from "@tensorflow/tfjs";
import { join } from "node:path";
import {
  beside,
  type CurveOptions,
  dashboard,
  type DashboardOptions,
  type Experiment,
  type Figure,
  frame,
  grid,
  grokkingFrame,
  interruptible,
  learningCurves,
  range,
  type Run,
  sweep,
  sweepBoard,
  watch,
} from "../../lib/mod.ts";
import { atWeightDecays, firstGrok, SEEDS } from "../../lib/studies/lessons/mod.ts";
import { htmlTable } from "../../lib/notebook/frames.ts";
import { ROOT } from "../../lib/cli/process.ts";
import { fakeEngine } from "../fake_engine.ts";

const lesson = (seed: number) => firstGrok({ seed, schedule: { steps: 1000, evalEvery: 20 } });
const words = (html: string) => html.replaceAll(/<[^>]+>/g, " ").replaceAll(/\s+/g, " ").trim();
/** The table that Jupyter would show. */
const shown = (thing: unknown) =>
  words((thing as Record<symbol, () => Record<string, string>>)[Symbol.for("Jupyter.display")]()["text/html"]);

Deno.test("danfojs and the reference engine share one TensorFlow.js", () => assert(tensorflow.Tensor === tf.Tensor));

Deno.test("a table groups thousands, puts a dash for what is missing, and can't be broken by what it holds", () => {
  const html = htmlTable(["seed", "note"], [[12345, "<b>&"], [0.123456, null]]);
  assertEquals(words(html), "seed note 12,345 &lt;b&gt;&amp; 0.1235 –");
  assert(html.includes('<td style="text-align:right">12,345</td>'));
  assertEquals(words(htmlTable(["n"], Array.from({ length: 60 }, (_, i) => [i]))).endsWith("48 49 60 rows, the first 50 shown"), true);
});

Deno.test("dataframes show themselves, and so does what danfojs makes of them", () => {
  const rows = frame([{ seed: 0, step: 300 }, { seed: 1, step: 100 }, { seed: 2, step: null }]);
  assert(rows instanceof DataFrame);
  assertEquals(shown(rows), "seed step 0 300 1 100 2 –");
  assertEquals(shown(rows["seed"]), "seed 0 1 2");
  assertEquals(shown(rows.iloc({ rows: ["1:"] })), "seed step 1 1 100 2 2 –");
});

Deno.test("watch trains, shows how far the runs are and at the end what they found, and gives them back", async () => {
  const titles: (string | undefined)[] = [];
  const figure = (runs: readonly Run[], options: CurveOptions) => {
    titles.push(options.title);
    return learningCurves(runs, options);
  };
  const runs = await watch(SEEDS.map(lesson), {
    engine: fakeEngine({ groksAt: ({ seed }) => 300 + 20 * seed }),
    figure,
    untilGrokked: true,
  });
  assertEquals(runs.map((run) => run.spec.seed), SEEDS);
  assertEquals(runs.map((run) => run.grokkingStep), SEEDS.map((seed) => 300 + 20 * seed));
  assert(/^Step [\d,]+ of 1,000: of 10 networks/.test(titles[0] ?? ""), titles[0]);
  assertEquals(titles.at(-1), undefined);
  assert(shown(grokkingFrame(runs)).startsWith("seed memorised grokked delay watched until 0 "));
});

Deno.test("watch looks into the first run where asked to, and at the end shows its last state", async () => {
  const seen: (readonly [seed: number, step: number] | undefined)[] = [];
  const figure = (runs: readonly Run[], options: DashboardOptions) => {
    seen.push(options.inside && [options.inside.seed, options.inside.step]);
    return dashboard(runs, options);
  };
  const networks = [4, 5].map(lesson);
  await watch(networks, { engine: fakeEngine(), figure, inside: true });
  assertEquals(seen.at(-1), [4, 1000]);
  await watch(networks, { engine: fakeEngine(), figure });
  assertEquals(seen.at(-1), undefined);
});

Deno.test("watch draws what it trains beside what was there", async () => {
  const options = { engine: fakeEngine({ groksAt: ({ optim }) => optim.weightDecay === 1 ? 300 : Infinity }), untilGrokked: true };
  const ended = await watch([0, 1].map(lesson), options);
  const figures: Figure[] = [];
  const turned = await watch(atWeightDecays([0, 2], [0, 1, 2], 600), {
    ...options,
    figure: (runs, options) => (figures.push(beside(ended, "optim.weightDecay")(runs, options)), figures.at(-1)!),
  });
  assertEquals(turned.map(({ spec: { seed, optim } }) => [optim.weightDecay, seed]), [[0, 0], [0, 1], [0, 2], [2, 0], [2, 1], [2, 2]]);
  const said = words(figures.at(-1)!.svg);
  assert(/^With weight decay 1, networks grok around step 300; with 2, none does/.test(said), said);
  assert(/Weight decay 0 of 3 2 of 2 0 of 3 Grokked/.test(said), said);
});

/** Two widths, two seeds each; it groks with the wider one. */
const widths: Experiment = {
  name: "widths",
  runs: grid({ model: { dModel: [4, 8], heads: 2 }, data: { prime: 5 }, schedule: { steps: 400, evalEvery: 20 }, seed: range(2) }),
};
const wideGroks = { groksAt: ({ model }: { model: { dModel: number } }) => model.dModel === 8 ? 200 : Infinity };

async function inFolder(use: (db: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(join(folder, "lab.db"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A figure that keeps its titles. */
function titled() {
  const titles: string[] = [];
  const figure = (...given: Parameters<typeof sweepBoard>) => {
    const drawn = sweepBoard(...given);
    titles.push(drawn.title.replaceAll("\u00a0", " "));
    return drawn;
  };
  return { titles, figure };
}

Deno.test("sweep shows the whole of an experiment in one figure that moves, keeps it in the lab, and trains nothing twice", () =>
  inFolder(async (db) => {
    const engine = fakeEngine(wideGroks), seen: string[] = [], first = titled(), again = titled(), more = titled();
    const onProgress = (_: unknown, runs: readonly { readonly status: string }[]) =>
      void seen.push(runs.map(({ status }) => status).join(" "));
    const lab = await sweep(widths, { db, engine, onProgress, figure: first.figure });
    const found = "2 of 4 networks grok, earliest median with d_model 8: step 200; with d_model 4 none does";
    assertEquals([first.titles[0], first.titles.at(-1)], ["None of 4 runs has begun", found]);
    assert(seen.includes("training training waiting waiting"), seen[0]);
    assertEquals(lab.query("SELECT state, count(*) AS n FROM run_summary GROUP BY state"), [{ state: "grokked", n: 2 }, {
      state: "never",
      n: 2,
    }]);
    // The lab's runs make the same figure.
    assertEquals(sweepBoard(lab.runs("widths")).title.replaceAll("\u00a0", " "), found);
    lab.close();

    const opened = () => engine.log.filter((line) => line.startsWith("open"));
    (await sweep(widths, { db, engine, figure: again.figure })).close();
    assertEquals([opened(), again.titles], [["open 2", "open 2"], [found, found]]);
    const runs = grid({ model: { dModel: 8, heads: 2 }, data: { prime: 5 }, schedule: { steps: 400, evalEvery: 20 }, seed: range(3) });
    (await sweep({ ...widths, runs }, { db, engine, figure: more.figure })).close();
    assertEquals([opened().at(-1), more.titles[0]], ["open 1", "2 of 3 runs have grokked so far; 1 waiting"]);
  }));

Deno.test("sweep knows the published experiments by name, and what goes wrong comes through with the lab closed", () =>
  inFolder(async (db) => {
    await assertRejects(() => sweep("exp9", { db }), Error, "Cannot sweep: the experiment must be one of ");
    await assertRejects(() => sweep(widths, { db: "/dev/null/lab.db" }), Error, "Cannot open /dev/null/lab.db");
    const broken = fakeEngine({
      onUpdate: () => {
        throw new Error("the device is lost");
      },
    });
    await assertRejects(() => sweep(widths, { db, engine: broken }), Error, "the device is lost");
    const [lost] = frame(db, "SELECT count(*) FROM runs WHERE session IS NOT NULL").values as number[][];
    assertEquals(lost, [0]);
  }));

Deno.test("a frame of a query has its columns also without rows, and numbers stay numbers where some are missing", () =>
  inFolder(async (db) => {
    const lab = await sweep(widths, { db, engine: fakeEngine(wideGroks) });
    const sql = "SELECT d_model, seed, grokking_step, state FROM run_summary WHERE d_model <= ? ORDER BY d_model, seed";
    const runs = frame(lab, sql, 8);
    assertEquals(runs.dtypes, ["int32", "int32", "float32", "string"]);
    assertEquals(shown(runs), "d_model seed grokking_step state 4 0 – never 4 1 – never 8 0 200 grokked 8 1 200 grokked");
    // What is missing is not 0: not in arithmetic, not in comparisons, not in order.
    assertEquals(runs["grokking_step"].add(1).values, [NaN, NaN, 201, 201]);
    assertEquals(runs.query(runs["grokking_step"].lt(1000)).shape[0], 2);
    assertEquals(runs["grokking_step"].mean(), 200);
    assertEquals(runs.groupby(["d_model"]).col(["grokking_step"]).mean().values, [[4, NaN], [8, 200]]);
    for (const ascending of [true, false]) {
      const sorted = runs.iloc({ rows: [0, 2] }).sortValues("grokking_step", { ascending });
      assertEquals(sorted["d_model"].values, [8, 4]);
    }
    assertEquals(frame(lab, "SELECT NULL AS missing, 1.5 AS half, 3000000000 AS large").dtypes, ["float32", "float32", "float32"]);

    const empty = frame(lab, sql, 2);
    assertEquals([empty.shape, empty.columns], [[0, 4], ["d_model", "seed", "grokking_step", "state"]]);
    assertEquals(shown(empty), "d_model seed grokking_step state no rows");
    assertEquals(shown(empty["seed"]), "seed no rows");
    assertEquals(shown(frame([])), "no rows");

    // Columns called as danfojs's own properties don't break it.
    const all = frame(lab, "SELECT * FROM runs");
    assertEquals([all.shape[0], all.columns.includes("shape_"), all.head(2).shape[0]], [4, true, 2]);
    lab.close();

    // A path is opened for reading, and let go.
    assertEquals(frame(db, "SELECT count(*) AS n FROM runs").values, [[4]]);
    await assertRejects(async () => await Promise.resolve(frame(db, "SELECT nonsense")), Error, "Cannot query");
    await assertRejects(async () => await Promise.resolve(frame(`${db}x`, "SELECT 1")), Error, "Cannot open");
  }));

Deno.test("sorting leaves what is missing at the end and keeps the rows together", () => {
  const rows = frame([{ a: 3, b: "x" }, { a: null, b: "y" }, { a: 1, b: "z" }, { a: null, b: "w" }, { a: 2, b: null }]);
  assertEquals(shown(rows.sortValues("a")), "a b 2 1 z 4 2 – 0 3 x 1 – y 3 – w");
  assertEquals(rows.sortValues("a", { ascending: false })["b"].values, ["x", null, "z", "y", "w"]);
  assertEquals(rows.sortValues("b")["b"].values, ["w", "x", "y", "z", null]);
  assertEquals(frame([{ a: null }, { a: null }]).sortValues("a").shape, [2, 1]);
});

/** Runs code that may import from lib and tests in a process of its own, because the test runner itself ends on SIGINT; what it printed. */
async function elsewhere(code: string): Promise<string> {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args: ["eval", "--ext=ts", code], cwd: ROOT }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

Deno.test({
  name: "the interrupt button stops training, keeps what is done, and leaves the kernel alive",
  ignore: Deno.build.os === "windows",
  async fn() {
    const printed = await elsewhere(`
      import { learningCurves, watch } from "./lib/mod.ts";
      import { firstGrok } from "./lib/studies/lessons/mod.ts";
      import { fakeEngine } from "./tests/fake_engine.ts";
      const figure = (runs, options) => {
        if (options.title) Deno.kill(Deno.pid, "SIGINT");
        return learningCurves(runs, options);
      };
      const specs = [0, 1].map((seed) => firstGrok({ seed, schedule: { steps: 1_000_000, evalEvery: 20 } }));
      const runs = await watch(specs, { engine: fakeEngine(), figure });
      console.log(runs.map((run) => [run.status, run.metrics.length > 0, run.step < 1_000_000].join(" ")).join(", "));
    `);
    assertEquals(printed, "stopped true true, stopped true true\n");
  },
});

Deno.test({
  name: "the interrupt button stops a sweep, and the next call goes on from there",
  ignore: Deno.build.os === "windows",
  fn: () =>
    inFolder(async (db) => {
      const printed = await elsewhere(`
        import { frame, grid, range, sweep } from "./lib/mod.ts";
        import { fakeEngine } from "./tests/fake_engine.ts";
        const until = (steps) =>
          grid({ model: { dModel: 4, heads: 2 }, data: { prime: 5 }, schedule: { steps, evalEvery: 1000 }, seed: range(3) });
        const engine = fakeEngine({ fit: 2 }), db = ${JSON.stringify(db)};
        const stop = (_, runs) => runs[0].step > 100 && Deno.kill(Deno.pid, "SIGINT");
        const lab = await sweep({ name: "long", runs: until(10_000_000) }, { db, engine, onProgress: stop });
        const stopped = lab.query("SELECT status, step FROM runs ORDER BY seed");
        console.log(stopped.map(({ status, step }) => [status, step > 100 && step < 10_000_000].join(" ")).join(", "));
        const steps = 1000 * Math.ceil(stopped[0].step / 1000 + 1);
        await sweep({ name: "shorter", runs: until(steps) }, { db, engine });
        const work = lab.query("SELECT session, from_step, to_step FROM work ORDER BY session, run");
        console.log(work.map(({ session, from_step, to_step }) =>
          [session, stopped.findIndex(({ step }) => step === from_step), to_step === steps].join(" ")).join(", "));
        console.log(frame(lab, "SELECT status FROM runs")["status"].values.join(" "));
      `);
      const [stopped, work, done] = printed.split("\n");
      assertEquals(stopped, "stopped true, stopped true, waiting false");
      // The first two begin where they were stopped (both stand at the same step), the third at its seed.
      assertEquals(work, "1 2 false, 1 2 false, 2 0 true, 2 0 true, 2 2 true");
      assertEquals(done, "finished finished finished");
    }),
});

Deno.test("a signal that ends the kernel lets the task stop first", async () => {
  for (const signal of ["SIGTERM", "SIGHUP"]) {
    const printed = await elsewhere(`
      import { interruptible } from "./lib/mod.ts";
      await interruptible(async (signal) => {
        Deno.kill(Deno.pid, "${signal}");
        while (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, 10));
        console.log("stored");
      });
      await new Promise((resolve) => setTimeout(resolve, 5000));
      console.log("still here");
    `);
    assertEquals(printed, "stored\n");
  }
});

Deno.test("what a task throws comes through, and without one SIGINT means what it meant", async () => {
  await assertRejects(() => interruptible(() => Promise.reject(new Error("its own"))), Error, "its own");
  const printed = await elsewhere(`
    import { interruptible } from "./lib/mod.ts";
    await interruptible(() => Promise.resolve());
    Deno.kill(Deno.pid, "SIGINT");
    await new Promise((resolve) => setTimeout(resolve, 5000));
    console.log("still here");
  `);
  assertEquals(printed, "");
});
