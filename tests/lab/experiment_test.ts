/** Grids, and the experiments as published. */
import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { BOUNDARIES } from "../../lib/studies/boundaries/experiments.ts";
import { EXPERIMENTS } from "../../lib/studies/mod.ts";
import { checkExperiment, type Experiment, grid, namedRule, range } from "../../lib/lab/experiment.ts";
import { PRESETS, runSpec } from "../../lib/run/spec.ts";
import { merge } from "../../lib/lab/merge.ts";
import { Lab } from "../../lib/lab/store.ts";
import { swept } from "../../lib/run/grid.ts";
import { scratch } from "./lab_files.ts";

Deno.test("range counts like Python's", () => {
  assertEquals([range(3), range(2, 5), range(0), range(5, 2)], [[0, 1, 2], [2, 3, 4], [], []]);
});

Deno.test("a grid is all combinations of its lists; the last varies fastest, what isn't a list is fixed", () => {
  const runs = grid({ preset: "one-layer", model: { layers: [1, 2], dModel: 32 }, optim: { lr: [0.1, 0.2] }, seed: range(2) });
  assertEquals(runs.map(({ model, optim, seed }) => `${model.layers} ${optim.lr} ${seed}`), [
    ...["1 0.1 0", "1 0.1 1", "1 0.2 0", "1 0.2 1"],
    ...["2 0.1 0", "2 0.1 1", "2 0.2 0", "2 0.2 1"],
  ]);
  assertEquals(runs[0], runSpec({ preset: "one-layer", model: { layers: 1, dModel: 32 }, optim: { lr: 0.1 }, seed: 0 }));
  assertEquals(grid({}), [PRESETS["ai-scientist"]]);
  assertEquals(grid({ preset: ["one-layer", "boundaries"] }).map(({ model }) => model.norm), ["none", "pre"]);
});

Deno.test("grids in a row are one after the other; a run that two of them ask for comes once, for the larger number of steps", () => {
  const runs = grid({ seed: [0, 1], schedule: { steps: 10 } }, { seed: [1, 2], schedule: { steps: 20 } });
  assertEquals(runs.map(({ seed, schedule }) => [seed, schedule.steps]), [[0, 10], [1, 20], [2, 20]]);
});

Deno.test("a grid without a run, or with one that can't be, is an error that says so", () => {
  assertThrows(() => grid({ model: { layers: [] } }), Error, "model.layers must have at least one value, current value is []");
  assertThrows(() => grid({ seed: [] }), Error, "seed must have at least one value");
  assertThrows(() => grid({ model: { dModel: [32, 33] } }), Error, "dModel must be divisible by heads (4), current value is 33");
});

Deno.test("what runs differ in, with the values in their order; a width that follows from another doesn't count", () => {
  const runs = grid({ model: { dModel: [64, 32] }, data: { batch: ["full", 32] }, seed: [3, 1] });
  assertEquals([...swept(runs)], [["model.dModel", [64, 32]], ["data.batch", ["full", 32]], ["seed", [3, 1]]]);
  assertEquals([...swept(grid({ model: { dMlp: [32, 64] } })).keys()], ["model.dMlp"]);
  assertEquals([...swept([runSpec()])], []);
  // Of fields that follow from the mixer where it is none, and only there, a record has to tell the values: nothing else does.
  const mixers = grid({ preset: "one-layer", model: { mixer: ["attention", "none"] } });
  assertEquals([...swept(mixers).keys()], ["model.mixer"]);
  const written = [...swept(mixers, { written: true })];
  assertEquals(written.find(([field]) => field === "model.heads"), ["model.heads", [4, 1]]);
  assertEquals([...swept(runs, { written: true }).keys()], ["model.dModel", "data.batch", "seed"]);
});

Deno.test("an experiment that can't be is refused with what it must be", () => {
  const good: Experiment = { name: "good", runs: grid({ seed: range(2) }) };
  checkExperiment(good);
  const bad: [Partial<Experiment>, string][] = [
    [{ name: "../up" }, "its name must be letters"],
    [{ runs: [] }, "its runs must be at least one"],
    [{ runs: [runSpec(), runSpec({ schedule: { steps: 1 } })] }, 'its runs must be all different, current value is "1 of 2 come twice"'],
    [{ margin: 1.5 }, "its margin must be null or a whole number"],
    [{ rule: "best" as "first" }, "its rule must be one of first, sustained"],
    [
      { rule: { name: "r", accuracy: 95, inclusive: true, times: 1 } },
      "its rule's accuracy must be above 0 and at most 1, current value is 95",
    ],
    [{ rule: { name: "r", accuracy: 0.9, inclusive: true, times: 0 } }, "its rule's times must be a whole number from 1"],
  ];
  for (const [change, says] of bad) assertThrows(() => checkExperiment({ ...good, ...change }), Error, says);
});

