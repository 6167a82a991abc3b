/** Contrasts as rows and sentences: corrected together, pointing the way the test does, and silent where nothing can be said. */
import { assert, assertAlmostEquals, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { type Contrast, contrastPairs, contrastTimes, contrastValues, type Values } from "../../../lib/analysis/statistics/contrasts.ts";
import { complete, type ObservedPair } from "../../../lib/analysis/statistics/sample.ts";
import { factorBetween, factorShort } from "../../../lib/analysis/words.ts";
import { bothTests, claimTable, contrastFrame, contrastSentences } from "../../../lib/notebook/contrasts.ts";

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
  for (const row of [depth, width]) assertAlmostEquals(row.floor!, 3 * 2 / 252, 1e-12);
  assertEquals([depth.delta, depth.watched, nothing.watched, nothing.size], [null, [580, 580], [50, 50], null]);
  assertAlmostEquals(depth.size!, 3.5, 0.01);
  assertAlmostEquals(width.size!, 1 / 3.5, 0.01);
  assert(depth.interval.low! > 1 && width.interval.high! < 1);
  const alone = { of: "Depth", first: "1", second: "1", strata: [{ a: complete(soon), b: complete(soon) }] };
  assertThrows(() => contrastTimes([alone]), Error, "Cannot compare times by Depth: the groups' names must differ, current value is 1");
});

Deno.test("times by both tests: one row per contrast says which test tells the groups apart, and a sentence names its test", () => {
  const some = times.slice(0, 3), gehan = contrastTimes(some, { test: "gehan" });
  const table = bothTests([{ what: "grokking", logRank: contrastTimes(some), gehan }]),
    column = (name: string) => table.column(name).values;
  assertEquals(["", "of", "told apart"].map(column), [
    ["grokking", "grokking", "grokking"],
    ["Depth", "Width", "Heads"],
    ["by both", "by both", "by none"],
  ]);
  const [depth] = gehan;
  assertEquals(column("times as long, Gehan")[0], `${factorShort(depth.size!)} (${factorBetween(depth.interval)})`);
  assert(contrastSentences([depth], { what: "grokking", event: "grok" }).includes("; Gehan's test by permutation, p"));
});

Deno.test("times by both tests: opposite ways, nothing to test, too few runs; other contrasts are refused", () => {
  const told = (...contrasts: Contrast<ObservedPair>[]) => {
    const [logRank, gehan] = [contrastTimes(contrasts), contrastTimes(contrasts, { test: "gehan" })];
    return bothTests([{ what: "", logRank, gehan }]).column("told apart").values;
  };
  const range = (n: number, from: number, by: number) => Array.from({ length: n }, (_, i) => from + by * i);
  // Most are earlier, and the others later than all.
  const crossing = { a: complete([...range(88, 100, 1), ...range(62, 5000, 1)]), b: complete(range(150, 1000, 10)) };
  assertEquals(told(about("Crossing", crossing)), ["by both, the opposite way"]);
  assertEquals(told(times[3]), ["nothing to test"]);
  assertEquals(told(about("Few", { a: complete([5, 6]), b: complete([1, 2]) })), ["too few runs"]);
  const [depth, width] = contrastTimes(times.slice(0, 2));
  for (const gehan of [[depth], [width, depth], [depth, width, width]]) {
    assertThrows(
      () => bothTests([{ what: "grokking", logRank: [depth, width], gehan }]),
      Error,
      "Cannot show grokking by both tests: Gehan's contrasts must be Depth: 4 layers, 1 layer; Width: 4 layers, 1 layer, current value is",
    );
  }
});

