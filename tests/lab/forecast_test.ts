/** What a sweep would take: from the operations of shapes and one or two short measurements. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { grid } from "../../lib/lab/experiment.ts";
import { forecast, speeds } from "../../lib/lab/forecast.ts";
import type { Engine } from "../../lib/engine/engine.ts";
import { fakeEngine } from "../fake_engine.ts";

const left = grid({
  preset: "one-layer",
  model: { dModel: [64, 32, 16, 8], heads: 1, dMlp: 4 },
  data: { prime: 5, trainFraction: 0.5 },
  schedule: { steps: 100, evalEvery: 10 },
}).map((spec) => ({ spec, updates: 100 }));

/** An engine that counts what it opens, refuses the widest shape before it is tried, and fails at the widths given. */
function counting(failing: readonly number[] = []): Engine & { readonly opened: number[] } {
  const opened: number[] = [], fake = fakeEngine();
  return {
    ...fake,
    opened,
    refusal: ({ model: { dModel } }) => dModel === 64 ? "buffer x must be at most 1 byte, current value is 2" : null,
    open: (runs, watched) => {
      const [first] = runs, { dModel } = ("spec" in first ? first.spec : first).model;
      opened.push(dModel);
      return failing.includes(dModel) ? Promise.reject(new Error("Cannot train this")) : fake.open(runs, watched);
    },
  };
}

Deno.test("at most two shapes are measured, what can't be trained has no time, and the others follow from their operations", async () => {
  const engine = counting(), groups = forecast(left, engine), found = await speeds(groups, engine);
  assertEquals(groups.map(({ refusal }) => refusal !== null), [true, false, false, false]);
  assertEquals(found.map((speed) => speed?.measured ?? null).slice(0, 1), [null]);
  assertEquals(engine.opened[0], 8);
  assert(engine.opened.length <= 2 && !engine.opened.includes(64), String(engine.opened));
  for (const speed of found.slice(1)) assert(speed !== null && speed.flops > 0);
  if (engine.opened.length === 1) assertEquals(new Set(found.slice(1).map((speed) => speed!.flops)).size, 1);
});

Deno.test("a shape that fails when it is tried is left out, and the next is measured", async () => {
  const engine = counting([8, 16]), found = await speeds(forecast(left, engine), engine);
  assertEquals(engine.opened, [8, 16, 32]);
  assertEquals(found.map((speed) => speed?.measured ?? null), [null, true, null, null]);
  await assertRejects(
    () => speeds(forecast(left, counting([8, 16, 32])), counting([8, 16, 32])),
    Error,
    "Cannot estimate the time: must have a shape",
  );
});
