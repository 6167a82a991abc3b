/** Steps against a knob, and several knobs below each other: marks, words and findings, from constructed runs. */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { DOMParser } from "linkedom";
import { grokkingAgainst } from "../../lib/figures/against/figure.ts";
import { grokkingByKnob, knobFinding } from "../../lib/figures/steps.ts";
import type { Figure } from "../../lib/figures/theme.ts";
import { tipsFinding } from "../../lib/studies/lessons/tiny_live.ts";
import { grid, range } from "../../lib/lab/experiment.ts";
import { runSpec } from "../../lib/run/spec.ts";
import type { Metrics } from "../../lib/run/metrics.ts";
import { type BoardRun, watchedUntil } from "../../lib/analysis/runs/run.ts";
import { groupsBy, oneAtATime } from "../../lib/analysis/runs/groups.ts";

const STEPS = 3000;
/** Nothing groks at 0.2 and 0.3; at 0.4 two of three; at 0.5 all, around 500. Seed 2 waits longest. */
const runs: (BoardRun & { metrics: Metrics[] })[] = grid({
  data: { trainFraction: [0.5, 0.2, 0.3, 0.4] },
  schedule: { steps: STEPS, evalEvery: 100 },
  seed: range(3),
})
  .map((spec) => {
    const { trainFraction } = spec.data;
    const grokkingStep = trainFraction === 0.5 ? 400 + 100 * spec.seed : trainFraction === 0.4 && spec.seed < 2 ? 2000 : null;
    const metrics = range(31).map((i) => ({
      step: 100 * i,
      trainAcc: 1,
      valAcc: 0,
      trainLoss: 0,
      valLoss: 9,
      weightNorm: 1,
      gradNorm: 0,
      batchLoss: 0,
      batchAcc: 1,
      noisyAcc: NaN,
    }));
    return { spec, status: "finished", step: STEPS, memorisationStep: 100, grokkingStep, metrics };
  });
const marks = ({ svg }: Figure, description: string) =>
  [...new DOMParser().parseFromString(svg, "image/svg+xml").querySelectorAll(`[aria-description="${description}"]`)]
    .flatMap((group) => [...group.querySelectorAll("path, line, circle, rect")]).length;
const texts = ({ svg }: Figure) =>
  [...new DOMParser().parseFromString(svg, "image/svg+xml").querySelectorAll("text")].map((text) => text.textContent);

Deno.test("steps against a knob: a dot a seed that grokked, a triangle for each that did not, grey where none did", () => {
  const figure = grokkingAgainst(runs, { field: "data.trainFraction" });
  assertEquals(["grokked", "not grokked", "none grokked", "median"].map((mark) => marks(figure, mark)), [5, 7, 2, 2]);
  assertEquals(figure.title, "Networks grok from train fraction 0.4 on, earliest median with 0.5: step 500");
  const said = texts(figure);
  for (const word of ["0 of 3", "2 of 3", "3 of 3", "0.2", "0.3", "0.4", "0.5", "Train fraction →", "memorised"]) {
    assert(said.includes(word), word);
  }
  assert(!/NaN|Infinity|undefined/.test(figure.svg));
  // By when, said once for the two neighbours that were watched equally long; and that seeds are spread along the axis.
  assertEquals(said.filter((word) => word === "by 3,000").length, 1);
  assert(said.join(" ").includes("Seeds of one value stand side by side."));
  // Steps after grokking, which aren't drawn, don't lengthen the axis.
  const half = texts(grokkingAgainst(runs.filter(({ spec }) => spec.data.trainFraction === 0.5), { field: "data.trainFraction" }));
  assertEquals(["100", "200", "500", "1,000", "2,000"].filter((tick) => half.includes(tick)), ["100", "200", "500"]);
});