Deno.test("a rule's thresholds are spelt out", () => {
  assertEquals(namedRule("first"), { name: "first", accuracy: 0.99, inclusive: false, times: 1, memorised: 0.99 });
  assertEquals(namedRule({ name: "mine", accuracy: 0.5, inclusive: true, times: 2, memorised: 0.9 }).memorised, 0.9);
});

Deno.test("a merge says what an experiment was declared with where the target's of its name was declared otherwise; of parts of one, nothing", () =>
  scratch(async (path) => {
    const runs = grid({ seed: range(3) }), said: string[] = [], rule = { name: "half", accuracy: 0.5, inclusive: true, times: 2 };
    const parts: [string, Omit<Experiment, "name">][] = [
      ["into.db", { runs: runs.slice(0, 1), question: "Why?" }],
      ["part.db", { runs: runs.slice(1, 2), question: "Why?" }],
      ["other.db", { runs: runs.slice(2), rule, margin: 50 }],
    ];
    for (const [name, rest] of parts) {
      using lab = Lab.open(path(name));
      lab.declare({ name: "same", ...rest });
    }
    using into = Lab.open(path("into.db")), part = Lab.open(path("part.db")), other = Lab.open(path("other.db"));
    await merge(part, into, (line) => said.push(line));
    assertEquals(said, []);
    await merge(other, into, (line) => said.push(line));
    assertEquals(said.length, 1);
    assertMatch(
      said[0],
      /other\.db: experiment same has question none, rule "half", margin 50; in .*into\.db it keeps question "Why\?", rule "first", margin none$/,
    );
    assertEquals(into.query("SELECT rule, margin FROM experiments"), [{ rule: "first", margin: null }]);
  }));

Deno.test("every experiment with a name can be declared, and each has its own", () => {
  for (const experiment of EXPERIMENTS) checkExperiment(experiment);
  assertEquals(new Set(EXPERIMENTS.map(({ name }) => name)).size, EXPERIMENTS.length);
});

Deno.test("the boundary experiments are the published ones", () => {
  const all = BOUNDARIES;
  const counts = all.map(({ name, runs }) => [name, runs.length, runs[0].schedule.steps]);
  assertEquals(counts, [
    ["exp1_weight_decay", 25, 50_000],
    ["exp2_hidden_dim", 20, 50_000],
    ["exp3_prime", 20, 50_000],
    ["exp4_matched", 20, 20_000],
    ["exp5_ratio_wd1", 40, 20_000],
    ["exp5_ratio_wd0p1", 40, 100_000],
    ["exp5_ratio_wd0p01", 40, 200_000],
    ["prime53_ratio", 55, 20_000],
    ["ratio_p23", 40, 20_000],
    ["ratio_p47", 40, 20_000],
    ["ratio_p53", 40, 20_000],
    ["ratio_p59", 40, 20_000],
    ["extended_ratio_wd1", 10, 20_000],
    ["extended_ratio_wd0p1", 10, 100_000],
    ["extended_ratio_wd0p01", 10, 200_000],
  ]);
  const seeds = [42, 123, 456, 789, 1337];
  for (const { name, rule, margin, runs } of all) {
    checkExperiment({ name, runs });
    assertEquals([rule, margin], ["sustained", 500]);
    assertEquals([...new Set(runs.map(({ seed }) => seed))], seeds);
    for (const { model, data, optim, schedule } of runs) {
      const { dModel, dMlp, ...rest } = model, { dModel: _, dMlp: __, ...published } = PRESETS.boundaries.model;
      assertEquals([rest, dMlp, schedule.evalEvery, data.batch, data.trainFraction], [published, 4 * dModel, 10, "full", 0.5]);
      assertEquals([optim.lr, optim.beta1, optim.beta2, optim.warmup], [1e-3, 0.9, 0.98, 0]);
    }
  }
  const values = (name: string) => Object.fromEntries(swept(all.find((each) => each.name === name)!.runs));
  assertEquals(values("exp1_weight_decay"), { "optim.weightDecay": [0.1, 0.5, 1, 3, 10], "schedule.steps": [50_000, 5000], seed: seeds });
  assertEquals(values("exp2_hidden_dim"), { "model.dModel": [32, 64, 128, 256], seed: seeds });
  assertEquals(values("exp3_prime"), { "data.prime": [23, 47, 59, 97], seed: seeds });
  assertEquals(values("exp5_ratio_wd1"), { "model.dModel": [72, 96, 120, 144, 192, 240, 288, 388], seed: seeds });
  assertEquals(values("extended_ratio_wd0p01"), { "model.dModel": [776, 1552], seed: seeds });
  assertEquals(values("prime53_ratio"), { "model.dModel": [52, 56, 80, 92, 100, 104, 112, 120, 140, 160, 200], seed: seeds });
  const matched = all.find(({ name }) => name === "exp4_matched")!.runs.filter(({ seed }) => seed === 42)
    .map(({ data, model }) => [data.prime, model.dModel]);
  assertEquals(matched, [[23, 32], [47, 64], [59, 64], [97, 128]]);
});
