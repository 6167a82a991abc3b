/** Figures of attention, from runs whose heads do what is known: what is drawn is what was put in, and titles state it. */
import { assert, assertAlmostEquals, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { medianEdges, shade } from "../../lib/figures/attention/shared.ts";
import { spread } from "../../lib/figures/labels.ts";
import { clusterFigure } from "../../lib/figures/attention/clusters.ts";
import { entropyFigure } from "../../lib/figures/attention/entropy.ts";
import { lagFigure } from "../../lib/figures/attention/lag.ts";
import { patternFigure } from "../../lib/figures/attention/patterns.ts";
import { specialisationByGroup, specialisationFigure } from "../../lib/figures/attention/specialisation.ts";
import { correlationBand, speedLag } from "../../lib/analysis/statistics/cross_correlation.ts";
import type { Figure } from "../../lib/figures/theme.ts";
import { made, several } from "../studies/attention_runs.ts";
import { extent, shapes, texts } from "./figure_parts.ts";
import { edgesOf, readQueries } from "../../lib/analysis/attention/runs.ts";
import { patternClusters, shares } from "../../lib/analysis/attention/pattern_clusters.ts";
import { headEntropies, layerCourse, phasePatterns } from "../../lib/analysis/attention/courses.ts";
import { datedRun } from "../../lib/analysis/attention/dated.ts";
import { typicalRun } from "../../lib/analysis/runs/groups.ts";

/** Evaluations are 10 steps apart, readings up to 9 % of a step: half-way steps lie between two of them. */
const DATED = 0.02;

/** The figure as XML; no coordinate may be what isn't a number. */
const said = (figure: Figure) => texts(figure).join(" ");

Deno.test("words along a line stand at their places, apart, and within its ends", () => {
  const words = (...at: number[]) => at.map((at) => ({ at, width: 20 }));
  assertEquals(spread(words(20, 60), 0, 100), [20, 60]);
  assertEquals(spread(words(20, 25, 60), 0, 100), [20, 40, 60]);
  assertEquals(spread(words(0, 98, 99), 0, 100), [10, 70, 90]);
  assertEquals(spread([], 0, 100), []);
});

Deno.test("of several runs the typical one groks at the median step, and edges are medians of the phases' beginnings", () => {
  const runs = several(3), never = made({ groks: null, seed: 9 });
  assertEquals(typicalRun([runs[2], never, runs[0], runs[1]]).spec.seed, 1);
  assertEquals(typicalRun([never]).spec.seed, 9);
  const edges = runs.map(edgesOf), middle = edges[1];
  assert(edges[0].transition! < middle.transition! && middle.generalised! < edges[2].generalised!);
  assertEquals(medianEdges(runs), { memorised: middle.memorised, transition: middle.transition, generalised: middle.generalised });
  assertEquals(medianEdges([never, never, runs[0]]).generalised, null);
  assertEquals([readQueries(runs[0].spec), readQueries(made({ preset: "boundaries" }).spec)], [[3], [0, 1]]);
});

Deno.test("patterns: a square for each weight that a query sees, phase by phase, in the colour of its mean", () => {
  const run = made({ seed: 4 }), shown = phasePatterns(run), figure = patternFigure([run]);
  assertEquals(shown.map(({ name }) => name), ["before memorisation", "memorised", "transition", "generalised"]);
  assertEquals(shown.reduce((sum, { readings }) => sum + readings, 0), run.readings.length);
  const squares = shapes(figure, "attention", "rect").map((square) => square.getAttribute("fill"));
  assertEquals(squares.length, 4 * 4 * (1 + 2 + 3 + 4));
  // Layer 0 head 1 turns to key 1: its last query is even at first; in the end nearly all is there.
  const last = (phase: number, head: number) => squares.slice(10 * (4 * phase + head) + 6, 10 * (4 * phase + head) + 10);
  assertEquals(last(0, 1), Array(4).fill(shade(0.25)));
  const { mean } = shown[3], at = (1 * 4 + 3) * 4;
  assert(mean[at + 1] > 0.97);
  assertEquals(last(3, 1), [0, 1, 2, 3].map((key) => shade(mean[at + key])));
  assertMatch(figure.title, /^At =, layer 0 head 0 changes most from memorised to generalised, by 0\.\d\d of 1, from “uniform” to “to a”$/);
  for (const word of ["Layer 0", "Layer 1", "head 1", "Generalised", "op"]) assert(texts(figure).includes(word), word);
  assertStringIncludes(said(figure), "Seed 4. Rows are queries");
});

Deno.test("patterns: of several runs one, and said which; of one phase, of a model without a mask, of many heads", () => {
  const runs = several(3), figure = patternFigure(runs);
  assertStringIncludes(said(figure), "Seed 1, the median of 3 by grokking: heads can't be matched across seeds.");
  assertStringIncludes(said(patternFigure(runs, { seed: 2 })), "Seed 2 of 3: heads");
  assertThrows(
    () => patternFigure(runs, { seed: 7 }),
    Error,
    "Cannot draw attention patterns: seed must be one of 0, 1, 2, current value is 7",
  );
  assertThrows(() => patternFigure([]), Error, "Cannot draw attention: the number of runs must be at least 1");
  assertThrows(() => patternFigure([runs[0], made({ model: { layers: 1 } })]), Error, "the runs' models must be the same");
  const short = made({ memorises: 1e6, groks: null, lag: 5, seed: 3 });
  assertEquals(patternFigure([short]).title, "Seed 3 gets no further than before memorisation");
  const both = patternFigure([made({ preset: "boundaries" })]);
  assertEquals(shapes(both, "attention", "rect").length, 4 * 4 * 4);
  assert(!said(both).includes("Blank"));
  const many = patternFigure([made({ model: { layers: 4, heads: 4 } })]);
  assertEquals(shapes(many, "attention", "rect").length, 4 * 16 * 10);
  assertEquals(texts(many).filter((text) => /^Layer \d$/.test(text)), ["Layer 0", "Layer 1", "Layer 2", "Layer 3"]);
  const still = made({ lag: 5 });
  assertMatch(patternFigure([still]).title, /^At =, no head changes much from memorised to generalised: the most is 0\.00 of 1$/);
});

Deno.test("clusters: even at first, in the end as many as there are keys; shares follow each head's last reading", () => {
  const runs = several(3, { key: (layer) => layer === 0 ? 0 : 2 }), clusters = patternClusters(runs);
  assertEquals([clusters.k, [...clusters.names].sort()], [3, ["to a", "to b", "uniform"]]);
  const [even, a, b] = ["uniform", "to a", "to b"].map((name) => clusters.names.indexOf(name));
  const [first, last] = shares(clusters, 0, [0, 2000]);
  assertEquals([first[even], last[a], last[b]], [1, 1, 0]);
  assertEquals(shares(clusters, 1, [2000])[0][b], 1);
  // Between two readings a head is where the earlier one left it.
  const [{ step: one }, { step: two }] = runs[0].readings.slice(30);
  assertEquals(shares(clusters, 0, [one]), shares(clusters, 0, [two - 1]));
  const figure = clusterFigure(runs, {}, clusters);
  assertMatch(figure.title, /^Pattern 1, “uniform”, shrinks from 100 % of the heads when memorised to 0 % at step 2,000$/);
  assertEquals(shapes(figure, "cluster", "path").length, 2 * 3);
  assertEquals(shapes(figure, "attention", "rect").length, 3 * 4);
  for (const word of ["to a", "to b", "uniform"]) assert(texts(figure).includes(word), word);
  assertMatch(said(figure), /Shares of a layer's 2 heads of 3 seeds/);
  assertEquals(["memorised", "transition", "generalised"].map((edge) => shapes(figure, `begins ${edge}`, "line").length), [2, 2, 2]);
  const whole = patternClusters(runs, { queries: [1, 2, 3], choice: { from: 2, to: 2 } });
  assertEquals([whole.k, whole.centroids[0].length], [2, 12]);
  assertMatch(clusterFigure(runs.slice(0, 1), { title: "Mine" }, whole).title, /^Mine$/);
});

Deno.test("entropy: 100 % where a head attends evenly, 0 % where one key gets all, a line a head, accuracy behind", () => {
  const run = made(), heads = headEntropies(run), figure = entropyFigure([run]);
  assertEquals(heads.map(({ layer, head }) => [layer, head]), [[0, 0], [0, 1], [1, 0], [1, 1]]);
  for (const { points } of heads) {
    assertAlmostEquals(points[0].entropy, 1, 1e-6);
    assert(points.at(-1)!.entropy < 0.01);
  }
  assertMatch(figure.title, /^Entropy falls in all 4 heads after memorising, most in layer \d head \d, from 100 % to 0 %$/);
  assertEquals([shapes(figure, "head 0 entropy", "path").length, shapes(figure, "validation accuracy", "path").length], [2, 2]);
  assertEquals(entropyFigure([made({ lag: 5 })]).title, "Entropy stays within 5 % in all 4 heads after memorising");
  assertThrows(() => entropyFigure([run], { queries: [0] }), Error, "the queries");
});

Deno.test("lag: each run's moments, the verdict in the title with its interval and n, what is left out said", () => {
  const { moments } = datedRun(made({ groks: 600, lag: 0.1 }));
  assertAlmostEquals(Math.log10(moments.accuracy! / 600), 0, DATED);
  assertAlmostEquals(Math.log10(moments.attention! / moments.accuracy!), 0.1, DATED);
  const titles = [-0.15, 0, 0.15].map((lag) => lagFigure(several(8, { lag })).title);
  const interval = String.raw`\(95 % interval [−+]?\d+ % to [−+]?\d+ %, n\u00a0=\u00a08\)$`;
  assertMatch(titles[0], new RegExp(String.raw`^Attention changes before validation accuracy: shift −\d+ % of the wait ${interval}`));
  assertMatch(titles[1], new RegExp(String.raw`^Attention changes with validation accuracy: shift [−+]?\d+ % of the wait ${interval}`));
  assertMatch(titles[2], new RegExp(String.raw`^Attention changes after validation accuracy: shift \+\d+ % of the wait ${interval}`));
  assertMatch(
    lagFigure(several(3)).title,
    /^Whether attention changes before, with or after accuracy is undecided: .*\(too few for an interval, n\u00a0=\u00a03\)$/,
  );
});

Deno.test("lag: a row a run, the runs without a lag last, and the correlation of the speeds with its band", () => {
  const runs = [made({ groks: null, seed: 9 }), made({ lag: 5, seed: 8 }), ...several(4, { lag: 0.1 })], figure = lagFigure(runs);
  assertStringIncludes(said(figure), "Left out: 1 not grokked in its steps, 1 without a clear change.");
  const count = (description: string, shape: string) => shapes(figure, description, shape).length;
  assertEquals([count("memorised", "circle"), count("grokked", "line"), count("accuracy half-way", "circle")], [6, 5, 5]);
  assertEquals([count("attention half-way", "path"), count("counts as none", "rect")], [5, 5]);
  assert(texts(figure).includes("not grokked") && texts(figure).includes("not clear"));
  const pairs = several(4, { lag: 0.1 }).flatMap((run) => datedRun(run).signals ?? []), speeds = speedLag(pairs, { resamples: 200 })!;
  const band = correlationBand(pairs, speeds, { resamples: 200 }), peak = band.find(({ lag }) => lag === speeds.lag)!;
  assertAlmostEquals(speeds.lag, 0.1, 0.04);
  assertAlmostEquals(peak.mid, speeds.correlation, 1e-9);
  assert(band.every(({ low, mid, high }) => low <= mid + 1e-9 && mid <= high + 1e-9));
  assertEquals([count("mean correlation", "path"), count("correlation band", "path")], [1, 1]);
  assertMatch(lagFigure(runs.slice(0, 1)).title, /^No run dates a change of attention against validation accuracy$/);
  assertMatch(lagFigure(several(8), { scale: "decades" }).title, /shift [−+]?0\.0\d decades/);
  const long = lagFigure([made({ seed: 4294967295 })]);
  assert(extent(long, "4294967295")[0] >= 0, "a seed is cut off");
});

Deno.test("lag: until grokking, what attention does later doesn't count", () => {
  const run = made({ groks: 300, lag: 0.4 }),
    [end, grokking] = (["end", "grokking"] as const).map((until) => datedRun(run, { until }).moments.attention);
  assertAlmostEquals(Math.log10(end! / 300), 0.4, DATED);
  assert(grokking === null || grokking < end! * 0.9, `${grokking} of ${end}`);
});

Deno.test("specialisation: 0 where the heads of a layer do the same, 1 bit where they turn to different keys", () => {
  const apart = several(3), same = several(3, { key: () => 2 });
  const last = (runs: typeof apart) => layerCourse(runs[0]).at(-1)!.layers.map(({ specialisation }) => specialisation!);
  for (const value of last(same)) assertAlmostEquals(value, 0, 1e-6);
  for (const value of last(apart)) assert(value > 0.98, `${value}`);
  const figure = specialisationFigure(apart);
  assertEquals(figure.title, "Specialisation rises from 0.00 to 1.00 in layer 0 and from 0.00 to 1.00 in layer 1 after memorising");
  assertEquals(shapes(figure, "layer 1 median", "path").length, 3);
  assertEquals(specialisationFigure(apart, { measures: ["entropySpread"] }).title.split(" from")[0], "Spread of the heads' entropies goes");
  assertThrows(() => specialisationFigure(apart, { measures: [] }), Error, "the number of measures must be at least 1");
  const groups = specialisationByGroup([{ name: "x − y", runs: apart }, { name: "x + y", runs: same }]);
  assertEquals(
    groups.title,
    "Specialisation in the end is highest for x\u00a0−\u00a0y (1.00), lowest for x\u00a0+\u00a0y (0.00), mean over layers",
  );
  assertEquals([shapes(groups, "x − y median", "path").length, shapes(groups, "median grokked", "line").length], [2, 4]);
  assertMatch(specialisationFigure([made({ model: { heads: 1 } })]).title, /^Specialisation has no value here$/);
  const broken = apart.map((run, i) => i > 0 ? run : { ...run, status: "failed" as const });
  for (const figure of [specialisationFigure(broken), specialisationByGroup([{ name: "x − y", runs: broken }])]) {
    assertMatch(texts(figure).join(" "), /1 of 3 runs diverged and is drawn until then\./);
  }
});