Deno.test("a value that was watched for less than such networks are known to take isn't grey", () => {
  const at = (until: number) => marks(grokkingAgainst(runs, { field: "data.trainFraction", until }), "none grokked");
  assertEquals([at(STEPS), at(STEPS + 1)], [2, 0]);
  // What such networks are known to take is what the title compares with.
  const titled = (until: number) => grokkingAgainst(runs, { field: "data.trainFraction", until }).title;
  assertMatch(titled(STEPS), /^Networks grok from train fraction 0\.4 on/);
  assertMatch(titled(9000), /; train fraction 0\.2 and 0\.3 watched for 3,000 steps only$/);
  // Labels say up to where it is known that none grokked.
  const sustained = grokkingAgainst(runs.map((run) => ({ ...run, known: STEPS - 900 })), { field: "data.trainFraction" });
  assert(texts(sustained).includes("by 2,100"));
  // Nor is one that was stopped on the way.
  const stopped = runs.map((run) => run.spec.data.trainFraction === 0.2 ? { ...run, status: "stopped", step: 500 } : run);
  const figure = grokkingAgainst(stopped, { field: "data.trainFraction" });
  assertEquals([marks(figure, "none grokked"), texts(figure).filter((word) => word?.startsWith("by "))], [1, ["by 500", "by 3,000"]]);
});

Deno.test("its scale: logarithmic over a wide range, columns where values would come too close; what has not begun has no mark", () => {
  const at = (values: number[], change: Partial<BoardRun> = {}) =>
    grokkingAgainst(
      grid({ optim: { weightDecay: values }, schedule: { steps: STEPS }, seed: range(2) }).map((spec) => ({ ...runs[0], spec, ...change })),
      { field: "optim.weightDecay" },
    );
  assert(texts(at([0.01, 0.1, 1])).includes("Weight decay (logarithmic) →"));
  assert(texts(at([1, 2, 3])).includes("Weight decay →"));
  assert(texts(at([0, 0.1, 0.2, 5])).includes("Weight decay (not to scale) →"));
  // Counts are written shorter where columns are narrow.
  const many = texts(at(range(16).map((i) => i)));
  assertEquals([many.filter((word) => word === "2/2").length, many.includes("2 of 2")], [16, false]);
  assert(texts(at([1])).includes("Weight decay →"));
  const none = { status: "waiting", memorisationStep: null, grokkingStep: null }, waiting = at([1, 2], { ...none, step: 0 });
  assertEquals([waiting.title, marks(waiting, "grokked") + marks(waiting, "not grokked")], ["Nothing has been trained yet", 0]);
  assert(!/NaN|Infinity/.test(waiting.svg));
  // The axis holds the steps that are planned.
  for (const tick of ["100", "1,000"]) assert(texts(waiting).includes(tick), tick);
  const short = at([1, 2], { ...none, status: "training", step: 20, known: 0 });
  assertEquals(short.title, "No network has been trained for long enough to judge");
  assertMatch(at([1, 2], { grokkingStep: null }).title, /^No network groks within 3,000 steps, at whatever weight decay$/);
  assertEquals(marks(at([1, 2], { grokkingStep: null }), "none grokked"), 2);
  assertThrows(
    () =>
      grokkingAgainst(grid({ optim: { weightDecay: [0, 1] } }).map((spec) => ({ ...runs[0], spec })), {
        field: "optim.weightDecay",
        x: "log",
      }),
    Error,
    "Cannot draw steps against weight decay on a logarithmic axis: a value must be positive, current value is 0",
  );
  assertThrows(() => grokkingAgainst(runs, { field: "data.operation" }), Error, "it must be a number in all runs, current value is");
  const infinite = { of: () => 1 / 0, label: "1 / decay" };
  assertThrows(
    () => grokkingAgainst(runs, infinite),
    Error,
    "against 1 / decay: it must be a number in all runs, current value is Infinity",
  );
  assertThrows(() => grokkingAgainst([], { field: "data.prime" }), Error, "at least one run");
});

