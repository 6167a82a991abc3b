/** The figures of the boundary between memorising and grokking, from constructed runs: heat map, critical values, survival cell by cell. */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { grokkingAgainst } from "../../lib/figures/against/figure.ts";
import { boundaryHeatMap } from "../../lib/figures/boundary/heat_map.ts";
import { survivalByCell } from "../../lib/figures/boundary/cell_survival.ts";
import { criticalFigure } from "../../lib/figures/boundary/critical.ts";
import { shadesOf } from "../../lib/figures/shades.ts";
import { stretches, surfaceFinding } from "../../lib/figures/boundary/surface.ts";
import { boundaryMap, replay } from "../../lib/lab/boundary.ts";
import { range } from "../../lib/lab/experiment.ts";
import type { RunSpec } from "../../lib/run/spec.ts";
import { marks, shapes, texts, title } from "./figure_parts.ts";
import { DECAYS, DIMS, runs, runsOf, STEPS } from "./made_boundaries.ts";
import { criticalRows } from "../../lib/analysis/boundary/critical.ts";
import type { BoardRun } from "../../lib/analysis/runs/run.ts";
import { surfaceOf } from "../../lib/analysis/boundary/surface.ts";

Deno.test("the surface: a cell a pair of values, what most of its runs do, and until when they were watched", () => {
  const { xs, ys, cells, names, say } = surfaceOf(runs);
  assertEquals([xs, ys, names], [DIMS.map((d) => d / 97), DECAYS, { x: "d_model / p", y: "weight decay" }]);
  assertEquals(xs.map(say.x), ["0.742", "0.99", "1.24", "1.48", "1.98", "4"]);
  assertEquals(cells.map((row) => row.map(({ groks }) => Number(groks)).join("")), ["000011", "001111", "111111"]);
  const { median, grokked, runs: n, watched, asked } = cells[2][0];
  assertEquals([median, grokked, n, watched, asked], [480, 5, 5, STEPS, true]);
  assertEquals(cells.map((row) => stretches(row, say.x)), ["from 1.98 on", "from 1.24 on", "everywhere"]);
  const pattern = (bits: string) => stretches([...bits].map((bit, i) => ({ ...cells[0][i], groks: bit === "1" })), say.x);
  assertEquals(["101100", "110011", "010001", "011100", "010101"].map(pattern), [
    "at 0.742 and from 1.24 to 1.48",
    "up to 0.99 and from 1.98 on",
    "at 0.99 and at 4",
    "from 0.99 to 1.48 only",
    "in 3 separate stretches",
  ]);
});

Deno.test("a majority is known before all runs are done, half is none, and one that diverged hasn't grokked", () => {
  const state = (...grokked: (number | null | "open" | "diverged")[]) => {
    const some = runsOf(() => null, [96], [1], grokked.length).map((run, i): BoardRun => {
      const each = grokked[i];
      if (each === "open") return { ...run, status: "training", step: 500 };
      return each === "diverged" ? { ...run, status: "failed", step: 300 } : { ...run, grokkingStep: each };
    });
    const { groks, median, open } = surfaceOf(some).cells[0][0];
    return [groks, median, open];
  };
  assertEquals(state(200, 300, 400, "open", "open"), [true, 400, 2]);
  assertEquals(state(200, 300, "open", null, null), [null, null, 1]);
  assertEquals(state(null, "diverged", null, "open", 200), [false, null, 1]);
  assertEquals(state(200, 300, null, null), [false, null, 0]);
  assertEquals(state("diverged", 200, 300), [true, 300, 0]);
});

