/** Several operations side by side: their curves, and their ways through the plane of the two accuracies. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { accuracyPlane, planeFinding } from "../../lib/figures/accuracy_plane.ts";
import { operationCurves, operationFinding } from "../../lib/figures/operation_curves.ts";
import { type Figure, TRAIN, VALIDATION } from "../../lib/figures/theme.ts";
import { runSpec } from "../../lib/run/spec.ts";
import { shapes, texts } from "./figure_parts.ts";
import type { Curve } from "../../lib/analysis/runs/run.ts";

const CLASSES = 29;
/** Hundredths of a pixel. */
const ROUNDED = 0.02;

/** A run that knows so much of the validation pairs when it memorises, and dips for one evaluation at step 1500. */
function run(seed: number, memorised: number | null, grokked: number | null, plateau = 0.1): Curve {
  const metrics = Array.from({ length: 201 }, (_, i) => {
    const step = 10 * i, dip = step === 1500 ? 0.5 : 0;
    const knows = memorised !== null && step >= memorised, understands = grokked !== null && step >= grokked;
    const trainAcc = (knows ? 1 : 0.2) - (knows ? dip : 0), valAcc = (understands ? 1 : knows ? plateau : 0) - (understands ? dip : 0);
    return {
      ...{ step, trainAcc, valAcc, trainLoss: knows ? 0.01 : 3, valLoss: understands ? 0.1 : 5, weightNorm: 1, gradNorm: 1 },
      ...{ batchLoss: NaN, batchAcc: NaN, noisyAcc: NaN },
    };
  });
  const spec = runSpec({ preset: "one-layer", data: { prime: CLASSES }, seed });
  return { spec, metrics, memorisationStep: memorised, grokkingStep: grokked };
}
const runs = (n: number, grokked: number | null, plateau?: number) =>
  Array.from({ length: n }, (_, seed) => run(seed, 100, grokked === null ? null : grokked + 100 * seed, plateau));
const GROUPS = [{ name: "x − y", runs: runs(3, 700, 0.03) }, { name: "x + y", runs: runs(3, 300, 0.5) }, {
  name: "a · b",
  runs: runs(3, null, 0.02),
}];

Deno.test("curves of operations: accuracy and loss of each, a dot a seed that groks, in the order in which they do", () => {
  const figure = operationCurves(GROUPS);
  assertEquals(
    figure.title,
    "x\u00a0+\u00a0y groks around step 400 and x\u00a0−\u00a0y around 800; none groks a\u00a0·\u00a0b within 2,000 steps",
  );
  for (const series of [TRAIN, VALIDATION]) {
    assertEquals([shapes(figure, `${series.name} median`, "path").length, shapes(figure, `${series.name} band`, "path").length], [6, 6]);
  }
  assertEquals([shapes(figure, "grokked", "circle").length, shapes(figure, "median grokked", "line").length], [6, 4]);
  for (const words of ["x − y: accuracy", "3 of 3 grok", "0 of 3 grok", "training", "validation"]) {
    assert(texts(figure).includes(words), words);
  }
  assertEquals(texts(figure).filter((text) => text === "training").length, 1, "named once");
  assertEquals(operationFinding(GROUPS.slice(2)), "None groks a\u00a0·\u00a0b within 2,000 steps");
  assertEquals(operationFinding(GROUPS.slice(0, 1)), "x\u00a0−\u00a0y groks around step 800");
  assertEquals(operationFinding([{ name: "x", runs: [...runs(2, 700), run(2, 100, null)] }]), "x groks around step 800 (2 of 3)");
  assertThrows(() => operationCurves([]), Error, "Cannot draw curves: groups must be at least one, current value is 0");
  assertThrows(() => operationCurves([{ name: "x", runs: [] }]), Error, "runs of x must be at least one");
});