Deno.test("against the batch: columns, of which full is the last, as the largest", () => {
  const batches = grid({ data: { batch: ["full", 192, 64] }, schedule: { steps: STEPS }, seed: range(2) })
    .map((spec) => ({ ...runs[0], spec, grokkingStep: spec.data.batch === 64 ? null : 400 + spec.seed }));
  const figure = grokkingAgainst(batches, { field: "data.batch" }), said = texts(figure);
  assertEquals(said.filter((word) => ["64", "192", "full"].includes(word!)), ["64", "192", "full"]);
  assert(said.includes("Batch (not to scale) →"), said.join());
  assertEquals(figure.title, "Networks grok from batch 192 on, earliest median with 192 and full: step 401");
  assertEquals([marks(figure, "grokked"), marks(figure, "not grokked"), /NaN|Infinity/.test(figure.svg)], [4, 2, false]);
  assertEquals(groupsBy(batches, ({ spec }) => spec.data.batch).map(({ name }) => name), ["64", "192", "full"]);
  const alone = grokkingAgainst(batches.filter(({ spec }) => spec.data.batch === "full"), { field: "data.batch" });
  assert(texts(alone).includes("full") && !/NaN|Infinity/.test(alone.svg));
  assertThrows(
    () => grokkingAgainst(batches, { field: "data.batch", x: "log" }),
    Error,
    'Cannot draw steps against batch on a log axis: its values must be numbers, current value is "full"',
  );
});

Deno.test("the finding says from where, up to where, and how soon", () => {
  const title = (groks: Record<number, number | null>) =>
    grokkingAgainst(
      grid({ optim: { weightDecay: Object.keys(groks).map(Number) }, schedule: { steps: STEPS }, seed: range(1) })
        .map((spec) => ({ ...runs[0], spec, grokkingStep: groks[spec.optim.weightDecay] })),
      { field: "optim.weightDecay" },
    ).title;
  assertEquals(title({ 1: null, 2: 400, 3: null }), "Networks grok with weight decay 2 only, around step 400");
  assertEquals(title({ 1: 300, 2: 400, 3: null }), "Networks grok up to weight decay 2, earliest with 1: step 300");
  assertEquals(title({ 1: 300, 2: 200, 3: null }), "Networks grok up to weight decay 2, earliest there: step 200");
  assertEquals(title({ 1: 300, 2: 200 }), "Networks grok at every weight decay, earliest with 2: step 200");
  const many = (late: number) => title(Object.fromEntries(range(12).map((i) => [100_000 + i, i < late ? 300 : 200])));
  assertEquals(many(0), "Networks grok at every weight decay, earliest at all 12 values: step 200");
  assertEquals(many(1), "Networks grok at every weight decay, earliest at 11 of 12 values: step 200");
});

Deno.test("the finding takes no run that was stopped early for one that doesn't grok, and ties for no first", () => {
  const title = (runs: Record<number, readonly [grokked: number | null, watched: number, ended?: "finished"]>) =>
    grokkingAgainst(
      grid({ optim: { weightDecay: Object.keys(runs).map(Number) }, schedule: { steps: STEPS }, seed: range(1) }).map((spec) => {
        const [grokkingStep, step, ended] = runs[spec.optim.weightDecay];
        const own = ended ? { ...spec, schedule: { ...spec.schedule, steps: step } } : spec;
        const status = ended ?? (grokkingStep === null && step < STEPS ? "stopped" : "finished");
        return { ...base, spec: own, grokkingStep, step, status };
      }),
      { field: "optim.weightDecay" },
    ).title;
  const base = runs[0];
  // The largest was stopped at 1,180 of 3,000: nothing says that networks grok up to the one below.
  assertEquals(
    title({ 1: [900, STEPS], 2: [600, STEPS], 3: [null, 1180] }),
    "Networks grok at each weight decay 1 and 2, earliest with 2: step 600; weight decay 3 watched for 1,180 steps only",
  );
  // Nor where it has ended, having fewer steps to do than the others.
  assertEquals(
    title({ 1: [900, STEPS], 2: [600, STEPS], 3: [null, 1180, "finished"] }),
    "Networks grok at each weight decay 1 and 2, earliest with 2: step 600; weight decay 3 watched for 1,180 steps only",
  );
  // Stopped before the others' median, it may be the soonest.
  assertEquals(
    title({ 1: [900, STEPS], 2: [null, STEPS], 3: [null, 500] }),
    "Networks grok up to weight decay 1; weight decay 3 watched for 500 steps only",
  );
  assertEquals(
    title({ 1: [600, STEPS], 2: [600, STEPS], 3: [900, STEPS] }),
    "Networks grok at every weight decay, earliest with 1 and 2: step 600",
  );
  // The others ended as soon as they had grokked: still, one that was stopped may yet.
  assertEquals(
    title({ 1: [900, 900], 2: [null, 1180] }),
    "Networks grok at weight decay 1, earliest with 1: step 900; weight decay 2 watched for 1,180 steps so far",
  );
  assertEquals(title({ 1: [null, STEPS], 2: [null, 400] }), "No network has grokked yet; weight decay 2 watched for 400 steps only");
});

