/** What the study of boundaries asks: neighbouring settings, the widest networks, and what was published. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { contrastTimes } from "../../lib/analysis/statistics/contrasts.ts";
import { BOUNDARIES, EXP1_JUMP, FULL_BOUNDARIES } from "../../lib/studies/boundaries/experiments.ts";
import { BOUNDARIES_IN_SMALL, BOUNDARY_STUDY_IN_SMALL, SMALL_MAP } from "../../lib/studies/boundaries/in_small.ts";
import { publishedAccuracies, publishedBoundaries, type PublishedRun } from "../../lib/studies/boundaries/published.ts";
import { besidePublishedSettings, moduliClaims, neighbours, widest } from "../../lib/studies/boundaries/findings.ts";
import { startFinding, startRatios, startsBesidePublished } from "../../lib/studies/boundaries/attention_start.ts";
import { memorisationStep as memorised, passes, RULES } from "../../lib/run/grokking.ts";
import { type RunSpec, specHash } from "../../lib/run/spec.ts";
import { betweenModuli, moduliPlaces, powerOf } from "../../lib/analysis/boundary/moduli.ts";
import { delayRows } from "../../lib/analysis/boundary/delay.ts";
import { DECAY } from "../../lib/analysis/boundary/surface.ts";

const published = await publishedBoundaries();

Deno.test("the published runs are those of the experiments: the same settings, and no seed that isn't among the five", () => {
  assertEquals(published.length, 406);
  const one = ({ spec }: Pick<PublishedRun, "spec">) => specHash({ ...spec, seed: 42 });
  for (const { name, runs } of BOUNDARIES) {
    const theirs = published.filter(({ experiment }) => experiment === name), hashes = new Set(runs.map(specHash));
    assertEquals(new Set(theirs.map(one)), new Set(runs.map((spec) => one({ spec }))), name);
    assert(theirs.every(({ spec }) => hashes.has(specHash(spec))), name);
  }
  assertEquals([...new Set(published.map(({ experiment }) => experiment))].sort(), BOUNDARIES.map(({ name }) => name).sort());
  assert(published.every(({ memorisationStep, grokkingStep, step }) => (memorisationStep ?? 0) <= step && (grokkingStep ?? 0) <= step));
});

Deno.test("the published accuracies are those of experiment 1: they memorise and grok where the published milestones say", async () => {
  const runs = await publishedAccuracies();
  assertEquals(runs.map(({ spec }) => specHash(spec)), (await publishedBoundaries("exp1_weight_decay")).map(({ spec }) => specHash(spec)));
  for (const { metrics, memorisationStep, grokkingStep, step } of runs) {
    assertEquals([memorised(metrics), step], [memorisationStep, (grokkingStep ?? 4500) + 500]);
    assert(grokkingStep === null || passes(metrics.find((row) => row.step === grokkingStep)!, RULES.sustained));
    assert(metrics.every((row, i) => i === 0 || row.step > metrics[i - 1].step));
  }
});

Deno.test("neighbours: more weight decay groks sooner, as published, and ten times as much as 1 never", async () => {
  const runs = await publishedBoundaries("exp1_weight_decay"), rows = contrastTimes(neighbours(runs, DECAY, "grokked"));
  assertEquals(rows.map(({ of, first, second, n, events, verdict }) => [of, first, second, n, events, verdict]), [
    ["Weight decay", "0.5", "0.1", [5, 5], [5, 5], -1],
    ["Weight decay", "1", "0.5", [5, 5], [5, 5], -1],
    ["Weight decay", "3", "1", [5, 5], [5, 5], -1],
    ["Weight decay", "10", "3", [5, 5], [0, 5], 1],
  ]);
  // Widths have their own d_mlp; they are one stratum all the same.
  const widths = contrastTimes(neighbours(await publishedBoundaries("exp2_hidden_dim"), { field: "model.dModel" }, "memorised"));
  assertEquals(widths.map(({ of, first, n, verdict }) => [of, first, n, verdict]), [
    ["d_model", "64", [5, 5], -1],
    ["d_model", "128", [5, 5], -1],
    ["d_model", "256", [5, 5], -1],
  ]);
});

Deno.test("neighbours: fields that are turned together are no strata", async () => {
  const runs = await publishedBoundaries("exp4_matched"),
    of = (together: string[]) => contrastTimes(neighbours(runs, { field: "data.prime" }, "grokked", together));
  assertEquals(of([]).map(({ first, second }) => [first, second]), [["59", "47"]]);
  assertEquals(of(["model.dModel"]).map(({ first, second, n, verdict }) => [first, second, n, verdict]), [
    ["47", "23", [5, 5], -1],
    ["59", "47", [5, 5], -1],
    ["97", "59", [5, 5], -1],
  ]);
});

Deno.test("experiment 1 as far as its jumps: seed 42 of each weight decay, watched past what was published of a smaller decay", () => {
  const [whole] = FULL_BOUNDARIES.decay, settings = ({ model, data, optim, seed }: RunSpec) => JSON.stringify([model, data, optim, seed]);
  assertEquals(EXP1_JUMP.runs.map(settings).sort(), whole.runs.filter(({ seed }) => seed === 42).map(settings).sort());
  assertEquals([EXP1_JUMP.rule, EXP1_JUMP.margin], ["sustained", 0]);
  for (const { optim: { weightDecay }, schedule: { steps, evalEvery } } of EXP1_JUMP.runs) {
    assertEquals([steps, evalEvery], [weightDecay === 10 ? 1000 : 3500, 10]);
  }
});

Deno.test("the widest against the best: they memorise later, too, and five seeds can tell", async () => {
  const map = await publishedBoundaries(...FULL_BOUNDARIES.map.map(({ name }) => name));
  assertEquals(map.length, 150);
  const rows = widest(map, "memorised");
  assertEquals(rows.map(({ weightDecay, x, best }) => [weightDecay, x, best]), [[0.01, 16, 8], [0.1, 16, 8], [1, 16, 8]]);
  // All five of the widest are later than all five of every other width: p can't be smaller.
  for (const { p, least, holm, floor, difference, atLeast } of rows) {
    assert(
      p === least && holm === floor && holm! < 0.001 && difference > 100 && atLeast! > 1,
      JSON.stringify({ p, least, holm, difference }),
    );
  }
});

Deno.test("the U, published: excess capacity delays grokking at each weight decay, as a width chosen on two rows and tested on the third says", async () => {
  const map = await publishedBoundaries(...FULL_BOUNDARIES.map.map(({ name }) => name)), rows = delayRows(map);
  assertEquals(rows.map(({ y, best, verdict }) => [y, best, verdict]), [[0.01, 8, "u"], [0.1, 8, "u"], [1, 8, "u"]]);
  assert(rows.every(({ holm, floor }) => holm! < 0.05 && floor! < 0.001), JSON.stringify(rows.map(({ holm, floor }) => [holm, floor])));
  // Independently: the best width of two rows against the widest in the third, one-sided, all 252 ways to deal ten runs.
  const ps = rows.map(({ y }) => {
    const times = (dModel: number, decay: number) =>
      map.filter(({ spec }) => spec.model.dModel === dModel && spec.optim.weightDecay === decay).map((run) => run.grokkingStep!);
    const others = rows.map((row) => row.y).filter((other) => other !== y),
      widths = [...new Set(map.map(({ spec }) => spec.model.dModel))].filter((width) => width < 1552);
    const rank = (width: number) =>
      others.reduce((sum, other) => sum + Math.log(times(width, other).reduce((a, b) => a + (b || 1e6), 0)), 0);
    const best = widths.reduce((a, b) => rank(b) < rank(a) ? b : a), [a, b] = [times(1552, y), times(best, y)];
    const pairs = (first: readonly number[], second: readonly number[]) =>
      first.reduce((sum, x) => sum + second.filter((z) => x > z).length, 0);
    const all = [...a, ...b], seen = pairs(a, b);
    const deals = Array.from({ length: 1024 }, (_, bits) => all.filter((_, i) => bits >> i & 1)).filter(({ length }) => length === 5);
    return deals.filter((deal) => pairs(deal, all.filter((x) => !deal.includes(x))) >= seen).length / deals.length;
  });
  assertEquals(ps.map((p) => p.toFixed(3)), ["0.016", "0.004", "0.004"]);
});

Deno.test("beside the published: settings in their order, each seed once, with the times of both", () => {
  const theirs = published.filter(({ experiment }) => experiment === "exp1_weight_decay");
  const ours = theirs.slice(0, 10).map((run) => ({
    ...run,
    grokkingStep: run.spec.optim.weightDecay === 0.1 ? 500 + run.spec.seed : run.grokkingStep,
  }));
  // The same runs again, as another experiment has them, and one of them watched for less.
  const rows = besidePublishedSettings(theirs, [{ ...ours[0], step: 10, known: 10, grokkingStep: null }, ...ours, ...ours]);
  assertEquals(rows.map(({ weightDecay, published: { n, grokked, median } }) => [weightDecay, n, grokked, median]), [
    [0.1, 5, 5, 17460],
    [0.5, 5, 5, 2800],
    [1, 5, 5, 1340],
    [3, 5, 5, 490],
    [10, 5, 0, null],
  ]);
  assertEquals(rows.map(({ here: { n, grokked } }) => [n, grokked]), [[5, 5], [5, 5], [0, 0], [0, 0], [0, 0]]);
  const [differs, same, none] = rows, [apart] = contrastTimes([{ of: "", first: "here", second: "published", strata: [differs.pair] }]);
  // The two most extreme of 252 arrangements.
  assertEquals([apart.p, apart.verdict], [2 / 252, -1]);
  assertEquals([same.pair.a, none.pair.a], [same.pair.b, []]);
});

Deno.test("attention's start: seed by seed, the preset's over the published one; each against the published runs of the same settings", () => {
  const settings = published.filter(({ experiment, spec }) => experiment === "exp4_matched" && [23, 47].includes(spec.data.prime));
  const begun = (init: "pytorch" | "linear", times: number) =>
    settings.map((run) => ({
      ...run,
      spec: { ...run.spec, model: { ...run.spec.model, init } },
      ...{ grokkingStep: times * run.grokkingStep!, known: 1e5 },
    }));
  const preset = begun("pytorch", 3), code = begun("linear", 2), ratios = startRatios([...preset, ...code].reverse());
  assertEquals(ratios.map(({ of, n }) => [of, n[0]]), [["p 47, d 64", 5], ["p 23, d 32", 5]]);
  for (const { size, p } of ratios) (assertAlmostEquals(size!, 1.5, 1e-9), assertEquals(p, 2 / 2 ** 5));
  // Five pairs are too few to tell anything apart, ten aren't; a seed without its fellow doesn't count.
  assertEquals(startFinding(ratios), "The preset's start of attention and the published start aren't told apart in every setting");
  const twice = <Run extends typeof preset[number]>(runs: readonly Run[]) => [
    ...runs,
    ...runs.map((run) => ({ ...run, spec: { ...run.spec, seed: 1e4 + run.spec.seed } })),
  ];
  const alone = { ...preset[0], spec: { ...preset[0].spec, seed: 9 } };
  // Of seed 8 one run goes on, and has only been watched for 20 steps; of seed 7 one hasn't begun.
  const open = [[8, 20], [7, 0]].flatMap(([seed, step]) => [
    { ...preset[0], spec: { ...preset[0].spec, seed }, status: "stopped" as const, step, known: step, grokkingStep: null },
    { ...code[0], spec: { ...code[0].spec, seed } },
  ]);
  const more = startRatios([...twice(preset), ...twice(code), alone, ...open]);
  assertEquals(more.map(({ n: [n] }) => n), [10, 10]);
  assertEquals(startFinding(more), "With the preset's start of attention networks grok later than with the published start");
  // Published modulo 97 too, which has no runs here, and each of the others twice.
  const theirs = [...settings, ...published.filter(({ spec }) => spec.data.prime === 97), ...settings];
  const rows = startsBesidePublished([...preset, ...code], theirs);
  assertEquals(rows.map(({ first, n }) => [first, n]), [["the preset's start", [10, 10]], ["the published start", [10, 10]]]);
  rows.forEach(({ size }, i) => assertAlmostEquals(size!, [3, 2][i], 0.01));
});

Deno.test("in small: the first map and the single questions are parts of the large map, where they have its modulus", () => {
  const [map] = BOUNDARY_STUDY_IN_SMALL.map, hashes = new Set(map.runs.map(specHash));
  for (const { name, runs } of BOUNDARIES_IN_SMALL) {
    const own = runs.filter(({ data }) => data.prime === 31);
    assert(own.length > 0 && own.every((spec) => hashes.has(specHash(spec))), name);
  }
  assertEquals([map.runs.length, SMALL_MAP.runs.length], [150, 60]);
});

const atDecayOne = published.filter(({ spec }) => spec.optim.weightDecay === 1);

Deno.test("moduli, published: steps at equal width over modulus fall as 1 / p; neither the ratio, nor the width, nor the modulus decides alone", () => {
  const claims = moduliClaims(atDecayOne), verdicts = claims.map(({ rows }) => rows.map(({ verdict }) => verdict));
  assertEquals(claims.map(({ rows }) => rows.length), [5, 5, 2, 5, 5]);
  assertEquals(verdicts[0], [-1, -1, -1, -1, -1]); // each larger modulus groks sooner at equal d / p
  assertEquals(verdicts[1].filter((verdict) => verdict === 1), []);
  assertEquals(verdicts[2], [1, -1]); // narrow later, wide sooner
  assertEquals(verdicts[3], [0, 0, 0, 0, 0]); // times p: no modulus told apart
  assertEquals([verdicts[4][0], verdicts[4][3]], [1, 1]); // at equal width they are
  const extremes = claims[0].rows.at(-1)!, { power, low, high } = powerOf(extremes, 97, 23);
  assertEquals([extremes.first, extremes.second], ["p 97", "p 23"]);
  // 23 / 97 = 0.237: twice the modulus, half the steps.
  assert(extremes.interval.low! < 23 / 97 && 23 / 97 < extremes.interval.high!, JSON.stringify(extremes));
  assert(low! < power! && power! < high! && low! <= -1 && high! >= -1.01 && high! < -0.9, JSON.stringify({ power, low, high }));
});

Deno.test("moduli: independently, the median of steps × p near one d / p varies by less than a quarter, that of steps by more than three times", () => {
  const places = moduliPlaces(atDecayOne).filter(({ runs, median }) => runs.length === 5 && median !== null);
  for (const ratio of [1.97, 2.46, 2.97]) {
    const some = places.filter(({ prime, dModel }) => Math.abs(Math.log(dModel / prime / ratio)) < 0.05);
    assertEquals(some.map(({ prime }) => prime).filter((prime, i, all) => all.indexOf(prime) === i), [23, 47, 53, 59, 97], `${ratio}`);
    const spread = (of: (place: typeof some[number]) => number) => Math.max(...some.map(of)) / Math.min(...some.map(of));
    assert(spread(({ median, prime }) => median! * prime) < 1.26, `${ratio}: ${spread(({ median, prime }) => median! * prime)}`);
    assert(spread(({ median }) => median!) > 3, `${ratio}: ${spread(({ median }) => median!)}`);
  }
});

Deno.test("moduli: a seed counts once, an open run leaves the median open; each width is compared with the nearest ratio, within 5 %", () => {
  const places = moduliPlaces(atDecayOne),
    of = (prime: number, dModel: number) => places.find((place) => place.prime === prime && place.dModel === dModel)!;
  assertEquals([of(97, 128).runs.length, of(97, 128).median, of(23, 16).median], [5, 1340, null]);
  const waiting = moduliPlaces(
    of(97, 128).runs.map((run, i) => (i > 0 ? run : { ...run, status: "training" as const, grokkingStep: null })),
  );
  assertEquals(waiting.map(({ median }) => median), [null]);
  // 128 / 97 is 1.32 and 120 / 97 1.24: the second is nearer to 28 / 23 = 1.22, the first to 32 / 23 = 1.39, by 5.4 %.
  const some = [of(23, 28), of(23, 32), of(97, 120), of(97, 128)].map((place, i) => ({ ...place, runs: place.runs.slice(0, i + 1) }));
  const [{ first, second, strata }] = betweenModuli(some, "ratio");
  assertEquals([first, second, strata.map(({ a, b }) => [a.length, b.length])], ["p 97", "p 23", [[3, 1]]]);
  const [scaled] = betweenModuli(some, "ratio", true), [plain] = strata;
  assertEquals(scaled.strata[0].a.map(({ time, until }) => [time, until]), plain.a.map(({ time, until }) => [97 * time, 97 * until!]));
  assertEquals(betweenModuli(some, "width")[0].strata, []);
  assertEquals(powerOf({ size: 0.5, interval: { low: 0.25, high: null } }, 94, 47), { power: -1, low: -2, high: null });
  assertEquals(powerOf({ size: 2, interval: { low: null, high: 4 } }, 47, 94), { power: -1, low: -2, high: null });
});
