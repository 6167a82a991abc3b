/** Files of metrics: what they have of evaluations, and which files are read. */
import { assertEquals, assertThrows } from "@std/assert";
import { METRIC_NAMES, METRICS, type Metrics, metricsIn } from "../../lib/run/metrics.ts";
import { isSameRow, metricsCsv, parseMetrics } from "../../lib/train/metrics_csv.ts";

const OLD = "seed,step,train_loss,train_acc,val_loss,val_acc,weight_norm";
const NONE = Object.fromEntries(METRIC_NAMES.map((name) => [name, NaN])) as Metrics;
const evaluation = (step: number, more: Partial<Metrics> = {}): Metrics => ({
  ...NONE,
  ...{ step, trainLoss: 1 / 3, trainAcc: 0.5, valLoss: 2, valAcc: 0, weightNorm: 7, gradNorm: 0.1 },
  ...{ batchLoss: Infinity, batchAcc: 0.25, ...more },
});
const start = evaluation(0, { batchLoss: NaN, batchAcc: NaN });

Deno.test("a file of metrics has a column of every metric; of one that came later, where a run has it", () => {
  const plain = [{ seed: 3, metrics: [start, evaluation(10)] }],
    noisy = [...plain, { seed: 4, metrics: [evaluation(0, { noisyAcc: 0.5 })] }];
  assertEquals(
    metricsCsv(plain),
    [
      `${OLD},grad_norm,batch_loss,batch_acc`,
      "3,0,0.3333333333333333,0.5,2,0,7,0.1,,",
      "3,10,0.3333333333333333,0.5,2,0,7,0.1,Infinity,0.25\n",
    ].join("\n"),
  );
  assertEquals(metricsCsv(noisy).split("\n").map((line) => line.split(",").at(-1)), ["noisy_acc", "", "", "0.5", ""]);
  assertEquals(metricsIn([start]), METRIC_NAMES.filter((name) => !METRICS[name].later));
  for (const runs of [plain, noisy]) {
    assertEquals([...parseMetrics(metricsCsv(runs))], runs.map(({ seed, metrics }) => [seed, metrics] as [number, Metrics[]]));
  }
});

Deno.test("files of earlier versions, which have fewer metrics, are read; what they lack differs from no evaluation", () => {
  const [row] = parseMetrics(`${OLD}\n0,10,0.3333333333333333,0.5,2,0,7\n`).get(0)!;
  assertEquals(row, evaluation(10, { gradNorm: NaN, batchLoss: NaN, batchAcc: NaN }));
  assertEquals([isSameRow(evaluation(10), row), isSameRow(row, evaluation(10))], [true, false]);
  assertEquals([isSameRow(start, start), isSameRow(evaluation(10), { ...row, batchAcc: 0.5 })], [true, false]);
  assertEquals([isSameRow(evaluation(20), row), isSameRow(evaluation(10), { ...row, valAcc: 1 })], [false, false]);
});

Deno.test("another header, a word in place of a number, and a cell too few are refused", () => {
  const refused = (text: string, says: string) => assertThrows(() => parseMetrics(text), Error, says);
  const whole = `${OLD},grad_norm,batch_loss,batch_acc`;
  for (const header of ["", "seed,step", `${OLD},sharpness`, `${OLD},batch_acc,grad_norm`, `${OLD},grad_norm,grad_norm`]) {
    refused(header, `the header must be ${OLD} and any of grad_norm, batch_loss, batch_acc, `);
  }
  refused(`${OLD}\n0,0,1,0,1,0,\n`, "line 2 must be 7 numbers");
  refused(`${whole}\n0,0,1,0,1,0,7,0.1,,none\n`, "line 2 must be 10 numbers");
  refused(`${whole}\n0,0,1,0,1,0,7,0.1,\n`, "line 2 must be 10 numbers");
});
