/** The study's questions, put to runs whose answers are known. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { contrastTimes, contrastValues } from "../../lib/analysis/statistics/contrasts.ts";
import { choose } from "../../lib/analysis/statistics/sample.ts";
import { CAPACITY_NAMED, FULL_STUDY, STUDY_IN_SMALL } from "../../lib/studies/capacity/experiments.ts";
import {
  besideBaselines,
  besidePublished,
  byFactor,
  byOperation,
  bySize,
  deepOrWide,
  inStability,
  inTime,
  pairGroups,
  pairPanels,
} from "../../lib/studies/capacity/findings.ts";
import type { StudiedRun } from "../../lib/analysis/runs/question.ts";
import type { RunSpec } from "../../lib/run/spec.ts";

const ran = (spec: RunSpec, memorisationStep: number | null, grokkingStep: number | null, timeBelow = 0): StudiedRun => ({
  ...{ spec, status: "finished", step: spec.schedule.steps, memorisationStep, grokkingStep },
  stability: grokkingStep === null ? null : { dips: timeBelow > 0 ? 1 : 0, depth: timeBelow, timeBelow },
});

/** Depth and division delay, width and heads do nothing; deep networks dip. One network in five never groks where it is deep. */
const runs = STUDY_IN_SMALL.experiments[0].runs.map((spec) => {
  const { model: { layers }, data: { operation }, seed } = spec;
  const grokked = layers === 4 && seed === 4 ? null : 300 * layers + (operation === "x_div_y" ? 500 : 0) + 20 * seed;
  return ran(spec, 100 + 20 * seed, grokked, layers === 4 ? 0.1 + 0.01 * seed : 0);
});

Deno.test("factors: the most against the least with all else the same", () => {
  const rows = contrastTimes(inTime("grokked", byFactor(runs, STUDY_IN_SMALL)));
  assertEquals(rows.map(({ of, first, second, n, verdict }) => [of, first, second, n, verdict]), [
    ["Depth", "4 layers", "1 layer", [90, 90], 1],
    ["Width", "d_model 64", "d_model 16", [90, 90], 0],
    ["Heads", "4 heads", "2 heads", [135, 135], 0],
  ]);
  // Three strata of operations by six networks: 4 of 5 take 900 steps longer, 3.5 times as long in two of them and 2.1 in the third; the
  // fifth never groks.
  assertEquals([rows[0].events, rows[0].watched], [[72, 90], [3000, 3000]]);
  assert(rows[0].size! > 2.1 && rows[0].size! < 4, `${rows[0].size}`);
  assert(rows[0].interval.low! > 1.5 && rows[0].interval.low! < rows[0].size!);
  const memorising = contrastTimes(inTime("memorised", byFactor(runs, STUDY_IN_SMALL)));
  assertEquals(memorising.map(({ p, verdict }) => [p, verdict]), [[1, 0], [1, 0], [1, 0]]);
  for (const { size } of memorising) assertAlmostEquals(size!, 1, 0.2);
});

Deno.test("pairs: the deep one first; a question a bucket, or one an operation too", () => {
  const questions = deepOrWide(runs, STUDY_IN_SMALL.pairs);
  const rows = contrastTimes(inTime("grokked", questions));
  assertEquals(rows.map(({ of, first, second, n, verdict }) => [of, first, second, n, verdict]), [
    ["Small", "4×16×2", "1×32×4", [15, 15], 1],
    ["Medium", "4×32×2", "1×64×4", [15, 15], 1],
    ["Large", "4×64×2", "1×128×4", [15, 15], 1],
  ]);
  const each = deepOrWide(runs, STUDY_IN_SMALL.pairs, "operation");
  assertEquals(each.slice(0, 3).map(({ of }) => of), ["Small, x / y", "Small, x − y", "Small, x + y"]);
  assertEquals(contrastTimes(inTime("grokked", each)).map(({ n }) => n), Array(9).fill([5, 5]));
  const held = contrastValues(inStability(questions));
  assertEquals(held.map(({ n, size, verdict }) => [n, size, verdict]), Array(3).fill([[12, 15], 1, 1]));
});

Deno.test("a pair's runs, together and for each operation, where both of its networks were run", () => {
  const [small] = STUDY_IN_SMALL.pairs, shapes = pairGroups(runs, small);
  assertEquals(shapes.map(({ name, runs }) => [name, runs.length]), [["4×16×2", 15], ["1×32×4", 15]]);
  assertEquals(pairPanels(runs, small).map(({ name, groups }) => [name, ...groups.map(({ runs }) => runs.length)]), [
    ["x / y", 5, 5],
    ["x − y", 5, 5],
    ["x + y", 5, 5],
  ]);
  const oneSided = runs.filter(({ spec: { model, data } }) => data.operation !== "x_plus_y" || model.dModel === 16);
  assertEquals(pairPanels(oneSided, small).map(({ name }) => name), ["x / y", "x − y"]);
  assertEquals(pairGroups(oneSided, small).map(({ runs }) => runs.length), [10, 10]);
  assertEquals(pairGroups(oneSided.filter(({ spec: { model } }) => model.dModel === 16), small), []);
});

