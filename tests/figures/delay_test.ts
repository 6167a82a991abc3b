/** The figure of delays, from constructed runs: whether the largest value takes longer than the best, and what its axis can hold. */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { delayFigure } from "../../lib/figures/boundary/delay.ts";
import { marks, shapes, texts, title } from "./figure_parts.ts";
import { DIMS, runs, runsOf } from "./made_boundaries.ts";
import { delayRows } from "../../lib/analysis/boundary/delay.ts";
import type { BoardRun } from "../../lib/analysis/runs/run.ts";

Deno.test("delay: the largest against the best at each weight decay, from the first value at which most grok", () => {
  const rows = delayRows(runs);
  assertEquals(rows.map(({ y, means }) => [y, means.length]), [[0.01, 2], [0.1, 4], [1, 6]]);
  assert(rows.every(({ largest, holm }) => largest!.x === 4 && holm! >= largest!.p));
  const figure = delayFigure(runs);
  assertMatch(
    title(figure),
    /^With weight decay 0\.01, 0\.1 and 1, networks take 1\.83 times as long to grok at d_model \/ p 4 as at the best$/,
  );
  assertEquals(marks(figure, "grokked", "not grokked", "best", "mean"), [60, 30, 3, 3]);
  assert(
    texts(figure).some((word) => /^At 4: 1\.83 times the best \(at least 1\.\d+\), \+400 steps, p < 0\.001$/.test(word)),
    texts(figure).join(),
  );
  // Two widths, three seeds each: not even the greatest difference would be enough.
  const few = delayFigure(runs.filter(({ spec }) => spec.seed < 3 && spec.model.dModel >= 192));
  assertMatch(
    title(few),
    /^Too few seeds to show that networks at the largest d_model \/ p take longer than at the best, with weight decay 0\.01, 0\.1 and 1$/,
  );
  assertMatch(texts(few).join(" "), /and can't be below 0\.15 with so few seeds\./);
  assertMatch(texts(few).join(" "), /seeds of one value stand side by side/);
  // The more, the sooner.
  const sooner = delayFigure(runsOf((ratio, _decay, seed) => Math.round((1000 + 20 * seed) / ratio), DIMS, [1]));
  assertEquals(title(sooner), "Mean waits are shortest at the largest d_model / p, with weight decay 1");
  const open = runsOf((ratio, _decay, seed) => Math.round((1000 + 20 * seed) / ratio), DIMS, [1])
    .map((
      run,
    ): BoardRun => (run.spec.model.dModel === 388 && run.spec.seed === 0
      ? { ...run, status: "training", step: 10, grokkingStep: null }
      : run)
    );
  assertEquals(
    title(delayFigure(open)),
    "Mean waits are shortest at the largest d_model / p, with weight decay 1; 1 setting not done",
  );
  const level = delayFigure(runsOf((ratio, _decay, seed) => 1000 + 20 * seed + (ratio > 3 ? 5 : 0), DIMS, [1]));
  assertEquals(title(level), "It is not shown that networks at the largest d_model / p take longer than at the best, with weight decay 1");
  // Where most of the largest diverge, they count as never, not as watched until then.
  const diverging = runs.map((
    run,
  ): BoardRun => (run.spec.model.dModel === 388 && run.spec.seed > 0 ? { ...run, status: "failed", step: 90, grokkingStep: null } : run));
  assert(delayRows(diverging).every(({ largest }) => largest!.difference > 10_000));
  assertThrows(() => delayFigure(runsOf(() => null)), Error, "Cannot draw delays: most networks must grok");
});

Deno.test("along values with 0 among them the axis isn't logarithmic: they are evenly spaced, and all seeds are drawn", () => {
  const along = (decays: readonly number[]) =>
    delayFigure(runsOf((_ratio, decay, seed) => Math.round(1000 / (decay + 1)) + 10 * seed, [96, 192], [...decays]), {
      x: { field: "optim.weightDecay" },
      y: { field: "model.dModel" },
    });
  const figure = along([0, 0.1, 1]), logarithmic = along([0.01, 0.1, 1]);
  assertEquals([figure, logarithmic].map((each) => marks(each, "grokked", "mean", "best")), [[30, 2, 2], [30, 2, 2]]);
  assert(texts(figure).includes("Weight decay (not to scale) →"));
  assert(texts(logarithmic).includes("Weight decay (logarithmic) →"));
  for (const tick of ["0", "0.1", "1"]) assertEquals(texts(figure).filter((word) => word === tick).length, 2, tick);
  // The middle seeds of three values, in the first panel.
  const [a, b, c] = [2, 7, 12].map((k) => Number(shapes(figure, "grokked", "circle")[k].getAttribute("cx")));
  assert(b > a && Math.abs(c - b - (b - a)) < 0.05, `${a}, ${b}, ${c}`);
});
