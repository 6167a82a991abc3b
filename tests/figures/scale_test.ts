/** The axis of steps: where it begins, its ticks and its pixels. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { scaleOfSteps, stepAxis } from "../../lib/figures/scale.ts";
import { ticks } from "../../lib/figures/theme.ts";
import { ten } from "./made_curves.ts";

Deno.test("the axis of steps has round ticks, begins at the first evaluation where it is logarithmic, and its pixels grow", () => {
  assertEquals(ticks(10, 5000, "log"), [10, 20, 50, 100, 200, 500, 1000, 2000, 5000]);
  assertEquals(ticks(1, 100_000, "log"), [1, 10, 100, 1000, 10_000, 100_000]);
  assertEquals(ticks(0, 5000, "linear"), [0, 1000, 2000, 3000, 4000, 5000]);
  const log = scaleOfSteps(ten, {}), linear = scaleOfSteps(ten, { x: "linear", until: 8000 });
  assertEquals(log.domain, [10, 5000]);
  assertEquals(linear.domain, [0, 8000]);
  assert(log.pixel(10) < log.pixel(100) && log.pixel(100) < log.pixel(5000));
  // equal ratios, equal distances
  assertAlmostEquals(log.pixel(100) - log.pixel(10), log.pixel(1000) - log.pixel(100), 1e-9);
});

Deno.test("ticks of narrow panels don't touch: powers of ten, or fewer", () => {
  const scale = scaleOfSteps([], { from: 600, until: 200_000 });
  assertEquals(stepAxis(scale).ticks.length, 8);
  assertEquals(stepAxis(scale, true, 230).ticks, [1000, 10_000, 100_000]);
  assertEquals(stepAxis(scale, true, 90).ticks, [1000, 100_000]);
});
