/** Figures of a probe: what is drawn is what was read, over steps and from within. */
import { assert, assertAlmostEquals, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { decode } from "fast-png";
import { type Reading, reading } from "../../lib/analysis/network/reading.ts";
import { linearTask } from "../../lib/analysis/network/progress.ts";
import { type ProbedRun, progressFigure, progressFinding } from "../../lib/figures/progress.ts";
import { keyWords, representationFigure, similarityFigure } from "../../lib/figures/representations.ts";
import { TRAIN, VALIDATION } from "../../lib/figures/theme.ts";
import { initialise } from "../../lib/run/layout.ts";
import { Random } from "../../lib/run/random.ts";
import { runSpec } from "../../lib/run/spec.ts";
import { parsed, shapes, texts } from "./figure_parts.ts";

const P = 13, SPEC = runSpec({ preset: "boundaries", model: { dModel: 4, heads: 1 }, data: { prime: P }, seed: 3 });
const angle = (n: number) => 2 * Math.PI * n / P;

/**
 * A reading of a network that holds so much of a structure (0 … 1): waves of frequencies 2 and 5 in the logits, a circle of frequency 2 in
 * the features.
 */
function made(step: number, structure: number, keys: readonly number[] = [2, 5]): Reading {
  const random = new Random(step, "init"), task = linearTask(SPEC);
  const from = (columns: number, value: (s: number, at: number) => number) =>
    Float32Array.from({ length: P * P * columns }, (_, at) => value(task.answers[Math.floor(at / columns)], at % columns));
  const own = from(P * 4, () => random.normal());
  const logits = from(
    P,
    (s, c) => (1 - structure) * random.normal() + structure * (4 * Math.cos(angle(2 * (s - c))) + 3 * Math.cos(angle(5 * (s - c)))),
  );
  const features = from(
    4,
    (s, d) => (1 - structure) * own[4 * s + d] + (d > 1 ? 0 : structure * (d === 0 ? Math.cos : Math.sin)(angle(2 * s))),
  );
  const neurons = from(8, (_, m) => m < 8 * structure ? 0 : random.normal());
  return reading(SPEC, { step, params: initialise(SPEC) }, { logits, features, neurons }, { keys, neuronKeys: [5] });
}
const READINGS = [made(0, 0), made(100, 0.1), made(1000, 0.6), made(2000, 1)];

const metrics = (step: number, loss: number) => ({
  ...{
    step,
    trainLoss: loss,
    trainAcc: 1,
    valLoss: 2 * loss,
    valAcc: 0.5,
    weightNorm: 5,
    gradNorm: 1,
    batchLoss: 1,
    batchAcc: 1,
    noisyAcc: NaN,
  },
});
const run = (more: Partial<ProbedRun> = {}): ProbedRun => ({
  ...{ spec: SPEC, keys: [2, 5], readings: READINGS, memorisationStep: 90, grokkingStep: 1000 },
  metrics: [metrics(0, 2.5), metrics(10, 2), metrics(100, 0.1), metrics(1000, 0.01), metrics(2000, 0)],
  ...more,
});

Deno.test("one network from within: its cosine matrix, a bar a frequency, its key frequencies by name", () => {
  const figure = representationFigure(run());
  assertEquals(
    figure.title,
    "Frequencies 2 and 5 explain 100 % of the logits; the distance between two answers explains 100 % of how similar they are",
  );
  assertStringIncludes(texts(figure).join(" "), "x + y mod 13, seed 3 at step 2,000.");
  const bars = shapes(figure, "power", "rect"), coloured = bars.filter((bar) => bar.getAttribute("fill") === VALIDATION.color);
  assertEquals([bars.length, coloured.length], [3 * 6, 3 * 2]);
  // Of the logits, frequency 2 has 16 / 25 and 5 has 9 / 25.
  const [two, five] = coloured.slice(4).map((bar) => Number(bar.getAttribute("height")));
  assertAlmostEquals(five / two, 9 / 16, 0.01);
  for (const name of ["Frequency 2", "Frequency 5", "Logits over pairs", "Embedding W_E"]) assert(texts(figure).includes(name), name);
  // The logits' power over pairs, by area: two dots that can be seen and are named, on the diagonal of a + b.
  const waves = shapes(figure, "logits over pairs", "circle").map((dot) => Number(dot.getAttribute("r"))).sort((a, b) => b - a);
  assert(waves.length >= 2 && waves[1] > 3, `radii ${waves}`);
  assertAlmostEquals((waves[1] / waves[0]) ** 2, 9 / 16, 0.05);
});

Deno.test("the cosine matrix: vermilion along the diagonal, blue where answers are opposite, on a scale from −1 to 1", () => {
  const picture = (readings: Reading[]) => {
    const urls = similarityFigure({ spec: SPEC, readings }).svg.match(/data:image\/png;base64,[^"]+/g)!;
    return urls.map((url) => decode(Uint8Array.from(atob(url.split(",")[1]), (letter) => letter.charCodeAt(0))));
  };
  const [{ width, data }] = picture([READINGS[3]]), cell = width / P;
  const color = (i: number, j: number) =>
    "#" +
    Array.from(data.slice(3 * cell * (i * width + j), 3 * cell * (i * width + j) + 3), (x) => x.toString(16).padStart(2, "0")).join("");
  for (let i = 0; i < P; i++) assertEquals(color(i, i), VALIDATION.color);
  // cos(2 · 2π · 3 / 13) = −0.97: near the full blue, and the same at every place of this distance.
  const blue = color(0, 3), full = [1, 3, 5].map((at) => parseInt(TRAIN.color.slice(at, at + 2), 16));
  [1, 3, 5].forEach((at, i) => assertAlmostEquals(parseInt(blue.slice(at, at + 2), 16), 255 + 0.97 * (full[i] - 255), 1.5));
  assertEquals(color(9, 12), blue);
  // Of many readings four are shown, the first and the last among them.
  const many = Array.from({ length: 7 }, (_, i) => ({ ...READINGS[0], step: 10 * i }));
  const figure = similarityFigure({ spec: SPEC, readings: many });
  assertEquals(texts(figure).filter((text) => text.startsWith("Step ")), ["Step 0", "Step 20", "Step 40", "Step 60"]);
  assertMatch(figure.title, /^The distance between two answers explains \d+ % of how similar they are at step 0, \d+ % at step 60$/);
});

Deno.test("many key frequencies are neither named nor coloured, none at all are no error", () => {
  assertEquals([keyWords([]), keyWords([7]), keyWords([9, 2, 5])], ["No frequencies", "Frequency 7", "Frequencies 2, 5 and 9"]);
  const keys = [1, 2, 3, 4, 5, 6, 7, 8, 9], figure = representationFigure(run({ keys, readings: [made(5, 0, [1, 2, 3, 4, 5, 6])] }));
  assertMatch(figure.title, /^9 frequencies explain \d+ % of the logits/);
  assertEquals(shapes(figure, "power", "rect").filter((bar) => bar.getAttribute("fill") === VALIDATION.color), []);
  assertMatch(representationFigure(run({ keys: [], readings: [made(5, 0, [])] })).title, /^No frequencies explain 0 % of the logits/);
});

Deno.test("progress: the measures at their checkpoints, aligned with memorising and grokking, the matrices at these moments", () => {
  const figure = progressFigure([run()]);
  assertMatch(
    figure.title,
    /^Frequencies 2 and 5 explain \d+ % of the logits when the network has memorised, \d+ % when it groks, 100 % at step 2,000$/,
  );
  // It memorises at step 90, between the readings at 0 and at 100, and groks at the one at 1,000.
  const [at0, at100, at1000] = READINGS.map(({ explained }) => explained),
    [memorised, grokked] = [0.1 * at0 + 0.9 * at100, at1000].map((share) => Math.round(100 * share));
  assertStringIncludes(figure.title, ` ${memorised} % of the logits when the network has memorised, ${grokked} % when it groks`);
  // Three of four checkpoints: step 0 has no place on a logarithmic axis.
  for (const name of ["restricted", "excluded", "logits", "neurons", "similarity"]) {
    assertEquals(shapes(figure, `${name} reading`, "circle").length, 3, name);
    assert(texts(figure).includes(name), name);
  }
  assertEquals(texts(figure).filter((text) => /^(memorised|grokked): /.test(text)), ["memorised: 90", "grokked: 1,000"]);
  assertEquals(texts(figure).filter((text) => /^Step /.test(text)), ["Step 0", "Step 100", "Step 1,000", "Step 2,000"]);
  // The names of lines that end together stand below each other.
  const heights = [...parsed(figure).querySelectorAll("text")].filter((text) =>
    ["training", "validation", "restricted", "excluded"].includes(text.textContent!)
  )
    .map((text) => Number(text.parentElement!.getAttribute("transform")!.match(/,(-?[\d.]+)\)/)![1])).sort((a, b) => a - b);
  for (let i = 1; i < heights.length; i++) assert(heights[i] - heights[i - 1] >= 14.9, heights.join(" "));
});

Deno.test("progress over several runs: medians at each moment, of most runs that reached it", () => {
  const never = run({ memorisationStep: 90, grokkingStep: null });
  assertMatch(
    progressFinding([run(), run(), never]),
    /^The key frequencies explain \d+ % of the logits when networks have memorised, \d+ % when they grok, 100 % at step 2,000$/,
  );
  assertMatch(
    progressFinding([run(), never, never]),
    /^The key frequencies explain \d+ % of the logits when networks have memorised, 100 % at step/,
  );
  assertEquals(
    progressFinding([run({ memorisationStep: null, grokkingStep: null })]),
    "Frequencies 2 and 5 explain 100 % of the logits at step 2,000",
  );
  const figure = progressFigure([run(), run(), never]);
  assertStringIncludes(texts(figure).join(" "), "median of 3 seeds");
  assertEquals(shapes(figure, "restricted band", "path").length + shapes(figure, "logits band", "path").length, 2);
  // One checkpoint, and evaluations that end before it.
  progressFigure([run({ readings: [READINGS[3]], metrics: [] })]);
});