Deno.test("several knobs below each other, and which of them decide", () => {
  const later = runs.filter(({ spec }) => spec.data.trainFraction === 0.5);
  const [{ groups: steps }, ...others] = oneAtATime(later, runSpec({ ...later[0].spec }), { watched: [200, 450, STEPS] });
  assertEquals(others, []);
  assertEquals(steps.map(({ runs }) => runs.filter(({ grokkingStep }) => grokkingStep !== null).length), [0, 1, 3]);
  assertEquals(steps.map(({ name }) => name), ["200", "450", "3,000"]);
  assertEquals(watchedUntil(later[0], 200).metrics.at(-1)!.step, 200);
  assertEquals(steps[0].runs[0].metrics.at(-1)!.step, 200);
  const fractions = groupsBy(runs, ({ spec }) => spec.data.trainFraction), same = groupsBy(later, ({ spec }) => spec.data.prime);
  const figure = grokkingByKnob([{ knob: "Steps", groups: steps }, { knob: "Train fraction", groups: fractions }]);
  assertEquals([marks(figure, "grokked"), marks(figure, "not grokked")], [1 + 3 + 5, 3 + 2 + 7]);
  assertEquals(figure.title, "Steps and train fraction each decide whether networks grok within 3,000 steps");
  assertEquals(texts(figure).filter((text) => text === "Grokked").length, 1);
  assertEquals(
    knobFinding([{ knob: "Steps", groups: steps }, { knob: "Prime", groups: same }]),
    "Steps decides whether networks grok within 3,000 steps; not so prime",
  );
  const halves = [{ knob: "Steps", groups: steps }, { knob: "Train fraction", groups: fractions }, {
    knob: "d_model",
    groups: steps.slice(1),
  }];
  assertEquals(tipsFinding(halves), "Steps and train fraction can each keep all 3 networks from grokking, d_model 2 of 3");
  assertEquals(knobFinding([{ knob: "Prime", groups: same }]), "No single knob decides whether networks grok within 3,000 steps");
});

Deno.test("one thing at a time: a knob a field, the base among its values, nothing that differs twice", () => {
  const base = runSpec({ model: { dModel: 32 }, schedule: { steps: STEPS } });
  const of = (...changes: Parameters<typeof runSpec>[0][]) =>
    changes.flatMap((change = {}) =>
      range(2).map((seed) => ({
        ...runs[0],
        spec: runSpec({ schedule: { steps: STEPS }, ...change, model: { dModel: 32, ...change.model }, seed }),
      }))
    );
  const all = of({}, { model: { dModel: 64 } }, { optim: { lr: 0.1 } }, { optim: { lr: 1e-4 } }, {
    model: { dModel: 64 },
    optim: { lr: 0.1 },
  });
  const knobs = oneAtATime(all, base).map(({ knob, groups }) => [knob, ...groups.map(({ name, runs }) => `${name}: ${runs.length}`)]);
  assertEquals(knobs, [["d_model", "32: 2", "64: 2"], ["Learning rate", "0.0001: 2", "0.001: 2", "0.1: 2"]]);
});