Deno.test("the heat map: the median and the count in each cell, grey where most don't, a line between", () => {
  const figure = boundaryHeatMap(runs);
  assertEquals(
    title(figure),
    "Most networks grok at every d_model / p with weight decay 1, from 1.98 on with 0.01, from 1.24 on with 0.1",
  );
  assertEquals(marks(figure, "setting", "share", "not asked"), [18, 18, 0]);
  const fills = shapes(figure, "share").map((shape) => shape.getAttribute("fill"));
  assertEquals(fills.filter((fill) => fill === "#ececec").length, 6);
  // From the top line's left: cells (2, 2) and (1, 1) beside those that don't grok, (0 … 1, 2) and (2 … 3, 1) above such.
  assertEquals(marks(figure, "boundary"), [2 + 2 + 2]);
  const said = texts(figure);
  for (const word of ["480", "5 of 5", "0 of 5", "none", "d_model / p →", "Weight decay"]) assert(said.includes(word), word);
  // Not the hue of shares, in which there is more red than green: a reader of both maps would take one for the other.
  assert(
    fills.filter((fill) => fill !== "#ececec").every((fill) => parseInt(fill.slice(1, 3), 16) < parseInt(fill.slice(3, 5), 16)),
    fills.join(),
  );
  assert(texts(figure).join(" ").includes("In place of a median, none: no network grokked in the steps watched."));
  // Where all medians are the same, the key has one colour for their step.
  const same = boundaryHeatMap(runsOf(() => 540));
  assertEquals(["step 540", "540"].map((word) => texts(same).filter((each) => each === word).length), [1, 18]);
  // The sooner, the darker: the key goes from the first median to the last.
  const { of, samples } = shadesOf([480, 4800]);
  assertEquals([of(480), of(4800)], [samples(5)[0], samples(5)[4]]);
  assert(
    parseInt(of(480).slice(3), 16) < parseInt(of(1500).slice(3), 16) && parseInt(of(1500).slice(3), 16) < parseInt(of(4800).slice(3), 16),
  );
});

Deno.test("a map that was searched: what was asked as it is, what was taken for granted with a mark, what wasn't asked for left out", () => {
  const dims = range(9).map((i) => 24 + 8 * i), some = runsOf((ratio) => (ratio > 0.6 ? 500 : null), dims, [0.1, 1, 10]);
  const axes = { x: "model.dModel", y: "optim.weightDecay" }, specs = some.map(({ spec }) => spec);
  const known = some.map(({ grokkingStep }) => ({ groks: grokkingStep !== null, updates: 1 }));
  const { map } = replay(specs, axes, known, { stride: 4 });
  const figure = boundaryHeatMap(some, { map }), asked = map.cells.flat().filter((cell) => cell.asked).length;
  assert(asked < 27);
  assertEquals(marks(figure, "setting", "not asked"), [asked, 27 - asked]);
  const taken = map.cells.flat().filter((cell) => !cell.asked);
  assertEquals(
    marks(figure, "taken to grok", "taken not to"),
    [true, false].map((groks) => taken.filter((cell) => cell.groks === groks).length),
  );
  assertEquals(marks(figure, "boundary"), [3]);
  // Of a place asked until its majority was known, three of five runs, only these count.
  const begun = some.map((
    run,
  ): BoardRun => (run.spec.seed < 3 ? run : { ...run, status: "waiting", step: 0, grokkingStep: null, memorisationStep: null }));
  const partly = boundaryHeatMap(begun, { map });
  assert(texts(partly).includes("3 of 3") && !partly.svg.includes("Hatched"));
  assertEquals(marks(partly, "not done"), [0]);
  const coarse = surfaceOf(some, { map: replay(specs, axes, known, { precision: 2, stride: 4 }).map });
  assertEquals([coarse.xs.length, coarse.ys.length], [5, 2]);
  assertEquals(coarse.cells.flat().filter(({ groks }) => groks === null).length, 0);
  // Before anything was asked: the lattice's corners are wanted.
  const first = boundaryMap(specs, axes, specs.map(() => null), { stride: 4 });
  const waiting = some.map((run): BoardRun => ({ ...run, status: "waiting", step: 0, grokkingStep: null, memorisationStep: null }));
  assertEquals(title(boundaryHeatMap(waiting, { map: first })), "No setting is done");
  const other = boundaryMap(runs.map(({ spec }) => spec), axes, runs.map(() => true));
  assertThrows(() => surfaceOf(some, { map: other }), Error, "Cannot draw a surface: its runs must be those of the map, 5 at 0.7");
});

