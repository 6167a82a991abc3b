/**
 * The figures of the study of capacity, from constructed runs: survival curves, the map of capacities, trajectories, stability, steps
 * against a count.
 */
import { assert, assertAlmostEquals, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { grokkingAgainst } from "../../lib/figures/against/figure.ts";
import { capacityMap } from "../../lib/figures/capacity_map.ts";
import { stabilityFigure } from "../../lib/figures/stability.ts";
import { survivalCurves, type SurvivalGroup, survivalPanels } from "../../lib/figures/survival.ts";
import { TRAIN, VALIDATION } from "../../lib/figures/theme.ts";
import { trajectories } from "../../lib/figures/trajectories.ts";
import { type Grid, grid, range } from "../../lib/lab/experiment.ts";
import { parameterCount } from "../../lib/run/layout.ts";
import type { RunSpec } from "../../lib/run/spec.ts";
import type { Metrics } from "../../lib/run/metrics.ts";
import { marks, parsed, shapes, texts, title } from "./figure_parts.ts";
import type { BoardRun } from "../../lib/analysis/runs/run.ts";
import { timesTo } from "../../lib/analysis/runs/times.ts";

const STEPS = 1000;
type Known = BoardRun & { metrics: Metrics[] };

/** Runs that memorise at 100 and grok when `at` says, if they do; both at once, from nothing to all. */
const runsOf = (lists: Grid, at: (spec: RunSpec) => number | null): Known[] =>
  grid({ schedule: { steps: STEPS }, ...lists }).map((spec) => {
    const grokkingStep = at(spec);
    const metrics = range(0, 101).map((i) => {
      const step = 10 * i, trainAcc = Number(step >= 100), valAcc = Number(grokkingStep !== null && step >= grokkingStep);
      return { step, trainAcc, valAcc, trainLoss: 1, valLoss: 1, weightNorm: 1, gradNorm: 0, batchLoss: 0, batchAcc: 0, noisyAcc: NaN };
    });
    return { spec, status: "finished", step: STEPS, memorisationStep: 100, grokkingStep, metrics };
  });

const group = (name: string, times: readonly number[], ...censored: number[]): SurvivalGroup => ({
  name,
  times: [...times.map((time) => ({ time, event: true })), ...censored.map((time) => ({ time, event: false }))],
});
const early = group("early", [100, 110, 120, 130, 140, 150]), late = group("late", [500, 600, 700, 800], 900, 1000);

Deno.test("survival: a curve and a band a group, a tick where one was watched no longer, a dot where half have grokked", () => {
  const figure = survivalCurves([{ name: "Small", groups: [early, late] }], { from: 10 });
  assertEquals(marks(figure, "survival", "band", "watched no longer", "half have", "key"), [2, 2, 2, 2, 2]);
  const said = texts(figure);
  for (const word of ["early", "6 of 6", "late", "4 of 6", "Small"]) assert(said.includes(word), word);
  assertMatch(title(figure), /^Times to grok differ \(log-rank p = 0\.0022\)\. early: half by step 120; late: half by step 700$/);
  // The steps of the curve: its height after each time is the product-limit estimate.
  const [path] = shapes(figure, "survival").map((shape) => shape.getAttribute("d")!);
  const ys = [...new Set([...path.matchAll(/[LV]([\d.]+,)?([\d.]+)/g)].map((match) => Number(match[2])))].sort((a, b) => a - b);
  const heights = ys.map((y) => (ys.at(-1)! - y) / (ys.at(-1)! - ys[0]));
  assertEquals(heights.map((height) => Math.round(6 * height * 100) / 100), [6, 5, 4, 3, 2, 1, 0]);
});

Deno.test("survival: panels are corrected together, say which group is sooner, and take a test of one's own", () => {
  const same = { name: "Medium", groups: [group("a", [100, 300]), group("b", [200, 250])] };
  const figure = survivalCurves([{ name: "Small", groups: [early, late] }, same]);
  assertMatch(title(figure), /^Times to grok differ in 1 of 2 panels: Small \(early sooner\) \(log-rank, Holm-corrected p = 0\.00\d+\)$/);
  assertEquals(marks(figure, "survival", "half have"), [4, 4]);
  const none = survivalCurves([same, { ...same, name: "Large", tested: { p: 0.04, least: 0.001 } }], { test: "stratified" });
  assertMatch(title(none), /^In none of 2 panels can times to grok be told apart \(stratified, Holm-corrected p ≥ 0\.08\)$/);
  assert(texts(none).includes("stratified p = 0.04"));
  // Within operations another group may be sooner than over all runs.
  const within = { ...same, tested: { p: 0.001, least: 0.0001, sooner: "b" } };
  assertMatch(title(survivalCurves([within, same])), /^Times to grok differ in 1 of 2 panels: Medium \(b sooner\)/);
  assertMatch(
    title(survivalCurves([within, { ...same, tested: { p: null, least: null } }])),
    /^Times to grok differ in 1 of 2 panels: Medium/,
  );
  assertMatch(title(survivalCurves([within])), /^Times to grok differ, b sooner \(log-rank p = 0\.001\)\. a: half by/);
  const both = survivalCurves(["Small", "Large"].map((name) => ({ name, groups: [early, late] })));
  assertMatch(title(both), /^Times to grok differ in all 2 panels: Small \(early sooner\) and Large \(early sooner\)/);
});

Deno.test("survival: more groups than a panel holds go into further panels, each with the first; groups that haven't begun into none", () => {
  const groups = (...names: string[]) => names.map((name) => group(name, [100, 200])), none = group("none", []);
  const panels = (first: SurvivalGroup, ...others: SurvivalGroup[]) =>
    survivalPanels("All", first, others).map(({ name, groups }) => `${name}: ${groups.map(({ name }) => name).join(" ")}`);
  assertEquals(panels(early, ...groups("a", "b", "c", "d")), ["All: early a b c d"]);
  assertEquals(panels(early, ...groups("a", "b", "c", "d", "e")), ["All, 1 of 2: early a b c d", "All, 2 of 2: early e"]);
  assertEquals([panels(early, none), panels(none, ...groups("a")), panels(none, none)], [["All: early"], ["All: a"], []]);
});

Deno.test("survival: one group, nobody who grokked, many panels, and what can't be drawn", () => {
  assertEquals(title(survivalCurves([{ name: "", groups: [late] }])), "4 of 6 networks grok, half by step 700");
  // The first step by which half have, whether or not another one groks: at none between two of them has anything happened.
  for (const [grokked, step] of [[[320, 400, 1060, 1280], "1,060"], [[320, 680, 1280], "1,280"]] as const) {
    const six = group("", grokked, ...Array(6 - grokked.length).fill(1600));
    assertEquals(title(survivalCurves([{ name: "", groups: [six] }])), `${grokked.length} of 6 networks grok, half by step ${step}`);
  }
  const none = survivalCurves([{ name: "", groups: [group("a", [], 500), group("b", [], 500, 500)] }]);
  assertEquals([marks(none, "half have", "band", "watched no longer"), texts(none).some((word) => word.includes("log-rank"))], [
    [0, 0, 2],
    false,
  ]);
  const many = survivalCurves(range(6).map((i) => ({ name: `P${i}`, groups: [early, late] })));
  // Two beside each other: three rows, of which the last says what is across.
  assertEquals(texts(many).filter((word) => word.startsWith("Optimiser steps")).length, 2);
  assertThrows(() => survivalCurves([]), Error, "panels must be at least one, current value is 0");
  assertThrows(() => survivalCurves([{ name: "Small", groups: [] }]), Error, "groups of Small must be from 1 to 5, current value is 0");
  assertThrows(() => survivalCurves([{ name: "Small", groups: [group("a", [])] }]), Error, "times of a must be at least one");
});

Deno.test("times to grok: censored where a run was watched so long and had not, none of what has not begun", () => {
  const runs = runsOf({ seed: range(3) }, ({ seed }) => [200, null, 5000][seed]);
  assertEquals(timesTo("grokked", [...runs, { ...runs[0], status: "waiting", step: 0, grokkingStep: null }]), [
    { time: 200, event: true, until: STEPS },
    { time: STEPS, event: false, until: STEPS },
    // It went on for another experiment and grokked after these steps.
    { time: STEPS, event: false, until: STEPS },
  ]);
  // What diverged wouldn't have, however long it was watched.
  assertEquals(timesTo("grokked", [{ ...runs[1], status: "failed", step: 40 }]), [{ time: STEPS, event: false, until: STEPS }]);
});

const LISTS: Grid = {
  data: { operation: ["x_plus_y", "permutation"] },
  model: { layers: [1, 4], dModel: [32, 64], heads: [2, 4] },
  seed: range(2),
};
/** All additions grok, the widest soonest; of permutations one seed of the widest and deepest. */
const capacities = runsOf(
  LISTS,
  ({ data, model: { dModel, layers }, seed }) =>
    data.operation === "x_plus_y" ? 9600 / dModel + 10 * layers : dModel === 64 && layers === 4 && seed === 0 ? 800 : null,
);

Deno.test("the map of capacities: blocks of heads, widths across, layers upwards, an operation below the other", () => {
  const figure = capacityMap(capacities);
  assertEquals(title(figure), "All networks grok on x + y, 2 of 16 on a · b in S5");
  assertEquals(marks(figure, "setting", "share", "not done"), [16, 8 + 2, 0]);
  const said = texts(figure), number = (word: string) => said.filter((each) => each === word).length;
  assertEquals(["x + y", "a · b in S5", "2 heads", "4 heads", "4 layers", "1 layer", "32", "64", "none", "–", "160"].map(number), [
    ...[1, 1, 1, 1, 2, 2, 2, 2, 6 + 1, 2, 2], // `none` stands in the key, too
  ]);
  assertEquals([number("2 of 2"), number("1 of 2"), number("0 of 2")], [8, 2, 6]);
  // Deeper networks stand higher, those with more heads further right.
  const places = [...parsed(figure).querySelectorAll("text")].map((text) => ({
    word: text.textContent,
    at: text.getAttribute("transform") ?? "",
  }));
  const y = (word: string) => Number(places.find((place) => place.word === word)!.at.match(/,([-\d.]+)\)/)![1]);
  assert(y("4 layers") < y("1 layer"));
});

