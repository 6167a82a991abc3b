/** Figures from constructed metrics: what they draw, in numbers and in marks, and that their files are whole. */
import { assert, assertAlmostEquals, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { decode } from "fast-png";
import { DOMParser } from "linkedom";
import { grokkingCurves, howToRead, learningCurves, lossCurves, trainingCurves } from "../../lib/figures/curves.ts";
import { placeNames } from "../../lib/figures/labels.ts";
import { png, smallPng, writeFigure } from "../../lib/figures/render.ts";
import { about, finding, progress } from "../../lib/figures/runs.ts";
import { scaleOfSteps } from "../../lib/figures/scale.ts";
import { grokkingByGroup, grokkingSteps, groupFinding, stripRows } from "../../lib/figures/steps.ts";
import { compose, type Figure, ticks, TRAIN, VALIDATION } from "../../lib/figures/theme.ts";
import { type RunInput, runSpec } from "../../lib/run/spec.ts";
import type { Metrics } from "../../lib/run/metrics.ts";
import { bands, thin } from "../../lib/analysis/runs/bands.ts";
import { type Curve, watchedUntil } from "../../lib/analysis/runs/run.ts";
import { medianStep } from "../../lib/analysis/runs/times.ts";
import { groupsBy } from "../../lib/analysis/runs/groups.ts";

const CLASSES = 29;

function metrics(step: number, values: Partial<Metrics> = {}): Metrics {
  const blank = {
    trainLoss: 3,
    trainAcc: 0,
    valLoss: 3,
    valAcc: 0,
    weightNorm: 30,
    gradNorm: 1,
    batchLoss: NaN,
    batchAcc: NaN,
    noisyAcc: NaN,
  };
  return { step, ...blank, ...values };
}

/** A run that memorises and groks in one jump each. */
function run(seed: number, memorised: number | null, grokked: number | null, last = 5000, every = 10): Curve {
  const rows = Array.from({ length: last / every + 1 }, (_, i) => {
    const step = i * every;
    const knows = memorised !== null && step >= memorised, understands = grokked !== null && step >= grokked;
    return metrics(step, {
      trainAcc: knows ? 1 : 1 / CLASSES,
      valAcc: understands ? 1 : 0.01,
      trainLoss: knows ? 1e-5 : 3.4,
      valLoss: understands ? 1e-3 : 9,
    });
  });
  return {
    spec: runSpec({ preset: "one-layer", data: { prime: CLASSES }, seed }),
    metrics: rows,
    memorisationStep: memorised,
    grokkingStep: grokked,
  };
}

const ten = Array.from({ length: 10 }, (_, seed) => run(seed, 100 + 10 * seed, 2000 + 200 * seed));
const mixed = ten.map((curve, seed) => (seed % 3 === 0 ? run(seed, 100 + 10 * seed, null) : curve));

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

Deno.test("titles state what the runs show", () => {
  assertEquals(finding(ten), "All 10 networks memorise around step 145 but generalise only around step 2,900");
  assertEquals(finding(mixed), "All 10 networks memorise around step 145; 6 of 10 generalise within 5,000 steps");
  assertEquals(
    finding(ten.map((_, seed) => run(seed, 100, null))),
    "All 10 networks memorise around step 100; none generalises within 5,000 steps",
  );
  assertEquals(finding([run(0, null, null, 200)]), "The network has not memorised within 200 steps");
  assertEquals(finding([run(0, null, null, 200), run(1, null, null, 200)]), "None of 2 networks has memorised within 200 steps");
  const failed = { ...run(2, 100, null, 0), status: "failed" };
  assertEquals(finding([failed]), "The network diverged before grokking");
  assertEquals(finding([failed, failed]), "All 2 networks diverged before grokking");
  assertEquals(finding([run(0, null, null, 200), failed]), "The network has not memorised within 200 steps; 1 more diverged");
  assertEquals(finding([{ ...run(0, 100, 4000), status: "failed" }]), finding([run(0, 100, 4000)]));
  assertEquals(finding([run(0, 300, 400)]), "The network generalises as it memorises: steps 300 and 400");
  assertEquals(finding([run(0, 100, 4000)]), "The network memorises around step 100 but generalises only around step 4,000");
  assertEquals(progress(mixed, 9000), "Step 5,000 of 9,000: of 10 networks 10 memorised, 6 grokked");
  const groups = [{ name: "0", runs: ten.map((_, seed) => run(seed, 100, null)) }, { name: "1", runs: ten }, { name: "3", runs: mixed }];
  assertEquals(
    groupFinding(groups, "Weight decay"),
    "With weight decay 1, networks grok around step 2,900; with 0, none does within 5,000 steps",
  );
  assertEquals(
    groupFinding(groups.slice(0, 1), "Weight decay"),
    "At no weight decay does more than half of the networks grok within 5,000 steps",
  );
});

Deno.test("a figure says what was learned, where all runs agree on it", () => {
  const of = (...inputs: RunInput[]) =>
    about(inputs.map((input) => ({ ...run(0, null, null), spec: runSpec({ preset: "one-layer", ...input }) })));
  const [third, half]: RunInput[] = [0.3, 0.5].map((trainFraction) => ({ data: { trainFraction } }));
  assertEquals(of(third), { task: "x + y mod 113, trained on 30 % of all pairs", classes: 113 });
  assertEquals(of(third, half), { task: "x + y mod 113", classes: 113 });
  assertEquals(of({ data: { operation: "permutation" } }).task, "a · b in S5, trained on 30 % of all pairs");
  assertEquals(of(third, { preset: "boundaries" }), { task: "x + y mod 97 and 113" });
  const moduli = (...primes: number[]) => of(...primes.map((prime): RunInput => ({ data: { prime, trainFraction: 0.3 } }))).task;
  assertEquals(moduli(47, 23, 97, 59), "x + y mod 23, 47, 59 and 97, trained on 30 % of all pairs");
  assertEquals(moduli(47, 23, 97, 59, 53), "x + y mod 23 to 97, trained on 30 % of all pairs");
  assertEquals(of(third, { data: { operation: "x_minus_y" } }).task, undefined);
  assertEquals(of(), {});
});

Deno.test("the axis of steps has round ticks, begins at the first evaluation where it is logarithmic, and its pixels grow", () => {
  assertEquals(ticks(10, 5000, "log"), [10, 20, 50, 100, 200, 500, 1000, 2000, 5000]);
  assertEquals(ticks(1, 100_000, "log"), [1, 10, 100, 1000, 10_000, 100_000]);
  assertEquals(ticks(0, 5000, "linear"), [0, 1000, 2000, 3000, 4000, 5000]);
  const log = scaleOfSteps(ten, {}), linear = scaleOfSteps(ten, { x: "linear", until: 8000 });
  assertEquals(log.domain, [10, 5000]);
  assertEquals(linear.domain, [0, 8000]);
  assert(log.pixel(10) < log.pixel(100) && log.pixel(100) < log.pixel(5000));
  // equal ratios, equal distances
  assertAlmostEquals(log.pixel(100) - log.pixel(10), log.pixel(1000) - log.pixel(100), 1e-9);
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
  assertEquals(placeNames([], [], frame), []);
});

/** Checks the signature; what the picture's header says, and its bytes. */
function pngInfo(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  assertEquals([...bytes.subarray(0, 8)], [137, 80, 78, 71, 13, 10, 26, 10]);
  return { width: view.getUint32(16), height: view.getUint32(20), size: bytes.length };
}

Deno.test("a long title breaks where it pauses, or else in the middle, and never between a noun and its number", () => {
  const lines = (title: string) =>
    [...compose({ title, subtitle: "", panels: [] }).svg.matchAll(/<text [^>]*font-weight="700"[^>]*>([^<]+)</g)].map(([, line]) => line);
  assertEquals(lines("Step 1,240 of 3,000: of 10 networks 10 memorised, 3 grokked"), [
    "Step 1,240 of 3,000: of 10 networks 10 memorised, 3 grokked",
  ]);
  assertEquals(lines("All 10 networks memorise around step 100 but generalise only around step 630"), [
    "All 10 networks memorise around step 100",
    "but generalise only around step 630",
  ]);
  assertEquals(lines("All 4 networks memorise around step 110; none generalises within 240 steps"), [
    "All 4 networks memorise around step 110;",
    "none generalises within 240 steps",
  ]);
  assertEquals(lines("All 5 networks memorise around step 160; 2 of 5 generalise within 2,000 steps"), [
    "All 5 networks memorise around step 160;",
    "2 of 5 generalise within 2,000 steps",
  ]);
  assertEquals(lines("Too few networks memorise to be compared, 2 of 5 with dropout and one without"), [
    "Too few networks memorise to be",
    "compared, 2 of 5 with dropout and one without",
  ]);
  assertEquals(lines("Networks grok from train fraction 0.35 on, earliest median with 0.7: step 120"), [
    "Networks grok from train fraction 0.35 on,",
    "earliest median with 0.7: step 120",
  ]);
});

Deno.test("PNG: two pixels for one, with text drawn from the project's own font", () => {
  const figure = learningCurves(ten);
  const { width, height, size } = pngInfo(png(figure));
  assertEquals([width, height], [2 * figure.width, 2 * figure.height]);
  // The same picture without its words is smaller by what the words take: they were drawn.
  const wordless = pngInfo(png({ ...figure, svg: figure.svg.replaceAll(/<text.*?<\/text>/g, "") } as Figure)).size;
  const blank = pngInfo(png({ ...figure, svg: figure.svg.replace(/(<rect[^>]*>).*/, "$1</svg>") } as Figure)).size;
  assert(size > 1.5 * wordless && wordless > blank, `${size} bytes, ${wordless} without words, ${blank} without marks`);
});

Deno.test("files are written whole or not at all", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const figure = learningCurves(ten);
    const written = await writeFigure(figure, `${folder}/new/first.svg`);
    assertEquals(Object.values(written), [`${folder}/new/first.svg`, `${folder}/new/first.png`]);
    assertEquals(await Deno.readTextFile(written.svg), figure.svg);
    pngInfo(await Deno.readFile(written.png));
    assertEquals([...Deno.readDirSync(`${folder}/new`)].length, 2);
    await Deno.mkdir(`${folder}/taken.svg/full`, { recursive: true });
    const error = await writeFigure(figure, `${folder}/taken`).then(() => undefined, (error: Error) => error);
    assertStringIncludes(error?.message ?? "", `Cannot write ${folder}/taken.svg`);
    assertEquals([...Deno.readDirSync(folder)].map((entry) => entry.name).sort(), ["new", "taken.svg"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("the same runs give the same SVG, byte for byte", () => assertEquals(learningCurves(ten).svg, learningCurves(ten).svg));

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

Deno.test("the caption says what the vertical lines mean, by the rule that the runs were judged by", () => {
  const said = (runs: readonly Curve[]) => howToRead(runs);
  assertMatch(
    said([run(0, 100, 200), run(1, 120, 400)]),
    /Vertical lines: when half of them had memorised and grokked \(more than 99 % right\)\./,
  );
  assertMatch(said([run(0, 100, null)]), /One seed\. Vertical line: when it had memorised\./);
  const later = { ...run(0, 100, 200), grokkingStep: 300 }; // ten evaluations in a row, say
  assert(!said([later]).includes("99 %"), said([later]));
  assert(!said([run(0, null, null)]).includes("Vertical"));
});

Deno.test("a small picture of a figure is small, of few colours, and still the figure", () => {
  const figure = trainingCurves([run(0, 100, 200), run(1, 120, 400)]),
    small = smallPng(figure),
    { width, height, data, palette } = decode(small);
  assertEquals([width, height], [figure.width, figure.height]);
  assert(small.length < 60_000 && (palette?.length ?? Infinity) <= 32, `${small.length} bytes, ${palette?.length} colours`);
  assert(new Set(data).size > 8, "nothing is drawn");
});
