/** Stability after grokking in the study of boundaries: which runs are compared, and what was published. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { contrastPairs, contrastValues } from "../../lib/analysis/statistics/contrasts.ts";
import type { StudiedRun } from "../../lib/analysis/runs/question.ts";
import { grid, range } from "../../lib/lab/experiment.ts";
import type { Metrics } from "../../lib/run/metrics.ts";
import { passes, RULES } from "../../lib/run/grokking.ts";
import { publishedAccuracies, publishedBoundaries } from "../../lib/studies/boundaries/published.ts";
import {
  calming,
  once,
  stabilityBeside,
  stabilityContrasts,
  stabilityFinding,
  stabilitySections,
  watchedAlike,
  watchedLonger,
  withLowest,
} from "../../lib/studies/boundaries/stability.ts";

const published = await publishedBoundaries(), late = published.map((run) => ({ ...run, stability: run.late?.stability ?? null }));

/** Five seeds of two moduli at equal d_model / p; the small modulus dips, and for longer with each seed. */
const runs = [24, 48].flatMap((prime) => grid({ preset: "boundaries", data: { prime }, model: { dModel: 2 * prime }, seed: range(5) }))
  .map((spec): StudiedRun => {
    const timeBelow = spec.data.prime === 24 ? 0.1 + 0.01 * spec.seed : 0;
    const held = { dips: timeBelow > 0 ? 1 : 0, depth: timeBelow, timeBelow };
    return { spec, status: "grokked", step: 1500, memorisationStep: 100, grokkingStep: 1000, stability: held };
  });
/** The same runs of another experiment, for more steps. */
const again = runs.map((run) => ({ ...run, spec: { ...run.spec, schedule: { ...run.spec.schedule, steps: 9000 } } }));

Deno.test("stability: a seed of a setting counts once, if it has ended and was watched as long as the others", () => {
  const one = runs[0], of = (...changes: Partial<StudiedRun>[]) => changes.map((change) => ({ ...one, ...change }));
  const seeds = of({}, { step: 1590 }, { step: 1600 }, { status: "training" }, { grokkingStep: null, stability: null }, { step: 1490 })
    .map((run, seed) => ({ ...run, spec: { ...run.spec, seed } }));
  assertEquals(watchedAlike(seeds).map(({ spec }) => spec.seed), [0, 1]);
  assertEquals(watchedLonger(seeds).map(({ spec }) => spec.seed), [2]);
  assertEquals(once([...runs, ...again]), runs);
  // One that was watched for longer isn't counted, and doesn't hide the same seed of another experiment.
  assertEquals(watchedAlike([{ ...one, step: 3000 }, one]).map(({ step }) => step), [1500]);
});

Deno.test("stability: moduli are compared at equal d_model / p, and here with published runs of the same setting", () => {
  const [row, ...others] = contrastValues(stabilityContrasts([...runs, ...again]));
  assertEquals([row.of, row.first, row.second, row.n, row.delta, row.verdict], ["At equal d_model / p", "p 48", "p 24", [5, 5], -1, -1]);
  assertEquals(others, []);
  assertEquals(stabilitySections(runs).map(({ name, groups }) => [name, groups.map(({ name, runs }) => `${name}: ${runs.length}`)]), [
    ["Weight decay 1, all widths", ["p 24: 5", "p 48: 5"]],
  ]);
  const lower = runs.map((run) => ({ ...run, stability: { ...run.stability!, timeBelow: run.stability!.timeBelow / 2 } }));
  const [beside] = contrastValues([stabilityBeside(lower, again.filter(({ spec }) => spec.data.prime === 24))]);
  assertEquals(beside.n, [5, 5], "what only one side has isn't compared");
  assertEquals(beside.delta, 1);
});

Deno.test("stability: the lowest point is that of the evaluations given, where they have it", () => {
  const metrics = [[990, 0.99, 0.2], [1000, 1, 0.96], [1010, 0.7, 0.6], [1020, 0.8, 0.65]].map(([step, trainAcc, valAcc]) =>
    ({ step, trainAcc, valAcc }) as Metrics
  );
  const of = (depth: number) =>
    withLowest([{ ...runs[0], metrics, stability: { dips: Number(depth > 0), depth, timeBelow: depth } }])[0].lowest;
  const { trainAcc, valAcc } = of(0.35)!;
  assertEquals([trainAcc, valAcc], [0.7, 0.6]);
  assertEquals([of(0), of(0.5)], [null, null], "one without a dip, and one whose lowest evaluation the record lacks");
  // What a lab can't tell of a run that goes on for another experiment.
  const unknown = { ...runs[0], metrics, stability: null };
  assertEquals([withLowest([unknown])[0].lowest, watchedAlike([unknown])], [null, []]);
});

