/** Runs drawn at random, the same ones every time: engines compute what the oracle does, and a mistake is found. */
import { assertEquals } from "@std/assert";
import type { Engine } from "../../lib/engine/engine.ts";
import { METRIC_NAMES, type MetricName } from "../../lib/run/metrics.ts";
import { KERNELS, spoiled, testOn } from "../engine/executors.ts";
import { engines } from "./engines.ts";
import { Chance } from "./finding.ts";

const CPU = KERNELS.filter(({ name }) => name === "cpu");

testOn(CPU, "fuzz: 30 runs are the oracle's", async (engine) => {
  assertEquals(await Array.fromAsync(engines(() => Promise.resolve(engine))(new Chance(17), 30)), []);
});

testOn(CPU, "fuzz: runs whose rows are cut along the wrong axis are found", async (engine) => {
  const wrong = spoiled(engine, (op) => op.op === "clipRows" ? { ...op, along: op.along === "rows" ? "columns" : "rows" } : op);
  const found = await Array.fromAsync(engines(() => Promise.resolve(wrong))(new Chance(17), 8));
  assertEquals(found.length > 0 && found.every(({ problem }) => /params of|weightNorm/.test(problem)), true);
});

/** An engine that has one metric wrong wherever there is one. */
const withWrong = (engine: Engine, name: MetricName): Engine => ({
  info: engine.info,
  rowsThatFit: (spec, watched) => engine.rowsThatFit(spec, watched),
  cost: (spec, watched) => engine.cost(spec, watched),
  open: async (rows, watched) => {
    const trainer = await engine.open(rows, watched), evaluate = trainer.evaluate.bind(trainer);
    const wrong = async () =>
      (await evaluate()).map((each) => ({ ...each, metrics: { ...each.metrics, [name]: 1.1 * each.metrics[name] + 1 } }));
    return Object.assign(trainer, { evaluate: wrong });
  },
});

testOn(CPU, "fuzz: a metric that isn't the oracle's is found, whichever it is", async (engine) => {
  for (const name of METRIC_NAMES) {
    const found = await Array.fromAsync(
      engines(() => Promise.resolve(withWrong(engine, name)))(new Chance(17), name === "noisyAcc" ? 6 : 3),
    );
    assertEquals(found.length > 0 && found.every(({ problem }) => problem.includes(`: ${name}: `)), true, name);
  }
});
