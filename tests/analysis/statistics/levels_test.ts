/** Intervals of another level than 95 %: the rows carry it, and tables, sentences and figures print it; draws and seeds reach the tests. */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { lagFinding, lagOverRuns } from "../../../lib/analysis/attention/lag.ts";
import { contrastPairs, contrastTimes, contrastValues } from "../../../lib/analysis/statistics/contrasts.ts";
import { complete } from "../../../lib/analysis/statistics/sample.ts";
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
