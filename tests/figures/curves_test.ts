/** Learning curves from constructed metrics: the bands, marks and names that they draw, in every state that runs can be in. */
import { assert, assertAlmostEquals, assertEquals, assertMatch } from "@std/assert";
import { DOMParser } from "linkedom";
import { grokkingCurves, learningCurves, lossCurves, trainingCurves, weightNormCurve } from "../../lib/figures/curves.ts";
import { placeNames } from "../../lib/figures/labels.ts";
import { grokkingByGroup, grokkingSteps, stripRows } from "../../lib/figures/steps.ts";
import { type Figure, TRAIN, VALIDATION } from "../../lib/figures/theme.ts";
import { bands, thin } from "../../lib/analysis/runs/bands.ts";
import { type Curve, watchedUntil } from "../../lib/analysis/runs/run.ts";
import { medianStep } from "../../lib/analysis/runs/times.ts";
import { groupsBy } from "../../lib/analysis/runs/groups.ts";
import { extent } from "./figure_parts.ts";
import { metrics, mixed, run, ten } from "./made_curves.ts";

/** The figure as XML; fails where it isn't well-formed. */
function parsed(figure: Figure) {
  const open: string[] = [];
  for (const [, closing, name, attributes, empty] of figure.svg.matchAll(/<(\/?)([a-zA-Z]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/g)) {
    assert(!closing || attributes === "");
    if (closing) assertEquals(open.pop(), name);
    else if (!empty) open.push(name);
  }
  assertEquals(open, []);
  const between = figure.svg.replaceAll(/<\/?[a-zA-Z]+(?:\s+[\w:-]+="[^"<]*")*\s*\/?>/g, "");
  assert(!/[<>]|&(?!(?:amp|lt|gt|quot);)/.test(between), "text that XML doesn't allow");
  assert(!/NaN|Infinity|undefined/.test(figure.svg), "a coordinate that is not a number");
  return new DOMParser().parseFromString(figure.svg, "image/svg+xml");
}

/** How many shapes the marks of this description have. */
const marks = (figure: Figure, description: string) =>
  [...parsed(figure).querySelectorAll(`[aria-description="${description}"]`)].flatMap((
    group,
  ) => [...group.querySelectorAll("path, line, circle")])
    .length;

const texts = (figure: Figure) => [...parsed(figure).querySelectorAll("text")].map((text) => text.textContent);

Deno.test("medians: steps of runs that never grokked count as later than all", () => {
  assertEquals(medianStep([300, 100, 200]), 200);
  assertEquals(medianStep([300, null, 100]), 300);
  assertEquals(medianStep([100, 200, 300, null]), 250);
  assertEquals(medianStep([100, null]), null);
  assertEquals(medianStep([null, null, 100]), null);
  assertEquals(medianStep([]), null);
});

Deno.test("bands are the median and the quartiles over the seeds at each step", () => {
  const curves = [0.1, 0.2, 0.3, 0.4, 0.5].map((valAcc, seed): Curve => ({
    ...run(seed, null, null),
    metrics: [metrics(0), metrics(10, { valAcc })],
  }));
  assertEquals(bands(curves, "valAcc"), [{ step: 0, low: 0, mid: 0, high: 0 }, { step: 10, low: 0.2, mid: 0.3, high: 0.4 }]);
  assertEquals(bands(curves, "batchLoss"), []);
});

Deno.test("a run that stopped keeps its last value, so that the median doesn't jump because of who is left", () => {
  const stopped = { ...run(0, null, null), metrics: [metrics(0), metrics(10, { valAcc: 1 })] };
  const going = [1, 2].map((seed) => ({
    ...run(seed, null, null),
    metrics: [metrics(0), metrics(10, { valAcc: 0.2 }), metrics(20, { valAcc: 0.4 })],
  }));
  assertEquals(bands([stopped, ...going], "valAcc").map((band) => band.mid), [0, 0.2, 0.4]);
  assertAlmostEquals(bands([stopped, ...going], "valAcc")[2].high, 0.7, 1e-12);
});

Deno.test("bands that share a pixel become one that still shows a dip of a single evaluation", () => {
  const dip = Array.from({ length: 100 }, (_, step) => ({ step, low: step === 55 ? 0.1 : 0.9, mid: 1, high: 1 }));
  const few = thin(dip, (step) => step / 10);
  assertEquals(few.length, 11);
  assertEquals(few.map((band) => band.low).filter((low) => low === 0.1).length, 1);
  assertEquals(few.at(-1)!.step, 99);
});

Deno.test("accuracy: a line and a band for either set, guessing, and the median run's moments with their steps", () => {
  const figure = learningCurves(ten);
  for (const set of [TRAIN.name, VALIDATION.name]) {
    assertEquals(marks(figure, `${set} median`), 1);
    assertEquals(marks(figure, `${set} band`), 1);
    assert(texts(figure).includes(set), `no label for ${set}`);
  }
  assertEquals(marks(figure, "guessing"), 1);
  assertEquals([marks(figure, "median memorised"), marks(figure, "median grokked")], [1, 1]);
  for (const words of ["memorised: 145", "grokked: 2,900", "guessing1 in 29", "Accuracy", "100 %"]) {
    assert(texts(figure).includes(words), words);
  }
  assertMatch(texts(figure).join("\n"), /x \+ y mod 29, trained on 30 % of all pairs\. Lines: median of 10 seeds; bands: the middle half/);
});

Deno.test("where runs end before others, the figure says that they keep their last values", () => {
  const said = "A run that has ended keeps its last value.", shorter = [watchedUntil(ten[0], 1000), ...ten.slice(1)];
  assertEquals(texts(learningCurves(ten)).join(" ").includes(said), false);
  assert(texts(learningCurves(shorter)).join(" ").includes(said));
});

Deno.test("where most runs don't grok there is no line for grokking, and each of them is shown as not grokked", () => {
  const none = ten.map((_, seed) => run(seed, 100, null));
  assertEquals(marks(learningCurves(none), "median grokked"), 0);
  const strip = grokkingSteps(mixed);
  assertEquals([marks(strip, "memorised"), marks(strip, "grokked"), marks(strip, "not grokked")], [10, 6, 4]);
  assertEquals(texts(strip).filter((text) => text === "> 5,000").length, 4);
  assertEquals(stripRows(mixed).map((row) => row.seed), [1, 2, 4, 5, 7, 8, 0, 3, 6, 9]);
  const groups = grokkingByGroup([{ name: "0.1", runs: none }, { name: "1", runs: mixed }], { knob: "Weight decay" });
  assertEquals([marks(groups, "grokked"), marks(groups, "not grokked"), marks(groups, "median grokked")], [6, 14, 1]);
  for (const words of ["0 of 10", "6 of 10", "0.1", "Weight decay"]) assert(texts(groups).includes(words), words);
  assertEquals(groupsBy(mixed, (run) => run.spec.seed % 2).map(({ name, runs }) => [name, runs.length]), [["0", 5], ["1", 5]]);
});

Deno.test("loss is drawn on a logarithmic axis, and a loss of 0 lies on its floor", () => {
  const zero = ten.map((curve) => ({ ...curve, metrics: curve.metrics.map((row) => (row.step > 4000 ? { ...row, trainLoss: 0 } : row)) }));
  const figure = lossCurves(zero);
  assert(texts(figure).includes("10⁻⁴") && texts(figure).includes("guessingln 29"));
  assertEquals(marks(figure, "training median"), 1);
  assertEquals(marks(trainingCurves(ten), "training median"), 2);
  assertEquals(marks(grokkingCurves(ten), "grokked"), 10);
});

Deno.test("a loss that single precision rounds to 0 lies on a floor that says so; other losses need no such mark", () => {
  const rounded = (loss: number): Curve[] => [{
    ...run(0, 100, 200),
    metrics: run(0, 100, 200).metrics.map((row) => ({ ...row, trainLoss: row.step >= 1000 ? loss : row.trainLoss })),
  }];
  const said = (figure: Figure) =>
    [...new DOMParser().parseFromString(figure.svg, "image/svg+xml").querySelectorAll("text")]
      .map((text) => text.textContent.replaceAll("\u00a0", " "));
  const [zero, small] = [lossCurves(rounded(0)), lossCurves(rounded(1e-12))].map(said);
  assert(zero.includes("0") && zero.join(" ").includes("A loss of 0 is one that single precision rounds to 0."), zero.join());
  assert(!small.includes("0") && !small.join(" ").includes("single precision"), small.join());
  assertMatch(small.join(), /10⁻¹²/);
});

Deno.test("a norm that is held lies flat between labels that differ; one that changes fills its axis", () => {
  const labels = (norm: (step: number) => number) => {
    const figure = weightNormCurve([{ ...ten[0], metrics: ten[0].metrics.map((row) => ({ ...row, weightNorm: norm(row.step) })) }]);
    const [line] = [...parsed(figure).querySelectorAll('[aria-description="norm median"] path')].map((path) => path.getAttribute("d"));
    const heights = [...line.matchAll(/,([\d.]+)/g)].map(([, y]) => Number(y));
    return { ticks: texts(figure).filter((text) => /^4\d(\.\d+)?$/.test(text)), range: Math.max(...heights) - Math.min(...heights) };
  };
  const held = labels(() => 42.3),
    rounding = labels((step) => 42.3 + (step % 20 === 0 ? 4e-6 : 0)),
    changing = labels((step) => 40 + step / 1000);
  for (const { ticks } of [held, rounding]) assertEquals(ticks, ["41.5", "42", "42.5", "43"]);
  assertEquals([held.range, rounding.range], [0, 0]);
  assert(changing.range > 100, `${changing.range} pixels`);
});

Deno.test("figures of runs that have just begun, or of none, are whole", () => {
  const begun = ten.map((curve) => ({ ...curve, metrics: curve.metrics.slice(0, 1), memorisationStep: null, grokkingStep: null }));
  for (const runs of [[], begun, begun.map((curve) => ({ ...curve, metrics: [] })), ten.slice(0, 1)]) {
    for (const draw of [learningCurves, lossCurves, trainingCurves, grokkingCurves]) {
      for (const x of ["log", "linear"] as const) parsed(draw(runs, { until: 5000, x, title: "<begun> & running" }));
    }
  }
});

Deno.test("names stand between curves that part, and on the outer sides of curves that rise together", () => {
  const line = (f: (step: number) => number) =>
    Array.from({ length: 600 }, (_, step) => ({ step, low: f(step), mid: f(step), high: f(step) }));
  const frame = { x: (step: number) => 62 + step, y: (share: number) => 250 - 200 * share, rules: [150] };
  const rise = (at: number) => line((step) => 1 / (1 + Math.exp((at - step) / 5)));
  const [train, validation] = placeNames(rise(100), rise(500), frame);
  assert(train.dy > 0 && validation.dy < 0, "inwards");
  assert(train.step > 150 && train.step < 450 && Math.abs(frame.x(train.step) - 150) > 40, "in the middle, and off the vertical line");
  const together = placeNames(rise(300), rise(320), frame);
  assertEquals(together.map((place) => place.textAnchor), ["end", "start"]);
  // Beside a slope close to the right side, in a narrower panel too, a name stands on its left.
  assertEquals(placeNames(rise(300), rise(320), { ...frame, right: 450 }).map((place) => place.textAnchor), ["end", "end"]);
  // The earlier slope's name stands on the left; where one name would cover the other, they stand one above the other.
  assertEquals(placeNames(rise(320), rise(300), frame).map(({ series }) => series), [VALIDATION, TRAIN]);
  const step = (at: number) => line((step) => (step < at ? 0 : 1));
  const [above, below] = placeNames(step(540), step(560), { ...frame, right: 661 });
  assert(Math.abs(above.dy - below.dy) >= 16, "one name covers the other");
  assertEquals(placeNames([], [], frame), []);
});

Deno.test("the same runs give the same SVG, byte for byte", () => assertEquals(learningCurves(ten).svg, learningCurves(ten).svg));

Deno.test("the labels of memorising and grokking stand in the order of their steps, apart, and within the figure", () => {
  for (const [memorised, grokked] of [[100, 100], [140, 100], [100, 120], [900, 1000], [1000, 1000], [10, 20], [100, 900]]) {
    const name = `${memorised}, ${grokked}`, figure = learningCurves([run(0, memorised, grokked, 1000)]);
    const labels = ["memorised:", "grokked:"].map((start) => extent(figure, start, true));
    const [first, second] = grokked < memorised ? labels.toReversed() : labels;
    assert(second[0] - first[1] >= 4, `${name}: ${first}, ${second}`);
    assert(first[0] >= 0 && second[1] <= figure.width, `${name}: ${first}, ${second}`);
  }
});

Deno.test("a long seed is shown whole, and its row lies below the accuracies of the same steps", () => {
  const one = [run(4294967295, 100, 600, 1000)], figure = grokkingCurves(one);
  for (const drawn of [figure, grokkingSteps(one)]) assert(extent(drawn, "4294967295")[0] >= 0, "a seed is cut off");
  const at = (description: string, name: string) =>
    Number(parsed(figure).querySelector(`[aria-description="${description}"] ${name === "cx" ? "circle" : "line"}`).getAttribute(name));
  assertAlmostEquals(at("memorised", "cx"), at("median memorised", "x1"), 1);
  assertAlmostEquals(at("grokked", "cx"), at("median grokked", "x1"), 1);
});

Deno.test("beside a long name of a group there are fewer ticks, so that they don't touch", () => {
  const figure = grokkingByGroup([{ name: "a name of nearly sixty characters, as a loss and an optimiser", runs: ten }], {
    knob: "Recipe",
  });
  const ticks = texts(figure).filter((text) => /^\d+,?0+$/.test(text)).map((text) => extent(figure, text));
  assert(ticks.length > 1 && ticks.every(([left], i) => i === 0 || left > ticks[i - 1][1]), ticks.join("; "));
});

Deno.test("a run that diverged ends there in every panel, and title, lines and vertical lines tell of the others", () => {
  const one = run(0, 100, 600, 1000), failed = { ...run(1, null, null, 60), status: "failed" };
  // A last evaluation without a loss says nothing of the accuracy either.
  const last = { ...failed, metrics: [...failed.metrics, metrics(70, { trainLoss: NaN, valLoss: NaN })] };
  for (const diverged of [failed, last]) {
    const figure = trainingCurves([one, diverged]);
    for (const field of ["trainAcc", "valAcc", "trainLoss", "valLoss", "weightNorm"] as const) {
      const [both, alone] = [[one, diverged], [one]].map((runs) => bands(runs, field).filter(({ step }) => step > 60));
      assertEquals(both, alone, field);
    }
    assertEquals(bands([one, diverged], "valAcc").filter(({ step }) => step <= 60), bands([one, run(1, null, null)], "valAcc").slice(0, 7));
    assertMatch(figure.title, /only around step 600; 1 more diverged$/);
    assertEquals([marks(figure, "median memorised"), marks(figure, "median grokked")], [2, 2]);
    const said = texts(figure).join(" ");
    for (const words of ["memorised: 100", "grokked: 600", "1 of 2 runs diverged and is drawn until then."]) {
      assert(said.includes(words), words);
    }
    assert(said.includes("without runs that diverged before grokking") && !said.includes("keeps its last value"), said);
  }
  assert(texts(trainingCurves([failed])).join(" ").includes("It diverged where its lines end."));
  assert(texts(trainingCurves([one, watchedUntil(run(1, 100, 600, 1000), 700), failed])).join(" ").includes("keeps its last value"));
});
