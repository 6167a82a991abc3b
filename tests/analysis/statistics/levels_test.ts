/**
 * Intervals of another level than 95 %: the rows carry it, and tables, sentences and figures print it; draws and seeds reach the tests. And
 * what lies at the level itself.
 */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { lagFinding, lagOverRuns } from "../../../lib/analysis/attention/lag.ts";
import { contrastPairs, contrastTimes, contrastValues } from "../../../lib/analysis/statistics/contrasts.ts";
import { compareTimes } from "../../../lib/analysis/statistics/comparison.ts";
import { laterAtEnd } from "../../../lib/analysis/statistics/later_at_end.ts";
import { pNumber, pShort, pWord } from "../../../lib/analysis/statistics/multiple.ts";
import { complete } from "../../../lib/analysis/statistics/sample.ts";
import { uShape } from "../../../lib/analysis/statistics/u_shape.ts";
import { factorBetween } from "../../../lib/analysis/words.ts";
import { ratioFigure } from "../../../lib/figures/ratios.ts";
import { contrastFrame, contrastSentences } from "../../../lib/notebook/contrasts.ts";
import { againstPublished } from "../../../lib/studies/boundaries/findings.ts";
import { lagTable } from "../../../lib/studies/attention/tables.ts";
import { texts } from "../../figures/figure_parts.ts";

const names = { of: "Depth", first: "1 layer", second: "4 layers" };
const a = [100, 120, 130, 150, 160, 175], b = [90, 95, 101, 110, 125, 135];
const values = [{ ...names, strata: [{ a, b }] }], times = [{ ...names, strata: [{ a: complete(a), b: complete(b) }] }];
const words = { what: "grokking", event: "grok" };

Deno.test("rows of every kind carry the level of their interval, and what is written from them says it", () => {
  const options = { level: 0.5, test: "gehan" } as const;
  for (const rows of [contrastTimes(times, options), contrastValues(values, { level: 0.5 }), contrastPairs(values, { level: 0.5 })]) {
    assertEquals(rows.map(({ level }) => level), [0.5]);
    assertMatch(contrastSentences(rows, words), /\(50 % interval /);
    assert(contrastFrame(rows).columns.includes("50 % interval"), `${contrastFrame(rows).columns}`);
  }
  const [half] = contrastTimes(times, options), [whole] = contrastTimes(times);
  assertEquals(whole.level, 0.95);
  // Hodges and Lehmann's limits: of 36 ratios the 14th and the 23rd (R: qwilcox(0.25, 6, 6) = 14).
  const ratios = a.flatMap((x) => b.map((y) => x / y)).sort((x, y) => x - y);
  for (const [limit, place] of [[half.interval.low!, 13], [half.interval.high!, 22]]) assert(Math.abs(limit / ratios[place] - 1) < 2e-3);
  assertMatch(againstPublished(half, 1), /\(50 %: /);
  const shown = texts(ratioFigure([half], { of: "Ratio", title: "Ratios" }));
  assert(shown.includes("Ratio (50 %)") && shown.some((text) => text.includes("50 % interval")), `${shown}`);
  assertMatch(contrastSentences(contrastTimes(times, { level: 0.975 }), words), /\(97\.5 % interval /);
  assertThrows(() => contrastFrame([half, whole]), Error, "the intervals' levels must be one for all rows, current value is 0.5, 0.95");
  assertThrows(() => ratioFigure([half, whole], { of: "", title: "" }), Error, "the intervals' level must be one for all rows");
});

Deno.test("lags: five runs have an interval at 90 %, and it is called that", () => {
  const runs = [505, 510, 515, 520, 525].map((attention) => ({ memorisation: 100, grokking: 1000, attention, accuracy: 800 }));
  const found = lagOverRuns(runs, { level: 0.9 });
  assertEquals(found.level, 0.9);
  assertMatch(lagFinding(found), /90 % interval/);
  assert("90 % interval" in lagTable([{ name: "x + y", ...found, speeds: null }])[0]);
  assertMatch(lagFinding(lagOverRuns(runs)), /too few for an interval/);
});

Deno.test("the seed and the number of draws of a contrast are those of its test", () => {
  const many = (from: number) => Array.from({ length: 12 }, (_, i) => from + (i * 7919) % 97);
  const contrast = [{ ...names, strata: [{ a: many(10), b: many(0).toReversed() }] }];
  for (const rows of [contrastValues, contrastPairs]) {
    const p = (seed: number) => rows(contrast, { seed, draws: 200, enumerate: 0 })[0].p!;
    assertEquals(p(1), p(1));
    // Of 200 draws and the observed one.
    assert(Math.abs(p(1) * 201 - Math.round(p(1) * 201)) < 1e-9);
    assert(new Set([1, 2, 3, 4, 5, 6].map(p)).size > 1);
  }
});

Deno.test("a p of exactly 0.05 shows nothing, whichever test: neither by its interval, nor by its verdict, nor by how late it is at least", () => {
  // Three of each all apart: one of 20 ways, one-sided.
  for (const seed of [0, 2, 4]) {
    const { p, least, atLeast } = laterAtEnd(complete([700, 800, 900]), [complete([100, 120, 140])], { seed });
    assertEquals([p, least, atLeast], [0.05, 0.05, null]);
  }
  assertEquals(uShape([{ x: 1, times: complete([100, 120, 140]) }, { x: 2, times: complete([700, 800, 900]) }]).verdict, "none");
  // Two strata of three against three: 20 of 400 ways.
  const strata = [[[242, 195, 342], [404, 335, 413]], [[314, 253, 300], [378, 314, 304]]].map(([a, b]) => ({
    a: complete(a),
    b: complete(b),
  }));
  const { p, low, high } = compareTimes(strata, { test: "gehan" });
  assertEquals(p, 0.05);
  assert(low! < 1 && high! >= 1, `${low} to ${high}`);
});

Deno.test("numbers beside a threshold are on the side on which they are printed", () => {
  assertEquals([0.0497, 0.04953, 0.0121, 0.05, 0.0504, 1].map(pNumber), [0.0497, 0.0495, 0.012, 0.05, 0.05, 1]);
  assertEquals([pWord(0.04999), pShort(0.04999), pShort(0.0004)], ["p = 0.04999", "0.04999", "< 0.001"]);
  const words = [[1.0000008, 10], [0.58, 0.9999997], [0.26, 1.0004], [0.5, 1], [0.99, 1.04]].map(([low, high]) =>
    factorBetween({ low, high })
  );
  assertEquals(words, ["just above 1 to 10", "0.58 to just below 1", "0.26 to just above 1", "0.5 to 1", "0.99 to 1.04"]);
});