Deno.test("values: Cliff's delta within strata, by the rank-sum test", () => {
  const values: Contrast<Values>[] = [about("Depth", { a: [0.5, 0.6, 0.7], b: [0, 0, 0.1] }, { a: [0.4, 0.3, 0.2], b: [0, 0, 0] })];
  const [row] = contrastValues([...values, about("Nobody", { a: [], b: [1] })]);
  assertEquals([row.n, row.size, row.verdict, row.watched, row.floor], [[6, 6], 1, 1, null, row.p]);
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
    "- **Entropy**, just after memorising: more in layer 0 than in layer 1. Difference 0.31 (95 % interval 0.25 to 0.38) (n = 6; sign-flip test, " +
      "p = 0.031).",
  );
  const table = contrastFrame(rows);
  assertEquals(table.columns, ["", "first", "second", "n", "difference", "95 % interval", "rank-biserial r", "p", "p, Holm", "least"]);
  assertEquals(table.column("n").values, ["6", "6"]);
});

Deno.test("sentences carry size, interval, n, test and p, and how long all were watched", () => {
  const rows = contrastTimes(times), p = (value: number) => Number(value.toPrecision(2));
  assertEquals(
    contrastSentences(rows, { what: "grokking", event: "grok" }).split("\n").map((line) => line.replace(/interval .*?\)/, "interval …)")),
    [
      "- **Depth**, grokking: later with 4 layers than with 1 layer. With 4 layers it takes 3.5 times as long (95 % interval …) (n = 5 and 5, of which 5 and 5 grok by step " +
      "580; log-rank test by permutation, p = 0.0079, p = 0.024 after Holm over 3).",
      "- **Width**, grokking: later with 1 layer than with 4 layers. With 1 layer it takes 3.5 times as long (95 % interval …) (n = 5 and 5, of which 5 and 5 grok by step " +
      "580; log-rank test by permutation, p = 0.0079, p = 0.024 after Holm over 3).",
      `- **Heads**, grokking: 4 layers and 1 layer not told apart. With 4 layers it takes ${
        rows[2].size!.toFixed(2)
      } times as long (95 % interval …) (n = 5 and 5, of which 5 ` +
      `and 5 grok by step 570; log-rank test by permutation, p = ${p(rows[2].p!)}, p = ${p(rows[2].holm!)} after Holm over 3).`,
      "- **Nothing**, grokking: 4 layers and 1 layer not told apart. Nothing tells by how much (n = 1 and 1, of which 0 and 0 grok by step 50; " +
      "log-rank test by permutation, nothing to test).",
    ],
  );
});

