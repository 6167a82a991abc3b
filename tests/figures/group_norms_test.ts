/** The figure of norms by group: a line a group, named, a dot a checkpoint; groups that stay at 0, too. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { weightReading } from "../../lib/analysis/network/weight_measures.ts";
import { groupNormFigure, type WeighedRun } from "../../lib/figures/group_norms.ts";
import { initialise } from "../../lib/run/layout.ts";
import { dataset } from "../../lib/run/operations.ts";
import { runSpec, sizes } from "../../lib/run/spec.ts";
import { metricsAt, shapes, texts } from "./figure_parts.ts";

/** Biases of `init: normal` are 0. */
const SPEC = runSpec({ preset: "tl-demo", model: { dModel: 4, heads: 1, dMlp: 8 }, data: { prime: 7 } });
const run = (seed: number, steps = [0, 100, 1000]): WeighedRun => {
  const spec = runSpec({ ...SPEC, seed }),
    examples = dataset(spec.data, seed),
    logits = new Float32Array(examples.a.length * sizes(spec).C);
  const readings = steps.map((step) =>
    weightReading(spec, { step, params: initialise(spec).map((x) => x * (1 + step)) }, examples, logits.map((_, i) => step * (i % 3)))
  );
  return { spec, readings, metrics: [0, 100, 1000].map((step) => metricsAt(step)), memorisationStep: 100, grokkingStep: null };
};

Deno.test("norms by group: of one run a line and the dots of its checkpoints, of several a band; each group by its name", () => {
  const one = groupNormFigure([run(0)]), several = groupNormFigure([run(0), run(1)]);
  for (const group of ["embed", "pos", "attn", "mlp", "unembed", "biases"]) {
    assertEquals(shapes(one, `${group} reading`, "circle").length, 2, group); // step 0 has no place on a logarithmic axis
    assertEquals(shapes(several, `${group} median`, "path").length, 1, group);
    assertEquals(texts(one).filter((text) => text === group).length, 1, group);
  }
  assertEquals(texts(one).includes("norms"), false);
  assertEquals(shapes(one, "logits reading", "circle").length, 2);
  assertStringIncludes(texts(several).join(" "), "median of 2 seeds");
  // A run with nothing but its start.
  assertEquals(shapes(groupNormFigure([run(0, [0])]), "embed reading", "circle").length, 0);
});