Deno.test("each block of heads has columns for the widths that were run with so many heads, no empty ones", () => {
  const some = capacities.filter(({ spec: { model } }) => model.heads === 4 || model.dModel === 32), figure = capacityMap(some);
  const said = texts(figure),
    left = (word: string) =>
      [...parsed(figure).querySelectorAll("text")].filter((text) => text.textContent === word)
        .map((text) => Number(text.getAttribute("transform")!.match(/\(([-\d.]+),/)![1]));
  assertEquals(["32", "64"].map((width) => said.filter((word) => word === width).length), [2, 1]);
  // Between the last column of the first block and the first of the second lies the gap, no more.
  const [[first, second], [last]] = [left("32"), left("64")];
  assertAlmostEquals(second - first, 1.3 * (last - second), 1);
});

Deno.test("the map of one operation says where networks grok; open cells are hatched; cells of several settings are refused", () => {
  const one = capacities.filter(({ spec }) => spec.data.operation === "x_plus_y");
  assertEquals(
    title(capacityMap(one)),
    "Every network groks at all 8 settings, earliest median with x + y · 1×64×2 and x + y · 1×64×4: step 160",
  );
  const waiting = one.map((run, i) => (i === 0 ? { ...run, status: "waiting", step: 0, grokkingStep: null } : run));
  const open = capacityMap(waiting);
  assertEquals([marks(open, "not done"), /; 1 setting not done$/.test(title(open))], [[1], true]);
  // Counts, median and colour are of those that have begun; the other one may change nothing of them.
  const cell = texts(open).filter((word) => word === "1 of 1" || word === "1 of 2");
  assertEquals([cell, texts(open).join(" ").includes("Hatched: not all runs are done; those begun are counted.")], [["1 of 1"], true]);
  assertEquals(shapes(open, "share", "rect").map((share) => share.getAttribute("fill-opacity")), Array(8).fill("0.78"));
  const twice = [...one, ...runsOf({ model: { layers: 1, dModel: 32, heads: 2 }, optim: { lr: 0.5 } }, () => null)];
  assertThrows(() => capacityMap(twice), Error, "must differ in their seed alone, current value is 2 settings");
  assertThrows(() => capacityMap([]), Error, "at least one run");
});

const additions = (dModel: number, layers: number) =>
  capacities.filter(({ spec: { data, model } }) => data.operation === "x_plus_y" && model.dModel === dModel && model.layers === layers);

Deno.test("trajectories: both accuracies of every group, told apart by the dash; how many grok and when beside them", () => {
  const groups = [{ name: "deep", runs: additions(32, 4) }, { name: "wide", runs: additions(64, 1) }];
  const figure = trajectories([{ name: "Small", groups }, { name: "Large", groups: groups.toReversed() }]);
  assertEquals(
    marks(figure, "training median", "validation median", "training band", "validation band", "median grokked", "key"),
    Array(6).fill(4),
  );
  const lines = shapes(figure, "validation median").slice(0, 2).map((line) => line.parentElement!);
  assertEquals(lines.map((line) => line.getAttribute("stroke")), [VALIDATION.color, VALIDATION.color]);
  assert(lines[0].getAttribute("stroke-dasharray") !== lines[1].getAttribute("stroke-dasharray"));
  assertEquals(shapes(figure, "training median")[0].parentElement!.getAttribute("stroke"), TRAIN.color);
  for (const word of ["deep", "4 of 4 grok", "median 340", "wide", "median 160", "training", "Small", "Large"]) {
    assert(texts(figure).includes(word), word);
  }
  assertEquals(title(figure), "Too few runs to compare times to grok in any of 2 panels (log-rank, Holm-corrected p ≥ 0.057)");
});

Deno.test("trajectories: the title says what a test of the times carries, not what medians look like", () => {
  const never = additions(32, 1).map((run) => ({ ...run, grokkingStep: null }));
  const titled = (...pairs: [string, Known[]][][]) =>
    title(trajectories(pairs.map((pair, i) => ({ name: `P${i}`, groups: pair.map(([name, runs]) => ({ name, runs })) }))));
  assertEquals(
    titled([["a", additions(32, 1)], ["b", additions(32, 4)]]),
    "Times to grok differ (log-rank p = 0.029). a: half by step 310; b: half by step 340",
  );
  assertEquals(
    titled([["a", additions(32, 1)], ["b", additions(32, 4)]], [["c", never], ["d", never]]),
    "Times to grok differ in 1 of 2 panels: P0 (a sooner) (log-rank p = 0.029)",
  );
  assertEquals(
    titled([["a", additions(32, 1)], ["b", never]]),
    "Times to grok differ (log-rank p = 0.029). a: half by step 310; b: fewer than half within 1,000 steps",
  );
  // Panels with one group aren't tested, nor are those with a group that hasn't begun.
  const [a, b]: [string, Known[]][] = [["a", additions(32, 1)], ["b", additions(32, 4)]];
  const waiting: [string, Known[]] = ["c", never.map((run) => ({ ...run, metrics: [] }))];
  assertEquals(
    titled([a, b], [["c", never]]),
    "Times to grok differ in the panel that compares groups: P0 (a sooner) (log-rank p = 0.029)",
  );
  assertMatch(
    titled([a, b], [a, b], [a, b, waiting]),
    /^Too few runs to compare times to grok in any of 3 panels \(.* p.≥ 0\.057\)$/,
  );
  assertMatch(titled([["c", never], ["d", never]], [a, b, waiting]), /^8 of 16 networks grok/);
  assertEquals(titled([a, b, waiting], [a]), "Which of them groks sooner isn't known yet");
  assertEquals(titled([["c", never], ["d", never]]), "None of 8 networks groks within 1,000 steps");
  assertEquals(titled([["a", additions(32, 1)], ["b", additions(32, 1)]]), "8 of 8 networks grok, too few or too alike to compare");
  assertEquals(titled([["a", additions(32, 1)]]), "P0: 4 of 4 grok, median 310");
  assertThrows(() => trajectories([]), Error, "panels must be at least one");
  assertThrows(() => trajectories([{ name: "Small", groups: [{ name: "a", runs: [] }] }]), Error, "runs of a must be at least one");
});

Deno.test("stability: a dot a run that grokked in both strips, the median, and how many dipped", () => {
  const held = (timeBelow: number, depth = timeBelow / 2) => ({ dips: timeBelow > 0 ? 2 : 0, depth, timeBelow });
  const sections = [
    {
      name: "Small",
      groups: [{ name: "1×64×2", runs: [held(0), held(0), held(0), null] }, { name: "4×32×2", runs: [held(0.5), held(0.3), held(0.1)] }],
    },
    { name: "Large", groups: [{ name: "1×256×2", runs: [null, null] }, { name: "2×256×2", runs: [held(0.9)] }] },
  ];
  const figure = stabilityFigure(sections);
  assertEquals(marks(figure, "run", "median"), [2 * 7, 2 * 2]);
  const said = texts(figure);
  for (const word of ["Small", "Large", "0 of 3", "3 of 3", "none grokked", "Time below 99 %", "Deepest dip"]) {
    assert(said.includes(word), word);
  }
  assertEquals(
    title(figure),
    "4 of 7 networks that grokked fall below 99 % again; groups' median times below it: 0 to 30 % of the steps since",
  );
  assertEquals(
    title(stabilityFigure([{ name: "", groups: [{ name: "a", runs: [held(0)] }] }])),
    "The network that grokked does not fall below 99 % again",
  );
  // Groups that overlap: a network is counted once. And only some of the steps.
  const twice = stabilityFigure([...sections, { name: "Once more", groups: [sections[0].groups[1]] }], { during: "in the last 500 steps" });
  assertEquals(
    title(twice),
    "4 of 7 networks that grokked fall below 99 % again in the last 500 steps; groups' median times below it: 0 to 30 %",
  );
  assert(texts(twice).join(" ").includes("One dot per network that grokked, watched in the last 500 steps; bar:"));
  const none = [{ name: "Large", groups: sections[1].groups.slice(0, 1) }];
  assertEquals(title(stabilityFigure(none)), "No network has grokked");
  assertThrows(() => stabilityFigure([{ name: "", groups: [] }]), Error, "there must be at least one run, current value is 0");
});

Deno.test("steps against what is counted of a run, in words of one's own", () => {
  const say = (n: number) => `${Math.round(n / 1000)}k`;
  const figure = grokkingAgainst(additions(32, 1).concat(additions(64, 4)), { of: parameterCount, label: "parameter count", say });
  assert(texts(figure).includes("19k") && texts(figure).includes("213k"), texts(figure).join());
  assertEquals(title(figure), "Networks grok at every parameter count, earliest median with 213k: step 190");
});