Deno.test("what the heat map finds, in words", () => {
  const found = (at: (ratio: number, decay: number) => boolean, dims = DIMS, decays = DECAYS) =>
    surfaceFinding(surfaceOf(runsOf((ratio, decay) => (at(ratio, decay) ? 500 : null), dims, decays))).replaceAll("\u00a0", " ");
  assertEquals(found(() => true), "At all 18 settings most networks grok");
  assertEquals(found(() => false), "At none of 18 settings do most networks grok");
  assertEquals(
    found((r, d) => d > 0.01 && r > 1.2),
    "Most networks grok from d_model / p 1.24 on with weight decay 0.1 and 1, nowhere with 0.01",
  );
  assertEquals(found((r) => r > 1.2 && r < 3, DIMS, [1]), "Most networks grok from d_model / p 1.24 to 1.98 only with weight decay 1");
  assertEquals(found((r) => r < 1, DIMS, [1]), "Most networks grok up to d_model / p 0.99 with weight decay 1");
  const bent = (r: number, d: number) => r > 1.1 - Math.log10(d) / 2;
  assertEquals(
    found(bent, [72, 96, 120, 144, 168, 192, 216, 240, 288], [0.01, 0.03, 0.1, 0.3, 1]),
    "The d_model / p from which most networks grok falls from 2.23 at weight decay 0.01 to 1.24 at 1",
  );
  assertEquals(
    found((r, d) => r > 1.4 + Math.abs(Math.log10(d) + 1) / 2 + d / 5, [72, 96, 120, 144, 168, 192, 216, 240, 288], [
      0.01,
      0.03,
      0.1,
      0.3,
      1,
    ]),
    "The d_model / p from which most networks grok is lower at weight decay 0.1 (1.48) than at 1 (2.23)",
  );
  // Where most grok everywhere, the border may lie below the map.
  assertEquals(
    found((r, d) => d === 1 || (d === 0.1 && r > 1.4) || (d === 10 && r > 1.1), [72, 96, 120, 144, 192], [0.01, 0.1, 1, 10]),
    "The d_model / p from which most networks grok is lower at weight decay 1 (0.742 or less) than at 0.1 (1.48); nowhere at 0.01",
  );
  assertEquals(
    found((r, d) => d >= 3 && r > d / 4 || (d === 0.1 && (r > 1.9 || r < 0.8)) || d === 1, [72, 96, 120, 144, 192], [0.01, 0.1, 1, 3, 6]),
    "The d_model / p from which most networks grok rises from 0.742 or less at weight decay 1 to 1.98 at 6; no single one at 0.1; nowhere at 0.01",
  );
  // Along weight decay 0.1 no change is shown: only how many cells have a majority is said.
  const counts = (grok: readonly number[]) =>
    runsOf((
      ratio,
      decay,
      seed,
    ) => (decay === 1 || decay === 0.1 && seed < grok[DIMS.findIndex((d) => d / 97 >= ratio - 1e-9)] ? 500 : null));
  const mixed = (grok: readonly number[]) => surfaceFinding(surfaceOf(counts(grok))).replaceAll("\u00a0", " ");
  assertEquals(
    mixed([1, 3, 2, 3, 2, 3]),
    "Most networks grok at every d_model / p with weight decay 1, in 3 of 6 cells (no trend) with 0.1, nowhere with 0.01",
  );
  assertEquals(
    mixed([0, 0, 2, 3, 5, 5]),
    "Most networks grok at every d_model / p with weight decay 1, from 1.48 on with 0.1, nowhere with 0.01",
  );
  // In a sentence about borders, too: no single border at 0.3, where a trend is shown; at 0.1 not even that.
  const decays = [0.1, 0.3, 1, 3, 10], grok = ["021223", "031345", "555555", "000055", "000000"];
  const five = runsOf(
    (ratio, decay, seed) => (seed < Number(grok[decays.indexOf(decay)][DIMS.indexOf(Math.round(97 * ratio))]) ? 500 : null),
    DIMS,
    decays,
  );
  assertEquals(
    surfaceFinding(surfaceOf(five)).replaceAll("\u00a0", " "),
    "The d_model / p from which most networks grok rises from 0.742 or less at weight decay 1 to 1.98 at 3; " +
      "no trend is shown at 0.1; no single one at 0.3; nowhere at 10",
  );
  const open = runs.map((run, i): BoardRun => (i < 5 ? { ...run, status: "training", step: 10 } : run));
  assertMatch(surfaceFinding(surfaceOf(open)), /; 1 setting not done$/);
});

Deno.test("critical values: a row a weight decay, with its interval, and an arrow where it lies beyond", () => {
  const rows = criticalRows(runs);
  assertEquals(rows.map(({ y, course }) => [y, course]), [[0.01, "rises"], [0.1, "rises"], [1, "all"]]);
  const figure = criticalFigure(runs);
  assertEquals(
    title(figure),
    "The d_model / p from which half of the networks grok falls from 1.71 at weight decay 0.01 to 1.11 at 0.1; at 1 all do at every d_model / p",
  );
  assertEquals(marks(figure, "tried", "critical", "interval", "beyond"), [18, 2, 3, 1]);
  assertEquals(shapes(figure, "share").length, 12);
  const said = texts(figure);
  for (const word of ["< 0.742", "Critical value", "Weight decay", "none", "all grok"]) assert(said.includes(word), word);
  assert(said.some((word) => /^1\.71 \(1\.48 to 1\.98\)$/.test(word)), said.join());
});

