/** Spikes of the training loss: which count, where they lie, how high they are. */
import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { parseMetrics } from "../../../lib/train/metrics_csv.ts";
import { slingshots } from "../../../lib/analysis/runs/slingshots.ts";

const series = (losses: readonly number[]) => losses.map((trainLoss, i) => ({ step: 10 * i, trainLoss }));
const flat = (count: number, loss = 1e-3) => Array.from({ length: count }, () => loss);

Deno.test("a spike has its steps and its height; two are two, and one within the next window too", () => {
  const one = slingshots(series([...flat(12), 0.02, 0.5, 0.1, 1e-3, ...flat(5)]));
  assertEquals(one.map(({ from, peak, to }) => [from, peak, to]), [[120, 130, 150]]);
  assertAlmostEquals(one[0].height, 500, 1e-9);
  const two = slingshots(series([...flat(12), 0.5, 1e-3, ...flat(3), 0.5, 1e-3]));
  assertEquals(two.map(({ peak }) => peak), [120, 170]);
});

Deno.test("no spike: a falling loss, noise, a new level, one that isn't over, and rounding near 0", () => {
  const falling = Array.from({ length: 60 }, (_, i) => Math.exp(-i / 4));
  const noise = Array.from({ length: 60 }, (_, i) => 1e-3 * (1 + 0.9 * Math.sin(7 * i)));
  for (
    const losses of [falling, noise, [...flat(15), ...flat(30, 0.5)], [...flat(15), 0.5], [...flat(15, 1e-9), 5e-7, 1e-9], [], flat(3)]
  ) {
    assertEquals(slingshots(series(losses)), []);
  }
  assertEquals(slingshots(series([...flat(15, 1e-9), 5e-7, 1e-9]), { floor: 0 }).length, 1);
});

Deno.test("options that can't be are refused", () => {
  assertThrows(() => slingshots([], { factor: 1 }), Error, "factor must be above 1, current value is 1");
  assertThrows(() => slingshots([], { window: 0 }), Error, "window must be a whole number from 1, current value is 0");
});

Deno.test("of the five recorded runs of the demo, one's training loss rises elevenfold and falls again; the others' doesn't", () => {
  const text = Deno.readTextFileSync(new URL("../../../data/recorded/demo/metrics.csv", import.meta.url));
  const found = [...parseMetrics(text)].map(([seed, metrics]) => [seed, slingshots(metrics)] as const);
  assertEquals(found.map(([seed, spikes]) => [seed, spikes.length]), [[0, 0], [1, 1], [2, 0], [3, 0], [4, 0]]);
  const [{ from, peak, to, height }] = found[1][1];
  assertEquals([from, peak, to], [420, 420, 540]);
  assertAlmostEquals(height, 11.649, 1e-3);
});
