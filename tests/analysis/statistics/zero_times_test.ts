/** Times of 0, as the delay has for runs that grok as they memorise: no factor changes them, so factors may be 0 or infinite. */
import { assert, assertAlmostEquals, assertEquals, assertMatch } from "@std/assert";
import { compareTimes, type TimeTest } from "../../../lib/analysis/statistics/comparison.ts";
import { contrastTimes } from "../../../lib/analysis/statistics/contrasts.ts";
import { complete, type Observation, type ObservedPair } from "../../../lib/analysis/statistics/sample.ts";
import { contrastFrame, contrastSentences } from "../../../lib/notebook/contrasts.ts";
import { ratioFigure } from "../../../lib/figures/ratios.ts";
import { marks, texts } from "../../figures/figure_parts.ts";

const TESTS: readonly TimeTest[] = ["log-rank", "gehan"];
const never = (time: number): Observation => ({ time, event: false });
const zeros = (n: number) => complete(Array<number>(n).fill(0));
const late = complete([100, 110, 120, 130, 140]);
const turned = ({ a, b }: ObservedPair): ObservedPair => ({ a: b, b: a });
const watched = (pair: ObservedPair, until: number): ObservedPair => {
  const all = (each: Observation) => ({ ...each, until });
  return { a: pair.a.map(all), b: pair.b.map(all) };
};

/** Compares strata by a test, also turned round, which must turn everything round; with `until` and without it the same. */
function compared(test: TimeTest, ...strata: ObservedPair[]) {
  const all = compareTimes(strata, { test }), { ratio, low, high, p, sign } = all;
  const back = compareTimes(strata.map(turned), { test }), over = (x: number | null) => x === null ? null : 1 / x;
  for (const [value, expected] of [[back.ratio, over(ratio)], [back.low, over(high)], [back.high, over(low)]]) {
    if (value === null || expected === null || !Number.isFinite(expected)) assertEquals(value, expected);
    else assertAlmostEquals(value, expected, 2e-3);
  }
  assertEquals([back.p, -back.sign], [p, sign].map((x) => x === 0 ? -0 : x));
  assertEquals(p! < 0.05, (low ?? 0) > 1 || (high ?? Infinity) < 1, `p ${p}, ${low} to ${high}`);
  const known = compareTimes(strata.map((pair) => watched(pair, 1000)), { test });
  if (strata.every(({ a, b }) => [...a, ...b].every(({ event }) => event))) {
    assertEquals([known.ratio, known.low, known.high, known.p], [ratio, low, high, p]);
  }
  return all;
}

Deno.test("one group's times all 0: the ratio and both limits are 0, or infinite the other way round", () => {
  for (const test of TESTS) {
    const { ratio, low, high, p, sign } = compared(test, { a: zeros(5), b: late });
    // All zeros lie before all others: 2 of 252 ways to deal ten runs.
    assertEquals([ratio, low, high, sign], [0, 0, 0, -1]);
    assertAlmostEquals(p!, 2 / 252, 1e-12);
    // Too few runs reject nothing, so that only the estimate is known.
    const few = compared(test, { a: zeros(2), b: complete([5, 6]) });
    assertEquals([few.ratio, few.low, few.high], [0, 0, null]);
  }
});

Deno.test("some times 0: the upper limit is that of the test, by enumeration", () => {
  const pair = { a: complete([0, 0, 0, 0, 100]), b: late };
  const [logRank, gehan] = TESTS.map((test) => compared(test, pair));
  assertEquals([logRank.ratio, logRank.low, gehan.ratio, gehan.low], [0, 0, 0, 0]);
  // Rank sums of all 252 deals (python, itertools), with b multiplied by r: p = 0.0317 just above 100/130, 0.0714 just below.
  assertAlmostEquals(gehan.high!, 100 / 130, 1e-3);
  // Log-rank scores of all deals (python): p = 0.0159 above 100/110, 0.0556 just below, and more from there down to 0.
  assertAlmostEquals(logRank.high!, 100 / 110, 1e-3);
  // Zeros in both groups alike leave the ratio to the other times: here the second's are twice the first's.
  const both = { a: complete([0, 50, 60, 70, 80, 90]), b: complete([0, 100, 120, 140, 160, 180]) };
  for (const test of TESTS) {
    const { ratio } = compared(test, both);
    assert(ratio! > 0.4 && ratio! < 0.6, `${ratio}`);
  }
});

