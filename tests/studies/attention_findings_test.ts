/** What the study of attention asks, of runs whose heads do what is known: even attention, until each head of layer l turns to a key. */
import { assert, assertAlmostEquals, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { evenly } from "../../lib/analysis/attention/change.ts";
import { contrastPairs, contrastValues } from "../../lib/analysis/statistics/contrasts.ts";
import {
  against,
  changeOf,
  datesOf,
  decadesBehind,
  lagsOf,
  learned,
  levelOf,
  phaseDistances,
  phaseSteps,
  runDatesOf,
  wanderOf,
  watchedMultiple,
  withinRuns,
} from "../../lib/studies/attention/findings.ts";
import { datedRun } from "../../lib/analysis/attention/dated.ts";
import { lagSentences } from "../../lib/studies/attention/tables.ts";
import { made, several } from "./attention_runs.ts";
import type { AttentionRun } from "../../lib/analysis/attention/runs.ts";
import { patternClusters } from "../../lib/analysis/attention/pattern_clusters.ts";

/** Readings near a moment aren't quite before or after the turn. */
const NEAR = 0.02;

const late = { name: "late", runs: several(8, { lag: 0.2 }) },
  same = { name: "same", runs: several(8) },
  never = { name: "never", runs: several(8, { groks: null, lag: 5 }) };

Deno.test("levels: even attention at the start, one key at the end; of a layer, or the mean of all; none where the moment wasn't seen", () => {
  const run = made();
  assertAlmostEquals(levelOf(run, "entropy", "start")!, 1, NEAR);
  assertAlmostEquals(levelOf(run, "position", "start")!, 0, NEAR);
  assertAlmostEquals(levelOf(run, "entropy", "end")!, 0, NEAR);
  assertAlmostEquals(levelOf(run, "position", "end")!, 1, NEAR);
  assertAlmostEquals(levelOf(run, "specialisation", "end")!, 1, NEAR);
  const one = made({ key: (layer, head) => layer * head });
  assertAlmostEquals(levelOf(one, "specialisation", "end", 0)!, 0, NEAR);
  assertAlmostEquals(levelOf(one, "specialisation", "end", 1)!, 1, NEAR);
  assertAlmostEquals(levelOf(one, "specialisation", "end")!, 0.5, NEAR);
  assertEquals(levelOf(made({ memorises: 1e6 }), "entropy", "memorised"), null);
});

Deno.test("change and wandering: none, straight there, and there by a way round", () => {
  const straight = made({ lag: 0 });
  assertEquals([changeOf(never.runs[0])! < NEAR, changeOf(straight)! > 0.5, wanderOf(never.runs[0])], [true, true, null]);
  // Heads turn to their keys after memorising; where that comes when they have turned, nothing is left to change.
  assertAlmostEquals(changeOf(straight, "memorised")!, changeOf(straight)!, 0.05);
  assert(changeOf(made({ lag: 0, memorises: 1900 }), "memorised")! < NEAR);
  assertEquals(changeOf(made({ memorises: 1e6 }), "memorised"), null);
  const edges = { first: 0, memorised: 100, transition: 400, generalised: 800, last: 2000 };
  // Every second reading in the transition is of another pattern: one key, which is no key that the heads turn to in the end.
  const [first] = straight.readings, other = Array.from(first.mean, (_, at) => Number(at % 4 === 2));
  const astray = straight.readings.map((reading, i) =>
    reading.step > 400 && reading.step < 800 && i % 2 === 0 ? { ...reading, mean: other } : reading
  );
  const direct = wanderOf({ ...straight, edges })!, round = wanderOf({ ...straight, edges, readings: astray })!;
  assert(direct < 0.2 && round > 0.5, `${direct} and ${round}`);
  // Read twice as often it goes no further.
  const course = evenly({ steps: [0, 9, 99], patterns: [[1, 0], [0.5, 0.5], [0, 1]], T: 2 }, 0, 99, 5);
  assertEquals(course.patterns.map((pattern) => pattern[0].toFixed(3)), ["1.000", "0.750", "0.500", "0.250", "0.000"]);
});

Deno.test("contrasts: an operation against the others, and two numbers of each run", () => {
  const [row, nothing] = contrastValues(against("Lag", late, [same, never], decadesBehind));
  assertEquals([row.of, row.first, row.second, row.n, row.delta, row.verdict, nothing], ["Lag", "late", "same", [8, 8], 1, 1, undefined]);
  const end = { name: "end", of: (run: typeof late.runs[number]) => levelOf(run, "entropy", "end") };
  const start = { name: "start", of: (run: typeof late.runs[number]) => levelOf(run, "entropy", "start") };
  const rows = contrastPairs(withinRuns([same, { name: "one", runs: [made({ memorises: 1e6 })] }], end, start));
  assertEquals(rows.map(({ of, n, verdict }) => [of, n, verdict]), [["same", [8, 8], -1], ["one", [1, 1], 0]]);
  assertAlmostEquals(rows[0].size!, -1, NEAR);
  assertEquals(withinRuns([never], { name: "lag", of: decadesBehind }, start)[0].strata, [{ a: [], b: [] }]);
});

Deno.test("what was learned, and what wasn't", () => {
  const half = { name: "half", runs: [...several(2), ...several(2, { groks: null })] };
  const { learned: yes, failed } = learned([late, half, never]);
  assertEquals([yes.map(({ name }) => name), failed.map(({ name }) => name)], [["late"], ["half", "never"]]);
  assertEquals(learned([never]).learned, []);
});

Deno.test("phases: attention turns in the transition, not before; patterns and entropies say by how much", () => {
  const rows = contrastPairs(phaseSteps(same));
  assertEquals(rows.map(({ of }) => of.replace("same, ", "")), [
    ...[0, 1].map((layer) => `layer ${layer}: before memorisation → memorised`),
    ...[0, 1].map((layer) => `layer ${layer}: memorised → transition`),
    ...[0, 1].map((layer) => `layer ${layer}: transition → generalised`),
  ]);
  // The turn begins with the transition; where that ends it is over, and there was more change before.
  const verdicts = [0, 2, 4].map((i) => rows[i].verdict);
  assertEquals([verdicts, rows.map(({ n }) => n[0])], [[-1, 1, -1], Array(6).fill(8)]);
  assert(Math.abs(rows[0].size!) < 0.01 && rows[2].size! > 0.1, `${rows[0].size}, ${rows[2].size}`);
  const groups = [same, { name: "never", runs: several(8, { groks: null }) }],
    found = phaseDistances(groups, groups.map(({ runs }) => patternClusters(runs)));
  assertEquals(found.map(({ name, from, n }) => [name, from, n]), [
    ["same", "before memorisation", 8],
    ["same", "memorised", 8],
    ["same", "transition", 8],
    ["never", "before memorisation", 8],
  ]);
  const [before, during, after] = found;
  assertEquals([before.occupancy, before.p], [0, 1]);
  // All eight runs alike: two of 2⁸, times the four of the call.
  assertEquals([during.p, during.holm], [2 / 256, 4 * 2 / 256]);
  assert(during.occupancy > 0.2 && after.entropy > 0.2 && before.entropy < NEAR, JSON.stringify(found));
});

Deno.test("dates: attention's and grokking's, together over seeds; a task that nobody groks has the one alone", () => {
  const [tied, alone] = datesOf([same, { name: "never", runs: several(4, { groks: null }) }]);
  assertEquals([tied.name, tied.runs, tied.n, tied.rho, tied.p], ["same", 8, 8, 1, 2 / 40320]);
  assert(tied.attention! < tied.grokking! && tied.attention! > 0.6 * tied.grokking!);
  assertEquals([alone.grokking, alone.n, alone.holm, alone.attention! > 250 && alone.attention! < 350], [null, undefined, null, true]);
});

Deno.test("lags, group by group", () => {
  const [first, second, third] = lagsOf([late, same, never]);
  assertEquals([first.name, first.verdict, first.n, second.verdict, third.n, third.never], ["late", "after", 8, "with", 0, 8]);
});

Deno.test("lags: a run that was hardly watched after memorising has no speeds, and doesn't keep those of the others from being told", () => {
  const whole = made({ until: 2060 }),
    [first] = whole.readings,
    last = whole.readings.at(-1)!,
    steps = [1950, 1960, 1970, 1980, 2000, 2060];
  // Its attention turns between 1,960 and 2,060, which is one cell.
  const brief = {
    ...whole,
    ...{ memorisationStep: 1950, grokkingStep: 1990 },
    edges: { first: 0, memorised: 1950, transition: null, generalised: 1990, last: 2060 },
    readings: [
      first,
      ...steps.map((step, i) => {
        return { ...last, step, mean: Float32Array.from(first.mean, (x, at) => x + i / 5 * (last.mean[at] - x)) };
      }),
    ],
  };
  const rows = lagsOf([{ name: "", runs: [...several(3, { lag: 0.2 }), brief] }]), [{ runs, never, speeds }] = rows;
  assertEquals([runs, never, speeds!.n, datedRun(brief).signals], [4, 0, 3, null]);
  assertMatch(lagSentences(rows), / decades of steps apart in 3 of 4 runs\.$/);
});

Deno.test("dates up to one multiple of the grokking step don't depend on how long a run was watched", () => {
  // Attention turns so late that at 1.5 times the grokking step it is on its way: followed for longer, it has made more of its way.
  const long = made({ lag: 0.3, until: 8000 }), grokkingStep = long.grokkingStep!;
  const watchedTo = (last: number) => ({
    ...long,
    metrics: long.metrics.filter(({ step }) => step <= last),
    readings: long.readings.filter(({ step }) => step <= last),
  });
  const brief = watchedTo(2000);
  const behind = (run: AttentionRun, until: number | "end") => decadesBehind(run, { until })!;
  const multiple = Math.floor(100 * brief.readings.at(-1)!.step / grokkingStep) / 100;
  assertEquals([watchedMultiple([{ name: "", runs: [long, brief] }]), watchedMultiple([never])], [multiple, null]);
  assertEquals(behind(long, 1.5), behind(brief, 1.5));
  assert(behind(long, 1.5) < behind(long, "end") - 0.02, `${behind(long, 1.5)} and ${behind(long, "end")}`);
  assertEquals(behind(long, 1.5), behind(watchedTo(1.5 * grokkingStep), "end"));
  // The run that sets the multiple keeps its date, though 1.1 × 3000 is more than 3300; 2300 / 1000 isn't rounded down to 2.29.
  const grokked = (generalised: number, until: number): AttentionRun[] => {
    return [{ ...made({ until }), edges: { first: 0, memorised: 100, transition: null, generalised, last: until } }];
  };
  const edge = grokked(3000, 3300), multiples = [edge, grokked(1000, 2300)].map((runs) => watchedMultiple([{ name: "", runs }]));
  assertEquals([multiples, behind(edge[0], 1.1) !== null], [[1.1, 2.3], true]);
  // Read no longer than before grokking: no date, and no multiple.
  const unread = grokked(3000, 3300).map((run) => ({ ...run, readings: run.readings.filter(({ step }) => step < 3000) }));
  const [{ n, undated }] = lagsOf([{ name: "", runs: unread }], { until: 1 });
  assertEquals([watchedMultiple([{ name: "", runs: unread }]), n, undated], [null, 0, 1]);
  assertEquals([decadesBehind(brief, { until: multiple + 0.02 }), lagsOf([never], { until: 2 })[0].never], [null, 8]);
  assertThrows(() => decadesBehind(brief, { until: 0.5 }), Error, "Cannot date attention's change: until must be at least 1");
});

Deno.test("dates of each run by itself, with its lag both ways; a run that never groks has no lag", () => {
  const rows = runDatesOf([{ ...late, runs: late.runs.slice(0, 2) }, { ...never, runs: never.runs.slice(0, 1) }]);
  assertEquals(rows.map(({ name, seed }) => [name, seed]), [["late", 0], ["late", 1], ["never", 0]]);
  for (const { lag, lagUpTo } of rows.slice(0, 2)) assert(lag!.steps > 0 && lagUpTo!.steps < lag!.steps);
  assertEquals([rows[2].accuracy, rows[2].grokking, rows[2].lag, rows[2].lagUpTo], [null, null, null, null]);
});
