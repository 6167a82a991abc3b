/** What figures of curves say: findings as titles and how these break, what was learned, and what vertical lines mean. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { howToRead } from "../../lib/figures/curves.ts";
import { cellWords, mapFinding } from "../../lib/figures/map_cells.ts";
import { about, finding, progress } from "../../lib/figures/runs.ts";
import { boardTitle } from "../../lib/figures/settings.ts";
import { groupFinding } from "../../lib/figures/steps.ts";
import { compose } from "../../lib/figures/theme.ts";
import { type RunInput, runSpec } from "../../lib/run/spec.ts";
import type { Curve } from "../../lib/analysis/runs/run.ts";
import { settingsOf } from "../../lib/analysis/runs/settings.ts";
import { runsOf } from "./made_boundaries.ts";
import { mixed, run, ten } from "./made_curves.ts";

Deno.test("titles state what the runs show", () => {
  assertEquals(finding(ten), "All 10 networks memorise around step 145 but generalise only around step 2,900");
  assertEquals(finding(mixed), "All 10 networks memorise around step 145; 6 of 10 generalise within 5,000 steps");
  assertMatch(finding(ten.map((_, seed) => run(seed, 100, seed === 0 ? 3000 : null))), /; 1 of 10 generalises within 5,000 steps$/);
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
  // A median to which networks belong that didn't grok is no step around which all do.
  const late = ten.map((_, seed) => run(seed, 100, seed < 7 ? 4000 : null));
  assertEquals(
    groupFinding([{ name: "0.1", runs: late }, { name: "3", runs: mixed }], "Weight decay"),
    "With weight decay 3, 6 of 10 networks grok, the median at step 3,500; with 0.1, 7 of 10 do, the median at step 4,000",
  );
});

Deno.test("a long title breaks where it pauses, or else in the middle, and never between a noun and its number", () => {
  const lines = (title: string) =>
    [...compose({ title, subtitle: "", panels: [] }).svg.matchAll(/<text [^>]*font-weight="700"[^>]*>([^<]+)</g)].map(([, line]) => line);
  for (
    const broken of [
      ["Step 1,240 of 3,000: of 10 networks 10 memorised, 3 grokked"],
      ["All 10 networks memorise around step 100", "but generalise only around step 630"],
      ["All 4 networks memorise around step 110;", "none generalises within 240 steps"],
      ["All 5 networks memorise around step 160;", "2 of 5 generalise within 2,000 steps"],
      ["Too few networks memorise to be", "compared, 2 of 5 with dropout and one without"],
      ["Networks grok from train fraction 0.35 on,", "earliest median with 0.7: step 120"],
      // Numbers of a list part where they would fill more than a line.
      [
        "Networks grok at each train fraction 0.05, 0.1, 0.15, 0.2, 0.25, 0.3,",
        "0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85 and 0.9,",
        "earliest median with 0.7: step 120",
      ],
    ]
  ) assertEquals(lines(broken.join(" ")), broken);
  // A word that is longer than a line is divided.
  const link = `https://example.org/${"x".repeat(70)}`;
  assertEquals(lines(`${link} compared`), [link.slice(0, 71), `${link.slice(71)} compared`]);
  assertEquals(lines(link), [link.slice(0, 71), link.slice(71)]);
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

Deno.test("the caption says what the vertical lines mean, by the rule that the runs were judged by", () => {
  const said = (runs: readonly Curve[]) => howToRead(runs);
  assertMatch(
    said([run(0, 100, 200), run(1, 120, 400)]),
    /Vertical lines: median steps of memorising and grokking \(more than 99 % right\)\./,
  );
  assertMatch(said([run(0, 100, null)]), /One seed\. Vertical line: when it had memorised\./);
  const later = { ...run(0, 100, 200), grokkingStep: 300 }; // ten evaluations in a row, say
  assert(!said([later]).includes("99 %"), said([later]));
  assert(!said([run(0, null, null)]).includes("Vertical"));
  assertMatch(said([run(0, null, 600)]), /One seed\. Vertical line: when it had grokked \(more than 99 % right\)\./);
  assertMatch(said([run(0, null, 600), run(1, null, 700)]), /Vertical line: median step of grokking \(more than 99 % right\)\./);
});

Deno.test("networks that grok without having memorised are said to, and so are all that grok where few memorise", () => {
  const [none, one] = [run(0, null, 600, 3000), run(1, 100, 700, 3000)], never = run(2, null, null, 3000);
  for (
    const [runs, title] of [
      [[none], "The network generalises around step 600; it has not memorised within 3,000 steps"],
      [[none, none], "All 2 networks generalise around step 600; none has memorised within 3,000 steps"],
      [[none, none, never], "2 of 3 networks generalise around step 600; none has memorised within 3,000 steps"],
      [[none, never], "1 of 2 networks generalises; none has memorised within 3,000 steps"],
      [[none, none, one], "1 of 3 networks memorises; all 3 generalise around step 600"],
    ] as const
  ) assertEquals(finding(runs), title);
});

Deno.test("of many settings that tie a title says how many they are", () => {
  const titled = (...runs: Parameters<typeof runsOf>) => boardTitle(settingsOf(runsOf(...runs)).settings).replaceAll("\u00a0", " ");
  const dims = [72, 96, 120, 144], decays = [0.01, 0.1, 1, 3];
  assertEquals(titled(() => 540, dims, decays), "All 80 networks grok, around step 540 at all 16 settings");
  assertEquals(titled(() => 540, dims, decays, 1), "All 16 networks grok, at step 540 at all 16 settings");
  assertEquals(
    titled((_, decay) => (decay > 0.01 ? 540 : 900), dims, decays),
    "All 80 networks grok, earliest median at 12 of 16 settings: step 540, latest at 4 of 16 settings: step 900",
  );
  assertEquals(
    titled((_, decay) => (decay === 1 ? 540 : 900), [72], decays),
    "All 20 networks grok, earliest median with weight decay 1: step 540, " +
      "latest with weight decay 0.01, weight decay 0.1 and weight decay 3: step 900",
  );
  const groups = (late: number) =>
    Array.from({ length: 20 }, (_, i) => ({ name: String(100_000 + i), runs: [run(0, 100, i < late ? 900 : 600)] }));
  assertEquals(groupFinding(groups(0), "Batch"), "At all 20 values of batch, networks grok around step 600");
  assertEquals(
    groupFinding(groups(1), "Batch"),
    "At 19 of 20 values of batch, networks grok around step 600; with 100000, they grok around step 900",
  );
  const [{ name }] = groups(0), long = name.repeat(20);
  assertEquals(
    groupFinding([{ name: long, runs: [run(0, 100, 600)] }], "Batch"),
    `With batch ${long}, networks grok around step 600`,
  );
});

Deno.test("a map says what is true of cells in which half of the networks grok", () => {
  const cell = (grokked: number, median: number | null, runs = 2) => ({
    runs,
    begun: runs,
    grokked,
    median,
    share: grokked / runs,
    open: 0,
  });
  const found = (...cells: ReturnType<typeof cell>[]) => mapFinding(cells, ({ median }) => `cell ${median}`).replaceAll("\u00a0", " ");
  assertEquals(cellWords([cell(1, null), cell(2, 300)]), " In place of a median, –: half of them or fewer did.");
  assertEquals(found(cell(1, null), cell(1, null)), "At all 2 settings some networks grok and some don't");
  assertEquals(found(cell(1, null)), "At this setting some networks grok and some don't");
  assertEquals(
    found(cell(1, null), cell(2, 300, 3), cell(0, null)),
    "At 2 of 3 settings some networks grok and some don't; at 1 none does; earliest median with cell 300: step 300",
  );
  assertEquals(
    found(cell(1, null), cell(2, 300), cell(0, null)),
    "Every network groks at 1 of 3 settings, none at 1; earliest median with cell 300: step 300",
  );
  // One with unfinished runs may have the earliest median of all that are drawn.
  const open = { ...cell(3, 200, 3), runs: 5, open: 2 };
  assertEquals(
    found(cell(2, 300), cell(2, 400), cell(0, null), open),
    "Every network groks at 2 of 3 finished settings, none at 1; earliest median among the finished with cell 300: step 300; 1 setting not done",
  );
  assertEquals(found(cell(2, 300), open, open), "Every network groks at the one finished setting; 2 settings not done");
  assertEquals(found(cell(0, null), cell(0, null), open), "No network groks at any of 2 finished settings; 1 setting not done");
});