Deno.test("all times 0, in both groups or in some strata: nothing tells by how much, or only the other strata do", () => {
  const nothing = { a: zeros(3), b: zeros(3) };
  for (const test of TESTS) {
    const { ratio, low, high, p, sign, least, n, events } = compared(test, nothing);
    assertEquals([ratio, low, high, p, sign, least, n, events], [null, null, null, 1, 0, 1, [3, 3], [3, 3]]);
    const pair = { a: complete([210, 250, 260, 310]), b: complete([100, 120, 140, 160]) }, alone = compared(test, pair);
    const beside = compared(test, nothing, pair);
    assertEquals([beside.ratio, beside.low, beside.high, beside.p], [alone.ratio, alone.low, alone.high, alone.p]);
    // A stratum that has zeros in one group only makes that group the earlier one.
    assertEquals(compared(test, { a: zeros(3), b: late.slice(0, 3) }, { a: late.slice(0, 3), b: late.slice(0, 3) }).sign, -1);
  }
});

Deno.test("times of 0 beside runs that were only watched without the event", () => {
  for (const test of TESTS) {
    // The zeros are first at any factor; no other run of the first group is known to be late or early.
    const mixed = compared(test, { a: [...zeros(4), never(1000)], b: late });
    assertEquals([mixed.ratio, mixed.low, mixed.sign], [0, 0, -1]);
    // Without an event in the second group there is no ratio; that of the factors that fit is 0.
    const none = compared(test, { a: zeros(5), b: [1, 2, 3, 4, 5].map(() => never(1000)) });
    assertEquals([none.ratio, none.low, none.high], [null, null, 0]);
    assertAlmostEquals(none.p!, 2 / 252, 1e-12);
    // Watched for no time at all: one of three had the event on either side.
    const at0 = compared(test, { a: [...zeros(1), never(0), never(0)], b: [...zeros(1), never(0), never(0)] });
    assertEquals([at0.ratio, at0.low, at0.high, at0.p], [null, null, null, 1]);
  }
  // Of the two ratios 10 / 0 and 10 / 20, the median may be anything from 1/2 on.
  assertEquals(compared("gehan", { a: complete([10]), b: complete([0, 20]) }).ratio, null);
});

Deno.test("tables, sentences and figures name the group that takes 0 times as long", () => {
  const about = (of: string, pair: ObservedPair) => ({ of, first: "1 layer", second: "4 layers", strata: [pair] });
  const some = { a: complete([0, 0, 0, 0, 100]), b: late }, all = { a: zeros(5), b: late };
  const rows = contrastTimes([
    about("All", all),
    about("Turned", turned(all)),
    about("Some", some),
    about("Other", turned(some)),
    about("None", { a: zeros(5), b: zeros(5) }),
    about("Never", { a: [1, 2, 3, 4, 5].map(() => never(1000)), b: zeros(5) }),
  ], { test: "gehan" });
  assertEquals(contrastFrame(rows, "grok")["times as long"].values, ["0", "∞", "0", "∞", "–", "–"]);
  const sentences = contrastSentences(rows, { what: "waiting", event: "grok" }).split("\n");
  const takes = sentences.map((line) => line.split(". ")[1].replace(/ \(n = .*/, ""));
  assertEquals(takes, [
    "With 1 layer it takes 0 times as long (95 % interval 0)",
    "With 4 layers it takes 0 times as long (95 % interval 0)",
    "With 1 layer it takes 0 times as long (95 % interval 0 to 0.769)",
    "With 4 layers it takes 0 times as long (95 % interval 0 to 0.769)",
    "Nothing tells by how much",
    "With 4 layers it takes 0 times as long (95 % interval 0)",
  ]);
  for (const line of sentences) assert(!/NaN|Infinity|null/.test(line), line);
  assertMatch(sentences[4], /too few runs to tell 1 layer and 4 layers apart.* p = 1,/);
  const figure = ratioFigure(rows, { of: "Wait", title: "A title" });
  assertEquals(marks(figure, "ratio"), [0]);
  for (const word of ["0 (0)", "∞ (∞)", "0 (0 to 0.769)", "∞ (above 1.3)", "not known", "∞"]) assert(texts(figure).includes(word), word);
});