Deno.test("stability, published: what the table says of experiment 1 is what its accuracies show", async () => {
  const table = new Map(
    published.filter(({ experiment }) => experiment === "exp1_weight_decay").map((run) => [JSON.stringify(run.spec), run]),
  );
  let same = 0;
  for (const { spec, grokkingStep, metrics } of await publishedAccuracies()) {
    const { stability, lowest } = table.get(JSON.stringify(spec))!,
      after = metrics.filter(({ step }) => step >= (grokkingStep ?? Infinity));
    const [low] = after.toSorted((a, b) => a.valAcc - b.valAcc);
    if (!low || passes(low, RULES.sustained)) continue;
    // The table looks 50 epochs further, at every evaluation.
    assert(stability!.dips > 0 && lowest!.valAcc <= low.valAcc + 1e-4);
    assert(stability!.timeBelow >= after.filter((each) => !passes(each, RULES.sustained)).length / 56 - 1e-12);
    if (Math.abs(lowest!.valAcc - low.valAcc) > 1e-4) continue;
    assertAlmostEquals(lowest!.trainAcc, low.trainAcc, 1e-4);
    same++;
  }
  assertEquals(same, 12, "runs whose lowest point is among the thinned evaluations of the first 500 epochs");
});

Deno.test("stability, published: every run that grokked, with nothing out of its range; at weight decay 1 all fall again in the end", () => {
  for (const { grokkingStep, step, stability, late } of published) {
    assertEquals(stability !== null, grokkingStep !== null);
    for (const known of [stability, late?.stability]) {
      if (!known) continue;
      assert(known.depth >= 0 && known.depth <= 0.95 && known.timeBelow >= 0 && known.timeBelow <= 1);
      assertEquals(new Set([known.dips > 0, known.depth > 0, known.timeBelow > 0]).size, 1);
    }
    // The last epoch's number ends in 9.
    if (late) assert(step - grokkingStep! >= 5000 + 550 - 1);
  }
  const ofDecay = (decay: number) => once(late).filter(({ spec, stability }) => spec.optim.weightDecay === decay && stability);
  const fallen = [0.01, 1].map((decay) => [ofDecay(decay).filter(({ stability }) => stability!.dips > 0).length, ofDecay(decay).length]);
  assertEquals(fallen, [[2, 45], [259, 259]]);
  const first = contrastValues(stabilityContrasts(published)).filter(({ verdict }) => verdict !== 0);
  assertEquals(first.map(({ of, first, second, verdict }) => [of, first, second, verdict]), [
    ["Weight decay", "0.1", "0.01", -1],
    ["Weight decay", "1", "0.1", 1],
    ["At equal d_model / p", "p 47", "p 23", -1],
    ["At equal d_model / p", "p 97", "p 59", -1],
    ["At equal d_model / p", "p 97", "p 23", -1],
    ["At each p", "d_model ≤ p", "twice p", 1],
  ]);
  const widths = (decay: number) => once(published).filter(({ spec: { data, optim } }) => data.prime === 97 && optim.weightDecay === decay);
  const shared = new Set(widths(0.1).map(({ spec }) => spec.model.dModel));
  const fell = [0.1, 1].map((decay) => widths(decay).filter(({ spec, stability }) => shared.has(spec.model.dModel) && stability!.dips > 0));
  assertEquals([shared.size, ...fell.map(({ length }) => length)], [11, 8, 49]);
  const told = contrastValues(stabilityContrasts(late)).filter(({ verdict }) => verdict !== 0);
  assertEquals(told.map(({ of, first, second, verdict }) => [of, first, second, verdict]), [
    ["Weight decay, d_model 128", "0.5", "0.1", 1],
    ["Weight decay", "0.1", "0.01", 1],
    ["Weight decay", "1", "0.1", 1],
    ["At equal d_model / p", "p 47", "p 23", -1],
    ["At equal d_model / p", "p 53", "p 47", -1],
    ["At equal d_model / p", "p 97", "p 59", -1],
    ["At equal d_model / p", "p 97", "p 23", -1],
    ["At each p", "d_model ≤ p", "twice p", 1],
  ]);
  const title = stabilityFinding(late, "in the last 5,000 epochs");
  assertEquals(title, "At weight decay 1, 259 of 259 networks that grokked fall below 95\u00a0% again in the last 5,000 epochs");
  const calmer = contrastPairs(calming(published)).map(({ of, n, verdict }) => `${of}: ${n[0]}, ${verdict}`);
  assertEquals(calmer, ["p 23: 40, -1", "p 47: 50, -1", "p 53: 49, -1", "p 59: 50, -1", "p 97: 70, 0"]);
});
