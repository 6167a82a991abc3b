/** Ratios setting by setting: dots, bars and words, from constructed times. */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { contrastTimes } from "../../lib/analysis/statistics/contrasts.ts";
import { ratioFigure } from "../../lib/figures/ratios.ts";
import { againstPublished } from "../../lib/studies/boundaries/findings.ts";
import { marks, shapes, texts } from "./figure_parts.ts";

const seen = (...times: number[]) => times.map((time) => ({ time, event: true }));
const never = (n: number) => Array.from({ length: n }, () => ({ time: 900, event: false }));
const sides = { first: "here", second: "published" };
const pairs = [
  { of: "alike", a: seen(100, 120, 140, 160, 180), b: seen(110, 125, 135, 150, 190) },
  { of: "twice", a: seen(210, 250, 260, 310, 390), b: seen(100, 120, 140, 160, 180) },
  { of: "one", a: seen(130), b: seen(100, 120, 140, 160, 180) },
  { of: "never", a: never(5), b: seen(100, 120, 140, 160, 180) },
  { of: "none", a: never(2), b: never(5) },
];
const contrasts = pairs.map(({ of, a, b }) => ({ of, ...sides, strata: [{ a, b }] }));
const [together] = contrastTimes([{ of: "All", ...sides, strata: pairs.map(({ a, b }) => ({ a, b })) }]);
const options = { of: "Steps, here ÷ published", title: "A title" };
const x = (mark: ReturnType<typeof shapes>[number]) =>
  Number((mark.getAttribute("transform") ?? "").match(/\(([-\d.]+),/)?.[1] ?? mark.getAttribute("cx"));

Deno.test("ratios: a dot where there is a ratio, a bar where there is an interval, words in every row, all together below", () => {
  const rows = contrastTimes(contrasts), figure = ratioFigure(rows, { ...options, together });
  const known = rows.filter(({ size }) => size !== null);
  assertEquals(rows.map(({ of, size }) => [of, size === null]), [["alike", false], ["twice", false], ["one", false], ["never", true], [
    "none",
    true,
  ]]);
  assertEquals(marks(figure, "ratio", "together"), [known.length, 1]);
  // Where one side never groks, a limit is known, though no ratio is.
  const bars = rows.filter(({ interval: { low, high } }) => low !== null || high !== null);
  assertEquals([bars.map(({ of }) => of), marks(figure, "interval")], [["alike", "twice", "never"], [bars.length + 1]]);
  assert(texts(figure).some((word) => /^above [\d.]+$/.test(word)));
  for (const word of ["alike", "twice", "one", "none", "All", "not known", "A title"]) assert(texts(figure).includes(word), word);
  const [alike, twice] = shapes(figure, "ratio").map(x);
  assert(alike < twice);
  // Without all together, no diamond.
  assertEquals(marks(ratioFigure(rows, options), "ratio", "together"), [known.length, 0]);
  assertEquals(marks(ratioFigure(rows, { ...options, together: { ...together, of: "alike" } }), "ratio", "together"), [known.length, 1]);
  // Ratios far from 1 keep their places.
  const far = ratioFigure([8.6, 85.7].map((size) => ({ ...rows[0], size })), options);
  const [near, farther] = shapes(far, "ratio").map(x);
  assert(near < farther);
  assert(texts(ratioFigure([{ ...rows[0], size: 1.02, interval: { low: 0.95, high: 1.1 } }], options)).includes("1.25"));
  assertThrows(() => ratioFigure([], options), Error, "rows must be at least one");
});

Deno.test("the title of ratios states the interval, and whether the two are told apart", () => {
  const titles = contrastTimes(contrasts).map((row) => againstPublished(row, 1)), [alike, twice, one, never, none] = titles;
  const took = "To grok, networks here take ";
  assertMatch(
    alike,
    new RegExp(`^${took}[\\d.]+ times as many steps as the published ones \\(95 %: [\\d.]+ to [\\d.]+\\), over 1 setting: not told apart$`),
  );
  assertMatch(
    twice,
    new RegExp(`^${took}[\\d.]+ times as many steps as the published ones \\(95 %: [\\d.]+ to [\\d.]+\\), over 1 setting$`),
  );
  assertMatch(never, new RegExp(`^${took}above [\\d.]+ times as many steps as the published ones, over 1 setting$`));
  const [row] = contrastTimes(contrasts);
  assertMatch(againstPublished({ ...row, size: 1.001 }, 2), /take about as many steps as the published ones \(95 %: .+\), over 2 settings/);
  assertEquals([one, none], Array(2).fill("Too few runs to compare networks here with published ones, over 1 setting"));
});
