/** The study of capacity: its runs are the template's, its counts the published ones, its pairs what a search finds. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type Architecture,
  architectureName,
  architectureOf,
  architectures,
  bucketing,
  BUCKETS,
  matchedPairs,
  nearestPair,
  shortCount,
} from "../../lib/studies/capacity/architectures.ts";
import {
  CAPACITY,
  CAPACITY_BASELINE_JUMP,
  CAPACITY_IN_SMALL,
  CAPACITY_MATCHED,
  CAPACITY_NAMED,
  CAPACITY_OPERATIONS,
  IN_SMALL_PAIRS,
  MATCHED,
  NAMED_PAIRS,
} from "../../lib/studies/capacity/experiments.ts";
import { PUBLISHED_CAPACITY } from "../../lib/studies/capacity/published.ts";
import { EXPERIMENTS } from "../../lib/studies/mod.ts";
import { range } from "../../lib/lab/experiment.ts";
import { parameterCount } from "../../lib/run/layout.ts";
import { PRESETS, type RunInput, type RunSpec, runSpec, specHash } from "../../lib/run/spec.ts";
import { swept } from "../../lib/run/grid.ts";

const net = (layers: number, dModel: number, heads: number, dMlp = 4 * dModel): Architecture => ({ layers, dModel, heads, dMlp });
const counted = (model: Architecture, data: RunInput["data"] = {}) => parameterCount(runSpec({ model, data }));
const S5 = { operation: "permutation" } as const;
const KINDS: RunInput[] = [{}, { data: S5 }];
const networks = (runs: readonly RunSpec[]) => [...new Set(runs.map((run) => architectureName(architectureOf(run))))];

Deno.test("the grid is the seed's, and in all else the template", () => {
  assertEquals(CAPACITY.runs.length, 540);
  assertEquals(Object.fromEntries(swept(CAPACITY.runs)), {
    "model.layers": [1, 2, 4],
    "model.dModel": [64, 128, 256],
    "model.heads": [2, 4, 8],
    "data.operation": [...CAPACITY_OPERATIONS],
    seed: range(5),
  });
  const template = PRESETS["ai-scientist"];
  for (const { model, data, optim, schedule } of CAPACITY.runs) {
    const { layers, dModel, heads } = model, { operation } = data;
    assertEquals(model, { ...template.model, layers, dModel, heads, dMlp: 4 * dModel });
    assertEquals([data, optim, schedule], [{ ...template.data, operation }, template.optim, { steps: 7500, evalEvery: 10 }]);
  }
  // Stability after grokking is asked for, so that every run does all its steps.
  for (const { rule, margin } of [CAPACITY, ...CAPACITY_NAMED, CAPACITY_MATCHED]) assertEquals([rule, margin], [undefined, undefined]);
});

Deno.test("the named runs are the seeds', and the grid's but for the large pair", () => {
  assertEquals(CAPACITY_NAMED.map(({ name, runs }) => [name, ...networks(runs), runs.length]), [
    ["capacity_baseline", "2×128×4", 20],
    ["capacity_small_deep", "4×64×2", 20],
    ["capacity_small_wide", "1×128×4", 20],
    ["capacity_medium_deep", "4×128×4", 20],
    ["capacity_medium_wide", "2×256×8", 20],
    ["capacity_large_deep", "8×256×8", 20],
    ["capacity_large_wide", "4×512×16", 20],
  ]);
  const hashes = new Set(CAPACITY.runs.map(specHash));
  const shared = [...CAPACITY_NAMED, CAPACITY_MATCHED].map(({ runs }) => runs.filter((run) => hashes.has(specHash(run))).length);
  // Of the matched pairs, the deep networks are the grid's.
  assertEquals(shared, [20, 20, 20, 20, 20, 0, 0, 60]);
  for (const { name } of [CAPACITY, ...CAPACITY_NAMED, CAPACITY_MATCHED, CAPACITY_IN_SMALL]) {
    assert(EXPERIMENTS.some((each) => each.name === name), name);
  }
});

Deno.test("the baseline as far as its jump is the baseline, evaluated less often", () => {
  const baseline = new Map(CAPACITY_NAMED[0].runs.map((run) => [specHash(run), run]));
  assertEquals(CAPACITY_BASELINE_JUMP.margin, 0);
  for (const run of CAPACITY_BASELINE_JUMP.runs) {
    const same = baseline.get(specHash({ ...run, schedule: { ...run.schedule, evalEvery: 10 } }))!;
    assertEquals([run.schedule, same.schedule], [{ steps: 7500, evalEvery: 50 }, { steps: 7500, evalEvery: 10 }]);
  }
});

Deno.test("parameter counts are the published ones", () => {
  const apart = NAMED_PAIRS.map(({ deep, wide }) =>
    KINDS.map(({ data }) => Number((counted(wide, data) / counted(deep, data)).toFixed(2)))
  );
  assertEquals(apart, [[1.05, 1.07], [1.99, 1.99], [2, 2]]);
  assertEquals([net(2, 128, 4), net(1, 128, 4), net(2, 256, 8)].map((model) => [counted(model), counted(model, S5)]), [
    [422_625, 428_536],
    [224_353, 230_264],
    [1_631_585, 1_643_384],
  ]);
  assertEquals([net(4, 64, 2), net(4, 128, 4)].map((model) => counted(model)), [213_025, 819_169]);
  for (const { experiment, operation, parameters } of PUBLISHED_CAPACITY) {
    const ours = CAPACITY_NAMED.find(({ name }) => name === experiment)!.runs.filter(({ data }) => data.operation === operation);
    if (parameters !== null) assertEquals([...new Set(ours.map(parameterCount))], [parameters]);
  }
  assertEquals([63_073, 224_353, 1_631_585].map(shortCount), ["63k", "224k", "1.63M"]);
});

Deno.test("buckets are thirds of the logarithmic range, each operation's own, the same networks in all", () => {
  const bucketOf = bucketing(CAPACITY.runs);
  for (const operation of CAPACITY_OPERATIONS) {
    const some = CAPACITY.runs.filter(({ data, model, seed }) => data.operation === operation && model.heads === 2 && seed === 0);
    assertEquals(BUCKETS.map((bucket) => networks(some.filter((run) => bucketOf(run) === bucket))), [
      ["1×64×2", "1×128×2", "2×64×2", "4×64×2"],
      ["1×256×2", "2×128×2", "4×128×2"],
      ["2×256×2", "4×256×2"],
    ]);
  }
  assertEquals([net(8, 256, 8), net(1, 32, 2)].map((model) => bucketOf(runSpec({ model }))), ["large", "small"]);
  assertThrows(() => bucketOf(runSpec({ data: { operation: "random" } })), Error, "the operation must be one of x_div_y,");
  // What a range without extent says is of no use, but it is said.
  assertEquals(bucketing([runSpec()])(runSpec()), "small");
});

Deno.test("in the grid the nearest pairs of the small and the medium bucket are over 2 % apart, and the large one has none", () => {
  const bucketOf = bucketing(CAPACITY.runs);
  const nearest = BUCKETS.map((bucket) =>
    nearestPair(CAPACITY.runs.filter((run) => bucketOf(run) === bucket && run.seed === 0).map(architectureOf), KINDS)
  );
  const said = nearest.map((pair) => pair && [architectureName(pair.deep), architectureName(pair.wide), Math.round(1000 * pair.apart)]);
  assertEquals(said, [["4×64×2", "1×128×4", 66], ["4×128×2", "1×256×4", 35], null]);
});

Deno.test("matched pairs: deeper, narrower, heads as wide, within the tolerance; the best first", () => {
  const deep = net(4, 64, 2), wide = net(1, 128, 4);
  const apart = counted(wide) / counted(deep) - 1;
  assertEquals(matchedPairs([deep, wide], [{}], apart), [{ deep, wide, apart }]);
  assertEquals(matchedPairs([deep, wide], [{}], apart - 1e-9), []);
  // Where the vocabulary is larger, they are further apart.
  assertEquals(matchedPairs([deep, wide], KINDS, apart), []);
  // Neither heads of another width, nor the same depth, nor the same width, nor deeper and wider.
  for (const other of [net(1, 128, 2), net(4, 128, 4), net(1, 64, 2), net(5, 128, 4)]) {
    assertEquals(matchedPairs([deep, other], [{}], 100), []);
  }
  const ranked = matchedPairs([deep, net(4, 64, 2, 280), net(2, 64, 2), wide, net(1, 128, 4, 472), net(1, 128, 4, 456)], [{}], 1);
  assertEquals(ranked.slice(0, 5).map((pair) => [pair.deep, pair.wide].map(architectureName).join(" ")), [
    "4×64×2 1×128×4",
    "4×64×2 1×128×4, FFN 472",
    "4×64×2, FFN 280 1×128×4",
    "4×64×2 1×128×4, FFN 456",
    "4×64×2, FFN 280 1×128×4, FFN 472",
  ]);
  assertEquals(ranked.findIndex((pair) => pair.deep.layers === 2), 6);
});

Deno.test("the matched experiment has in each bucket the first pair that the search finds", () => {
  const bucketOf = bucketing(CAPACITY.runs);
  const found = matchedPairs(architectures({ layers: [1, 2, 4], widths: range(1, 9).map((i) => 64 * i), head: 32 }), KINDS);
  for (const { bucket, deep, wide } of MATCHED) {
    const inside = (model: Architecture) => KINDS.every((kind) => bucketOf(runSpec({ ...kind, model })) === bucket);
    const first = found.find((pair) => inside(pair.deep) && inside(pair.wide))!;
    assertEquals([first.deep, first.wide], [deep, wide]);
    assert(first.apart <= 0.02);
  }
  assertEquals(CAPACITY_MATCHED.runs.length, 6 * 4 * 5);
});

Deno.test("the grid in small has a pair in each bucket, the nearest that it holds; all else differs as its description says", () => {
  const { runs } = CAPACITY_IN_SMALL, bucketOf = bucketing(runs);
  assertEquals(runs.length, (3 * 3 * 2 + 1) * 3 * 5);
  for (const { bucket, deep, wide } of IN_SMALL_PAIRS) {
    const some = runs.filter((run) => bucketOf(run) === bucket).map(architectureOf);
    const nearest = nearestPair(some, [{ data: { prime: 31 } }])!;
    assertEquals([nearest.deep, nearest.wide], [deep, wide]);
  }
  const template = PRESETS["ai-scientist"];
  for (const { model, data, optim, schedule } of runs) {
    const { layers, dModel, heads } = model, { operation } = data;
    assertEquals(model, { ...template.model, layers, dModel, heads, dMlp: 4 * dModel });
    assertEquals(data, { ...PRESETS["ai-scientist"].data, operation, prime: 31, trainFraction: 0.7, batch: 128 });
    assertEquals([optim, schedule], [{ ...template.optim, lr: 5e-3, weightDecay: 0.25 }, { steps: 3000, evalEvery: 20 }]);
  }
});
