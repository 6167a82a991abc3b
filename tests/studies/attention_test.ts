/** The study of attention is the template's, and in small it differs as its description says. */
import { assert, assertEquals } from "@std/assert";
import { ATTENTION, ATTENTION_IN_SMALL } from "../../lib/studies/attention/experiments.ts";
import { CAPACITY_NAMED } from "../../lib/studies/capacity/experiments.ts";
import { EXPERIMENTS } from "../../lib/studies/mod.ts";
import { range } from "../../lib/lab/experiment.ts";
import { PRESETS, specHash } from "../../lib/run/spec.ts";
import { swept } from "../../lib/run/grid.ts";

Deno.test("the study of attention: the template's runs, the capacity baseline's among them, ten seeds of each operation", () => {
  const hashes = new Set(ATTENTION.runs.map(specHash));
  assertEquals(ATTENTION.runs.length, 40);
  for (const run of CAPACITY_NAMED[0].runs) assert(hashes.has(specHash(run)));
  for (const { name, watch } of [ATTENTION, ATTENTION_IN_SMALL]) {
    assert(EXPERIMENTS.some((each) => each.name === name));
    assert(watch?.attention);
  }
});

Deno.test("in small it differs as its description says", () => {
  const template = PRESETS["ai-scientist"];
  assertEquals(Object.fromEntries(swept(ATTENTION_IN_SMALL.runs)), {
    "data.operation": ["x_div_y", "x_minus_y", "x_plus_y", "random"],
    seed: range(10),
  });
  for (const { model, data, optim, schedule } of ATTENTION_IN_SMALL.runs) {
    assertEquals(model, { ...template.model, layers: 2, dModel: 32, heads: 4, dMlp: 128 });
    assertEquals(data, { ...PRESETS["ai-scientist"].data, operation: data.operation, prime: 31, trainFraction: 0.7, batch: 128 });
    assertEquals([optim, schedule], [{ ...template.optim, lr: 5e-3, weightDecay: 0.25 }, { steps: 4000, evalEvery: 10 }]);
  }
});