Deno.test("operations against addition; large networks against small ones", () => {
  const rows = contrastTimes(inTime("grokked", byOperation(runs)));
  assertEquals(rows.map(({ first, second, verdict }) => [first, second, verdict]), [["x / y", "x + y", 1], ["x − y", "x + y", 0]]);
  const [size] = contrastTimes(inTime("grokked", bySize(runs, STUDY_IN_SMALL)));
  assertEquals([size.first, size.second], ["large networks", "small ones"]);
  // Whole architectures are dealt, all of those that are large or small: the smallest p is that of some of their deals.
  const [large, little] = size.units!;
  assertEquals([size.n, large + little], [[15 * large, 15 * little], 13]);
  const deals = size.least! * choose(13, large);
  assert(deals >= 1 - 1e-9 && Math.abs(deals - Math.round(deals)) < 1e-9, `${deals}`);
  assertThrows(
    () => inStability(bySize(runs, STUDY_IN_SMALL)),
    Error,
    "Cannot compare the stability of Parameters: its unit must be the run",
  );
});

Deno.test("the full study's factors and pairs are in its grid and its pairs", () => {
  const all = FULL_STUDY.experiments.flatMap(({ runs }) => runs).map((spec) => ran(spec, 100, 500));
  const grid = all.slice(0, FULL_STUDY.experiments[0].runs.length);
  assertEquals(byFactor(grid, FULL_STUDY).map(({ strata }) => strata.filter(({ a, b }) => a.length === 5 && b.length === 5).length), [
    36,
    36,
    36,
  ]);
  const unique = [...new Map(all.map((run) => [JSON.stringify(run.spec), run])).values()];
  const pairs = contrastTimes(inTime("grokked", deepOrWide(unique, FULL_STUDY.pairs)));
  assertEquals(pairs.map(({ n }) => n), Array(3).fill([20, 20]));
});

Deno.test("beside the published numbers: n, medians, the interval for a mean of three, and what can't be said", () => {
  const [baseline] = CAPACITY_NAMED;
  const rows = besidePublished(baseline.runs.map((spec) => {
    const at = new Map<string, number>([["x_div_y", 4300], ["x_minus_y", 3000], ["x_plus_y", 2600]]).get(spec.data.operation);
    return ran(spec, 200, at === undefined ? null : at + 100 * (spec.seed - 2));
  }));
  assertEquals(rows.length, 12);
  const [division, subtraction, addition, permutation, other] = rows;
  assertEquals([division.network, division.operation, division.n, division.grokked, division.median, division.mean], [
    ...["2×128×4", "x / y", 5, 5, 4300, 4300],
  ]);
  // s of 4100 … 4500 is √25000; t(0.975, 4) = 2.776445.
  assertAlmostEquals(division.high! - 4300, 2.776445 * Math.sqrt(25_000 * (1 / 5 + 1 / 3)), 1e-3);
  assertEquals([division.agrees, subtraction.agrees, addition.agrees], [true, false, true]);
  assertEquals([permutation.n, permutation.grokked, permutation.median, permutation.mean, permutation.agrees], [5, 0, null, 7500, null]);
  assertEquals([other.network, other.parameters, other.n, other.mean, other.agrees], ["1×128×4", "224k", 0, null, null]);
});

Deno.test("beside all published means of the baseline: the difference of the means with its interval, nothing where runs never grokked", () => {
  const runs = CAPACITY_NAMED[0].runs.map((spec) =>
    ran(spec, 200, spec.data.operation === "permutation" ? null : 4000 + 100 * (spec.seed - 2))
  );
  const [division, , addition, permutation] = besideBaselines(runs);
  assertEquals([division.operation, division.tables, division.n, division.grokked, division.mean], ["x / y", 5, 5, 5, 4000]);
  assertAlmostEquals(division.published, 4170, 1e-9);
  // SciPy: ttest_ind([3800, 3900, 4000, 4100, 4200], the five means, equal_var=False).confidence_interval()
  assertAlmostEquals(division.difference!, -170, 1e-9);
  assertAlmostEquals(division.low!, -466.923515, 1e-3);
  assertAlmostEquals(division.high!, 126.923515, 1e-3);
  assert(addition.low! > 1000, "addition at 4000 is told apart from 2575");
  assertAlmostEquals(permutation.published, 22_466 / 3, 1e-9);
  assertEquals([permutation.n, permutation.grokked, permutation.difference], [5, 0, null]);
});