Deno.test("numbers stand in the order in which a sentence names the groups; units are said", () => {
  const late = [500, 520, 540, 560],
    rows = contrastTimes([about("Width", { a: complete([100, 120, 140, 160, 170, 180]), b: complete(late) })]);
  const says = (some: typeof rows) => contrastSentences(some, { what: "grokking", event: "grok" });
  assertMatch(says(rows), /later with 1 layer than with 4 layers\. With 1 layer .+ \(n = 4 and 6, of which 4 and 6 grok by step 560;/);
  const units = (times: readonly number[], name: string) => complete(times).map((each, i) => ({ ...each, unit: `${name} ${i >> 1}` }));
  const dealt = contrastTimes([about("Width", { a: units([100, 120, 140, 160, 170, 180], "a"), b: units(late, "b") })]);
  assertEquals(dealt[0].units, [3, 2]);
  assertMatch(says(dealt), /\(n = 6 and 4, dealt as 3 and 2 whole units, of which 6 and 4 grok/);
});

Deno.test("a factor that is written as 1 reads as about as long", () => {
  const same = contrastTimes([about("Depth", { a: complete(mixed), b: complete(mixed) })]);
  assertEquals(factorShort(same[0].size!), "1");
  const says = (unit: string) => contrastSentences(same, { what: "grokking", event: "grok", unit });
  assertMatch(says("steps"), /it takes about as long \(95 % interval/);
  assertMatch(says("steps × p"), /it takes about as many steps × p \(95 % interval/);
});

Deno.test("where so few runs can't tell groups apart, that is said, and nothing is concluded", () => {
  const few = contrastTimes([about("Depth", { a: complete([500, 520, 540]), b: complete([100, 120, 140]) })]);
  assertEquals([few[0].verdict, few[0].floor], [0, 2 / 20]);
  assertEquals(
    contrastSentences(few, { what: "grokking", event: "grok" }),
    "- **Depth**, grokking: too few runs to tell 4 layers and 1 layer apart. With 4 layers it takes 4.2 times as long (95 % interval –) (n = 3 and 3, of which 3 and 3 " +
      "grok by step 540; log-rank test by permutation, p = 0.1, and no less than 0.1 with so few).",
  );
  const words = { what: "grokking", event: "grok" };
  // Of several tests, the least p after the correction, as the column and README's Words have it.
  const two = contrastTimes(["Depth", "Width"].map((of) => about(of, { a: complete([500, 520, 540]), b: complete([100, 120, 140]) })));
  for (const line of contrastSentences(two, words).split("\n")) {
    assertMatch(line, /, p = 0\.1, p = 0\.2 after Holm over 2, and after Holm no less than 0\.2 with so few\)\.$/);
  }
  for (const expects of [1, 0, -1] as const) {
    assert(claimTable([{ claim: "Depth delays", expects, rows: few, words }]).includes("| too few runs to tell |"));
  }
  const [depth] = contrastTimes(times.slice(0, 1));
  assert(claimTable([{ claim: "Depth delays", expects: 1, rows: [depth, ...few], words }]).includes("| in part |"));
});

Deno.test("a sentence says what its times are counted in", () => {
  const sentence = contrastSentences(contrastTimes(times.slice(0, 1)), { what: "grokking", event: "grok", unit: "steps × p" });
  assertMatch(
    sentence,
    /grokking: more steps × p with 4 layers than with 1 layer\. With 4 layers it takes 3\.5 times as many steps × p \(/,
  );
  assertMatch(sentence, /of which 5 and 5 grok by 580 steps × p;/);
});

Deno.test("the table has what the sentences have", () => {
  const table = contrastFrame(contrastTimes(times), "grok");
  assertEquals(table.columns, ["", "first", "second", "n", "grok", "times as long", "95 % interval", "p", "p, Holm", "least"]);
  assertEquals(table.column("times as long").values.slice(0, 2), ["3.5", "0.29"]);
  assertEquals(table.column("p").values.at(-1), "–");
});

Deno.test("pairs and values: as many decimals as their interval needs, the same for all three; only 0 is written as 0", () => {
  const [row] = contrastPairs([about("Entropy", { a: [1, 2, 3, 4, 5, 6], b: [0, 0, 0, 0, 0, 0] })]);
  const says = (size: number, low: number | null, high: number | null, verdict: -1 | 0 | 1 = 0) => {
    const changed = { ...row, size, interval: { low, high }, verdict };
    const sentence = contrastSentences([changed], { what: "entropy" }).match(/Difference (.*?)\) \(n/)![1].replace("95 % interval ", "");
    if (verdict === 0) assertEquals((contrastFrame([changed]).values as string[][])[0].slice(4, 6).join(" ("), sentence);
    return sentence;
  };
  assertEquals(says(0.3125, 0.25, 0.375), "0.31 (0.25 to 0.38");
  assertEquals(says(0.00123, 0.0004, 0.00211), "0.0012 (0.0004 to 0.0021");
  assertEquals(says(0.00123, 0.0004, 0.00211, -1), "−0.0012 (−0.0021 to −0.0004");
  assertEquals(says(-0.09, -0.18, 0.0003), "−0.0900 (−0.1800 to 0.0003");
  assertEquals(says(0, 0, 0), "0.00 (0.00 to 0.00");
  assertEquals(says(0.5, 1e-17, 1), "0.50 (0.00 to 1.00");
  assertEquals(says(0.004, null, null), "0.004 (–");
  assertEquals(says(12345.67, 12000, 13000), "12,346 (12,000 to 13,000");
  const small = contrastFrame([{ ...row, delta: 0.001 }]);
  assertEquals(small.column("rank-biserial r").values, ["0.001"]);
});
