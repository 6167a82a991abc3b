/** Contrasts as rows and sentences: corrected together, pointing the way the test does, and silent where nothing can be said. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { type Contrast, contrastPairs, contrastTimes, contrastValues, type Values } from "../../../lib/analysis/statistics/contrasts.ts";
import { complete, type ObservedPair } from "../../../lib/analysis/statistics/sample.ts";
import { contrastFrame, contrastSentences } from "../../../lib/notebook/contrasts.ts";

const late = [500, 520, 540, 560, 580],
  soon = [100, 120, 140, 160, 180],
  mixed = [100, 570, 140, 530, 180],
  others = [560, 120, 150, 520, 510];
const never = (time: number) => ({ time, event: false });
const about = <T>(of: string, ...strata: readonly T[]): Contrast<T> => ({ of, first: "4 layers", second: "1 layer", strata });
const times: Contrast<ObservedPair>[] = [
  about("Depth", { a: complete(late), b: complete(soon) }),
  about("Width", { a: complete(soon), b: complete(late) }),
  about("Heads", { a: complete(mixed), b: complete(others) }),
  about("Nothing", { a: [never(50)], b: [never(50)] }),
  about("Nobody", { a: complete(soon), b: [] }),
];

Deno.test("times: the later one is said, by Holm over all that were tested; what has one side only is left out", () => {
  const rows = contrastTimes(times);
  assertEquals(rows.map(({ of, verdict, n, events }) => [of, verdict, n, events]), [
    ["Depth", 1, [5, 5], [5, 5]],
    ["Width", -1, [5, 5], [5, 5]],
    ["Heads", 0, [5, 5], [5, 5]],
    ["Nothing", 0, [1, 1], [0, 0]],
  ]);
  const [depth, width, heads, nothing] = rows;
  // The two most extreme of 252 arrangements; three tests.
  for (const row of [depth, width]) assertAlmostEquals(row.holm!, 3 * 2 / 252, 1e-12);
  assert(heads.p! > 0.3);
  assertEquals([nothing.p, nothing.holm], [null, null]);
  assertEquals([depth.size, width.size, depth.delta, depth.tau], [400, -400, 1, 580]);
});

Deno.test("values: Cliff's delta within strata, by the rank-sum test", () => {
  const values: Contrast<Values>[] = [about("Depth", { a: [0.5, 0.6, 0.7], b: [0, 0, 0.1] }, { a: [0.4, 0.3, 0.2], b: [0, 0, 0] })];
  const [row] = contrastValues([...values, about("Nobody", { a: [], b: [1] })]);
  assertEquals([row.n, row.size, row.verdict, row.tau], [[6, 6], 1, 1, null]);
  // In both strata the most extreme of 20, or its mirror image in both.
  assertAlmostEquals(row.p!, 2 / 400, 1e-12);
});

Deno.test("pairs: two values of each run, by flipping the signs of whole runs", () => {
  const entropy = (...strata: Values[]): Contrast<Values> => ({ of: "Entropy", first: "layer 0", second: "layer 1", strata });
  const even = [0.5, 0.625, 0.75, 0.5, 0.625, 0.75], low = [0.25, 0.25, 0.5, 0.25, 0.25, 0.5];
  const rows = contrastPairs([
    entropy({ a: even, b: low }),
    entropy({ a: low.slice(3), b: even.slice(3) }, { a: low.slice(3), b: low.slice(3) }),
  ]);
  const [all, some] = rows;
  // All of one sign: two of 2⁶; of the second, three zeros of six: two of 2³. Two tests.
  assertEquals([all.n, all.p, all.holm, all.verdict, all.delta], [[6, 6], 2 / 64, 2 * 2 / 64, 0, 1]);
  assertEquals([some.p, some.delta, some.verdict], [2 / 8, -1, 0]);
  assertEquals([all.size, all.interval], [0.3125, { low: 0.25, high: 0.375 }]);
  assertEquals(contrastPairs([entropy({ a: even, b: low })])[0].verdict, 1);
  assertEquals(contrastPairs([entropy({ a: [], b: [] })]), []);
  assertThrows(() => contrastPairs([entropy({ a: even, b: [1] })]), Error, "compare Entropy within runs");
  assertEquals(
    contrastSentences(contrastPairs([entropy({ a: even, b: low })]), { what: "just after memorising", where: "in" }),
    "- **Entropy**, just after memorising: more in layer 0 than in layer 1. Difference 0.31 (95 % interval 0.25 to 0.38; n = 6; sign-flip test, " +
      "p = 0.031).",
  );
  const table = contrastFrame(rows);
  assertEquals(table.columns, ["", "first", "second", "n", "difference", "95 % interval", "rank-biserial r", "p", "p, Holm"]);
  assertEquals(table.column("n").values, ["6", "6"]);
});

Deno.test("sentences carry size, interval, n, test and p", () => {
  const rows = contrastTimes(times);
  assertEquals(
    contrastSentences(rows, { what: "grokking", event: "grok" }).split("\n").map((line) => line.replace(/interval .*?;/, "interval …;")),
    [
      "- **Depth**, grokking: later with 4 layers than with 1 layer. Mean difference 400 steps within the first 580 (95 % interval …; n = 5 and 5, of which 5 and " +
      "5 grok; log-rank test by permutation, p = 0.024 after Holm over 3).",
      "- **Width**, grokking: later with 1 layer than with 4 layers. Mean difference 400 steps within the first 580 (95 % interval …; n = 5 and 5, of which 5 and " +
      "5 grok; log-rank test by permutation, p = 0.024 after Holm over 3).",
      "- **Heads**, grokking: 4 layers and 1 layer not told apart. Mean difference −68 steps within the first 570 (95 % interval …; n = 5 and 5, of which 5 " +
      `and 5 grok; log-rank test by permutation, p = ${Number(rows[2].holm!.toPrecision(2))} after Holm over 3).`,
      "- **Nothing**, grokking: 4 layers and 1 layer not told apart. Mean difference 0 steps within the first 50 (95 % interval …; n = 1 and 1, of which 0 and 0 grok; " +
      "log-rank test by permutation, nothing to test).",
    ],
  );
});

Deno.test("the table has what the sentences have", () => {
  const table = contrastFrame(contrastTimes(times), "grok");
  assertEquals(table.columns, ["", "first", "second", "n", "grok", "difference, steps", "95 % interval", "Cliff's δ", "p", "p, Holm"]);
  assertEquals(table.column("difference, steps").values.slice(0, 2), ["400", "−400"]);
  assertEquals(table.column("p").values.at(-1), "–");
});