Deno.test("what critical values find, in words; runs that aren't done don't count", () => {
  const found = (at: (ratio: number, decay: number, seed: number) => boolean) =>
    title(criticalFigure(runsOf((...run) => (at(...run) ? 500 : null))));
  assertEquals(found(() => true), "Every network groks at every d_model / p");
  assertEquals(found(() => false), "No network groks at any d_model / p");
  assertEquals(
    found((r, d) => r > 1.2 && (d < 1 || r < 3)),
    "The d_model / p from which half of the networks grok, 1.11 to 1.11, is not shown to depend on weight decay; at 1 too much of it harms",
  );
  assertEquals(
    found((_r, d, seed) => d > 0.5 && seed < 3),
    "At no weight decay a d_model / p is found from which half of the networks grok; at 0.01 and 0.1 none does at any d_model / p",
  );
  // Of a value beyond the figure an end of its interval is known, and tells it from others.
  assertEquals(
    found((r, d, seed) => (d === 1 && (r > 0.9 || seed < 3)) || (d === 0.1 && r > 1.9)),
    "The d_model / p from which half of the networks grok falls from 1.71 at weight decay 0.1 to below 0.847 at 1; at 0.01 none does at any d_model / p",
  );
  const open = runs.map((
    run,
  ): BoardRun => (run.spec.seed === 0 && run.spec.model.dModel === 72
    ? { ...run, status: "training", step: 10, grokkingStep: null }
    : run)
  );
  assertEquals(criticalRows(open).map(({ n, open }) => [n, open]), [[25, 1], [25, 1], [25, 1]]);
  assertMatch(title(criticalFigure(open)), /; at 1 all do at every d_model \/ p; 3 settings not done$/);
  assertThrows(
    () => criticalFigure(runs.filter(({ spec }) => spec.model.dModel === 72)),
    Error,
    "must have a value with two settings that are done",
  );
});

Deno.test("survival cell by cell: panels by one setting, curves by the other, five at most", () => {
  const figure = survivalByCell(runs);
  assertEquals(marks(figure, "survival"), [18]);
  assert(texts(figure).includes("decay 0.01"));
  assertEquals(texts(figure).filter((word) => /^d_model \/ p [\d.]+$/.test(word)).length, 6);
  const many = runsOf(() => 500, [72, 96], [0.1, 0.2, 0.5, 1, 2, 4], 2);
  assertEquals(texts(survivalByCell(many)).filter((word) => /^Weight decay/.test(word)).length, 6);
  // What the names of panels begin with is said once.
  const differ = runsOf((ratio, decay, seed) => (ratio > 1.9 && decay === 1 ? 300 : 3000) + 10 * seed);
  assertMatch(title(survivalByCell(differ)), /^Times to grok differ in 2 of 6 panels: d_model \/ p 1\.98 and 4 \(/);
});

Deno.test("one seed a value has no median to draw; a logarithmic axis says all of its ticks", () => {
  const single = runsOf((ratio) => Math.round(2000 / ratio), DIMS, [1], 1), figure = grokkingAgainst(single, { field: "model.dModel" });
  assertEquals([marks(figure, "median"), figure.svg.includes("bar: median")], [[0], false]);
  assertEquals(marks(grokkingAgainst(runs.filter(({ spec }) => spec.optim.weightDecay === 1), { field: "model.dModel" }), "median"), [6]);
  for (const tick of ["100", "200", "500", "1,000", "2,000"]) assert(texts(figure).includes(tick), tick);
});

Deno.test("what can't be drawn is refused, in one line", () => {
  assertThrows(() => surfaceOf([]), Error, "Cannot draw a surface: there must be at least one run, current value is 0");
  assertThrows(
    () => surfaceOf(runs, { x: { field: "data.operation" } }),
    Error,
    'data.operation must be a number in all runs, current value is "x_plus_y"',
  );
  const lr = (spec: RunSpec): RunSpec => ({ ...spec, optim: { ...spec.optim, lr: 0.5 } });
  assertThrows(
    () => surfaceOf([...runs, { ...runs[0], spec: lr(runs[0].spec) }]),
    Error,
    "must differ in their seed alone, current value is 2 settings",
  );
});
