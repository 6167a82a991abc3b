/** What notebooks import, outside Jupyter: dataframes that show themselves, live figures that don't hold training up, an interrupt that stops it. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { DataFrame, tensorflow } from "danfojs";
import * as tf from "@tensorflow/tfjs";
import {
  type CurveOptions,
  firstGrok,
  frame,
  grokkingFrame,
  interruptible,
  learningCurves,
  live,
  type Run,
  SEEDS,
  watch,
} from "../lib/mod.ts";
import { htmlTable } from "../lib/notebook.ts";
import { ROOT } from "../lib/cli/process.ts";
import { fakeEngine } from "./fake_engine.ts";

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

Deno.test("a live figure drops what comes too soon, and its last frame shows the last data", async () => {
  const drawn: number[] = [];
  const figure = live((n: number) => drawn.push(n));
  for (let n = 0; n < 1000; n++) await figure.update(n);
  await figure.done();
  assertEquals([drawn[0], drawn.at(-1)], [0, 999]);
  assert(drawn.length < 100, `${drawn.length} of 1000 frames drawn`);
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
      import { firstGrok, learningCurves, watch } from "./lib/mod.ts";
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
