/** The figure of moduli, from constructed runs: steps against width, as it is and over the modulus, in colours that stay. */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { moduliColors, moduliFigure } from "../../lib/figures/boundary/moduli.ts";
import { grid, range } from "../../lib/lab/experiment.ts";
import { marks, shapes, texts, title } from "./figure_parts.ts";
import type { BoardRun } from "../../lib/analysis/runs/run.ts";

const STEPS = 20_000;

Deno.test("moduli: steps against width and width over modulus, and times the modulus; medians of three seeds or more", () => {
  const primes = [23, 47],
    all = primes.flatMap((prime) =>
      grid({ preset: "boundaries", data: { prime }, model: { dModel: [24, 48, 96] }, schedule: { steps: STEPS }, seed: range(5) })
    ).filter(({ model, seed }) => model.dModel > 24 || seed < 2).map((spec): BoardRun => {
      const late = spec.data.prime === 23 && spec.model.dModel === 24 && spec.seed === 1;
      const step = late ? null : Math.round(1e5 / spec.data.prime * (1 + spec.data.prime / spec.model.dModel) + 10 * spec.seed);
      return { spec, status: "finished", step: STEPS, memorisationStep: 100, grokkingStep: step };
    });
  const figure = moduliFigure(all, { task: "a + b" });
  assertEquals(marks(figure, "grokked", "not grokked"), [3 * 23, 3]);
  const words = texts(figure);
  for (const word of ["p = 23", "p = 47", "d_model →", "d_model / p →", "Optimiser steps × p, in thousands"]) {
    assert(words.some((text) => text.startsWith(word) || text.toLowerCase() === word), word);
  }
  assertMatch(
    title(figure),
    /^At equal d_model \/ p, networks grok sooner modulo 47 than modulo 23, in 0\.\d+ times the steps; times p, the two aren't told apart$/,
  );
  assertEquals([2, 6, 20].map((n) => new Set(moduliColors(range(n)).values()).size), [2, 6, 20], "no two moduli in one colour");
  const colors = moduliColors([23, 31, 47, 97]);
  assertEquals(
    new Set(shapes(moduliFigure(all, { among: [97, 31] }), "median").map((line) => line.getAttribute("stroke"))),
    new Set([colors.get(23), colors.get(47)]),
    "a modulus has one colour in all figures of these moduli",
  );
  const waiting = moduliFigure(all.map((run) => ({ ...run, status: "waiting", step: 0, memorisationStep: null, grokkingStep: null })));
  assertEquals([title(waiting), marks(waiting, "grokked", "not grokked")], ["Nothing has been trained yet", [0, 0]]);
  for (const tick of ["32", "0.5", "10,000"]) assert(texts(waiting).includes(tick), `a tick of what is planned: ${tick}`);
  assertThrows(
    () => moduliFigure(all.filter(({ spec }) => spec.data.prime === 23)),
    Error,
    "there must be at least two, current value is 1",
  );
});
