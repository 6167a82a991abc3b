/** Ratios setting by setting: dots, bars and words, from constructed times. */
import { assert, assertEquals, assertThrows } from "@std/assert";
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
  { of: "none", a: never(2), b: seen(100, 120, 140, 160, 180) },
];
const contrasts = pairs.map(({ of, a, b }) => ({ of, ...sides, strata: [{ a, b }] }));
const [together] = contrastTimes([{ of: "All", ...sides, strata: pairs.map(({ a, b }) => ({ a, b })) }]);
const options = { of: "Steps, here ÷ published", title: "A title" };
const x = (mark: ReturnType<typeof shapes>[number]) =>
  Number((mark.getAttribute("transform") ?? "").match(/\(([-\d.]+),/)?.[1] ?? mark.getAttribute("cx"));

Deno.test("ratios: a dot where there is a ratio, a bar where there is an interval, words in every row, all together below", () => {
  const rows = contrastTimes(contrasts), figure = ratioFigure(rows, { ...options, together });
  const known = rows.filter(({ size }) => size !== null);
  assertEquals(rows.map(({ of, size }) => [of, size === null]), [["alike", false], ["twice", false], ["one", false], ["none", true]]);
  assertEquals(marks(figure, "ratio", "together"), [known.length, 1]);
  const bars = rows.filter(({ size, interval: { low, high } }) => size !== null && (low !== null || high !== null)).length;
  assertEquals(marks(figure, "interval"), [bars + 1]);
  for (const word of ["alike", "twice", "one", "none", "All", "not known", "A title"]) assert(texts(figure).includes(word), word);
  const [alike, twice] = shapes(figure, "ratio").map(x);
  assert(alike < twice);
  // Without all together, no diamond.
  assertEquals(marks(ratioFigure(rows, options), "ratio", "together"), [known.length, 0]);
  assertThrows(() => ratioFigure([], options), Error, "rows must be at least one");
});

Deno.test("the title of ratios states the interval, and whether the two are told apart", () => {
  const [alike, twice, , none] = contrastTimes(contrasts).map((row) => againstPublished(row, 1));
  assert(
    /^Networks here take [\d.]+ times as many steps as the published ones \([\d.]+ to [\d.]+\), over 1 setting: not told apart$/.test(
      alike,
    ),
    alike,
  );
  assert(/^Networks here take [\d.]+ times as many steps as the published ones \([\d.]+ to [\d.]+\), over 1 setting$/.test(twice), twice);
  assertEquals(none, "Networks here and published ones can't be compared yet, over 1 setting");
});
