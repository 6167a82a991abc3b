/** Shards: balanced by cost, the same everywhere, and written so that reading them gives the same runs. */
import { assert, assertEquals } from "@std/assert";
import { gridFile } from "../../lib/cli/grid_file.ts";
import { grid, range } from "../../lib/lab/experiment.ts";
import { balanced, gridText, part, updateCost } from "../../lib/lab/shards.ts";
import { openEngine } from "../../lib/train/engines.ts";
import { PRESETS, type RunSpec, runSpec, specHash } from "../../lib/run/spec.ts";
import { EXPERIMENTS } from "../../lib/studies/mod.ts";
import { scratch } from "./lab_files.ts";

const whole = (runs: readonly RunSpec[]) => runs.map((spec) => ({ spec, updates: spec.schedule.steps }));
const work = (spec: RunSpec, updates = spec.schedule.steps) => updates * updateCost(spec);

Deno.test("the parts of a sweep are all of it, each gets its share of every shape, and they are the same on any machine", () => {
  const all = grid({
    preset: "one-layer",
    model: { dModel: [4, 8], heads: 1 },
    data: { prime: 5 },
    schedule: { steps: 450 },
    seed: range(30),
  });
  const parts = [0, 1, 2].map((index) => part(all, { index, count: 3 }));
  assertEquals(new Set(parts.flat().map(specHash)).size, 60);
  assertEquals(parts.flat().length, 60);
  for (const each of parts) for (const width of [4, 8]) assert(each.filter(({ model }) => model.dModel === width).length >= 9);
  assertEquals(part(all, { index: 0, count: 1 }), all);
  // As it was when this was written: a change here deals out anew what clusters have begun.
  assertEquals(parts[1].slice(0, 6).map(({ seed }) => seed), [2, 4, 6, 11, 13, 15]);
});

Deno.test("shards have the same work, not the same number of runs", () => {
  for (const { name, runs } of EXPERIMENTS.filter(({ runs }) => runs.length >= 40)) {
    const shards = balanced(whole(runs), 8).map((shard) => shard.reduce((sum, { spec }) => sum + work(spec), 0));
    const mean = shards.reduce((a, b) => a + b) / 8, largest = Math.max(...runs.map((spec) => work(spec)));
    // No run can be cut in two: the shards differ by the work of one at most.
    assert(Math.max(...shards) - Math.min(...shards) <= largest, name);
    assert(Math.max(...shards) <= 4 / 3 * Math.max(mean, largest), name);
  }
  const [wide, ...narrow] = [
    runSpec({ preset: "one-layer", model: { dModel: 128 } }),
    ...grid({ preset: "one-layer", model: { dModel: 32 }, seed: range(30) }),
  ];
  const [one, other] = balanced(whole([wide, ...narrow]), 2);
  assertEquals([one.length + other.length, new Set([...one, ...other]).size], [31, 31]);
  assert(Math.abs(one.length - other.length) > 5, `${one.length} and ${other.length} runs`);
});

Deno.test("what is left to do counts, not what the run asks for in all; more shards than runs leave some empty", () => {
  const runs = grid({ preset: "one-layer", seed: range(4) }), left = runs.map((spec, i) => ({ spec, updates: i === 0 ? 900 : 300 }));
  assertEquals(balanced(left, 2).map((shard) => shard.map(({ spec }) => spec.seed)), [[0], [1, 2, 3]]);
  assertEquals(balanced(whole(runs), 6).filter((shard) => shard.length === 0).length, 2);
});

Deno.test("the estimate of an update's work is near what an engine counts, kernel by kernel", async () => {
  const engine = await openEngine();
  for (const preset of Object.keys(PRESETS) as (keyof typeof PRESETS)[]) {
    const spec = runSpec({ preset }), ratio = updateCost(spec) / engine.cost(spec).flop;
    assert(ratio > 0.7 && ratio < 1.4, `${preset}: ${ratio.toFixed(2)} of the engine's`);
  }
});

Deno.test("a shard's file holds its experiment and exactly its runs, one grid per setting", () =>
  scratch(async (path) => {
    for (const experiment of EXPERIMENTS) {
      const file = path(`${experiment.name}.json`);
      await Deno.writeTextFile(file, gridText(experiment));
      const { runs, ...rest } = await gridFile(file), { runs: expected, ...others } = experiment;
      const sorted = (specs: readonly RunSpec[]) => specs.map((spec) => JSON.stringify([specHash(spec), spec.schedule.steps])).sort();
      assertEquals(sorted(runs), sorted(expected), experiment.name);
      assertEquals(rest, { keep: "checkpoint", ...others });
    }
    const seeds = grid({ preset: "one-layer", optim: { weightDecay: [0, 1] }, seed: range(5000) });
    assert(gridText({ name: "seeds", runs: seeds }).length < 12 * seeds.length, "seeds of one setting share its text");
  }));