Deno.test("guessing is that of each row's own loss, and is left out where its runs have several", () => {
  const [{ runs }] = GROUPS, crossEntropy = { name: "cross-entropy", runs };
  const square = (some: readonly Curve[]) =>
    some.map((run): Curve => ({ ...run, spec: { ...run.spec, optim: { ...run.spec.optim, loss: "mse" } } }));
  const guesses = (...groups: Parameters<typeof operationCurves>[0]) =>
    shapes(operationCurves(groups), "guessing", "line").map((line) => Number(line.getAttribute("y1")));
  // An accuracy of 1 in 29 beside the loss: (C − 1) / C² of squares, ln C of cross-entropies, which lies higher.
  const [, entropy] = guesses(crossEntropy), [, squares] = guesses({ name: "squares", runs: square(runs) });
  const [lowest, highest] = [0.01 * 0.7, 5 * 1.6].map(Math.log),
    y = (loss: number) => 150 - 110 * (Math.log(loss) - lowest) / (highest - lowest);
  assertAlmostEquals(entropy, y(Math.log(CLASSES)), ROUNDED);
  assertAlmostEquals(squares, y((CLASSES - 1) / CLASSES ** 2), ROUNDED);
  assertEquals(guesses({ name: "both", runs: [...runs, ...square(runs)] }).length, 1, "of the accuracy alone");
});

Deno.test("the plane of accuracies: a way a run, its moments in their places, a dip of one evaluation left out", () => {
  const figure = accuracyPlane(GROUPS);
  assertEquals(
    figure.title,
    "When networks have memorised, validation accuracy is 3 % for x\u00a0−\u00a0y, 50 % for x\u00a0+\u00a0y and 2 % for a\u00a0·\u00a0b",
  );
  assertEquals(shapes(figure, "way of a run", "path").length, 9);
  assertEquals([shapes(figure, "memorised", "circle").length, shapes(figure, "grokked", "circle").length], [9, 6]);
  for (const words of ["x − y", "0 of 3 grok", "training →", "↑ validation"]) assert(texts(figure).includes(words), words);

  // One run: where it memorised lies half-way up between where it began and where it grokked.
  const one = accuracyPlane([{ name: "x + y", runs: [run(0, 100, 300, 0.5)] }]);
  const at = (description: string) => ["cx", "cy"].map((side) => Number(shapes(one, description, "circle")[0].getAttribute(side)));
  const [memorised, grokked] = [at("memorised"), at("grokked")], way = shapes(one, "way of a run", "path")[0].getAttribute("d");
  const places = [...way.matchAll(/([\d.]+),([\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)]);
  assertAlmostEquals(memorised[0], grokked[0], ROUNDED);
  assertAlmostEquals(memorised[1], (places[0][1] + grokked[1]) / 2, ROUNDED);
  assertEquals(places.at(-1)!.map(Math.round), grokked.map(Math.round));
  // Its way goes right and up, never back: the dip is gone.
  for (let i = 1; i < places.length; i++) assert(places[i][0] >= places[i - 1][0] - ROUNDED && places[i][1] <= places[i - 1][1] + ROUNDED);
  assert(places.length < 20, `${places.length} places: those that coincide are one`);
});

Deno.test("the plane says which operations are never memorised", () => {
  const none = { name: "random", runs: [run(0, null, null), run(1, null, null)] };
  assertEquals(planeFinding([none]), "No network memorises random within 2,000 steps");
  assertEquals(
    planeFinding([GROUPS[1], none]),
    "When networks have memorised, validation accuracy is 50 % for x\u00a0+\u00a0y; of random, no network memorises within 2,000 steps",
  );
  const five = [none, ...GROUPS, GROUPS[0]], rows = (figure: Figure) => texts(figure).filter((text) => text === "↑ validation").length;
  assertEquals([five, [...five, none], GROUPS].map((groups) => rows(accuracyPlane(groups))), [1, 2, 1], "five fit into a row");
  const halves = (groups: typeof five) => texts(accuracyPlane(groups)).filter((text) => text === "50 %").length;
  // Upwards none of five; with four, along each of them, and upwards.
  assertEquals([halves(five), halves(five.slice(1))], [0, 5]);
  assertEquals(accuracyPlane(five, { title: "Mine" }).title, "Mine");
  assertThrows(() => accuracyPlane([]), Error, "Cannot draw accuracies: groups must be at least one");
  assertThrows(() => accuracyPlane([{ name: "x", runs: [] }]), Error, "runs of x must be at least one");
});
